//! The strict entry form for a program that uses only some of the layout's builtins.
//!
//! The strict form of page 0 demands that the prologue pass and return a pointer for *every* builtin of the layout.
//! A program compiled with fewer gets another prologue and a short function in front, which passes on its own
//! pointers and returns all of them; its words after the prologue, whose jumps are relative, stay as they are.

use cairo_vm::{Felt252, types::builtin_name::BuiltinName};

use crate::Program;

/// Words of the prologue: `ap += n; call rel target; jmp rel 0`.
const PROLOGUE_LENGTH: usize = 6;
/// `ap += immediate`.
const ADVANCE_AP: u64 = 0x0407_8001_7fff_7fff;
/// `call rel immediate`.
const CALL: u64 = 0x1104_8001_8001_8000;
/// `jmp rel immediate`.
const JUMP: u64 = 0x0107_8001_7fff_7fff;
/// `ret`.
const RETURN: u64 = 0x208b_7fff_7fff_7ffe;

/// `[ap] = [fp + offset]; ap++`.
fn push_from_frame(offset: i64) -> Felt252 {
    // Destination [ap], operand 0 [fp - 1] unused, operand 1 [fp + offset]; flags op0_fp, op1_fp, ap++, assert.
    assert_equal(offset, 1 << 1 | 1 << 3)
}

/// `[ap] = [ap + offset]; ap++`.
fn push_from_top(offset: i64) -> Felt252 {
    assert_equal(offset, 1 << 1 | 1 << 4)
}

fn assert_equal(offset: i64, source: u64) -> Felt252 {
    const BIAS: u64 = 1 << 15;
    let flags = source | 1 << 11 | 1 << 14;
    let operand1 = BIAS.wrapping_add_signed(offset) & 0xffff;
    Felt252::from(BIAS | (BIAS - 1) << 16 | operand1 << 32 | flags << 48)
}

/// Extra steps of a run behind the shim.
pub(crate) fn extra_steps(own: usize, of_layout: usize) -> u64 {
    // Pushes, the call, pushes again, the return.
    (own + 1 + of_layout + 1) as u64
}

/// Whether the program begins with the standard prologue for its own builtins.
fn has_prologue(program: &Program) -> bool {
    let own = program.builtins.len() as u64;
    let expected = [(0, ADVANCE_AP), (1, own), (2, CALL), (4, JUMP), (5, 0)];
    program.start == 0
        && program.end == 4
        && program.words.len() > PROLOGUE_LENGTH
        && expected.into_iter().all(|(index, word)| program.words[index] == Felt252::from(word))
}

/// The program behind a shim for these builtins; `None` if it has them already, has others, or does not begin with
/// the standard prologue.
pub(crate) fn for_builtins(program: &Program, of_layout: &[BuiltinName]) -> Option<Program> {
    let own = &program.builtins;
    let position = |builtin: &BuiltinName| of_layout.iter().position(|other| other == builtin);
    if own.as_slice() == of_layout || !has_prologue(program) || !own.iter().all(|b| position(b).is_some()) {
        return None;
    }
    // The call is relative to its own address, 2.
    let target = program.words[3] + Felt252::from(2);
    let count = of_layout.len() as i64;
    // [fp − 2 − count] holds the first pointer.
    let frame_offset = |index: usize| index as i64 - 2 - count;
    let mut shim: Vec<Felt252> =
        own.iter().filter_map(position).map(|index| push_from_frame(frame_offset(index))).collect();
    let call_address = PROLOGUE_LENGTH + shim.len();
    let shim_length = own.len() + 2 + of_layout.len() + 1;
    shim.push(Felt252::from(CALL));
    shim.push(target + Felt252::from(shim_length) - Felt252::from(call_address));
    for (pushed, builtin) in of_layout.iter().enumerate() {
        shim.push(match own.iter().position(|other| other == builtin) {
            // The program's pointers are on top; each push moves them one further away.
            Some(index) => push_from_top(index as i64 - own.len() as i64 - pushed as i64),
            None => push_from_frame(frame_offset(pushed)),
        });
    }
    shim.push(Felt252::from(RETURN));
    let prologue = [ADVANCE_AP, of_layout.len() as u64, CALL, 4, JUMP, 0].map(Felt252::from);
    let words = prologue.into_iter().chain(shim).chain(program.words[PROLOGUE_LENGTH..].iter().copied());
    let moved = |pc: usize| if pc < PROLOGUE_LENGTH { pc } else { pc + shim_length };
    let mut shimmed = Program {
        words: words.collect(),
        builtins: of_layout.to_vec(),
        hints: program.hints.iter().map(|(&pc, hints)| (moved(pc), hints.clone())).collect(),
        core_hints: program.core_hints.iter().map(|(&pc, hints)| (moved(pc), hints.clone())).collect(),
        locations: program
            .locations
            .as_ref()
            .map(|locations| locations.iter().map(|(&pc, location)| (moved(pc), location.clone())).collect()),
        ..program.clone()
    };
    for attribute in &mut shimmed.attributes {
        attribute.start_pc = moved(attribute.start_pc);
        attribute.end_pc = moved(attribute.end_pc);
    }
    Some(shimmed)
}
