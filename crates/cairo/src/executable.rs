//! Reads a Cairo 1 executable, the `*.executable.json` that `scarb build` leaves.

use std::collections::{BTreeMap, HashMap};

use ashlar_field::Felt;
use cairo_vm::types::builtin_name::BuiltinName;
use serde::Deserialize;
use serde_json::Value;

use crate::{CairoError, Program, ProgramKind, convert, core_hints::Hint};

#[derive(Deserialize)]
pub(crate) struct Executable {
    program: Assembled,
    entrypoints: Vec<EntryPoint>,
}

#[derive(Deserialize)]
struct Assembled {
    bytecode: Vec<String>,
    hints: Vec<(usize, Vec<Value>)>,
}

#[derive(Deserialize)]
struct EntryPoint {
    builtins: Vec<BuiltinName>,
    offset: usize,
    kind: String,
}

/// Which of the two forms of a compiled program the bytes have, by their keys.
#[derive(Deserialize)]
struct Shape {
    entrypoints: Option<serde::de::IgnoredAny>,
}

/// The executable, if the bytes are one; `None` if they are anything else.
pub(crate) fn parse(bytes: &[u8]) -> Option<Result<Executable, CairoError>> {
    serde_json::from_slice::<Shape>(bytes).ok()?.entrypoints?;
    Some(serde_json::from_slice(bytes).map_err(|error| CairoError::NotAProgram { detail: error.to_string() }))
}

impl Executable {
    /// The program behind the standalone entry point, which is the prologue of proof mode.
    pub(crate) fn into_program(self) -> Result<Program, CairoError> {
        let Some(entry) = self.entrypoints.iter().find(|entry| entry.kind == "Standalone") else {
            let kinds: Vec<&str> = self.entrypoints.iter().map(|entry| entry.kind.as_str()).collect();
            return Err(CairoError::NoStandaloneEntry { found: kinds.join(", ") });
        };
        let inconsistent = |detail: String| CairoError::Inconsistent { detail };
        let words = self
            .program
            .bytecode
            .iter()
            .enumerate()
            .map(|(index, word)| {
                // Negative immediates are written with a sign.
                let (negative, digits) = match word.strip_prefix('-') {
                    Some(digits) => (true, digits),
                    None => (false, word.as_str()),
                };
                let value: Felt =
                    digits.parse().map_err(|error| inconsistent(format!("program word {index}: {error}")))?;
                Ok(convert::machine_felt(if negative { -value } else { value }))
            })
            .collect::<Result<Vec<_>, CairoError>>()?;
        let end = entry.offset.checked_add(4).filter(|end| *end < words.len());
        let end = end.ok_or_else(|| inconsistent(format!("the entry point {} is outside", entry.offset)))?;
        let mut core_hints: BTreeMap<usize, Vec<Hint>> = BTreeMap::new();
        for (pc, hints) in self.program.hints {
            if pc >= words.len() {
                return Err(inconsistent(format!(
                    "there is a hint at {pc}, the program has {} words",
                    words.len()
                )));
            }
            core_hints.entry(pc).or_default().extend(hints.into_iter().map(Hint::from_json));
        }
        // The segment arena is memory like any other: it has no builtin behind it.
        Ok(Program {
            kind: ProgramKind::Executable,
            words,
            builtins: entry.builtins.clone(),
            start: entry.offset,
            end,
            hints: BTreeMap::new(),
            core_hints,
            references: Vec::new(),
            identifiers: HashMap::new(),
            attributes: Vec::new(),
            locations: None,
        })
    }
}
