//! The Cairo CPU AIR of one statement: layout, trace length and public input put together.

use ashlar_field::Felt;
use ashlar_stark::air::{Air, ConstraintSystem};

use crate::{
    component::{Parameter, constraint_system, diluted_final_value},
    input::{MemorySegment, PublicInput},
    layout::Layout,
    statement::{self, StatementError},
};

/// The Cairo CPU AIR for one public input.
#[derive(Clone, Debug)]
pub struct CpuAir {
    log_length: u32,
    widths: [usize; 2],
    interaction_element_count: usize,
    system: ConstraintSystem,
    public_memory: PublicMemory,
    /// The parameters, those zero that depend on interaction elements.
    fixed_parameters: [Felt; Parameter::COUNT],
}

/// What the public memory contributes to the memory permutation.
#[derive(Clone, Debug)]
struct PublicMemory {
    /// Address and value.
    cells: Vec<[Felt; 2]>,
    /// Cells of the trace for it; those that are left over repeat the first.
    capacity: u64,
}

impl PublicMemory {
    /// zⁿ / Π (z − (address + λ·value)) over all n cells: the last value of the running product, since the trace
    /// itself holds (0, 0) there. `None` if a factor of the denominator is zero.
    fn product(&self, point: Felt, fold: Felt) -> Option<Felt> {
        let factor = |&[address, value]: &[Felt; 2]| point - (address + fold * value);
        let padding = factor(self.cells.first()?);
        let given: Felt = self.cells.iter().map(factor).product();
        let left_over = self.capacity.checked_sub(self.cells.len() as u64)?;
        let denominator = (given * padding.pow(left_over)).inverse()?;
        Some(point.pow(self.capacity) * denominator)
    }
}

impl CpuAir {
    /// The AIR of this public input, which must pass [`statement::check`]: the constraints rely on a power-of-two
    /// number of steps that holds every component, on the bounds of the 16-bit pool, and on public memory that is
    /// there and fits.
    ///
    /// # Errors
    /// Those of [`statement::check`].
    pub fn new(layout: &Layout, public_input: &PublicInput) -> Result<CpuAir, StatementError> {
        statement::check(public_input, layout)?;
        let length = layout.trace_length(public_input.n_steps)?;
        let public_memory_step = layout.column("orig/public_memory/addr")?.step as u64;
        let cells = public_input.public_memory.iter();
        Ok(CpuAir {
            log_length: length.ilog2(),
            widths: [layout.first_columns, layout.second_columns],
            interaction_element_count: layout.interaction_element_count,
            system: constraint_system(layout, length)?,
            public_memory: PublicMemory {
                cells: cells.map(|cell| [Felt::from_u64(cell.address), cell.value]).collect(),
                capacity: length / public_memory_step,
            },
            fixed_parameters: fixed_parameters(layout, public_input)?,
        })
    }
}

/// The parameters that do not depend on interaction elements.
fn fixed_parameters(
    layout: &Layout,
    public_input: &PublicInput,
) -> Result<[Felt; Parameter::COUNT], StatementError> {
    let segment = |segment: &'static str| -> Result<MemorySegment, StatementError> {
        let found = public_input.memory_segments.get(segment).copied();
        found.ok_or(StatementError::MissingSegment { layout: layout.name, segment })
    };
    let mut parameters = [Felt::ZERO; Parameter::COUNT];
    let mut set = |parameter: Parameter, value: u64| parameters[parameter.index()] = Felt::from_u64(value);
    let program = segment("program")?;
    let execution = segment("execution")?;
    set(Parameter::InitialPc, program.begin_addr);
    set(Parameter::FinalPc, program.stop_ptr);
    set(Parameter::InitialAp, execution.begin_addr);
    set(Parameter::FinalAp, execution.stop_ptr);
    set(Parameter::RangeCheckMin, public_input.rc_min);
    set(Parameter::RangeCheckMax, public_input.rc_max);
    for &builtin in layout.builtins() {
        set(Parameter::SegmentBegin(builtin), segment(builtin.segment())?.begin_addr);
    }
    Ok(parameters)
}

impl Air for CpuAir {
    fn log_trace_length(&self) -> u32 {
        self.log_length
    }

    fn trace_widths(&self) -> [usize; 2] {
        self.widths
    }

    fn interaction_element_count(&self) -> usize {
        self.interaction_element_count
    }

    fn constraint_system(&self) -> &ConstraintSystem {
        &self.system
    }

    fn parameters(&self, interaction_elements: &[Felt]) -> Option<Vec<Felt>> {
        if interaction_elements.len() != self.interaction_element_count {
            return None;
        }
        let mut parameters = self.fixed_parameters.to_vec();
        parameters[..interaction_elements.len()].copy_from_slice(interaction_elements);
        let value = |parameter: Parameter| parameters[parameter.index()];
        let product =
            self.public_memory.product(value(Parameter::MemoryPoint), value(Parameter::MemoryFold))?;
        let diluted = diluted_final_value(value(Parameter::DilutedZ), value(Parameter::DilutedA));
        parameters[Parameter::MemoryProduct.index()] = product;
        parameters[Parameter::DilutedFinalValue.index()] = diluted;
        Some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_memory_beyond_its_cells_of_the_trace_has_no_product() {
        let (point, fold) = (Felt::from_u64(1000), Felt::from_u64(7));
        let memory = |cells: u64| PublicMemory {
            cells: (1..=cells).map(|address| [Felt::from_u64(address), Felt::ONE]).collect(),
            capacity: 4,
        };
        assert!(memory(4).product(point, fold).is_some());
        assert_eq!(memory(5).product(point, fold), None);
        assert_eq!(memory(0).product(point, fold), None);
    }
}
