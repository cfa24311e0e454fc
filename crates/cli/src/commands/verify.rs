//! `ashlar verify`: a proof file against a policy.

use std::path::Path;

use ashlar_cairo::Bootloader;
use ashlar_field::Felt;
use ashlar_server::verification;
use ashlar_stone::{
    MOST_INPUT_BYTES, Policy, ProofFile, RunError, StatementRule, Verified, VerifyError, read_bounded,
    read_json, verify,
};
use ashlar_store::{DEFAULT_BITS, PaddedFelt};

use crate::{
    arguments::Verify,
    console::size,
    failure::{CommandError, Failure},
    policy_file,
    proving::task_line,
    session::Session,
};

pub(crate) fn run(session: &Session, arguments: &Verify) -> Result<(), Failure> {
    let mut policy = match &arguments.policy {
        Some(path) => policy_file::read(path)?,
        None => Policy::strict(arguments.minimum_bits.unwrap_or(DEFAULT_BITS)),
    };
    if let Some(bits) = arguments.minimum_bits {
        policy.least_conjectured_bits = bits;
    }
    if arguments.bootloader.is_some() {
        policy.statement = StatementRule::Bootloaded;
    }
    let (file, proof_bytes) = read(arguments)?;
    let verified = verify(&file, &policy)?;
    if let Some(expected) = arguments.bootloader.as_deref().map(bootloader).transpose()? {
        let got = verified.program_hash().map(|hash| hash.0);
        if got != Some(expected) {
            let got = got.map(PaddedFelt).map(|hash| hash.to_string()).unwrap_or_default();
            return Err(CommandError::OtherBootloader { expected: PaddedFelt(expected), got }.into());
        }
    }
    session.console.text(&words(&verified, proof_bytes))?;
    session.console.document("ashlar.verification/1", verification(&verified, proof_bytes))
}

/// The program hash of a bootloader: as it is given, or of the file that is named.
fn bootloader(given: &str) -> Result<Felt, Failure> {
    if given.starts_with("0x")
        && let Ok(hash) = given.parse()
    {
        return Ok(hash);
    }
    let bytes = read_bounded(Path::new(given), "bootloader", MOST_INPUT_BYTES)?;
    Ok(Bootloader::from_bytes(&bytes)?.hash())
}

/// A file that cannot be read decides nothing; one that is read and is no proof file is an invalid proof.
fn read(arguments: &Verify) -> Result<(ProofFile, u64), Failure> {
    let json = match read_json(&arguments.proof, "proof", MOST_INPUT_BYTES) {
        Err(RunError::Json(error)) => return Err(VerifyError::Json(error).into()),
        other => other?,
    };
    let file = ProofFile::from_json(json, &arguments.proof.to_string_lossy()).map_err(VerifyError::Json)?;
    let size = file.proof.len() as u64;
    Ok((file, size))
}

fn words(verified: &Verified, proof_bytes: u64) -> String {
    let mut text = String::from("valid\n");
    if let Some(claim) = verified.claim() {
        text.push_str(&format!("  program   {}\n", PaddedFelt(claim.program.hash().0)));
        text.push_str(&format!("  fact      {}\n", PaddedFelt(claim.fact_hash().0)));
        text.push_str(&format!("  output    {} words\n", claim.output.0.len()));
        text.push_str(&format!("  form      {}\n", claim.form));
    }
    text.push_str(&task_line(verified));
    text.push_str(&format!(
        "  security  {} bits conjectured, {} bits proven\n  statement layout {}, {} steps, {}\n  size      {}\n",
        verified.security.conjectured_bits,
        verified.security.proven_bits,
        verified.layout,
        verified.n_steps,
        verified.version,
        size(proof_bytes),
    ));
    text
}
