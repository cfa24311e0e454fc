//! The Cairo CPU AIR (under construction).
#![forbid(unsafe_code)]

pub mod input;
pub mod layout;
