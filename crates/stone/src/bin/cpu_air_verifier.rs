//! Stands in for Stone's `cpu_air_verifier`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ashlar_stone::cpu_air_verifier(std::env::args_os().skip(1))
}
