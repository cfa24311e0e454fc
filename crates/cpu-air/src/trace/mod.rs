//! The trace: from a run to the columns that are committed, byte for byte those of Stone.
//!
//! | file | what it computes |
//! |---|---|
//! | `columns` | virtual columns written into trace columns |
//! | `cpu` | decoded steps, with the machine's rules checked |
//! | `memory_pool`, `value_pool` | the pools that components share: holes filled, then sorted |
//! | `instances` | which instances of a builtin are real and which are fillers |
//! | `pedersen`, `range_check`, … | the builtins |
//! | `interaction` | running products of the permutation arguments |
//!
//! The order of writing is irrelevant but for the finalisation: range-check pool, then the memory cells of the
//! range-check builtins (whose fillers take what the pool was filled with), diluted pool, memory pool.

mod bitwise;
mod columns;
mod cpu;
mod ec_op;
mod ec_subset_sum;
mod ecdsa;
mod error;
mod instances;
mod interaction;
mod keccak;
mod memory_pool;
mod modular;
mod pedersen;
mod poseidon;
mod range_check;
mod value_pool;
mod witness;

pub use error::{Operand, Place, Pool, Register, TraceError};
pub use witness::CpuWitness;
