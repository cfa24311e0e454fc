//! What a bootloader with one task states: every word that is pinned down, and every liar who changes one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ashlar_cpu_air::{
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::{self, Layout},
    statement::{BOOTLOADER_BUILTINS, EntryForm, EntryRefusal, Output, PointerSide, Task, bootloaded, claim},
};
use ashlar_field::Felt;

fn felt(value: u64) -> Felt {
    Felt::from_u64(value)
}

/// Words of a program of this test, prologue included.
const WORDS: [u64; 8] =
    [0x0407_8001_7fff_7fff, 11, 0x1104_8001_8001_8000, 4, 0x0107_8001_7fff_7fff, 0, 77, 78];

/// The task that it ran: program 99 put out 5 and 6.
fn task() -> Task {
    Task { program_hash: felt(99), output: vec![felt(5), felt(6)] }
}

/// Page 0 of a run of that program, with eleven pointers at both ends, of which those that the layout lacks are 0.
fn statement(layout: &Layout) -> PublicInput {
    let output = task().bootloader_output().0;
    // Addresses begin at 1; two cells precede the frame.
    let frame = 1 + WORDS.len() as u64 + 2;
    let (final_ap, mut next) = (frame + 40, 1000);
    let mut segments = BTreeMap::new();
    for &name in layout.segments.iter() {
        let segment = match name {
            "program" => MemorySegment { begin_addr: 1, stop_ptr: 5 },
            "execution" => MemorySegment { begin_addr: frame, stop_ptr: final_ap },
            "output" => MemorySegment { begin_addr: 500, stop_ptr: 500 + output.len() as u64 },
            _ => {
                next += 100;
                MemorySegment { begin_addr: next, stop_ptr: next + 30 }
            }
        };
        segments.insert(name.to_owned(), segment);
    }
    let mut cells: Vec<(u64, Felt)> = (1..).zip(WORDS.map(felt)).collect();
    cells.extend([(frame - 2, felt(frame)), (frame - 1, Felt::ZERO)]);
    let count = BOOTLOADER_BUILTINS.len() as u64;
    for (from, is_begin) in [(frame, true), (final_ap - count, false)] {
        for (address, name) in (from..).zip(BOOTLOADER_BUILTINS) {
            let pointer = segments.get(name).map_or(0, |segment: &MemorySegment| match is_begin {
                true => segment.begin_addr,
                false => segment.stop_ptr,
            });
            cells.push((address, felt(pointer)));
        }
    }
    cells.extend((500..).zip(output));
    PublicInput {
        layout: layout.name.to_owned(),
        n_steps: 1 << 16,
        rc_min: 0,
        rc_max: 65_535,
        memory_segments: segments,
        public_memory: cells
            .into_iter()
            .map(|(address, value)| PublicMemoryCell { address, value, page: 0 })
            .collect(),
        dynamic_params: BTreeMap::new(),
    }
}

#[test]
fn a_task_is_read_in_layouts_with_few_and_with_many_builtins() {
    for name in ["small", "recursive", "recursive_with_poseidon", "starknet", "starknet_with_keccak"] {
        let layout = layout::by_name(name).unwrap();
        let public = statement(layout);
        let (said, ran) = bootloaded(&public, layout).unwrap();
        assert_eq!((ran, said.form), (task(), EntryForm::Relaxed), "{name}");
        assert_eq!(said, claim(&public, layout, EntryForm::Relaxed).unwrap(), "as a contract reads it");
        assert!(claim(&public, layout, EntryForm::Strict).is_err(), "{name}");
    }
    let plain = layout::by_name("plain").unwrap();
    assert!(bootloaded(&statement(plain), plain).is_err(), "nothing can be put out there");
}

#[test]
fn every_cell_but_the_program_s_own_words_is_pinned_down() {
    let layout = layout::by_name("recursive").unwrap();
    let honest = statement(layout);
    // Word 3 is the call's offset, and 6 and 7 are the program's: its hash answers for them.
    let free = [3, 6, 7];
    for index in 0..honest.public_memory.len() {
        let mut changed = honest.clone();
        changed.public_memory[index].value += Felt::ONE;
        match bootloaded(&changed, layout) {
            Err(_) => assert!(!free.contains(&index), "cell {index}"),
            Ok((said, ran)) if free.contains(&index) => {
                assert_ne!(said.program.hash(), bootloaded(&honest, layout).unwrap().0.program.hash());
                assert_eq!(ran, task());
            }
            // What the task is and puts out is what is read.
            Ok((_, ran)) => assert_ne!(ran, task(), "cell {index}"),
        }
        let mut moved = honest.clone();
        moved.public_memory[index].address += 1;
        assert!(bootloaded(&moved, layout).is_err(), "cell {index}");
        let mut fewer = honest.clone();
        fewer.public_memory.remove(index);
        assert!(bootloaded(&fewer, layout).is_err(), "cell {index}");
        let mut paged = honest.clone();
        paged.public_memory[index].page = 1;
        assert_eq!(bootloaded(&paged, layout).unwrap_err(), EntryRefusal::OtherPages { cells: 1 });
    }
    let mut more = honest.clone();
    more.public_memory.push(PublicMemoryCell { address: 600, value: Felt::ONE, page: 0 });
    assert!(matches!(bootloaded(&more, layout), Err(EntryRefusal::TrailingCells { .. })));
    for (name, begin) in [("program", true), ("program", false), ("execution", true), ("execution", false)] {
        let mut elsewhere = honest.clone();
        let segment = elsewhere.memory_segments.get_mut(name).unwrap();
        *(if begin { &mut segment.begin_addr } else { &mut segment.stop_ptr }) += 1;
        assert!(bootloaded(&elsewhere, layout).is_err(), "{name}: a run that begins or ends elsewhere");
    }
}

#[test]
fn a_builtin_that_the_layout_lacks_has_no_pointer() {
    let layout = layout::by_name("recursive").unwrap();
    let mut public = statement(layout);
    let place = BOOTLOADER_BUILTINS.iter().position(|name| *name == "ec_op").unwrap();
    public.public_memory[WORDS.len() + 2 + place].value = felt(2000);
    let refused = bootloaded(&public, layout).unwrap_err();
    let expected = EntryRefusal::BuiltinPointer {
        segment: "ec_op",
        side: PointerSide::Begin,
        expected: 0,
        got: felt(2000),
    };
    assert_eq!(refused, expected);
}

#[test]
fn an_output_that_is_not_of_exactly_one_task_is_refused() {
    let honest = task().bootloader_output();
    assert_eq!(Task::of_output(&honest).unwrap(), task());
    let silent = Task { output: Vec::new(), ..task() };
    assert_eq!(Task::of_output(&silent.bootloader_output()).unwrap(), silent);
    for wrong in [
        vec![],
        vec![1],
        vec![1, 2],
        vec![0, 4, 99, 5, 6],
        vec![2, 4, 99, 5, 6],
        vec![1, 3, 99, 5, 6],
        vec![1, 5, 99, 5, 6],
        vec![1, 4, 99, 5, 6, 7],
        vec![2, 2, 99, 2, 98],
    ] {
        let words = wrong.len();
        let refused = Task::of_output(&Output(wrong.into_iter().map(felt).collect())).unwrap_err();
        assert!(matches!(refused, EntryRefusal::TaskOutput { words: got, .. } if got == words), "{refused}");
    }
}
