//! Lies about the verdict: what is proven after the rows, or in place of them.

use ashlar_field::Felt;

use super::{Liar, barren, claim, liar, out_of_range, told};
use crate::{
    soundness::story::{Claim, Stage, Story, Told},
    witness::Witness,
};

pub(super) fn liars() -> Vec<Liar> {
    [shared(), barren_rows(), silent_rows(), kinds()].into_iter().flatten().collect()
}

fn shared() -> Vec<Liar> {
    vec![
        liar(
            "accepted, with two diversified rows of three",
            1417,
            "checked[0] = diversified - min_diversification",
            told(0, |claim| claim.min_diversification = 3),
        ),
        liar(
            "accepted, with a volatility one above the limit",
            1421,
            "checked[1] + checked[2] = volatility_limit - volatility_sum",
            told(0, |claim| claim.max_volatility = 3499),
        ),
        liar(
            "too few rows, with exactly as many as are asked for",
            1436,
            "checked[0] = min_diversification - 1 - diversified",
            told(4, |_| ()),
        ),
        liar(
            "too volatile, where too few rows come first",
            1449,
            "checked[0] = diversified - min_diversification",
            told(5, |claim| (claim.min_diversification, claim.max_volatility) = (3, 3499)),
        ),
        liar(
            "too volatile, at the limit",
            1455,
            "checked[1] + checked[2] = volatility_sum - volatility_limit - 1",
            told(5, |claim| claim.max_volatility = 3500),
        ),
        Liar {
            name: "a share above max_single, read from the record behind".into(),
            address: 1467,
            source: "checked[4] = n - 1 - index".into(),
            witness: share_of_the_next_record(),
        },
        liar(
            "a share above max_single, which is equal to it",
            1477,
            "checked[0] = shares[index] - max_single - 1",
            told(3, |claim| claim.max_single = 6117),
        ),
        liar("the verdict 7", 1485, "verdict = 6", told(7, |claim| claim.min_liquidity = 0)),
        liar(
            "not liquid enough, where too few rows come first",
            1488,
            "checked[0] = diversified - min_diversification",
            told(6, |claim| (claim.min_diversification, claim.min_liquidity) = (3, 0)),
        ),
        liar(
            "not liquid enough, where the volatility comes first",
            1492,
            "checked[1] + checked[2] = volatility_limit - volatility_sum",
            told(6, |claim| (claim.max_volatility, claim.min_liquidity) = (3499, 0)),
        ),
        liar(
            "not liquid enough, by a row without a share",
            1497,
            "checked[5] = shares[index] - 1",
            Story::shared(claim(|claim| claim.rows[2].liquidity = 3), 6, 2),
        ),
        liar(
            "not liquid enough, in the worst class that is allowed",
            1508,
            "checked[6] = rows[ROW * index + 3] - min_liquidity - 1",
            told(6, |claim| claim.min_liquidity = 1),
        ),
    ]
}

/// The share at index n + 2 of an accepted proposal is the chain id of the record behind it.
fn share_of_the_next_record() -> Witness {
    let mut witness = Story::shared(claim(|_| ()), 3, 5).tell();
    let next = Story::shared(claim(|claim| claim.chain_id = Felt::from_u64(10_000)), 0, 0).tell();
    let excess = witness.checked.len() - 5;
    witness.checked[excess] = Felt::from_u64(10_000 - 9_000 - 1);
    batch([witness, next])
}

/// Several witnesses as one.
pub(in crate::soundness) fn batch(witnesses: impl IntoIterator<Item = Witness>) -> Witness {
    let mut all = Witness { proposals: 0, output: vec![], pedersen: vec![], checked: vec![] };
    for witness in witnesses {
        all.proposals += witness.proposals;
        all.output.extend(witness.output);
        all.pedersen.extend(witness.pedersen);
        all.checked.extend(witness.checked);
    }
    all
}

/// A proposal out of range, or with a yield, as one that has nothing to share.
fn barren_rows() -> Vec<Liar> {
    let barren_row = |name: &str, address, source: &str, change: fn(&mut Claim)| {
        liar(format!("{name}, where nothing is shared"), address, source, barren(change))
    };
    vec![
        barren_row("a utilisation may be -1", 1571, "checked[0] = row[1]", |claim| {
            claim.rows[1].utilisation = -1;
        }),
        barren_row("a utilisation may be 10001", 1576, "checked[1] = 10000 - row[1]", |claim| {
            claim.rows[1].utilisation = 10_001;
        }),
        barren_row("a volatility may be -1", 1578, "checked[2] = row[2]", |claim| {
            claim.rows[1].volatility = -1;
        }),
        barren_row("a volatility may be 10001", 1583, "checked[3] = 10000 - row[2]", |claim| {
            claim.rows[1].volatility = 10_001;
        }),
        barren_row("a liquidity class may be -1", 1585, "checked[4] = row[3]", |claim| {
            claim.rows[1].liquidity = -1;
        }),
        barren_row("a liquidity class may be 4", 1590, "checked[5] = 3 - row[3]", |claim| {
            claim.rows[1].liquidity = 4;
        }),
        barren_row("an audit mark may be -1", 1592, "checked[6] = row[4]", |claim| {
            claim.rows[1].audit = -1;
        }),
        barren_row("an audit mark may be 101", 1597, "checked[7] = 100 - row[4]", |claim| {
            claim.rows[1].audit = 101;
        }),
        barren_row("an age may be a fraction", 1599, "checked[8] = row[5]", |claim| {
            claim.rows[1].age = Felt::from_u128(1 << 112).inverse().unwrap();
        }),
        barren_row(
            "an age may be 65536",
            1603,
            "checked[9] = row[5] * 0x10000000000000000000000000000",
            |claim| claim.rows[1].age = Felt::from_u64(65_536),
        ),
        barren_row("a row has a yield", 1606, "row[6] = 0", |claim| claim.rows[1].apy = 1),
    ]
}

/// Scores and shares of a record that has none.
fn silent_rows() -> Vec<Liar> {
    const SCORES: usize = 10 + 3 * 7;
    let with = |cell: usize| {
        out_of_range([2, 0, 0, 0, 0], |claim| claim.max_single = 10_001)
            .lying(Stage::Output, move |account| account.output[cell] = Felt::ONE)
    };
    vec![
        liar("a row out of range has a score", 1549, "score[0] = 0", with(SCORES + 1)),
        liar("a row out of range has a share", 1552, "share[0] = 0", with(SCORES + 3 + 1)),
    ]
}

/// A proposal in range as one that is not, for every reason that there is.
fn kinds() -> Vec<Liar> {
    let kind = |number: i64, address, source: &str, change: fn(&mut Claim)| {
        let story = out_of_range([number, 0, 1, 1, 0], change);
        liar(format!("out of range by kind {number}, at the bound"), address, source, story)
    };
    vec![
        kind(0, 1662, "checked[1] = 1 - n", |claim| {
            claim.rows.truncate(2);
            claim.n = 2;
        }),
        kind(1, 1670, "checked[1] = n - 33", |_| ()),
        kind(2, 1679, "checked[1] = out[MAX_SINGLE] - 10001", |claim| claim.max_single = 10_000),
        kind(3, 1688, "checked[1] = out[MAX_VOLATILITY] - 10001", |claim| claim.max_volatility = 10_000),
        kind(4, 1697, "checked[1] = out[MIN_LIQUIDITY] - 4", |claim| claim.min_liquidity = 3),
        kind(5, 1705, "out[MIN_DIVERSIFICATION] = 0", |claim| claim.min_diversification = 1),
        kind(6, 1715, "checked[1] = out[MIN_DIVERSIFICATION] - n - 1", |claim| {
            claim.min_diversification = 3;
        }),
        kind(7, 1724, "checked[1] = out[MIN_DIVERSIFICATION] - 11", |_| ()),
        kind(8, 1745, "checked[1] = row[1] - 10001", |claim| claim.rows[1].utilisation = 10_000),
        kind(9, 1754, "checked[1] = row[2] - 10001", |claim| claim.rows[1].volatility = 10_000),
        kind(10, 1763, "checked[1] = row[3] - 4", |claim| claim.rows[1].liquidity = 3),
        kind(11, 1772, "checked[1] = row[4] - 101", |claim| claim.rows[1].audit = 100),
        kind(12, 1781, "checked[1] = row[5] - 65536", |claim| {
            claim.rows[1].age = Felt::from_u64(65_535);
        }),
        kind(13, 1790, "checked[1] = row[6] - 1000001", |claim| claim.rows[1].apy = 1_000_000),
        liar(
            "a score behind the rows is a protocol named before",
            1730,
            "checked[3] = n - 1 - checked[2]",
            out_of_range([14, 2, 3, 0, 0], |claim| claim.rows[0].protocol = Felt::ZERO),
        ),
        liar(
            "the nonce in front of the rows is the protocol of a row",
            1799,
            "checked[4] = checked[2] - checked[1] - 1",
            out_of_range([14, 1, 1, 1, 0], |claim| claim.nonce = 11),
        ),
        liar(
            "two rows that differ name the same protocol",
            1808,
            "row[0] = [row - ROW - ROW * checked[1]]",
            out_of_range([14, 0, 1, 1, 0], |_| ()),
        ),
    ]
}

/// Every way to tell a verdict of a proposal with this many rows.
pub(in crate::soundness) fn every_telling(rows: usize) -> Vec<Told> {
    let indices = 0..rows.min(3) as i64;
    let mut tellings = vec![Told::NothingToShare];
    for kind in 0..=15 {
        let after = rows as i64 - 2;
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
