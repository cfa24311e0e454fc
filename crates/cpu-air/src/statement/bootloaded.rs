//! What a proof of a bootloader says that ran one task.
//!
//! A bootloader declares every builtin that there is. Where the layout lacks one, its pointer is 0 from beginning to end,
//! so that page 0 is not of the strict form, which wants exactly the layout's builtins. Everything else that the strict
//! form pins down is pinned down here too: where the run begins and ends, its frame, all pointers, nothing but program and
//! output. Which program the bootloader is, only its hash says: who reads the task must know the bootloader's.

use ashlar_field::Felt;

use super::{Claim, EntryForm, EntryRefusal, Output, entry};
use crate::{input::PublicInput, layout::Layout};

/// The builtins that a bootloader declares, in its order.
pub const BOOTLOADER_BUILTINS: [&str; 11] = [
    "output",
    "pedersen",
    "range_check",
    "ecdsa",
    "bitwise",
    "ec_op",
    "keccak",
    "poseidon",
    "range_check96",
    "add_mod",
    "mul_mod",
];

/// A task, as a bootloader states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The program's hash: a chain of Pedersen hashes over header and words.
    pub program_hash: Felt,
    /// What it put out.
    pub output: Vec<Felt>,
}

impl Task {
    /// The task in the output of a bootloader that ran one: `[1, length + 2, program hash, output…]`.
    ///
    /// # Errors
    /// [`EntryRefusal::TaskOutput`].
    pub fn of_output(output: &Output) -> Result<Task, EntryRefusal> {
        let refused = |detail| EntryRefusal::TaskOutput { words: output.0.len(), detail };
        let [tasks, length, program_hash, words @ ..] = output.0.as_slice() else {
            return Err(refused("too few"));
        };
        if *tasks != Felt::ONE {
            return Err(refused("not one task"));
        }
        if *length != Felt::from_u64(words.len() as u64 + 2) {
            return Err(refused("another length"));
        }
        Ok(Task { program_hash: *program_hash, output: words.to_vec() })
    }

    /// The output of a bootloader that ran this task.
    pub fn bootloader_output(&self) -> Output {
        let header = [Felt::ONE, Felt::from_u64(self.output.len() as u64 + 2), self.program_hash];
        Output(header.into_iter().chain(self.output.iter().copied()).collect())
    }
}

/// What a public memory says of a bootloader with one task. The claim is the bootloader's, by the relaxed form, which is
/// how a verifier contract reads such a page.
///
/// # Errors
/// Why it does not have this form.
pub fn bootloaded(public: &PublicInput, layout: &Layout) -> Result<(Claim, Task), EntryRefusal> {
    entry::check_page(public)?;
    let (program, output) = entry::standard(public, layout, &BOOTLOADER_BUILTINS)?;
    let task = Task::of_output(&output)?;
    Ok((Claim { form: EntryForm::Relaxed, program, output }, task))
}
