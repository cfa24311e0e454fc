//! The models that decide: version → program, pinned by its hash.

use std::{path::Path, sync::LazyLock};

use ashlar_cairo::{
    Arguments, LayoutChoice, Limits, PositionIndependentExecution, Program, Run, RunOptions,
    execute_position_independently,
};
use ashlar_cpu_air::statement::EntryForm;
use ashlar_field::Felt;

use crate::{
    Decision, MAX_PROPOSALS, MODEL_VERSION, Proposal, RiskError, decide, output_record,
    witness::{Width, Witness},
};

/// The layout in which a model's program has its pinned hash.
pub const MODEL_LAYOUT: &str = "small";

/// A versioned set of weights and the program that proves decisions by it.
#[derive(Debug)]
pub struct Model {
    /// The version that a proposal names.
    pub version: u64,
    /// Poseidon of the program's words, as the public memory of a run in this model's layout states them.
    pub program_hash: Felt,
    /// The one layout that its decisions are proven in. The program hash does not bind it.
    pub layout: &'static str,
    /// The compiled program; where it comes from: `programs/risk/PROVENANCE.md`.
    pub compiled: &'static [u8],
}

/// Version 1. The weights are those of [`decide`].
static MODELS: [Model; 1] = [Model {
    version: MODEL_VERSION,
    program_hash: pinned_hash(),
    layout: MODEL_LAYOUT,
    compiled: include_bytes!("../../../programs/risk/risk.json"),
}];

const fn pinned_hash() -> Felt {
    // 0x22f692bbf56aacf815a5e3c1f1fd0a75c2f9f53e7926863448a5d807a3df9f3
    match Felt::from_standard_limbs([
        0x448a_5d80_7a3d_f9f3,
        0x5c2f_9f53_e792_6863,
        0x815a_5e3c_1f1f_d0a7,
        0x022f_692b_bf56_aacf,
    ]) {
        Some(hash) => hash,
        None => Felt::ZERO,
    }
}

/// The parsed program of version 1.
static PROGRAM: LazyLock<Option<Program>> = LazyLock::new(|| Program::from_bytes(MODELS[0].compiled).ok());

impl Model {
    /// All models, by version.
    pub fn all() -> &'static [Model] {
        &MODELS
    }

    /// The model of a version.
    ///
    /// # Errors
    /// [`RiskError::UnknownModel`]: there is no default.
    pub fn by_version(version: u64) -> Result<&'static Model, RiskError> {
        MODELS.iter().find(|model| model.version == version).ok_or(RiskError::UnknownModel { version })
    }

    /// A run of any other program decides nothing.
    fn check_program(&self, got: Felt) -> Result<(), RiskError> {
        if got != self.program_hash {
            return Err(RiskError::ProgramHash { form: EntryForm::Strict, expected: self.program_hash, got });
        }
        Ok(())
    }
}

/// A finished run of a model's program over a batch.
#[derive(Clone, Debug)]
pub struct ModelRun {
    /// Statement, witness and output.
    pub run: Run,
    /// The decisions, in the order of the proposals.
    pub decisions: Vec<Decision>,
}

/// Runs the model's program over 1 to [`MAX_PROPOSALS`] proposals: what a prover takes to prove their decisions.
///
/// The run comes back only if its output is exactly the records of the reference, and its program the pinned one.
///
/// # Errors
/// [`RiskError::BatchSize`], [`RiskError::UnknownModel`], [`RiskError::Run`]; [`RiskError::ProgramHash`] and
/// [`RiskError::OutputDiffers`] would be our own bugs.
pub fn run_model(proposals: &[Proposal]) -> Result<ModelRun, RiskError> {
    if proposals.is_empty() || proposals.len() > MAX_PROPOSALS {
        return Err(RiskError::BatchSize { got: proposals.len() });
    }
    let decisions = proposals.iter().map(decide).collect::<Result<Vec<_>, _>>()?;
    let run = shortest_run(proposals)?;
    let expected: Vec<Felt> = proposals
        .iter()
        .zip(&decisions)
        .flat_map(|(proposal, decision)| output_record(proposal, decision))
        .collect();
    check_output(&run.output, &expected)?;
    let program = run.forms.strict.as_ref().map_or(Felt::ZERO, |claim| claim.program.hash().0);
    Model::by_version(MODEL_VERSION)?.check_program(program)?;
    Ok(ModelRun { run, decisions })
}

/// With more rows than this, a batch has no run of so few steps: a row takes 64 at least.
const MAX_NARROW_ROWS: usize = NARROW_STEPS as usize / 64;
/// Steps of a run that has room for narrow numbers only.
const NARROW_STEPS: u64 = 4_096;

/// A run in 4,096 steps, if there is one; else with as few range checks as possible.
fn shortest_run(proposals: &[Proposal]) -> Result<Run, RiskError> {
    let rows: usize = proposals.iter().map(|proposal| proposal.rows.len()).sum();
    if rows <= MAX_NARROW_ROWS {
        let run = run_witness(&Witness::new(proposals, Width::Narrow)?)?;
        if run.execution.public_input.n_steps <= NARROW_STEPS {
            return Ok(run);
        }
    }
    run_witness(&Witness::new(proposals, Width::Wide)?)
}

/// Runs the program over a witness.
fn run_witness(witness: &Witness) -> Result<Run, RiskError> {
    let program = PROGRAM.as_ref().ok_or(RiskError::UnknownModel { version: MODEL_VERSION })?;
    let options = RunOptions {
        layout: LayoutChoice::Named(MODEL_LAYOUT.into()),
        limits: Limits::default(),
        ..RunOptions::default()
    };
    let arguments = Arguments::ProgramInput(witness.program_input());
    Ok(ashlar_cairo::run(program, &arguments, &options)?)
}

/// Runs the model's program over 1 to [`MAX_PROPOSALS`] proposals for a prover elsewhere: the execution is written as a ZIP
/// archive, and comes back only if its output is exactly the records of the reference.
///
/// # Errors
/// As [`run_model`]; [`RiskError::Run`] if the file cannot be written.
pub fn execute_model(proposals: &[Proposal], to: &Path) -> Result<PositionIndependentExecution, RiskError> {
    if proposals.is_empty() || proposals.len() > MAX_PROPOSALS {
        return Err(RiskError::BatchSize { got: proposals.len() });
    }
    let mut expected = Vec::new();
    for proposal in proposals {
        expected.extend(output_record(proposal, &decide(proposal)?));
    }
    let program = PROGRAM.as_ref().ok_or(RiskError::UnknownModel { version: MODEL_VERSION })?;
    let arguments = Arguments::ProgramInput(Witness::new(proposals, Width::Wide)?.program_input());
    let made = execute_position_independently(program, &arguments, &Limits::default(), to)?;
    check_output(&made.output, &expected)?;
    Ok(made)
}

/// The outputs must be equal, their lengths included.
fn check_output(got: &[Felt], expected: &[Felt]) -> Result<(), RiskError> {
    let common = got.iter().zip(expected).take_while(|(a, b)| a == b).count();
    if common < got.len().max(expected.len()) {
        return Err(RiskError::OutputDiffers { position: common });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_other_than_the_references_is_refused_where_it_differs() {
        let output = [1, 2, 3].map(Felt::from_u64);
        assert!(check_output(&output, &output).is_ok());
        for (got, expected) in [([1, 2, 4], 2), ([0, 2, 3], 0)] {
            let error = check_output(&got.map(Felt::from_u64), &output).unwrap_err();
            assert!(
                matches!(error, RiskError::OutputDiffers { position } if position == expected),
                "{error}"
            );
        }
        for (got, expected) in [(&output[..2], &output[..]), (&output[..], &output[..2])] {
            let error = check_output(got, expected).unwrap_err();
            assert!(matches!(error, RiskError::OutputDiffers { position: 2 }), "{error}");
        }
    }

    #[test]
    fn a_run_of_another_program_is_refused() {
        let model = Model::by_version(MODEL_VERSION).unwrap();
        assert!(model.check_program(model.program_hash).is_ok());
        let error = model.check_program(model.program_hash + Felt::ONE).unwrap_err();
        assert!(matches!(error, RiskError::ProgramHash { .. }), "{error}");
    }
}
