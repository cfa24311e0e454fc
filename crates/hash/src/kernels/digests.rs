//! Between digests in memory, one after the other, and vectors that hold one word of several digests.

use ashlar_field::lanes::WordLanes;

use crate::Digest;

/// The 64 bytes of a pair of children.
#[inline(always)]
fn pair(left: &Digest, right: &Digest) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&left.0);
    bytes[32..].copy_from_slice(&right.0);
    bytes
}

/// The messages of eight nodes: lane i of vector w is little-endian word w of children 2i and 2i + 1.
#[inline(always)]
pub(crate) fn load_nodes<L: WordLanes>(l: L, children: &[Digest; 16]) -> [L::V; 8] {
    let mut messages = [l.zero(); 8];
    for (message, [left, right]) in messages.iter_mut().zip(children.as_chunks().0) {
        *message = l.load_bytes(&pair(left, right));
    }
    l.transpose(messages)
}

/// The messages of sixteen nodes in 32-bit words: lane i of vector w is word w of children 2i and 2i + 1.
#[inline(always)]
pub(crate) fn load_nodes32<L: WordLanes>(l: L, children: &[Digest; 32]) -> [L::V; 16] {
    let mut messages = [l.zero(); 16];
    for (message, [left, right]) in messages.iter_mut().zip(children.as_chunks().0) {
        *message = l.load_bytes(&pair(left, right));
    }
    l.transpose32(messages)
}

/// Writes eight digests: lane i of vector w is little-endian word w of digest i.
#[inline(always)]
pub(crate) fn store<L: WordLanes>(l: L, words: [L::V; 4], out: &mut [Digest; 8]) {
    // Words 0, 1 and words 2, 3 side by side, for digests 0 … 3 and 4 … 7; then all four words of two digests.
    let low = l.load(&[0, 8, 1, 9, 2, 10, 3, 11]);
    let high = l.load(&[4, 12, 5, 13, 6, 14, 7, 15]);
    let first = l.load(&[0, 1, 8, 9, 2, 3, 10, 11]);
    let second = l.load(&[4, 5, 12, 13, 6, 7, 14, 15]);
    for (half, out) in [low, high].into_iter().zip(out.as_chunks_mut::<4>().0) {
        let front = l.permute_pair(words[0], words[1], half);
        let back = l.permute_pair(words[2], words[3], half);
        for (two, out) in [first, second].into_iter().zip(out.as_chunks_mut::<2>().0) {
            let mut bytes = [0; 64];
            l.store_bytes(l.permute_pair(front, back, two), &mut bytes);
            out[0].0.copy_from_slice(&bytes[..32]);
            out[1].0.copy_from_slice(&bytes[32..]);
        }
    }
}

/// Writes sixteen digests: 32-bit lane i of vector w is word w of digest i.
#[inline(always)]
pub(crate) fn store32<L: WordLanes>(l: L, words: [L::V; 8], out: &mut [Digest; 16]) {
    let low = l.load32(&std::array::from_fn(|i| (i / 2 + 16 * (i % 2)) as u32));
    let high = l.load32(&std::array::from_fn(|i| (8 + i / 2 + 16 * (i % 2)) as u32));
    for (half, out) in [low, high].into_iter().zip(out.as_chunks_mut::<8>().0) {
        let mut long_words = [l.zero(); 4];
        for (long, [first, second]) in long_words.iter_mut().zip(words.as_chunks().0) {
            *long = l.permute_pair32(*first, *second, half);
        }
        store(l, long_words, out);
    }
}
