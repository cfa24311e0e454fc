//! Carries out hints: those that read the program's input here, the common library's in the virtual machine.
//!
//! A hint chooses witness values; nothing that it does is trusted by a proof. But it runs in this process, so the
//! addresses that it names are counted before it runs.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    hint_processor::{
        builtin_hint_processor::builtin_hint_processor_definition::BuiltinHintProcessor,
        hint_processor_definition::{HintProcessorLogic, HintReference},
        hint_processor_utils::{
            compute_addr_from_reference, get_maybe_relocatable_from_reference, insert_value_from_reference,
        },
    },
    serde::deserialize_program::{ApTracking, HintParams},
    types::{
        exec_scope::ExecutionScopes,
        relocatable::{MaybeRelocatable, Relocatable},
    },
    vm::{
        errors::hint_errors::HintError, runners::builtin_runner::OutputBuiltinRunner, vm_core::VirtualMachine,
    },
};
use serde_json::Value;

use crate::{
    CairoError, FinishedRunError, Program,
    bootloader::{Loading, Refusal, Step, Surroundings},
    core_hints::{CoreHintRunner, CoreState, Hint, panic_text},
    hint_script::{self, Expression, Statement},
    machine::MemoryMeter,
};

/// The hints of a program, ready to be carried out.
pub(crate) struct HintRunner<'a> {
    input: &'a Value,
    library: BuiltinHintProcessor,
    by_pc: HashMap<usize, Vec<Compiled>>,
    core: &'a BTreeMap<usize, Vec<Hint>>,
    core_state: CoreState,
    arguments: &'a [Felt],
    loading: Option<Loading<'a>>,
    /// Where a bootloader put the program of its task.
    loaded: Option<Relocatable>,
}

struct Compiled {
    code: String,
    tracking: ApTracking,
    references: HashMap<String, HintReference>,
    action: Action,
}

enum Action {
    Script(Vec<Statement>),
    Bootloader(Step),
    Library(Box<dyn Any>),
}

/// What an expression of a hint stands for.
enum Operand {
    Json(Value),
    Cell(MaybeRelocatable),
}

impl<'a> HintRunner<'a> {
    pub(crate) fn new(
        program: &'a Program,
        constants: Arc<HashMap<String, Felt252>>,
        input: &'a Value,
        arguments: &'a [Felt],
        loading: Option<Loading<'a>>,
    ) -> Result<HintRunner<'a>, CairoError> {
        let library = BuiltinHintProcessor::new_empty();
        let mut by_pc = HashMap::new();
        for (&pc, hints) in &program.hints {
            let compiled = hints
                .iter()
                .map(|hint| compile(hint, program, &library, &constants, loading.is_some()))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| CairoError::Inconsistent {
                    detail: format!("the hint at {pc} refers to a reference that does not exist"),
                })?;
            by_pc.insert(pc, compiled);
        }
        let core_state = CoreState::default();
        let core = &program.core_hints;
        Ok(HintRunner { input, library, by_pc, core, core_state, arguments, loading, loaded: None })
    }

    /// The panic that a Cairo 1 program announced, if it did.
    pub(crate) fn panic_text(&self) -> Option<String> {
        (!self.core_state.marker.is_empty()).then(|| panic_text(&self.core_state.marker))
    }

    /// Carries out the hints in front of the next instruction.
    pub(crate) fn execute(
        &mut self,
        vm: &mut VirtualMachine,
        scopes: &mut ExecutionScopes,
        meter: &mut MemoryMeter,
    ) -> Result<(), CairoError> {
        let pc = vm.get_pc();
        if pc.segment_index == 0
            && let Some(hints) = self.core.get(&pc.offset)
        {
            let (state, arguments) = (&mut self.core_state, self.arguments);
            let mut runner = CoreHintRunner { vm, meter, state, arguments };
            hints.iter().try_for_each(|hint| runner.execute(pc.offset, hint))?;
        }
        let hints = match self.by_pc.get(&pc.offset) {
            Some(hints) if pc.segment_index == 0 => hints,
            _ => return Ok(()),
        };
        for hint in hints {
            hint.count(vm, meter)?;
            match &hint.action {
                Action::Script(statements) => {
                    Script { hint, vm, input: self.input, names: HashMap::new(), meter }
                        .run(statements)
                        .map_err(|failure| failure.at(pc.offset, &hint.code))?
                }
                Action::Bootloader(step) => {
                    let Some(loading) = &self.loading else { continue };
                    let mut surroundings = Surroundings {
                        loading,
                        program: &mut self.loaded,
                        vm: &mut *vm,
                        scopes: &mut *scopes,
                        meter: &mut *meter,
                        references: &hint.references,
                        tracking: &hint.tracking,
                    };
                    surroundings.perform(*step).map_err(|refusal| match refusal {
                        Refusal::Limit(error) => error,
                        Refusal::Hint(error) => {
                            FinishedRunError::NotARun { place: format!("pc {pc}"), detail: error.to_string() }
                                .into()
                        }
                    })?;
                }
                Action::Library(data) => {
                    self.library.execute_hint(vm, scopes, data).map_err(|error| match error {
                        HintError::UnknownHint(hint) => {
                            CairoError::UnknownHint { pc: pc.offset, hint: hint.into() }
                        }
                        other => Failure::Detail(other.to_string()).at(pc.offset, &hint.code),
                    })?;
                }
            }
        }
        Ok(())
    }
}

fn compile(
    hint: &HintParams,
    program: &Program,
    library: &BuiltinHintProcessor,
    constants: &Arc<HashMap<String, Felt252>>,
    bootloader: bool,
) -> Option<Compiled> {
    let tracking = hint.flow_tracking_data.ap_tracking.clone();
    let ids = &hint.flow_tracking_data.reference_ids;
    let mut references = HashMap::new();
    for (path, id) in ids {
        let name = path.rsplit('.').next().unwrap_or(path);
        references.insert(name.to_owned(), program.references.get(*id)?.clone());
    }
    let step = bootloader.then(|| Step::of_hint(&hint.code)).flatten();
    let action = match (step, hint_script::parse(&hint.code)) {
        (Some(step), _) => Action::Bootloader(step),
        (None, Some(statements)) => Action::Script(statements),
        (None, None) => Action::Library(
            library
                .compile_hint(
                    &hint.code,
                    &tracking,
                    ids,
                    &program.references,
                    &hint.accessible_scopes,
                    constants.clone(),
                )
                .ok()?,
        ),
    };
    Some(Compiled { code: hint.code.clone(), tracking, references, action })
}

impl Compiled {
    /// Counts the addresses of all variables in view, and those that they point to.
    fn count(&self, vm: &VirtualMachine, meter: &mut MemoryMeter) -> Result<(), CairoError> {
        for reference in self.references.values().filter(|reference| self.is_in_view(reference)) {
            if let Some(address) = compute_addr_from_reference(reference, vm, &self.tracking) {
                meter.touch(address)?;
            }
            if let Some(MaybeRelocatable::RelocatableValue(pointer)) =
                get_maybe_relocatable_from_reference(vm, reference, &self.tracking)
            {
                meter.touch(pointer)?;
            }
        }
        Ok(())
    }

    /// A reference made at a later `ap` than the hint's has no address yet.
    fn is_in_view(&self, reference: &HintReference) -> bool {
        reference
            .ap_tracking_data
            .as_ref()
            .is_none_or(|made| made.group != self.tracking.group || made.offset <= self.tracking.offset)
    }
}

/// Why a hint could not be carried out.
enum Failure {
    Detail(String),
    Limit(CairoError),
}

impl Failure {
    fn at(self, pc: usize, hint: &str) -> CairoError {
        match self {
            Failure::Detail(detail) => CairoError::HintFailed { pc, hint: hint.into(), detail },
            Failure::Limit(error) => error,
        }
    }
}

fn failure<T>(detail: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Detail(detail.into()))
}

/// A hint being carried out.
struct Script<'a> {
    hint: &'a Compiled,
    vm: &'a mut VirtualMachine,
    input: &'a Value,
    names: HashMap<String, Operand>,
    meter: &'a mut MemoryMeter,
}

impl Script<'_> {
    fn run(mut self, statements: &[Statement]) -> Result<(), Failure> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Failure> {
        match statement {
            Statement::SetName(name, value) => {
                let value = self.evaluate(value)?;
                self.names.insert(name.clone(), value);
                Ok(())
            }
            Statement::SetIds(name, value) => {
                let value = self.cell(value)?;
                let reference = self.reference(name)?.clone();
                insert_value_from_reference(value, self.vm, &reference, &self.hint.tracking)
                    .or_else(|error| failure(error.to_string()))
            }
            Statement::SetMemory(address, value) => {
                let address = self.address(address)?;
                let value = self.cell(value)?;
                self.write(address, value)
            }
            Statement::LoadData(address, data) => {
                let start = self.address(address)?;
                let Operand::Json(Value::Array(data)) = self.evaluate(data)? else {
                    return failure("load_data takes an array of the program input");
                };
                for (index, value) in data.iter().enumerate() {
                    let address = Relocatable::from((start.segment_index, start.offset + index));
                    self.write(address, MaybeRelocatable::Int(integer(value)?))?;
                }
                Ok(())
            }
            Statement::AddPage { id, start, size } => {
                let (id, start, size) = (self.size(id)?, self.address(start)?, self.size(size)?);
                self.output()?.add_page(id, start, size).or_else(|error| failure(error.to_string()))
            }
            Statement::AddSignature { address, r, s } => {
                let address = self.address(address)?;
                let signature = (self.felt(r)?, self.felt(s)?);
                let builtin = self.vm.get_signature_builtin().or_else(|error| failure(error.to_string()))?;
                builtin.add_signature(address, &signature).or_else(|error| failure(error.to_string()))
            }
        }
    }

    fn write(&mut self, address: Relocatable, value: MaybeRelocatable) -> Result<(), Failure> {
        self.meter.touch(address).map_err(Failure::Limit)?;
        self.vm.insert_value(address, value).or_else(|error| failure(error.to_string()))
    }

    fn output(&mut self) -> Result<&mut OutputBuiltinRunner, Failure> {
        self.vm.get_output_builtin_mut().or_else(|error| failure(error.to_string()))
    }

    fn reference(&self, name: &str) -> Result<&HintReference, Failure> {
        match self.hint.references.get(name) {
            Some(reference) if self.hint.is_in_view(reference) => Ok(reference),
            _ => failure(format!("there is no variable ids.{name}")),
        }
    }

    fn address(&mut self, expression: &Expression) -> Result<Relocatable, Failure> {
        match self.cell(expression)? {
            MaybeRelocatable::RelocatableValue(address) => Ok(address),
            MaybeRelocatable::Int(value) => failure(format!("expected an address, got {value}")),
        }
    }

    fn felt(&mut self, expression: &Expression) -> Result<Felt252, Failure> {
        match self.cell(expression)? {
            MaybeRelocatable::Int(value) => Ok(value),
            MaybeRelocatable::RelocatableValue(address) => {
                failure(format!("expected a number, got {address}"))
            }
        }
    }

    fn size(&mut self, expression: &Expression) -> Result<usize, Failure> {
        let value = self.felt(expression)?;
        usize::try_from(value).or_else(|_| failure(format!("expected a small number, got {value}")))
    }

    /// The value as a memory cell holds it.
    fn cell(&mut self, expression: &Expression) -> Result<MaybeRelocatable, Failure> {
        match self.evaluate(expression)? {
            Operand::Cell(cell) => Ok(cell),
            Operand::Json(value) => integer(&value).map(MaybeRelocatable::Int),
        }
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Operand, Failure> {
        Ok(match expression {
            Expression::Number(digits) => Operand::Cell(MaybeRelocatable::Int(parse_integer(digits, 10)?)),
            Expression::Text(text) => Operand::Json(Value::String(text.clone())),
            Expression::ProgramInput => Operand::Json(self.input.clone()),
            Expression::Ap => Operand::Cell(self.vm.get_ap().into()),
            Expression::Fp => Operand::Cell(self.vm.get_fp().into()),
            Expression::Name(name) => match self.names.get(name) {
                Some(Operand::Json(value)) => Operand::Json(value.clone()),
                Some(Operand::Cell(value)) => Operand::Cell(value.clone()),
                None => return failure(format!("the name {name} has no value")),
            },
            Expression::Ids(name) => {
                let reference = self.reference(name)?;
                match get_maybe_relocatable_from_reference(self.vm, reference, &self.hint.tracking) {
                    Some(value) => Operand::Cell(value),
                    None => return failure(format!("ids.{name} has no value")),
                }
            }
            Expression::Index(base, index) => Operand::Json(self.index(base, index)?),
            Expression::ParseInteger(text, base) => match self.evaluate(text)? {
                Operand::Json(Value::String(text)) => {
                    Operand::Cell(MaybeRelocatable::Int(parse_integer(&text, *base)?))
                }
                _ => return failure("int() takes a text of the program input"),
            },
            Expression::Sum(left, right) => {
                let sum = self.cell(left)?.add(&self.cell(right)?);
                Operand::Cell(sum.or_else(|error| failure(error.to_string()))?)
            }
            Expression::Difference(left, right) => {
                let difference = self.cell(left)?.sub(&self.cell(right)?);
                Operand::Cell(difference.or_else(|error| failure(error.to_string()))?)
            }
            Expression::Product(left, right) => {
                Operand::Cell(MaybeRelocatable::Int(self.felt(left)? * self.felt(right)?))
            }
        })
    }

    /// An entry of the program input, reached without copying what is around it.
    fn index(&mut self, base: &Expression, index: &Expression) -> Result<Value, Failure> {
        let position = match index {
            Expression::Text(key) => Err(key.clone()),
            other => Ok(self.size(other)?),
        };
        let in_input = (*base == Expression::ProgramInput).then_some(self.input);
        let owned;
        let value = match in_input {
            Some(value) => value,
            None => {
                let Operand::Json(value) = self.evaluate(base)? else {
                    return failure("only the program input has entries");
                };
                owned = value;
                &owned
            }
        };
        let entry = match &position {
            Ok(position) => value.get(*position),
            Err(key) => value.get(key),
        };
        match (entry, position) {
            (Some(entry), _) => Ok(entry.clone()),
            (None, Ok(position)) => failure(format!("the program input has no entry {position} there")),
            (None, Err(key)) => failure(format!("the program input has no key {key:?} there")),
        }
    }
}

/// A number of the program input: an integer, or a text in decimal or hexadecimal.
fn integer(value: &Value) -> Result<Felt252, Failure> {
    match value {
        Value::Bool(flag) => Ok(Felt252::from(u64::from(*flag))),
        Value::Number(number) => parse_integer(&number.to_string(), 10),
        Value::String(text) => parse_integer(text, 10),
        other => failure(format!("expected a number in the program input, got {other}")),
    }
}

/// A text as an element of the field; negative numbers as p − |x|, an `0x` prefix wins over the base.
fn parse_integer(text: &str, base: u32) -> Result<Felt252, Failure> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let prefixed =
        if base == 16 && !digits.starts_with("0x") { format!("0x{digits}") } else { digits.to_owned() };
    match prefixed.parse::<Felt>().map(crate::convert::machine_felt) {
        Ok(value) => Ok(if negative { -value } else { value }),
        Err(error) => failure(format!("{error}")),
    }
}
