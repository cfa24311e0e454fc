//! The compiled program, word by word: its assertions, copies that lack one of them, and runs of either.

use std::sync::LazyLock;

use ashlar_cairo::{Arguments, CairoError, LayoutChoice, Limits, Program, Run, RunOptions};
use ashlar_field::Felt;
use serde_json::Value;

use crate::{Model, models::MODEL_LAYOUT, witness::Witness};

/// The flag of an instruction that asserts equality (Cairo whitepaper, section 4.4).
const ASSERT_EQUAL: u64 = 1 << 62;
/// The flag of an instruction that an immediate follows.
const IMMEDIATE: u64 = 1 << 50;
/// The flag of an instruction that jumps unless a cell is zero.
const JUMP_UNLESS_ZERO: u64 = 1 << 57;

/// The program as compiled.
pub(super) struct Compiled {
    json: Value,
    words: Vec<Felt>,
    /// As it is proven.
    pub(super) whole: Program,
}

/// The program of version 1.
pub(super) static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let compiled = Model::by_version(1).unwrap().compiled;
    let whole = Program::from_bytes(compiled).unwrap();
    Compiled { json: serde_json::from_slice(compiled).unwrap(), words: whole.words(), whole }
});

impl Compiled {
    fn label(&self, name: &str) -> usize {
        let address = &self.json["identifiers"][format!("__main__.{name}")]["pc"];
        address.as_u64().unwrap() as usize
    }

    /// The instructions from `main` to the tables: address, word, and the immediate behind it.
    fn instructions(&self) -> Vec<(usize, u64, Option<Felt>)> {
        let mut instructions = Vec::new();
        let mut address = self.label("main");
        while address < self.label("score_tables") {
            let word = self.words[address].to_u64().unwrap();
            let immediate = (word & IMMEDIATE != 0).then(|| self.words[address + 1]);
            instructions.push((address, word, immediate));
            address += 1 + usize::from(immediate.is_some());
        }
        instructions
    }

    /// The addresses of all assertions from `main` to the tables.
    pub(super) fn assertions(&self) -> Vec<usize> {
        let asserts = |(address, word, _)| (word & ASSERT_EQUAL != 0).then_some(address);
        self.instructions().into_iter().filter_map(asserts).collect()
    }

    /// The addresses of all assertions from `main` to the tables that have a constant.
    pub(super) fn constants(&self) -> Vec<usize> {
        let constant = |(address, word, immediate): (usize, u64, Option<Felt>)| {
            (word & ASSERT_EQUAL != 0 && immediate.is_some()).then_some(address)
        };
        self.instructions().into_iter().filter_map(constant).collect()
    }

    /// Where the conditional jumps from `main` to the tables lead: both addresses of each.
    pub(super) fn branches(&self) -> Vec<[usize; 2]> {
        let branch = |(address, word, immediate): (usize, u64, Option<Felt>)| {
            let far = immediate.filter(|_| word & JUMP_UNLESS_ZERO != 0)? + Felt::from_u64(address as u64);
            Some([address + 2, far.to_u64().unwrap() as usize])
        };
        self.instructions().into_iter().filter_map(branch).collect()
    }

    /// The same program, except that the instruction at this address asserts nothing.
    pub(super) fn without(&self, address: usize) -> Program {
        let word = self.words[address].to_u64().unwrap();
        assert_ne!(word & ASSERT_EQUAL, 0, "there is no assertion at {address}");
        self.with_word(address, Felt::from_u64(word & !ASSERT_EQUAL))
    }

    /// The same program, except that the constant of this instruction is off by a difference.
    pub(super) fn with_constant_off(&self, address: usize, difference: Felt) -> Program {
        self.with_word(address + 1, self.words[address + 1] + difference)
    }

    fn with_word(&self, address: usize, word: Felt) -> Program {
        let mut json = self.json.clone();
        json["data"][address] = Value::String(word.to_string());
        Program::from_bytes(&serde_json::to_vec(&json).unwrap()).unwrap()
    }

    /// What the program reads at this index of a table: an entry, or what lies behind or in front of it.
    pub(super) fn entry(&self, table: Table, index: i128) -> Option<i128> {
        let address = usize::try_from(self.label("score_tables") as i128 + table as i128 + index).ok()?;
        self.words.get(address)?.to_u64().map(i128::from)
    }
}

/// Where a table begins behind the first one.
#[derive(Clone, Copy)]
pub(super) enum Table {
    /// Score by sum of the terms.
    Clamp = 0,
    /// Term by liquidity class.
    Liquidity = 136,
    /// Term by audit mark.
    Audit = 140,
    /// Term by quotient.
    Term = 241,
}

/// Why a run did not end.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The address of the assertion that failed; `None` for every other reason.
    pub(super) assertion: Option<usize>,
    /// The words of the machine.
    pub(super) reason: CairoError,
}

/// Runs a program over a witness.
pub(super) fn run(program: &Program, witness: &Witness) -> Result<Run, Refusal> {
    let options = RunOptions {
        layout: LayoutChoice::Named(MODEL_LAYOUT.into()),
        limits: Limits { steps: 1 << 17, ..Limits::default() },
        ..RunOptions::default()
    };
    let arguments = Arguments::ProgramInput(witness.program_input());
    ashlar_cairo::run(program, &arguments, &options).map_err(|reason| {
        let assertion = match &reason {
            CairoError::ProgramFailed { place, message } if message.contains("ASSERT_EQ") => {
                place.strip_prefix("pc 0:").and_then(|address| address.parse().ok())
            }
            _ => None,
        };
        Refusal { assertion, reason }
    })
}
