//! Statements that a liar would like to prove, and what each is refused as.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use ashlar_cpu_air::{
    air::CpuAir,
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::{self, Layout, LayoutError},
    statement::{
        self, EntryForm, EntryRefusal, PageHash, PointerSide, StatementError, StoneVersion, check, check_gate,
    },
};
use ashlar_field::Felt;

mod vectors;

fn small() -> (PublicInput, &'static Layout) {
    let json = vectors::json(&vectors::fixtures().join("stone/small_512_fib/air_public_input.json"));
    (vectors::public_input(&json), layout::by_name("small").unwrap())
}

fn paged() -> PublicInput {
    vectors::public_input(&vectors::json(
        &vectors::fixtures().join("stone/small_512_pages/air_public_input.json"),
    ))
}

fn refusal(change: impl FnOnce(&mut PublicInput)) -> StatementError {
    let (mut public, layout) = small();
    check_gate(&public, layout).unwrap();
    change(&mut public);
    check_gate(&public, layout).unwrap_err()
}

fn stone_refusal(change: impl FnOnce(&mut PublicInput)) -> StatementError {
    let (mut public, layout) = small();
    change(&mut public);
    check(&public, layout).unwrap_err()
}

fn segment<'a>(public: &'a mut PublicInput, name: &str) -> &'a mut MemorySegment {
    public.memory_segments.get_mut(name).unwrap()
}

fn entry(error: StatementError) -> EntryRefusal {
    match error {
        StatementError::Entry(refusal) => refusal,
        other => panic!("expected an entry refusal, got {other}"),
    }
}

#[test]
fn an_honest_statement_passes_and_gives_its_output() {
    let (public, layout) = small();
    let claim = check_gate(&public, layout).unwrap();
    assert_eq!(claim.form, EntryForm::Strict);
    let output = public.memory_segments["output"];
    assert_eq!(claim.output.0.len() as u64, output.stop_ptr - output.begin_addr);
    assert_eq!(claim.program.0.len() as u64, public.memory_segments["execution"].begin_addr - 3);
}

#[test]
fn range_check_bounds_out_of_order_or_range_are_refused() {
    let bounds = |rc_min, rc_max| {
        stone_refusal(|public| {
            public.rc_min = rc_min;
            public.rc_max = rc_max;
        })
    };
    for (rc_min, rc_max) in [(0, 1 << 16), (5, 5), (6, 5), (u64::MAX, 0), (0, u64::MAX)] {
        assert_eq!(bounds(rc_min, rc_max), StatementError::RangeCheckBounds { rc_min, rc_max });
    }
}

#[test]
fn what_stone_refuses_passes_no_gate_and_makes_no_air() {
    let expected = StatementError::RangeCheckBounds { rc_min: 9, rc_max: 9 };
    let forge = |public: &mut PublicInput| (public.rc_min, public.rc_max) = (9, 9);
    assert_eq!(refusal(forge), expected);
    let (mut public, layout) = small();
    forge(&mut public);
    assert_eq!(CpuAir::new(layout, &public).unwrap_err(), expected);
}

#[test]
fn a_seed_of_steps_that_are_no_power_of_two_is_refused() {
    let (mut public, layout) = small();
    public.n_steps = 1000;
    let error = statement::seed(&public, layout, StoneVersion::Stone6, 0, PageHash::Keccak256).unwrap_err();
    let expected = LayoutError::StepsNotPowerOfTwo { got: 1000 };
    assert_eq!(error, StatementError::TraceLength(expected));
}

#[test]
fn a_segment_that_ends_before_it_begins_is_refused() {
    let (public, _) = small();
    for name in ["execution", "output", "pedersen"] {
        let MemorySegment { begin_addr, .. } = public.memory_segments[name];
        let stop_ptr = begin_addr - 1;
        let error = refusal(|public| segment(public, name).stop_ptr = stop_ptr);
        assert!(
            matches!(error, StatementError::SegmentUnordered { segment, .. } if segment == name),
            "{error}"
        );
    }
    let (mut public, layout) = small();
    segment(&mut public, "pedersen").stop_ptr = 0;
    let error = statement::builtin_usage(&public, layout).unwrap_err();
    assert!(matches!(error, StatementError::SegmentUnordered { segment: "pedersen", .. }), "{error}");
}

#[test]
fn steps_that_no_trace_can_have_are_refused() {
    for n_steps in [0, 500, 256, 1 << 40, u64::MAX, 1 << 63] {
        let error = stone_refusal(|public| public.n_steps = n_steps);
        assert!(matches!(error, StatementError::TraceLength(_)), "{n_steps}: {error}");
    }
}

#[test]
fn a_missing_and_an_extra_segment_are_refused() {
    let missing = stone_refusal(|public| {
        public.memory_segments.remove("ecdsa");
    });
    assert_eq!(missing, StatementError::MissingSegment { layout: "small", segment: "ecdsa" });
    let extra = stone_refusal(|public| {
        public.memory_segments.insert("keccak".to_owned(), MemorySegment { begin_addr: 1, stop_ptr: 1 });
    });
    assert_eq!(extra, StatementError::UnexpectedSegment { layout: "small", segment: "keccak".to_owned() });
}

#[test]
fn another_layout_than_the_named_one_is_refused() {
    let error = stone_refusal(|public| public.layout = "dex".to_owned());
    assert_eq!(error, StatementError::OtherLayout { expected: "small", got: "dex".to_owned() });
}

#[test]
fn an_empty_public_memory_is_refused() {
    assert_eq!(stone_refusal(|public| public.public_memory.clear()), StatementError::EmptyPublicMemory);
    let (mut public, layout) = small();
    public.public_memory.clear();
    let error = statement::seed(&public, layout, StoneVersion::Stone6, 0, PageHash::Keccak256).unwrap_err();
    assert_eq!(error, StatementError::EmptyPublicMemory);
}

#[test]
fn a_public_memory_without_page_0_is_refused_as_by_stone() {
    let only_page_1 = |public: &mut PublicInput| {
        for (address, cell) in (1..).zip(&mut public.public_memory) {
            (cell.address, cell.page) = (address, 1);
        }
    };
    assert_eq!(stone_refusal(only_page_1), StatementError::NoPageZero);
    let (mut public, layout) = small();
    only_page_1(&mut public);
    let error = statement::seed(&public, layout, StoneVersion::Stone6, 0, PageHash::Keccak256).unwrap_err();
    assert_eq!(error, StatementError::NoPageZero);
}

#[test]
fn more_public_memory_than_the_trace_holds_is_refused() {
    let error = stone_refusal(|public| {
        let cell = public.public_memory[0];
        public.public_memory.resize(1025, cell);
    });
    assert_eq!(error, StatementError::PublicMemoryTooLarge { capacity: 1024, got: 1025 });
}

#[test]
fn two_values_for_one_public_address_are_refused() {
    let error = stone_refusal(|public| {
        let cell = public.public_memory[3];
        public.public_memory.push(PublicMemoryCell { value: cell.value + Felt::ONE, ..cell });
    });
    assert!(matches!(error, StatementError::TwoValues { address: 4, .. }), "{error}");
}

#[test]
fn a_gap_in_a_continuous_page_is_refused_even_at_the_last_address() {
    let mut public = paged();
    let layout = layout::by_name("small").unwrap();
    check(&public, layout).unwrap();
    let last = public.public_memory.iter().rposition(|cell| cell.page == 1).unwrap();
    let after = public.public_memory[last - 1].address;
    public.public_memory[last].address = after + 2;
    let expected = StatementError::PageNotConsecutive { page: 1, after, got: after + 2 };
    assert_eq!(check(&public, layout).unwrap_err(), expected);

    public.public_memory.truncate(1);
    let cell = |address| PublicMemoryCell { address, value: Felt::ONE, page: 1 };
    public.public_memory.extend([cell(u64::MAX), cell(0)]);
    let expected = StatementError::PageNotConsecutive { page: 1, after: u64::MAX, got: 0 };
    assert_eq!(check(&public, layout).unwrap_err(), expected);
}

#[test]
fn a_second_page_does_not_pass_the_gate() {
    let public = paged();
    let error = check_gate(&public, layout::by_name("small").unwrap()).unwrap_err();
    assert!(matches!(entry(error), EntryRefusal::OtherPages { .. }));
}

/// Beyond the capacity nothing constrains a range-check cell: forged values would verify.
#[test]
fn a_stop_pointer_beyond_the_builtins_capacity_is_refused() {
    let error = refusal(|public| {
        let range_check = segment(public, "range_check");
        range_check.stop_ptr = range_check.begin_addr + 65;
    });
    assert_eq!(
        error,
        StatementError::BuiltinCapacity { segment: "range_check", capacity: 64, instances: 65 }
    );
}

#[test]
fn a_builtin_may_be_used_up_to_its_capacity_and_no_further() {
    let (public, layout) = small();
    for usage in statement::builtin_usage(&public, layout).unwrap() {
        let (name, cells) = (usage.builtin.segment(), usage.builtin.cells_per_instance());
        let verdict = |instances: u64| {
            let mut public = public.clone();
            let segment = segment(&mut public, name);
            segment.stop_ptr = segment.begin_addr + instances * cells;
            statement::builtin_usage(&public, layout)
        };
        let full = verdict(usage.capacity).unwrap();
        assert!(full.iter().any(|full| full.builtin == usage.builtin && full.instances == usage.capacity));
        let (capacity, instances) = (usage.capacity, usage.capacity + 1);
        let expected = StatementError::BuiltinCapacity { segment: name, capacity, instances };
        assert_eq!(verdict(instances), Err(expected));
    }
}

#[test]
fn hostile_stop_pointers_are_refused_without_overflow() {
    let error = refusal(|public| segment(public, "range_check").stop_ptr = u64::MAX);
    assert!(matches!(error, StatementError::BuiltinCapacity { segment: "range_check", .. }), "{error}");
    let error = refusal(|public| {
        *segment(public, "pedersen") = MemorySegment { begin_addr: u64::MAX, stop_ptr: u64::MAX };
    });
    assert!(matches!(error, StatementError::AddressOverflow { segment: "pedersen", .. }), "{error}");
    let error = refusal(|public| segment(public, "pedersen").stop_ptr = 0);
    assert!(matches!(error, StatementError::SegmentUnordered { segment: "pedersen", .. }), "{error}");
    let error = refusal(|public| segment(public, "output").stop_ptr = u64::MAX);
    assert!(matches!(entry(error), EntryRefusal::BuiltinPointer { segment: "output", .. }));
    let error = refusal(|public| segment(public, "execution").stop_ptr = u64::MAX);
    assert!(matches!(entry(error), EntryRefusal::AddressTooLarge { name: "final ap", .. }));
    let error = refusal(|public| {
        *segment(public, "execution") = MemorySegment { begin_addr: u64::MAX - 1, stop_ptr: u64::MAX - 1 };
    });
    assert!(matches!(entry(error), EntryRefusal::TooShort { part: "program", .. }));
    let error = refusal(|public| segment(public, "execution").begin_addr = 0);
    assert!(matches!(entry(error), EntryRefusal::AddressTooSmall { name: "initial ap", .. }));
}

#[test]
fn a_fraction_of_an_instance_is_refused() {
    let error = refusal(|public| segment(public, "pedersen").stop_ptr += 1);
    assert_eq!(error, StatementError::PartialInstance { segment: "pedersen", cells: 3, used: 1 });
}

#[test]
fn another_entry_or_exit_of_the_program_is_refused() {
    let error = refusal(|public| segment(public, "program").begin_addr = 2);
    assert_eq!(entry(error), EntryRefusal::InitialPc { got: 2 });
    let error = refusal(|public| segment(public, "program").stop_ptr = 6);
    assert_eq!(entry(error), EntryRefusal::FinalPc { got: 6 });
}

#[test]
fn a_changed_prologue_is_refused() {
    let error = refusal(|public| public.public_memory[4].value = Felt::ONE);
    assert!(matches!(entry(error), EntryRefusal::ProgramWord { index: 4, .. }));
}

#[test]
fn a_forged_frame_cell_is_refused() {
    let error = refusal(|public| {
        let frame = public.memory_segments["execution"].begin_addr;
        let cell = public.public_memory.iter_mut().find(|cell| cell.address == frame - 2).unwrap();
        cell.value = Felt::ONE;
    });
    assert!(matches!(entry(error), EntryRefusal::FrameCell { .. }));
}

#[test]
fn a_builtin_pointer_that_is_not_on_the_stack_is_refused() {
    let error = refusal(|public| segment(public, "pedersen").stop_ptr += 3);
    assert!(matches!(
        entry(error),
        EntryRefusal::BuiltinPointer { segment: "pedersen", side: PointerSide::Stop, .. }
    ));
    let error = refusal(|public| {
        let segment = segment(public, "range_check");
        segment.begin_addr += 1;
        segment.stop_ptr += 1;
    });
    assert!(matches!(
        entry(error),
        EntryRefusal::BuiltinPointer { segment: "range_check", side: PointerSide::Begin, .. }
    ));
}

#[test]
fn a_final_frame_that_leaves_no_room_for_the_builtin_pointers_is_refused() {
    let (public, layout) = small();
    let frame = public.memory_segments["execution"].begin_addr;
    for got in [frame, frame + 3, 2] {
        let mut public = public.clone();
        segment(&mut public, "execution").stop_ptr = got;
        let refused = statement::claim(&public, layout, EntryForm::Strict).unwrap_err();
        let expected = EntryRefusal::AddressTooSmall { name: "final ap", minimum: frame + 4, got };
        assert_eq!(refused, expected);
    }
}

#[test]
fn an_output_that_ends_before_it_begins_is_refused_by_every_form() {
    let (mut public, layout) = small();
    let output = segment(&mut public, "output");
    output.stop_ptr = output.begin_addr - 1;
    let (minimum, got) = (output.begin_addr, output.stop_ptr);
    let forms = statement::classify(&public, layout);
    // The strict form has already found a stop pointer that is not on the stack.
    assert!(matches!(forms.strict, Err(EntryRefusal::BuiltinPointer { segment: "output", .. })));
    let expected = EntryRefusal::AddressTooSmall { name: "output stop pointer", minimum, got };
    assert_eq!([forms.relaxed, forms.cairo1], [Err(expected.clone()), Err(expected)]);
}

#[test]
fn cairo1_demands_that_the_program_begins_at_address_1() {
    let (mut public, layout) = small();
    segment(&mut public, "program").begin_addr = 2;
    let refused = statement::classify(&public, layout).cairo1.unwrap_err();
    assert_eq!(refused, EntryRefusal::InitialPc { got: 2 });
}

#[test]
fn missing_moved_and_trailing_cells_are_refused() {
    let error = refusal(|public| {
        public.public_memory.pop();
    });
    assert!(matches!(entry(error), EntryRefusal::TooShort { part: "output", .. }));
    let error = refusal(|public| {
        public.public_memory.remove(7);
    });
    assert!(matches!(entry(error), EntryRefusal::Address { part: "program", expected: 8, got: 9, .. }));
    let error = refusal(|public| {
        let cell = PublicMemoryCell { address: 100_000, value: Felt::ZERO, page: 0 };
        public.public_memory.push(cell);
    });
    assert!(matches!(entry(error), EntryRefusal::TrailingCells { .. }));
}

#[test]
fn relaxed_demands_addresses_of_32_bits_and_an_output_cell() {
    let (mut public, layout) = small();
    assert!(statement::classify(&public, layout).relaxed.is_ok());
    segment(&mut public, "execution").stop_ptr = 1 << 32;
    let refused = statement::classify(&public, layout).relaxed.unwrap_err();
    assert!(matches!(refused, EntryRefusal::AddressTooLarge { name: "final ap", .. }));

    let (mut public, layout) = small();
    *segment(&mut public, "output") = MemorySegment { begin_addr: 90_000, stop_ptr: 90_000 };
    let refused = statement::classify(&public, layout).relaxed.unwrap_err();
    assert_eq!(refused, EntryRefusal::NoOutputCell { begin_addr: 90_000 });
}

#[test]
fn cairo1_demands_as_many_cells_as_output() {
    let (mut public, layout) = small();
    assert!(statement::classify(&public, layout).cairo1.is_ok());
    segment(&mut public, "output").stop_ptr = u64::MAX;
    let refused = statement::classify(&public, layout).cairo1.unwrap_err();
    assert!(matches!(refused, EntryRefusal::TooShort { part: "output", .. }));
}

#[test]
fn stone5_and_stone6_seeds_differ_in_the_first_word_only() {
    let (public, layout) = small();
    let seed = |version| statement::seed(&public, layout, version, 7, PageHash::Pedersen).unwrap();
    let (older, newer) = (seed(StoneVersion::Stone5), seed(StoneVersion::Stone6));
    assert_eq!(newer[32..], older);
    assert_eq!((newer[30], newer[31]), (0, 7));
}
