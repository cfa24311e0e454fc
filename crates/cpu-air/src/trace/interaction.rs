//! The interaction columns: running products that prove each sorted column a permutation of its pool, and the
//! diluted pool's cumulative value.

use ashlar_field::{Felt, batch_inverse};
use rayon::prelude::*;

use super::{columns::Columns, error::TraceError, memory_pool::FilledMemory, value_pool::FilledPool};
use crate::layout::Layout;

/// Factors that one parallel task multiplies up.
const TASK_FACTORS: usize = 1 << 14;

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

/// factor(0), factor(0)·factor(1), …: in parallel, by blocks.
fn running_products(count: usize, factor: impl Fn(usize) -> Felt + Sync) -> Vec<Felt> {
    let mut products = vec![Felt::ZERO; count];
    products.par_chunks_mut(TASK_FACTORS).enumerate().for_each(|(task, block)| {
        let mut product = Felt::ONE;
        for (index, slot) in block.iter_mut().enumerate() {
            product *= factor(task * TASK_FACTORS + index);
            *slot = product;
        }
    });
    let mut before = Vec::with_capacity(count.div_ceil(TASK_FACTORS));
    let mut product = Felt::ONE;
    for block in products.chunks(TASK_FACTORS) {
        before.push(product);
        product *= block.last().copied().unwrap_or(Felt::ONE);
    }
    let blocks = products.par_chunks_mut(TASK_FACTORS).zip(before).skip(1);
    blocks.for_each(|(block, before)| block.iter_mut().for_each(|product| *product *= before));
    products
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
    let products = running_products(memory.cells.len(), |position| {
        // The trace shows public cells as (0, 0); the verifier multiplies in what they stand for.
        let original = match memory.public.contains(position) {
            true => z,
            false => permutation.numerators[memory.cells[position] as usize],
        };
        original * permutation.inverses[memory.sorted[position] as usize]
    });
    let column = layout.column("memory/multi_column_perm/perm/cum_prod0")?;
    columns.fill(column, products.len(), |position| products[position]);
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
    let products = running_products(sorted.len(), |position| {
        permutation.numerators[usize::from(pool.cells[position])]
            * permutation.inverses[usize::from(sorted[position])]
    });
    let column = layout.column(name)?;
    columns.fill(column, products.len(), |position| products[position]);
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
    let sorted = pool.sorted();
    let mut values = Vec::with_capacity(sorted.len());
    let mut value = Felt::ONE;
    let mut previous = Felt::ZERO;
    for (position, &current) in sorted.iter().enumerate() {
        let current = form[usize::from(current)];
        let difference = current - previous;
        if position > 0 && !difference.is_zero() {
            value = value * (Felt::ONE + z * difference) + alpha * difference.square();
        }
        previous = current;
        values.push(value);
    }
    let column = layout.column("diluted_check/cumulative_value")?;
    columns.fill(column, values.len(), |position| values[position]);
    Ok(())
}
