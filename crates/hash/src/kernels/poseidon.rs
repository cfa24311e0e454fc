//! Eight Poseidon at a time, one in each lane, and several such groups in turn to hide the latency of products.
//!
//! # Keys
//! Lanes 0 and 1 of a partial round are linear, so what their keys add can be added after the matrix instead: the
//! keys of a partial round move through it into the next round, and only lane 2 still has one. The permutation is
//! the same.
//!
//! # Ranges
//! States are lazy: sums of products that are neither reduced nor carried (see [`ashlar_field::packed`]). With lanes
//! in [−ε, 1.1·p], one application of the matrix gives at most 5.5·p and at least −2.2·p, two at most 19·p and
//! −4·p. So key and 8·p make every cubed lane positive and at most 17·p, its square at most 1.6·p and its cube at
//! most 1.1·p, and it suffices to fold lanes 0 and 1 after every second partial round.

use std::sync::LazyLock;

use ashlar_field::{
    Felt,
    lanes::Lanes,
    packed::{Lazy, Multiplier, Stored},
};

use crate::{
    Digest,
    kernels::{
        digests,
        table::{Block, Rows},
    },
    poseidon::{HALF_FULL_ROUNDS, PARTIAL_ROUNDS, ROUND_KEYS, ROUNDS},
};

/// Groups of eight that a permutation takes in turn, at most.
const INTERLEAVED: usize = 4;

/// The keys of lane 2 in a partial round, of all lanes in a full one; after moving.
struct Keys {
    full: [[Multiplier; 3]; 2 * HALF_FULL_ROUNDS],
    partial: [Multiplier; PARTIAL_ROUNDS],
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = *ROUND_KEYS;
    for round in HALF_FULL_ROUNDS..ROUNDS - HALF_FULL_ROUNDS {
        let [a, b, _] = keys[round];
        let sum = a + b;
        for (key, moved) in keys[round + 1].iter_mut().zip([sum + a.double(), sum - b.double(), sum]) {
            *key += moved;
        }
    }
    Keys {
        full: std::array::from_fn(|round| {
            let round = if round < HALF_FULL_ROUNDS { round } else { round + PARTIAL_ROUNDS };
            keys[round].map(Multiplier::new)
        }),
        partial: std::array::from_fn(|round| Multiplier::new(keys[HALF_FULL_ROUNDS + round][2])),
    }
});

/// Eight states, each lane as value·2²⁶⁰.
type State<L> = [Lazy<L>; 3];

/// (x + key)³, positive and at most 1.1·p.
#[inline(always)]
fn cube<L: Lanes>(l: L, x: Lazy<L>, key: &Multiplier) -> Lazy<L> {
    let x = x.add(l, key.addend(l)).bias(l, 8).carry(l);
    x.square(l).carry(l).mul(l, x)
}

/// The matrix with rows (3, 1, 1), (1, −1, 1), (1, 1, −2).
#[inline(always)]
fn mix<L: Lanes>(l: L, [a, b, c]: State<L>) -> State<L> {
    let sum = a.add(l, b);
    let all = sum.add(l, c);
    [all.add(l, a.add(l, a)), all.sub(l, b.add(l, b)), sum.sub(l, c.add(l, c))]
}

/// The Hades permutation of every group, up to congruence; its lanes come out folded.
#[inline(always)]
fn permute<L: Lanes>(l: L, keys: &Keys, states: &mut [State<L>]) {
    let (first, last) = keys.full.split_at(HALF_FULL_ROUNDS);
    let mut partial: &[Multiplier] = &keys.partial;
    for full in [first, last] {
        for keys in full {
            for state in states.iter_mut() {
                for (lane, key) in state.iter_mut().zip(keys) {
                    *lane = cube(l, *lane, key);
                }
                *state = mix(l, *state);
            }
        }
        for state in states.iter_mut() {
            for lane in state {
                *lane = lane.normalize(l).fold(l);
            }
        }
        for (round, key) in partial.iter().enumerate() {
            for state in states.iter_mut() {
                state[2] = cube(l, state[2], key);
                *state = mix(l, *state);
                if round % 2 == 1 {
                    state[0] = state[0].normalize(l).fold(l);
                    state[1] = state[1].normalize(l).fold(l);
                }
            }
        }
        partial = &[];
    }
}

/// The factors that take an integer into the form of a state and back: 2²⁶⁰, and 2⁻²⁶⁰.
struct Conversions {
    enter: Multiplier,
    leave: Multiplier,
}

static CONVERSIONS: LazyLock<Conversions> = LazyLock::new(|| {
    let radix = Felt::from_u64(2).pow(260);
    Conversions { enter: Multiplier::new(radix), leave: Multiplier::new(radix.inverse().unwrap_or_default()) }
});

/// Eight integers below p, in the form of a state.
#[inline(always)]
fn enter<L: Lanes>(l: L, integers: Stored<L>) -> Lazy<L> {
    integers.unpack(l).mul(l, CONVERSIONS.enter.splat(l))
}

/// Writes lane 0 of eight states as digests.
#[inline(always)]
fn store<L: Lanes>(l: L, state: &State<L>, out: &mut [Digest; 8]) {
    // A folded lane may be negative by less than p.
    let integers = state[0].bias(l, 1).carry(l).mul(l, CONVERSIONS.leave.splat(l)).canonical(l);
    let [a, b, c, d] = integers.limbs();
    digests::store(l, [l.swap_bytes(d), l.swap_bytes(c), l.swap_bytes(b), l.swap_bytes(a)], out);
}

/// The digests of rows 8·`first_block` and following.
#[inline(always)]
pub(crate) fn hash_rows<L: Lanes>(l: L, rows: Rows<'_>, first_block: usize, out: &mut [[Digest; 8]]) {
    let keys = &*KEYS;
    let width = rows.width();
    let one = Multiplier::new(Felt::ONE);
    let mut scratch = [const { Vec::new() }; INTERLEAVED];
    for (index, out) in out.chunks_mut(INTERLEAVED).enumerate() {
        let first_block = first_block + INTERLEAVED * index;
        let mut states = [[Lazy::zero(l); 3]; INTERLEAVED];
        let states = &mut states[..out.len()];
        let mut blocks = [Block::Gathered(&[]); INTERLEAVED];
        for ((number, block), scratch) in (first_block..).zip(&mut blocks[..out.len()]).zip(&mut scratch) {
            *block = rows.block(l, number, scratch);
        }
        // The row, a one, and nothing where that makes the count even already.
        for absorbed in (0..=width).step_by(2) {
            for (state, block) in states.iter_mut().zip(&blocks) {
                for lane in 0..2 {
                    let column = absorbed + lane;
                    if column < width {
                        state[lane] = state[lane].add(l, enter(l, Stored::load(l, block.cell(column))));
                    } else if column == width {
                        state[lane] = state[lane].add(l, one.addend(l));
                    }
                }
            }
            permute(l, keys, states);
        }
        for (state, out) in states.iter().zip(out) {
            store(l, state, out);
        }
    }
}

/// The digests of the nodes over `children`, all of which are below p.
#[inline(always)]
pub(crate) fn hash_nodes<L: Lanes>(l: L, children: &[[Digest; 16]], out: &mut [[Digest; 8]]) {
    let keys = &*KEYS;
    let two = Multiplier::new(Felt::from_u64(2));
    for (children, out) in children.chunks(INTERLEAVED).zip(out.chunks_mut(INTERLEAVED)) {
        let mut states = [[Lazy::zero(l); 3]; INTERLEAVED];
        let states = &mut states[..out.len()];
        for (state, children) in states.iter_mut().zip(children) {
            let mut words = digests::load_nodes(l, children);
            for word in &mut words {
                *word = l.swap_bytes(*word);
            }
            let [a3, a2, a1, a0, b3, b2, b1, b0] = words;
            let (left, right) = (Stored::from_limbs([a0, a1, a2, a3]), Stored::from_limbs([b0, b1, b2, b3]));
            *state = [enter(l, left), enter(l, right), two.addend(l)];
        }
        permute(l, keys, states);
        for (state, out) in states.iter().zip(out) {
            store(l, state, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::{
        Group,
        lanes::{
            LaneTask,
            intervals::{any_group, any_multiplier, prove},
        },
    };

    use super::*;

    /// Absorbs any two elements into any state that a permutation leaves, again and again, and writes digests.
    struct Sponge {
        permutations: usize,
        /// Whether lanes are 128 times what they should be.
        with_large_lanes: bool,
    }

    impl LaneTask for Sponge {
        type Output = ();

        fn run<L: Lanes>(self, l: L) {
            let keys = Keys {
                full: [[any_multiplier(); 3]; 2 * HALF_FULL_ROUNDS],
                partial: [any_multiplier(); PARTIAL_ROUNDS],
            };
            let cell: Group = any_group();
            let mut states = [[Lazy::zero(l); 3]; 2];
            for _ in 0..self.permutations {
                for state in &mut states {
                    state[0] = state[0].add(l, enter(l, Stored::load(l, &cell)));
                    state[1] = state[1].add(l, Multiplier::new(Felt::ONE).addend(l));
                    if self.with_large_lanes {
                        for lane in state {
                            for _ in 0..7 {
                                *lane = lane.add(l, *lane);
                            }
                        }
                    }
                }
                permute(l, &keys, &mut states);
            }
            store(l, &states[0], &mut [Digest::ZERO; 8]);
        }
    }

    #[test]
    fn no_sum_overflows_whatever_the_elements_and_keys_are() {
        assert_eq!(prove(Sponge { permutations: 4, with_large_lanes: false }), Ok(()));
    }

    #[test]
    fn states_that_are_too_large_are_reported() {
        assert!(prove(Sponge { permutations: 4, with_large_lanes: true }).is_err());
    }
}
