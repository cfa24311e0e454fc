//! What the service refuses, with the codes on record. Written from the contract, not from the client.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::multipart::ReceivedFile;

/// The fields of the schema and the words of those that are enumerations.
const FIELDS: [(&str, &[&str]); 16] = [
    ("declaredJobSize", &["XS", "S", "M", "L"]),
    (
        "layout",
        &[
            "auto",
            "plain",
            "small",
            "dex",
            "recursive",
            "recursive_with_poseidon",
            "recursive_large_output",
            "starknet",
            "starknet_with_keccak",
            "all_solidity",
            "all_cairo",
            "dynamic",
        ],
    ),
    ("cairoVersion", &["cairo0", "cairo1"]),
    ("cairoVm", &["rust", "python"]),
    (
        "result",
        &[
            "TRACE_GENERATION",
            "PROOF_GENERATION",
            "PROOF_VERIFICATION_ON_L1",
            "PROOF_VERIFICATION_ON_L2",
            "PROOF_VERIFICATION_ON_APE_CHAIN",
            "PROOF_VERIFICATION_ON_L2_WITH_TRANSLATION",
        ],
    ),
    ("network", &["MAINNET", "TESTNET"]),
    ("mockFactHash", &["true", "false"]),
    ("hints", &["herodotus_evm_grower", "herodotus_sn_grower"]),
    // What follows is no enumeration, or depends on the era.
    ("sharpProver", &[]),
    ("programHash", &[]),
    ("externalId", &[]),
    ("dedupId", &[]),
    ("bucketId", &[]),
    ("bucketJobIndex", &[]),
    ("client", &[]),
    ("projectId", &[]),
];

const FILES: [&str; 3] = ["programFile", "pieFile", "inputFile"];

/// A refusal: status and body.
pub(crate) type Refusal = (u16, Value);

fn refusal(code: &str) -> Result<(), Refusal> {
    Err((400, json!({ "message": code })))
}

fn media_refusal(code: &str, expected: &str, received: &str) -> Result<(), Refusal> {
    Err((
        400,
        json!({ "message": code, "additionalData": { "expectedMimeType": expected, "receivedMimeType": received } }),
    ))
}

/// Checks a form as the service does. `provers` are the words that it takes at present for `sharpProver`.
pub(crate) fn check(
    fields: &BTreeMap<String, String>,
    files: &BTreeMap<String, ReceivedFile>,
    provers: &[String],
    programs: &[String],
) -> Result<(), Refusal> {
    let text = |name: &str| fields.get(name).map(String::as_str);
    for (name, value) in fields {
        let Some((_, words)) = FIELDS.iter().find(|(field, _)| field == name) else {
            return refusal("ZOD_INVALID_BODY_STRING");
        };
        let known = words.is_empty() || words.contains(&value.as_str());
        if !known || (name == "sharpProver" && !provers.contains(value)) {
            return refusal("ZOD_INVALID_BODY_STRING");
        }
    }
    if text("declaredJobSize").is_none() || files.keys().any(|name| !FILES.contains(&name.as_str())) {
        return refusal("ZOD_INVALID_BODY_STRING");
    }
    let media = |name: &str| files.get(name).map(|file| file.media_type.as_str());
    let sources = [media("programFile").is_some(), media("pieFile").is_some(), text("programHash").is_some()];
    if sources.iter().filter(|given| **given).count() != 1 {
        return refusal("PROGRAM_FILE_OR_PIE_FILE_OR_PROGRAM_HASH_IS_REQUIRED");
    }
    if let Some(media) = media("programFile").filter(|media| *media != "application/json") {
        return media_refusal("PROGRAM_FILE_SHOULD_BE_JSON", "application/json", media);
    }
    if let Some(media) = media("pieFile").filter(|media| *media != "application/zip") {
        return media_refusal("PIE_FILE_SHOULD_BE_ZIP", "application/zip", media);
    }
    if text("programHash").is_some_and(|hash| !programs.iter().any(|known| known == hash)) {
        return refusal("PROGRAM_NOT_FOUND");
    }
    if text("cairoVersion") == Some("cairo1") && text("cairoVm") == Some("python") {
        return refusal("CAIRO1_IS_NOT_SUPPORTED_FOR_PYTHON");
    }
    if let Some(media) = media("inputFile") {
        match (text("cairoVersion"), text("cairoVm"), media) {
            (Some("cairo0"), Some("rust"), _) => {
                return refusal("INPUT_FILE_IS_NOT_SUPPORTED_FOR_CAIRO0_AND_RUST_VM");
            }
            (Some("cairo0"), _, "application/json")
            | (Some("cairo1"), _, "text/plain")
            | (None, _, "application/json" | "text/plain") => {}
            (Some("cairo0"), ..) => {
                return media_refusal("INPUT_FILE_FOR_CAIRO0_SHOULD_BE_JSON", "application/json", media);
            }
            (Some("cairo1"), ..) => {
                return media_refusal("INPUT_FILE_FOR_CAIRO1_SHOULD_BE_TXT", "text/plain", media);
            }
            _ => return media_refusal("INPUT_FILE_SHOULD_BE_JSON_OR_TXT", "application/json", media),
        }
    }
    let verified = text("result").is_some_and(|result| result.starts_with("PROOF_VERIFICATION"));
    if verified && text("network").is_none() {
        return refusal("CHAIN_IS_REQUIRED_FOR_PROOF_VERIFICATION");
    }
    let integrity = text("sharpProver") == Some("stone")
        && text("result").is_some_and(|result| result.starts_with("PROOF_VERIFICATION_ON_L2"));
    if integrity && !matches!(text("layout"), None | Some("auto" | "recursive" | "recursive_with_poseidon")) {
        return refusal("INVALID_LAYOUT_FOR_PROOF_VERIFICATION_ON_INTEGRITY_L2");
    }
    Ok(())
}
