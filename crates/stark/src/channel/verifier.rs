//! The receiving end of the channel: reads the proof, and refuses what is not one.

use std::{collections::BTreeSet, fmt};

use ashlar_field::{Felt, MontgomeryBytes, StandardBytes};
use ashlar_hash::Digest;

use super::{
    prover::{draw_felt, draw_query},
    randomness::Randomness,
    record::{Payload, Printed, Record},
    scope::Scope,
};
use crate::VerifyError;

/// The part of the proof that is still unread, and the state the read part leads to.
pub(crate) struct VerifierChannel<'a> {
    randomness: Randomness,
    record: Record,
    proof: &'a [u8],
    position: usize,
    query_phase: bool,
}

impl<'a> VerifierChannel<'a> {
    pub(crate) fn new(randomness: Randomness, record: Record, proof: &'a [u8]) -> VerifierChannel<'a> {
        VerifierChannel { randomness, record, proof, position: 0, query_phase: false }
    }

    /// From here on, messages are openings and are not absorbed.
    pub(crate) fn begin_query_phase(&mut self) {
        self.query_phase = true;
    }

    /// The record, once every byte is read.
    ///
    /// # Errors
    /// [`VerifyError::TrailingBytes`].
    pub(crate) fn finish(self) -> Result<Record, VerifyError> {
        let left = self.proof.len() - self.position;
        if left != 0 {
            return Err(VerifyError::TrailingBytes { position: self.position, length: self.proof.len() });
        }
        Ok(self.record)
    }

    /// Checks that this many words of 32 bytes are still there, before anything of that size is allocated.
    pub(crate) fn expect_words(&self, scope: Scope, words: Option<u64>) -> Result<(), VerifyError> {
        let left = self.proof.len() - self.position;
        match words.and_then(|words| words.checked_mul(32)).filter(|&bytes| bytes <= left as u64) {
            Some(_) => Ok(()),
            None => {
                Err(VerifyError::ProofTooShort { scope, position: self.position, length: self.proof.len() })
            }
        }
    }

    fn read(&mut self, scope: Scope, length: usize) -> Result<&'a [u8], VerifyError> {
        let bytes =
            self.position.checked_add(length).and_then(|end| self.proof.get(self.position..end)).ok_or(
                VerifyError::ProofTooShort { scope, position: self.position, length: self.proof.len() },
            )?;
        self.position += length;
        Ok(bytes)
    }

    fn read_word(&mut self, scope: Scope) -> Result<[u8; 32], VerifyError> {
        let mut word = [0; 32];
        word.copy_from_slice(self.read(scope, 32)?);
        Ok(word)
    }

    /// Absorbs and records the last `bytes.len()` bytes read.
    fn accept(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
        bytes: &[u8],
        payload: &Payload<'_>,
    ) -> Result<(), VerifyError> {
        let start = self.position - bytes.len();
        self.record.sent(start..self.position, scope, label, payload);
        if !self.query_phase {
            self.randomness.absorb(bytes).map_err(|source| VerifyError::NotCanonical {
                scope,
                position: start,
                source,
            })?;
        }
        Ok(())
    }

    /// Receives a root.
    pub(crate) fn receive_commitment(&mut self, scope: Scope, in_full: bool) -> Result<Digest, VerifyError> {
        let digest = Digest(self.read_word(scope)?);
        let payload = Payload::Commitment(Printed { digest, in_full });
        self.accept(scope, format_args!("Commitment"), &digest.0, &payload)?;
        Ok(digest)
    }

    /// Receives an authentication node.
    pub(crate) fn receive_node(
        &mut self,
        scope: Scope,
        node: u64,
        in_full: bool,
    ) -> Result<Digest, VerifyError> {
        let digest = Digest(self.read_word(scope)?);
        let payload = Payload::Node(Printed { digest, in_full });
        self.accept(scope, format_args!("For node {node}"), &digest.0, &payload)?;
        Ok(digest)
    }

    /// Receives the raw sibling of a single-column row.
    pub(crate) fn receive_sibling(&mut self, scope: Scope, row: u64) -> Result<Digest, VerifyError> {
        let digest = Digest(self.read_word(scope)?);
        let label = format_args!("To complete packages, element #{row}");
        self.accept(scope, label, &digest.0, &Payload::Data(&digest.0))?;
        self.montgomery(scope, digest.0)?;
        Ok(digest)
    }

    fn montgomery(&self, scope: Scope, word: [u8; 32]) -> Result<Felt, VerifyError> {
        let position = self.position - 32;
        Felt::try_from(MontgomeryBytes(word)).map_err(|source| VerifyError::NotCanonical {
            scope,
            position,
            source,
        })
    }

    /// Receives one element that is a message of its own.
    pub(crate) fn receive_felt(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
    ) -> Result<Felt, VerifyError> {
        let word = self.read_word(scope)?;
        let value = self.montgomery(scope, word)?;
        self.accept(scope, label, &word, &Payload::Element(value))?;
        Ok(value)
    }

    /// Receives `count` elements that are one message.
    pub(crate) fn receive_felts(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
        count: u64,
    ) -> Result<Vec<Felt>, VerifyError> {
        self.expect_words(scope, Some(count))?;
        let start = self.position;
        let mut values = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let word = self.read_word(scope)?;
            values.push(if self.randomness.is_algebraic() {
                let position = self.position - 32;
                Felt::try_from(StandardBytes(word)).map_err(|source| VerifyError::NotCanonical {
                    scope,
                    position,
                    source,
                })?
            } else {
                self.montgomery(scope, word)?
            });
        }
        let bytes = &self.proof[start..self.position];
        self.accept(scope, label, bytes, &Payload::Elements(&values))?;
        Ok(values)
    }

    /// Receives the nonce: 8 bytes, or 32 on an algebraic channel, of which the first 24 must be zero.
    pub(crate) fn receive_nonce(&mut self) -> Result<u64, VerifyError> {
        let scope = Scope::ProofOfWork;
        let length = if self.randomness.is_algebraic() { 32 } else { 8 };
        let bytes = self.read(scope, length)?;
        self.accept(scope, format_args!("POW"), bytes, &Payload::Data(bytes))?;
        let (padding, tail) = bytes.split_at(length - 8);
        if padding.iter().any(|&byte| byte != 0) {
            return Err(VerifyError::NonceTooLarge { position: self.position - length });
        }
        let mut nonce = [0; 8];
        nonce.copy_from_slice(tail);
        Ok(u64::from_be_bytes(nonce))
    }

    /// Draws a random element.
    pub(crate) fn draw_felt(&mut self, scope: Scope, label: fmt::Arguments<'_>) -> Felt {
        draw_felt(&mut self.randomness, &mut self.record, scope, label)
    }

    /// Whether annotations were asked for.
    pub(crate) fn is_annotated(&self) -> bool {
        self.record.is_annotated()
    }

    /// Writes down a digest that the verifier computed.
    pub(crate) fn annotate_digest(&mut self, scope: Scope, node: u64, digest: Printed) {
        self.record.derived(scope, format_args!("For node {node}"), &Payload::Node(digest));
    }

    /// Writes down an element that the verifier computed.
    pub(crate) fn annotate_felt(&mut self, scope: Scope, label: fmt::Arguments<'_>, value: Felt) {
        self.record.derived(scope, label, &Payload::Element(value));
    }

    /// Draws `count` query positions below 2^`bits`, and returns them ascending, each once.
    ///
    /// Each position is opened with `words` words of the proof, so the drawing ends where the rest of the proof cannot
    /// open what is drawn already: else few bytes would buy the work of as many draws as the parameters allow. It ends
    /// too once every position is drawn: nothing is drawn after the queries, so more of them change annotations only.
    ///
    /// # Errors
    /// [`VerifyError::ProofTooShort`], before memory of more than the proof's size is used.
    pub(crate) fn draw_queries(
        &mut self,
        count: u64,
        bits: u32,
        words: Option<u64>,
    ) -> Result<Vec<u64>, VerifyError> {
        let mut queries = BTreeSet::new();
        let positions = 1u64.checked_shl(bits).unwrap_or(u64::MAX);
        for index in 0..count {
            if queries.len() as u64 == positions && !self.record.is_annotated() {
                break;
            }
            if queries.insert(draw_query(&mut self.randomness, &mut self.record, index, bits)) {
                let words = words.and_then(|words| words.checked_mul(queries.len() as u64));
                self.expect_words(Scope::TraceDecommitment(0), words)?;
            }
        }
        Ok(queries.into_iter().collect())
    }

    /// The 32 bytes that the proof of work starts from.
    pub(crate) fn state_bytes(&self) -> [u8; 32] {
        self.randomness.state_bytes()
    }
}
