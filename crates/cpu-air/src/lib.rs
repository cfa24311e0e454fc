//! The Cairo CPU AIR: what a run of the Cairo machine must satisfy, and how a real run becomes a trace.
//!
//! | module | what it holds |
//! |---|---|
//! | [`input`] | statement and witness in memory: public input, registers, memory, builtin instances |
//! | [`layout`] | where in the trace every virtual column lives: twelve tables, and `dynamic` by formulas |
//! | `component` | every constraint, written once over virtual columns |
//! | [`air`] | layout, trace length and public input put together: an [`ashlar_stark::air::Air`] |
//! | [`trace`] | the witness: columns from a run |
//! | [`statement`] | the seed of the proof, checks of a public input, program and output hashes |
//!
//! Layouts, constraints and trace are those of Stone v3, bit for bit. `all_cairo` is that of Stone v2, because the
//! definition in v3 contradicts itself, and unverified, see [`layout::Layout::is_verified`].
#![forbid(unsafe_code)]

pub mod air;
mod component;
pub mod input;
pub mod layout;
pub mod statement;
pub mod trace;
