//! The Keccak builtin: Keccak-f\[1600\] on 16 states at once, in diluted cells.
//!
//! A component holds 16 invocations in 2¹⁶ cells of a unit u. Cell `32·row + slot` with
//! `row = lane + 32·k` belongs to bit k of lane `5i + j` (i = y, j = x); slots 0..24 are the rounds' states and 24 the
//! result. A diluted cell holds one bit of every invocation; a sum of up to 15 such cells has no carries.
//!
//! The 200-bit words in memory are reshaped and cut into bits by cumulative sums; then each round is parity, rotated
//! parity, θ-ρ-π and χ-ι, each a sum whose bits are separate cells.
//!
//! Source: Stone v3, CPU AIR, components `keccak/…`; FIPS 202 for θ, ρ, π, χ, ι.

use std::ops::Range;

use ashlar_field::Felt;
use ashlar_stark::air::{Domain, Expression, Rows};

use super::{
    Parameter,
    builder::{Builder, Cells, bit, double},
};
use crate::layout::{Builtin, LayoutError};

/// Bits of a lane.
const BITS: u64 = 64;
/// Lanes of a state.
const LANES: u64 = 25;
/// Lanes along an axis.
pub(crate) const SIDE: usize = 5;
/// Slots of a row: the rounds, the result and spare ones; also the number of lanes with room.
const SLOTS: u64 = 32;
/// Cells of one bit of all lanes.
const BIT_CELLS: u64 = SLOTS * SLOTS;
/// Cells of a component.
const COMPONENT: u64 = BITS * BIT_CELLS;
/// Rounds of the permutation.
const ROUNDS: u64 = 24;
/// Invocations of a component.
const INVOCATIONS: usize = 16;
/// Words of a state in memory, and their bits.
const WORDS: usize = 8;
const WORD_BITS: usize = 200;
/// 200-bit words of input and output.
const IO_WORDS: usize = 2 * WORDS;
/// The bit positions that round constants can have.
pub(crate) const IOTA_BITS: [u64; 7] = [0, 1, 3, 7, 15, 31, 63];
/// 1 for every invocation.
const ALL_ONES: u64 = 0x1111_1111_1111_1111;
/// Rounds that one part of a split θ column serves.
const SPLIT_ROUNDS: u64 = 8;

/// ρ: by how much lane (i = y, j = x) is rotated.
pub(crate) const ROTATIONS: [[u64; SIDE]; SIDE] =
    [[0, 1, 62, 28, 27], [36, 44, 6, 55, 20], [3, 10, 43, 25, 39], [41, 45, 15, 21, 8], [18, 2, 61, 56, 14]];

/// The number of a lane.
const fn lane(i: usize, j: usize) -> u64 {
    (SIDE * i + j) as u64
}

/// ι for all 32 slots of a row: the bits at [`IOTA_BITS`] of the constants, which go on after the last round (FIPS
/// 202, algorithm 5: a linear-feedback shift register).
pub(crate) fn round_constant_bits() -> [[bool; IOTA_BITS.len()]; SLOTS as usize] {
    let mut register = 1u8;
    [(); SLOTS as usize].map(|()| {
        IOTA_BITS.map(|_| {
            let output = register & 1 == 1;
            let feedback = if register & 0x80 == 0 { 0 } else { 0x71 };
            register = (register << 1) ^ feedback;
            output
        })
    })
}

/// Rows of a component: the given slots of the given lanes and bits, `unit` rows apart.
fn rows(unit: u64, slots: Range<u64>, lanes: impl Iterator<Item = u64> + Clone, bits: Range<u64>) -> Domain {
    let mut domain = Domain { included: Vec::new(), excluded: Vec::new() };
    let bits = Builder::cover(BITS, |bit| bits.contains(&bit));
    for lane in lanes {
        for slot in slots.clone() {
            let residue = slot + SLOTS * lane;
            let place = |rows: &Rows| Rows {
                period: rows.period * BIT_CELLS * unit,
                residue: (rows.residue * BIT_CELLS + residue) * unit,
            };
            domain.included.extend(bits.included.iter().map(place));
            domain.excluded.extend(bits.excluded.iter().map(place));
        }
    }
    domain
}

/// All bits of a lane.
const ALL_BITS: Range<u64> = 0..BITS;

/// A cell number as an index.
const fn index(cell: u64) -> usize {
    cell as usize
}

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let address = air.cells("keccak/input_output/addr")?;
    let begin = Parameter::SegmentBegin(Builtin::Keccak).expression();
    air.constrain("keccak/init_input_output_addr", address.at(0) - begin, air.first());
    let step = address.at(1) - (address.at(0) + 1);
    air.constrain("keccak/addr_input_output_step", step, air.every_but_last(address.step()));
    reshape(air)?;
    parse_words(air)?;
    parse_bits(air)?;
    theta(air)?;
    rho_pi(air)?;
    chi_iota(air)
}

/// Words are copied from memory, where an invocation's words are together, to where they are together with those of
/// other invocations.
fn reshape(air: &Builder<'_>) -> Result<(), LayoutError> {
    let name = "keccak/keccak/parse_to_diluted";
    let memory = air.cells("keccak/input_output/value")?;
    let intermediate = air.cells(&format!("{name}/reshaped_intermediate"))?;
    let reshaped = air.cells(&format!("{name}/final_reshaped_input"))?;
    for half in 0..2 {
        for word in 0..WORDS {
            let cell = WORDS * half + word;
            air.constrain(
                format!("{name}/reshape_intermediate{half}_w{word}"),
                memory.at(cell) - intermediate.at(cell),
                air.every(IO_WORDS as u64 * memory.step()),
            );
        }
    }
    let words = reshaped.step() * WORDS as u64 * COMPONENT;
    for invocation in 0..INVOCATIONS {
        let source = intermediate.at(invocation * WORDS * index(COMPONENT) / INVOCATIONS);
        let rows = (0..IO_WORDS as u64).map(|word| Rows { period: words, residue: word * reshaped.step() });
        air.constrain(
            format!("{name}/reshape_final{invocation}"),
            source - reshaped.at(IO_WORDS * invocation),
            Domain { included: rows.collect(), excluded: Vec::new() },
        );
    }
    Ok(())
}

/// The cumulative sum of a bit is the word from that bit on, of all invocations so far: slot `half + 2·invocation` of
/// the bit's row.
fn cumulative_sum<'a>(air: &'a Builder<'_>) -> Result<Cells<'a>, LayoutError> {
    air.cells("keccak/keccak/parse_to_diluted/cumulative_sum")
}

/// The words are differences of cumulative sums.
fn parse_words(air: &Builder<'_>) -> Result<(), LayoutError> {
    let name = "keccak/keccak/parse_to_diluted";
    let sum = cumulative_sum(air)?;
    let reshaped = air.cells(&format!("{name}/final_reshaped_input"))?;
    let slots = |slots: Range<u64>| rows(sum.step(), slots, 0..1, 0..1);
    air.constrain(format!("{name}/start_accumulation"), sum.at(index(SLOTS * LANES)), slots(0..SLOTS));
    // The cell of a bit of the 1600-bit state.
    let cell = |bit: usize| {
        let (lane, bit) = (bit as u64 / BITS, bit as u64 % BITS);
        index(SLOTS * lane + BIT_CELLS * bit)
    };
    let shift = Felt::from_u64(2).pow(WORD_BITS as u64);
    for word in 0..WORDS {
        let word_of = |slot: usize| {
            sum.at(cell(WORD_BITS * word) + slot) - sum.at(cell(WORD_BITS * (word + 1)) + slot) * shift
        };
        let first = reshaped.at(word) - word_of(0);
        air.constrain(format!("{name}/init_first_invocation{word}"), first, slots(0..2));
        let other = reshaped.at(word + IO_WORDS) + word_of(0) * INVOCATIONS as u64 - word_of(2);
        air.constrain(format!("{name}/init_other_invocations{word}"), other, slots(0..SLOTS - 2));
    }
    Ok(())
}

/// Bits are differences of cumulative sums of neighbouring bits. The sum over all invocations, 16 apart, is the diluted
/// cell of the state: input at the begin, output at the end.
fn parse_bits(air: &Builder<'_>) -> Result<(), LayoutError> {
    let name = "keccak/keccak/parse_to_diluted";
    let sum = cumulative_sum(air)?;
    let begin = air.cells("keccak/keccak/state_begin")?;
    let end = air.cells("keccak/keccak/state_end")?;
    let last_bit = BITS - 1;
    // Group 1: the last bit of a lane, followed by the first bit of the next lane. Group 0: all other bits; here the
    // bits are also cut in the lane after the last, where all are zero.
    let groups =
        [(1, last_bit * BIT_CELLS, SLOTS, 0..LANES, 0..1), (0, 0, BIT_CELLS, 0..LANES + 1, 0..last_bit)];
    for (group, this, next, lanes, bits) in groups {
        let bits_of = |slot: u64| sum.at(index(this + slot)) - double(&sum.at(index(next + slot)));
        let slots = |slots: Range<u64>| rows(sum.step(), slots, lanes.clone(), bits.clone());
        air.constrain(format!("{name}/extract_bit_first_invocation{group}"), bit(&bits_of(0)), slots(0..2));
        let other = bits_of(2) - bits_of(0) * INVOCATIONS as u64;
        air.constrain(
            format!("{name}/extract_bit_other_invocations{group}"),
            bit(&other),
            slots(0..SLOTS - 2),
        );
        let row = index(this / SLOTS);
        for (half, state) in [begin, end].into_iter().enumerate() {
            let complete = bits_of(SLOTS - 2 + half as u64) - state.at(row);
            let states = rows(sum.step(), 0..1, 0..LANES, bits.clone());
            air.constrain(format!("{name}/to_diluted{half}_p{group}"), complete, states);
        }
    }
    Ok(())
}

/// The parity of each column of lanes, and the parity rotated by one bit.
fn theta(air: &Builder<'_>) -> Result<(), LayoutError> {
    let state = air.cells("keccak/keccak/state")?;
    let rounds = |bits: Range<u64>| rows(state.step(), 0..ROUNDS, 0..1, bits);
    for j in 0..SIDE {
        let column = (0..SIDE).map(|i| state.at(index(SLOTS * lane(i, j)))).reduce(|sum, cell| sum + cell);
        let column = column.unwrap_or_else(|| Expression::from(0));
        let digit = |digit: usize| Ok(air.cells(&format!("keccak/keccak/parity{digit}_{j}"))?.at(0));
        let [ones, twos, fours]: [Expression; 3] = [digit(0)?, digit(1)?, digit(2)?];
        let digits = ones + twos * 2 + fours * 4;
        air.constrain(format!("keccak/keccak/parity{j}"), column - digits, rounds(ALL_BITS));
    }
    let last = BITS - 1;
    for j in 0..SIDE {
        let name = format!("keccak/keccak/rotate_parity{j}");
        let parity = air.cells(&format!("keccak/keccak/parity0_{j}"))?;
        let rotated = air.cells(&format!("keccak/keccak/rotated_parity{j}"))?;
        let first = rotated.at(0) - parity.at(index(last * BIT_CELLS));
        air.constrain(format!("{name}/n0"), first, rounds(0..1));
        let other = rotated.at(index(BIT_CELLS)) - parity.at(0);
        air.constrain(format!("{name}/n1"), other, rounds(0..last));
    }
    Ok(())
}

/// θ adds the parities of two neighbouring columns, ρ and π move the sum to bit k + ρ of lane (3i + 2j, i); its second
/// bit goes to a column of its own.
fn rho_pi(air: &Builder<'_>) -> Result<(), LayoutError> {
    let state = air.cells("keccak/keccak/state")?;
    let moved = air.cells("keccak/keccak/after_theta_rho_pi")?;
    for i in 0..SIDE {
        for j in 0..SIDE {
            let name = format!("keccak/keccak/theta_rho_pi_i{i}_j{j}");
            let target = [(3 * i + 2 * j) % SIDE, i];
            let parity = air.cells(&format!("keccak/keccak/parity0_{}", (j + SIDE - 1) % SIDE))?;
            let rotated = air.cells(&format!("keccak/keccak/rotated_parity{}", (j + 1) % SIDE))?;
            let carry_name = format!("keccak/keccak/theta_aux_i{}_j{}", target[0], target[1]);
            // Some carries have a column for every eight rounds.
            let whole = air.cells(&carry_name);
            let carries = match whole {
                Ok(carry) => vec![(0..ROUNDS, carry)],
                Err(_) => (0..ROUNDS / SPLIT_ROUNDS)
                    .map(|part| {
                        let begin = part * SPLIT_ROUNDS;
                        let end = begin + SPLIT_ROUNDS;
                        Ok((begin..end, air.cells(&format!("{carry_name}_start{begin}_stop{end}"))?))
                    })
                    .collect::<Result<_, LayoutError>>()?,
            };
            let rotation = ROTATIONS[i][j];
            // Either the target bit is above the source bit, or the rotation wraps around.
            let mut cases = vec![(0, rotation, 0..BITS - rotation)];
            if rotation > 0 {
                cases.push((BITS - rotation, 0, 0..rotation));
            }
            let single = cases.len() * carries.len() == 1;
            let mut number = 0;
            for (source_bit, target_bit, bits) in cases {
                for (rounds, carry) in &carries {
                    let source = |cells: Cells<'_>, lane: u64| {
                        cells.at(index(source_bit * BIT_CELLS + SLOTS * lane + rounds.start))
                    };
                    let sum = source(parity, 0) + source(rotated, 0) + source(state, lane(i, j));
                    let target_cell = target_bit * BIT_CELLS;
                    let target_lane = SLOTS * lane(target[0], target[1]);
                    let ones = moved.at(index(target_cell + target_lane + rounds.start));
                    let twos = carry.at(index(target_cell));
                    let suffix = if single { String::new() } else { format!("/n{number}") };
                    let slots = 0..rounds.end - rounds.start;
                    air.constrain(
                        format!("{name}{suffix}"),
                        sum - (ones + double(&twos)),
                        rows(state.step(), slots, 0..1, bits.clone()),
                    );
                    number += 1;
                }
            }
        }
    }
    Ok(())
}

/// χ as the middle bit of 2·t_j + (1 − t_{j+1}) + t_{j+2}, to which ι adds twice the round constant.
fn chi_iota(air: &Builder<'_>) -> Result<(), LayoutError> {
    let state = air.cells("keccak/keccak/state")?;
    let moved = air.cells("keccak/keccak/after_theta_rho_pi")?;
    let low = air.cells("keccak/keccak/chi_iota_aux0")?;
    let high = air.cells("keccak/keccak/chi_iota_aux2")?;
    let unit = state.step();
    // In the plane that starts at `base`.
    let chi = |base: u64, j: usize| {
        let t = |j: usize| moved.at(index(base + SLOTS * (j % SIDE) as u64));
        double(&t(j)) + (Expression::from(ALL_ONES) - t(j + 1)) + t(j + 2)
    };
    let digits = |base: u64, j: usize| {
        let cell = index(base + SLOTS * j as u64);
        low.at(cell) + double(&state.at(cell + 1)) + high.at(cell) * 4
    };
    let constants = round_constant_bits();
    for (number, k) in IOTA_BITS.into_iter().enumerate() {
        let values =
            constants.map(|bits| if bits[number] { Felt::from_u64(ALL_ONES).double() } else { Felt::ZERO });
        let key = air.periodic(&format!("keccak/keccak/keccak_round_key{k}"), values.to_vec())?;
        let base = k * BIT_CELLS;
        let sum = chi(base, 0) + key - digits(base, 0);
        air.constrain(format!("keccak/keccak/chi_iota{k}"), sum, rows(unit, 0..ROUNDS, 0..1, 0..1));
    }
    let planes = (0..SIDE).map(|i| lane(i, 0));
    let mut without_iota = rows(unit, 0..ROUNDS, planes.clone().flat_map(|plane| plane..plane + 3), ALL_BITS);
    for k in IOTA_BITS {
        without_iota.excluded.extend(rows(unit, 0..ROUNDS, 0..1, k..k + 1).included);
    }
    air.constrain("keccak/keccak/chi0", chi(0, 0) - digits(0, 0), without_iota);
    for (name, j) in [("keccak/keccak/chi1", 4), ("keccak/keccak/chi2", 3)] {
        let rows = rows(unit, 0..ROUNDS, planes.clone(), ALL_BITS);
        air.constrain(name, chi(0, j) - digits(0, j), rows);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_constants_are_the_published_ones() {
        let constants = round_constant_bits().map(|bits| {
            let set = IOTA_BITS.iter().zip(bits).filter(|(_, bit)| *bit);
            set.map(|(position, _)| 1u64 << position).sum::<u64>()
        });
        // FIPS 202, rounds 0 to 3 and 23.
        assert_eq!(constants[..4], [0x1, 0x8082, 0x8000_0000_0000_808a, 0x8000_0000_8000_8000]);
        assert_eq!(constants[23], 0x8000_0000_8000_8008);
    }

    #[test]
    fn rotations_are_those_of_the_walk_over_the_lanes() {
        // FIPS 202, algorithm 2: start at (x, y) = (1, 0), go to (y, 2x + 3y), rotate by the triangular numbers.
        let (mut x, mut y) = (1, 0);
        let mut walked = [[0; SIDE]; SIDE];
        for t in 0..24u64 {
            walked[y][x] = (t + 1) * (t + 2) / 2 % BITS;
            (x, y) = (y, (2 * x + 3 * y) % SIDE);
        }
        assert_eq!(ROTATIONS, walked);
    }
}
