//! A finished run that somebody else made: a Cairo PIE, read and checked.
//!
//! It is a program and a whole memory, without a trace. Whether that memory is one of a run of that program is not known
//! here: a bootloader runs the program once more over it, and only what that run states is proven. Here it is made sure
//! that the parts fit together and stay within limits, and what a proof will have to state is computed: the program's hash
//! and the output, both from the archive's own words.

mod archive;

use std::collections::BTreeMap;

use ashlar_cpu_air::statement::Task;
use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    program_hash::compute_program_hash_chain,
    types::{builtin_name::BuiltinName, relocatable::MaybeRelocatable},
    vm::runners::cairo_pie::{BuiltinAdditionalData, SegmentInfo, StrippedProgram},
};

pub use archive::MOST_ARCHIVE_BYTES;

use crate::{FinishedRunError, Limits, convert, run};

/// Where a cell is: a segment, and an offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address {
    pub(crate) segment: u16,
    pub(crate) offset: u64,
}

/// What is in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(Felt252),
    Address(Address),
}

/// A cell of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) address: Address,
    pub(crate) value: Value,
}

/// What a segment of a finished run becomes in the run of a bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Program,
    Execution,
    /// What the first caller's frame pointer is made of.
    ReturnFp,
    /// Where the program returns to.
    ReturnPc,
    /// The so-manieth builtin that the program declares.
    Builtin(usize),
    /// Whatever the program allocated.
    Extra,
}

/// A finished run: a program, and its memory.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    pub(crate) words: Vec<Felt252>,
    pub(crate) builtins: Vec<BuiltinName>,
    pub(crate) main: usize,
    /// By segment, in order.
    pub(crate) roles: Vec<Role>,
    /// Cells that a segment has, by segment.
    sizes: Vec<u64>,
    /// By address.
    pub(crate) memory: Vec<Cell>,
    pub(crate) signatures: BTreeMap<Address, (Felt252, Felt252)>,
    steps: u64,
    task: Task,
}

impl FinishedRun {
    /// Reads a Cairo PIE, at most [`MOST_ARCHIVE_BYTES`] long and within the limits of a run.
    ///
    /// # Errors
    /// [`FinishedRunError`]. It does not panic, whatever the archive holds.
    pub fn from_archive(bytes: &[u8], limits: &Limits) -> Result<FinishedRun, FinishedRunError> {
        run::contained(|| FinishedRun::read(bytes, limits))
            .unwrap_or_else(|detail| Err(FinishedRunError::NotAnArchive { detail }))
    }

    fn read(bytes: &[u8], limits: &Limits) -> Result<FinishedRun, FinishedRunError> {
        let archive::Contents { metadata, memory, additional, resources } = archive::unpack(bytes, limits)?;
        let steps = resources.n_steps as u64;
        if steps > limits.steps {
            let (limit, got) = (limits.steps, steps);
            return Err(FinishedRunError::TooLarge { what: "the steps of the run", limit, got });
        }
        let program = &metadata.program;
        let mut segments: Vec<(&SegmentInfo, Role)> =
            vec![(&metadata.program_segment, Role::Program), (&metadata.execution_segment, Role::Execution)];
        for (index, builtin) in program.builtins.iter().enumerate() {
            let Some(segment) = metadata.builtin_segments.get(builtin) else {
                return Err(inconsistent(format!("{} has no segment", builtin.to_str())));
            };
            segments.push((segment, Role::Builtin(index)));
        }
        if metadata.builtin_segments.len() != program.builtins.len() {
            return Err(inconsistent("there are segments of builtins that the program does not declare"));
        }
        segments.push((&metadata.ret_fp_segment, Role::ReturnFp));
        segments.push((&metadata.ret_pc_segment, Role::ReturnPc));
        segments.extend(metadata.extra_segments.iter().map(|segment| (segment, Role::Extra)));
        let mut total: u64 = 0;
        for (expected, (segment, role)) in segments.iter().enumerate() {
            if usize::try_from(segment.index).ok() != Some(expected) || expected > usize::from(u16::MAX) {
                return Err(inconsistent(format!("expected segment {expected}, got {}", segment.index)));
            }
            if matches!(role, Role::ReturnFp | Role::ReturnPc) && segment.size != 0 {
                return Err(inconsistent(format!("segment {expected} must be empty, got {}", segment.size)));
            }
            total = total.saturating_add(segment.size as u64);
        }
        if total > limits.memory_cells {
            let (limit, got) = (limits.memory_cells, total);
            return Err(FinishedRunError::TooLarge { what: "the memory cells of the run", limit, got });
        }
        let words = words_of(program)?;
        let task_hash = program_hash(program)?;
        let mut run = FinishedRun {
            words,
            builtins: program.builtins.clone(),
            main: program.main,
            roles: segments.iter().map(|(_, role)| *role).collect(),
            sizes: segments.iter().map(|(segment, _)| segment.size as u64).collect(),
            memory,
            signatures: signatures(additional.0.get(&BuiltinName::ecdsa))?,
            steps,
            task: Task { program_hash: task_hash, output: Vec::new() },
        };
        run.check_memory()?;
        run.task.output = run.output_words()?;
        Ok(run)
    }

    /// The program as the memory has it, every cell in a segment, and pointers to the builtins at the bottom of the stack.
    fn check_memory(&self) -> Result<(), FinishedRunError> {
        for Cell { address: Address { segment, offset }, value } in &self.memory {
            if self.sizes.get(usize::from(*segment)).is_none_or(|size| offset >= size) {
                return Err(inconsistent(format!("cell {segment}:{offset} lies outside of its segment")));
            }
            if let Value::Address(Address { segment: to, .. }) = value
                && usize::from(*to) >= self.sizes.len()
            {
                return Err(inconsistent(format!("cell {segment}:{offset} points to segment {to}")));
            }
        }
        if self.main >= self.words.len() || self.sizes.first() != Some(&(self.words.len() as u64)) {
            return Err(inconsistent("the program's segment is not as long as the program, or has no main"));
        }
        for (index, word) in self.words.iter().enumerate() {
            if self.at(0, index as u64) != Some(Value::Number(*word)) {
                return Err(inconsistent(format!("word {index} of the program is another in the memory")));
            }
        }
        for index in 0..self.builtins.len() {
            // Program and execution come before the builtins.
            let segment = u16::try_from(index + 2).unwrap_or(u16::MAX);
            if self.at(1, index as u64) != Some(Value::Address(Address { segment, offset: 0 })) {
                return Err(inconsistent(format!(
                    "the stack does not begin with a pointer to builtin {index}"
                )));
            }
        }
        Ok(())
    }

    /// The output segment's words.
    fn output_words(&self) -> Result<Vec<Felt>, FinishedRunError> {
        let Some(place) = self.builtins.iter().position(|builtin| *builtin == BuiltinName::output) else {
            return Ok(Vec::new());
        };
        let segment = u16::try_from(place + 2).unwrap_or(u16::MAX);
        let size = self.sizes.get(usize::from(segment)).copied().unwrap_or(0);
        let word = |offset| match self.at(segment, offset) {
            Some(Value::Number(word)) => Ok(convert::felt(&word)),
            _ => Err(inconsistent(format!("word {offset} of the output is missing or an address"))),
        };
        // Every word is in the memory, so that a size without words fails at its first one.
        (0..size).map(word).collect()
    }

    fn at(&self, segment: u16, offset: u64) -> Option<Value> {
        let place =
            self.memory.binary_search_by_key(&Address { segment, offset }, |cell| cell.address).ok()?;
        self.memory.get(place).map(|cell| cell.value)
    }

    /// How many cells the builtin with this place among the declared ones has.
    pub(crate) fn builtin_cells(&self, place: usize) -> u64 {
        self.sizes.get(place + 2).copied().unwrap_or(0)
    }

    /// What a bootloader must state of it: the program's hash, a chain of Pedersen hashes, and the output.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The builtins that the program declares, by name, in its order.
    pub fn builtins(&self) -> Vec<&'static str> {
        self.builtins.iter().map(|builtin| builtin.to_str()).collect()
    }

    /// The steps that the archive says it took, without those of a bootloader.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

fn inconsistent(detail: impl Into<String>) -> FinishedRunError {
    FinishedRunError::Inconsistent { detail: detail.into() }
}

fn words_of(program: &StrippedProgram) -> Result<Vec<Felt252>, FinishedRunError> {
    let word = |word: &MaybeRelocatable| match word {
        MaybeRelocatable::Int(word) => Ok(*word),
        MaybeRelocatable::RelocatableValue(_) => Err(inconsistent("a word of the program is an address")),
    };
    program.data.iter().map(word).collect()
}

fn program_hash(program: &StrippedProgram) -> Result<Felt, FinishedRunError> {
    // Bootloaders hash with version 0 in the header.
    let hash = compute_program_hash_chain(program, 0).map_err(|error| inconsistent(error.to_string()))?;
    Ok(convert::felt(&hash))
}

/// Signatures that the machine needs beside the memory: a signature is no cell.
fn signatures(
    data: Option<&BuiltinAdditionalData>,
) -> Result<BTreeMap<Address, (Felt252, Felt252)>, FinishedRunError> {
    let signatures = match data {
        None | Some(BuiltinAdditionalData::Empty(_) | BuiltinAdditionalData::None) => {
            return Ok(BTreeMap::new());
        }
        Some(BuiltinAdditionalData::Signature(signatures)) => signatures,
        Some(_) => {
            let (file, detail) = ("additional_data.json", "ecdsa has no signatures".to_owned());
            return Err(FinishedRunError::Malformed { file, detail });
        }
    };
    let address = |segment: isize, offset: usize| {
        let segment = u16::try_from(segment).ok()?;
        Some(Address { segment, offset: offset as u64 })
    };
    signatures
        .iter()
        .map(|(place, signature)| {
            let place = address(place.segment_index, place.offset)
                .ok_or_else(|| inconsistent("a signature has no place"))?;
            Ok((place, *signature))
        })
        .collect()
}
