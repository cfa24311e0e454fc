//! Runs that make no trace, and what each is refused as: what Stone asserts, and what Stone leaves to its verifier.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use ashlar_cpu_air::{
    input::{EcdsaInstance, Execution, Memory, MemorySegment, PedersenInstance, RangeCheckInstance},
    layout::{self, Builtin},
    statement::StatementError,
    trace::{CpuWitness, Operand, Place, Pool, Register, TraceError},
};
use ashlar_field::{Column, Felt};
use ashlar_stark::air::Witness;

mod vectors;

/// Interaction elements that equal no cell of a pool.
const ELEMENTS: [u64; 3] = [1 << 60, 1 << 61, 1 << 62];

fn first_trace(execution: Execution) -> Result<Vec<Column>, TraceError> {
    let public = &execution.public_input;
    let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap().into_owned();
    CpuWitness::new(&layout, execution).first_trace()
}

/// The plain run with the files of a bad vector over it.
fn overlay(name: &str) -> Result<Vec<Column>, TraceError> {
    let root = vectors::fixtures().join("stone");
    first_trace(vectors::overlaid(&root.join("plain_512_fib"), &root.join("bad").join(name)))
}

fn small() -> Execution {
    vectors::execution(&vectors::fixtures().join("stone/small_512_fib"))
}

/// The small run with a change.
fn refusal(change: impl FnOnce(&mut Execution)) -> TraceError {
    let mut execution = small();
    change(&mut execution);
    first_trace(execution).unwrap_err()
}

#[test]
fn what_stone_accepts_is_accepted() {
    let accepted = [
        "ok_unchanged",
        "memory_reordered",
        "memory_extra_unused",
        "memory_address_zero",
        "memory_duplicate_first_wins",
        "rc_min_minus_1",
        "public_entry_dropped",
    ];
    for name in accepted {
        assert!(overlay(name).is_ok(), "{name}: {}", overlay(name).unwrap_err());
    }
}

/// Stone writes a proof of each of these, which its verifier rejects.
#[test]
fn an_execution_that_breaks_the_rules_of_the_machine_is_refused_at_the_step() {
    let error = overlay("trace_bitflip_ap").unwrap_err();
    assert!(
        matches!(
            error,
            TraceError::InconsistentStep { step: 100 | 101, .. } | TraceError::FailedAssertion { .. }
        ),
        "{error}"
    );
    for name in [
        "trace_bitflip_fp",
        "trace_bitflip_pc",
        "trace_far_address",
        "memory_bitflip",
        "memory_duplicate_bad_first",
    ] {
        let error = overlay(name).unwrap_err();
        let breaks_rules = matches!(
            error,
            TraceError::InconsistentStep { .. }
                | TraceError::FailedAssertion { .. }
                | TraceError::NotAnInstruction { .. }
                | TraceError::NotAnAddress { .. }
                | TraceError::MissingAddress { .. }
                | TraceError::MemoryConflict { .. }
        );
        assert!(breaks_rules, "{name}: {error}");
    }
}

#[test]
fn ends_that_differ_from_the_statement_are_refused() {
    let error = overlay("segment_stop_ptr").unwrap_err();
    assert!(matches!(error, TraceError::WrongEnd { end: "last", register: Register::Ap, .. }), "{error}");
    let error = overlay("segment_begin").unwrap_err();
    assert!(matches!(error, TraceError::WrongEnd { end: "first", register: Register::Ap, .. }), "{error}");
}

#[test]
fn a_missing_address_is_named_with_its_reader() {
    for name in ["memory_short", "memory_missing_one", "memory_missing_public", "memory_empty"] {
        let error = overlay(name).unwrap_err();
        assert!(matches!(error, TraceError::MissingAddress { .. }), "{name}: {error}");
    }
    let error = overlay("memory_empty").unwrap_err();
    let place = Place::Step { step: 0, operand: Operand::Instruction };
    assert!(matches!(error, TraceError::MissingAddress { address: 1, place: at } if at == place), "{error}");
}

#[test]
fn a_trace_of_another_length_is_refused() {
    for (name, got) in [("trace_short", 502), ("trace_long", 513), ("trace_empty", 0)] {
        assert_eq!(overlay(name).unwrap_err(), TraceError::WrongTraceLength { expected: 512, got });
    }
}

#[test]
fn offsets_outside_the_range_check_bounds_are_refused() {
    let error = overlay("rc_min_plus_1").unwrap_err();
    assert!(matches!(error, TraceError::OutsideRangeCheck { value: 32763, min: 32764, .. }), "{error}");
    let error = overlay("rc_max_minus_1").unwrap_err();
    assert!(matches!(error, TraceError::OutsideRangeCheck { value: 32769, max: 32768, .. }), "{error}");
    let error = overlay("rc_full_range").unwrap_err();
    assert!(matches!(error, TraceError::HolesDoNotFit { pool: Pool::RangeCheck, .. }), "{error}");
}

#[test]
fn public_memory_that_differs_from_the_run_is_refused() {
    let error = overlay("memory_bitflip_public").unwrap_err();
    assert!(!matches!(error, TraceError::Layout(_)), "{error}");
    let error = overlay("public_value_changed").unwrap_err();
    assert!(matches!(error, TraceError::MemoryConflict { place: Place::PublicMemory, .. }), "{error}");
}

#[test]
fn a_wrong_statement_is_refused_before_any_work() {
    for (name, public) in
        [("wrong_layout_small", "small"), ("segment_missing", "plain"), ("segment_extra", "plain")]
    {
        let Err(TraceError::Statement(error)) = overlay(name) else {
            panic!("{name} ({public}) must be refused")
        };
        assert!(
            matches!(error, StatementError::MissingSegment { .. } | StatementError::UnexpectedSegment { .. }),
            "{name}: {error}"
        );
    }
    assert_eq!(overlay("public_memory_empty").unwrap_err(), StatementError::EmptyPublicMemory.into());
    for name in ["rc_max_too_big", "rc_swapped"] {
        let error = overlay(name).unwrap_err();
        assert!(
            matches!(error, TraceError::Statement(StatementError::RangeCheckBounds { .. })),
            "{name}: {error}"
        );
    }
}

#[test]
fn an_instance_beyond_the_trace_or_given_twice_is_refused() {
    let pedersen = |index| PedersenInstance { index, x: Felt::ONE, y: Felt::ONE };
    for index in [64, u64::MAX] {
        let error = refusal(|execution| execution.private_input.pedersen.push(pedersen(index)));
        assert_eq!(error, TraceError::TooManyInstances { builtin: Builtin::Pedersen, index, capacity: 64 });
    }
    let error = refusal(|execution| execution.private_input.pedersen.extend([pedersen(3), pedersen(3)]));
    assert_eq!(error, TraceError::DuplicateInstance { builtin: Builtin::Pedersen, index: 3 });
}

#[test]
fn a_range_check_of_129_bits_is_refused() {
    let value = Felt::from_u128(u128::MAX) + Felt::ONE;
    let error = refusal(|execution| {
        execution.private_input.range_check.push(RangeCheckInstance { index: 2, value });
    });
    let expected = TraceError::InputTooLarge {
        builtin: Builtin::RangeCheck,
        index: 2,
        name: "value",
        bits: 128,
        got: value,
    };
    assert_eq!(error, expected);
}

#[test]
fn a_range_check_with_parts_outside_the_bounds_is_refused() {
    let error = refusal(|execution| {
        execution.private_input.range_check.push(RangeCheckInstance { index: 2, value: Felt::ONE });
    });
    let place = Place::Instance { builtin: Builtin::RangeCheck, index: 2 };
    assert!(
        matches!(error, TraceError::OutsideRangeCheck { value: 0, place: at, .. } if at == place),
        "{error}"
    );
}

#[test]
fn forged_signatures_are_refused() {
    let forged = |change: fn(&mut EcdsaInstance)| {
        // Private key 1, message 1: the signature that Stone fills unused instances with.
        let mut instance = EcdsaInstance {
            index: 0,
            pubkey: "0x1ef15c18599971b7beced415a40f0c7deacfd9b0d1819e03d723d8bc943cfca".parse().unwrap(),
            msg: Felt::ONE,
            r: "0x54f11b9fba6e795cff2db76d6d19eabcafb33c8a52db44e1af37c7f4aad1650".parse().unwrap(),
            w: "0x3e1ef1b6a4351f2ac3bfa01c63fce9fa1bc5a0bf1813ff12f22d1639829d132".parse().unwrap(),
        };
        change(&mut instance);
        let mut execution = small();
        execution.private_input.ecdsa.push(instance);
        first_trace(execution)
    };
    assert!(forged(|_| ()).is_ok());
    let invalid = TraceError::InvalidSignature { index: 0 };
    assert_eq!(forged(|instance| instance.msg += Felt::ONE).unwrap_err(), invalid);
    assert_eq!(forged(|instance| instance.w += Felt::ONE).unwrap_err(), invalid);
    assert_eq!(forged(|instance| instance.r += Felt::ONE).unwrap_err(), invalid);
    let error = forged(|instance| instance.msg = Felt::ZERO).unwrap_err();
    assert_eq!(error, TraceError::ZeroInput { builtin: Builtin::Ecdsa, index: 0, name: "message" });
    let error = forged(|instance| instance.r = -Felt::ONE).unwrap_err();
    assert!(matches!(error, TraceError::InputTooLarge { name: "r", bits: 251, .. }), "{error}");
    let error = forged(|instance| instance.pubkey = Felt::ZERO).unwrap_err();
    assert!(matches!(error, TraceError::NotOnCurve { .. } | TraceError::InvalidSignature { .. }), "{error}");
}

#[test]
fn hostile_segments_and_addresses_are_refused_without_overflow() {
    let error = refusal(|execution| {
        let segments = &mut execution.public_input.memory_segments;
        segments
            .insert("pedersen".to_owned(), MemorySegment { begin_addr: u64::MAX - 5, stop_ptr: u64::MAX });
    });
    assert!(matches!(error, TraceError::SegmentOverflow { builtin: Builtin::Pedersen, .. }), "{error}");
    // A gap of 2^62 addresses between two segments.
    let error = refusal(|execution| {
        let segments = &mut execution.public_input.memory_segments;
        segments.insert("pedersen".to_owned(), MemorySegment { begin_addr: 1 << 62, stop_ptr: 1 << 62 });
    });
    assert!(matches!(error, TraceError::HolesDoNotFit { pool: Pool::Memory, .. }), "{error}");
    let error = refusal(|execution| execution.public_input.public_memory[1].address = u64::MAX);
    assert!(matches!(error, TraceError::HolesDoNotFit { pool: Pool::Memory, .. }), "{error}");
    let error = refusal(|execution| {
        execution.public_input.public_memory[1].address = 0;
    });
    assert!(matches!(error, TraceError::LowestAddress { got: 0 }), "{error}");
}

#[test]
fn registers_at_the_edge_of_the_address_space_are_refused_without_overflow() {
    for value in [0, u64::MAX, 1 << 63] {
        for register in 0..3 {
            let error = refusal(|execution| {
                let state = &mut execution.trace[7];
                *[&mut state.ap, &mut state.fp, &mut state.pc][register] = value;
            });
            let refused = matches!(
                error,
                TraceError::NotAnAddress { .. }
                    | TraceError::MissingAddress { .. }
                    | TraceError::InconsistentStep { .. }
            );
            assert!(refused, "{error}");
        }
    }
}

#[test]
fn a_word_that_is_no_instruction_is_refused() {
    let mut execution = small();
    let pc = execution.trace[5].pc;
    let mut memory = Memory::new();
    for (address, value) in execution.memory.iter() {
        // Bit 63 of an instruction is always clear.
        memory.insert(address, if address == pc { value + Felt::from_u64(1 << 63) } else { value });
    }
    execution.memory = memory;
    let error = first_trace(execution).unwrap_err();
    assert!(matches!(error, TraceError::NotAnInstruction { pc: at, .. } if at == pc), "{error}");
}

#[test]
fn the_traces_come_once_and_in_order() {
    let layout = layout::by_name("small").unwrap();
    let mut witness = CpuWitness::new(layout, small());
    let elements = ELEMENTS.map(Felt::from_u64);
    assert!(matches!(witness.interaction_trace(&elements), Err(TraceError::Protocol(_))));
    let mut witness = CpuWitness::new(layout, small());
    witness.first_trace().unwrap();
    assert!(matches!(witness.first_trace(), Err(TraceError::Protocol(_))));
    let mut witness = CpuWitness::new(layout, small());
    witness.first_trace().unwrap();
    assert!(matches!(witness.interaction_trace(&elements[..2]), Err(TraceError::Protocol(_))));
}

#[test]
fn an_element_that_equals_a_cell_is_refused_rather_than_divided_by() {
    let layout = layout::by_name("small").unwrap();
    let mut witness = CpuWitness::new(layout, small());
    witness.first_trace().unwrap();
    // The range-check pool holds 32765; so a denominator is zero.
    let elements = [3, 5, 32_765].map(Felt::from_u64);
    assert_eq!(witness.interaction_trace(&elements).unwrap_err(), TraceError::DegenerateElement { index: 2 });
}

#[test]
fn any_number_of_threads_gives_the_same_columns() {
    let columns = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let layout = layout::by_name("small").unwrap();
        pool.install(|| {
            let mut witness = CpuWitness::new(layout, small());
            let mut columns = witness.first_trace().unwrap();
            columns.extend(witness.interaction_trace(&ELEMENTS.map(Felt::from_u64)).unwrap());
            columns
        })
    };
    assert!(columns(1) == columns(3), "the columns depend on the number of threads");
}

/// Every bad vector that concerns the run or the statement is refused or accepted as its expectation says.
#[test]
fn every_bad_vector_of_the_prover_is_judged_as_expected() {
    let root = vectors::fixtures().join("stone/bad");
    let classes = [
        "accept",
        "inconsistent_execution",
        "missing_address",
        "inconsistent_memory",
        "wrong_length",
        "layout_mismatch",
        "range_check_bounds",
        "bad_n_steps",
        "empty_public_memory",
        "bad_segments",
    ];
    let mut judged = 0;
    for folder in vectors::folders(&root) {
        let expectation = folder.join("expect.json");
        if !expectation.is_file() {
            continue;
        }
        let expected = vectors::json(&expectation);
        let class = expected["class"].as_str().unwrap_or_default();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if !classes.contains(&class) || is_about_files(&folder) {
            continue;
        }
        assert_eq!(overlay(&name).is_ok(), class == "accept", "{name} ({class})");
        judged += 1;
    }
    assert!(judged >= 25, "judged {judged}");
}

/// Values that these tests' simple reader cannot read: the product's reader has its own tests.
fn is_about_files(folder: &Path) -> bool {
    folder.ends_with("public_value_p")
}
