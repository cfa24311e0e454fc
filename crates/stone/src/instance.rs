//! What prover and verifier agree on before the first message: the AIR of the statement, and the seed.

use std::borrow::Cow;

use ashlar_cpu_air::{
    air::CpuAir,
    input::PublicInput,
    layout::{self, Layout, LayoutError},
    statement::{self, StatementError, StoneVersion},
};
use ashlar_fault::{Code, Exit, Fault};

use crate::parameters::ProofParameters;

/// A statement that no proof can be about.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The layout is unknown, or its dynamic parameters are wrong.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The public input states nothing provable.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The generation of Stone does not have the layout.
    #[error(
        "expected stone5 for layout {layout}, got {version}: Stone v3's definition of it is inconsistent"
    )]
    OtherGeneration {
        /// The layout.
        layout: &'static str,
        /// The generation asked for.
        version: StoneVersion,
    },
}

impl Fault for InstanceError {
    fn code(&self) -> Code {
        match self {
            InstanceError::Layout(error) => error.code(),
            InstanceError::Statement(error) => error.code(),
            InstanceError::OtherGeneration { .. } => Code(1133),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            InstanceError::Layout(error) => error.exit(),
            InstanceError::Statement(error) => error.exit(),
            InstanceError::OtherGeneration { .. } => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            InstanceError::Layout(error) => error.hint(),
            InstanceError::Statement(error) => error.hint(),
            InstanceError::OtherGeneration { .. } => Some("pass --stone_version=stone5".into()),
        }
    }
}

/// The AIR of a statement and the bytes that the channel starts from.
pub(crate) struct Instance {
    pub(crate) layout: Cow<'static, Layout>,
    pub(crate) air: CpuAir,
    pub(crate) seed: Vec<u8>,
}

impl Instance {
    /// Checks the statement as Stone's prover does.
    pub(crate) fn new(
        public_input: &PublicInput,
        parameters: &ProofParameters,
        version: StoneVersion,
    ) -> Result<Instance, InstanceError> {
        let layout = layout::for_public_input(&public_input.layout, &public_input.dynamic_params)?;
        if layout.name == "all_cairo" && version == StoneVersion::Stone6 {
            return Err(InstanceError::OtherGeneration { layout: layout.name, version });
        }
        // It checks the statement, so it comes first.
        let air = CpuAir::new(&layout, public_input)?;
        let seed = statement::seed(
            public_input,
            &layout,
            version,
            parameters.stark.n_verifier_friendly_commitment_layers,
            parameters.page_hash,
        )?;
        Ok(Instance { layout, air, seed })
    }
}
