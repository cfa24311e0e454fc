//! The statement: what a proof of a Cairo run claims, in bytes and in meaning.
//!
//! | file | what it computes |
//! |---|---|
//! | `seed` | the bytes with which the Fiat–Shamir channel starts, page hashes included |
//! | `checks` | what Stone's prover asserts of a public input ([`check`]) and what its verifier leaves to the caller ([`check_gate`]) |
//! | `entry` | which of Integrity's three page-0 forms the public memory has, and why not the others |
//! | `bootloaded` | what a bootloader that ran one task states, and the form that its page 0 must have |
//! | `fact` | program, output and the hashes that name them on chain |

mod bootloaded;
mod checks;
mod entry;
mod error;
mod fact;
mod seed;

pub use bootloaded::{BOOTLOADER_BUILTINS, Task, bootloaded};
pub use checks::{BuiltinUsage, builtin_usage, check, check_gate, check_segments};
pub use entry::{Claim, EntryForm, EntryForms, EntryRefusal, PointerSide, UnknownEntryForm, claim, classify};
pub use error::StatementError;
pub use fact::{FactHash, Output, OutputHash, Program, ProgramHash};
pub use seed::{PageHash, StoneVersion, UnknownPageHash, UnknownStoneVersion, seed};
