//! The Poseidon builtin: the Hades permutation of width 3.
//!
//! State cells hold the inputs of the cubes, keys already added; their squares stand next to them, so that a cube has
//! degree 2. Partial rounds cube lane 2 only: eliminating the other two lanes leaves the recurrence
//!
//! y_{k+3} = 8·y_k³ + 4·y_{k+1} + 6·y_{k+1}³ + 2·y_{k+2} − 2·y_{k+2}³ + key_k
//!
//! over the inputs y_k of lane 2, and affine relations at both margins. Two virtual columns share the 83 inputs.
//!
//! Source: Stone v3, CPU AIR, components `poseidon/…`. Stone tabulates the merged keys; they are derived here, see
//! [`MergedKeys`].

use std::sync::LazyLock;

use ashlar_field::Felt;
use ashlar_hash::poseidon::round_keys;
use ashlar_stark::air::Expression;

use super::{
    Parameter,
    builder::{Builder, Cells},
};
use crate::layout::{Builtin, LayoutError};

/// Lanes of the state.
const WIDTH: usize = 3;
/// Full rounds before, and again after, the partial ones.
const HALF_FULL_ROUNDS: usize = 4;
/// Rounds that cube lane 2 only.
const PARTIAL_ROUNDS: usize = 83;
/// Inputs of partial rounds in the first of the two virtual columns.
const FIRST_PARTIAL: usize = 64;
/// The first three inputs of the second column repeat the last three of the first.
const SECOND_PARTIAL_BEGIN: usize = FIRST_PARTIAL - 3;
/// Inputs in the second virtual column, the three repeated ones counted.
const SECOND_PARTIAL: usize = PARTIAL_ROUNDS - SECOND_PARTIAL_BEGIN;
/// Cells of the second virtual column per instance.
const SECOND_PARTIAL_CELLS: u64 = 32;

/// The recurrence of the partial rounds without its key. The element type is a field element or an expression.
fn recurrence<T>(cubes: [T; 3], inputs: [T; 2]) -> T
where
    T: std::ops::Mul<Felt, Output = T> + std::ops::Add<T, Output = T> + std::ops::Sub<T, Output = T>,
{
    let [cube0, cube1, cube2] = cubes;
    let [input1, input2] = inputs;
    let times = |x: T, factor: u64| x * Felt::from_u64(factor);
    times(cube0, 8) + times(input1, 4) + times(cube1, 6) + times(input2, 2) - times(cube2, 2)
}

/// The first three inputs of partial rounds from the last full round before them, without keys.
fn enter_partial_rounds<T>(full_cubes: [T; 3], inputs: [T; 2], cubes: [T; 2]) -> [T; 3]
where
    T: Clone + std::ops::Mul<Felt, Output = T> + std::ops::Add<T, Output = T> + std::ops::Sub<T, Output = T>,
{
    let [c0, c1, c2] = full_cubes;
    let [y0, y1] = inputs;
    let [cube0, cube1] = cubes;
    let times = |x: &T, factor: u64| x.clone() * Felt::from_u64(factor);
    [
        c0 + c1.clone() - times(&c2, 2),
        times(&c2, 10) - times(&c1, 4) + times(&y0, 4) - times(&cube0, 2),
        times(&c2, 8) + times(&y0, 4) + times(&cube0, 6) + times(&y1, 2) - times(&cube1, 2),
    ]
}

/// The state of the first full round after the last three partial ones, without keys.
fn leave_partial_rounds<T>(inputs: [T; 2], cubes: [T; 3]) -> [T; 3]
where
    T: Clone + std::ops::Mul<Felt, Output = T> + std::ops::Add<T, Output = T> + std::ops::Sub<T, Output = T>,
{
    let [y1, y2] = inputs;
    let [cube0, cube1, cube2] = cubes;
    let times = |x: &T, factor: u64| x.clone() * Felt::from_u64(factor);
    [
        times(&cube0, 16) + times(&y1, 8) + times(&cube1, 16) + times(&y2, 6) + cube2.clone(),
        times(&cube1, 4) + times(&y2, 2) + cube2.clone(),
        times(&cube0, 8) + times(&y1, 4) + times(&cube1, 6) + times(&y2, 2) - times(&cube2, 2),
    ]
}

/// The key that each relation adds. Every relation is affine in its key, and the key does not depend on the state:
/// one run of the permutation gives them all.
struct MergedKeys {
    enter: [Felt; 3],
    partial: [Felt; PARTIAL_ROUNDS - 3],
    leave: [Felt; 3],
}

fn cube(x: Felt) -> Felt {
    x.square() * x
}

/// Runs the permutation and returns the inputs of all cubes, by round and lane.
fn cube_inputs(state: &mut [Felt; WIDTH]) -> Vec<[Felt; WIDTH]> {
    let mut inputs = Vec::with_capacity(round_keys().len());
    for (round, keys) in round_keys().iter().enumerate() {
        let input: [Felt; WIDTH] = std::array::from_fn(|lane| state[lane] + keys[lane]);
        let partial = (HALF_FULL_ROUNDS..HALF_FULL_ROUNDS + PARTIAL_ROUNDS).contains(&round);
        let [a, b, c] = if partial { [input[0], input[1], cube(input[2])] } else { input.map(cube) };
        let sum = a + b + c;
        *state = [sum + a.double(), sum - b.double(), sum - c.double() - c];
        inputs.push(input);
    }
    inputs
}

impl MergedKeys {
    /// The keys, from the inputs of all cubes of one run.
    fn derive(inputs: &[[Felt; WIDTH]]) -> MergedKeys {
        let partial = |k: usize| inputs[HALF_FULL_ROUNDS + k][2];
        let difference = |a: [Felt; 3], b: [Felt; 3]| std::array::from_fn(|i| a[i] - b[i]);
        let entered = enter_partial_rounds(
            inputs[HALF_FULL_ROUNDS - 1].map(cube),
            [partial(0), partial(1)],
            [partial(0), partial(1)].map(cube),
        );
        let end = PARTIAL_ROUNDS;
        let left = leave_partial_rounds(
            [partial(end - 2), partial(end - 1)],
            [partial(end - 3), partial(end - 2), partial(end - 1)].map(cube),
        );
        MergedKeys {
            enter: difference([partial(0), partial(1), partial(2)], entered),
            partial: std::array::from_fn(|k| {
                let cubes = [partial(k), partial(k + 1), partial(k + 2)].map(cube);
                partial(k + 3) - recurrence(cubes, [partial(k + 1), partial(k + 2)])
            }),
            leave: difference(inputs[HALF_FULL_ROUNDS + PARTIAL_ROUNDS], left),
        }
    }
}

static MERGED_KEYS: LazyLock<MergedKeys> =
    LazyLock::new(|| MergedKeys::derive(&cube_inputs(&mut [Felt::ZERO; WIDTH])));

/// A column of cube inputs and the column of their squares.
#[derive(Clone, Copy)]
struct Powers<'a> {
    value: Cells<'a>,
    square: Cells<'a>,
}

impl<'a> Powers<'a> {
    fn new(air: &'a Builder<'_>, name: &str) -> Result<Powers<'a>, LayoutError> {
        Ok(Powers { value: air.cells(name)?, square: air.cells(&format!("{name}_squared"))? })
    }

    fn cube(&self, index: usize) -> Expression {
        self.value.at(index) * self.square.at(index)
    }

    fn squaring(&self) -> Expression {
        self.value.at(0) * self.value.at(0) - self.square.at(0)
    }
}

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let begin = Parameter::SegmentBegin(Builtin::Poseidon).expression();
    let mut values = Vec::with_capacity(WIDTH);
    let mut period = 0;
    for lane in 0..WIDTH {
        let name = format!("poseidon/param_{lane}");
        let address = air.cells(&format!("{name}/input_output/addr"))?;
        values.push(air.cells(&format!("{name}/input_output/value"))?);
        period = 2 * address.step();
        let init = address.at(0) - (&begin + lane as u64);
        air.constrain(format!("{name}/init_input_output_addr"), init, air.first());
        let step = address.at(1) - (address.at(0) + WIDTH as u64);
        air.constrain(format!("{name}/addr_input_output_step"), step, air.every_but_last(address.step()));
    }
    let powers = |column: &str| Powers::new(air, &format!("poseidon/poseidon/{column}"));
    let full = [powers("full_rounds_state0")?, powers("full_rounds_state1")?, powers("full_rounds_state2")?];
    let partial = [powers("partial_rounds_state0")?, powers("partial_rounds_state1")?];

    let name = |constraint: &str| format!("poseidon/poseidon/{constraint}");
    let every = || air.every(period);
    for (lane, state) in full.iter().enumerate() {
        let rows = air.every(state.value.step());
        air.constrain(name(&format!("full_rounds_state{lane}_squaring")), state.squaring(), rows);
    }
    let rows = air.every(partial[0].value.step());
    air.constrain(name("partial_rounds_state0_squaring"), partial[0].squaring(), rows);
    let rows = air.some_of(partial[1].value.step(), SECOND_PARTIAL_CELLS, |k| k < SECOND_PARTIAL as u64);
    air.constrain(name("partial_rounds_state1_squaring"), partial[1].squaring(), rows);
    full_rounds(air, &full, &values, period)?;

    for i in 0..3 {
        let copy = partial[0].value.at(SECOND_PARTIAL_BEGIN + i) - partial[1].value.at(i);
        air.constrain(name(&format!("copy_partial_rounds0_i{i}")), copy, every());
    }
    let keys = &*MERGED_KEYS;
    let inputs = [0, 1, 2].map(|k| partial[0].value.at(k));
    let entered = enter_partial_rounds(
        full.map(|lane| lane.cube(HALF_FULL_ROUNDS - 1)),
        [inputs[0].clone(), inputs[1].clone()],
        [partial[0].cube(0), partial[0].cube(1)],
    );
    for (i, (input, entered)) in inputs.into_iter().zip(entered).enumerate() {
        let margin = input - (entered + keys.enter[i]);
        air.constrain(name(&format!("margin_full_to_partial{i}")), margin, every());
    }
    partial_rounds(air, &partial)?;
    let last = SECOND_PARTIAL - 1;
    let left = leave_partial_rounds(
        [partial[1].value.at(last - 1), partial[1].value.at(last)],
        [partial[1].cube(last - 2), partial[1].cube(last - 1), partial[1].cube(last)],
    );
    for (i, (lane, left)) in full.into_iter().zip(left).enumerate() {
        let margin = lane.value.at(HALF_FULL_ROUNDS) - (left + keys.leave[i]);
        air.constrain(name(&format!("margin_partial_to_full{i}")), margin, every());
    }
    Ok(())
}

/// The first key, the transitions between full rounds of either half, and the output.
fn full_rounds(
    air: &Builder<'_>,
    full: &[Powers<'_>; WIDTH],
    values: &[Cells<'_>],
    period: u64,
) -> Result<(), LayoutError> {
    let name = |constraint: String| format!("poseidon/poseidon/{constraint}");
    let keys = round_keys();
    for lane in 0..WIDTH {
        let sum = values[lane].at(0) + keys[0][lane];
        air.constrain(
            name(format!("add_first_round_key{lane}")),
            sum - full[lane].value.at(0),
            air.every(period),
        );
    }
    // The key of the next round; none after the last round of a half.
    let key_column = |lane: usize| -> Vec<Felt> {
        let rounds = (0..2 * HALF_FULL_ROUNDS).map(|k| {
            let round = if k < HALF_FULL_ROUNDS { k } else { k + PARTIAL_ROUNDS };
            (k % HALF_FULL_ROUNDS != HALF_FULL_ROUNDS - 1).then_some(round + 1)
        });
        rounds.map(|round| round.map_or(Felt::ZERO, |round| keys[round][lane])).collect()
    };
    let mixed = |index: usize, next: [Expression; WIDTH], keys: [Expression; WIDTH]| -> [Expression; WIDTH] {
        let [c0, c1, c2] = [0, 1, 2].map(|lane: usize| full[lane].cube(index));
        let [n0, n1, n2] = next;
        let [k0, k1, k2] = keys;
        [n0 - (&c0 * 3 + &c1 + &c2 + k0), n1 + &c1 - (&c0 + &c2 + k1), n2 + &c2 + c2 - (c0 + c1 + k2)]
    };
    let mut round_keys = Vec::with_capacity(WIDTH);
    for lane in 0..WIDTH {
        round_keys.push(air.periodic(&format!("poseidon/poseidon/full_round_key{lane}"), key_column(lane))?);
    }
    let next = [0, 1, 2].map(|lane: usize| full[lane].value.at(1));
    let round = mixed(0, next, [0, 1, 2].map(|lane: usize| round_keys[lane].clone()));
    for (lane, constraint) in round.into_iter().enumerate() {
        let rows = air.all_but_last_of(full[lane].value.step(), HALF_FULL_ROUNDS as u64);
        air.constrain(name(format!("full_round{lane}")), constraint, rows);
    }
    let output = [0, 1, 2].map(|lane: usize| values[lane].at(1));
    let last = mixed(2 * HALF_FULL_ROUNDS - 1, output, [0, 0, 0].map(Expression::from));
    for (lane, constraint) in last.into_iter().enumerate() {
        air.constrain(name(format!("last_full_round{lane}")), constraint, air.every(period));
    }
    Ok(())
}

/// The recurrence in both columns.
fn partial_rounds(air: &Builder<'_>, partial: &[Powers<'_>; 2]) -> Result<(), LayoutError> {
    let keys = &MERGED_KEYS.partial;
    let columns = [
        (&keys[..FIRST_PARTIAL - 3], FIRST_PARTIAL),
        (&keys[SECOND_PARTIAL_BEGIN..], SECOND_PARTIAL_CELLS as usize),
    ];
    for (index, (keys, cells)) in columns.into_iter().enumerate() {
        let powers = &partial[index];
        let mut values = keys.to_vec();
        values.resize(cells, Felt::ZERO);
        let key = air.periodic(&format!("poseidon/poseidon/partial_round_key{index}"), values)?;
        let cubes = [0, 1, 2].map(|k| powers.cube(k));
        let next = recurrence(cubes, [powers.value.at(1), powers.value.at(2)]);
        let rows = air.some_of(powers.value.step(), cells as u64, |k| k < keys.len() as u64);
        let name = format!("poseidon/poseidon/partial_round{index}");
        air.constrain(name, powers.value.at(3) - (next + key), rows);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_keys_hold_for_a_state_they_were_not_derived_from() {
        let mut state = [5, 7, 11].map(Felt::from_u64);
        let inputs = cube_inputs(&mut state);
        let mut expected = [5, 7, 11].map(Felt::from_u64);
        ashlar_hash::poseidon::permute(&mut expected);
        assert_eq!(state, expected);
        let again = MergedKeys::derive(&inputs);
        assert_eq!(again.enter, MERGED_KEYS.enter);
        assert_eq!(again.partial, MERGED_KEYS.partial);
        assert_eq!(again.leave, MERGED_KEYS.leave);
    }
}
