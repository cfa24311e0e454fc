//! The eight lanes in plain Rust: the meaning of every operation, and the instance for machines without vectors.
//!
//! The operations are deliberately not inlined: an unrolled kernel is thousands of them, and as inlined array code
//! they take the optimiser minutes to compile. This instance is for testing the algorithms, not for speed.

use super::{Lanes, WordLanes};

/// Eight lanes as an array. Always available.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Eight words, aligned like a vector register.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words([u64; 8]);

const MASK52: u64 = (1 << 52) - 1;

#[inline(always)]
fn map(a: Words, f: impl Fn(u64) -> u64) -> Words {
    Words(a.0.map(f))
}

#[inline(always)]
fn zip(a: Words, b: Words, f: impl Fn(u64, u64) -> u64) -> Words {
    Words(std::array::from_fn(|i| f(a.0[i], b.0[i])))
}

#[inline(always)]
fn halves(a: Words) -> [u32; 16] {
    std::array::from_fn(|i| (a.0[i / 2] >> (32 * (i % 2))) as u32)
}

#[inline(always)]
fn from_halves(a: [u32; 16]) -> Words {
    Words(std::array::from_fn(|i| u64::from(a[2 * i]) | u64::from(a[2 * i + 1]) << 32))
}

#[inline(always)]
fn mask_of(f: impl Fn(usize) -> bool) -> u8 {
    (0..8).fold(0, |mask, i| mask | u8::from(f(i)) << i)
}

#[inline(never)]
fn add_low(accumulator: &mut Words, a: &Words, b: &Words) {
    for i in 0..8 {
        accumulator.0[i] = accumulator.0[i].wrapping_add(a.0[i].wrapping_mul(b.0[i]) & MASK52);
    }
}

#[inline(never)]
fn add_high(accumulator: &mut Words, a: &Words, b: &Words) {
    for i in 0..8 {
        let product = u128::from(a.0[i] << 12) * u128::from(b.0[i] & MASK52);
        accumulator.0[i] = accumulator.0[i].wrapping_add((product >> 64) as u64);
    }
}

impl WordLanes for Portable {
    type V = Words;

    #[inline(never)]
    fn part<R>(self, compute: impl FnOnce() -> R) -> R {
        compute()
    }

    #[inline(never)]
    fn load(self, words: &[u64; 8]) -> Words {
        Words(*words)
    }
    #[inline(never)]
    fn store(self, vector: Words, words: &mut [u64; 8]) {
        *words = vector.0;
    }
    #[inline(never)]
    fn load32(self, words: &[u32; 16]) -> Words {
        from_halves(*words)
    }
    #[inline(never)]
    fn store32(self, vector: Words, words: &mut [u32; 16]) {
        *words = halves(vector);
    }
    #[inline(never)]
    fn load_bytes(self, bytes: &[u8; 64]) -> Words {
        Words(std::array::from_fn(|i| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[8 * i..8 * i + 8]);
            u64::from_le_bytes(word)
        }))
    }
    #[inline(never)]
    fn store_bytes(self, vector: Words, bytes: &mut [u8; 64]) {
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(vector.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
    }
    #[inline(never)]
    fn splat(self, word: u64) -> Words {
        Words([word; 8])
    }
    #[inline(never)]
    fn splat32(self, word: u32) -> Words {
        from_halves([word; 16])
    }
    #[inline(never)]
    fn add(self, a: Words, b: Words) -> Words {
        zip(a, b, u64::wrapping_add)
    }
    #[inline(never)]
    fn add32(self, a: Words, b: Words) -> Words {
        let (a, b) = (halves(a), halves(b));
        from_halves(std::array::from_fn(|i| a[i].wrapping_add(b[i])))
    }
    #[inline(never)]
    fn and(self, a: Words, b: Words) -> Words {
        zip(a, b, |a, b| a & b)
    }
    #[inline(never)]
    fn xor(self, a: Words, b: Words) -> Words {
        zip(a, b, |a, b| a ^ b)
    }
    #[inline(never)]
    fn not(self, a: Words) -> Words {
        map(a, |a| !a)
    }
    #[inline(never)]
    fn xor3(self, a: Words, b: Words, c: Words) -> Words {
        zip(zip(a, b, |a, b| a ^ b), c, |a, b| a ^ b)
    }
    #[inline(never)]
    fn chi(self, a: Words, b: Words, c: Words) -> Words {
        zip(a, zip(b, c, |b, c| !b & c), |a, b| a ^ b)
    }
    #[inline(never)]
    fn shift_left<const N: u32>(self, a: Words) -> Words {
        map(a, |a| a << N)
    }
    #[inline(never)]
    fn rotate_left<const N: i32>(self, a: Words) -> Words {
        map(a, |a| a.rotate_left(N as u32))
    }
    #[inline(never)]
    fn rotate_right32<const N: i32>(self, a: Words) -> Words {
        from_halves(halves(a).map(|a| a.rotate_right(N as u32)))
    }
    #[inline(never)]
    fn swap_bytes(self, a: Words) -> Words {
        map(a, u64::swap_bytes)
    }
    #[inline(never)]
    fn swap_bytes32(self, a: Words) -> Words {
        from_halves(halves(a).map(u32::swap_bytes))
    }
    #[inline(never)]
    fn less_than(self, a: Words, b: Words) -> u8 {
        mask_of(|i| a.0[i] < b.0[i])
    }
    #[inline(never)]
    fn permute_pair(self, low: Words, high: Words, indices: Words) -> Words {
        map(indices, |i| {
            let i = i as usize % 16;
            if i < 8 { low.0[i] } else { high.0[i - 8] }
        })
    }
    #[inline(never)]
    fn permute_pair32(self, low: Words, high: Words, indices: Words) -> Words {
        let (low, high) = (halves(low), halves(high));
        from_halves(halves(indices).map(|i| {
            let i = i as usize % 32;
            if i < 16 { low[i] } else { high[i - 16] }
        }))
    }
    #[inline(never)]
    fn transpose(self, rows: [Words; 8]) -> [Words; 8] {
        std::array::from_fn(|i| Words(std::array::from_fn(|j| rows[j].0[i])))
    }
    #[inline(never)]
    fn transpose32(self, rows: [Words; 16]) -> [Words; 16] {
        let rows = rows.map(halves);
        std::array::from_fn(|i| from_halves(std::array::from_fn(|j| rows[j][i])))
    }
}

impl Lanes for Portable {
    #[inline(never)]
    fn sub(self, a: Words, b: Words) -> Words {
        zip(a, b, u64::wrapping_sub)
    }
    #[inline(always)]
    fn madd52lo(self, mut accumulator: Words, a: Words, b: Words) -> Words {
        add_low(&mut accumulator, &a, &b);
        accumulator
    }
    #[inline(always)]
    fn madd52hi(self, mut accumulator: Words, a: Words, b: Words) -> Words {
        add_high(&mut accumulator, &a, &b);
        accumulator
    }
    #[inline(never)]
    fn or(self, a: Words, b: Words) -> Words {
        zip(a, b, |a, b| a | b)
    }
    #[inline(never)]
    fn shift_right<const N: u32>(self, a: Words) -> Words {
        map(a, |a| a >> N)
    }
    #[inline(never)]
    fn shift_right_signed<const N: u32>(self, a: Words) -> Words {
        map(a, |a| ((a as i64) >> N) as u64)
    }
    #[inline(never)]
    fn funnel_right<const N: i32>(self, low: Words, high: Words) -> Words {
        zip(low, high, |low, high| low >> N | high << (64 - N))
    }
    #[inline(never)]
    fn equal(self, a: Words, b: Words) -> u8 {
        mask_of(|i| a.0[i] == b.0[i])
    }
    #[inline(never)]
    fn select(self, mask: u8, set: Words, clear: Words) -> Words {
        Words(std::array::from_fn(|i| if mask >> i & 1 == 1 { set.0[i] } else { clear.0[i] }))
    }
    #[inline(never)]
    fn permute(self, a: Words, indices: Words) -> Words {
        map(indices, |i| a.0[i as usize % 8])
    }
    #[inline(never)]
    fn prefetch<T>(self, _address: *const T) {}
}
