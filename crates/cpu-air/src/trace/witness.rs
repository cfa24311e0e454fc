//! The witness of a Cairo run: makes the two traces, keeping between them no more than the pools.

use ashlar_field::{Column, Felt};
use ashlar_stark::air::Witness;

use super::{
    bitwise,
    columns::Columns,
    cpu::{self, Rules},
    ec_op, ecdsa,
    error::{Pool, TraceError},
    instances::Segment,
    interaction, keccak,
    memory_pool::{FilledMemory, MemoryPool},
    modular, pedersen, poseidon,
    range_check::RangeChecks,
    value_pool::{FilledPool, ValuePool, diluted_felts, small_felts},
};
use crate::{
    input::Execution,
    layout::{Builtin, Layout, LayoutError},
    statement,
};

/// Rows and pool positions are 32-bit numbers in the pools.
const MAX_TRACE_LENGTH: u64 = 1 << 32;

/// The witness of one run.
pub struct CpuWitness<'a> {
    layout: &'a Layout,
    rules: Rules,
    state: State,
}

enum State {
    /// Before the first trace.
    Run(Box<Execution>),
    /// Between the traces.
    Pools(Box<Pools>),
    /// After the interaction trace.
    Spent,
}

struct Pools {
    length: usize,
    memory: FilledMemory,
    range_check: FilledPool,
    diluted: Option<FilledPool>,
}

impl<'a> CpuWitness<'a> {
    /// The witness of this run in this layout. Nothing is checked yet.
    pub fn new(layout: &'a Layout, execution: Execution) -> CpuWitness<'a> {
        CpuWitness { layout, rules: Rules::Enforced, state: State::Run(Box::new(execution)) }
    }

    /// The witness of a run that may break the rules of the machine, as Stone's prover takes it: first and last state
    /// need not be those of the statement, assertions need not hold, and no state need follow from the one before.
    /// If so, no proof of it is accepted.
    ///
    /// What cannot be written into a trace is an error here too: a missing address, a word that is no instruction, a
    /// memory cell with two values, a value outside its pool, an impossible builtin instance.
    pub fn unchecked(layout: &'a Layout, execution: Execution) -> CpuWitness<'a> {
        CpuWitness { layout, rules: Rules::Ignored, state: State::Run(Box::new(execution)) }
    }
}

impl Witness for CpuWitness<'_> {
    type Error = TraceError;

    /// The first trace.
    ///
    /// # Errors
    /// If the statement is wrong, or the run does not make a trace of it: see [`TraceError`].
    fn first_trace(&mut self) -> Result<Vec<Column>, TraceError> {
        let State::Run(execution) = std::mem::replace(&mut self.state, State::Spent) else {
            return Err(TraceError::Protocol("the first trace was already taken"));
        };
        let (columns, pools) = first_trace(self.layout, &execution, self.rules)?;
        self.state = State::Pools(Box::new(pools));
        Ok(columns)
    }

    /// The interaction trace.
    ///
    /// # Errors
    /// If the first trace was not made, or an element makes a denominator zero.
    fn interaction_trace(&mut self, elements: &[Felt]) -> Result<Vec<Column>, TraceError> {
        let State::Pools(pools) = std::mem::replace(&mut self.state, State::Spent) else {
            return Err(TraceError::Protocol("before the first trace, or twice"));
        };
        interaction_trace(self.layout, &pools, elements)
    }
}

fn first_trace(
    layout: &Layout,
    execution: &Execution,
    rules: Rules,
) -> Result<(Vec<Column>, Pools), TraceError> {
    let public = &execution.public_input;
    statement::check(public, layout)?;
    let length = layout.trace_length(public.n_steps)?;
    if length > MAX_TRACE_LENGTH {
        return Err(TraceError::TooLong { got: length });
    }
    let length = length as usize;
    let got = execution.trace.len() as u64;
    if got != public.n_steps {
        return Err(TraceError::WrongTraceLength { expected: public.n_steps, got });
    }

    let column = |name: &str| layout.column(name);
    let mut columns = Columns::zeros(0, layout.first_columns, length);
    let mut memory = new_memory(layout, length)?;
    // `statement::check` has bounded both by 2^16.
    let bounds = (public.rc_min as u16, public.rc_max as u16);
    let mut range_check = new_pool(layout, Pool::RangeCheck, "range_check16_pool", length, bounds)?;
    let mut diluted = match layout.has_diluted() {
        true => Some(new_pool(layout, Pool::Diluted, "diluted_pool", length, (0, u16::MAX))?),
        false => None,
    };

    cpu::write(layout, execution, rules, &mut columns, &mut memory, &mut range_check)?;
    memory.state_public(&public.public_memory);
    let segment = |builtin| Segment::new(builtin, layout, public, length);
    let private = &execution.private_input;
    if let Some(segment) = segment(Builtin::Pedersen)? {
        pedersen::write(layout, segment, &private.pedersen, &mut columns, &mut memory)?;
    }
    if let Some(segment) = segment(Builtin::Ecdsa)? {
        ecdsa::write(layout, segment, &private.ecdsa, &mut columns, &mut memory)?;
    }
    if let (Some(segment), Some(diluted)) = (segment(Builtin::Bitwise)?, diluted.as_mut()) {
        bitwise::write(layout, segment, &private.bitwise, &mut memory, diluted)?;
    }
    if let Some(segment) = segment(Builtin::EcOp)? {
        ec_op::write(layout, segment, &private.ec_op, &mut columns, &mut memory)?;
    }
    if let (Some(segment), Some(diluted)) = (segment(Builtin::Keccak)?, diluted.as_mut()) {
        keccak::write(layout, segment, &private.keccak, &mut columns, &mut memory, diluted)?;
    }
    if let Some(segment) = segment(Builtin::Poseidon)? {
        poseidon::write(layout, segment, &private.poseidon, &mut columns, &mut memory)?;
    }
    let mut range_checks = Vec::new();
    if let Some(segment) = segment(Builtin::RangeCheck)? {
        let builtin = RangeChecks::new128(layout, segment, &memory, &range_check)?;
        builtin.write_parts(&private.range_check, &mut range_check)?;
        range_checks.push(builtin);
    }
    if let Some(segment) = segment(Builtin::RangeCheck96)? {
        let builtin = RangeChecks::new96(layout, segment, &memory, &range_check)?;
        builtin.write_parts(&private.range_check96, &mut range_check)?;
        range_checks.push(builtin);
    }

    if let Some(segment) = segment(Builtin::AddMod)? {
        modular::write_additions(layout, segment, &private.add_mod, &mut columns, &mut memory)?;
    }
    if let Some(segment) = segment(Builtin::MulMod)? {
        modular::write_multiplications(layout, segment, &private.mul_mod, &mut memory, &mut range_check)?;
    }

    let range_check = range_check.fill()?;
    range_checks.iter().for_each(|builtin| builtin.write_memory(&range_check, &mut memory));
    range_check.write(&mut columns, column("range_check16/sorted")?, small_felts());
    let diluted = diluted.map(ValuePool::fill).transpose()?;
    if let Some(diluted) = &diluted {
        diluted.write(&mut columns, column("diluted_check/permuted_values")?, diluted_felts());
    }
    let memory = memory.fill(&execution.memory)?;
    let sorted = [column("memory/sorted/addr")?, column("memory/sorted/value")?];
    memory.write(&mut columns, column("mem_pool/value")?, sorted);
    Ok((columns.into_inner(), Pools { length, memory, range_check, diluted }))
}

fn new_memory(layout: &Layout, length: usize) -> Result<MemoryPool, LayoutError> {
    let pool = layout.column("mem_pool/addr")?;
    MemoryPool::new(pool, layout.column("orig/public_memory/addr")?, length / pool.step.max(1))
}

fn new_pool(
    layout: &Layout,
    name: Pool,
    column: &str,
    length: usize,
    (min, max): (u16, u16),
) -> Result<ValuePool, LayoutError> {
    let pool = layout.column(column)?;
    Ok(ValuePool::new(name, pool, length / pool.step.max(1), min, max))
}

fn interaction_trace(layout: &Layout, pools: &Pools, elements: &[Felt]) -> Result<Vec<Column>, TraceError> {
    let mut columns = Columns::zeros(layout.first_columns, layout.second_columns, pools.length);
    let few = TraceError::Protocol("with too few elements");
    let &[z, lambda, range_check, ..] = elements else { return Err(few) };
    interaction::write_memory(layout, &mut columns, &pools.memory, [z, lambda])?;
    let small = small_felts();
    let name = "range_check16/perm/cum_prod0";
    interaction::write_values(layout, &mut columns, &pools.range_check, name, small, (2, range_check))?;
    if let Some(diluted) = &pools.diluted {
        let &[_, _, _, permutation, z, alpha, ..] = elements else { return Err(few) };
        let form = diluted_felts();
        let name = "diluted_check/permutation/cum_prod0";
        interaction::write_values(layout, &mut columns, diluted, name, form, (3, permutation))?;
        interaction::write_cumulative(layout, &mut columns, diluted, form, [z, alpha])?;
    }
    Ok(columns.into_inner())
}
