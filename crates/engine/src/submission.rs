//! What is asked for: a task, how its proof is to be, and the circumstances that decide who makes it.

use ashlar_risk::{MAX_PROPOSALS, Proposal, decide, parse_proposals};
use ashlar_stone::{HashChoice, Optimize};
use ashlar_store::{
    Artefacts, ContentHash, JobId, Moment, NewAllocation, NewInput, PaddedFelt, ProofSource, Purpose, Store,
    StoredContent,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{CompiledProgram, EngineError};

/// The largest program that is taken, in bytes.
const MOST_PROGRAM_BYTES: u64 = 64 << 20;

/// The role of the program among a job's inputs.
const PROGRAM: &str = "program";

/// The role of a finished run among them, and the `kind` of a recorded request to prove one.
pub const FINISHED_RUN: &str = "finished_run";

/// The longest arguments that are taken, in bytes.
const MOST_ARGUMENT_BYTES: usize = 1 << 20;

/// The most steps that a program may be declared to take: the runner's own limit.
pub(crate) const MOST_STEPS: u64 = 1 << 24;

/// A request for a proof.
#[derive(Clone, Debug)]
pub struct Submission {
    /// What is to be proven.
    pub task: Task,
    /// How the proof is to be.
    pub requirements: Requirements,
    /// What decides who makes it.
    pub circumstances: Circumstances,
}

/// What is to be proven.
#[derive(Clone, Debug)]
pub enum Task {
    /// The decisions of the risk engine on these proposals, in one proof.
    Allocation(Vec<Proposal>),
    /// A run of a Cairo program.
    Program(ProgramTask),
    /// A run that somebody else made, inside a bootloader.
    FinishedRun(FinishedRunTask),
}

/// A finished run, which a bootloader runs once more.
#[derive(Clone, Debug)]
pub struct FinishedRunTask {
    /// The archive among the artefacts: a Cairo PIE, at most 64 MiB.
    pub archive: StoredContent,
    /// The bootloader that an operator accepted, at most 64 MiB.
    pub bootloader: CompiledProgram,
    /// Which layout; the cheapest that fits if none is named.
    pub layout: Option<String>,
    /// The most steps that it may take, those of the bootloader included.
    pub steps: u64,
}

/// A run of a Cairo program.
#[derive(Clone, Debug)]
pub struct ProgramTask {
    /// The compiled program, at most 64 MiB.
    pub program: CompiledProgram,
    /// The arguments as text, such as `1 0x2 [3 4 5]`, at most 1 MiB.
    pub arguments: Option<String>,
    /// Which layout; the cheapest that fits if none is named.
    pub layout: Option<String>,
    /// Accept a program whose public memory does not have the strict form.
    pub as_built: bool,
    /// The most steps that it may take: what is predicted, and where the run is stopped.
    pub steps: u64,
}

/// How a proof is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// Least conjectured bits of security.
    pub minimum_bits: u32,
    /// What parameters are chosen for: `time`, `size` or `calldata`.
    #[serde(with = "OptimizeWord")]
    pub optimize: Optimize,
    /// The commitments' hash: `blake248`, `poseidon` or `keccak160`.
    #[serde(with = "HashWord")]
    pub hash: HashChoice,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Optimize", rename_all = "lowercase")]
enum OptimizeWord {
    Time,
    Size,
    Calldata,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "HashChoice", rename_all = "lowercase")]
enum HashWord {
    Blake248,
    Poseidon,
    Keccak160,
}

impl Default for Requirements {
    fn default() -> Requirements {
        Requirements {
            minimum_bits: ashlar_store::DEFAULT_BITS,
            optimize: Optimize::Time,
            hash: HashChoice::Blake248,
        }
    }
}

/// What decides who makes a proof, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Circumstances {
    /// Whether somebody says that much depends on it.
    pub critical: bool,
    /// The value at stake, in whole US dollars.
    pub value_usd: Option<u64>,
    /// Whether inputs must not leave this house.
    pub private: bool,
    /// The most that it may cost, in millionths of a US dollar.
    pub ceiling_micro_usd: Option<u64>,
    /// 0 to 9, the highest first; 5 if nothing is said.
    pub priority: Option<u8>,
    /// When it is of no use any more, in RFC 3339.
    #[serde(with = "moment", skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Moment>,
    /// The only backend that may make it, such as `stone_local`.
    #[serde(with = "source", skip_serializing_if = "Option::is_none")]
    pub backend: Option<ProofSource>,
}

impl Circumstances {
    /// The priority in use.
    pub fn priority(&self) -> u8 {
        self.priority.unwrap_or(5).min(9)
    }
}

/// Refuses a file that is empty or too long.
fn check_size(what: &str, got: u64) -> Result<(), EngineError> {
    if got == 0 || got > MOST_PROGRAM_BYTES {
        let reason = format!("expected {what} of 1 to {MOST_PROGRAM_BYTES} bytes, got {got}");
        return Err(EngineError::Unusable { reason });
    }
    Ok(())
}

/// Refuses a promise of no step, or of more than the runner takes.
fn check_steps(got: u64) -> Result<(), EngineError> {
    if got == 0 || got > MOST_STEPS {
        let reason = format!("expected 1 to {MOST_STEPS} steps, got {got}");
        return Err(EngineError::Unusable { reason });
    }
    Ok(())
}

impl Submission {
    /// What a job of this is made from, by role; what is not stored yet is from now on.
    ///
    /// # Errors
    /// Of the artefacts.
    pub(crate) async fn inputs(&self, artefacts: &Artefacts) -> Result<Vec<NewInput>, EngineError> {
        let input = |role, StoredContent { sha256, size }| NewInput { role, sha256, size };
        Ok(match &self.task {
            Task::Allocation(_) => Vec::new(),
            Task::Program(task) => vec![input(PROGRAM, task.program.store(artefacts).await?)],
            Task::FinishedRun(task) => vec![
                input(PROGRAM, task.bootloader.store(artefacts).await?),
                input(FINISHED_RUN, task.archive),
            ],
        })
    }

    /// Content that was stored before and must still be there.
    pub(crate) fn stored(&self) -> Vec<StoredContent> {
        let of_program = |program: &CompiledProgram| match program {
            CompiledProgram::Stored(content) => Some(*content),
            CompiledProgram::Bytes(_) => None,
        };
        match &self.task {
            Task::Allocation(_) => Vec::new(),
            Task::Program(task) => of_program(&task.program).into_iter().collect(),
            Task::FinishedRun(task) => {
                of_program(&task.bootloader).into_iter().chain([task.archive]).collect()
            }
        }
    }

    /// Refuses what can be refused without running anything.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let unusable = |reason: String| Err(EngineError::Unusable { reason });
        match &self.task {
            Task::Allocation(proposals) => {
                if proposals.is_empty() || proposals.len() > MAX_PROPOSALS {
                    return unusable(format!(
                        "expected 1 to {MAX_PROPOSALS} proposals, got {}",
                        proposals.len()
                    ));
                }
            }
            Task::FinishedRun(task) => {
                check_size("a bootloader", task.bootloader.size())?;
                check_size("an archive", task.archive.size)?;
                check_steps(task.steps)?;
            }
            Task::Program(task) => {
                check_size("a program", task.program.size())?;
                let length = task.arguments.as_ref().map_or(0, String::len);
                if length > MOST_ARGUMENT_BYTES {
                    return unusable(format!(
                        "expected arguments of at most {MOST_ARGUMENT_BYTES} bytes, got {length}"
                    ));
                }
                check_steps(task.steps)?;
            }
        }
        if let Some(priority) = self.circumstances.priority
            && priority > 9
        {
            return unusable(format!("expected a priority of 0 to 9, got {priority}"));
        }
        Ok(())
    }

    /// What the proof is for.
    pub(crate) fn purpose(&self) -> Purpose {
        match self.task {
            Task::Allocation(_) => Purpose::Allocation,
            Task::Program(_) | Task::FinishedRun(_) => Purpose::Program,
        }
    }

    /// The decisions of the reference, as records. Every proposal must differ.
    pub(crate) fn allocations(&self) -> Result<Vec<NewAllocation>, EngineError> {
        let Task::Allocation(proposals) = &self.task else { return Ok(Vec::new()) };
        let mut recorded: Vec<NewAllocation> = Vec::with_capacity(proposals.len());
        let mut seen = std::collections::HashSet::new();
        for proposal in proposals {
            let decision = decide(proposal)?;
            let proposal_id = PaddedFelt(decision.proposal_id);
            if !seen.insert(proposal_id.to_string()) {
                let reason = format!("the proposal {proposal_id} stands twice in the batch");
                return Err(EngineError::Unusable { reason });
            }
            recorded.push(NewAllocation::of(proposal, &decision));
        }
        Ok(recorded)
    }

    /// What is recorded of it: enough to ask for it again, together with allocations and inputs.
    pub(crate) fn to_json(&self) -> Value {
        let mut arguments = json!(self.requirements);
        let kind = match &self.task {
            Task::Allocation(_) => "allocation",
            Task::Program(task) => {
                if let Value::Object(fields) = &mut arguments {
                    fields.insert("args".into(), json!(task.arguments));
                    fields.insert("layout".into(), json!(task.layout));
                    fields.insert("as_built".into(), json!(task.as_built));
                    fields.insert("steps".into(), json!(task.steps));
                }
                "uploaded"
            }
            Task::FinishedRun(task) => {
                if let Value::Object(fields) = &mut arguments {
                    fields.insert("layout".into(), json!(task.layout));
                    fields.insert("steps".into(), json!(task.steps));
                }
                FINISHED_RUN
            }
        };
        json!({ "kind": kind, "arguments": arguments, "circumstances": self.circumstances })
    }

    /// From what was recorded. `proposals` are those of the job's allocations, `input` says which its inputs are, by role.
    fn from_json(
        recorded: &Value,
        proposals: &[Value],
        input: impl Fn(&str) -> Option<StoredContent>,
    ) -> Result<Submission, EngineError> {
        #[derive(Deserialize)]
        struct Uploaded {
            #[serde(flatten)]
            requirements: OpenRequirements,
            args: Option<String>,
            layout: Option<String>,
            as_built: bool,
            steps: u64,
        }
        #[derive(Deserialize)]
        struct Finished {
            #[serde(flatten)]
            requirements: OpenRequirements,
            layout: Option<String>,
            steps: u64,
        }
        // Flattened, the other fields are not unknown.
        #[derive(Deserialize)]
        struct OpenRequirements {
            minimum_bits: u32,
            #[serde(with = "OptimizeWord")]
            optimize: Optimize,
            #[serde(with = "HashWord")]
            hash: HashChoice,
        }
        impl From<OpenRequirements> for Requirements {
            fn from(open: OpenRequirements) -> Requirements {
                let OpenRequirements { minimum_bits, optimize, hash } = open;
                Requirements { minimum_bits, optimize, hash }
            }
        }
        let unreadable = |got: String| EngineError::UnreadableRequest { got };
        let of = |error: serde_json::Error| unreadable(error.to_string());
        let made_from = |role: &str| input(role).ok_or_else(|| unreadable(format!("no {role}")));
        let circumstances = match recorded.get("circumstances") {
            Some(value) => Circumstances::deserialize(value).map_err(of)?,
            None => Circumstances::default(),
        };
        let arguments = recorded.get("arguments").cloned().unwrap_or_default();
        let (task, requirements) = match recorded.get("kind").and_then(Value::as_str) {
            Some("allocation") => {
                let mut parsed = Vec::with_capacity(proposals.len());
                for proposal in proposals {
                    parsed.extend(parse_proposals(proposal.to_string().as_bytes())?);
                }
                (Task::Allocation(parsed), OpenRequirements::deserialize(arguments).map_err(of)?.into())
            }
            Some("uploaded") => {
                let Uploaded { requirements, args, layout, as_built, steps } =
                    Uploaded::deserialize(arguments).map_err(of)?;
                let program = CompiledProgram::Stored(made_from(PROGRAM)?);
                let task = ProgramTask { program, arguments: args, layout, as_built, steps };
                (Task::Program(task), requirements.into())
            }
            Some(FINISHED_RUN) => {
                let Finished { requirements, layout, steps } =
                    Finished::deserialize(arguments).map_err(of)?;
                let bootloader = CompiledProgram::Stored(made_from(PROGRAM)?);
                let task = FinishedRunTask { archive: made_from(FINISHED_RUN)?, bootloader, layout, steps };
                (Task::FinishedRun(task), requirements.into())
            }
            other => return Err(unreadable(format!("kind {other:?}"))),
        };
        Ok(Submission { task, requirements, circumstances })
    }

    /// What was asked for when a job was submitted. Of a program it is the name of its bytes, which are not read.
    ///
    /// # Errors
    /// [`EngineError::UnreadableRequest`], or of the records.
    pub async fn recorded(store: &Store, job: JobId) -> Result<Submission, EngineError> {
        let record = store.job(job).await?;
        let request = record
            .request
            .ok_or_else(|| EngineError::UnreadableRequest { got: "no request on record".to_owned() })?;
        let proposals: Vec<Value> =
            store.allocations_of(job).await?.into_iter().map(|allocation| allocation.proposal).collect();
        let inputs = store.inputs_of(job).await?;
        let input = |role: &str| {
            let found = inputs.iter().find(|input| input.role == role)?;
            Some(StoredContent { sha256: found.sha256, size: found.size })
        };
        Submission::from_json(&request, &proposals, input)
    }

    /// A digest of everything that is asked for.
    pub fn digest(&self) -> ContentHash {
        ContentHash::of(format!("{}\n{}", self.input_commitment(), self.to_json()).as_bytes())
    }

    /// A digest of what is proven, by which an equal job can be found again.
    pub(crate) fn input_commitment(&self) -> ContentHash {
        match &self.task {
            Task::Allocation(proposals) => {
                // The same words as `ashlar allocate` records.
                let ids: String = proposals
                    .iter()
                    .map(|proposal| PaddedFelt(ashlar_risk::proposal_id(proposal)).to_string())
                    .collect();
                ContentHash::of(ids.as_bytes())
            }
            Task::Program(task) => {
                let arguments = task.arguments.as_deref().unwrap_or_default();
                ContentHash::of(format!("{}\n{arguments}", task.program.sha256()).as_bytes())
            }
            Task::FinishedRun(task) => {
                let (bootloader, archive) = (task.bootloader.sha256(), task.archive.sha256);
                ContentHash::of(format!("{FINISHED_RUN}\n{bootloader}\n{archive}").as_bytes())
            }
        }
    }
}

/// Moments as RFC 3339.
mod moment {
    use ashlar_store::Moment;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(moment: &Option<Moment>, to: S) -> Result<S::Ok, S::Error> {
        moment.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Moment>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| {
            Moment::parse(&text)
                .ok_or_else(|| D::Error::custom(format!("expected a time in RFC 3339, got {text:?}")))
        })
        .transpose()
    }
}

/// Backends by their word in the records.
mod source {
    use ashlar_store::ProofSource;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(source: &Option<ProofSource>, to: S) -> Result<S::Ok, S::Error> {
        source.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ProofSource>, D::Error> {
        let word = Option::<String>::deserialize(from)?;
        word.map(|word| {
            ProofSource::parse(&word)
                .ok_or_else(|| D::Error::custom(format!("no backend is called {word:?}")))
        })
        .transpose()
    }
}
