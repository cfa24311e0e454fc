//! The verifier: a proof file, or its parts, against a policy.

use ashlar_cpu_air::{
    input::PublicInput,
    layout::Layout,
    statement::{
        self, Claim, EntryForm, EntryForms, FactHash, Output, ProgramHash, StatementError, StoneVersion, Task,
    },
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_stark::{ParametersError, ProofStatistics, Security, air::Air as _};

use crate::{
    automatic::shape_of,
    instance::{Instance, InstanceError},
    json::JsonError,
    parameters::{ParameterFileError, ProofParameters},
    policy::{Policy, PolicyError, StatementRule},
    proof_file::ProofFile,
    public_input::public_input_from_json,
};

/// The name of the protocol in annotations.
pub(crate) const PROTOCOL: &str = "cpu air";

/// What an accepted proof proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The generation of Stone under which it was accepted.
    pub version: StoneVersion,
    /// The layout.
    pub layout: &'static str,
    /// Steps, padding included.
    pub n_steps: u64,
    /// The parameters under which it was accepted.
    pub parameters: ProofParameters,
    /// The bits that these parameters give.
    pub security: Security,
    /// Which forms page 0 has, with program and output as each of them reads it.
    pub forms: EntryForms,
    /// What the policy demanded of the statement.
    pub rule: StatementRule,
    /// What the proof is made of.
    pub statistics: ProofStatistics,
    /// The protocol in Stone's words, if asked for.
    pub annotations: Option<Vec<String>>,
    /// What the verifier computed on the way, in Stone's words, if annotations were asked for: see
    /// [`ashlar_stark::Verified::extra_annotations`].
    pub extra_annotations: Option<Vec<String>>,
}

impl Verified {
    /// The statement by the form that the policy demanded or, if it demanded none, by the strictest that page 0 has;
    /// `None` if it has none.
    pub fn claim(&self) -> Option<&Claim> {
        match self.rule {
            StatementRule::Gate(form) => self.forms.of(form).ok(),
            StatementRule::Bootloaded => self.forms.relaxed.as_ref().ok(),
            StatementRule::AnyForm | StatementRule::Stone => self.forms.strictest().ok(),
        }
    }

    /// The program's hash, as [`Verified::claim`] reads it.
    pub fn program_hash(&self) -> Option<ProgramHash> {
        self.claim().map(|claim| claim.program.hash())
    }

    /// The task of a bootloader, if the policy demanded one.
    pub fn task(&self) -> Option<Task> {
        (self.rule == StatementRule::Bootloaded).then(|| Task::of_output(self.output()?).ok()).flatten()
    }

    /// The output, as [`Verified::claim`] reads it.
    pub fn output(&self) -> Option<&Output> {
        self.claim().map(|claim| &claim.output)
    }

    /// The fact, as [`Verified::claim`] reads it.
    pub fn fact_hash(&self) -> Option<FactHash> {
        self.claim().map(Claim::fact_hash)
    }
}

/// Why a proof is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The proof file lacks a part or has a wrong one.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The parameters in the proof file make no sense.
    #[error(transparent)]
    ParameterFile(#[from] ParameterFileError),
    /// The parameters do not fit the trace or each other.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The policy demands more.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No proof can be about this statement.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The statement is provable but says too little.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The protocol rejects.
    #[error(transparent)]
    Rejected(#[from] ashlar_stark::VerifyError),
}

impl VerifyError {
    fn inner(&self) -> &dyn Fault {
        match self {
            VerifyError::Json(error) => error,
            VerifyError::ParameterFile(error) => error,
            VerifyError::Parameters(error) => error,
            VerifyError::Policy(error) => error,
            VerifyError::Instance(error) => error,
            VerifyError::Statement(error) => error,
            VerifyError::Rejected(error) => error,
        }
    }
}

impl Fault for VerifyError {
    fn code(&self) -> Code {
        self.inner().code()
    }

    /// Whatever is wrong with a proof, the answer is no.
    fn exit(&self) -> Exit {
        match self.inner().exit() {
            Exit::Bug => Exit::Bug,
            _ => Exit::Negative,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            // Hints for who wrote the parameters do not help who received the proof.
            VerifyError::Parameters(_) | VerifyError::ParameterFile(_) => None,
            VerifyError::Rejected(ashlar_stark::VerifyError::OutOfDomain { .. }) => Some(
                "a proof of the other generation of Stone looks like this too: compare --stone_version"
                    .into(),
            ),
            _ => self.inner().hint(),
        }
    }
}

/// Verifies a proof file against a policy.
///
/// # Errors
/// The first thing that is wrong. It does not panic, whatever the file holds.
pub fn verify(file: &ProofFile, policy: &Policy) -> Result<Verified, VerifyError> {
    verify_file(file, policy, false)
}

/// [`verify`], and annotations if asked for.
pub(crate) fn verify_file(
    file: &ProofFile,
    policy: &Policy,
    annotate: bool,
) -> Result<Verified, VerifyError> {
    let public_input = public_input_from_json(&file.public_input, "public_input")?;
    let parameters = ProofParameters::from_json(&file.proof_parameters, "proof_parameters")?;
    verify_parts(&public_input, &parameters, &file.proof, policy, annotate)
}

/// Verifies a proof of a statement under parameters against a policy, and writes annotations if asked to.
///
/// # Errors
/// The first thing that is wrong. It does not panic, whatever the proof and the statement hold.
pub fn verify_parts(
    public_input: &PublicInput,
    parameters: &ProofParameters,
    proof: &[u8],
    policy: &Policy,
    annotate: bool,
) -> Result<Verified, VerifyError> {
    // Cheap checks first: they bound the work of the later ones.
    policy.check_parameters(&public_input.layout, public_input.n_steps, &parameters.stark)?;
    let instance = Instance::new(public_input, parameters, policy.version)?;
    parameters.stark.validate(instance.air.log_trace_length())?;
    let security = check_instance(public_input, &instance, parameters, policy)?;
    let accepted = ashlar_stark::verify(
        &instance.air,
        &instance.seed,
        &parameters.stark,
        proof,
        annotate.then_some(PROTOCOL),
    )?;
    Ok(Verified {
        version: policy.version,
        layout: instance.layout.name,
        n_steps: public_input.n_steps,
        parameters: parameters.clone(),
        security,
        forms: statement::classify(public_input, &instance.layout),
        rule: policy.statement,
        statistics: accepted.statistics,
        annotations: accepted.annotations,
        extra_annotations: accepted.extra_annotations,
    })
}

/// What the policy demands, beyond [`Policy::check_parameters`], that can be known before there is a proof. Returns the
/// bits of security.
pub(crate) fn check_instance(
    public_input: &PublicInput,
    instance: &Instance,
    parameters: &ProofParameters,
    policy: &Policy,
) -> Result<Security, VerifyError> {
    let security = shape_of(&instance.air).security(&parameters.stark);
    policy.check_security(security)?;
    check_statement(public_input, &instance.layout, policy.statement)?;
    Ok(security)
}

/// What the policy demands of the statement beyond being provable.
fn check_statement(
    public_input: &PublicInput,
    layout: &Layout,
    rule: StatementRule,
) -> Result<(), StatementError> {
    match rule {
        StatementRule::Stone => Ok(()),
        StatementRule::Gate(form) => {
            statement::check_segments(public_input, layout)?;
            statement::claim(public_input, layout, form)?;
            Ok(())
        }
        StatementRule::Bootloaded => {
            statement::check_segments(public_input, layout)?;
            statement::bootloaded(public_input, layout)?;
            // It is read by this form from then on.
            statement::claim(public_input, layout, EntryForm::Relaxed)?;
            Ok(())
        }
        StatementRule::AnyForm => {
            statement::check_segments(public_input, layout)?;
            statement::classify(public_input, layout).strictest().map(drop).map_err(Clone::clone)?;
            Ok(())
        }
    }
}
