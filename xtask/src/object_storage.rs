//! Artefacts in a bucket, before a real server: `s3s-fs`, an S3-compatible server over a folder, which checks the signatures
//! of requests. Nobody who builds or tests Ashlar otherwise needs it, so it is installed here, once, below the target
//! folder, and each test starts one of its own.

use std::path::{Path, PathBuf};

use crate::{cargo, cargo_with, output_of, target_folder};

/// The version whose results are on record; the newest that the toolchain of this repository compiles.
const VERSION: &str = "0.14.1";

/// The bucket's own tests; then those of the store, and of the service on two machines that share one, with the features
/// of the whole workspace, because a part of it would be compiled with others, down to the prover.
const TESTS: [&[&str]; 2] = [
    &["test", "--release", "--package", "ashlar-store", "--features", "s3,postgres", "--lib", "bucket"],
    &[
        "test",
        "--release",
        "--workspace",
        "--features",
        "ashlar-store/s3,ashlar-store/postgres,ashlar/s3,ashlar/postgres",
        "--test=all",
        "bucket::",
    ],
];

/// Runs the tests that need an object server.
pub(crate) fn run(root: &Path) -> Result<(), Vec<String>> {
    install(root)
        .and_then(|server| {
            let server = server.to_string_lossy().into_owned();
            TESTS.iter().try_for_each(|test| cargo_with(root, test, &[("ASHLAR_S3_SERVER", &server)]))
        })
        .map_err(|error| vec![error])
}

/// The server, installed unless it is there; the path of its program.
fn install(root: &Path) -> Result<PathBuf, String> {
    let folder = target_folder(root).join("object-storage");
    let server = folder.join("bin").join("s3s-fs");
    let said = output_of(std::process::Command::new(&server).arg("--version"));
    if said.is_ok_and(|said| String::from_utf8_lossy(&said).trim().ends_with(VERSION)) {
        return Ok(server);
    }
    let place = folder.to_string_lossy().into_owned();
    // Its own choice of versions, without optimisation: a test waits for its compiler longer than for the server.
    let arguments =
        ["install", "s3s-fs", "--version", VERSION, "--features", "binary", "--locked", "--debug"];
    cargo(root, &[arguments.as_slice(), &["--quiet", "--root", &place]].concat())?;
    Ok(server)
}
