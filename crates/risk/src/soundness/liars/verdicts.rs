//! Lies about the verdict: what is proven after the rows, or in place of them.

use ashlar_field::Felt;

use super::{Liar, barren, claim, liar, out_of_range, told};
use crate::{
    soundness::story::{Claim, Stage, Story, Told},
    witness::{Width, Witness},
};

pub(super) fn liars() -> Vec<Liar> {
    [shared(), barren_rows(), silent_rows(), kinds()].into_iter().flatten().collect()
}

fn shared() -> Vec<Liar> {
    vec![
        liar(
            "accepted, with two diversified rows of three",
            362,
            "last.diversified = min_diversification + surplus",
            told(0, |claim| claim.min_diversification = 3),
        ),
        liar(
            "accepted, with a volatility one above the limit",
            367,
            "volatility_limit = last.volatility_sum + margin",
            told(0, |claim| claim.max_volatility = 3499),
        ),
        liar(
            "too few rows, with exactly as many as are asked for",
            464,
            "checked[5] = min_diversification - 1 - diversified",
            told(4, |_| ()),
        ),
        liar(
            "too volatile, where too few rows come first",
            476,
            "checked[5] = diversified - min_diversification",
            told(5, |claim| (claim.min_diversification, claim.max_volatility) = (3, 3499)),
        ),
        liar(
            "too volatile, at the limit",
            479,
            "margin = volatility_sum - over_limit - 1",
            told(5, |claim| claim.max_volatility = 3500),
        ),
        Liar {
            name: "a share above max_single, read from the record behind".into(),
            address: 486,
            source: "more[5] = n - 1 - index".into(),
            witness: share_of_the_next_record(),
        },
        liar(
            "a share above max_single, which is equal to it",
            501,
            "checked[5] = failing[8] - max_single - 1",
            told(3, |claim| claim.max_single = 6117),
        ),
        liar(
            "a proposal that has nothing to share and no max_single is accepted",
            116,
            "verdict = 2",
            barren(|claim| claim.max_single = 0)
                .lying(Stage::Output, |account| account.output[1] = Felt::ZERO),
        ),
        liar("the verdict 7", 504, "verdict = 6", told(7, |claim| claim.min_liquidity = 0)),
        liar(
            "not liquid enough, where too few rows come first",
            507,
            "checked[5] = diversified - min_diversification",
            told(6, |claim| (claim.min_diversification, claim.min_liquidity) = (3, 0)),
        ),
        liar(
            "not liquid enough, where the volatility comes first",
            508,
            "margin = over_limit - volatility_sum",
            told(6, |claim| (claim.max_volatility, claim.min_liquidity) = (3499, 0)),
        ),
        liar(
            "not liquid enough, by a row without a share",
            512,
            "more[6] = failing[8] - 1",
            Story::shared(claim(|claim| claim.rows[2].liquidity = 3), 6, 2),
        ),
        liar(
            "not liquid enough, in the worst class that is allowed",
            517,
            "more[7] = failing[3] - min_liquidity - 1",
            told(6, |claim| claim.min_liquidity = 1),
        ),
    ]
}

/// What would be the share of a fifth row is the yield of the first row in the record behind.
fn share_of_the_next_record() -> Witness {
    let mut witness = Story::shared(claim(|_| ()), 3, 4).tell();
    let next = claim(|claim| (claim.rows[0].apy, claim.rows[1].apy) = (9_200, 5_838));
    witness.checked[5] = Felt::from_u64(9_200 - 9_000 - 1);
    batch([witness, Story::shared(next, 0, 0).tell()])
}

/// What would be the protocol of a fourth row is the identity of the record behind.
fn protocol_of_the_next_record() -> Witness {
    let next = Story::shared(claim(|_| ()), 0, 0).tell();
    let identity = next.output[0];
    let witness = out_of_range([14, 2, 3, 0, 0], |claim| claim.rows[0].protocol = identity).tell();
    batch([witness, next])
}

/// Several witnesses as one.
pub(in crate::soundness) fn batch(witnesses: impl IntoIterator<Item = Witness>) -> Witness {
    let mut all = Witness::empty(Width::Wide);
    for witness in witnesses {
        all.proposals += witness.proposals;
        all.output.extend(witness.output);
        all.pedersen.extend(witness.pedersen);
        all.checked.extend(witness.checked);
        all.hints.extend(witness.hints);
    }
    all
}

/// A proposal out of range, or with a yield, as one that has nothing to share.
fn barren_rows() -> Vec<Liar> {
    let barren_row = |name: &str, address, source: &str, change: fn(&mut Claim)| {
        liar(format!("{name}, where nothing is shared"), address, source, barren(change))
    };
    vec![
        barren_row("a utilisation may be 10001", 647, "checked[0] = 10000 - row[1]", |claim| {
            claim.rows[1].utilisation = 10_001;
        }),
        barren_row("a volatility may be 10001", 652, "checked[1] = 10000 - row[2]", |claim| {
            claim.rows[1].volatility = 10_001;
        }),
        barren_row("a liquidity class may be 4", 657, "checked[2] = 3 - row[3]", |claim| {
            claim.rows[1].liquidity = 4;
        }),
        barren_row("an audit mark may be 101", 662, "checked[3] = 100 - row[4]", |claim| {
            claim.rows[1].audit = 101;
        }),
        barren_row("an age may be 65536", 666, "checked[4] = row[5] * 2 ** 112", |claim| {
            claim.rows[1].age = Felt::from_u64(65_536);
        }),
        barren_row("a row has a yield", 669, "row[6] = 0", |claim| claim.rows[1].apy = 1),
    ]
}

/// Scores and shares of a record that has none.
fn silent_rows() -> Vec<Liar> {
    const SECOND_ROW: usize = 11 + 9;
    let with = |cell: usize| {
        out_of_range([2, 0, 0, 0, 0], |claim| claim.max_single = 10_001)
            .lying(Stage::Output, move |account| account.output[cell] = Felt::ONE)
    };
    vec![
        liar("a row out of range has a score", 618, "row[7] = 0", with(SECOND_ROW + 7)),
        liar("a row out of range has a share", 621, "row[8] = 0", with(SECOND_ROW + 8)),
    ]
}

/// A proposal in range as one that is not, for every reason that there is.
fn kinds() -> Vec<Liar> {
    let kind = |number: i128, address, source: &str, change: fn(&mut Claim)| {
        let story = out_of_range([number, 0, 1, 1, 0], change);
        liar(format!("out of range by kind {number}, at the bound"), address, source, story)
    };
    vec![
        kind(0, 725, "checked[1] = 1 - n", |claim| {
            claim.rows.truncate(2);
            claim.n = 2;
        }),
        kind(1, 733, "checked[1] = n - 33", |_| ()),
        kind(2, 742, "checked[1] = out[MAX_SINGLE] - 10001", |claim| claim.max_single = 10_000),
        kind(3, 751, "checked[1] = out[MAX_VOLATILITY] - 10001", |claim| claim.max_volatility = 10_000),
        kind(4, 760, "checked[1] = out[MIN_LIQUIDITY] - 4", |claim| claim.min_liquidity = 3),
        kind(5, 768, "out[MIN_DIVERSIFICATION] = 0", |claim| claim.min_diversification = 1),
        kind(6, 778, "checked[1] = out[MIN_DIVERSIFICATION] - n - 1", |claim| {
            claim.min_diversification = 3;
        }),
        kind(7, 787, "checked[1] = out[MIN_DIVERSIFICATION] - 11", |_| ()),
        kind(8, 808, "checked[1] = row[1] - 10001", |claim| claim.rows[1].utilisation = 10_000),
        kind(9, 817, "checked[1] = row[2] - 10001", |claim| claim.rows[1].volatility = 10_000),
        kind(10, 826, "checked[1] = row[3] - 4", |claim| claim.rows[1].liquidity = 3),
        kind(11, 835, "checked[1] = row[4] - 101", |claim| claim.rows[1].audit = 100),
        kind(12, 844, "checked[1] = row[5] - 65536", |claim| {
            claim.rows[1].age = Felt::from_u64(65_535);
        }),
        kind(13, 853, "checked[1] = row[6] - 1000001", |claim| claim.rows[1].apy = 1_000_000),
        Liar {
            name: "the identity of the record behind is a protocol named before".into(),
            address: 793,
            source: "checked[3] = n - 1 - checked[2]".into(),
            witness: protocol_of_the_next_record(),
        },
        liar(
            "the chain id in front of the rows is the protocol of a row",
            862,
            "checked[4] = checked[2] - checked[1] - 1",
            out_of_range([14, 1, 1, 1, 0], |claim| claim.chain_id = Felt::from_u64(11)),
        ),
        liar(
            "two rows that differ name the same protocol",
            871,
            "row[0] = [row - ROW - ROW * checked[1]]",
            out_of_range([14, 0, 1, 1, 0], |_| ()),
        ),
    ]
}

/// Every way to tell a verdict of a proposal with this many rows.
pub(in crate::soundness) fn every_telling(rows: usize) -> Vec<Told> {
    let indices = 0..rows.min(3) as i128;
    let mut tellings = vec![Told::NothingToShare];
    for kind in 0..=15 {
        let after = rows as i128 - 2;
        tellings.push(Told::OutOfRange([kind, 0, 1, after, 0]));
    }
    for verdict in [0, 4, 5] {
        tellings.push(Told::Shared { verdict, index: 0 });
    }
    for verdict in [3, 6] {
        tellings.extend(indices.clone().map(|index| Told::Shared { verdict, index }));
    }
    tellings
}
