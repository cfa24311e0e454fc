//! Program, output, and the Poseidon hashes by which they are known on chain (Integrity's fact registry).

use std::fmt;

use ashlar_field::Felt;
use ashlar_hash::poseidon;

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub Felt);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

hash_type! {
    /// Poseidon of the program's words.
    ProgramHash
}
hash_type! {
    /// Poseidon of the output's words.
    OutputHash
}
hash_type! {
    /// Poseidon of program hash and output hash: the name under which a verified run is registered.
    FactHash
}

/// The words of a program, as the public memory states them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(pub Vec<Felt>);

impl Program {
    /// The program hash.
    pub fn hash(&self) -> ProgramHash {
        ProgramHash(poseidon::hash_many(&self.0))
    }
}

/// The words that a run wrote to its output segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output(pub Vec<Felt>);

impl Output {
    /// The output hash.
    pub fn hash(&self) -> OutputHash {
        OutputHash(poseidon::hash_many(&self.0))
    }
}

impl FactHash {
    /// The fact that the program made the output.
    pub fn new(program: ProgramHash, output: OutputHash) -> FactHash {
        FactHash(poseidon::hash_many(&[program.0, output.0]))
    }
}
