//! The STARK protocol of Stone over any AIR (under construction).
#![forbid(unsafe_code)]

pub mod air;
