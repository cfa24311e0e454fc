//! Lies about scores, weights and shares.

use ashlar_field::Felt;

use super::{Liar, accepted, claim, equal_rows, liar, proposal, told};
use crate::soundness::story::{Claim, Stage, Story};

/// Where the scores of the three rows begin in the record.
const SCORES: usize = 10 + 3 * 7;
/// Where their shares begin.
const SHARES: usize = SCORES + 3;

pub(super) fn liars() -> Vec<Liar> {
    [scores(), shares(), flags()].into_iter().flatten().collect()
}

fn scores() -> Vec<Liar> {
    vec![
        liar(
            "a quotient of the utilisation is one more",
            1272,
            "f.utilisation = f.utilisation_floor + f.utilisation_rest",
            accepted().lying(Stage::Terms, |account| account.lines[0].utilisation[0] += 1),
        ),
        liar(
            "6400 = 400 * 15 + 400",
            1273,
            "k399 = f.utilisation_rest + f.utilisation_rest_slack",
            told(0, |claim| claim.rows[0].utilisation = 6400)
                .lying(Stage::Terms, |account| account.lines[0].utilisation = [15, 400]),
        ),
        liar(
            "a quotient of the volatility is one less",
            1281,
            "f.volatility = f.volatility_floor + f.volatility_rest",
            accepted().lying(Stage::Terms, |account| account.lines[0].volatility[0] -= 1),
        ),
        liar(
            "3500 = 250 * 13 + 250",
            1282,
            "k249 = f.volatility_rest + f.volatility_rest_slack",
            accepted().lying(Stage::Terms, |account| account.lines[0].volatility = [13, 250]),
        ),
        liar(
            "430 = 73 * 6 + 65",
            1304,
            "f.missing_days = f.novelty_floor + f.novelty_rest",
            told(0, |claim| claim.rows[0].age = Felt::from_u64(300))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [6, 65]),
        ),
        liar(
            "365 = 73 * 4 + 73",
            1305,
            "k72 = f.novelty_rest + f.novelty_rest_slack",
            told(0, |claim| claim.rows[0].age = Felt::from_u64(365))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [4, 73]),
        ),
        liar(
            "a score in the output is not the one computed",
            1322,
            "f.score = [f.score_out]",
            accepted().lying(Stage::Output, |account| account.output[SCORES] += Felt::ONE),
        ),
    ]
}

fn shares() -> Vec<Liar> {
    let equal = || Story::shared(Claim::of(&equal_rows(2)), 0, 0);
    vec![
        liar(
            "a weight is twice the quotient",
            1337,
            "f.scaled_apy = f.weight_floor + f.weight_rest",
            accepted().lying(Stage::Weights, |account| account.lines[0].weight[0] *= 2),
        ),
        liar(
            "360000 = 36 * 9999 + 36",
            1339,
            "f.score = f.weight_rest + f.weight_rest_slack",
            equal().lying(Stage::Weights, |account| account.lines[0].weight = [9_999, 36]),
        ),
        liar(
            "a basis point moves from one row to the other",
            1358,
            "f.scaled_weight = f.share_floor + f.share_rest",
            accepted().lying(Stage::Shares, |account| {
                account.lines[0].share[0] -= 1;
                account.lines[1].share[0] += 1;
            }),
        ),
        liar(
            "half of the total is 4999 parts and a rest of 20000",
            1362,
            "total_less_one = f.share_rest + f.share_slack",
            equal().lying(Stage::Shares, |account| {
                account.lines[0].share = [4_999, 20_000];
                account.lines[1].share[0] += 1;
            }),
        ),
        liar(
            "a share in the output is not the one computed",
            1363,
            "f.share = [f.share_out]",
            accepted().lying(Stage::Output, |account| account.output[SHARES] += Felt::ONE),
        ),
        liar(
            "the total weight is twice the sum",
            1404,
            "last.weights = total",
            accepted().lying(Stage::Total, |account| account.total *= 2),
        ),
        liar(
            "the shares sum to 10001",
            1405,
            "last.shares = k10000",
            accepted().lying(Stage::Shares, |account| account.lines[1].share[0] += 1),
        ),
        liar(
            "a share may be one above max_single",
            1365,
            "single_cap = f.share + f.single_slack",
            told(0, |claim| claim.max_single = 6116),
        ),
        liar(
            "a share may lie in a class above min_liquidity",
            1383,
            "liquidity_cap = f.liquidity + f.held_slack",
            told(0, |claim| claim.min_liquidity = 0),
        ),
    ]
}

/// The two flags that the witness chooses.
fn flags() -> Vec<Liar> {
    let mut ten = Claim::of(&equal_rows(10));
    ten.min_diversification = 10;
    vec![
        liar(
            "657 days are mature",
            1309,
            "f.age = f.maturity + 730",
            told(0, |claim| claim.rows[0].age = Felt::from_u64(657)).lying(Stage::Terms, |account| {
                account.lines[0].is_mature = true;
                account.lines[0].novelty = [0, 0];
            }),
        ),
        liar(
            "1000 basis points do not count as diversification",
            1370,
            "k999 = f.share + f.diversified_slack",
            Story::shared(ten, 4, 0).lying(Stage::Shares, |account| account.lines[0].is_diversified = false),
        ),
        liar(
            "a row without a share counts as diversification",
            1374,
            "f.share = f.diversified_slack + 1000",
            told(0, |claim| claim.min_diversification = 3)
                .lying(Stage::Shares, |account| account.lines[2].is_diversified = true),
        ),
    ]
}

/// Lies that break more than one equation, or that no equation but a jump stands against.
pub(in crate::soundness) fn lies_that_break_more() -> Vec<(&'static str, Story)> {
    vec![
        (
            "800 days are new",
            accepted().lying(Stage::Terms, |account| {
                account.lines[1].is_mature = false;
                account.lines[1].novelty = [1, 0];
            }),
        ),
        (
            "800 days are new by a negative quotient",
            accepted().lying(Stage::Terms, |account| {
                account.lines[1].is_mature = false;
                account.lines[1].novelty = [-1, 3];
            }),
        ),
        (
            "the first row takes what the floors leave over",
            accepted().lying(Stage::Shares, |account| {
                account.lines[0].share[0] += 1;
                account.lines[1].share[0] -= 1;
            }),
        ),
        (
            "a row behind the last weight takes a share",
            accepted().lying(Stage::Shares, |account| {
                account.lines[1].share[0] -= 1;
                account.lines[2].share[0] += 1;
            }),
        ),
        (
            "a row without yield has a weight",
            accepted().lying(Stage::Weights, |account| account.lines[2].weight[0] = 1),
        ),
        (
            "the last row with yield has no weight",
            accepted().lying(Stage::Weights, |account| account.lines[1].weight[0] = 0),
        ),
        ("all rows lack yield, and all of it goes to the last", {
            let barren = claim(|claim| claim.rows.iter_mut().for_each(|row| row.apy = 0));
            Story::shared(barren, 0, 0).lying(Stage::Shares, |account| account.lines[2].share[0] = 10_000)
        }),
        ("there are two rows where three are hashed", told(0, |claim| claim.n = 2)),
        ("there are four rows where three are hashed", told(0, |claim| claim.n = 4)),
        ("there is no row", told(0, |claim| claim.n = 0)),
        ("a class is far outside of the table", {
            let mut far = Claim::of(&proposal());
            far.rows[2].audit = 131;
            Story::shared(far, 0, 0)
        }),
    ]
}
