//! Reading a program and what it is called with, as `prove` and `plan` take them.

use ashlar_cairo::{Arguments, CairoError, Program, build_package};
use ashlar_stone::{MOST_INPUT_BYTES, MOST_SETTINGS_BYTES, read_bounded};
use ashlar_store::ContentHash;

use crate::{arguments::Called, failure::Failure};

/// A program, its arguments, and a digest of both.
pub(crate) struct Call {
    pub(crate) program: Program,
    pub(crate) arguments: Arguments,
    pub(crate) commitment: String,
    /// The program's file.
    pub(crate) bytes: Vec<u8>,
}

/// Reads them; a Scarb package is built first.
pub(crate) fn read(called: &Called) -> Result<Call, Failure> {
    let path = if called.program.is_dir() {
        build_package(&called.program, called.executable.as_deref())?.path
    } else {
        called.program.clone()
    };
    let bytes = read_bounded(&path, "program", MOST_INPUT_BYTES)?;
    let program = Program::from_bytes(&bytes)?;
    let (arguments, given) = match (&called.args, &called.args_file) {
        (Some(text), _) => (Arguments::from_text(text).map_err(CairoError::from)?, text.clone().into_bytes()),
        (None, Some(file)) => {
            let given = read_bounded(file, "arguments", MOST_SETTINGS_BYTES)?;
            (Arguments::from_json(&given).map_err(CairoError::from)?, given)
        }
        (None, None) => (Arguments::none(), Vec::new()),
    };
    let digests = format!("{} {}", ContentHash::of(&bytes), ContentHash::of(&given));
    let commitment = ContentHash::of(digests.as_bytes()).to_string();
    Ok(Call { program, arguments, commitment, bytes })
}
