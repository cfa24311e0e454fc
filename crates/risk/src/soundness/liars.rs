//! The liars: witnesses that break one equation of the program, keep all others, and would prove a false record.

use ashlar_field::Felt;

use super::story::{Claim, Story, Told};
use crate::{Constraints, Proposal, Row, witness::Witness};

mod inputs;
mod rows;
mod verdicts;

pub(super) use rows::lies_that_break_more;
pub(super) use verdicts::{batch, every_telling};

/// One lie, and the assertion that stands against it.
pub(super) struct Liar {
    /// What is claimed.
    pub(super) name: String,
    /// Where the assertion is in the compiled program.
    pub(super) address: usize,
    /// The assertion as the source writes it.
    pub(super) source: String,
    pub(super) witness: Witness,
}

/// All of them.
pub(super) fn all() -> Vec<Liar> {
    [inputs::liars(), rows::liars(), verdicts::liars()].into_iter().flatten().collect()
}

fn liar(name: impl Into<String>, address: usize, source: impl Into<String>, story: Story) -> Liar {
    Liar { name: name.into(), address, source: source.into(), witness: story.tell() }
}

/// A row of score 35.
pub(super) fn row(protocol: u64, apy: u64) -> Row {
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

/// An accepted proposal: shares 6117 and 3883, and a row without yield.
pub(super) fn proposal() -> Proposal {
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

/// `count` rows with the same weight and no rest in any division of theirs.
pub(super) fn equal_rows(count: u64) -> Proposal {
    Proposal { rows: (0..count).map(|index| row(10 + index, 36)).collect(), ..proposal() }
}

/// The accepted proposal, changed.
fn claim(change: impl Fn(&mut Claim)) -> Claim {
    let mut claim = Claim::of(&proposal());
    change(&mut claim);
    claim
}

/// The truth about the accepted proposal.
fn accepted() -> Story {
    told(0, |_| ())
}

/// The proposal, changed, with this verdict on its shares.
fn told(verdict: i128, change: impl Fn(&mut Claim)) -> Story {
    Story::shared(claim(change), verdict, 0)
}

/// The proposal, changed, as one that has nothing to share.
fn barren(change: impl Fn(&mut Claim)) -> Story {
    let without_yield = claim(|claim| claim.rows.iter_mut().for_each(|row| row.apy = 0));
    let mut claim = without_yield;
    change(&mut claim);
    Story::new(claim, Told::NothingToShare)
}

/// The proposal, changed, as one that is out of range for this reason.
fn out_of_range(numbers: [i128; 5], change: impl Fn(&mut Claim)) -> Story {
    Story::new(claim(change), Told::OutOfRange(numbers))
}
