//! The bitwise builtin: x, y, x & y and x ^ y, each as sixteen cells of the diluted pool.

use ashlar_field::Felt;

use super::{
    error::TraceError,
    instances::{Segment, check_bits},
    memory_pool::MemoryPool,
    value_pool::ValuePool,
};
use crate::{
    input::BitwiseInstance,
    layout::{Builtin, Layout},
};

/// Bits of an input.
const BITS: u32 = 251;
/// Diluted cells of one value.
const PARTS: usize = 16;

/// Bit k of cell c is bit 64⌊c/4⌋ + c mod 4 + 4k of the value.
fn part(limbs: &[u64; 4], cell: usize) -> u16 {
    let limb = limbs[cell / 4] >> (cell % 4);
    (0..16).map(|bit| (((limb >> (4 * bit)) & 1) as u16) << bit).sum()
}

/// Writes all instances; fillers are zero.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[BitwiseInstance],
    memory: &mut MemoryPool,
    diluted: &mut ValuePool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    let mut cells = Vec::new();
    for name in ["x", "y", "x_and_y", "x_xor_y", "x_or_y"] {
        cells.push(memory.cells_of(layout.column(&format!("bitwise/{name}/addr"))?)?);
    }
    let parts = diluted.cells_of(layout.column("bitwise/diluted_var_pool")?)?;
    let mut trims = Vec::new();
    for bit in 192..196 {
        trims.push(diluted.cells_of(layout.column(&format!("bitwise/trim_unpacking{bit}"))?)?);
    }
    for (index, instance) in placed.into_iter().enumerate() {
        let [mut x, mut y] = [[0; 4]; 2];
        if let Some(instance) = instance {
            check_bits(Builtin::Bitwise, instance.index, "x", instance.x, BITS)?;
            check_bits(Builtin::Bitwise, instance.index, "y", instance.y, BITS)?;
            x = instance.x.to_standard_limbs();
            y = instance.y.to_standard_limbs();
        }
        let combine = |operation: fn(u64, u64) -> u64| -> [u64; 4] {
            std::array::from_fn(|limb| operation(x[limb], y[limb]))
        };
        let or = combine(|a, b| a | b);
        let values = [x, y, combine(|a, b| a & b), combine(|a, b| a ^ b)];
        let place = segment.place(index);
        for (value, limbs) in values.iter().enumerate() {
            for cell in 0..PARTS {
                let position = parts.position(PARTS * (values.len() * index + value) + cell);
                diluted.write(position, part(limbs, cell), place)?;
            }
        }
        // The top parts of x | y, moved up to where only values below 2^251 leave them in the pool.
        for (trim, cells) in trims.iter().enumerate() {
            let shift = if trim == 3 { 2 } else { 1 };
            diluted.write(cells.position(index), part(&or, 12 + trim) << shift, place)?;
        }
        let [x, y, and, xor] = values.map(Felt::from_limbs_reduced);
        segment.state(memory, index, &cells, &[x, y, and, xor, Felt::from_limbs_reduced(or)]);
    }
    Ok(())
}
