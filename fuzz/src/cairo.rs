//! Compiled Cairo programs and what they are called with.

use ashlar_cairo::{Arguments, Program};

/// Compiled programs, of Cairo 0 and of Cairo 1.
pub fn program(data: &[u8]) {
    if let Ok(program) = Program::from_bytes(data) {
        let _ = (program.kind(), program.builtins(), program.words());
    }
}

/// Arguments: JSON after an even first byte, text after an odd one.
pub fn arguments(data: &[u8]) {
    let Some((&form, bytes)) = data.split_first() else { return };
    if form % 2 == 0 {
        let _ = Arguments::from_json(bytes);
    } else if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Arguments::from_text(text);
    }
}
