//! Lies about scores, weights and shares.

use ashlar_field::Felt;

use super::{Liar, accepted, batch, claim, equal_rows, liar, proposal, told};
use crate::{
    soundness::story::{Claim, Stage, Story},
    witness::{Width, Witness},
};

/// Where the second row begins in the record.
const SECOND_ROW: usize = 11 + 9;

pub(super) fn liars() -> Vec<Liar> {
    [scores(), shares(), flags()].into_iter().flatten().collect()
}

fn scores() -> Vec<Liar> {
    let utilisation = "f.utilisation_product = f.utilisation_rest * f.utilisation_rest_slack";
    let volatility = "f.volatility_product = f.volatility_rest * f.volatility_rest_slack";
    let novelty = "f.novelty_product = f.novelty_rest * f.novelty_rest_slack";
    vec![
        liar(
            "a quotient of the utilisation is one more",
            218,
            utilisation,
            accepted().lying(Stage::Terms, |account| {
                account.lines[0].utilisation[0] += 1;
                account.lines[0].utilisation[1] -= 400;
            }),
        ),
        liar(
            "6400 = 400 * 15 + 400",
            218,
            utilisation,
            told(0, |claim| claim.rows[0].utilisation = 6400)
                .lying(Stage::Terms, |account| account.lines[0].utilisation = [15, 400]),
        ),
        liar(
            "a quotient of the volatility is one more",
            229,
            volatility,
            accepted().lying(Stage::Terms, |account| {
                account.lines[0].volatility[0] += 1;
                account.lines[0].volatility[1] -= 250;
            }),
        ),
        liar(
            "3500 = 250 * 13 + 250",
            229,
            volatility,
            accepted().lying(Stage::Terms, |account| account.lines[0].volatility = [13, 250]),
        ),
        liar(
            "300 days and 6 times 73 are 738",
            268,
            novelty,
            told(0, |claim| claim.rows[0].age = Felt::from_u64(300))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [6, 80]),
        ),
        liar(
            "365 days and 4 times 73 are 657",
            268,
            novelty,
            told(0, |claim| claim.rows[0].age = Felt::from_u64(365))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [4, -1]),
        ),
        liar(
            "1030 days are new by a negative quotient",
            260,
            "k657 = f.age + f.age_slack",
            told(0, |claim| claim.rows[0].age = Felt::from_u64(1030))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [-5, 7]),
        ),
        liar(
            "a score in the output is not the one computed",
            277,
            "f.score = f.row[7]",
            accepted().lying(Stage::Output, |account| account.output[SECOND_ROW + 7] += Felt::ONE),
        ),
    ]
}

fn shares() -> Vec<Liar> {
    // The square root of the prime: 18 less it, the rest of a division by the score 36 and one more, makes a product that
    // is the prime less a square next to it, and so below 2^128. And 10000 (-FAR_BELOW_ZERO) = 37 WEIGHT + 18 - ROOT.
    const ROOT: i128 = 60153992292001128773238055242035448132;
    const WEIGHT: i128 = 2922;
    const FAR_BELOW_ZERO: i128 = 6015399229200112877323805524203534;
    let equal = || Story::shared(Claim::of(&equal_rows(2)), 0, 0);
    let weight = "f.weight_product = f.weight_rest * f.weight_rest_slack";
    let share = "f.share_product = f.share_rest * f.share_rest_slack";
    let half = |width| {
        equal().in_width(width).lying(Stage::Shares, |account| {
            account.lines[0].share = [4_999, 20_000];
            account.lines[1].share[0] += 1;
        })
    };
    vec![
        liar(
            "a weight is twice the quotient",
            301,
            weight,
            accepted().lying(Stage::Weights, |account| {
                let [quotient, rest] = &mut account.lines[0].weight;
                (*quotient, *rest) = (2 * *quotient, *rest - *quotient * 36);
            }),
        ),
        liar(
            "a yield is so far below zero that the product of the weight's rest wraps around",
            357,
            "bound = LIMB",
            told(0, |claim| {
                claim.rows[2].utilisation = 6_900;
                claim.rows[2].apy = -FAR_BELOW_ZERO;
            })
            .lying(Stage::Weights, |account| account.lines[2].weight = [WEIGHT, 18 - ROOT]),
        ),
        liar(
            "360000 = 36 * 9999 + 36",
            301,
            weight,
            equal().lying(Stage::Weights, |account| account.lines[0].weight = [9_999, 36]),
        ),
        liar(
            "a basis point moves from one row to the other",
            324,
            share,
            accepted().lying(Stage::Shares, |account| {
                account.lines[0].share[0] -= 1;
                account.lines[0].share[1] += account.total;
                account.lines[1].share[0] += 1;
            }),
        ),
        liar("half of the total is 4999 parts and a rest of 20000", 324, share, half(Width::Wide)),
        liar("half of the total is 4999 parts and a rest of 20000, narrow", 324, share, half(Width::Narrow)),
        liar(
            "a share in the output is one more, and the last one less",
            324,
            share,
            accepted().lying(Stage::Shares, |account| {
                account.lines[0].share[0] += 1;
                account.lines[0].share[1] -= account.total;
                account.lines[1].share[0] -= 1;
            }),
        ),
        Liar {
            name: "the total weight is less than the sum, so that the floors leave nothing over".into(),
            address: 351,
            source: "last.weights = 0".into(),
            witness: floors_without_a_rest(),
        },
        liar(
            "the shares sum to 10001",
            353,
            "last.shares = 10000",
            accepted().lying(Stage::Shares, |account| account.lines[1].share[0] += 1),
        ),
        liar(
            "a row behind the last weight takes a share",
            307,
            "f.share = 0",
            accepted().lying(Stage::Shares, |account| {
                account.lines[1].share[0] -= 1;
                account.lines[2].share[0] += 1;
            }),
        ),
        liar(
            "a share may be one above max_single",
            333,
            "single_cap = f.share + f.single_slack",
            told(0, |claim| claim.max_single = 6116),
        ),
        liar(
            "too few rows are diversified, where a share above max_single comes first",
            328,
            "idle_cap = f.share + f.single_slack",
            {
                let mut claim = Claim::of(&equal_rows(11));
                (claim.max_single, claim.min_diversification) = (909, 1);
                Story::shared(claim, 4, 0)
            },
        ),
    ]
}

/// True shares are 6117 and the rest, 3883, of which the first is closer to 6118: by a lower total the floors are 6118
/// and 3882. The row behind has no share, and what would be checked of its floor is zero, as the first checked number
/// of two rows is.
fn floors_without_a_rest() -> Witness {
    let mut claim = Claim::of(&proposal());
    (claim.rows[0].apy, claim.rows[1].apy) = (446, 283);
    let lying = Story::shared(claim, 0, 0).lying(Stage::Total, |account| {
        let first = 10_000 * account.lines[0].weight[0];
        account.total = first / (first / account.total + 1);
    });
    let two = told(0, |claim| {
        claim.rows.truncate(2);
        claim.n = 2;
    });
    batch([lying.tell(), two.tell()])
}

/// Ten rows that have 1000 basis points each, all of which are asked for.
fn ten_of_ten() -> Claim {
    let mut claim = Claim::of(&equal_rows(10));
    claim.min_diversification = 10;
    claim
}

/// The two flags that the witness chooses.
fn flags() -> Vec<Liar> {
    vec![
        liar(
            "657 days are mature",
            249,
            "f.age = f.age_slack + 658",
            told(0, |claim| claim.rows[0].age = Felt::from_u64(657))
                .lying(Stage::Terms, |account| account.lines[0].novelty = [0, 0]),
        ),
        liar(
            "1000 basis points do not count as diversification",
            328,
            "idle_cap = f.share + f.single_slack",
            Story::shared(ten_of_ten(), 4, 0)
                .lying(Stage::Shares, |account| account.lines[0].is_diversified = false),
        ),
        liar(
            "1000 basis points are the most that a row may have that does not count",
            468,
            "more[4] = 999 - idle_cap",
            Story::shared(ten_of_ten(), 4, 0).lying(Stage::Shares, |account| {
                account.idle_cap = 1000;
                account.lines[0].is_diversified = false;
            }),
        ),
        liar(
            "a row without a share counts as diversification",
            334,
            "f.share = f.above + 1000",
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
                account.lines[1].novelty = [1, 0];
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
            far.rows[2].audit = 126;
            Story::shared(far, 0, 0)
        }),
    ]
}
