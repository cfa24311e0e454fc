//! Who makes a proof: the prover of this workspace, another program with Stone's flags and files, or both, to compare
//! them byte by byte. Whoever makes it, it is verified here before it is called a proof.

use std::{path::PathBuf, sync::Arc, time::Instant};

use ashlar_cpu_air::{input::Execution, statement::StoneVersion};
use ashlar_stark::StoragePolicy;
use ashlar_stone::{
    ExternalProver, Json, Policy, ProofFile, ProofParameters, ProveOptions, Scratch, SelfVerification, prove,
};
use ashlar_store::ProofSource;
use serde_json::{Value, json};

use crate::{
    arguments::{Engine, Prove},
    console::duration,
    failure::{CommandError, Failure},
    progress::Watch,
};

/// The provers to use.
#[derive(Clone, Debug)]
pub(crate) enum Provers {
    /// This program's.
    Native,
    /// Another program.
    External(ExternalProver),
    /// Both, whose proofs must be equal.
    Compared(ExternalProver),
}

/// What both provers took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison {
    native: u64,
    external: u64,
}

impl Provers {
    /// As the flags of `prove` say.
    pub(crate) fn of(arguments: &Prove) -> Result<Provers, Failure> {
        let external = || {
            let path = arguments.external_prover.as_ref().ok_or(CommandError::NoExternalProver)?;
            Ok::<_, Failure>(ExternalProver::new(&std::path::absolute(path).unwrap_or_else(|_| path.clone())))
        };
        match (arguments.compare, arguments.engine) {
            (true, _) => external().map(Provers::Compared),
            (false, Engine::External) => external().map(Provers::External),
            (false, Engine::Native) => Ok(Provers::Native),
        }
    }

    /// What the records say about the proof's origin.
    pub(crate) fn source(&self) -> ProofSource {
        match self {
            Provers::External(_) => ProofSource::StoneExternal,
            Provers::Native | Provers::Compared(_) => ProofSource::StoneLocal,
        }
    }

    /// Makes a proof, unverified as yet. `scratch` is where files for another program go.
    pub(crate) fn prove(
        &self,
        execution: Execution,
        parameters: &ProofParameters,
        version: StoneVersion,
        storage: StoragePolicy,
        scratch: PathBuf,
        watch: &Arc<Watch>,
    ) -> Result<(ProofFile, Option<Comparison>), Failure> {
        // The proof is verified as a stage of its own, against the caller's policy.
        let options = ProveOptions {
            self_verification: SelfVerification::Skip,
            storage,
            ..ProveOptions::verified(Policy::stone(version))
        };
        let by_another = |prover: &ExternalProver, execution: &Execution| -> Result<ProofFile, Failure> {
            watch.begin("external prover");
            let folder = Scratch::create(&scratch)?;
            let mut file = prover.prove(execution, parameters, folder.path(), &**watch)?;
            // A stored proof does not repeat its private inputs.
            file.private_input = Json::object([]);
            Ok(file)
        };
        match self {
            Provers::Native => Ok((prove(execution, parameters, version, options, &**watch)?.file, None)),
            Provers::External(prover) => Ok((by_another(prover, &execution)?, None)),
            Provers::Compared(prover) => {
                let start = Instant::now();
                let theirs = by_another(prover, &execution)?;
                let external = milliseconds(start);
                let start = Instant::now();
                let ours = prove(execution, parameters, version, options, &**watch)?.file;
                let comparison = Comparison { native: milliseconds(start), external };
                same(&ours.proof, &theirs.proof)?;
                Ok((ours, Some(comparison)))
            }
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn same(ours: &[u8], theirs: &[u8]) -> Result<(), CommandError> {
    if ours == theirs {
        return Ok(());
    }
    let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    Err(CommandError::Different { native: ours.len(), external: theirs.len(), at })
}

impl Comparison {
    pub(crate) fn to_json(self) -> Value {
        json!({ "identical": true, "native_ms": self.native, "external_ms": self.external })
    }

    pub(crate) fn to_text(self) -> String {
        format!(
            "  compared  every byte is the same; native {}, external {}\n",
            duration(self.native),
            duration(self.external)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_that_differ_are_told_apart_at_the_first_byte() {
        assert!(same(b"abc", b"abc").is_ok());
        assert!(matches!(same(b"abc", b"abd"), Err(CommandError::Different { at: 2, .. })));
        assert!(matches!(same(b"abc", b"ab"), Err(CommandError::Different { at: 2, external: 2, .. })));
    }
}
