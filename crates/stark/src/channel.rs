//! The Fiat–Shamir channel: what the prover sends, what the verifier draws, and the record of both.
//!
//! | module | what it does |
//! |---|---|
//! | [`randomness`] | the state that messages are mixed into and that random values come from |
//! | [`scope`] | the named places of the protocol, for annotations and errors |
//! | [`record`] | annotations in Stone's words, and the statistics of a proof |
//! | [`prover`] | the sending end |
//! | [`verifier`] | the receiving end |

pub(crate) mod prover;
pub(crate) mod randomness;
pub(crate) mod record;
pub(crate) mod scope;
pub(crate) mod verifier;

#[cfg(test)]
mod tests;
