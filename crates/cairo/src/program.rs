//! A compiled program, as the compiler left it: Cairo 0 JSON or a Cairo 1 executable.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    hint_processor::hint_processor_definition::HintReference,
    serde::deserialize_program::{
        Attribute, HintParams, Identifier, InstructionLocation, ProgramJson, deserialize_program_json,
    },
    types::{builtin_name::BuiltinName, relocatable::MaybeRelocatable},
    utils::PRIME_STR,
};
use serde::Deserialize;

use crate::{CairoError, convert, core_hints::Hint, executable};

/// What kind of file a program came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgramKind {
    /// Compiled Cairo 0: its input is a JSON object that its hints read.
    Cairo0,
    /// A Cairo 1 `*.executable.json`: its input is a list of field elements.
    Executable,
}

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) kind: ProgramKind,
    pub(crate) words: Vec<Felt252>,
    pub(crate) builtins: Vec<BuiltinName>,
    /// Where a proof starts: `ap += …; call …; jmp rel 0`.
    pub(crate) start: usize,
    /// Where it stays: the `jmp rel 0`.
    pub(crate) end: usize,
    pub(crate) hints: BTreeMap<usize, Vec<HintParams>>,
    /// Hints of a Cairo 1 executable.
    pub(crate) core_hints: BTreeMap<usize, Vec<Hint>>,
    pub(crate) references: Vec<HintReference>,
    pub(crate) identifiers: HashMap<String, Identifier>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) locations: Option<HashMap<usize, InstructionLocation>>,
}

/// The words of a Cairo 0 program, as they stand in the file.
#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow, default)]
    data: Vec<Cow<'a, str>>,
}

/// Refuses words that are no hexadecimal numbers. The machine's own reader makes them even in length by a byte after the
/// second one, without looking whether there is such a place.
fn check_words(bytes: &[u8]) -> Result<(), CairoError> {
    let words: Words<'_> = serde_json::from_slice(bytes)
        .map_err(|error| CairoError::NotAProgram { detail: error.to_string() })?;
    let is_hexadecimal = |word: &str| {
        word.strip_prefix("0x")
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    match words.data.iter().position(|word| !is_hexadecimal(word)) {
        None => Ok(()),
        Some(place) => Err(CairoError::NotAProgram {
            detail: format!(
                "expected words of 0x and hexadecimal digits, got {:?} at {place}",
                words
                    .data
                    .get(place)
                    .map(|word| word.chars().take(80).collect::<String>())
                    .unwrap_or_default()
            ),
        }),
    }
}

impl Program {
    /// Reads a compiled program.
    ///
    /// # Errors
    /// [`CairoError::NotAProgram`], [`CairoError::NotProofMode`], [`CairoError::Inconsistent`] or
    /// [`CairoError::NoStandaloneEntry`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Program, CairoError> {
        if let Some(executable) = executable::parse(bytes) {
            return executable?.into_program();
        }
        check_words(bytes)?;
        let json = deserialize_program_json(bytes)
            .map_err(|error| CairoError::NotAProgram { detail: error.to_string() })?;
        Program::from_cairo0(json)
    }

    fn from_cairo0(json: ProgramJson) -> Result<Program, CairoError> {
        if json.prime != PRIME_STR {
            return Err(CairoError::Inconsistent {
                detail: format!("expected the prime {PRIME_STR}, got {}", json.prime),
            });
        }
        let words = json
            .data
            .into_iter()
            .map(|word| match word {
                MaybeRelocatable::Int(word) => Ok(word),
                MaybeRelocatable::RelocatableValue(_) => {
                    Err(CairoError::Inconsistent { detail: "a program word is an address".into() })
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let label = |name: &str| json.identifiers.get(name).and_then(|label| label.pc);
        let (Some(start), Some(end)) = (label("__main__.__start__"), label("__main__.__end__")) else {
            return Err(CairoError::NotProofMode);
        };
        if start >= words.len() || end >= words.len() {
            return Err(CairoError::Inconsistent {
                detail: format!(
                    "__start__ is at {start} and __end__ at {end}, the program has {} words",
                    words.len()
                ),
            });
        }
        if let Some((&pc, _)) = json.hints.iter().next_back()
            && pc >= words.len()
        {
            return Err(CairoError::Inconsistent {
                detail: format!("there is a hint at {pc}, the program has {} words", words.len()),
            });
        }
        Ok(Program {
            kind: ProgramKind::Cairo0,
            words,
            builtins: json.builtins,
            start,
            end,
            hints: json.hints,
            core_hints: BTreeMap::new(),
            references: json.reference_manager.references.into_iter().map(HintReference::from).collect(),
            identifiers: json.identifiers,
            attributes: json.attributes.into_iter().filter(|a| a.name == "error_message").collect(),
            locations: json.debug_info.map(|info| info.get_instruction_locations()),
        })
    }

    /// Where its `main` is, which a bootloader calls; `None` for what has none, and for executables, whose bootloader entry
    /// is not supported.
    pub(crate) fn main(&self) -> Option<usize> {
        let pc = self.identifiers.get("__main__.main").and_then(|main| main.pc);
        pc.filter(|pc| self.kind == ProgramKind::Cairo0 && *pc < self.words.len())
    }

    /// Whether it has an output segment.
    pub(crate) fn writes_output(&self) -> bool {
        self.builtins.contains(&BuiltinName::output)
    }

    /// What kind of file it came from.
    pub fn kind(&self) -> ProgramKind {
        self.kind
    }

    /// The builtins that it declares, by name, in its order.
    pub fn builtins(&self) -> Vec<&'static str> {
        self.builtins.iter().map(|builtin| builtin.to_str()).collect()
    }

    /// Its words as compiled. A run for a layout with other builtins has other words in front ([`crate::EntryChoice`]).
    pub fn words(&self) -> Vec<Felt> {
        self.words.iter().map(convert::felt).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_hexadecimal_number_is_refused_with_its_place() {
        for word in ["0", "0x", "", "x", "0xg", "0x\u{e9}", "\u{20ac}", "0x-1"] {
            let text = format!(r#"{{"prime": "{PRIME_STR}", "data": ["0x1", "{word}"]}}"#);
            let refused = Program::from_bytes(text.as_bytes());
            let Err(CairoError::NotAProgram { detail }) = refused else { panic!("{word:?}: {refused:?}") };
            assert!(detail.contains("at 1"), "{word:?}: {detail}");
        }
    }
}
