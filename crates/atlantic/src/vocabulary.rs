//! The words of the contract: enumerations that are open, because the service adds to them without notice.
//!
//! A word that nobody recorded parses as `Unknown` and is written back as it came. Lists of words are from public
//! clients, documents and recorded runs up to September 2026.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word that is not on record, as it came.
            Unknown(String),
        }

        impl $name {
            /// The words on record.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it stands on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $word,)+
                    $name::Unknown(word) => word,
                }
            }

            /// The meaning of a word; any word has one.
            pub fn from_word(word: &str) -> $name {
                match word {
                    $($word => $name::$variant,)+
                    _ => $name::Unknown(word.to_owned()),
                }
            }

            /// Whether the word is on record.
            pub fn is_known(&self) -> bool {
                !matches!(self, $name::Unknown(_))
            }
        }

        /// Safe to show: control characters of an unknown word are escaped.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&crate::quoted::escaped(self.as_str()), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                Ok(match Value::deserialize(deserializer)? {
                    Value::String(word) => $name::from_word(&word),
                    other => $name::Unknown(other.to_string()),
                })
            }
        }
    };
}

vocabulary! {
    /// Where a query stands.
    QueryStatus {
        /// Accepted, not begun.
        Received = "RECEIVED",
        /// Being worked on.
        InProgress = "IN_PROGRESS",
        /// Over, and the service says that it succeeded.
        Done = "DONE",
        /// Over without success.
        Failed = "FAILED",
    }
}

impl QueryStatus {
    /// Whether the service will not change it any more. A word that is not on record does not end anything.
    pub fn is_terminal(&self) -> bool {
        matches!(self, QueryStatus::Done | QueryStatus::Failed)
    }
}

vocabulary! {
    /// Where one job of a query stands.
    JobStatus {
        /// Being worked on.
        InProgress = "IN_PROGRESS",
        /// Over, with success.
        Completed = "COMPLETED",
        /// Over, without.
        Failed = "FAILED",
    }
}

vocabulary! {
    /// A stage of a query; the name of a job.
    Step {
        /// The program is run.
        TraceGeneration = "TRACE_GENERATION",
        /// The program is run, and the metadata file is made.
        TraceAndMetadataGeneration = "TRACE_AND_METADATA_GENERATION",
        /// The proof is made.
        ProofGeneration = "PROOF_GENERATION",
        /// The fact is computed.
        FactHashGeneration = "FACT_HASH_GENERATION",
        /// The fact is registered.
        FactHashRegistration = "FACT_HASH_REGISTRATION",
        /// The proof is verified.
        ProofVerification = "PROOF_VERIFICATION",
        /// The proof is made and verified by the shared prover.
        ProofGenerationAndVerification = "PROOF_GENERATION_AND_VERIFICATION",
        /// The proof is verified on Ethereum.
        ProofVerificationOnL1 = "PROOF_VERIFICATION_ON_L1",
        /// The proof is verified on Starknet.
        ProofVerificationOnL2 = "PROOF_VERIFICATION_ON_L2",
        /// The Keccak fact travels from Ethereum to Starknet.
        BridgeFactHash = "BRIDGE_FACT_HASH",
        /// The Keccak fact is translated to the Poseidon fact.
        TranslateFactHash = "TRANSLATE_FACT_HASH",
    }
}

vocabulary! {
    /// How large a job is, which decides memory and price.
    JobSize {
        /// Fewer than 6.5 million steps; billed as `S`.
        Xs = "XS",
        /// Up to 13 million steps.
        S = "S",
        /// Up to 30 million steps.
        M = "M",
        /// More.
        L = "L",
    }
}

impl JobSize {
    /// The next larger one; `None` for the largest and for unknown ones.
    pub fn larger(&self) -> Option<JobSize> {
        match self {
            JobSize::Xs => Some(JobSize::S),
            JobSize::S => Some(JobSize::M),
            JobSize::M => Some(JobSize::L),
            JobSize::L | JobSize::Unknown(_) => None,
        }
    }
}

vocabulary! {
    /// Which builtins a proof has room for.
    Layout {
        /// The service chooses.
        Auto = "auto",
        /// No builtins.
        Plain = "plain",
        /// Stone's `small`.
        Small = "small",
        /// Stone's `dex`.
        Dex = "dex",
        /// Stone's `recursive`.
        Recursive = "recursive",
        /// Stone's `recursive_with_poseidon`.
        RecursiveWithPoseidon = "recursive_with_poseidon",
        /// Stone's `recursive_large_output`.
        RecursiveLargeOutput = "recursive_large_output",
        /// Stone's `starknet`.
        Starknet = "starknet",
        /// Stone's `starknet_with_keccak`.
        StarknetWithKeccak = "starknet_with_keccak",
        /// Stone's `all_solidity`.
        AllSolidity = "all_solidity",
        /// Stone's `all_cairo`.
        AllCairo = "all_cairo",
        /// Stone's `dynamic`.
        Dynamic = "dynamic",
    }
}

vocabulary! {
    /// The language of a program.
    CairoVersion {
        /// Cairo 0: compiled JSON.
        Cairo0 = "cairo0",
        /// Cairo 1: Sierra JSON.
        Cairo1 = "cairo1",
    }
}

vocabulary! {
    /// Which virtual machine runs a program.
    CairoVm {
        /// cairo-vm.
        Rust = "rust",
        /// cairo-lang's.
        Python = "python",
    }
}

vocabulary! {
    /// What a query is to end with.
    Goal {
        /// A run.
        TraceGeneration = "TRACE_GENERATION",
        /// A proof file.
        ProofGeneration = "PROOF_GENERATION",
        /// A fact on Ethereum.
        ProofVerificationOnL1 = "PROOF_VERIFICATION_ON_L1",
        /// A fact on Starknet.
        ProofVerificationOnL2 = "PROOF_VERIFICATION_ON_L2",
        /// A fact on Starknet, as a Poseidon fact.
        ProofVerificationOnL2WithTranslation = "PROOF_VERIFICATION_ON_L2_WITH_TRANSLATION",
        /// A fact on ApeChain.
        ProofVerificationOnApeChain = "PROOF_VERIFICATION_ON_APE_CHAIN",
    }
}

impl Goal {
    /// Whether the query is to end with a fact on some chain, so that a network must be named.
    pub fn is_verification(&self) -> bool {
        matches!(
            self,
            Goal::ProofVerificationOnL1
                | Goal::ProofVerificationOnL2
                | Goal::ProofVerificationOnL2WithTranslation
                | Goal::ProofVerificationOnApeChain
        )
    }
}

vocabulary! {
    /// The network of a fact.
    Network {
        /// Main networks.
        Mainnet = "MAINNET",
        /// Sepolia.
        Testnet = "TESTNET",
    }
}

vocabulary! {
    /// The chain of a fact.
    Chain {
        /// Ethereum.
        L1 = "L1",
        /// Starknet.
        L2 = "L2",
        /// ApeChain.
        ApeChain = "APE_CHAIN",
        /// None.
        Offchain = "OFFCHAIN",
    }
}

vocabulary! {
    /// Which prover proves. Leave it out of a form unless configured: what is accepted has changed.
    SharpProver {
        /// Stone; refused in September 2026.
        Stone = "stone",
        /// Stwo.
        Stwo = "stwo",
        /// Herodotus' Stwo.
        StwoHerodotus = "stwoHerodotus",
    }
}

vocabulary! {
    /// What a webhook says has happened.
    WebhookKind {
        /// A stage is over.
        StepCompleted = "ATLANTIC_STEP_COMPLETED",
        /// The query is over.
        QueryCompleted = "ATLANTIC_QUERY_COMPLETED",
    }
}

vocabulary! {
    /// Why the service refuses a request.
    ErrorCode {
        /// The program file's media type is not `application/json`.
        ProgramFileShouldBeJson = "PROGRAM_FILE_SHOULD_BE_JSON",
        /// A Cairo 0 input is not JSON.
        InputFileForCairo0ShouldBeJson = "INPUT_FILE_FOR_CAIRO0_SHOULD_BE_JSON",
        /// A Cairo 1 input is not text.
        InputFileForCairo1ShouldBeTxt = "INPUT_FILE_FOR_CAIRO1_SHOULD_BE_TXT",
        /// An input is neither.
        InputFileShouldBeJsonOrTxt = "INPUT_FILE_SHOULD_BE_JSON_OR_TXT",
        /// The position-independent execution is no ZIP archive.
        PieFileShouldBeZip = "PIE_FILE_SHOULD_BE_ZIP",
        /// A file's media type is not known.
        InvalidFileMimeType = "INVALID_FILE_MIME_TYPE",
        /// A verification without a network.
        ChainIsRequired = "CHAIN_IS_REQUIRED_FOR_PROOF_VERIFICATION",
        /// Nothing to prove.
        SourceIsRequired = "PROGRAM_FILE_OR_PIE_FILE_OR_PROGRAM_HASH_IS_REQUIRED",
        /// No program was registered under this hash.
        ProgramNotFound = "PROGRAM_NOT_FOUND",
        /// Cairo 1 runs on the Rust machine only.
        Cairo1NotForPython = "CAIRO1_IS_NOT_SUPPORTED_FOR_PYTHON",
        /// The Rust machine takes no input for Cairo 0.
        InputNotForCairo0Rust = "INPUT_FILE_IS_NOT_SUPPORTED_FOR_CAIRO0_AND_RUST_VM",
        /// Integrity verifies other layouts.
        LayoutNotForIntegrity = "INVALID_LAYOUT_FOR_PROOF_VERIFICATION_ON_INTEGRITY_L2",
        /// A field has a value that the schema does not have (any more).
        ZodInvalidBodyString = "ZOD_INVALID_BODY_STRING",
        /// The account's e-mail address was not confirmed.
        EmailNotVerified = "EMAIL_NOT_VERIFIED",
        /// No key came with the request.
        MissingApiKey = "MISSING_API_KEY",
        /// The key is not valid.
        InvalidApiKey = "INVALID_API_KEY",
        /// The account has no credits left.
        InsufficientCredits = "INSUFFICIENT_CREDITS",
        /// The deduplication id is taken.
        DuplicateDedupId = "ATLANTIC_QUERY_WITH_DEDUP_ID_ALREADY_EXISTS",
        /// No query has the id.
        QueryNotFound = "ATLANTIC_QUERY_NOT_FOUND",
        /// The service failed.
        InternalServerError = "INTERNAL_SERVER_ERROR",
        /// The service failed to make its own answer.
        ZodParsingError = "ZOD_PARSING_ERROR",
        /// Payment for each request is off.
        X402NotEnabled = "X402_NOT_ENABLED",
        /// The payment challenge failed.
        X402ChallengeFailed = "X402_CHALLENGE_FAILED",
        /// The payment was not settled.
        X402SettlementFailed = "X402_SETTLEMENT_FAILED",
        /// The payment may have been taken, or not.
        X402SettlementResponseInvalid = "X402_SETTLEMENT_RESPONSE_INVALID",
        /// The service's own payment account is not set up.
        X402ServiceAuthNotConfigured = "X402_SERVICE_AUTH_NOT_CONFIGURED",
        /// Paying for each request excludes deduplication ids.
        WalletFlowDedupId = "WALLET_FLOW_DEDUP_ID_NOT_SUPPORTED",
        /// Paying for each request excludes buckets.
        WalletFlowBucket = "WALLET_FLOW_BUCKET_NOT_SUPPORTED",
        /// Paying for each request excludes retries.
        WalletFlowNotRetriable = "WALLET_FLOW_NOT_RETRIABLE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_on_record_is_read_and_written_back() {
        for word in Step::WORDS {
            let step: Step = serde_json::from_str(&format!("{word:?}")).unwrap();
            assert!(step.is_known(), "{word}");
            assert_eq!(serde_json::to_string(&step).unwrap(), format!("{word:?}"));
        }
        assert!(ErrorCode::WORDS.iter().all(|word| ErrorCode::from_word(word).as_str() == *word));
    }

    #[test]
    fn a_word_that_is_not_on_record_survives_the_trip() {
        let status: QueryStatus = serde_json::from_str("\"PAUSED_FOR_LUNCH\"").unwrap();
        assert_eq!(status, QueryStatus::Unknown("PAUSED_FOR_LUNCH".to_owned()));
        assert_eq!(serde_json::to_string(&status).unwrap(), "\"PAUSED_FOR_LUNCH\"");
        assert!(!status.is_terminal());
    }

    #[test]
    fn a_value_that_is_no_word_does_not_break_the_answer() {
        let version: CairoVersion = serde_json::from_str("0").unwrap();
        assert_eq!(version, CairoVersion::Unknown("0".to_owned()));
    }

    #[test]
    fn an_unknown_word_cannot_drive_a_terminal() {
        let chain = Chain::from_word("L9\u{1b}[2J\n");
        assert_eq!(chain.to_string(), "L9\\u{1b}[2J\\n");
    }
}
