//! The Cairo CPU AIR (under construction).
#![forbid(unsafe_code)]

pub mod air;
mod component;
pub mod input;
pub mod layout;
pub mod statement;
pub mod trace;
