//! Lies about the inputs: what is hashed, how the hashes are linked, and the bounds of the constraints.

use ashlar_field::Felt;

use super::{Liar, accepted, equal_rows, liar, out_of_range, told};
use crate::soundness::{
    program::COMPILED,
    story::{Claim, Stage, Story},
};

/// Assertions on the inputs before the rows that are hashed, in order.
const HEADER_INPUTS: [(usize, &str); 9] = [
    (1038, "pedersen[1] = out[1]"),
    (1042, "pedersen[4] = out[2]"),
    (1046, "pedersen[7] = out[3]"),
    (1051, "pedersen[10] = MODEL_VERSION"),
    (1054, "pedersen[13] = max_single"),
    (1057, "pedersen[16] = max_volatility"),
    (1060, "pedersen[19] = min_diversification"),
    (1063, "pedersen[22] = min_liquidity"),
    (1066, "pedersen[25] = n"),
];

/// Assertions that a hash before the rows, or that of the first row, begins where the one before it ended.
const HEADER_LINKS: [(usize, &str); 10] = [
    (1036, "pedersen[0] = 0"),
    (1040, "pedersen[3] = pedersen[2]"),
    (1044, "pedersen[6] = pedersen[5]"),
    (1048, "pedersen[9] = pedersen[8]"),
    (1053, "pedersen[12] = pedersen[11]"),
    (1056, "pedersen[15] = pedersen[14]"),
    (1059, "pedersen[18] = pedersen[17]"),
    (1062, "pedersen[21] = pedersen[20]"),
    (1065, "pedersen[24] = pedersen[23]"),
    (1068, "pedersen[27] = pedersen[26]"),
];

/// Elements of a row, in order, as the loop names them.
const ROW_INPUTS: [&str; 7] = ["protocol", "utilisation", "volatility", "liquidity", "audit", "age", "apy"];

/// The hash of the second row's first element.
const SECOND_ROW: usize = 9 + 7;

/// What can be told truly of a row that is not scored.
fn silent() -> Story {
    out_of_range([2, 0, 0, 0, 0], |claim| claim.max_single = 10_001)
}

/// Another element is hashed than the one in the output.
fn hashed_otherwise(story: Story, index: usize) -> Story {
    story.lying(Stage::Hash, move |account| account.hashed[index] += Felt::ONE)
}

/// The chain is broken in front of a hash.
fn chain_broken(story: Story, index: usize) -> Story {
    story.lying(Stage::Hash, move |account| account.broken_link = Some((index, Felt::ONE)))
}

pub(super) fn liars() -> Vec<Liar> {
    [hashes(), bounds()].into_iter().flatten().collect()
}

fn hashes() -> Vec<Liar> {
    let mut liars = Vec::new();
    for (index, (address, source)) in HEADER_INPUTS.into_iter().enumerate() {
        let name = format!("input {index} of the output is not the one hashed");
        liars.push(liar(name, address, source, hashed_otherwise(accepted(), index)));
    }
    for (index, (address, source)) in HEADER_LINKS.into_iter().enumerate() {
        let name = format!("the chain is broken in front of hash {index}");
        liars.push(liar(name, address, source, chain_broken(accepted(), index)));
    }
    for (element, input) in ROW_INPUTS.into_iter().enumerate() {
        let (cell, index) = (3 * element + 1, SECOND_ROW + element);
        let name = format!("the {input} of a row is not the one hashed");
        let source = format!("f.{input} = f.pedersen[{cell}]");
        liars.push(liar(&name, 1245 + 3 * element, source, hashed_otherwise(accepted(), index)));
        let source = format!("pedersen_rows[{cell}] = row[{element}]");
        let name = format!("{name}, which is not scored");
        liars.push(liar(name, 1520 + 4 * element, source, hashed_otherwise(silent(), index)));

        let name = format!("the chain is broken behind the {input} of a row");
        let source = format!("f.link{element} = f.pedersen[{}]", cell + 2);
        liars.push(liar(&name, 1247 + 3 * element, source, chain_broken(accepted(), index + 1)));
        let source = format!("pedersen_rows[{}] = pedersen_rows[{}]", cell + 2, cell + 1);
        let name = format!("{name}, which is not scored");
        liars.push(liar(name, 1522 + 4 * element, source, chain_broken(silent(), index + 1)));
    }
    let length = 9 + 3 * 7;
    liars.extend([
        liar(
            "the number of inputs is hashed as one more",
            1080,
            "tail[1] = row_cells + HEADER",
            hashed_otherwise(accepted(), length),
        ),
        liar(
            "the record has another identity",
            1084,
            "out[0] = identity",
            accepted().lying(Stage::Output, |account| account.output[0] += Felt::ONE),
        ),
        liar(
            "the output names another model than the one hashed",
            1033,
            "out[VERSION] = MODEL_VERSION",
            told(0, |claim| claim.version = 2).lying(Stage::Hash, |account| account.hashed[3] = Felt::ONE),
        ),
        liar(
            "the output says another verdict than the one proven",
            1091,
            "verdict = verdict_out[0]",
            accepted().lying(Stage::Output, |account| {
                if let Some(verdict) = account.output.last_mut() {
                    *verdict = Felt::from_u64(3);
                }
            }),
        ),
    ]);
    liars
}

/// A proposal out of range on the path of those in range.
fn bounds() -> Vec<Liar> {
    let equal = |rows: u64, diversification: i64, verdict: i64| {
        let mut claim = Claim::of(&equal_rows(rows));
        claim.min_diversification = diversification;
        Story::shared(claim, verdict, 0)
    };
    let alone = told(0, |claim| {
        claim.rows.truncate(1);
        (claim.n, claim.max_single, claim.min_diversification) = (1, 10_000, 1);
    });
    vec![
        liar("one row is enough", 1119, "checked[1] = n - 2", alone),
        liar("33 rows are not too many", 1123, "checked[2] = 32 - n", equal(33, 2, 4)),
        liar("max_single may be -1", 1124, "checked[3] = max_single", told(3, |claim| claim.max_single = -1)),
        liar(
            "max_single may be 10001",
            1128,
            "checked[4] = 10000 - max_single",
            told(0, |claim| claim.max_single = 10_001),
        ),
        liar(
            "max_volatility may be -1",
            1129,
            "checked[5] = max_volatility",
            told(5, |claim| claim.max_volatility = -1),
        ),
        liar(
            "max_volatility may be 10001",
            1133,
            "checked[6] = 10000 - max_volatility",
            told(0, |claim| claim.max_volatility = 10_001),
        ),
        liar(
            "min_liquidity may be -1",
            1134,
            "checked[7] = min_liquidity",
            told(6, |claim| claim.min_liquidity = -1),
        ),
        liar(
            "min_liquidity may be 4",
            1138,
            "checked[8] = 3 - min_liquidity",
            told(0, |claim| claim.min_liquidity = 4),
        ),
        liar(
            "min_diversification may be 0",
            1141,
            "checked[9] = min_diversification - 1",
            told(0, |claim| claim.min_diversification = 0),
        ),
        liar(
            "min_diversification may be one more than the rows",
            1143,
            "checked[10] = n - min_diversification",
            told(4, |claim| claim.min_diversification = 4),
        ),
        liar(
            "min_diversification may be 11",
            1147,
            "checked[11] = 10 - min_diversification",
            equal(12, 11, 4),
        ),
        same_protocol(0, 1),
        same_protocol(0, 2),
        same_protocol(1, 2),
        liar(
            "a utilisation may be 10001",
            1274,
            "k10000 = f.utilisation + f.utilisation_slack",
            told(0, |claim| claim.rows[2].utilisation = 10_001),
        ),
        liar(
            "a volatility may be 10001",
            1283,
            "k10000 = f.volatility + f.volatility_slack",
            told(0, |claim| claim.rows[2].volatility = 10_001),
        ),
        liar(
            "a liquidity class may be 4",
            1286,
            "k3 = f.liquidity + f.liquidity_slack",
            told(0, |claim| claim.rows[2].liquidity = 4),
        ),
        liar(
            "a liquidity class may be negative",
            1284,
            "f.liquidity = f.checked[8]",
            told(0, |claim| claim.rows[2].liquidity = before_the_tables()),
        ),
        liar(
            "an audit mark may be 101",
            1291,
            "k100 = f.audit + f.audit_slack",
            told(0, |claim| claim.rows[2].audit = 101),
        ),
        liar(
            "an audit mark may be -1",
            1289,
            "f.audit = f.checked[10]",
            told(0, |claim| claim.rows[2].audit = -1),
        ),
        liar(
            "an age may be -1",
            1297,
            "f.age = f.checked[13]",
            told(0, |claim| claim.rows[2].age = -Felt::ONE),
        ),
        liar(
            "an age may be 65536",
            1313,
            "f.age_shifted = f.checked[14]",
            told(0, |claim| claim.rows[2].age = Felt::from_u64(65_536)),
        ),
        liar(
            "a yield may be 1000001",
            1327,
            "k1000000 = f.apy + f.apy_slack",
            told(0, |claim| {
                claim.rows[0].apy = 1_000_001;
                claim.rows[1].apy = 1_000_000;
            }),
        ),
    ]
}

fn same_protocol(first: usize, second: usize) -> Liar {
    let story = told(0, |claim| claim.rows[second].protocol = claim.rows[first].protocol);
    liar(format!("rows {first} and {second} may name the same protocol"), 1644, "0 = 1", story)
}

/// A class for which the lookup reads a small number out of the code in front of the tables.
fn before_the_tables() -> i64 {
    let small = |index: &i64| COMPILED.table(*index).is_some_and(|word| (1..30).contains(&word));
    (-100..0).rev().find(small).unwrap()
}
