//! The interaction columns: running products that prove each sorted column a permutation of its pool, and the
//! diluted pool's cumulative value.

use ashlar_field::{Felt, batch_inverse};
use rayon::prelude::*;

use super::{columns::Columns, error::TraceError, memory_pool::FilledMemory, value_pool::FilledPool};
use crate::layout::Layout;

/// Which factor belongs to a cell: 1 / table entry of the sorted cell times the table entry of the original.
struct Permutation {
    /// z − (what a cell stands for), by table index.
    numerators: Vec<Felt>,
    /// The inverses.
    inverses: Vec<Felt>,
}

impl Permutation {
    /// `element` is the index of z among the interaction elements.
    fn new(numerators: Vec<Felt>, element: usize) -> Result<Permutation, TraceError> {
        if numerators.iter().any(|numerator| numerator.is_zero()) {
            return Err(TraceError::DegenerateElement { index: element });
        }
        let mut inverses = numerators.clone();
        inverses.par_chunks_mut(1 << 12).for_each(batch_inverse);
        Ok(Permutation { numerators, inverses })
    }
}

/// Writes the memory permutation's products; elements z and λ.
pub(super) fn write_memory(
    layout: &Layout,
    columns: &mut Columns,
    memory: &FilledMemory,
    [z, lambda]: [Felt; 2],
) -> Result<(), TraceError> {
    let numerators = (0..memory.values.len() as u32).into_par_iter();
    let numerators =
        numerators.map(|address| z - (memory.address(address) + lambda * memory.values[address as usize]));
    let permutation = Permutation::new(numerators.collect(), 0)?;
    let column = layout.column("memory/multi_column_perm/perm/cum_prod0")?;
    columns.fill_products(column, memory.cells.len(), |position| {
        // The trace shows public cells as (0, 0); the verifier multiplies in what they stand for.
        let original = match memory.public.contains(position) {
            true => z,
            false => permutation.numerators[memory.cells[position] as usize],
        };
        original * permutation.inverses[memory.sorted[position] as usize]
    });
    Ok(())
}

/// Writes a value pool's products into the virtual column `name`; `form` is the table of values' elements and
/// `element` the index of z among the interaction elements.
pub(super) fn write_values(
    layout: &Layout,
    columns: &mut Columns,
    pool: &FilledPool,
    name: &str,
    form: &[Felt],
    (element, z): (usize, Felt),
) -> Result<(), TraceError> {
    let permutation = Permutation::new(form.par_iter().map(|&value| z - value).collect(), element)?;
    let sorted = pool.sorted();
    columns.fill_products(layout.column(name)?, sorted.len(), |position| {
        permutation.numerators[usize::from(pool.cells[position])]
            * permutation.inverses[usize::from(sorted[position])]
    });
    Ok(())
}

/// Writes the cumulative value v' = v(1 + Z·d) + A·d² over the differences d of the sorted diluted values, from 1.
pub(super) fn write_cumulative(
    layout: &Layout,
    columns: &mut Columns,
    pool: &FilledPool,
    form: &[Felt],
    [z, alpha]: [Felt; 2],
) -> Result<(), TraceError> {
    // It changes only where the sorted values climb, and they climb through the whole table one by one.
    let mut cumulative = Vec::with_capacity(form.len());
    let mut value = Felt::ONE;
    let mut previous = Felt::ZERO;
    for &current in form {
        let difference = current - previous;
        // For the first value, zero, this leaves one.
        value = value * (Felt::ONE + z * difference) + alpha * difference.square();
        cumulative.push(value);
        previous = current;
    }
    let sorted = pool.sorted();
    let column = layout.column("diluted_check/cumulative_value")?;
    columns.fill(column, sorted.len(), |position| cumulative[usize::from(sorted[position])]);
    Ok(())
}
