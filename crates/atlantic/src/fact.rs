//! Facts, computed here before anything is submitted: what the service's answer must be equal to.
//!
//! With P for Poseidon's sponge, K for Keccak-256 of 32-byte big-endian words:
//!
//! | fact | formula |
//! |---|---|
//! | plain | P(program hash, P(output…)) |
//! | bootloaded | P(bootloader, P(1, length + 2, child, child output…)) |
//! | shared, Keccak | K(bootloader ‖ K(O)): 256 bits, no field element |
//! | shared, Poseidon | bootloaded(shared bootloader, child = bootloader, child output = O) |
//!
//! where O = [0, pedersen(0, 0), 1, length + 2, child, task…] and the task of a Cairo 1 program is
//! [0, count, return values…, count, arguments…]: both are committed to. The child's hash is the bootloader's, a Pedersen
//! chain over the program. A lookup key of Integrity's registry is P(fact, P(configuration), security bits).

use ashlar_cpu_air::statement::{FactHash, Output, ProgramHash};
use ashlar_field::{Felt, StandardBytes};
use ashlar_hash::{Digest, keccak256, pedersen, poseidon};

/// Longest text that fits a field element.
const MOST_SHORT_STRING: usize = 31;

/// The fact of a program that was proven by itself.
pub fn plain_fact(program_hash: Felt, output: &[Felt]) -> Felt {
    FactHash::new(ProgramHash(program_hash), Output(output.to_vec()).hash()).0
}

/// The fact of a program that was proven inside a bootloader.
pub fn bootloaded_fact(bootloader: Felt, child: Felt, child_output: &[Felt]) -> Felt {
    let mut output = vec![Felt::from_u64(1), Felt::from_u64(child_output.len() as u64 + 2), child];
    output.extend_from_slice(child_output);
    plain_fact(bootloader, &output)
}

/// The output of a Cairo 1 program under the service's bootloader: what the shared prover proves.
pub fn shared_output(child: Felt, returned: &[Felt], arguments: &[Felt]) -> Vec<Felt> {
    let count = |values: &[Felt]| Felt::from_u64(values.len() as u64);
    let task_length = returned.len() + arguments.len() + 3;
    let mut output = vec![
        Felt::ZERO,
        pedersen::hash(Felt::ZERO, Felt::ZERO),
        Felt::from_u64(1),
        Felt::from_u64(task_length as u64 + 2),
        child,
        Felt::ZERO,
        count(returned),
    ];
    output.extend_from_slice(returned);
    output.push(count(arguments));
    output.extend_from_slice(arguments);
    output
}

/// The Keccak fact that the shared prover's verifier registers on Ethereum.
pub fn shared_fact(bootloader: Felt, output: &[Felt]) -> Digest {
    let words: Vec<u8> = output.iter().flat_map(|word| StandardBytes::from(*word).0).collect();
    let mut fact = StandardBytes::from(bootloader).0.to_vec();
    fact.extend_from_slice(&keccak256(&words).0);
    keccak256(&fact)
}

/// How a proof on Integrity was made, as its registry names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration<'a> {
    /// Such as `recursive_with_poseidon`.
    pub layout: &'a str,
    /// Such as `keccak_160_lsb`.
    pub hasher: &'a str,
    /// Such as `stone6`.
    pub stone_version: &'a str,
    /// Such as `strict`.
    pub memory_verification: &'a str,
}

/// The key under which Integrity's registry holds a verification; `None` if a name has more than 31 characters or
/// is not ASCII.
pub fn verification_key(fact: Felt, configuration: Configuration<'_>, security_bits: u32) -> Option<Felt> {
    let names = [
        configuration.layout,
        configuration.hasher,
        configuration.stone_version,
        configuration.memory_verification,
    ];
    let words: Option<Vec<Felt>> = names.into_iter().map(short_string).collect();
    let configured = poseidon::hash_many(&words?);
    Some(poseidon::hash_many(&[fact, configured, Felt::from_u64(u64::from(security_bits))]))
}

/// Text as Cairo writes it into a field element: its bytes as a big-endian integer.
fn short_string(text: &str) -> Option<Felt> {
    if text.len() > MOST_SHORT_STRING || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    bytes.get_mut(32 - text.len()..)?.copy_from_slice(text.as_bytes());
    Felt::try_from(StandardBytes(bytes)).ok()
}

/// A run whose result is known before it is submitted: this machine ran the program too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedRun {
    /// Proven by itself.
    Plain {
        /// Poseidon of the program.
        program_hash: Felt,
        /// What it writes.
        output: Vec<Felt>,
    },
    /// Proven inside a bootloader, with one task.
    Bootloaded {
        /// The bootloader's program hash.
        bootloader: Felt,
        /// The program's hash, a Pedersen chain.
        child: Felt,
        /// What it writes.
        output: Vec<Felt>,
    },
    /// A Cairo 1 program, proven by the shared prover.
    Shared {
        /// The program hash of the service's bootloader.
        bootloader: Felt,
        /// The program hash of the shared prover's bootloader.
        shared_bootloader: Felt,
        /// The program's hash, a Pedersen chain.
        child: Felt,
        /// What `main` returns.
        returned: Vec<Felt>,
        /// What it is called with.
        arguments: Vec<Felt>,
    },
}

/// The facts that a run must end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedFact {
    /// The Poseidon fact.
    pub integrity: Felt,
    /// The Keccak fact, if the shared prover proves it.
    pub shared: Option<Digest>,
}

impl ExpectedRun {
    /// A Cairo 1 program under the bootloaders that were in use in September 2026.
    pub fn shared(child: Felt, returned: Vec<Felt>, arguments: Vec<Felt>) -> ExpectedRun {
        let Bootloaders { service, shared } = Bootloaders::recorded();
        let bootloader = service.first().copied().unwrap_or(Felt::ZERO);
        ExpectedRun::Shared { bootloader, shared_bootloader: shared, child, returned, arguments }
    }

    /// The facts, to be kept with the job before it is submitted.
    pub fn fact(&self) -> ExpectedFact {
        match self {
            ExpectedRun::Plain { program_hash, output } => {
                ExpectedFact { integrity: plain_fact(*program_hash, output), shared: None }
            }
            ExpectedRun::Bootloaded { bootloader, child, output } => {
                ExpectedFact { integrity: bootloaded_fact(*bootloader, *child, output), shared: None }
            }
            ExpectedRun::Shared { bootloader, shared_bootloader, child, returned, arguments } => {
                let output = shared_output(*child, returned, arguments);
                ExpectedFact {
                    integrity: bootloaded_fact(*shared_bootloader, *bootloader, &output),
                    shared: Some(shared_fact(*bootloader, &output)),
                }
            }
        }
    }

    /// The program's own hash.
    pub fn program_hash(&self) -> Felt {
        match self {
            ExpectedRun::Plain { program_hash, .. } => *program_hash,
            ExpectedRun::Bootloaded { child, .. } | ExpectedRun::Shared { child, .. } => *child,
        }
    }

    /// The bootloader around it.
    pub fn bootloader(&self) -> Option<Felt> {
        match self {
            ExpectedRun::Plain { .. } => None,
            ExpectedRun::Bootloaded { bootloader, .. } | ExpectedRun::Shared { bootloader, .. } => {
                Some(*bootloader)
            }
        }
    }

    /// The output of the whole run, the bootloader's words included.
    pub fn output(&self) -> Vec<Felt> {
        match self {
            ExpectedRun::Plain { output, .. } => output.clone(),
            ExpectedRun::Bootloaded { child, output, .. } => {
                let mut whole = vec![Felt::from_u64(1), Felt::from_u64(output.len() as u64 + 2), *child];
                whole.extend_from_slice(output);
                whole
            }
            ExpectedRun::Shared { child, returned, arguments, .. } => {
                shared_output(*child, returned, arguments)
            }
        }
    }

    /// The same run under another bootloader.
    pub(crate) fn under(&self, other: Felt) -> ExpectedRun {
        let mut run = self.clone();
        if let ExpectedRun::Bootloaded { bootloader, .. } | ExpectedRun::Shared { bootloader, .. } = &mut run
        {
            *bootloader = other;
        }
        run
    }
}

/// The bootloaders that an operator has accepted. The service changes its own with its versions: one that is not here
/// is never accepted by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootloaders {
    /// The service's, the current one first.
    pub service: Vec<Felt>,
    /// The shared prover's.
    pub shared: Felt,
}

impl Bootloaders {
    /// Those that recorded runs of September 2026 had.
    pub fn recorded() -> Bootloaders {
        const SERVICE: Felt = felt([
            0x0288_ba12_915c_0c7e,
            0x91df_572c_f3ed_0c9f,
            0x391a_a673_cb24_7c5a,
            0x208b_eaa5_0b66_8f09,
        ]);
        const SHARED: Felt = felt([
            0x005a_b580_b04e_3532,
            0xb6b1_8f81_cfa6_54a0,
            0x5e29_dd8e_2352_d88d,
            0xf1e7_65a8_4072_db07,
        ]);
        Bootloaders { service: vec![SERVICE], shared: SHARED }
    }

    /// Whether an operator has accepted this one.
    pub fn accept(&self, bootloader: Felt) -> bool {
        self.service.contains(&bootloader)
    }
}

/// A constant from big-endian limbs, which are below the prime.
const fn felt([a, b, c, d]: [u64; 4]) -> Felt {
    Felt::from_limbs_reduced([d, c, b, a])
}
