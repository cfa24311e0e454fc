//! What is shown to the gate.

use std::fmt;

use crate::{ArtefactKind, ContentHash, Error, Job, Moment, Store};

/// What a piece of evidence claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceKind {
    /// A proof file, which our own verifier can check.
    LocalProof,
    /// A fact read back from the registry of the address book.
    ChainFact,
    /// What a managed service says of a proof.
    ServiceStatement,
}

impl fmt::Display for EvidenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EvidenceKind::LocalProof => "local proof",
            EvidenceKind::ChainFact => "chain fact",
            EvidenceKind::ServiceStatement => "statement of a service",
        })
    }
}

/// Evidence: bytes, and what the records say about them. The gate believes the bytes only.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What it claims to be.
    pub kind: EvidenceKind,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The recorded digest of the bytes.
    pub sha256: ContentHash,
    /// When it was made.
    pub made_at: Moment,
}

impl Evidence {
    /// A proof file that was made at `made_at`.
    pub fn local_proof(bytes: Vec<u8>, made_at: Moment) -> Evidence {
        Evidence { kind: EvidenceKind::LocalProof, sha256: ContentHash::of(&bytes), bytes, made_at }
    }
}

impl Store {
    /// The proof that a job left behind, as evidence; `None` if it left none.
    ///
    /// It counts as made at the earliest time that its records name: the job's id, its creation, its last change.
    ///
    /// # Errors
    /// As [`crate::Artefacts::read`], or a database error.
    pub async fn evidence_of(&self, job: &Job) -> Result<Option<Evidence>, Error> {
        let artefacts = self.artefacts_of(job.id).await?;
        let Some(proof) = artefacts.iter().find(|artefact| artefact.kind == ArtefactKind::Proof) else {
            return Ok(None);
        };
        let bytes = self.artefacts().read(proof).await?;
        let made_at = job.id.made_at().min(job.created_at).min(job.updated_at);
        Ok(Some(Evidence { kind: EvidenceKind::LocalProof, bytes, sha256: proof.sha256, made_at }))
    }
}
