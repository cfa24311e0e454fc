//! Lies about the inputs: what is hashed, how the hashes are linked, and the bounds of the constraints.

use ashlar_field::Felt;

use super::{Liar, accepted, equal_rows, liar, out_of_range, told};
use crate::soundness::story::{Claim, Stage, Story};

/// Assertions on what is hashed before the rows, in order.
const HEADER_INPUTS: [(usize, &str); 5] = [
    (51, "chain_id = pedersen[1]"),
    (54, "allocator = pedersen[4]"),
    (57, "nonce = pedersen[7]"),
    (66, "word0 = pedersen[10]"),
    (74, "word1 = pedersen[13]"),
];

/// Assertions that a hash before the rows begins where the one before it ended.
const HEADER_LINKS: [(usize, &str); 5] = [
    (49, "chain_start = CHAIN_START"),
    (53, "link0 = pedersen[3]"),
    (56, "link1 = pedersen[6]"),
    (59, "link2 = pedersen[9]"),
    (68, "link3 = pedersen[12]"),
];

/// Assertions on what is hashed of a row, in order: of one that is scored, and of one that is not.
const ROW_INPUTS: [[(usize, &str); 2]; 3] = [
    [(191, "f.protocol = f.pedersen[1]"), (591, "pedersen[1] = row[0]")],
    [(200, "f.word0 = f.pedersen[4]"), (603, "pedersen[4] = (row[3] * LIMB + row[2]) * LIMB + row[1]")],
    [(209, "f.word1 = f.pedersen[7]"), (615, "pedersen[7] = (row[6] * LIMB + row[5]) * LIMB + row[4]")],
];

/// Assertions that a hash of a row begins where the one before it ended.
const ROW_LINKS: [[(usize, &str); 2]; 3] = [
    [(190, "f.link0 = f.pedersen[0]"), (589, "pedersen[0] = [pedersen - 1]")],
    [(193, "f.link1 = f.pedersen[3]"), (593, "pedersen[3] = pedersen[2]")],
    [(202, "f.link2 = f.pedersen[6]"), (605, "pedersen[6] = pedersen[5]")],
];

/// The hash of the second row's first element.
const SECOND_ROW: usize = 5 + 3;

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
    [hashes(), bounds(), limbs()].into_iter().flatten().collect()
}

fn hashes() -> Vec<Liar> {
    let mut liars = Vec::new();
    for (index, (address, source)) in HEADER_INPUTS.into_iter().enumerate() {
        let name = format!("element {index} of the header is not the one hashed");
        liars.push(liar(name, address, source, hashed_otherwise(accepted(), index)));
    }
    for (index, (address, source)) in HEADER_LINKS.into_iter().enumerate() {
        let name = format!("the chain is broken in front of hash {index}");
        liars.push(liar(name, address, source, chain_broken(accepted(), index)));
    }
    for (element, places) in ROW_INPUTS.into_iter().enumerate() {
        for ((address, source), story) in places.into_iter().zip([accepted(), silent()]) {
            let name = format!("element {element} of a row is not the one hashed");
            liars.push(liar(name, address, source, hashed_otherwise(story, SECOND_ROW + element)));
        }
    }
    for (element, places) in ROW_LINKS.into_iter().enumerate() {
        for ((address, source), story) in places.into_iter().zip([accepted(), silent()]) {
            let name = format!("the chain is broken in front of element {element} of a row");
            liars.push(liar(name, address, source, chain_broken(story, SECOND_ROW + element)));
        }
    }
    let length = 5 + 3 * 3;
    liars.extend([
        liar(
            "the chain begins with another domain tag",
            49,
            "chain_start = CHAIN_START",
            accepted().lying(Stage::Hash, |account| account.start += Felt::ONE),
        ),
        liar(
            "the number of elements is hashed as one more",
            374,
            "length = end.pedersen[1]",
            hashed_otherwise(accepted(), length),
        ),
        liar(
            "the chain is broken in front of the number of elements",
            369,
            "link4 = end.pedersen[0]",
            chain_broken(accepted(), length),
        ),
        liar(
            "the record has another identity",
            376,
            "id = out[ID]",
            accepted().lying(Stage::Output, |account| account.output[0] += Felt::ONE),
        ),
        liar(
            "the output names another model than the one hashed",
            46,
            "version = MODEL_VERSION",
            told(0, |claim| claim.version = 2).lying(Stage::Hash, |account| {
                let version = Felt::from_u128(1 << 127) + Felt::from_u128(1 << 127);
                account.hashed[4] -= version;
            }),
        ),
    ]);
    liars
}

/// A proposal out of range on the path of those in range.
fn bounds() -> Vec<Liar> {
    let equal = |rows: u64, diversification: i128, verdict: i128| {
        let mut claim = Claim::of(&equal_rows(rows));
        claim.min_diversification = diversification;
        Story::shared(claim, verdict, 0)
    };
    let alone = told(0, |claim| {
        claim.rows.truncate(1);
        (claim.n, claim.max_single, claim.min_diversification) = (1, 10_000, 1);
    });
    let rows_source = "rows_product = rows_beyond_two * rows_missing";
    vec![
        liar("one row is enough", 90, rows_source, alone),
        liar("33 rows are not too many", 90, rows_source, equal(33, 2, 4)),
        liar("max_single may be -1", 552, "checked[0] = max_single", told(3, |claim| claim.max_single = -1)),
        liar(
            "max_single may be 10001",
            92,
            "k10000 = max_single + single_slack",
            told(0, |claim| claim.max_single = 10_001),
        ),
        liar(
            "max_volatility may be -1",
            553,
            "checked[1] = max_volatility",
            told(5, |claim| claim.max_volatility = -1),
        ),
        liar(
            "max_volatility may be 10001",
            94,
            "k10000 = max_volatility + volatility_slack",
            told(0, |claim| claim.max_volatility = 10_001),
        ),
        liar(
            "min_liquidity may be -1",
            101,
            "liquidity_square = liquidity_product * 2",
            told(6, |claim| claim.min_liquidity = -1),
        ),
        liar(
            "min_liquidity may be 4",
            101,
            "liquidity_square = liquidity_product * 2",
            told(0, |claim| claim.min_liquidity = 4),
        ),
        liar(
            "min_diversification may be 0",
            96,
            "min_diversification = diversification_less_one + 1",
            told(0, |claim| claim.min_diversification = 0),
        ),
        liar(
            "min_diversification may be one more than the rows",
            555,
            "checked[2] = n - min_diversification",
            told(4, |claim| claim.min_diversification = 4),
        ),
        liar("min_diversification may be 11", 559, "checked[3] = 10 - min_diversification", equal(12, 11, 4)),
        same_protocol(0, 1),
        same_protocol(0, 2),
        same_protocol(1, 2),
        liar(
            "the only two rows may name the same protocol",
            112,
            "0 = 1",
            told(0, |claim| {
                claim.rows.truncate(2);
                claim.n = 2;
                claim.rows[1].protocol = claim.rows[0].protocol;
            }),
        ),
        liar(
            "a utilisation may be 10001",
            212,
            "k10000 = f.utilisation + f.utilisation_slack",
            told(0, |claim| claim.rows[2].utilisation = 10_001),
        ),
        liar(
            "a utilisation may be -1",
            210,
            "f.utilisation = f.checked[0]",
            told(0, |claim| claim.rows[2].utilisation = -1),
        ),
        liar(
            "a volatility may be 10001",
            223,
            "k10000 = f.volatility + f.volatility_slack",
            told(0, |claim| claim.rows[2].volatility = 10_001),
        ),
        liar(
            "a volatility may be -1",
            221,
            "f.volatility = f.checked[3]",
            told(0, |claim| claim.rows[2].volatility = -1),
        ),
        liar(
            "a liquidity class may be 4",
            238,
            "f.liquidity_product = f.liquidity * f.liquidity_slack",
            told(0, |claim| claim.rows[2].liquidity = 4),
        ),
        liar(
            "a liquidity class may be negative",
            238,
            "f.liquidity_product = f.liquidity * f.liquidity_slack",
            told(0, |claim| claim.rows[2].liquidity = -1),
        ),
        liar(
            "a share may lie in a class above min_liquidity",
            238,
            "f.liquidity_product = f.liquidity * f.liquidity_slack",
            told(0, |claim| claim.min_liquidity = 0),
        ),
        liar(
            "an audit mark may be 101",
            243,
            "f.audit_product = f.audit * f.audit_slack",
            told(0, |claim| claim.rows[2].audit = 101),
        ),
        liar(
            "an audit mark may be -1",
            243,
            "f.audit_product = f.audit * f.audit_slack",
            told(0, |claim| claim.rows[2].audit = -1),
        ),
        liar(
            "an age may be -1",
            258,
            "f.age = f.checked[13]",
            told(0, |claim| claim.rows[2].age = -Felt::ONE),
        ),
        liar(
            "an age may be 65536",
            252,
            "f.age_scaled = f.age * 2 ** 112",
            told(0, |claim| claim.rows[2].age = Felt::from_u64(65_536)),
        ),
        liar(
            "a yield may be 1000001",
            279,
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
    liar(format!("rows {first} and {second} may name the same protocol"), 707, "0 = 1", story)
}

/// Numbers that leave their place in a word, where nothing else bounds them.
fn limbs() -> Vec<Liar> {
    let fields: [fn(&mut Claim) -> &mut i128; 9] = [
        |claim| &mut claim.max_single,
        |claim| &mut claim.max_volatility,
        |claim| &mut claim.min_diversification,
        |claim| &mut claim.min_liquidity,
        |claim| &mut claim.rows[1].utilisation,
        |claim| &mut claim.rows[1].volatility,
        |claim| &mut claim.rows[1].liquidity,
        |claim| &mut claim.rows[1].audit,
        |claim| &mut claim.rows[1].apy,
    ];
    // Out of range by its first row already, so that this is true.
    let silent = |change: &dyn Fn(&mut Claim)| {
        out_of_range([8, 0, 0, 2, 0], |claim| {
            claim.rows[0].utilisation = 10_001;
            change(claim);
        })
    };
    let mut liars = Vec::new();
    for (index, field) in fields.into_iter().enumerate() {
        let story = silent(&|claim| *field(claim) = 1 << 64);
        let name = format!("number {index} of the words is 2^64");
        liars.push(liar(name, 570, "checked[1] = number[0] * LIMB", story));
    }
    for (name, age, address, source) in [
        ("an age is a fraction", Felt::from_u128(1 << 64).inverse().unwrap(), 566, "checked[0] = number[0]"),
        ("an age is 2^64", Felt::from_u128(1 << 64), 570, "checked[1] = number[0] * LIMB"),
    ] {
        liars.push(liar(name, address, source, silent(&|claim| claim.rows[1].age = age)));
    }
    liars
}
