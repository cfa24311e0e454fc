//! A proof of ours, verified by `swiftness`: a verifier of Stone proofs that shares no line with Ashlar.
//!
//! `ashlar-interoperability PROOF BITS` demands BITS of security. swiftness reads annotations only and never looks at
//! `proof_hex`, so the bytes are taken apart here, by the transcript and the queries of swiftness itself, and put in
//! place of everything that the annotations said. What is verified are the bytes.
//!
//! swiftness 1.0.0 does not look at the Merkle paths of FRI's inner layers; `fri_layers` does.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | accepted; the bytes and the annotations say the same |
//! | 1 | refused |
//! | 2 | not verified: the file cannot be read, or bytes and annotations differ though both verify |

mod bytes;
mod committed;
mod fri_layers;
mod stream;

use std::{fmt::Display, process::ExitCode};

use starknet_crypto::Felt;
use swiftness::TransformTo as _;
use swiftness_stark::types::StarkProof;

#[cfg(feature = "dex")]
use swiftness_air::layout::dex::Layout;
#[cfg(feature = "recursive")]
use swiftness_air::layout::recursive::Layout;
#[cfg(feature = "recursive_with_poseidon")]
use swiftness_air::layout::recursive_with_poseidon::Layout;
#[cfg(feature = "small")]
use swiftness_air::layout::small::Layout;
#[cfg(feature = "starknet")]
use swiftness_air::layout::starknet::Layout;
#[cfg(feature = "starknet_with_keccak")]
use swiftness_air::layout::starknet_with_keccak::Layout;

/// What came out.
enum Verdict {
    Accepted { program_hash: Felt, output: Vec<Felt> },
    Refused(String),
}

impl Verdict {
    fn refused(error: impl Display) -> Verdict {
        Verdict::Refused(error.to_string())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match work(&arguments) {
        Ok(Verdict::Accepted { program_hash, output }) => {
            println!("accepted: program {program_hash:#x}, {} words of output", output.len());
            ExitCode::SUCCESS
        }
        Ok(Verdict::Refused(why)) => {
            println!("refused: {why}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: &[String]) -> Result<Verdict, String> {
    let [path, bits] = arguments else { return Err("expected PROOF BITS".into()) };
    let bits: u64 = bits.parse().map_err(|error| format!("BITS: {error}"))?;
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let annotated: StarkProof =
        swiftness::parse(&text).map_err(|error| format!("{path}: {error}"))?.transform_to();
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let stream = bytes::from_hex(json["proof_hex"].as_str().unwrap_or_default())?;

    let from_bytes = match stream::read::<Layout>(&stream, &annotated) {
        Ok(proof) => proof,
        Err(error) => return Ok(Verdict::refused(error)),
    };
    let (program_hash, output) = match from_bytes.verify::<Layout>(bits.into()) {
        Ok(statement) => statement,
        Err(error) => return Ok(Verdict::refused(error)),
    };
    if let Err(error) = fri_layers::check::<Layout>(&from_bytes) {
        return Ok(Verdict::refused(error));
    }
    if from_bytes != annotated {
        return Err("the bytes say something else than the annotations".into());
    }
    Ok(Verdict::Accepted { program_hash, output })
}
