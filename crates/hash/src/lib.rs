//! The hash functions of the Stone protocol, one message at a time and by the table, and the proof of work.
//!
//! | module | what it computes |
//! |---|---|
//! | [`keccak256`], [`blake2s256`] | the byte hashes |
//! | [`poseidon`], [`pedersen`] | the algebraic hashes |
//! | [`CommitmentHash`] | which one commits to a table: messages, nodes, and rows and nodes by the batch |
//! | [`ChannelHash`] | which one drives the Fiat–Shamir channel |
//! | [`find_nonce`], [`verify_nonce`] | the proof of work |
//!
//! A batch gives the same digests on every family of kernels and any number of threads.
#![forbid(unsafe_code)]

mod batch;
mod blake2s;
mod channel;
mod commitment;
mod digest;
mod error;
mod keccak;
mod kernels;
pub mod pedersen;
pub mod poseidon;
mod work;

pub use blake2s::blake2s256;
pub use channel::ChannelHash;
pub use commitment::CommitmentHash;
pub use digest::Digest;
pub use error::HashError;
pub use keccak::keccak256;
pub use work::{ProofOfWorkHash, find_nonce, verify_nonce};
