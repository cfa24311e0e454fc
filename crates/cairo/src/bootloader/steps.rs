//! What a bootloader asks of its surroundings while it runs one finished run: its hints.
//!
//! A simple bootloader writes the program of its task into memory, hashes it, calls it, and puts out length, hash and
//! output. Its hints choose which task; for a finished run, the whole memory of the task is put in place before the call,
//! and no hint of the task itself is carried out. None of this is trusted: what the bootloader's own instructions assert
//! is what is proven, and the output is compared with what was computed from the archive.
//!
//! A hint is known by what of its text no other hint has.

use std::{any::Any, collections::HashMap};

use ashlar_cpu_air::statement::BOOTLOADER_BUILTINS;
use cairo_vm::{
    Felt252,
    hint_processor::{
        builtin_hint_processor::hint_utils::{
            get_integer_from_var_name, get_ptr_from_var_name, get_relocatable_from_var_name,
            insert_value_from_var_name, insert_value_into_ap,
        },
        hint_processor_definition::HintReference,
    },
    serde::deserialize_program::ApTracking,
    types::{
        exec_scope::ExecutionScopes,
        relocatable::{MaybeRelocatable, Relocatable},
    },
    vm::{errors::hint_errors::HintError, vm_core::VirtualMachine},
};

use super::Loading;
use crate::{
    CairoError,
    finished::{Address, Cell, FinishedRun, Role, Value},
    machine::MemoryMeter,
};

/// The variable of the scopes that counts builtins which are still to be selected.
const SELECTED: &str = "n_selected_builtins";

/// Fields of the program's header before the list of builtins: length, version, main, count.
const HEADER_FIELDS: usize = 4;

/// A hint of a bootloader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing is to be done: what it prepares is for tasks of another kind, for pages beside page 0, or known already.
    Nothing,
    /// The number of tasks, and a place for the tasks' range checks.
    Begin,
    /// `num // 2`.
    Half,
    /// The task's program is hashed anew, not taken from the task before.
    HashAnew,
    /// The hash function: a chain of Pedersen hashes.
    HashFunction,
    /// The task's program is written into memory.
    LoadProgram,
    /// The task's memory is put in place; what it returns to is known.
    LoadMemory,
    /// The scope of the task's own hints ends.
    Leave,
    /// The builtin pointers that the task returns are put beside those that it does not use.
    ReturnBuiltins,
    /// A scope with the number of builtins to be selected.
    EnterSelection,
    /// Whether the next builtin is one of those.
    Select,
    /// A segment that stands for a builtin which the layout lacks and the task does not use.
    StandIn(&'static str),
}

/// Beginnings or parts of hints, and what they ask for.
const KNOWN: &[(&str, Step)] = &[
    ("SETUP_RUN_SIMPLE_BOOTLOADER_BEFORE_TASK_EXECUTION", Step::Begin),
    ("SIMPLE_BOOTLOADER_SET_CURRENT_TASK", Step::Nothing),
    ("to_felt_or_relocatable(task.program_hash_function)", Step::HashFunction),
    ("to_felt_or_relocatable(ids.num // 2)", Step::Half),
    ("DETERMINE_USE_PREV_HASH", Step::HashAnew),
    ("LOAD_PROGRAM_SEGMENT", Step::LoadProgram),
    ("assert ids.program_address == program_address", Step::Nothing),
    ("load_cairo_pie(", Step::LoadMemory),
    ("# Note that bootloader_input will only be available in the next hint.", Step::Leave),
    ("write_return_builtins(", Step::ReturnBuiltins),
    ("get_task_fact_topology(", Step::Nothing),
    ("configure_fact_topologies(", Step::Nothing),
    ("SimpleBootloaderInput.Schema().load(program_input)", Step::Nothing),
    ("vm_enter_scope({'n_selected_builtins': ids.n_selected_builtins})", Step::EnterSelection),
    ("ids.select_builtin = int(", Step::Select),
    ("ids.new_ec_op_ptr = segments.add()", Step::StandIn("new_ec_op_ptr")),
    ("ids.new_keccak_ptr = segments.add()", Step::StandIn("new_keccak_ptr")),
    ("ids.new_ecdsa_ptr = segments.add()", Step::StandIn("new_ecdsa_ptr")),
];

impl Step {
    /// What a hint asks for, if it is one of a bootloader.
    pub(crate) fn of_hint(code: &str) -> Option<Step> {
        KNOWN.iter().find(|(part, _)| code.contains(part)).map(|(_, step)| *step)
    }
}

/// What a hint sees.
pub(crate) struct Surroundings<'a> {
    pub(crate) loading: &'a Loading<'a>,
    /// Where the task's program was put, once it was.
    pub(crate) program: &'a mut Option<Relocatable>,
    pub(crate) vm: &'a mut VirtualMachine,
    pub(crate) scopes: &'a mut ExecutionScopes,
    pub(crate) meter: &'a mut MemoryMeter,
    pub(crate) references: &'a HashMap<String, HintReference>,
    pub(crate) tracking: &'a ApTracking,
}

/// Why a hint could not be carried out.
pub(crate) enum Refusal {
    Hint(HintError),
    Limit(CairoError),
}

impl<E: Into<HintError>> From<E> for Refusal {
    fn from(error: E) -> Refusal {
        Refusal::Hint(error.into())
    }
}

fn refused<T>(detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Hint(HintError::CustomHint(detail.into().into_boxed_str())))
}

impl Surroundings<'_> {
    /// Carries out a hint.
    pub(crate) fn perform(&mut self, step: Step) -> Result<(), Refusal> {
        match step {
            Step::Nothing => Ok(()),
            Step::Begin => {
                let output = self.pointer("output_ptr")?;
                self.write(output, Felt252::ONE)?;
                let place = self.vm.add_temporary_segment();
                self.set("initial_subtasks_range_check_ptr", place)
            }
            Step::Half => {
                let number = get_integer_from_var_name("num", self.vm, self.references, self.tracking)?;
                let half = Felt252::from(number.to_biguint() / 2u32);
                Ok(insert_value_into_ap(self.vm, half)?)
            }
            Step::HashAnew => self.set("use_prev_hash", Felt252::ZERO),
            Step::HashFunction => Ok(insert_value_into_ap(self.vm, Felt252::ZERO)?),
            Step::LoadProgram => self.load_program(),
            Step::LoadMemory => self.load_memory(),
            Step::Leave => self.scopes.exit_scope().map_err(HintError::from).map_err(Refusal::Hint),
            Step::ReturnBuiltins => self.return_builtins(),
            Step::EnterSelection => {
                let name = SELECTED;
                let count = get_integer_from_var_name(name, self.vm, self.references, self.tracking)?;
                self.enter_selection(count);
                Ok(())
            }
            Step::Select => self.select(),
            Step::StandIn(name) => {
                let place = self.vm.add_memory_segment();
                self.set(name, place)
            }
        }
    }

    /// Length, version, main, builtins and words of the program, in a segment of its own.
    fn load_program(&mut self) -> Result<(), Refusal> {
        let run = self.loading.run;
        let segment = self.vm.add_memory_segment();
        self.set("program_segment_ptr", segment)?;
        let header = self.pointer("program_header")?;
        let count = run.builtins.len();
        // The length does not count itself.
        let length = HEADER_FIELDS + count - 1 + run.words.len();
        let fields = [length, 0, run.main, count].map(Felt252::from);
        let names = run.builtins.iter().map(|name| Felt252::from_bytes_be_slice(name.to_str().as_bytes()));
        let words = run.words.iter().copied();
        for (index, word) in fields.into_iter().chain(names).chain(words).enumerate() {
            self.write((header + index)?, word)?;
        }
        *self.program = Some((header + (HEADER_FIELDS + count))?);
        Ok(())
    }

    /// Every cell of the task's memory, where the bootloader is about to call it.
    fn load_memory(&mut self) -> Result<(), Refusal> {
        let Loading { run, return_distance } = *self.loading;
        let Some(program) = *self.program else { return refused("the task's program was not loaded") };
        let bottom = (self.vm.get_ap() - run.builtins.len())?;
        let mut bases = Vec::with_capacity(run.roles.len());
        for role in &run.roles {
            bases.push(match role {
                Role::Program => MaybeRelocatable::from(program),
                Role::Execution => bottom.into(),
                Role::ReturnFp => self.vm.get_fp().into(),
                Role::ReturnPc => (self.vm.get_pc() + return_distance)?.into(),
                Role::Builtin(index) => {
                    let place = (bottom + *index)?;
                    match self.vm.get_maybe(&place) {
                        Some(pointer) => pointer,
                        None => return refused(format!("there is no pointer to builtin {index}")),
                    }
                }
                Role::Extra => self.vm.add_memory_segment().into(),
            });
        }
        let moved = |address: Address| -> Result<Relocatable, Refusal> {
            match bases.get(usize::from(address.segment)) {
                Some(MaybeRelocatable::RelocatableValue(base)) => Ok((*base + address.offset as usize)?),
                _ => refused(format!("the task uses segment {}, which is not here", address.segment)),
            }
        };
        self.add_signatures(run, &moved)?;
        for Cell { address, value } in &run.memory {
            let to = moved(*address)?;
            let value = match value {
                Value::Number(number) => MaybeRelocatable::Int(*number),
                Value::Address(address) => moved(*address)?.into(),
            };
            self.write(to, value)?;
        }
        // Hints of the task would have a scope; the hint after the task leaves it.
        self.scopes.enter_scope(HashMap::new());
        Ok(())
    }

    /// Before the memory: the machine checks a signature when its message is written.
    fn add_signatures(
        &mut self,
        run: &FinishedRun,
        moved: &impl Fn(Address) -> Result<Relocatable, Refusal>,
    ) -> Result<(), Refusal> {
        if run.signatures.is_empty() {
            return Ok(());
        }
        let builtin = self.vm.get_signature_builtin()?;
        for (place, signature) in &run.signatures {
            builtin.add_signature(moved(*place)?, signature)?;
        }
        Ok(())
    }

    /// The pointers of all builtins after the task: those that it returned, and for the others those from before.
    fn return_builtins(&mut self) -> Result<(), Refusal> {
        let run = self.loading.run;
        let address = |name| get_relocatable_from_var_name(name, self.vm, self.references, self.tracking);
        let (after, before) = (address("return_builtin_ptrs")?, address("pre_execution_builtin_ptrs")?);
        let returned = self.pointer("used_builtins_addr")?;
        for (index, name) in BOOTLOADER_BUILTINS.into_iter().enumerate() {
            let place = run.builtins.iter().position(|used| used.to_str() == name);
            let from = match place {
                Some(place) => (returned + place)?,
                None => (before + index)?,
            };
            let Some(pointer) = self.vm.get_maybe(&from) else {
                return refused(format!("there is no pointer to {name}"));
            };
            if let (Some(place), MaybeRelocatable::RelocatableValue(end)) = (place, &pointer) {
                self.check_usage(name, place, self.vm.get_relocatable((before + index)?)?, *end)?;
            }
            self.write((after + index)?, pointer)?;
        }
        self.enter_selection(Felt252::from(run.builtins.len()));
        Ok(())
    }

    /// The archive says how many cells of a builtin the program used.
    fn check_usage(
        &self,
        name: &str,
        place: usize,
        begin: Relocatable,
        end: Relocatable,
    ) -> Result<(), Refusal> {
        let (expected, got) = (self.loading.run.builtin_cells(place), (end - begin)? as u64);
        match expected == got {
            true => Ok(()),
            false => refused(format!("expected {expected} cells of {name}, got {got}")),
        }
    }

    fn enter_selection(&mut self, count: Felt252) {
        let count: Box<dyn Any> = Box::new(count);
        self.scopes.enter_scope(HashMap::from([(SELECTED.to_owned(), count)]));
    }

    /// Both lists have the same order, so that a builtin is selected if and only if it is the next one of the shorter.
    fn select(&mut self) -> Result<(), Refusal> {
        let left: Felt252 = self.scopes.get(SELECTED)?;
        let is_next = left != Felt252::ZERO && {
            let (selected, all) = (self.pointer("selected_encodings")?, self.pointer("all_encodings")?);
            self.vm.get_integer(selected)?.as_ref() == self.vm.get_integer(all)?.as_ref()
        };
        self.set("select_builtin", Felt252::from(u64::from(is_next)))?;
        if is_next {
            self.scopes.insert_value(SELECTED, left - Felt252::ONE);
        }
        Ok(())
    }

    fn pointer(&self, name: &str) -> Result<Relocatable, Refusal> {
        Ok(get_ptr_from_var_name(name, self.vm, self.references, self.tracking)?)
    }

    fn set(&mut self, name: &str, value: impl Into<MaybeRelocatable>) -> Result<(), Refusal> {
        Ok(insert_value_from_var_name(name, value, self.vm, self.references, self.tracking)?)
    }

    fn write(&mut self, to: Relocatable, value: impl Into<MaybeRelocatable>) -> Result<(), Refusal> {
        self.meter.touch(to).map_err(Refusal::Limit)?;
        Ok(self.vm.insert_value(to, value)?)
    }
}
