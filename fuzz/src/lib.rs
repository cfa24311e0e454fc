//! What the fuzz targets do with their bytes. A target panics where something is wrong, and only there.
//!
//! The modules are compiled by ordinary tests too, which run them on the corpus (`corpus/<target>/`): what was found
//! once stays found.
#![forbid(unsafe_code)]

pub mod formats;
pub mod verifier;

#[cfg(feature = "programs")]
pub mod cairo;
#[cfg(feature = "programs")]
pub mod risk;
