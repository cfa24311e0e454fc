//! The program against liars: whatever cell of the witness is wrong, no false record comes out.

use ashlar_cairo::Run;
use ashlar_field::Felt;

use crate::{
    Constraints, Proposal, Row, Verdict, decide, models::run_witness, output_record, witness::Witness,
};

fn row(protocol: u64, apy: u64) -> Row {
    Row {
        protocol_id: Felt::from_u64(protocol),
        utilisation: 6500,
        volatility: 3500,
        liquidity: 1,
        audit: 98,
        age: 700,
        apy,
    }
}

fn proposal() -> Proposal {
    Proposal {
        chain_id: Felt::from_u64(1),
        allocator: Felt::from_u64(2),
        nonce: 3,
        model_version: 1,
        constraints: Constraints {
            max_single: 9000,
            max_volatility: 4000,
            min_diversification: 2,
            min_liquidity: 2,
        },
        rows: vec![row(10, 520), Row { age: 800, ..row(11, 330) }, row(12, 0)],
    }
}

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
    ]
}

fn honest(proposal: &Proposal) -> Witness {
    Witness::new(std::slice::from_ref(proposal)).unwrap()
}

fn run(witness: &Witness) -> Option<Run> {
    run_witness(witness).ok()
}

#[test]
fn every_path_runs_to_the_record_of_the_reference() {
    for (verdict, proposal) in proposals() {
        let decision = decide(&proposal).unwrap();
        assert_eq!(decision.verdict, verdict);
        let run = run_witness(&honest(&proposal)).unwrap();
        assert_eq!(run.output, output_record(&proposal, &decision), "{verdict}");
    }
}

/// The cells that a path checks for itself: all, or those before and after the rows, which every path shares.
fn own_cells(verdict: Verdict, witness: &Witness) -> Vec<usize> {
    let rows = match verdict {
        Verdict::MaxSingle | Verdict::Diversification | Verdict::Volatility | Verdict::Liquidity => {
            FIRST_ROW..FIRST_ROW + 3 * ROW
        }
        _ => 0..0,
    };
    (0..witness.checked.len()).filter(|cell| !rows.contains(cell)).collect()
}

#[test]
fn a_wrong_cell_of_the_witness_never_gives_another_output() {
    let wrongs: [fn(Felt) -> Felt; 4] =
        [|x| x + Felt::ONE, |x| x - Felt::ONE, |x| x + Felt::from_u128(1 << 64), |x| -x - Felt::ONE];
    let mut refused = 0;
    for (verdict, proposal) in proposals() {
        let witness = honest(&proposal);
        let expected = output_record(&proposal, &decide(&proposal).unwrap());
        for cell in own_cells(verdict, &witness) {
            for wrong in wrongs {
                let mut changed = witness.clone();
                changed.checked[cell] = wrong(witness.checked[cell]);
                match run(&changed) {
                    // A flag may be any number, a sum may be split otherwise, an unused cell may hold anything.
                    Some(run) => assert_eq!(run.output, expected, "{verdict}, cell {cell}"),
                    None => refused += 1,
                }
            }
        }
    }
    assert!(refused > 500, "only {refused} wrong witnesses were refused");
}

#[test]
fn a_wrong_output_cell_is_refused() {
    for (verdict, proposal) in proposals() {
        let witness = honest(&proposal);
        // The loops over 33 rows are those over three.
        for cell in (0..witness.output.len()).filter(|cell| *cell < 10 + 3 * 9 + 1) {
            let mut changed = witness.clone();
            changed.output[cell] += Felt::ONE;
            assert!(run(&changed).is_none(), "{verdict}: output cell {cell}");
        }
    }
}

#[test]
fn a_wrong_pedersen_cell_is_refused() {
    let witness = honest(&proposal());
    for cell in 0..witness.pedersen.len() {
        let mut changed = witness.clone();
        changed.pedersen[cell] += Felt::ONE;
        assert!(run(&changed).is_none(), "pedersen cell {cell}");
    }
}

/// The cells of the last row, which the loop takes first.
const FIRST_ROW: usize = 14;
const ROW: usize = 33;

/// A witness with several cells changed together, as a liar would who keeps the equations.
fn forged(proposal: &Proposal, checked: &[(usize, Felt)], output: &[(usize, Felt)]) -> Witness {
    let mut witness = honest(proposal);
    for &(cell, value) in checked {
        witness.checked[cell] = value;
    }
    for &(cell, value) in output {
        witness.output[cell] = value;
    }
    witness
}

#[test]
fn a_quotient_one_off_with_its_remainder_adjusted_is_refused() {
    let n = |value: i64| Felt::from_i64(value);
    // The row of index 2 comes first; its score is output cell 10 + 7·3 + 2.
    let score = 10 + 21 + 2;
    let honest_score = honest(&proposal()).output[score];
    // Utilisation 6500 = 400·16 + 100: as 15·400 + 500 and as 17·400 − 300.
    for (quotient, rest) in [(15, 500), (17, -300)] {
        let cells = [(FIRST_ROW, n(quotient)), (FIRST_ROW + 1, n(rest)), (FIRST_ROW + 2, n(399 - rest))];
        let output = [(score, honest_score + n(quotient - 16))];
        assert!(run(&forged(&proposal(), &cells, &output)).is_none());
    }
    // Volatility 3500 = 250·14 + 0: as 13·250 + 250.
    let cells = [(FIRST_ROW + 4, n(13)), (FIRST_ROW + 5, n(250)), (FIRST_ROW + 6, n(-1))];
    assert!(run(&forged(&proposal(), &cells, &[(score, honest_score - Felt::ONE)])).is_none());
    // A wrapped quotient: q = 6500/400 in the field, rest 0.
    let wrapped = n(6500) * n(400).inverse().unwrap();
    let cells = [(FIRST_ROW, wrapped), (FIRST_ROW + 1, n(0)), (FIRST_ROW + 2, n(399))];
    assert!(run(&forged(&proposal(), &cells, &[])).is_none());
    // 700 days: 30 = 73·0 + 30, as mature, and as 73·(−1) + 103.
    let cells = [
        (FIRST_ROW + 12, n(1)),
        (FIRST_ROW + 13, n(-30)),
        (FIRST_ROW + 14, n(700) * Felt::from_u128(1 << 112)),
    ];
    assert!(run(&forged(&proposal(), &cells, &[])).is_none());
    let cells = [(FIRST_ROW + 14, n(-1)), (FIRST_ROW + 15, n(103)), (FIRST_ROW + 16, n(-31))];
    assert!(run(&forged(&proposal(), &cells, &[(score, honest_score - Felt::ONE)])).is_none());
}

#[test]
fn a_mature_protocol_cannot_be_called_new_nor_given_a_weight_of_another_size() {
    let n = |value: i64| Felt::from_i64(value);
    let row = FIRST_ROW + ROW;
    // 800 days claimed new: 730 − 800 = −70 = 73·(−1) + 3.
    let cells =
        [(row + 12, n(0)), (row + 13, n(800)), (row + 14, n(-1)), (row + 15, n(3)), (row + 16, n(69))];
    assert!(run(&forged(&proposal(), &cells, &[])).is_none());
    // Its weight one less, with the remainder a divisor more.
    let witness = honest(&proposal());
    let score = witness.output[10 + 21 + 1];
    let cells = [
        (row + 20, witness.checked[row + 20] - Felt::ONE),
        (row + 21, witness.checked[row + 21] + score + Felt::ONE),
        (row + 22, witness.checked[row + 22] - score - Felt::ONE),
    ];
    assert!(run(&forged(&proposal(), &cells, &[])).is_none());
}

#[test]
fn a_share_moved_from_one_row_to_another_is_refused() {
    // Rows 0 and 1 share; row 1 is the last with a weight and takes the rest.
    let shares = 10 + 21 + 3;
    let witness = honest(&proposal());
    let row0 = FIRST_ROW + 2 * ROW;
    let row1 = FIRST_ROW + ROW;
    let one = Felt::ONE;
    let total = witness.checked[12] + witness.checked[13];
    let cells = [
        (row0 + 23, witness.checked[row0 + 23] - one),
        (row0 + 24, witness.checked[row0 + 24] + total),
        (row0 + 26, witness.checked[row0 + 26] - total),
        (row0 + 28, witness.checked[row0 + 28] + one),
        (row0 + 30, witness.checked[row0 + 30] - one),
        (row1 + 23, witness.checked[row1 + 23] + one),
        (row1 + 28, witness.checked[row1 + 28] - one),
        (row1 + 30, witness.checked[row1 + 30] + one),
    ];
    let output = [(shares, witness.output[shares] - one), (shares + 1, witness.output[shares + 1] + one)];
    assert!(run(&forged(&proposal(), &cells, &output)).is_none());
}

#[test]
fn no_proposal_can_be_given_the_verdict_of_another() {
    // Every proposal's record with every other verdict, and with the checks of a proposal that has that verdict.
    let all = proposals();
    for (verdict, proposal) in &all {
        let witness = honest(proposal);
        for (other, model) in &all {
            if other == verdict {
                continue;
            }
            let mut changed = witness.clone();
            changed.checked = honest(model).checked;
            if let Some(cell) = changed.output.last_mut() {
                *cell = Felt::from_u64(other.number());
            }
            assert!(run(&changed).is_none(), "{verdict} as {other}");
        }
    }
}

#[test]
fn a_batch_cannot_hide_a_record() {
    let mut witness = Witness::new(&[proposal(), proposal()]).unwrap();
    witness.proposals = 1;
    let one = run(&witness);
    // The output is what was decided, and the pointer says how far it goes.
    assert!(one.is_none_or(|run| run.output == honest(&proposal()).output));
}
