//! A proof file before this server's verifier.

use ashlar_field::Felt;
use ashlar_stone::{Json, Policy, ProofFile, Verified, VerifyError, verify};
use ashlar_store::{DEFAULT_BITS, PaddedFelt};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::wish;
use crate::{
    call::{Answer, Call, json_answer},
    problem::{Refused, broken},
    route::{Kind, Parameter},
};

pub(super) const PARAMETERS: &[Parameter] = &[Parameter::query(
    "minimum_bits",
    Kind::Number { least: 1, most: wish::MOST_BITS },
    "least conjectured bits of security",
)];

pub(super) async fn file(mut call: Call) -> Answer {
    call.demand_media_type("application/json")?;
    let bits = wish::number(&call.query, "minimum_bits", 1, wish::MOST_BITS)?;
    let bits = bits.and_then(|bits| u32::try_from(bits).ok()).unwrap_or(DEFAULT_BITS);
    let body = call.body(call.app.settings.most_program_bytes).await?;
    // The place is never taken away.
    let _place = call.app.verifications.acquire().await.map_err(|_| broken())?;
    let verified = tokio::task::spawn_blocking(move || -> Result<Value, VerifyError> {
        let json = Json::from_slice(&body, "the body").map_err(VerifyError::Json)?;
        let file = ProofFile::from_json(json, "the body").map_err(VerifyError::Json)?;
        let verified = verify(&file, &Policy::strict(bits))?;
        Ok(verification(&verified, file.proof.len() as u64))
    });
    match verified.await {
        Ok(Ok(data)) => json_answer(StatusCode::OK, &data),
        Ok(Err(error)) => Err(Refused::from(error)),
        Err(_) => Err(broken()),
    }
}

/// What a proof that was accepted states, as data.
pub fn verification(verified: &Verified, proof_bytes: u64) -> Value {
    let claim = verified.claim();
    let output: Option<Vec<String>> = claim.map(|claim| claim.output.0.iter().map(Felt::to_string).collect());
    let mut said = json!({
        "valid": true,
        "program_hash": claim.map(|claim| PaddedFelt(claim.program.hash().0)),
        "fact_hash": claim.map(|claim| PaddedFelt(claim.fact_hash().0)),
        "output": output,
        "form": claim.map(|claim| claim.form.to_string()),
        "stone_version": verified.version.to_string(),
        "layout": verified.layout,
        "n_steps": verified.n_steps,
        "security_bits": verified.security.conjectured_bits,
        "proven_bits": verified.security.proven_bits,
        "collision_bits": verified.security.collision_bits,
        "proof_bytes": proof_bytes,
    });
    if let (Some(task), Value::Object(said)) = (task_stated(verified), &mut said) {
        said.insert("task".to_owned(), task);
    }
    said
}

/// What a bootloader ran, as data: `program_hash` and `output`. `None` if the policy demanded no bootloader.
pub fn task_stated(verified: &Verified) -> Option<Value> {
    let task = verified.task()?;
    let output: Vec<String> = task.output.iter().map(Felt::to_string).collect();
    Some(json!({ "program_hash": PaddedFelt(task.program_hash), "output": output }))
}
