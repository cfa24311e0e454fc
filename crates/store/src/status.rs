//! The closed vocabularies of the records. The database holds the same words in its `CHECK`s.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $variant,)+
        }

        impl $name {
            /// Every word, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word in the records.
            pub const fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// From the word in the records.
            pub fn parse(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|candidate| candidate.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
    };
}

vocabulary!(
    /// Where a job stands.
    ProofStatus {
        /// Recorded, not begun.
        Queued = "queued",
        /// The program runs; its trace is made.
        Tracing = "tracing",
        /// The proof is made here.
        Proving = "proving",
        /// The proof is made elsewhere.
        Submitted = "submitted",
        /// Our verifier checks the proof.
        Verifying = "verifying",
        /// Our verifier accepted the proof, which is stored. Terminal.
        Verified = "verified",
        /// It failed; the row has code and text. Terminal.
        Failed = "failed",
        /// It took too long. Terminal.
        Timeout = "timeout",
        /// A person stopped it. Terminal.
        Cancelled = "cancelled",
    }
);

impl ProofStatus {
    /// Whether the job never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            ProofStatus::Verified | ProofStatus::Failed | ProofStatus::Timeout | ProofStatus::Cancelled
        )
    }
}

vocabulary!(
    /// Who makes the proof.
    ProofSource {
        /// The prover of this workspace.
        StoneLocal = "stone_local",
        /// The C++ prover, as an external program.
        StoneExternal = "stone_external",
        /// Stwo in memory.
        Stwo = "stwo",
        /// Herodotus' managed prover.
        Atlantic = "atlantic",
        /// The quick off-chain risk proof, which never gates an execution.
        Luminair = "luminair",
        /// Proves nothing; can never be verified.
        Mock = "mock",
    }
);

vocabulary!(
    /// What a job's proof is for.
    Purpose {
        /// Allocation proposals of the risk engine.
        Allocation = "allocation",
        /// Any Cairo program.
        Program = "program",
    }
);

vocabulary!(
    /// Where an allocation stands.
    AllocationStatus {
        /// Recorded; no proof has passed the gate.
        Proposed = "proposed",
        /// The gate opened for it; nothing was executed (a rehearsal).
        Admitted = "admitted",
        /// Its proof shows that the rules reject it. Terminal.
        Rejected = "rejected",
        /// The intent to execute is recorded; the outcome is not.
        Executing = "executing",
        /// Executed, once. Terminal.
        Executed = "executed",
        /// The receiver refused it for good. Terminal.
        Failed = "failed",
    }
);

vocabulary!(
    /// What a key of the HTTP API may do.
    KeyScope {
        /// Read jobs, allocations and artefacts.
        Read = "read",
        /// Submit jobs and proposals.
        Submit = "submit",
        /// Cancel and retry jobs.
        Cancel = "cancel",
        /// Everything.
        Admin = "admin",
    }
);

vocabulary!(
    /// Which jobs a key of the HTTP API reaches.
    KeyReach {
        /// Those that it has submitted.
        Own = "own",
        /// Every job.
        All = "all",
    }
);

vocabulary!(
    /// What an artefact is.
    ArtefactKind {
        /// A proof in Stone's JSON form.
        Proof = "proof",
        /// Calldata of a proof.
        Calldata = "calldata",
        /// A run's trace and memory.
        Trace = "trace",
        /// A Cairo PIE.
        Pie = "pie",
        /// What a prover said.
        Log = "log",
    }
);

vocabulary!(
    /// Where an execution stands.
    ExecutionState {
        /// Recorded before anything was sent; somebody is, or was, about to perform it.
        Intended = "intended",
        /// It was sent, and nobody knows whether it arrived.
        InDoubt = "in_doubt",
        /// The receiver confirmed it. Terminal.
        Performed = "performed",
        /// The receiver refused it for good. Terminal.
        Refused = "refused",
    }
);

vocabulary!(
    /// Where a fact on chain is read.
    FactSource {
        /// Integrity's fact registry on Starknet.
        Integrity = "integrity",
        /// A satellite contract, which holds facts bridged from elsewhere.
        Satellite = "satellite",
    }
);

vocabulary!(
    /// Where a settlement stands.
    SettlementState {
        /// The fact is computed; nothing was sent.
        Expected = "expected",
        /// Transactions were sent.
        Submitted = "submitted",
        /// The registry holds the expected fact.
        L2Verified = "l2_verified",
        /// L1 accepted the block that holds it. Terminal.
        L1Verified = "l1_verified",
        /// It will not come to a fact. Terminal.
        Failed = "failed",
    }
);

vocabulary!(
    /// Where a query to a managed service stands.
    RemoteState {
        /// Recorded before it was sent; the service may have it.
        Intended = "intended",
        /// The service has it.
        Accepted = "accepted",
        /// It brought something for our verifier. Terminal.
        Delivered = "delivered",
        /// It brought nothing, and never will. Terminal.
        Failed = "failed",
        /// The service certainly does not have it.
        Refused = "refused",
    }
);

vocabulary!(
    /// Who may take work: what it needs of a worker.
    Lane {
        /// A proof of less than 1 GiB.
        ProveSmall = "prove.s",
        /// A proof of less than 8 GiB.
        ProveMedium = "prove.m",
        /// A larger proof.
        ProveLarge = "prove.l",
        /// A proof by another program, which the worker must have.
        ProveExternal = "prove.external",
        /// A proof by the managed service, whose key the worker must have.
        RemoteAtlantic = "remote.atlantic",
    }
);

impl Lane {
    /// The lane of a proof made here that is predicted to need so many bytes.
    pub const fn of_memory(bytes: u64) -> Lane {
        const GIBIBYTE: u64 = 1 << 30;
        if bytes < GIBIBYTE {
            Lane::ProveSmall
        } else if bytes < 8 * GIBIBYTE {
            Lane::ProveMedium
        } else {
            Lane::ProveLarge
        }
    }
}

vocabulary!(
    /// Whose fault a failed attempt is.
    FailureKind {
        /// The program's: it fails, or never ends.
        Program = "program",
        /// The request's: its inputs or parameters make no sense.
        Input = "input",
        /// A setting, a missing file, a full disk.
        Configuration = "configuration",
        /// It does not fit into the memory that it may use.
        Capacity = "capacity",
        /// It took longer than it may.
        Time = "time",
        /// A backend or the way to it.
        Backend = "backend",
        /// A backend that wants money or patience first.
        Quota = "quota",
        /// Ours: the process ended by a signal or with a bug.
        Crash = "crash",
        /// The worker vanished.
        Lost = "lost",
        /// A mock did everything but the proof.
        Mock = "mock",
    }
);

vocabulary!(
    /// Whether a worker takes work.
    WorkerState {
        /// It does.
        Working = "working",
        /// It finishes what it holds.
        Draining = "draining",
        /// It ended in an orderly way.
        Stopped = "stopped",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_unknown_words_are_not() {
        for &status in ProofStatus::ALL {
            assert_eq!(ProofStatus::parse(status.word()), Some(status));
        }
        assert_eq!(ProofStatus::parse("Verified"), None);
        assert_eq!(ExecutionState::parse(""), None);
    }

    #[test]
    fn the_databases_know_the_same_words() {
        let sqlite = concat!(
            include_str!("../migrations/sqlite/0001_records.sql"),
            include_str!("../migrations/sqlite/0002_settlements.sql"),
            include_str!("../migrations/sqlite/0004_queue.sql"),
            include_str!("../migrations/sqlite/0010_remote.sql")
        );
        let postgres = concat!(
            include_str!("../migrations/postgres/0005_records_queue_keys.sql"),
            include_str!("../migrations/postgres/0010_remote.sql")
        );
        let words = [
            ProofStatus::ALL.iter().map(|word| word.word()).collect::<Vec<_>>(),
            ProofSource::ALL.iter().map(|word| word.word()).collect(),
            Purpose::ALL.iter().map(|word| word.word()).collect(),
            AllocationStatus::ALL.iter().map(|word| word.word()).collect(),
            ArtefactKind::ALL.iter().map(|word| word.word()).collect(),
            ExecutionState::ALL.iter().map(|word| word.word()).collect(),
            FactSource::ALL.iter().map(|word| word.word()).collect(),
            SettlementState::ALL.iter().map(|word| word.word()).collect(),
            Lane::ALL.iter().map(|word| word.word()).collect(),
            FailureKind::ALL.iter().map(|word| word.word()).collect(),
            WorkerState::ALL.iter().map(|word| word.word()).collect(),
            RemoteState::ALL.iter().map(|word| word.word()).collect(),
        ];
        for schema in [sqlite, postgres] {
            let flat: String = schema.split_whitespace().collect::<Vec<_>>().join(" ");
            for vocabulary in &words {
                let list = vocabulary.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
                assert!(flat.contains(&format!("IN ({list})")), "the schema lacks {list}");
            }
        }
    }
}
