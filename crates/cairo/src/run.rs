//! Runs a program in proof mode and takes the prover's inputs out of the machine.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use ashlar_cpu_air::{
    input::Execution,
    layout::Builtin,
    statement::{Claim, EntryForm, EntryForms, classify},
};
use ashlar_field::Felt;
use cairo_vm::{
    hint_processor::builtin_hint_processor::builtin_hint_processor_definition::BuiltinHintProcessor,
    serde::deserialize_program::ReferenceManager,
    types::{builtin_name::BuiltinName, layout_name::LayoutName, program::Program as MachineProgram},
    vm::{
        errors::{vm_errors::VirtualMachineError, vm_exception::VmException},
        runners::cairo_runner::CairoRunner,
    },
};
use serde_json::{Map, Value};

use crate::{
    Arguments, ArgumentsError, CairoError, LayoutChoice, Limits, PROVABLE_LAYOUTS, Program, ProgramKind,
    Resources, Unfit,
    bootloader::Loading,
    convert,
    hints::HintRunner,
    layouts::{RunLayout, machine_name},
    machine::{self, AtEnd},
    plan::{self, Needed, plan},
    shim,
};

/// Which entry form the public memory gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EntryChoice {
    /// The strict one, with a shim in front of the program where it takes one; the run fails if that is impossible.
    #[default]
    Strict,
    /// What the program's own words give.
    AsBuilt,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Which layout the run is padded for.
    pub layout: LayoutChoice,
    /// Which entry form it gets.
    pub entry: EntryChoice,
    /// What it may use.
    pub limits: Limits,
}

impl Default for RunOptions {
    fn default() -> RunOptions {
        RunOptions {
            layout: LayoutChoice::automatic(),
            entry: EntryChoice::default(),
            limits: Limits::default(),
        }
    }
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Statement and witness.
    pub execution: Execution,
    /// Which entry forms the public memory has, and why not the others.
    pub forms: EntryForms,
    /// The words of the output segment.
    pub output: Vec<Felt>,
    /// What the run used before padding.
    pub resources: Resources,
}

impl Run {
    /// Program, output and their hashes by the strictest entry form that the run has.
    pub fn claim(&self) -> Option<&Claim> {
        self.forms.strictest().ok()
    }
}

/// Runs a program in proof mode.
///
/// # Errors
/// [`CairoError`]: the arguments do not suit the program, the layout cannot hold it, a hint is unknown, the program
/// fails, or a limit is reached.
pub fn run(program: &Program, arguments: &Arguments, options: &RunOptions) -> Result<Run, CairoError> {
    let name = match &options.layout {
        LayoutChoice::Named(name) => name.clone(),
        LayoutChoice::Cheapest(among) => {
            for name in among {
                RunLayout::by_name(name)?;
            }
            let plan = plan(program, arguments, &options.limits)?;
            match plan.cheapest(among.iter().map(String::as_str)) {
                Some((name, _)) => name.to_owned(),
                None => return Err(CairoError::NoLayoutFits(plan)),
            }
        }
    };
    let layout = RunLayout::by_name(&name)?;
    let of_layout = layout.builtins();
    check_builtins(&program.builtins, &name, &of_layout)?;
    let shimmed = match options.entry {
        EntryChoice::Strict => shim::for_builtins(program, &of_layout),
        EntryChoice::AsBuilt => None,
    };
    let behind_shim = shimmed.as_ref().unwrap_or(program);
    let machine = Machine {
        program: behind_shim,
        arguments,
        layout: layout.machine,
        limits: &options.limits,
        loading: None,
    };
    let (execution, resources) = machine.padded(&Needed::of(behind_shim), &name)?;
    let forms = classify(&execution.public_input, layout.air);
    if let (EntryChoice::Strict, Err(refusal)) = (options.entry, &forms.strict) {
        return Err(CairoError::EntryForm { form: EntryForm::Strict, refusal: refusal.clone() });
    }
    let output = output(&execution);
    Ok(Run { execution, forms, output, resources })
}

/// Runs a program without padding, in a layout that has every builtin, and says what it used.
pub(crate) fn measure(
    program: &Program,
    arguments: &Arguments,
    limits: &Limits,
) -> Result<Resources, CairoError> {
    Machine { program, arguments, layout: LayoutName::all_cairo, limits, loading: None }.measured()
}

/// A program that uses what the layout lacks is told so, and where it would fit.
pub(crate) fn check_builtins(
    needed: &[BuiltinName],
    layout: &str,
    of_layout: &[BuiltinName],
) -> Result<(), CairoError> {
    let lacking = |of_layout: &[BuiltinName]| -> Vec<&'static str> {
        needed.iter().filter(|b| !of_layout.contains(b)).map(|b| b.to_str()).collect()
    };
    let missing = lacking(of_layout);
    if missing.is_empty() {
        return Ok(());
    }
    let fits =
        |name: &&str| RunLayout::by_name(name).is_ok_and(|layout| lacking(&layout.builtins()).is_empty());
    let fitting: Vec<&str> = PROVABLE_LAYOUTS.into_iter().filter(|name| fits(name)).collect();
    Err(CairoError::MissingBuiltins {
        layout: layout.into(),
        missing: missing.join(", "),
        fitting: if fitting.is_empty() { "none".into() } else { fitting.join(", ") },
    })
}

/// A panic inside the virtual machine, which a hostile program file can cause, becomes an error.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, CairoError>) -> Result<T, CairoError> {
    contained(work).unwrap_or_else(|detail| Err(CairoError::Machine { detail }))
}

/// What some work comes to, or the words of its panic.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => (*text).to_owned(),
            (_, Some(text)) => text.clone(),
            _ => "a panic without a message".to_owned(),
        }
    })
}

fn output(execution: &Execution) -> Vec<Felt> {
    let segment = execution.public_input.memory_segments.get("output");
    let addresses = segment.map_or(0..0, |segment| segment.begin_addr..segment.stop_ptr);
    addresses.map_while(|address| execution.memory.get(address)).collect()
}

/// How a run ends.
enum Padding {
    /// As it is.
    None,
    /// At the next length that the layout can hold.
    PowerOfTwo,
}

pub(crate) struct Machine<'a> {
    pub(crate) program: &'a Program,
    pub(crate) arguments: &'a Arguments,
    pub(crate) layout: LayoutName,
    pub(crate) limits: &'a Limits,
    /// The task of a bootloader.
    pub(crate) loading: Option<Loading<'a>>,
}

impl Machine<'_> {
    /// Runs to the end, padded for its layout.
    pub(crate) fn padded(&self, needed: &Needed, name: &str) -> Result<(Execution, Resources), CairoError> {
        guarded(|| {
            let fits = |resources: &Resources| match plan::size(needed, resources, name, self.limits)? {
                Err(Unfit::TooLong { n_steps, reason, limit }) => {
                    Err(CairoError::PaddedStepLimit { layout: name.to_owned(), n_steps, reason, limit })
                }
                _ => Ok(Padding::PowerOfTwo),
            };
            let (mut runner, resources) = self.run(fits)?;
            Ok((convert::execution(&mut runner, name)?, resources))
        })
    }

    /// Runs to the end without padding, and says what it used.
    pub(crate) fn measured(&self) -> Result<Resources, CairoError> {
        guarded(|| self.run(|_| Ok(Padding::None)).map(|(_, resources)| resources))
    }

    /// Runs to the end, asks for the padding, and relocates.
    fn run(
        &self,
        padding: impl FnOnce(&Resources) -> Result<Padding, CairoError>,
    ) -> Result<(CairoRunner, Resources), CairoError> {
        let program = self.program;
        let machine_program = MachineProgram::new_for_proof(
            program.builtins.clone(),
            program.words.iter().map(|&word| word.into()).collect(),
            program.start,
            program.end,
            // Hints are carried out by `HintRunner`, which knows the limits.
            Default::default(),
            ReferenceManager::default(),
            program.identifiers.clone(),
            program.attributes.clone(),
            program.locations.clone(),
        )
        .map_err(|error| CairoError::Inconsistent { detail: error.to_string() })?;
        let (mut runner, steps) = self.to_the_end(&machine_program, AtEnd::Step)?;
        let resources = self.resources(&runner, steps)?;
        let pad = matches!(padding(&resources)?, Padding::PowerOfTwo);
        if pad {
            let mut no_hints = BuiltinHintProcessor::new_empty();
            runner
                .end_run(false, false, &mut no_hints, false)
                .map_err(|error| CairoError::Machine { detail: error.to_string() })?;
            runner.read_return_values(self.loading.is_some()).map_err(machine_failure)?;
            runner.finalize_segments().map_err(machine_failure)?;
            runner.relocate(true, true).map_err(machine_failure)?;
        }
        Ok((runner, resources))
    }

    /// Runs from a function that returns to its caller, without proof mode; the machine as it then stands, and its steps.
    pub(crate) fn run_from(&self, main: usize) -> Result<(CairoRunner, u64), CairoError> {
        let program = self.program;
        let machine_program = MachineProgram::new(
            program.builtins.clone(),
            program.words.iter().map(|&word| word.into()).collect(),
            Some(main),
            Default::default(),
            ReferenceManager::default(),
            program.identifiers.clone(),
            program.attributes.clone(),
            program.locations.clone(),
        )
        .map_err(|error| CairoError::Inconsistent { detail: error.to_string() })?;
        self.to_the_end(&machine_program, AtEnd::Stop)
    }

    /// Runs until the end, with the hints of this program and within its limits.
    fn to_the_end(
        &self,
        machine_program: &MachineProgram,
        at_end: AtEnd,
    ) -> Result<(CairoRunner, u64), CairoError> {
        let input = self.program_input()?;
        let proof_mode = at_end == AtEnd::Step;
        let mut runner = CairoRunner::new(machine_program, self.layout, None, proof_mode, true, false)
            .map_err(machine_failure)?;
        // A bootloader goes without the builtins that a layout lacks.
        let end = runner.initialize(self.loading.is_some()).map_err(machine_failure)?;
        let constants = Arc::new(runner.get_constants().clone());
        let arguments = match self.arguments {
            Arguments::Felts(felts) => felts.as_slice(),
            Arguments::ProgramInput(_) => &[],
        };
        let mut hints = HintRunner::new(self.program, constants, &input, arguments, self.loading)?;
        let outcome = machine::run_until(&mut runner, end, &mut hints, self.limits, at_end);
        let steps =
            outcome.map_err(|(error, in_program)| match hints.panic_text().filter(|_| in_program) {
                Some(message) => CairoError::Panicked { message },
                None => error,
            })?;
        // What a bootloader's task range-checked comes to its place only here.
        runner.vm.segments.memory.relocate_memory().map_err(machine_failure)?;
        runner.vm.segments.compute_effective_sizes();
        Ok((runner, steps))
    }

    fn program_input(&self) -> Result<Value, CairoError> {
        let kind = |expected| Err(CairoError::Arguments(ArgumentsError::Kind { expected }));
        match (self.program.kind, self.arguments) {
            (ProgramKind::Cairo0, Arguments::ProgramInput(input)) => Ok(input.clone()),
            (ProgramKind::Cairo0, Arguments::Felts(felts)) if felts.is_empty() => {
                Ok(Value::Object(Map::new()))
            }
            (ProgramKind::Cairo0, _) => kind("a JSON object, which is what a Cairo 0 program reads"),
            (ProgramKind::Executable, Arguments::Felts(_)) => Ok(Value::Null),
            (ProgramKind::Executable, _) => {
                kind("a list of field elements, which is what an executable takes")
            }
        }
    }

    fn resources(&self, runner: &CairoRunner, steps: u64) -> Result<Resources, CairoError> {
        let mut builtins = BTreeMap::new();
        let mut output_words = 0;
        for builtin in runner.vm.get_builtin_runners() {
            let uses = builtin
                .get_used_instances(&runner.vm.segments)
                .map_err(|error| CairoError::Machine { detail: error.to_string() })?;
            match Builtin::ALL.into_iter().find(|known| machine_name(*known) == builtin.name()) {
                Some(known) if uses > 0 => {
                    builtins.insert(known, uses as u64);
                }
                None if builtin.name() == BuiltinName::output => output_words = uses as u64,
                _ => {}
            }
        }
        let (rc_min, rc_max) = runner.get_perm_range_check_limits().unwrap_or((0, 0));
        Ok(Resources {
            steps,
            builtins,
            rc_min: rc_min.max(0) as u64,
            rc_max: rc_max.max(0) as u64,
            program_words: self.program.words.len() as u64,
            output_words,
        })
    }
}

fn machine_failure(error: impl std::fmt::Display) -> CairoError {
    CairoError::Machine { detail: error.to_string() }
}

/// An instruction that could not be carried out: the program's own message where it has one, and where it was.
pub(crate) fn program_failure(runner: &CairoRunner, error: VirtualMachineError) -> CairoError {
    let pc = runner.vm.get_pc();
    let exception = VmException::from_vm_error(runner, error);
    let place = match &exception.inst_location {
        Some(location) => format!("pc {pc}, {}:{}", location.input_file.filename, location.start_line),
        None => format!("pc {pc}"),
    };
    let own_words = exception.error_attr_value.map(|text| {
        text.lines().map(|line| line.trim_start_matches("Error message: ")).collect::<Vec<_>>().join("; ")
    });
    let message = match own_words {
        Some(words) => format!("{words} ({})", exception.inner_exc),
        None => exception.inner_exc.to_string(),
    };
    CairoError::ProgramFailed { place, message }
}
