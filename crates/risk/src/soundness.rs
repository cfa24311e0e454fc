//! The program against liars: what its assertions are needed for, and that they suffice.
//!
//! The output is written by the witness, so that a run that ends says nothing about it by itself. What is shown here:
//! every assertion that an honest run would end without is the only one that stands against some false record
//! ([`liars`]): the program refuses the record at this assertion, and a copy of the program without it lets the
//! record pass. An assertion left out of the program, or without a liar of its own, turns these tests red.

use std::collections::BTreeSet;

use ashlar_cairo::Run;
use ashlar_field::Felt;

use crate::{
    Constraints, Proposal, Row, Verdict, decide, output_record, parse_output,
    soundness::{
        liars::{Liar, batch, equal_rows, every_telling, lies_that_break_more, proposal, row},
        program::{COMPILED, run},
        story::{Claim, Stage, Story, Told},
    },
    witness::{Width, Witness},
};

mod liars;
mod program;
mod story;

/// Assertions that an honest run passes without, and that no false record needs broken.
const REDUNDANT: [(usize, &str); 1] = [
    // Every number that is no other kind comes here and is held to the equations of kind 14.
    (855, "kind = 14"),
];

/// Assertions to which no honest run comes: they put down the constant that the refusals of equal protocols compare.
const ONLY_BEFORE_A_REFUSAL: [usize; 2] = [110, 705];

/// Constants of the program that may be one more or one less without any effect on what it accepts.
const UNSEEN_CONSTANTS: [(usize, &str); 5] = [
    // `assert 0 = 1`, of two rows that name the same protocol, which fails as 0 = 2 and as -1 = 1 too.
    (110, "+"),
    (112, "-"),
    // `if (n == 1)` of `distinct_rows`: with `n == 0`, one call more compares no rows.
    (679, "+"),
    // The same refusal, of any two rows.
    (705, "+"),
    (707, "-"),
];

/// One proposal for every path through the program.
fn proposals() -> Vec<(Verdict, Proposal)> {
    let with = |change: fn(&mut Proposal)| {
        let mut changed = proposal();
        change(&mut changed);
        changed
    };
    vec![
        (Verdict::Accepted, proposal()),
        (Verdict::InputOutOfRange, with(|p| p.rows.truncate(1))),
        (Verdict::InputOutOfRange, with(|p| p.rows.extend((0..30).map(|i| row(100 + i, 5))))),
        (Verdict::InputOutOfRange, with(|p| p.constraints.max_single = 10_001)),
        (Verdict::InputOutOfRange, with(|p| p.constraints.max_volatility = 10_001)),
        (Verdict::InputOutOfRange, with(|p| p.constraints.min_liquidity = 4)),
        (Verdict::InputOutOfRange, with(|p| p.constraints.min_diversification = 0)),
        (Verdict::InputOutOfRange, with(|p| p.constraints.min_diversification = 4)),
        (Verdict::InputOutOfRange, with(|p| p.constraints.min_diversification = 11)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].utilisation = 10_001)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].volatility = 10_001)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].liquidity = 4)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].audit = 101)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].age = 65_536)),
        (Verdict::InputOutOfRange, with(|p| p.rows[1].apy = 1_000_001)),
        (Verdict::InputOutOfRange, with(|p| p.rows[2].protocol_id = p.rows[0].protocol_id)),
        (Verdict::NothingToShare, with(|p| p.rows.iter_mut().for_each(|row| row.apy = 0))),
        (Verdict::MaxSingle, with(|p| p.constraints.max_single = 6000)),
        (Verdict::Diversification, with(|p| p.constraints.min_diversification = 3)),
        (Verdict::Volatility, with(|p| p.constraints.max_volatility = 3499)),
        (Verdict::Liquidity, with(|p| p.constraints.min_liquidity = 0)),
        (Verdict::Liquidity, with(|p| p.rows[1].liquidity = 3)),
        (Verdict::Accepted, at_the_bounds()),
        (Verdict::Accepted, with(|p| p.rows.truncate(2))),
    ]
}

/// An accepted proposal whose numbers are at their bounds, and whose first protocol is called like its score.
fn at_the_bounds() -> Proposal {
    let worst = Row {
        utilisation: 10_000,
        volatility: 10_000,
        liquidity: 3,
        audit: 0,
        age: 0,
        apy: 1_000_000,
        ..row(95, 0)
    };
    let best = Row { utilisation: 0, volatility: 0, liquidity: 0, audit: 100, age: 65_535, ..row(11, 36) };
    let between =
        Row { utilisation: 4799, volatility: 499, liquidity: 2, audit: 50, age: 730, ..row(12, 270_000) };
    let constraints =
        Constraints { max_single: 10_000, max_volatility: 10_000, min_diversification: 1, min_liquidity: 3 };
    Proposal { constraints, rows: vec![worst, best, between], ..proposal() }
}

fn honest(proposal: &Proposal, width: Width) -> Witness {
    Witness::new(std::slice::from_ref(proposal), width).unwrap()
}

/// Both ways to write a number.
const WIDTHS: [Width; 2] = [Width::Wide, Width::Narrow];

/// Whether every record of an output is the one that the reference decides for the inputs in it.
fn is_true(output: &[Felt]) -> bool {
    let Ok(records) = parse_output(output) else { return false };
    let decided = records.iter().map(|record| {
        let decision = decide(&record.proposal).ok()?;
        Some(output_record(&record.proposal, &decision))
    });
    decided.collect::<Option<Vec<_>>>().is_some_and(|decided| decided.concat() == output)
}

/// The control of every test that expects refusals: the same program takes an honest witness.
fn assert_that_honest_witnesses_pass() {
    for (proposal, width) in [(proposal(), Width::Wide), (equal_rows(10), Width::Narrow)] {
        let witness = honest(&proposal, width);
        let run = run(&COMPILED.whole, &witness).unwrap();
        assert!(run.output == witness.output && is_true(&run.output));
    }
}

/// The addresses of the instructions that a run came to; the program begins at address 1 of the memory.
fn visited(run: &Run) -> BTreeSet<usize> {
    run.execution.trace.iter().map(|registers| registers.pc as usize - 1).collect()
}

/// An honest witness for every path, and the instructions that its run came to.
fn honest_runs() -> Vec<(Witness, BTreeSet<usize>)> {
    let witnesses =
        proposals().into_iter().flat_map(|(_, proposal)| WIDTHS.map(|width| honest(&proposal, width)));
    let with_run = |witness| {
        let visited = visited(&run(&COMPILED.whole, &witness).unwrap());
        (witness, visited)
    };
    witnesses.map(with_run).collect()
}

#[test]
fn every_path_runs_to_the_record_of_the_reference() {
    for (verdict, proposal) in proposals() {
        let decision = decide(&proposal).unwrap();
        assert_eq!(decision.verdict, verdict);
        for width in WIDTHS {
            let run = run(&COMPILED.whole, &honest(&proposal, width)).unwrap();
            assert_eq!(run.output, output_record(&proposal, &decision), "{verdict}");
            assert!(is_true(&run.output), "{verdict}");
        }
    }
}

#[test]
fn a_story_without_a_lie_is_the_honest_witness() {
    for (verdict, proposal) in proposals() {
        for width in WIDTHS {
            let mut told = Story::new(Claim::of(&proposal), Told::of(&proposal)).in_width(width).tell();
            let honest = honest(&proposal, width);
            // Where no shares are told, nobody asks for these hints, and a row without a floor may say anything.
            told.hints.clone_from(&honest.hints);
            assert_eq!(told, honest, "{verdict}, {width:?}");
        }
    }
}

#[test]
fn every_liar_is_refused_by_one_assertion_and_would_prove_a_false_record_without_it() {
    assert_that_honest_witnesses_pass();
    for Liar { name, address, witness, .. } in liars::all() {
        let refusal = run(&COMPILED.whole, &witness).expect_err(&name);
        assert_eq!(refusal.assertion, Some(address), "{name}: {}", refusal.reason);
        let unguarded = run(&COMPILED.without(address), &witness)
            .unwrap_or_else(|refusal| panic!("{name}: breaks more than one assertion: {}", refusal.reason));
        assert_eq!(unguarded.output, witness.output, "{name}");
        assert!(!is_true(&unguarded.output), "{name}: the record is true");
    }
}

#[test]
fn every_assertion_that_an_honest_run_could_do_without_has_a_liar_against_it() {
    let runs = honest_runs();
    let (mut checking, mut unvisited) = (BTreeSet::new(), BTreeSet::new());
    for address in COMPILED.assertions() {
        let Some((witness, _)) = runs.iter().find(|(_, visited)| visited.contains(&address)) else {
            unvisited.insert(address);
            continue;
        };
        // Without an assertion that defines a cell, the machine does not know the cell and fails.
        if run(&COMPILED.without(address), witness).is_ok() {
            checking.insert(address);
        }
    }
    let lied_to: BTreeSet<usize> = liars::all().iter().map(|liar| liar.address).collect();
    let redundant = BTreeSet::from(REDUNDANT.map(|(address, _)| address));
    let needs_a_liar: BTreeSet<usize> = checking.union(&unvisited).copied().collect();
    let uncovered: BTreeSet<usize> = needs_a_liar.difference(&lied_to).copied().collect();
    let excused: BTreeSet<usize> = redundant.iter().chain(&ONLY_BEFORE_A_REFUSAL).copied().collect();
    assert_eq!(uncovered, excused, "assertions without a liar, and those that need none");
    assert!(lied_to.is_subset(&needs_a_liar), "a liar names an assertion that defines a cell");
    assert!(redundant.is_subset(&checking));
    assert!(checking.len() > 100, "{checking:?}");
}

#[test]
fn honest_runs_take_both_ways_of_every_branch_except_into_a_refusal() {
    let visited: BTreeSet<usize> = honest_runs().into_iter().flat_map(|(_, visited)| visited).collect();
    let untaken: Vec<usize> =
        COMPILED.branches().into_iter().flatten().filter(|address| !visited.contains(address)).collect();
    assert_eq!(untaken, ONLY_BEFORE_A_REFUSAL);
}

#[test]
fn no_constant_can_be_one_more_or_one_less_unseen() {
    let honest_runs = honest_runs();
    let liars = liars::all();
    // A liar's way through the program, as far as it would come without the assertion against it.
    let lying_runs: Vec<BTreeSet<usize>> = liars
        .iter()
        .map(|liar| visited(&run(&COMPILED.without(liar.address), &liar.witness).unwrap()))
        .collect();
    let mut unseen = Vec::new();
    for address in COMPILED.constants() {
        for (sign, difference) in [("+", Felt::ONE), ("-", -Felt::ONE)] {
            let changed = COMPILED.with_constant_off(address, difference);
            let takes = |witness: &Witness, visited: &BTreeSet<usize>| {
                visited.contains(&address).then(|| run(&changed, witness).is_ok())
            };
            let refuses_the_honest =
                honest_runs.iter().any(|(witness, visited)| takes(witness, visited) == Some(false));
            if !refuses_the_honest
                && !liars.iter().zip(&lying_runs).any(|(liar, to)| takes(&liar.witness, to) == Some(true))
            {
                unseen.push((address, sign));
            }
        }
    }
    assert_eq!(unseen, UNSEEN_CONSTANTS);
}

#[test]
fn assertions_are_named_as_the_source_writes_them() {
    let source = include_str!("../../../programs/risk/risk.cairo");
    let liars = liars::all();
    let named = liars.iter().map(|liar| liar.source.as_str()).chain(REDUNDANT.map(|(_, source)| source));
    for name in named {
        assert!(source.contains(&format!("assert {name};")), "{name}");
    }
}

#[test]
fn lies_that_break_several_equations_or_none_but_a_jump_are_refused() {
    assert_that_honest_witnesses_pass();
    for (name, story) in lies_that_break_more() {
        let witness = story.tell();
        assert!(!is_true(&witness.output), "{name}");
        assert!(run(&COMPILED.whole, &witness).is_err(), "{name}");
    }
}

#[test]
fn no_verdict_but_the_true_one_can_be_told() {
    assert_that_honest_witnesses_pass();
    let mut refused = 0;
    for (verdict, proposal) in proposals() {
        for told in every_telling(proposal.rows.len()) {
            let witness = Story::new(Claim::of(&proposal), told).tell();
            if let Ok(run) = run(&COMPILED.whole, &witness) {
                assert!(is_true(&run.output), "{verdict} told as {told:?}");
            } else {
                refused += 1;
            }
        }
    }
    assert!(refused > 400, "only {refused} were refused");
}

#[test]
fn a_flag_may_be_any_number_that_says_the_same() {
    let witness = honest(&proposal(), Width::Wide);
    let flag = |witness: &Witness| witness.hints[0].rows[1].is_diversified;
    assert_eq!(flag(&witness), Felt::ONE);
    let with_flag = |value| {
        let mut changed = witness.clone();
        changed.hints[0].rows[1].is_diversified = value;
        changed
    };
    for value in [Felt::from_u64(2), -Felt::ONE] {
        let run = run(&COMPILED.whole, &with_flag(value)).unwrap();
        assert!(run.output == witness.output && is_true(&run.output));
    }
    assert!(run(&COMPILED.whole, &with_flag(Felt::ZERO)).is_err());
}

#[test]
fn a_wrong_output_cell_is_refused() {
    for (verdict, proposal) in proposals() {
        let witness = honest(&proposal, Width::Wide);
        assert!(run(&COMPILED.whole, &witness).is_ok(), "{verdict}");
        // The loops over 33 rows are those over three.
        for cell in (0..witness.output.len()).filter(|cell| *cell < 11 + 3 * 9) {
            let mut changed = witness.clone();
            changed.output[cell] += Felt::ONE;
            assert!(run(&COMPILED.whole, &changed).is_err(), "{verdict}: output cell {cell}");
        }
    }
}

#[test]
fn a_wrong_pedersen_cell_is_refused() {
    assert_that_honest_witnesses_pass();
    let witness = honest(&proposal(), Width::Wide);
    for cell in 0..witness.pedersen.len() {
        let mut changed = witness.clone();
        changed.pedersen[cell] += Felt::ONE;
        assert!(run(&COMPILED.whole, &changed).is_err(), "pedersen cell {cell}");
    }
}

#[test]
fn a_batch_decides_every_record_of_its_output() {
    let second =
        Proposal { nonce: 4, rows: vec![row(20, 500), Row { liquidity: 0, ..row(21, 400) }], ..proposal() };
    let both = || batch([honest(&proposal(), Width::Wide), honest(&second, Width::Wide)]);
    let output = run(&COMPILED.whole, &both()).unwrap().output;
    assert!(output == both().output && is_true(&output));
    // A batch of one is as good as one of two, and its output is its own record.
    let one = run(&COMPILED.whole, &honest(&proposal(), Width::Wide)).unwrap().output;
    assert_eq!(one, output[..one.len()]);
    // More records in the output than were decided, or fewer.
    for proposals in [0, 1, 3] {
        let mut changed = both();
        changed.proposals = proposals;
        assert!(run(&COMPILED.whole, &changed).is_err(), "{proposals} of two");
    }
    // A false record behind a true one, and in front of it.
    let lie = || {
        let lying = |account: &mut story::Account| account.lines[0].utilisation[0] += 1;
        Story::shared(Claim::of(&proposal()), 0, 0).lying(Stage::Terms, lying).tell()
    };
    assert!(run(&COMPILED.whole, &batch([honest(&second, Width::Wide), lie()])).is_err());
    assert!(run(&COMPILED.whole, &batch([lie(), honest(&second, Width::Wide)])).is_err());
}
