//! Sixteen BLAKE2s-256 at a time: a vector holds the same 32-bit word of sixteen messages or states.
//!
//! Rows come in two blocks of eight: lanes 0 … 7 and 8 … 15. A cell, byte-swapped, is eight message words.

use ashlar_field::{Group, lanes::WordLanes};

use crate::{
    Digest,
    kernels::{digests, table::Rows},
};

/// Bytes of a message block.
const BLOCK_BYTES: usize = 64;

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// What the first word of the state starts with besides: a digest of 32 bytes, no key, no tree.
const PARAMETERS: u32 = 0x0101_0020;

/// Which message words the ten rounds mix in, in order.
const SCHEDULE: [[usize; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The initial words, the same in all lanes.
#[inline(always)]
fn initial_words<L: WordLanes>(l: L) -> [L::V; 8] {
    let mut words = [l.zero(); 8];
    for (lanes, word) in words.iter_mut().zip(INITIAL) {
        *lanes = l.splat32(word);
    }
    words
}

/// The state before the first block.
#[inline(always)]
fn initial_state<L: WordLanes>(l: L) -> [L::V; 8] {
    let mut state = initial_words(l);
    state[0] = l.xor(state[0], l.splat32(PARAMETERS));
    state
}

/// The function G: mixes two message words into a column or a diagonal of the state.
#[inline(always)]
fn mix<L: WordLanes>(l: L, [a, b, c, d]: [L::V; 4], x: L::V, y: L::V) -> [L::V; 4] {
    let a = l.add32(l.add32(a, x), b);
    let d = l.rotate_right32::<16>(l.xor(d, a));
    let c = l.add32(c, d);
    let b = l.rotate_right32::<12>(l.xor(b, c));
    let a = l.add32(l.add32(a, y), b);
    let d = l.rotate_right32::<8>(l.xor(d, a));
    let c = l.add32(c, d);
    let b = l.rotate_right32::<7>(l.xor(b, c));
    [a, b, c, d]
}

/// The compression function. `counter` is the bytes hashed so far, this block included.
#[inline(always)]
fn compress<L: WordLanes>(l: L, state: &mut [L::V; 8], message: &[L::V; 16], counter: u64, last: bool) {
    let h = *state;
    let i = initial_words(l);
    let counter = [counter as u32, (counter >> 32) as u32];
    let v12 = l.xor(i[4], l.splat32(counter[0]));
    let v13 = l.xor(i[5], l.splat32(counter[1]));
    let v14 = if last { l.not(i[6]) } else { i[6] };
    let mut v = [
        h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7], //
        i[0], i[1], i[2], i[3], v12, v13, v14, i[7],
    ];
    macro_rules! mix {
        ($a:literal, $b:literal, $c:literal, $d:literal, $x:expr, $y:expr) => {
            [v[$a], v[$b], v[$c], v[$d]] = l.part(
                #[inline(always)]
                || mix(l, [v[$a], v[$b], v[$c], v[$d]], $x, $y),
            );
        };
    }
    macro_rules! round {
        ($order:expr) => {{
            let order: &[usize; 16] = $order;
            mix!(0, 4, 8, 12, message[order[0]], message[order[1]]);
            mix!(1, 5, 9, 13, message[order[2]], message[order[3]]);
            mix!(2, 6, 10, 14, message[order[4]], message[order[5]]);
            mix!(3, 7, 11, 15, message[order[6]], message[order[7]]);
            mix!(0, 5, 10, 15, message[order[8]], message[order[9]]);
            mix!(1, 6, 11, 12, message[order[10]], message[order[11]]);
            mix!(2, 7, 8, 13, message[order[12]], message[order[13]]);
            mix!(3, 4, 9, 14, message[order[14]], message[order[15]]);
        }};
    }
    round!(&SCHEDULE[0]);
    round!(&SCHEDULE[1]);
    round!(&SCHEDULE[2]);
    round!(&SCHEDULE[3]);
    round!(&SCHEDULE[4]);
    round!(&SCHEDULE[5]);
    round!(&SCHEDULE[6]);
    round!(&SCHEDULE[7]);
    round!(&SCHEDULE[8]);
    round!(&SCHEDULE[9]);
    for i in 0..8 {
        state[i] = l.xor3(h[i], v[i], v[i + 8]);
    }
}

/// The sixteen digests, with the bytes zeroed that the mask does not keep.
#[inline(always)]
fn store<L: WordLanes>(l: L, mut state: [L::V; 8], mask: [u64; 4], out: &mut [Digest; 16]) {
    for (number, word) in state.iter_mut().enumerate() {
        *word = l.and(*word, l.splat32((mask[number / 2] >> (32 * (number % 2))) as u32));
    }
    digests::store32(l, state, out);
}

/// The digests of rows 16·`first_pair` and following. `mask` keeps bytes, in the four words of a digest.
#[inline(always)]
pub(crate) fn hash_rows<L: WordLanes>(
    l: L,
    rows: Rows<'_>,
    first_pair: usize,
    mask: [u64; 4],
    out: &mut [[Digest; 16]],
) {
    let low_halves = l.load32(&std::array::from_fn(|i| 2 * i as u32));
    let high_halves = l.load32(&std::array::from_fn(|i| 2 * i as u32 + 1));
    let width = rows.width();
    let mut scratch = [Vec::new(), Vec::new()];
    for (pair, out) in (first_pair..).zip(out) {
        let [front, back] = &mut scratch;
        let front = rows.block(l, 2 * pair, front);
        let back = rows.block(l, 2 * pair + 1, back);
        let mut state = initial_state(l);
        // The empty message has a block too.
        for column in (0..width.max(1)).step_by(2) {
            let cells = (width - column).min(2);
            let mut message = [l.zero(); 16];
            for cell in 0..cells {
                let (Group(front), Group(back)) = (front.cell(column + cell), back.cell(column + cell));
                for limb in 0..4 {
                    let (front, back) = (l.load(&front[3 - limb]), l.load(&back[3 - limb]));
                    let word = 8 * cell + 2 * limb;
                    message[word] = l.swap_bytes32(l.permute_pair32(front, back, high_halves));
                    message[word + 1] = l.swap_bytes32(l.permute_pair32(front, back, low_halves));
                }
            }
            let counter = 32 * (column + cells) as u64;
            compress(l, &mut state, &message, counter, column + cells == width);
        }
        store(l, state, mask, out);
    }
}

/// The digests of the nodes over `children`.
#[inline(always)]
pub(crate) fn hash_nodes<L: WordLanes>(
    l: L,
    children: &[[Digest; 32]],
    mask: [u64; 4],
    out: &mut [[Digest; 16]],
) {
    for (children, out) in children.iter().zip(out) {
        let mut state = initial_state(l);
        compress(l, &mut state, &digests::load_nodes32(l, children), BLOCK_BYTES as u64, true);
        store(l, state, mask, out);
    }
}

/// The first multiple of sixteen in the range such that one of it and the fifteen nonces after it may solve the
/// puzzle: the first 32 bits of the digest of `prefix` and the nonce are at most those of `bound`.
///
/// The range starts and ends at multiples of sixteen.
#[inline(always)]
pub(crate) fn search<L: WordLanes>(
    l: L,
    prefix: &Digest,
    bound: u64,
    nonces: std::ops::Range<u64>,
) -> Option<u64> {
    let lane = l.load32(&std::array::from_fn(|i| i as u32));
    let bound = l.splat(bound);
    let upper_halves = l.splat(0xffff_ffff_0000_0000);
    for first in nonces.step_by(16) {
        let mut message = [l.zero(); 16];
        for (lanes, word) in message.iter_mut().zip(prefix.0.as_chunks().0) {
            *lanes = l.splat32(u32::from_le_bytes(*word));
        }
        message[8] = l.splat32(((first >> 32) as u32).swap_bytes());
        message[9] = l.swap_bytes32(l.add32(l.splat32(first as u32), lane));
        let mut state = initial_state(l);
        compress(l, &mut state, &message, 40, true);
        // Each 32-bit value in the upper half of a word of its own, to compare it as the start of 64 bits.
        let start = l.swap_bytes32(state[0]);
        let (odd, even) = (l.and(start, upper_halves), l.shift_left::<32>(start));
        if l.less_than(bound, odd) & l.less_than(bound, even) != u8::MAX {
            return Some(first);
        }
    }
    None
}
