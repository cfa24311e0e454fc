//! The eight lanes as two AVX2 registers: words only.
//!
//! There is no multiply-add here, that is, no field arithmetic. AVX2 has no integer product of more than 32 bits and
//! rounds double-precision products to nearest only; an exact multiply-add made of these was measured at 1.35 times
//! the time of the scalar product and 0.85 times that of a scalar dot product (see `docs/adr/0001`), too little for
//! a second set of kernels. Machines with AVX2 compute in the field one element at a time.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::{WordLanes, WordTask};

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// Runs a task on words with this instance; gives it back if the processor lacks the instructions.
    #[inline]
    pub(super) fn enter_words<T: WordTask>(task: T) -> Result<T::Output, T> {
        #[target_feature(enable = "avx2")]
        fn run<T: WordTask>(task: T) -> T::Output {
            task.run(Avx2(()))
        }
        if crate::Kernels::Avx2.is_supported() {
            // SAFETY: the processor has the instructions, as just checked.
            Ok(unsafe { run(task) })
        } else {
            Err(task)
        }
    }
}

/// Lanes 0 … 3 and 4 … 7.
type Halves = [__m256i; 2];

/// Evaluates an expression of intrinsics inside a method of [`Avx2`].
macro_rules! with_token {
    ($expression:expr) => {{
        // SAFETY: `self` exists only inside `enter`, that is, on a processor that has the instructions. Loads and
        // stores go through references to arrays of exactly 64 bytes and need no alignment.
        unsafe { $expression }
    }};
}

/// An intrinsic applied to both halves of one to three vectors.
macro_rules! both {
    ($f:ident, $($a:expr),+) => {
        with_token!([$f($($a[0]),+), $f($($a[1]),+)])
    };
}

/// The transpose of a 4×4 matrix of words.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_four(r: [__m256i; 4]) -> [__m256i; 4] {
    let (a, b) = (_mm256_unpacklo_epi64(r[0], r[1]), _mm256_unpackhi_epi64(r[0], r[1]));
    let (c, d) = (_mm256_unpacklo_epi64(r[2], r[3]), _mm256_unpackhi_epi64(r[2], r[3]));
    [
        _mm256_permute2x128_si256::<0x20>(a, c),
        _mm256_permute2x128_si256::<0x20>(b, d),
        _mm256_permute2x128_si256::<0x31>(a, c),
        _mm256_permute2x128_si256::<0x31>(b, d),
    ]
}

/// The transpose of an 8×8 matrix of 32-bit words.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_eight_halves(r: [__m256i; 8]) -> [__m256i; 8] {
    let (mut a, mut b) = (r, r);
    for i in 0..4 {
        a[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    // 128-bit block k of b[4i + j] will hold rows 4i … 4i + 3 of column 4k + j.
    for i in 0..2 {
        b[4 * i] = _mm256_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm256_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm256_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm256_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
    for j in 0..4 {
        a[j] = _mm256_permute2x128_si256::<0x20>(b[j], b[4 + j]);
        a[4 + j] = _mm256_permute2x128_si256::<0x31>(b[j], b[4 + j]);
    }
    a
}

/// Words rotated left.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_words(a: __m256i, left: i64) -> __m256i {
    _mm256_or_si256(
        _mm256_sllv_epi64(a, _mm256_set1_epi64x(left)),
        _mm256_srlv_epi64(a, _mm256_set1_epi64x(64 - left)),
    )
}

/// 32-bit words rotated right, by whole bytes in one instruction.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate_half_words(a: __m256i, right: i32) -> __m256i {
    match right {
        16 => shuffle_bytes(a, [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]),
        8 => shuffle_bytes(a, [1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12]),
        _ => _mm256_or_si256(
            _mm256_srlv_epi32(a, _mm256_set1_epi32(right)),
            _mm256_sllv_epi32(a, _mm256_set1_epi32(32 - right)),
        ),
    }
}

/// Byte i of every 16 is byte `from[i]` of them.
#[inline]
#[target_feature(enable = "avx2")]
fn shuffle_bytes(a: __m256i, from: [i8; 16]) -> __m256i {
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15] = from;
    let order = _mm_setr_epi8(b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15);
    _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(order))
}

/// All ones in the lanes where a < b as unsigned words.
#[inline]
#[target_feature(enable = "avx2")]
fn below(a: __m256i, b: __m256i) -> __m256i {
    let sign = _mm256_set1_epi64x(i64::MIN);
    _mm256_cmpgt_epi64(_mm256_xor_si256(b, sign), _mm256_xor_si256(a, sign))
}

/// The sign bits of the eight words.
#[inline]
#[target_feature(enable = "avx2")]
fn sign_bits(a: Halves) -> u8 {
    let low = _mm256_movemask_pd(_mm256_castsi256_pd(a[0]));
    let high = _mm256_movemask_pd(_mm256_castsi256_pd(a[1]));
    (low | high << 4) as u8
}

impl WordLanes for Avx2 {
    type V = Halves;

    #[inline(always)]
    fn load(self, words: &[u64; 8]) -> Halves {
        let at: *const __m256i = words.as_ptr().cast();
        with_token!([_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))])
    }
    #[inline(always)]
    fn store(self, vector: Halves, words: &mut [u64; 8]) {
        let at: *mut __m256i = words.as_mut_ptr().cast();
        with_token!({
            _mm256_storeu_si256(at, vector[0]);
            _mm256_storeu_si256(at.add(1), vector[1]);
        })
    }
    #[inline(always)]
    fn load32(self, words: &[u32; 16]) -> Halves {
        let at: *const __m256i = words.as_ptr().cast();
        with_token!([_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))])
    }
    #[inline(always)]
    fn store32(self, vector: Halves, words: &mut [u32; 16]) {
        let at: *mut __m256i = words.as_mut_ptr().cast();
        with_token!({
            _mm256_storeu_si256(at, vector[0]);
            _mm256_storeu_si256(at.add(1), vector[1]);
        })
    }
    #[inline(always)]
    fn load_bytes(self, bytes: &[u8; 64]) -> Halves {
        let at: *const __m256i = bytes.as_ptr().cast();
        with_token!([_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))])
    }
    #[inline(always)]
    fn store_bytes(self, vector: Halves, bytes: &mut [u8; 64]) {
        let at: *mut __m256i = bytes.as_mut_ptr().cast();
        with_token!({
            _mm256_storeu_si256(at, vector[0]);
            _mm256_storeu_si256(at.add(1), vector[1]);
        })
    }
    #[inline(always)]
    fn splat(self, word: u64) -> Halves {
        let half = with_token!(_mm256_set1_epi64x(word as i64));
        [half, half]
    }
    #[inline(always)]
    fn splat32(self, word: u32) -> Halves {
        let half = with_token!(_mm256_set1_epi32(word as i32));
        [half, half]
    }
    #[inline(always)]
    fn add(self, a: Halves, b: Halves) -> Halves {
        both!(_mm256_add_epi64, a, b)
    }
    #[inline(always)]
    fn add32(self, a: Halves, b: Halves) -> Halves {
        both!(_mm256_add_epi32, a, b)
    }
    #[inline(always)]
    fn and(self, a: Halves, b: Halves) -> Halves {
        both!(_mm256_and_si256, a, b)
    }
    #[inline(always)]
    fn xor(self, a: Halves, b: Halves) -> Halves {
        both!(_mm256_xor_si256, a, b)
    }
    #[inline(always)]
    fn not(self, a: Halves) -> Halves {
        self.xor(a, self.splat(u64::MAX))
    }
    #[inline(always)]
    fn xor3(self, a: Halves, b: Halves, c: Halves) -> Halves {
        self.xor(self.xor(a, b), c)
    }
    #[inline(always)]
    fn chi(self, a: Halves, b: Halves, c: Halves) -> Halves {
        self.xor(a, both!(_mm256_andnot_si256, b, c))
    }
    #[inline(always)]
    fn shift_left<const N: u32>(self, a: Halves) -> Halves {
        let count = self.splat(u64::from(N));
        both!(_mm256_sllv_epi64, a, count)
    }
    #[inline(always)]
    fn rotate_left<const N: i32>(self, a: Halves) -> Halves {
        with_token!([rotate_words(a[0], i64::from(N)), rotate_words(a[1], i64::from(N))])
    }
    #[inline(always)]
    fn rotate_right32<const N: i32>(self, a: Halves) -> Halves {
        with_token!([rotate_half_words(a[0], N), rotate_half_words(a[1], N)])
    }
    #[inline(always)]
    fn swap_bytes(self, a: Halves) -> Halves {
        const ORDER: [i8; 16] = [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8];
        with_token!([shuffle_bytes(a[0], ORDER), shuffle_bytes(a[1], ORDER)])
    }
    #[inline(always)]
    fn swap_bytes32(self, a: Halves) -> Halves {
        const ORDER: [i8; 16] = [3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12];
        with_token!([shuffle_bytes(a[0], ORDER), shuffle_bytes(a[1], ORDER)])
    }
    #[inline(always)]
    fn less_than(self, a: Halves, b: Halves) -> u8 {
        with_token!(sign_bits([below(a[0], b[0]), below(a[1], b[1])]))
    }
    #[inline(always)]
    fn permute_pair(self, low: Halves, high: Halves, indices: Halves) -> Halves {
        let (mut words, mut from, mut out) = ([[0; 8]; 2], [0; 8], [0; 8]);
        self.store(low, &mut words[0]);
        self.store(high, &mut words[1]);
        self.store(indices, &mut from);
        for i in 0..8 {
            out[i] = words.as_flattened()[from[i] as usize % 16];
        }
        self.load(&out)
    }
    #[inline(always)]
    fn permute_pair32(self, low: Halves, high: Halves, indices: Halves) -> Halves {
        let (mut words, mut from, mut out) = ([[0; 16]; 2], [0; 16], [0; 16]);
        self.store32(low, &mut words[0]);
        self.store32(high, &mut words[1]);
        self.store32(indices, &mut from);
        for i in 0..16 {
            out[i] = words.as_flattened()[from[i] as usize % 32];
        }
        self.load32(&out)
    }
    #[inline(always)]
    fn transpose(self, rows: [Halves; 8]) -> [Halves; 8] {
        let mut out = rows;
        for block in 0..2 {
            for half in 0..2 {
                let at = 4 * block;
                let square = [rows[at][half], rows[at + 1][half], rows[at + 2][half], rows[at + 3][half]];
                let square = with_token!(transpose_four(square));
                for i in 0..4 {
                    out[4 * half + i][block] = square[i];
                }
            }
        }
        out
    }
    #[inline(always)]
    fn transpose32(self, rows: [Halves; 16]) -> [Halves; 16] {
        let mut out = rows;
        for block in 0..2 {
            for half in 0..2 {
                let mut square = [rows[0][0]; 8];
                for i in 0..8 {
                    square[i] = rows[8 * block + i][half];
                }
                let square = with_token!(transpose_eight_halves(square));
                for i in 0..8 {
                    out[8 * half + i][block] = square[i];
                }
            }
        }
        out
    }
}
