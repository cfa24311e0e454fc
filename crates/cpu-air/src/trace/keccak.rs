//! The Keccak builtin: Keccak-f\[1600\] on sixteen states at once.
//!
//! A diluted cell holds one bit of sixteen invocations, the first at the top; so a 16-bit number here is one bit of
//! all invocations of a component, and every step of the permutation is bitwise. Bit k of lane 5i + j (i = y, j = x)
//! has row 5i + j + 32k; cell `slot + 32·row` of a virtual column belongs to round `slot`.

use ashlar_field::Felt;
use rayon::prelude::*;

use super::{
    columns::{Columns, Run},
    error::{Place, TraceError},
    instances::{Segment, check_bits},
    memory_pool::MemoryPool,
    value_pool::{PoolCells, ValuePool, diluted_felts},
};
use crate::{
    component::keccak::{IOTA_BITS, ROTATIONS, SIDE, round_constant_bits},
    input::KeccakInstance,
    layout::{Builtin, Layout, VirtualColumn},
};

/// Invocations of a component.
const INVOCATIONS: usize = 16;
/// Words of a state in memory.
const WORDS: usize = 8;
/// Bits of such a word.
const WORD_BITS: usize = 200;
/// Bits of a lane.
const LANE_BITS: usize = 64;
/// Bits of a state.
const STATE_BITS: usize = SIDE * SIDE * LANE_BITS;
/// Rounds of the permutation.
const ROUNDS: usize = 24;
/// Slots of a row.
const SLOTS: usize = 32;
/// Rows of a component: 32 for every bit of a lane.
const ROWS: usize = 32 * LANE_BITS;
/// Rounds that one part of a split θ column serves.
const SPLIT_ROUNDS: usize = 8;

/// One bit of sixteen invocations, for every lane and bit: `[lane][k]`.
type State = [[u16; LANE_BITS]; SIDE * SIDE];
const ZERO_STATE: State = [[0; LANE_BITS]; SIDE * SIDE];

/// The intermediate bits of one round.
#[derive(Clone)]
struct Round {
    state: State,
    /// `[bit of the sum][column j][k]`.
    parity: [[[u16; LANE_BITS]; SIDE]; 3],
    /// At the target position of ρ and π.
    after_theta_rho_pi: State,
    /// The high bit of the θ sum, at the target position.
    theta_aux: State,
    /// Bits 0 and 2 of the χ sum; bit 1 is the next state.
    chi: [State; 2],
}

/// a + b + c as (low bit, high bit).
fn add3(a: u16, b: u16, c: u16) -> (u16, u16) {
    (a ^ b ^ c, (a & b) | (c & (a ^ b)))
}

fn round(state: &State, constants: &[bool; IOTA_BITS.len()]) -> (Round, State) {
    let mut parity = [[[0; LANE_BITS]; SIDE]; 3];
    for j in 0..SIDE {
        for k in 0..LANE_BITS {
            let bit = |i: usize| state[SIDE * i + j][k];
            let (low, first) = add3(bit(0), bit(1), bit(2));
            let (low, second) = add3(low, bit(3), bit(4));
            parity[0][j][k] = low;
            parity[1][j][k] = first ^ second;
            parity[2][j][k] = first & second;
        }
    }
    let mut after_theta_rho_pi = ZERO_STATE;
    let mut theta_aux = ZERO_STATE;
    for i in 0..SIDE {
        for j in 0..SIDE {
            let target = SIDE * ((3 * i + 2 * j) % SIDE) + i;
            for k in 0..LANE_BITS {
                let left = parity[0][(j + 4) % SIDE][k];
                let right = parity[0][(j + 1) % SIDE][(k + LANE_BITS - 1) % LANE_BITS];
                let (low, high) = add3(left, right, state[SIDE * i + j][k]);
                let bit = (k + ROTATIONS[i][j] as usize) % LANE_BITS;
                after_theta_rho_pi[target][bit] = low;
                theta_aux[target][bit] = high;
            }
        }
    }
    let mut next = ZERO_STATE;
    let mut chi = [ZERO_STATE; 2];
    for i in 0..SIDE {
        for j in 0..SIDE {
            for k in 0..LANE_BITS {
                let lane = |offset: usize| after_theta_rho_pi[SIDE * i + (j + offset) % SIDE][k];
                let iota = i == 0
                    && j == 0
                    && IOTA_BITS.iter().zip(constants).any(|(&bit, &one)| one && bit == k as u64);
                // 2·t + 2·constant + (1 − t') + t''.
                let (not_next, after) = (!lane(1), lane(2));
                let constant = if iota { u16::MAX } else { 0 };
                let (middle, top) = add3(lane(0), constant, not_next & after);
                chi[0][SIDE * i + j][k] = not_next ^ after;
                next[SIDE * i + j][k] = middle;
                chi[1][SIDE * i + j][k] = top;
            }
        }
    }
    (Round { state: *state, parity, after_theta_rho_pi, theta_aux, chi }, next)
}

/// Sixteen permutations with their trace.
struct Component {
    /// `[invocation][input, output][word]`.
    words: [[[Felt; WORDS]; 2]; INVOCATIONS],
    rounds: Vec<Round>,
    output: State,
    /// Cell rep + 2(invocation + 16·row).
    cumulative_sums: Vec<Felt>,
}

fn limb_bit(limbs: &[u64; 4], bit: usize) -> bool {
    (limbs[bit / 64] >> (bit % 64)) & 1 == 1
}

/// The bit of a state, counted from the first word's lowest, of every invocation.
fn state_bit(state: &State, bit: usize) -> u16 {
    state[bit / LANE_BITS][bit % LANE_BITS]
}

fn state_of(inputs: &[[Felt; WORDS]; INVOCATIONS]) -> State {
    let mut state = ZERO_STATE;
    for (invocation, words) in inputs.iter().enumerate() {
        for (word, value) in words.iter().enumerate() {
            let limbs = value.to_standard_limbs();
            for bit in (0..WORD_BITS).filter(|&bit| limb_bit(&limbs, bit)) {
                let bit = WORD_BITS * word + bit;
                state[bit / LANE_BITS][bit % LANE_BITS] |= 1 << (INVOCATIONS - 1 - invocation);
            }
        }
    }
    state
}

fn words_of(state: &State, invocation: usize) -> [Felt; WORDS] {
    std::array::from_fn(|word| {
        let mut limbs = [0u64; 4];
        for bit in 0..WORD_BITS {
            let value = state_bit(state, WORD_BITS * word + bit) >> (INVOCATIONS - 1 - invocation);
            limbs[bit / 64] |= u64::from(value & 1) << (bit % 64);
        }
        Felt::from_limbs_reduced(limbs)
    })
}

fn compute(inputs: &[[Felt; WORDS]; INVOCATIONS]) -> Component {
    let input = state_of(inputs);
    let constants = round_constant_bits();
    let mut state = input;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for constants in constants.iter().take(ROUNDS) {
        let (trace, next) = round(&state, constants);
        rounds.push(trace);
        state = next;
    }
    let words = std::array::from_fn(|invocation| [inputs[invocation], words_of(&state, invocation)]);
    Component { words, rounds, output: state, cumulative_sums: cumulative_sums([&input, &state]) }
}

/// Σ_{b' ≥ b} bit_{b'}·2^{b' − b}, plus 16 times the same of the invocation before; the rows of lanes 25 … 31 are 0.
fn cumulative_sums(states: [&State; 2]) -> Vec<Felt> {
    let mut cells = vec![Felt::ZERO; 2 * INVOCATIONS * ROWS];
    let diluted = diluted_felts();
    for (rep, state) in states.into_iter().enumerate() {
        let mut sums = [Felt::ZERO; INVOCATIONS];
        for bit in (0..STATE_BITS).rev() {
            let row = bit / LANE_BITS + 32 * (bit % LANE_BITS);
            let bits = state_bit(state, bit);
            for (invocation, sum) in sums.iter_mut().enumerate() {
                // The bits of the invocations up to this one, the latest at the bottom.
                *sum = sum.double() + diluted[usize::from(bits >> (INVOCATIONS - 1 - invocation))];
                cells[rep + 2 * (invocation + INVOCATIONS * row)] = *sum;
            }
        }
    }
    cells
}

/// The virtual columns that are cells of the diluted pool.
struct DilutedCells {
    state: PoolCells,
    after_theta_rho_pi: PoolCells,
    chi: [PoolCells; 2],
    /// `[bit of the sum][column]`.
    parity: Vec<Vec<PoolCells>>,
    /// By lane; a split column has three parts.
    theta_aux: Vec<Vec<PoolCells>>,
}

impl DilutedCells {
    fn new(layout: &Layout, pool: &ValuePool) -> Result<DilutedCells, TraceError> {
        let column = |name: &str| layout.column(&format!("keccak/keccak/{name}"));
        let cells = |name: &str| Ok::<_, TraceError>(pool.cells_of(column(name)?)?);
        let mut parity = Vec::new();
        for bit in 0..3 {
            let columns = (0..SIDE).map(|j| cells(&format!("parity{bit}_{j}")));
            parity.push(columns.collect::<Result<Vec<_>, _>>()?);
        }
        let mut theta_aux = Vec::new();
        for i in 0..SIDE {
            for j in 0..SIDE {
                let name = format!("theta_aux_i{i}_j{j}");
                theta_aux.push(match column(&name) {
                    Ok(column) => vec![pool.cells_of(column)?],
                    Err(_) => (0..ROUNDS)
                        .step_by(SPLIT_ROUNDS)
                        .map(|start| cells(&format!("{name}_start{start}_stop{}", start + SPLIT_ROUNDS)))
                        .collect::<Result<Vec<_>, _>>()?,
                });
            }
        }
        Ok(DilutedCells {
            state: cells("state")?,
            after_theta_rho_pi: cells("after_theta_rho_pi")?,
            chi: [cells("chi_iota_aux0")?, cells("chi_iota_aux2")?],
            parity,
            theta_aux,
        })
    }

    fn write(
        &self,
        index: usize,
        component: &Component,
        pool: &mut ValuePool,
        place: Place,
    ) -> Result<(), TraceError> {
        let cell = |slot: usize, lane: usize, bit: usize| slot + SLOTS * (lane + 32 * bit + ROWS * index);
        let mut write =
            |cells: &PoolCells, cell: usize, value: u16| pool.write(cells.position(cell), value, place);
        for (slot, round) in component.rounds.iter().enumerate() {
            for k in 0..LANE_BITS {
                for (columns, bits) in self.parity.iter().zip(&round.parity) {
                    for (column, bits) in columns.iter().zip(bits) {
                        write(column, cell(slot, 0, k), bits[k])?;
                    }
                }
                for lane in 0..SIDE * SIDE {
                    let own = cell(slot, lane, k);
                    write(&self.state, own, round.state[lane][k])?;
                    write(&self.after_theta_rho_pi, own, round.after_theta_rho_pi[lane][k])?;
                    write(&self.chi[0], own, round.chi[0][lane][k])?;
                    write(&self.chi[1], own, round.chi[1][lane][k])?;
                    let aux = round.theta_aux[lane][k];
                    match self.theta_aux[lane].as_slice() {
                        [column] => write(column, cell(slot, 0, k), aux)?,
                        parts => {
                            write(&parts[slot / SPLIT_ROUNDS], cell(slot % SPLIT_ROUNDS, 0, k), aux)?;
                        }
                    }
                }
            }
        }
        for lane in 0..SIDE * SIDE {
            for k in 0..LANE_BITS {
                write(&self.state, cell(ROUNDS, lane, k), component.output[lane][k])?;
            }
        }
        Ok(())
    }
}

/// The virtual columns of elements.
struct ElementColumns {
    intermediate: VirtualColumn,
    reshaped: VirtualColumn,
    cumulative_sum: VirtualColumn,
    rotated_parity: Vec<VirtualColumn>,
}

impl ElementColumns {
    fn new(layout: &Layout) -> Result<ElementColumns, TraceError> {
        let column = |name: &str| layout.column(&format!("keccak/keccak/{name}"));
        let rotated = (0..SIDE).map(|j| column(&format!("rotated_parity{j}")));
        Ok(ElementColumns {
            intermediate: column("parse_to_diluted/reshaped_intermediate")?,
            reshaped: column("parse_to_diluted/final_reshaped_input")?,
            cumulative_sum: column("parse_to_diluted/cumulative_sum")?,
            rotated_parity: rotated.collect::<Result<Vec<_>, _>>()?,
        })
    }

    fn write(&self, index: usize, component: &Component, columns: &mut Columns) {
        let mut runs = vec![Run {
            column: self.cumulative_sum,
            first: component.cumulative_sums.len() * index,
            values: &component.cumulative_sums,
        }];
        for (invocation, words) in component.words.iter().enumerate() {
            for (rep, words) in words.iter().enumerate() {
                let first = WORDS * (rep + 4096 * (invocation + INVOCATIONS * index));
                runs.push(Run { column: self.intermediate, first, values: words });
                let first = WORDS * (rep + 2 * (invocation + 32_768 * index));
                runs.push(Run { column: self.reshaped, first, values: words });
            }
        }
        let diluted = diluted_felts();
        // Per column and bit, the rounds lie side by side.
        let rotated: Vec<Vec<Felt>> = (0..SIDE * LANE_BITS)
            .map(|cell| {
                let (j, k) = (cell / LANE_BITS, cell % LANE_BITS);
                let before = (k + LANE_BITS - 1) % LANE_BITS;
                component
                    .rounds
                    .iter()
                    .map(|round| diluted[usize::from(round.parity[0][j][before])])
                    .collect()
            })
            .collect();
        for (cell, values) in rotated.iter().enumerate() {
            let (j, k) = (cell / LANE_BITS, cell % LANE_BITS);
            runs.push(Run { column: self.rotated_parity[j], first: SLOTS * (32 * k + ROWS * index), values });
        }
        columns.write(&runs);
    }
}

/// Writes all invocations; fillers permute zeros.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[KeccakInstance],
    columns: &mut Columns,
    memory: &mut MemoryPool,
    diluted: &mut ValuePool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    for instance in placed.iter().flatten() {
        for value in instance.input {
            check_bits(Builtin::Keccak, instance.index, "input word", value, WORD_BITS as u32)?;
        }
    }
    let cells = memory.cells_of(layout.column("keccak/input_output/addr")?)?;
    let diluted_cells = DilutedCells::new(layout, diluted)?;
    let element_columns = ElementColumns::new(layout)?;
    let filler = compute(&[[Felt::ZERO; WORDS]; INVOCATIONS]);
    let components: Vec<Option<Component>> = placed
        .par_chunks(INVOCATIONS)
        .map(|invocations| {
            let input = |invocation: usize| {
                let instance = invocations.get(invocation).copied().flatten();
                instance.map_or([Felt::ZERO; WORDS], |instance| instance.input)
            };
            let is_filler = invocations.iter().all(Option::is_none);
            (!is_filler).then(|| compute(&std::array::from_fn(input)))
        })
        .collect();
    for (index, component) in components.iter().enumerate() {
        let component = component.as_ref().unwrap_or(&filler);
        diluted_cells.write(index, component, diluted, segment.place(INVOCATIONS * index))?;
        element_columns.write(index, component, columns);
        for (invocation, words) in component.words.iter().enumerate() {
            let invocation = INVOCATIONS * index + invocation;
            for (cell, &value) in words.iter().flatten().enumerate() {
                let position = cells.position(2 * WORDS * invocation + cell);
                memory.state(
                    position,
                    segment.address(invocation, cell as u64),
                    value,
                    segment.place(invocation),
                );
            }
        }
    }
    Ok(())
}
