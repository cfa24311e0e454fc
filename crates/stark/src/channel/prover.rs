//! The sending end of the channel: collects the proof.

use std::fmt;

use ashlar_field::{Felt, MontgomeryBytes, NotCanonical, StandardBytes};
use ashlar_hash::Digest;

use super::{
    randomness::Randomness,
    record::{Payload, Printed, Record},
    scope::Scope,
};

/// The proof so far, and the state it leads to.
pub(crate) struct ProverChannel {
    randomness: Randomness,
    record: Record,
    proof: Vec<u8>,
    /// Once set, messages are no longer absorbed: no randomness depends on them.
    query_phase: bool,
}

impl ProverChannel {
    pub(crate) fn new(randomness: Randomness, record: Record) -> ProverChannel {
        ProverChannel { randomness, record, proof: Vec::new(), query_phase: false }
    }

    /// From here on, messages are openings and are not absorbed.
    pub(crate) fn begin_query_phase(&mut self) {
        self.query_phase = true;
    }

    /// Bytes of proof so far.
    pub(crate) fn proof_length(&self) -> usize {
        self.proof.len()
    }

    /// The proof and its record.
    pub(crate) fn finish(self) -> (Vec<u8>, Record) {
        (self.proof, self.record)
    }

    fn send(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
        bytes: &[u8],
        payload: &Payload<'_>,
    ) -> Result<(), NotCanonical> {
        let start = self.proof.len();
        self.proof.extend(bytes);
        self.record.sent(start..self.proof.len(), scope, label, payload);
        if self.query_phase { Ok(()) } else { self.randomness.absorb(bytes) }
    }

    /// Sends a root. `in_full`: print all digits.
    ///
    /// # Errors
    /// If the channel is algebraic and the root no field element.
    pub(crate) fn send_commitment(&mut self, scope: Scope, printed: Printed) -> Result<(), NotCanonical> {
        self.send(scope, format_args!("Commitment"), &printed.digest.0, &Payload::Commitment(printed))
    }

    /// Sends an authentication node.
    pub(crate) fn send_node(
        &mut self,
        scope: Scope,
        node: u64,
        printed: Printed,
    ) -> Result<(), NotCanonical> {
        self.send(scope, format_args!("For node {node}"), &printed.digest.0, &Payload::Node(printed))
    }

    /// Sends one element as a message of its own: in Montgomery form on both kinds of channel.
    pub(crate) fn send_felt(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
        value: Felt,
    ) -> Result<(), NotCanonical> {
        self.send(scope, label, &MontgomeryBytes::from(value).0, &Payload::Element(value))
    }

    /// Sends many elements as one message: in standard form on an algebraic channel, else in Montgomery form.
    pub(crate) fn send_felts(
        &mut self,
        scope: Scope,
        label: fmt::Arguments<'_>,
        values: &[Felt],
    ) -> Result<(), NotCanonical> {
        let mut bytes = Vec::with_capacity(32 * values.len());
        for &value in values {
            if self.randomness.is_algebraic() {
                bytes.extend(StandardBytes::from(value).0);
            } else {
                bytes.extend(MontgomeryBytes::from(value).0);
            }
        }
        self.send(scope, label, &bytes, &Payload::Elements(values))
    }

    /// Sends the raw sibling of a single-column row.
    pub(crate) fn send_sibling(
        &mut self,
        scope: Scope,
        row: u64,
        digest: Digest,
    ) -> Result<(), NotCanonical> {
        let label = format_args!("To complete packages, element #{row}");
        self.send(scope, label, &digest.0, &Payload::Data(&digest.0))
    }

    /// Sends the nonce: 8 bytes, or 32 on an algebraic channel.
    pub(crate) fn send_nonce(&mut self, nonce: u64) -> Result<(), NotCanonical> {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&nonce.to_be_bytes());
        let start = if self.randomness.is_algebraic() { 0 } else { 24 };
        let bytes = &bytes[start..];
        self.send(Scope::ProofOfWork, format_args!("POW"), bytes, &Payload::Data(bytes))
    }

    /// Draws a random element.
    pub(crate) fn draw_felt(&mut self, scope: Scope, label: fmt::Arguments<'_>) -> Felt {
        draw_felt(&mut self.randomness, &mut self.record, scope, label)
    }

    /// Draws `count` query positions below 2^`bits`, sorted, duplicates kept.
    pub(crate) fn draw_queries(&mut self, count: u64, bits: u32) -> Vec<u64> {
        let mut queries: Vec<u64> =
            (0..count).map(|index| draw_query(&mut self.randomness, &mut self.record, index, bits)).collect();
        queries.sort_unstable();
        queries
    }

    /// The 32 bytes that the proof of work starts from.
    pub(crate) fn state_bytes(&self) -> [u8; 32] {
        self.randomness.state_bytes()
    }
}

pub(super) fn draw_felt(
    randomness: &mut Randomness,
    record: &mut Record,
    scope: Scope,
    label: fmt::Arguments<'_>,
) -> Felt {
    let value = randomness.draw_felt();
    record.drawn(scope, label, format_args!("Field Element({value})"));
    value
}

/// Draws query number `index` below 2^`bits`.
pub(super) fn draw_query(randomness: &mut Randomness, record: &mut Record, index: u64, bits: u32) -> u64 {
    let query = randomness.draw_number(bits);
    record.drawn(Scope::QueryIndices, format_args!("{index}"), format_args!("Number({query})"));
    query
}
