//! What the gate demands.

use std::time::Duration;

use ashlar_cpu_air::statement::{EntryForm, StoneVersion};
use ashlar_stone::{Policy, StatementRule};

/// The default of the fewest bits of security.
pub const DEFAULT_BITS: u32 = 96;

/// The default of how old evidence may be.
pub const DEFAULT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the gate demands of evidence. Some demands are not for a caller to waive: the gate judges proofs of stone6
/// with the strict statement, whatever the proof policy it was given says; and it demands [`DEFAULT_BITS`] unless the
/// caller lowers that by name, with [`GatePolicy::with_fewer_bits`].
#[derive(Clone, Debug)]
pub struct GatePolicy {
    proof: Policy,
    most_age: Duration,
}

impl GatePolicy {
    /// These demands on proofs, with version, statement and bits raised to what a gate needs, and this age of
    /// evidence.
    pub fn new(proof: Policy, most_age: Duration) -> GatePolicy {
        let least_conjectured_bits = proof.least_conjectured_bits.max(DEFAULT_BITS);
        GatePolicy::with_fewer_bits(Policy { least_conjectured_bits, ..proof }, most_age)
    }

    /// As [`GatePolicy::new`], but content with the bits that the policy names, however few: for somebody who has
    /// decided that forging a proof of so few bits is not worth an attacker's while.
    pub fn with_fewer_bits(proof: Policy, most_age: Duration) -> GatePolicy {
        let statement = StatementRule::Gate(EntryForm::Strict);
        GatePolicy { proof: Policy { version: StoneVersion::Stone6, statement, ..proof }, most_age }
    }

    /// The demands on proofs.
    pub fn proof(&self) -> &Policy {
        &self.proof
    }

    /// How old evidence may be.
    pub fn most_age(&self) -> Duration {
        self.most_age
    }
}

impl Default for GatePolicy {
    fn default() -> GatePolicy {
        GatePolicy::new(Policy::strict(DEFAULT_BITS), DEFAULT_AGE)
    }
}
