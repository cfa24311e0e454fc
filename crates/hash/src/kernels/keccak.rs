//! Eight Keccak-256 at a time: a vector holds the same 64-bit lane of eight states.
//!
//! A group of cells, limb by limb from the highest and byte-swapped, is four message lanes of eight rows: leaves
//! are hashed straight from the columns.

use ashlar_field::{Group, lanes::WordLanes};

use crate::{
    Digest,
    kernels::{digests, table::Rows},
};

/// Message lanes that a permutation absorbs.
const RATE: usize = 17;
/// The first byte of the padding, and the last bit of the last lane of a block.
const PADDING_START: u64 = 1;
const PADDING_END: u64 = 1 << 63;

const ROUND_CONSTANTS: [u64; 24] = round_constants();

/// Step ι: bit 2^j − 1 of the constant of round i is the output of a linear feedback shift register at 7i + j.
const fn round_constants() -> [u64; 24] {
    let mut constants = [0; 24];
    let mut register: u8 = 1;
    let mut round = 0;
    while round < 24 {
        let mut j = 0;
        while j < 7 {
            if register & 1 == 1 {
                constants[round] |= 1 << ((1u32 << j) - 1);
            }
            // x⁸ + x⁶ + x⁵ + x⁴ + 1, shifting out the lowest bit first.
            let carry = register >> 7;
            register = (register << 1) ^ (carry * 0x71);
            j += 1;
        }
        round += 1;
    }
    constants
}

/// Eight states; lane (x, y) at 5y + x.
type State<L> = [<L as WordLanes>::V; 25];

/// The permutation Keccak-f\[1600\].
#[inline(always)]
fn permute<L: WordLanes>(l: L, state: &mut State<L>) {
    rounds(l, state, ROUND_CONSTANTS);
}

/// The lanes of a digest, the first four of the permuted state. The last round makes no others.
#[inline(always)]
fn permute_to_digest<L: WordLanes>(l: L, mut state: State<L>) -> [L::V; 4] {
    let [before @ .., last] = ROUND_CONSTANTS;
    rounds(l, &mut state, before);
    l.part(
        #[inline(always)]
        || {
            let [e0, e1, e2, e3, _] = first_row(l, &state, theta(l, &state), last);
            [e0, e1, e2, e3]
        },
    )
}

/// The rounds with these constants.
#[inline(always)]
fn rounds<L: WordLanes, const N: usize>(l: L, state: &mut State<L>, constants: [u64; N]) {
    for constant in constants {
        *state = l.part(
            #[inline(always)]
            || round(l, state, constant),
        );
    }
}

/// What step θ adds to the lanes of every column: the parities of its two neighbours, one of them turned.
#[inline(always)]
fn theta<L: WordLanes>(l: L, a: &State<L>) -> [L::V; 5] {
    macro_rules! parity {
        ($x:literal) => {
            l.xor3(l.xor3(a[$x], a[$x + 5], a[$x + 10]), a[$x + 15], a[$x + 20])
        };
    }
    let c = [parity!(0), parity!(1), parity!(2), parity!(3), parity!(4)];
    [
        l.xor(c[4], l.rotate_left::<1>(c[1])),
        l.xor(c[0], l.rotate_left::<1>(c[2])),
        l.xor(c[1], l.rotate_left::<1>(c[3])),
        l.xor(c[2], l.rotate_left::<1>(c[4])),
        l.xor(c[3], l.rotate_left::<1>(c[0])),
    ]
}

/// A row of the state after a round without ι: what θ adds, ρ and π, that is, where each of its lanes comes from and its
/// rotation; then χ.
macro_rules! row {
    ($l:ident, $a:ident, $d:ident, $(($from:literal, $rotation:literal)),*) => {{
        let b = [$($l.rotate_left::<$rotation>($l.xor($a[$from], $d[$from % 5]))),*];
        [
            $l.chi(b[0], b[1], b[2]),
            $l.chi(b[1], b[2], b[3]),
            $l.chi(b[2], b[3], b[4]),
            $l.chi(b[3], b[4], b[0]),
            $l.chi(b[4], b[0], b[1]),
        ]
    }};
}

/// The first row of the state after a round; `d` is what θ adds.
#[inline(always)]
fn first_row<L: WordLanes>(l: L, a: &State<L>, d: [L::V; 5], constant: u64) -> [L::V; 5] {
    let [first, rest @ ..] = row!(l, a, d, (0, 0), (6, 44), (12, 43), (18, 21), (24, 14));
    let [e1, e2, e3, e4] = rest;
    [l.xor(first, l.splat(constant)), e1, e2, e3, e4]
}

/// A round of the permutation.
#[inline(always)]
fn round<L: WordLanes>(l: L, a: &State<L>, constant: u64) -> State<L> {
    let d = theta(l, a);
    let e0 = first_row(l, a, d, constant);
    let e1 = row!(l, a, d, (3, 28), (9, 20), (10, 3), (16, 45), (22, 61));
    let e2 = row!(l, a, d, (1, 1), (7, 6), (13, 25), (19, 8), (20, 18));
    let e3 = row!(l, a, d, (4, 27), (5, 36), (11, 10), (17, 15), (23, 56));
    let e4 = row!(l, a, d, (2, 62), (8, 55), (14, 39), (15, 41), (21, 2));
    [
        e0[0], e0[1], e0[2], e0[3], e0[4], //
        e1[0], e1[1], e1[2], e1[3], e1[4], //
        e2[0], e2[1], e2[2], e2[3], e2[4], //
        e3[0], e3[1], e3[2], e3[3], e3[4], //
        e4[0], e4[1], e4[2], e4[3], e4[4],
    ]
}

/// Zeroes the bytes of the digests that the mask does not keep.
#[inline(always)]
fn masked<L: WordLanes>(l: L, mut words: [L::V; 4], mask: [u64; 4]) -> [L::V; 4] {
    for (word, mask) in words.iter_mut().zip(mask) {
        *word = l.and(*word, l.splat(mask));
    }
    words
}

/// The digests of rows 8·`first_block` and following. `mask` keeps bytes, in the four words of a digest.
#[inline(always)]
pub(crate) fn hash_rows<L: WordLanes>(
    l: L,
    rows: Rows<'_>,
    first_block: usize,
    mask: [u64; 4],
    out: &mut [[Digest; 8]],
) {
    let length = 4 * rows.width();
    let mut scratch = Vec::new();
    for (block, out) in (first_block..).zip(out) {
        let block = rows.block(l, block, &mut scratch);
        let mut state = [l.zero(); 25];
        // The padding needs room, so a message that fills its last block exactly gets one more.
        for absorbed in (0..=length).step_by(RATE) {
            for lane in 0..RATE.min(length - absorbed) {
                let Group(limbs) = block.cell((absorbed + lane) / 4);
                let limb = l.load(&limbs[3 - (absorbed + lane) % 4]);
                state[lane] = l.xor(state[lane], l.swap_bytes(limb));
            }
            if length - absorbed < RATE {
                let end = length - absorbed;
                state[end] = l.xor(state[end], l.splat(PADDING_START));
                state[RATE - 1] = l.xor(state[RATE - 1], l.splat(PADDING_END));
            } else {
                permute(l, &mut state);
            }
        }
        digests::store(l, masked(l, permute_to_digest(l, state), mask), out);
    }
}

/// The digests of the nodes over `children`.
#[inline(always)]
pub(crate) fn hash_nodes<L: WordLanes>(
    l: L,
    children: &[[Digest; 16]],
    mask: [u64; 4],
    out: &mut [[Digest; 8]],
) {
    for (children, out) in children.iter().zip(out) {
        let mut state = [l.zero(); 25];
        state[..8].copy_from_slice(&digests::load_nodes(l, children));
        state[8] = l.splat(PADDING_START);
        state[RATE - 1] = l.splat(PADDING_END);
        digests::store(l, masked(l, permute_to_digest(l, state), mask), out);
    }
}

/// The first multiple of eight in the range such that one of it and the seven nonces after it solves the puzzle:
/// the first 64 bits of the digest of `prefix` and the nonce are at most `bound`.
///
/// The range starts and ends at multiples of eight.
#[inline(always)]
pub(crate) fn search<L: WordLanes>(
    l: L,
    prefix: &Digest,
    bound: u64,
    nonces: std::ops::Range<u64>,
) -> Option<u64> {
    let lane = l.load(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let bound = l.splat(bound);
    for first in nonces.step_by(8) {
        let mut state = [l.zero(); 25];
        for (lane, word) in state.iter_mut().zip(prefix.0.as_chunks().0) {
            *lane = l.splat(u64::from_le_bytes(*word));
        }
        state[4] = l.swap_bytes(l.add(l.splat(first), lane));
        state[5] = l.splat(PADDING_START);
        state[RATE - 1] = l.splat(PADDING_END);
        let [first_word, ..] = permute_to_digest(l, state);
        if l.less_than(bound, l.swap_bytes(first_word)) != u8::MAX {
            return Some(first);
        }
    }
    None
}
