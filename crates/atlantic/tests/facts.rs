//! Facts against recorded ones: a run of the service on Sepolia on 2026-09-26 (query 01M3EEDM9CQRT9745RH5W9XA26, whose
//! Keccak fact is on the Satellite there), an entry of Integrity's registry, and the worked example of its documentation.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ashlar_atlantic::{
    Bootloaders, Configuration, ExpectedRun, bootloaded_fact, plain_fact, shared_fact, shared_output,
    verification_key,
};
use ashlar_field::Felt;

/// What the recorded program returned.
const RETURNED: &str = "0x1 0x5c2facd32b8c47ffd8909d04d73808bbf5967f1bb3a4ae762d2637fbe9e0431 0x0 0x706c61796572 \
    0x209b82eb4432eaf2569fe2ca05ae6191c451af7f3ecdc6df1b17f9bb02f7998 0x0 0x0 0x1 0x78 \
    0x612b0349b4ca8083c61573d3504e1e4fad7958423ed9fbd1816d9f8dfad52cf";

/// What it was called with.
const ARGUMENTS: &str = "0x48 0x1 0x1 0x0 0x800000000000010fffffffffffffffffffffffffffffffffffffff630a3d70b 0x1 0x168 \
    0x800000000000010fffffffffffffffffffffffffffffffffffffff600000001 \
    0x800000000000010fffffffffffffffffffffffffffffffffffffff600000001 0x3200000000 0x2800000000 \
    0x300000000 0x280000000 0x400 0x51eb852 0x1 0x0 0x4 0x100000000 0x9999999a 0x1999999a 0x64 \
    0x2800000000 0x100000000 0x32 0x280000000 0xcccccccd 0xccccccd 0x12c 0x7800000000 0x55555555 \
    0x96 0xe6666666 0xccccccd 0x33333333 0x28 0xf00000000 0x200000000 0x64 0x100000000 0x9999999a \
    0x1999999a 0x1e 0xa00000000 0x100000000 0x3e8 0x3 0x0 0x3 0x0 0x100000000 0x0 0x0 0x100000000 \
    0x0 0x1 0x1 0x1 0x80000000 0x80000000 0x1400000000 0x80000000 0x100000000 0x0 0x0 0x2 0x0 \
    0x66666666 0x1400000000 0x166666666 0x100000000 0x0 0x3 0x6 0x706c61796572 0x1 \
    0x800000000000010ffffffffffffffffffffffffffffffffffffffffffffff6b \
    0x800000000000010ffffffffffffffffffffffffffffffffffffffffffffff6b 0x0 0x0";

const CHILD: &str = "0x128791df23988bef1c8aef3be7ce36ad68278d19878369e5fb7ed2515d5b053";

fn felt(text: &str) -> Felt {
    text.parse().unwrap()
}

fn felts(text: &str) -> Vec<Felt> {
    text.split_whitespace().map(felt).collect()
}

#[test]
fn the_facts_of_a_recorded_run_are_reproduced() {
    let run = ExpectedRun::shared(felt(CHILD), felts(RETURNED), felts(ARGUMENTS));
    let output = run.output();
    assert_eq!(output.len(), 98);
    assert_eq!(output[1], felt("0x49ee3eba8c1600700ee1b87eb599f16716b0b1022947733551fde4050ca6804"));
    assert_eq!(output[3], felt("0x5f"));
    let fact = run.fact();
    assert_eq!(
        fact.shared.unwrap().to_string(),
        "0xdaff80a0ac4b923b7fb238706af52180b6382e396c12a8c21fc743616a7adc9d"
    );
    assert_eq!(fact.integrity, felt("0x2667b3e4e61c635b2a2209c138b0c431f98e332a5d6e75dcfc7c1658b5c6bf5"));
}

#[test]
fn arguments_and_return_values_are_both_committed_to() {
    let fact = |returned: &str, arguments: &str| {
        ExpectedRun::shared(felt(CHILD), felts(returned), felts(arguments)).fact()
    };
    let base = fact("1 2", "3");
    for other in [fact("1 2", "4"), fact("1 3", "3"), fact("1", "2 3"), fact("1 2 3", "")] {
        assert_ne!(base.shared, other.shared);
        assert_ne!(base.integrity, other.integrity);
    }
}

#[test]
fn the_recorded_bootloaders_are_those_of_september_2026() {
    let Bootloaders { service, shared } = Bootloaders::recorded();
    assert_eq!(service, [felt("0x288ba12915c0c7e91df572cf3ed0c9f391aa673cb247c5a208beaa50b668f09")]);
    assert_eq!(shared, felt("0x5ab580b04e3532b6b18f81cfa654a05e29dd8e2352d88df1e765a84072db07"));
    let output = shared_output(felt(CHILD), &felts(RETURNED), &felts(ARGUMENTS));
    assert_ne!(shared_fact(service[0], &output), shared_fact(shared, &output));
}

#[test]
fn a_plain_fact_is_integrity_s_worked_example() {
    let program = felt("0x7ac5582e353f8750487838481a46b5429ef84b2f18f909aaab9388f1fe0a28b");
    let output = felts("0x2710 0x50e9bdb6f0a079dda35b66a7853bd9431fe79efc4ef54955aa6d928ea307226");
    let fact = plain_fact(program, &output);
    assert_eq!(fact, felt("0x1e69a6f91b41e77c283fde3bdda3d31e624b4535e541fd122bb0408e1ab6dec"));
    assert_eq!(ExpectedRun::Plain { program_hash: program, output: output.clone() }.fact().integrity, fact);
    let recursive = Configuration {
        layout: "recursive",
        hasher: "keccak_160_lsb",
        stone_version: "stone6",
        memory_verification: "strict",
    };
    assert_eq!(
        verification_key(fact, recursive, 60),
        Some(felt("0x71747386da29293ad13bd3234468096ee1c35c3e809749c6e92c71123906be0"))
    );
    // Inside a bootloader the same run has another fact: that of the bootloader's program and output.
    let whole: Vec<Felt> = [felts("1 4"), vec![program], output.clone()].concat();
    assert_eq!(bootloaded_fact(felt("0x5"), program, &output), plain_fact(felt("0x5"), &whole));
}

#[test]
fn a_lookup_key_is_that_of_a_registered_verification() {
    let fact = felt("0x28F151C76E4EDA65AE06BA04D2524FAF8F310732E76E4AF43564560D35468A1");
    let configuration = Configuration {
        layout: "recursive_with_poseidon",
        hasher: "keccak_160_lsb",
        stone_version: "stone6",
        memory_verification: "strict",
    };
    let key = verification_key(fact, configuration, 60);
    assert_eq!(key, Some(felt("0x11ccd33719b01f02d7b33aac564f76126f5c05201e23eb6303d24aa24480e4d")));
    let long = Configuration { layout: "a_name_that_no_field_element_can_hold", ..configuration };
    assert_eq!(verification_key(fact, long, 60), None);
}
