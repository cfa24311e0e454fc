//! The Poseidon builtin: the Hades permutation, recorded as the inputs of its cubes and their squares.

use ashlar_field::Felt;
use ashlar_hash::poseidon::round_keys;

use super::{
    columns::{Columns, Run},
    error::TraceError,
    instances::{Segment, for_each_batch},
    memory_pool::MemoryPool,
};
use crate::{
    input::PoseidonInstance,
    layout::{Layout, VirtualColumn},
};

/// Full rounds before, and again after, the partial ones.
const HALF_FULL: usize = 4;
/// Partial rounds recorded in the first virtual column.
const FIRST_PARTIAL: usize = 64;
/// The partial round with which the second virtual column starts: it repeats three rounds of the first.
const SECOND_START: usize = 61;
/// Cells of an instance in the second virtual column, not all of them used.
const SECOND_HEIGHT: usize = 32;

/// Values with their squares.
#[derive(Clone, Debug, Default)]
struct Squared {
    values: Vec<Felt>,
    squares: Vec<Felt>,
}

impl Squared {
    /// Records the input of a cube; gives the cube.
    fn cube(&mut self, value: Felt) -> Felt {
        let square = value.square();
        self.values.push(value);
        self.squares.push(square);
        square * value
    }
}

/// One permutation with its trace.
struct Permutation {
    input: [Felt; 3],
    output: [Felt; 3],
    /// Lanes 0, 1, 2 in the full rounds.
    full: [Squared; 3],
    /// Lane 2 in the first 64 partial rounds.
    first: Squared,
    /// Lane 2 from partial round 61.
    second: Squared,
}

fn permute(input: [Felt; 3]) -> Permutation {
    let keys = round_keys();
    let partial = HALF_FULL..keys.len() - HALF_FULL;
    let mut permutation = Permutation {
        input,
        output: input,
        full: Default::default(),
        first: Squared::default(),
        second: Squared::default(),
    };
    let mut state = input;
    for (round, keys) in keys.iter().enumerate() {
        let [mut a, mut b, c] = [0, 1, 2].map(|lane| state[lane] + keys[lane]);
        let c = if partial.contains(&round) {
            let round = round - HALF_FULL;
            let cube = match round < FIRST_PARTIAL {
                true => permutation.first.cube(c),
                false => Felt::ZERO,
            };
            if round < SECOND_START { cube } else { permutation.second.cube(c) }
        } else {
            a = permutation.full[0].cube(a);
            b = permutation.full[1].cube(b);
            permutation.full[2].cube(c)
        };
        // Rows (3, 1, 1), (1, −1, 1), (1, 1, −2).
        let sum = a + b + c;
        state = [sum + a.double(), sum - b.double(), sum - c.double() - c];
    }
    permutation.output = state;
    permutation
}

/// Writes all instances; fillers permute zeros.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[PoseidonInstance],
    columns: &mut Columns,
    memory: &mut MemoryPool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    let squared = |name: String| {
        let column = |suffix: &str| layout.column(&format!("poseidon/poseidon/{name}{suffix}"));
        Ok::<_, TraceError>([column("")?, column("_squared")?])
    };
    let mut full = Vec::new();
    let mut cells = Vec::new();
    for lane in 0..3 {
        full.push(squared(format!("full_rounds_state{lane}"))?);
        let name = format!("poseidon/param_{lane}/input_output/addr");
        cells.push(memory.cells_of(layout.column(&name)?)?);
    }
    let first = squared("partial_rounds_state0".to_owned())?;
    let second = squared("partial_rounds_state1".to_owned())?;
    let filler = permute([Felt::ZERO; 3]);
    let compute = |instances: &[&PoseidonInstance]| {
        Ok(instances.iter().map(|instance| permute(instance.input)).collect())
    };
    for_each_batch(&placed, &filler, compute, |start, permutations| {
        let mut runs = Vec::new();
        for (index, permutation) in (start..).zip(permutations) {
            let values = [permutation.input, permutation.output].concat();
            // Inputs and outputs alternate in each lane's virtual column.
            for (cell, value) in values.into_iter().enumerate() {
                let position = cells[cell % 3].position(2 * index + cell / 3);
                memory.state(position, segment.address(index, cell as u64), value, segment.place(index));
            }
            for lane in 0..3 {
                push_runs(&mut runs, full[lane], 2 * HALF_FULL * index, &permutation.full[lane]);
            }
            push_runs(&mut runs, first, FIRST_PARTIAL * index, &permutation.first);
            push_runs(&mut runs, second, SECOND_HEIGHT * index, &permutation.second);
        }
        columns.write(&runs);
        Ok(())
    })
}

fn push_runs<'a>(
    runs: &mut Vec<Run<'a>>,
    [column, squares]: [VirtualColumn; 2],
    first: usize,
    cells: &'a Squared,
) {
    runs.push(Run { column, first, values: &cells.values });
    runs.push(Run { column: squares, first, values: &cells.squares });
}
