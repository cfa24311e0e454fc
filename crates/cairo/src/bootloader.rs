//! A finished run, proven by running it once more inside a bootloader.
//!
//! | module | what it holds |
//! |---|---|
//! | `steps` | the hints of a bootloader, for a task that is a finished run |
//!
//! The bootloader is a Cairo 0 program that an operator gives; which one it is, its hash says in every proof. Its run is a
//! run in proof mode like any other. It declares every builtin that there is; one that the layout lacks is 0 for it, and
//! must be one that the task does not declare.

mod steps;

use ashlar_cpu_air::statement::{self, BOOTLOADER_BUILTINS, Claim, ProgramHash, Task, classify};
use ashlar_field::Felt;
use cairo_vm::types::{builtin_name::BuiltinName, layout_name::LayoutName};

pub(crate) use steps::{Refusal, Step, Surroundings};

use crate::{
    Arguments, CairoError, FinishedRun, FinishedRunError, LayoutChoice, Limits, PROVABLE_LAYOUTS, Plan,
    Program, ProgramKind, Run, convert,
    layouts::RunLayout,
    plan::{self, Frame, Needed},
    run::{self, Machine},
};

/// What a bootloader uses for its own ends: it puts out, hashes the program, and compares pointers.
const OWN: [BuiltinName; 3] = [BuiltinName::output, BuiltinName::pedersen, BuiltinName::range_check];

/// Where a bootloader calls its task, and where the task returns to.
const LABELS: [&str; 2] = [
    "starkware.cairo.bootloaders.simple_bootloader.execute_task.execute_task.call_task",
    "starkware.cairo.bootloaders.simple_bootloader.execute_task.execute_task.ret_pc_label",
];

/// A bootloader reads no input: its hints bring the task.
static NO_ARGUMENTS: Arguments = Arguments::Felts(Vec::new());

/// A compiled simple bootloader.
#[derive(Clone, Debug)]
pub struct Bootloader {
    program: Program,
    hash: ProgramHash,
    return_distance: usize,
}

/// What the hints of a bootloader need to know of its task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loading<'a> {
    pub(crate) run: &'a FinishedRun,
    /// From the call of the task to where it returns to, in words.
    pub(crate) return_distance: usize,
}

/// A finished run, run again inside a bootloader and ready to be proven.
#[derive(Clone, Debug)]
pub struct BootloadedRun {
    /// The bootloader's run.
    pub run: Run,
    /// What it states: the bootloader, and its output, by the form in which verifier contracts read it.
    pub claim: Claim,
    /// The task in that output, which is what was computed from the archive.
    pub task: Task,
}

impl Bootloader {
    /// Reads a compiled simple bootloader: Cairo 0 JSON, compiled for proof mode.
    ///
    /// # Errors
    /// Those of [`Program::from_bytes`]; [`FinishedRunError::NotABootloader`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Bootloader, CairoError> {
        let program = Program::from_bytes(bytes)?;
        let not = |detail: String| Err(FinishedRunError::NotABootloader { detail }.into());
        let declares = program.builtins.iter().map(|builtin| builtin.to_str()).eq(BOOTLOADER_BUILTINS);
        if program.kind != ProgramKind::Cairo0 || !declares {
            return not(format!("it does not declare the builtins {}", BOOTLOADER_BUILTINS.join(", ")));
        }
        let label = |name: &str| program.identifiers.get(name).and_then(|label| label.pc);
        let [Some(call), Some(returned)] = LABELS.map(label) else {
            return not(format!("it has no label {}", LABELS.join(" or no label ")));
        };
        let Some(return_distance) = returned.checked_sub(call) else {
            return not("its task returns to a place before the call".to_owned());
        };
        let hash = statement::Program(program.words.iter().map(convert::felt).collect()).hash();
        Ok(Bootloader { program, hash, return_distance })
    }

    /// The same program, checked, without what only people read of it: nine tenths of the file.
    ///
    /// # Errors
    /// As [`Bootloader::from_bytes`].
    pub fn stripped(bytes: &[u8]) -> Result<Vec<u8>, CairoError> {
        let whole = Bootloader::from_bytes(bytes)?;
        let not = |detail: String| FinishedRunError::NotABootloader { detail };
        let mut json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(bytes).map_err(|error| not(error.to_string()))?;
        json.remove("debug_info");
        let stripped = serde_json::to_vec(&json).map_err(|error| not(error.to_string()))?;
        match Bootloader::from_bytes(&stripped)?.hash == whole.hash {
            true => Ok(stripped),
            false => Err(not("it is another program without its debug information".to_owned()).into()),
        }
    }

    /// The hash by which a proof names it: Poseidon of its words.
    pub fn hash(&self) -> Felt {
        self.hash.0
    }

    /// Runs a finished run again, in proof mode, and compares what that states with what the archive says.
    ///
    /// # Errors
    /// [`CairoError`]: as for a program's run; [`FinishedRunError::NotARun`] if the memory is not one of a run of the
    /// program; [`FinishedRunError::OtherStatement`].
    pub fn run(
        &self,
        finished: &FinishedRun,
        layout: &LayoutChoice,
        limits: &Limits,
    ) -> Result<BootloadedRun, CairoError> {
        let name = match layout {
            LayoutChoice::Named(name) => name.clone(),
            LayoutChoice::Cheapest(among) => {
                let plan = self.plan(finished, limits)?;
                match plan.cheapest(among.iter().map(String::as_str)) {
                    Some((name, _)) => name.to_owned(),
                    None => return Err(CairoError::NoLayoutFits(plan)),
                }
            }
        };
        let layout = RunLayout::by_name(&name)?;
        let needed = self.needed(finished);
        run::check_builtins(&needed.builtins, &name, &layout.builtins())?;
        let machine = self.machine(finished, layout.machine, limits);
        let (execution, resources) = machine.padded(&needed, &name).map_err(of_task)?;
        let forms = classify(&execution.public_input, layout.air);
        let stated = statement::bootloaded(&execution.public_input, layout.air);
        let other = |got: String| CairoError::from(FinishedRunError::OtherStatement { got });
        let (claim, task) = stated.map_err(|refusal| other(refusal.to_string()))?;
        if claim.program.hash() != self.hash || task != *finished.task() {
            return Err(other(format!("program {} with {} words", task.program_hash, task.output.len())));
        }
        let run = Run { execution, forms, output: claim.output.0.clone(), resources };
        Ok(BootloadedRun { run, claim, task })
    }

    /// Runs a finished run again, without padding, and sizes that for every layout.
    ///
    /// # Errors
    /// As [`Bootloader::run`].
    pub fn plan(&self, finished: &FinishedRun, limits: &Limits) -> Result<Plan, CairoError> {
        let machine = self.machine(finished, LayoutName::all_cairo, limits);
        let resources = machine.measured().map_err(of_task)?;
        let needed = self.needed(finished);
        let layouts = PROVABLE_LAYOUTS.iter().map(|name| plan::in_layout(&needed, &resources, name, limits));
        Ok(Plan { layouts: layouts.collect::<Result<_, CairoError>>()?, resources })
    }

    fn machine<'a>(
        &'a self,
        finished: &'a FinishedRun,
        layout: LayoutName,
        limits: &'a Limits,
    ) -> Machine<'a> {
        let loading = Loading { run: finished, return_distance: self.return_distance };
        Machine { program: &self.program, arguments: &NO_ARGUMENTS, layout, limits, loading: Some(loading) }
    }

    /// The builtins that a layout must have.
    fn needed(&self, finished: &FinishedRun) -> Needed {
        let is_needed = |builtin: &BuiltinName| OWN.contains(builtin) || finished.builtins.contains(builtin);
        let own = &self.program.builtins;
        let builtins = own.iter().copied().filter(is_needed);
        // A task may declare what no bootloader passes on, such as a segment arena.
        let others = finished.builtins.iter().copied().filter(|builtin| !own.contains(builtin));
        Needed { builtins: builtins.chain(others).collect(), frame: Frame::Own(own.len() as u64) }
    }
}

/// Instructions that cannot be carried out are the task's: its memory is not that of a run.
fn of_task(error: CairoError) -> CairoError {
    match error {
        CairoError::ProgramFailed { place, message } => {
            FinishedRunError::NotARun { place, detail: message }.into()
        }
        error => error,
    }
}
