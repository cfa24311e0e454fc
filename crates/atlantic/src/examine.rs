//! What the service says, beside what was computed before: the outcome is a claim, never evidence.
//!
//! Nothing here opens a gate. A proof file must be accepted by the verifier of this program; a fact must be read back from a
//! chain. What can be refused without either, because it contradicts what this machine computed, is refused here.

use ashlar_field::Felt;
use ashlar_hash::Digest;

use crate::{
    class::job_failure,
    error::Error,
    fact::{Bootloaders, ExpectedRun},
    quoted::quoted,
    vocabulary::{Goal, QueryStatus, SharpProver, Step},
    wire::{Metadata, Query, QueryAnswer, QueryId},
};

/// What a finished query claims. Every reported fact is the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The query.
    pub query: QueryId,
    /// What would make it evidence.
    pub evidence: Evidence,
}

/// What has to be done before a claim counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// There is a file `proof.json`. Fetch it, and let the verifier here decide; it also says which program and output
    /// were proven.
    ProofFile,
    /// There should be a fact on a chain. Read it there.
    FactToReadBack {
        /// Where.
        registry: Registry,
        /// The Poseidon fact.
        integrity: Felt,
        /// The Keccak fact.
        shared: Option<Digest>,
    },
    /// There is a run and nothing more.
    Nothing,
}

/// Which contract should hold a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    /// Integrity's fact registry on Starknet: a Stone proof was verified there.
    Integrity,
    /// Herodotus' Satellite on Starknet: a fact was carried over from Ethereum. It can be there as a Keccak fact only.
    Satellite,
    /// The shared prover's fact registry on Ethereum or a chain beside it.
    Shared,
}

/// Examines a query that is over.
///
/// `metadata` is the query's `metadata.json`, if there is one; it tells a new bootloader from a wrong fact.
///
/// # Errors
/// [`Error::NotOver`]; [`Error::JobFailed`]; [`Error::Mocked`], [`Error::FactMismatch`], [`Error::OtherProgram`],
/// [`Error::UnknownBootloader`].
pub fn examine(
    answer: &QueryAnswer,
    metadata: Option<&Metadata>,
    expected: &ExpectedRun,
    bootloaders: &Bootloaders,
) -> Result<Claim, Error> {
    let query = &answer.atlantic_query;
    match &query.status {
        QueryStatus::Done => {}
        QueryStatus::Failed => return Err(failed(query)),
        status => return Err(Error::NotOver { query: query.id.clone(), status: status.clone() }),
    }
    for (mocked, what) in [(query.is_fact_mocked, "fact"), (query.is_proof_mocked, "proof")] {
        if mocked == Some(true) {
            return Err(Error::Mocked { query: query.id.clone(), what });
        }
    }
    let expected = under_named_bootloader(query, metadata, expected, bootloaders)?;
    let examination = Examination { query, expected: &expected };
    if let Some(metadata) = metadata {
        examination.metadata(metadata)?;
    }
    examination.program()?;
    examination.facts(query.integrity_fact_hash.as_deref(), query.sharp_fact_hash.as_deref())?;
    examination.claim()
}

fn failed(query: &Query) -> Error {
    let reason = query.error_reason.as_deref().unwrap_or("no reason was given");
    Error::JobFailed {
        query: query.id.clone(),
        class: job_failure(reason),
        declared: query.declared_job_size.clone(),
        reason: quoted(reason),
    }
}

/// The expected run under the bootloader that the metadata names. A bootloader that an operator has not accepted decides
/// nothing here, even if whoever made the job reckoned with it.
fn under_named_bootloader(
    query: &Query,
    metadata: Option<&Metadata>,
    expected: &ExpectedRun,
    bootloaders: &Bootloaders,
) -> Result<ExpectedRun, Error> {
    let Some(reckoned) = expected.bootloader() else { return Ok(expected.clone()) };
    let named = metadata.and_then(|metadata| metadata.program_hash.as_deref());
    let unknown = |got: &str| Error::UnknownBootloader { query: query.id.clone(), got: quoted(got) };
    let bootloader = match named {
        Some(named) => named.parse().map_err(|_| unknown(named))?,
        None => reckoned,
    };
    match bootloaders.accept(bootloader) {
        true => Ok(expected.under(bootloader)),
        false => Err(unknown(&bootloader.to_string())),
    }
}

struct Examination<'a> {
    query: &'a Query,
    expected: &'a ExpectedRun,
}

impl Examination<'_> {
    /// What the run's own file says. It comes from the same service as the rest and is believed no more.
    fn metadata(&self, metadata: &Metadata) -> Result<(), Error> {
        let program = match self.expected.bootloader() {
            Some(_) => metadata.child_program_hash.as_deref(),
            None => metadata.program_hash.as_deref(),
        };
        program.map_or(Ok(()), |program| self.same_program(program))?;
        if let Some(output) = &metadata.output {
            let expected = self.expected.output();
            let got: Option<Vec<Felt>> = output.iter().map(|word| felt(word)).collect();
            if got.as_ref() != Some(&expected) {
                let at = got.map_or(0, |got| got.iter().zip(&expected).take_while(|(a, b)| a == b).count());
                return Err(self.mismatch(
                    "output",
                    format!("{} words", expected.len()),
                    format!("{} words that differ at word {at}", output.len()),
                ));
            }
        }
        self.facts(metadata.integrity_fact_hash.as_deref(), metadata.sharp_fact_hash.as_deref())
    }

    /// The query's program hash is the program's own, or the bootloader's around it.
    fn program(&self) -> Result<(), Error> {
        let Some(got) = self.query.program_hash.as_deref() else { return Ok(()) };
        if self.expected.bootloader().is_some() && felt(got) == self.expected.bootloader() {
            return Ok(());
        }
        self.same_program(got)
    }

    fn same_program(&self, got: &str) -> Result<(), Error> {
        let expected = self.expected.program_hash();
        if felt(got) == Some(expected) {
            return Ok(());
        }
        let (query, got) = (self.query.id.clone(), quoted(got));
        Err(Error::OtherProgram { query, expected: expected.to_string(), got })
    }

    /// Facts that are reported must be the expected ones.
    fn facts(&self, integrity: Option<&str>, shared: Option<&str>) -> Result<(), Error> {
        let expected = self.expected.fact();
        if let Some(got) = integrity
            && felt(got) != Some(expected.integrity)
        {
            return Err(self.mismatch("integrityFactHash", expected.integrity.to_string(), quoted(got)));
        }
        match (shared, expected.shared) {
            (Some(got), Some(expected)) if digest(got) != Some(expected) => {
                Err(self.mismatch("sharpFactHash", expected.to_string(), quoted(got)))
            }
            // A fact that was not reckoned with is not compared, and not used.
            _ => Ok(()),
        }
    }

    fn claim(&self) -> Result<Claim, Error> {
        let evidence = match &self.query.result {
            Some(Goal::ProofGeneration) => Evidence::ProofFile,
            Some(goal) if goal.is_verification() => {
                if self.query.integrity_fact_hash.is_none() && self.query.sharp_fact_hash.is_none() {
                    let expected = self.expected.fact().integrity.to_string();
                    return Err(self.mismatch("fact", expected, "none".to_owned()));
                }
                let fact = self.expected.fact();
                Evidence::FactToReadBack {
                    registry: self.registry(goal),
                    integrity: fact.integrity,
                    shared: fact.shared,
                }
            }
            _ => Evidence::Nothing,
        };
        Ok(Claim { query: self.query.id.clone(), evidence })
    }

    fn registry(&self, goal: &Goal) -> Registry {
        if !matches!(goal, Goal::ProofVerificationOnL2 | Goal::ProofVerificationOnL2WithTranslation) {
            return Registry::Shared;
        }
        let bridged = [Step::BridgeFactHash, Step::TranslateFactHash];
        let mut steps = self.query.steps.iter().flatten().chain(&self.query.step);
        let shared = matches!(self.query.sharp_prover, Some(SharpProver::Stwo | SharpProver::StwoHerodotus));
        if shared || steps.any(|step| bridged.contains(step)) {
            Registry::Satellite
        } else {
            Registry::Integrity
        }
    }

    fn mismatch(&self, what: &'static str, expected: String, got: String) -> Error {
        Error::FactMismatch { query: self.query.id.clone(), what, expected, got }
    }
}

fn felt(text: &str) -> Option<Felt> {
    text.parse().ok()
}

/// 256 bits from hexadecimal text, with leading zeros or without.
fn digest(text: &str) -> Option<Digest> {
    let digits = text.strip_prefix("0x")?;
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let padded = format!("{digits:0>64}");
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(padded.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(Digest(bytes))
}
