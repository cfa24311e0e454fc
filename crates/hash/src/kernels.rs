//! The vector forms of the hash functions, written over [`Lanes`](ashlar_field::lanes::Lanes) or, where they
//! compute on words alone, over [`WordLanes`](ashlar_field::lanes::WordLanes).
//!
//! | module | what it computes |
//! |---|---|
//! | [`keccak`] | eight Keccak-256 at a time, one in each 64-bit lane |
//! | [`blake2s`] | sixteen BLAKE2s-256 at a time, one in each 32-bit lane |
//! | [`poseidon`] | eight Poseidon at a time, and several such groups interleaved |
//! | [`pedersen`] | eight Pedersen at a time, or the points of a single one |
//! | [`table`] | the cells of eight consecutive rows as vectors |
//! | [`digests`] | between digests in memory and vectors of their words |
//!
//! Every function is `#[inline(always)]` down to the instructions, and runs inside one rayon task: see
//! [`ashlar_field::lanes`] for why. For the same reason vectors go through plain loops, not through `map`,
//! `from_fn` or `find`: the adapters of the standard library are not always inlined, and a closure that stays a
//! function of its own has lost the instruction set.

pub(crate) mod blake2s;
pub(crate) mod digests;
pub(crate) mod keccak;
pub(crate) mod pedersen;
pub(crate) mod poseidon;
pub(crate) mod table;
