//! The prover: a run, parameters, and a proof that our own verifier accepted.

use ashlar_cpu_air::{
    input::{Execution, PublicInput},
    statement::StoneVersion,
    trace::{CpuWitness, TraceError},
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Kernels;
use ashlar_stark::{Observer, ParametersError, StoragePolicy, air::Air as _};

use crate::{
    automatic::shape_of,
    instance::{Instance, InstanceError},
    json::Json,
    parameters::ProofParameters,
    policy::Policy,
    prediction::TraceShape,
    proof_file::ProofFile,
    prover_config::ProverConfig,
    public_input::public_input_to_json,
    verify::{PROTOCOL, Verified, VerifyError, check_instance, verify_parts},
};

/// Whether the proof is verified before it is handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelfVerification {
    /// Against this policy; a proof that fails is an error.
    Policy(Policy),
    /// Not at all, as Stone: nor are the steps of the run, so that one that breaks the machine's rules gives a proof
    /// that nobody accepts. What cannot be written into a trace is still an error ([`CpuWitness::unchecked`]).
    Skip,
}

/// The JSON files that a proof file repeats. Where one is `None`, it is written from the parsed form; a private input
/// is then left out, because a proof file is often published and private inputs are not meant to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Echo {
    /// The public input file.
    pub public_input: Option<Json>,
    /// The private input file.
    pub private_input: Option<Json>,
    /// The parameter file.
    pub proof_parameters: Option<Json>,
}

/// How a proof is made.
#[derive(Clone, Debug)]
pub struct ProveOptions {
    /// Whether to write annotations.
    pub annotations: bool,
    /// Whether and how to verify.
    pub self_verification: SelfVerification,
    /// Echoed.
    pub prover_config: ProverConfig,
    /// Files to echo.
    pub echo: Echo,
    /// The kernels of all heavy work. No influence on the result.
    pub kernels: Kernels,
    /// What to keep in memory. No influence on the result.
    pub storage: StoragePolicy,
}

impl ProveOptions {
    /// With annotations and verified against a policy.
    pub fn verified(policy: Policy) -> ProveOptions {
        ProveOptions {
            annotations: true,
            self_verification: SelfVerification::Policy(policy),
            prover_config: ProverConfig::default(),
            echo: Echo::default(),
            kernels: Kernels::current(),
            storage: StoragePolicy::default(),
        }
    }
}

/// A proof, and what our verifier said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoneProof {
    /// The proof file.
    pub file: ProofFile,
    /// What it proves; `None` if verification was skipped.
    pub verified: Option<Verified>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// No proof can be about this statement.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The parameters do not fit the trace or each other.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The run does not fit the statement or itself.
    #[error(transparent)]
    Prove(#[from] ashlar_stark::ProveError<TraceError>),
    /// The policy would refuse any proof of this statement under these parameters, so none is made.
    #[error("expected a statement and parameters whose proof the policy accepts")]
    Policy(#[source] VerifyError),
    /// Our verifier rejects the proof: the run does not satisfy the constraints.
    #[error("expected a run that satisfies every constraint, but our verifier rejects its proof: {0}")]
    Rejected(#[source] VerifyError),
}

impl ProveError {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            ProveError::Instance(error) => Some(error),
            ProveError::Parameters(error) => Some(error),
            ProveError::Prove(error) => Some(error),
            ProveError::Policy(_) | ProveError::Rejected(_) => None,
        }
    }
}

impl Fault for ProveError {
    fn code(&self) -> Code {
        match self {
            ProveError::Policy(_) => Code(1351),
            _ => self.inner().map_or(Code(1350), Fault::code),
        }
    }

    fn exit(&self) -> Exit {
        self.inner().map_or(Exit::Usage, Fault::exit)
    }

    fn hint(&self) -> Option<String> {
        match self {
            ProveError::Policy(VerifyError::Policy(_)) => {
                Some("choose parameters that meet the policy".into())
            }
            ProveError::Policy(error) => error.hint(),
            ProveError::Rejected(_) => {
                Some("trace, memory and public input are not of one run: run the program again".into())
            }
            _ => self.inner().and_then(Fault::hint),
        }
    }
}

/// Everything that can be refused without the trace: the statement, and whether the parameters fit it. Returns the
/// dimensions of the trace.
///
/// # Errors
/// The first thing that does not fit.
pub fn preflight(
    public_input: &PublicInput,
    parameters: &ProofParameters,
    version: StoneVersion,
) -> Result<TraceShape, ProveError> {
    let instance = Instance::new(public_input, parameters, version)?;
    parameters.stark.validate(instance.air.log_trace_length())?;
    Ok(shape_of(&instance.air))
}

/// Proves a run. The bytes depend on nothing but the run, the parameters and the generation of Stone: not on the
/// machine, its kernels or its threads.
///
/// # Errors
/// If statement, parameters and run do not fit each other, if the observer cancels, or if our verifier rejects the
/// proof. Then there is no proof.
pub fn prove(
    execution: Execution,
    parameters: &ProofParameters,
    version: StoneVersion,
    options: ProveOptions,
    observer: &dyn Observer,
) -> Result<StoneProof, ProveError> {
    let public_input = execution.public_input.clone();
    let instance = Instance::new(&public_input, parameters, version)?;
    parameters.stark.validate(instance.air.log_trace_length())?;
    if let SelfVerification::Policy(policy) = &options.self_verification {
        policy
            .check_parameters(&public_input.layout, public_input.n_steps, &parameters.stark)
            .map_err(VerifyError::from)
            .and_then(|()| check_instance(&public_input, &instance, parameters, policy))
            .map_err(ProveError::Policy)?;
    }
    let skips = options.self_verification == SelfVerification::Skip;
    let mut witness = match skips {
        true => CpuWitness::unchecked(&instance.layout, execution),
        false => CpuWitness::new(&instance.layout, execution),
    };
    let made = ashlar_stark::prove(
        &instance.air,
        &mut witness,
        &instance.seed,
        &parameters.stark,
        &ashlar_stark::ProveOptions {
            kernels: options.kernels,
            annotate: options.annotations.then_some(PROTOCOL),
            storage: options.storage,
            skip_consistency_check: skips,
        },
        observer,
    )?;
    let verified = match &options.self_verification {
        SelfVerification::Skip => None,
        SelfVerification::Policy(policy) => Some(
            verify_parts(&public_input, parameters, &made.bytes, policy, false)
                .map_err(ProveError::Rejected)?,
        ),
    };
    let echo = options.echo;
    let file = ProofFile {
        annotations: made.annotations,
        private_input: echo.private_input.unwrap_or_else(|| Json::object([])),
        proof: made.bytes,
        proof_parameters: echo.proof_parameters.unwrap_or_else(|| parameters.to_json()),
        prover_config: options.prover_config.to_json().clone(),
        public_input: echo.public_input.unwrap_or_else(|| public_input_to_json(&public_input)),
        version: ProofFile::stone_version_object(),
    };
    Ok(StoneProof { file, verified })
}
