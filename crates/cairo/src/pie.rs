//! A position-independent execution of a program: what a managed prover takes instead of program and arguments, so that no
//! compiler and no machine of its own stands between our run and its proof.
//!
//! The program is run from its `main`, without the prologue of proof mode, as a bootloader would call it. The archive holds
//! the run's whole memory: whoever gets it knows every input.

use std::path::Path;

use ashlar_field::Felt;
use cairo_vm::{
    hint_processor::builtin_hint_processor::builtin_hint_processor_definition::BuiltinHintProcessor,
    program_hash::compute_program_hash_chain, types::layout_name::LayoutName,
};

use crate::{Arguments, CairoError, Limits, Program, convert, run};

/// A position-independent execution that was written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionIndependentExecution {
    /// The program's hash as a bootloader states it: a chain of Pedersen hashes over header and words.
    pub program_hash: Felt,
    /// The words of the output segment.
    pub output: Vec<Felt>,
    /// Steps, without any padding.
    pub steps: u64,
}

/// Runs a program from its `main`, and writes the execution as a ZIP archive.
///
/// # Errors
/// [`CairoError::NoMain`] for what cannot be run this way; otherwise as [`crate::run`]; [`CairoError::Read`] if the file
/// cannot be written.
pub fn execute_position_independently(
    program: &Program,
    arguments: &Arguments,
    limits: &Limits,
    to: &Path,
) -> Result<PositionIndependentExecution, CairoError> {
    let main = program.main().ok_or(CairoError::NoMain)?;
    run::guarded(|| {
        // Every builtin is there; which of them the program uses is in its own header.
        let layout = LayoutName::all_cairo;
        let machine = run::Machine { program, arguments, layout, limits, loading: None };
        let (mut runner, steps) = machine.run_from(main)?;
        let failed = |error: String| CairoError::Machine { detail: error };
        let mut no_hints = BuiltinHintProcessor::new_empty();
        runner.end_run(true, false, &mut no_hints, false).map_err(|error| failed(error.to_string()))?;
        runner.read_return_values(false).map_err(|error| failed(error.to_string()))?;
        let execution = runner.get_cairo_pie().map_err(|error| failed(error.to_string()))?;
        execution.run_validity_checks().map_err(|error| failed(error.to_string()))?;
        let program_hash = compute_program_hash_chain(&execution.metadata.program, 0)
            .map_err(|error| failed(error.to_string()))?;
        let output_segment = runner
            .vm
            .get_builtin_runners()
            .iter()
            .find(|builtin| builtin.name() == cairo_vm::types::builtin_name::BuiltinName::output)
            .map(|builtin| builtin.base());
        let mut output = Vec::new();
        if let Some(segment) = output_segment.filter(|_| program.writes_output()) {
            let words = runner.vm.get_segment_used_size(segment).unwrap_or(0);
            for offset in 0..words {
                let word = runner
                    .vm
                    .get_integer((segment as isize, offset).into())
                    .map_err(|error| failed(error.to_string()))?;
                output.push(convert::felt(&word));
            }
        }
        execution
            .write_zip_file(to, false)
            .map_err(|source| CairoError::Read { path: to.display().to_string(), source })?;
        Ok(PositionIndependentExecution { program_hash: convert::felt(&program_hash), output, steps })
    })
}
