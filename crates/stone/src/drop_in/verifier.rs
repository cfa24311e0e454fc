//! `cpu_air_verifier`: verifies a proof file under Stone's own policy: any parameters, whose bits are printed.

use std::{ffi::OsString, fmt, path::Path, process::ExitCode};

use super::{Failure, LOGGING, STONE_VERSION, run, stone_version, write_output};
use crate::{
    files::{MOST_INPUT_BYTES, OutputFile, read_bounded},
    flags::{Flag, Flags, Help, Takes, followed_by},
    json::Json,
    policy::Policy,
    proof_file::ProofFile,
    verify::{Verified, VerifyError, verify_file},
};

static FLAGS: [Flag; 9] = followed_by(
    [
        Flag { name: "in_file", takes: Takes::Value("FILE"), help: "the proof file" },
        Flag { name: "annotation_file", takes: Takes::Value("FILE"), help: "write the annotations there" },
        Flag {
            name: "extra_output_file",
            takes: Takes::Value("FILE"),
            help: "write the extra annotations there, for proofs that are verified in parts",
        },
        STONE_VERSION,
    ],
    LOGGING,
);

/// The text of `--help`.
struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Verifies a proof of a Cairo run, as Stone's cpu_air_verifier.\n")?;
        writeln!(f, "usage: cpu_air_verifier --in_file proof.json [flags]\n")?;
        write!(f, "{}", Help(&FLAGS))?;
        writeln!(
            f,
            "\nExit 0 for a valid proof, 1 for an invalid one. Any parameters are accepted and their bits"
        )?;
        write!(f, "printed; `ashlar verify` checks a policy and what the statement leaves open.")
    }
}

/// Runs the program with the words after its name.
pub fn cpu_air_verifier(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    run(&Usage, &FLAGS, words, work)
}

fn work(flags: &Flags) -> Result<(), Failure> {
    let version = stone_version(flags)?;
    let path = Path::new(flags.required("in_file")?);
    let output = |name: &'static str, role: &'static str| {
        let path = flags.get(name).filter(|path| !path.is_empty());
        path.map(|path| OutputFile::prepare(Path::new(path), role)).transpose()
    };
    let annotations = output("annotation_file", "annotations")?;
    let extra = output("extra_output_file", "extra annotations")?;
    let bytes = read_bounded(path, "proof", MOST_INPUT_BYTES)?;
    let name = path.to_string_lossy();
    let json = Json::from_slice(&bytes, &name).map_err(VerifyError::from)?;
    let file = ProofFile::from_json(json, &name).map_err(VerifyError::from)?;
    let verified = verify_file(&file, &Policy::stone(version), annotations.is_some() || extra.is_some())?;
    print(&verified);
    let files = [(annotations, verified.annotations), (extra, verified.extra_annotations)];
    for (output, lines) in files {
        if let (Some(output), Some(lines)) = (output, lines) {
            let mut text = lines.join("\n");
            text.push('\n');
            write_output(output, text.as_bytes())?;
        }
    }
    Ok(())
}

/// What was proven, for people.
fn print(verified: &Verified) {
    let security = verified.security;
    println!("proof accepted: {}, {} steps, {}", verified.layout, verified.n_steps, verified.version);
    println!(
        "bits of security: {} conjectured, {} proven; hash collisions {}",
        security.conjectured_bits, security.proven_bits, security.collision_bits
    );
    match verified.claim() {
        Some(claim) => {
            println!("page 0: {}", claim.form);
            println!("program hash: {}", claim.program.hash());
            println!("output hash: {}", claim.output.hash());
            println!("fact hash: {}", claim.fact_hash());
        }
        None => println!("page 0: no known form, so no program hash"),
    }
}
