//! The eight lanes as AVX-512 registers, with and without the 52-bit integer multiply-add (IFMA).
//!
//! Every operation is one instruction or two; the exceptions are the transposes and, without IFMA, the
//! multiply-add, which is computed by double-precision arithmetic with rounding toward zero:
//! for integers a, b < 2⁵², `fma(a, b, 2¹⁰⁴)` lies in [2¹⁰⁴, 2¹⁰⁵), where a unit in the last place is 2⁵², so its
//! mantissa bits are exactly ⌊ab/2⁵²⌋; and `fma(a, b, 2¹⁰⁴ + 2⁵² − that)` = 2⁵² + (ab mod 2⁵²) is exact.
#![allow(unsafe_code)]

use core::arch::x86_64::*;

use super::{LaneTask, Lanes, WordLanes, WordTask};
use crate::Group;

/// Proof that the processor has AVX-512 F, DQ, BW and VL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

/// Proof that the processor has AVX-512 F, DQ, BW, VL, IFMA, VBMI and VBMI2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ifma(());

impl Avx512 {
    /// Runs a task with this instance; gives it back if the processor lacks the instructions.
    #[inline]
    pub(super) fn enter<T: LaneTask>(task: T) -> Result<T::Output, T> {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
        fn run<T: LaneTask>(task: T) -> T::Output {
            task.run(Avx512(()))
        }
        if crate::Kernels::Avx512.is_supported() {
            // SAFETY: the processor has the instructions, as just checked.
            Ok(unsafe { run(task) })
        } else {
            Err(task)
        }
    }

    /// Runs a task on words with this instance; gives it back if the processor lacks the instructions.
    #[inline]
    pub(super) fn enter_words<T: WordTask>(task: T) -> Result<T::Output, T> {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl")]
        fn run<T: WordTask>(task: T) -> T::Output {
            task.run(Avx512(()))
        }
        if crate::Kernels::Avx512.is_supported() {
            // SAFETY: the processor has the instructions, as just checked.
            Ok(unsafe { run(task) })
        } else {
            Err(task)
        }
    }
}

impl Ifma {
    /// Runs a task with this instance; gives it back if the processor lacks the instructions.
    #[inline]
    pub(super) fn enter<T: LaneTask>(task: T) -> Result<T::Output, T> {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512ifma,avx512vbmi,avx512vbmi2")]
        fn run<T: LaneTask>(task: T) -> T::Output {
            task.run(Ifma(()))
        }
        if crate::Kernels::Avx512Ifma.is_supported() {
            // SAFETY: the processor has the instructions, as just checked.
            Ok(unsafe { run(task) })
        } else {
            Err(task)
        }
    }

    /// Runs a task on words with this instance; gives it back if the processor lacks the instructions.
    #[inline]
    pub(super) fn enter_words<T: WordTask>(task: T) -> Result<T::Output, T> {
        #[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx512ifma,avx512vbmi,avx512vbmi2")]
        fn run<T: WordTask>(task: T) -> T::Output {
            task.run(Ifma(()))
        }
        if crate::Kernels::Avx512Ifma.is_supported() {
            // SAFETY: the processor has the instructions, as just checked.
            Ok(unsafe { run(task) })
        } else {
            Err(task)
        }
    }
}

/// Evaluates an expression of intrinsics inside a method of [`Avx512`] or [`Ifma`].
macro_rules! with_token {
    ($expression:expr) => {{
        // SAFETY: `self` exists only inside `enter`, that is, on a processor that has the instructions. Loads and
        // stores go through references to arrays of exactly 64 bytes and need no alignment.
        unsafe { $expression }
    }};
}

/// The bits of the doubles 2⁵² and 2¹⁰⁴, whose mantissas are zero.
const BITS_2_52: i64 = (1023 + 52) << 52;
const BITS_2_104: i64 = (1023 + 104) << 52;
const MASK52: i64 = (1 << 52) - 1;
const TOWARD_ZERO: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;

/// The low 52 bits of every word as a double.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn double_from_low52(a: __m512i) -> __m512d {
    _mm512_cvtepu64_pd(_mm512_and_si512(a, _mm512_set1_epi64(MASK52)))
}

/// 2¹⁰⁴ + 2⁵²·⌊ab/2⁵²⌋.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn high_double(a: __m512d, b: __m512d) -> __m512d {
    _mm512_fmadd_round_pd::<TOWARD_ZERO>(a, b, _mm512_castsi512_pd(_mm512_set1_epi64(BITS_2_104)))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn emulated_madd52hi(accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let high = high_double(double_from_low52(a), double_from_low52(b));
    // Subtracting the exponent bits, not masking them: the compiler gathers the constants of a sum.
    let bits = _mm512_sub_epi64(_mm512_castpd_si512(high), _mm512_set1_epi64(BITS_2_104));
    _mm512_add_epi64(accumulator, bits)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn emulated_madd52lo(accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
    let (a, b) = (double_from_low52(a), double_from_low52(b));
    // 2¹⁰⁴ + 2⁵² is one unit in the last place above 2¹⁰⁴; the difference is an exact multiple of 2⁵².
    let both = _mm512_castsi512_pd(_mm512_set1_epi64(BITS_2_104 + 1));
    let rest = _mm512_sub_pd(both, high_double(a, b));
    let low = _mm512_fmadd_round_pd::<TOWARD_ZERO>(a, b, rest);
    let bits = _mm512_sub_epi64(_mm512_castpd_si512(low), _mm512_set1_epi64(BITS_2_52));
    _mm512_add_epi64(accumulator, bits)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_words(r: [__m512i; 8]) -> [__m512i; 8] {
    // Pairs of rows, then pairs of pairs, then halves.
    let even = |i: usize| _mm512_unpacklo_epi64(r[i], r[i + 1]);
    let odd = |i: usize| _mm512_unpackhi_epi64(r[i], r[i + 1]);
    let a = [even(0), odd(0), even(2), odd(2), even(4), odd(4), even(6), odd(6)];
    let low = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
    let high = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
    let b0 = _mm512_permutex2var_epi64(a[0], low, a[2]);
    let b1 = _mm512_permutex2var_epi64(a[1], low, a[3]);
    let b2 = _mm512_permutex2var_epi64(a[0], high, a[2]);
    let b3 = _mm512_permutex2var_epi64(a[1], high, a[3]);
    let b4 = _mm512_permutex2var_epi64(a[4], low, a[6]);
    let b5 = _mm512_permutex2var_epi64(a[5], low, a[7]);
    let b6 = _mm512_permutex2var_epi64(a[4], high, a[6]);
    let b7 = _mm512_permutex2var_epi64(a[5], high, a[7]);
    [
        _mm512_shuffle_i64x2::<0x44>(b0, b4),
        _mm512_shuffle_i64x2::<0x44>(b1, b5),
        _mm512_shuffle_i64x2::<0x44>(b2, b6),
        _mm512_shuffle_i64x2::<0x44>(b3, b7),
        _mm512_shuffle_i64x2::<0xee>(b0, b4),
        _mm512_shuffle_i64x2::<0xee>(b1, b5),
        _mm512_shuffle_i64x2::<0xee>(b2, b6),
        _mm512_shuffle_i64x2::<0xee>(b3, b7),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_half_words(r: [__m512i; 16]) -> [__m512i; 16] {
    let mut a = r;
    let mut b = r;
    let mut out = r;
    for i in 0..8 {
        a[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for i in 0..4 {
        b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
        b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
        b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
    }
    // Now 128-bit block k of b[4i + j] holds rows 4i … 4i+3 of column 4k + j.
    for j in 0..4 {
        let first_even = _mm512_shuffle_i32x4::<0x88>(b[j], b[4 + j]);
        let first_odd = _mm512_shuffle_i32x4::<0xdd>(b[j], b[4 + j]);
        let second_even = _mm512_shuffle_i32x4::<0x88>(b[8 + j], b[12 + j]);
        let second_odd = _mm512_shuffle_i32x4::<0xdd>(b[8 + j], b[12 + j]);
        out[j] = _mm512_shuffle_i32x4::<0x88>(first_even, second_even);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(first_odd, second_odd);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(first_even, second_even);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(first_odd, second_odd);
    }
    out
}

/// The methods of [`WordLanes`]: AVX-512 F, DQ, BW and VL are all they need.
macro_rules! word_methods {
    () => {
        type V = __m512i;

        #[inline(always)]
        fn load(self, words: &[u64; 8]) -> __m512i {
            with_token!(_mm512_loadu_si512(words.as_ptr().cast()))
        }
        #[inline(always)]
        fn store(self, vector: __m512i, words: &mut [u64; 8]) {
            with_token!(_mm512_storeu_si512(words.as_mut_ptr().cast(), vector))
        }
        #[inline(always)]
        fn load32(self, words: &[u32; 16]) -> __m512i {
            with_token!(_mm512_loadu_si512(words.as_ptr().cast()))
        }
        #[inline(always)]
        fn store32(self, vector: __m512i, words: &mut [u32; 16]) {
            with_token!(_mm512_storeu_si512(words.as_mut_ptr().cast(), vector))
        }
        #[inline(always)]
        fn load_bytes(self, bytes: &[u8; 64]) -> __m512i {
            with_token!(_mm512_loadu_si512(bytes.as_ptr().cast()))
        }
        #[inline(always)]
        fn store_bytes(self, vector: __m512i, bytes: &mut [u8; 64]) {
            with_token!(_mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector))
        }
        #[inline(always)]
        fn splat(self, word: u64) -> __m512i {
            with_token!(_mm512_set1_epi64(word as i64))
        }
        #[inline(always)]
        fn splat32(self, word: u32) -> __m512i {
            with_token!(_mm512_set1_epi32(word as i32))
        }
        #[inline(always)]
        fn add(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_add_epi64(a, b))
        }
        #[inline(always)]
        fn add32(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_add_epi32(a, b))
        }
        #[inline(always)]
        fn and(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_and_si512(a, b))
        }
        #[inline(always)]
        fn xor(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_xor_si512(a, b))
        }
        #[inline(always)]
        fn not(self, a: __m512i) -> __m512i {
            with_token!(_mm512_ternarylogic_epi64::<0x55>(a, a, a))
        }
        #[inline(always)]
        fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
            with_token!(_mm512_ternarylogic_epi64::<0x96>(a, b, c))
        }
        #[inline(always)]
        fn chi(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
            with_token!(_mm512_ternarylogic_epi64::<0xd2>(a, b, c))
        }
        #[inline(always)]
        fn shift_left<const N: u32>(self, a: __m512i) -> __m512i {
            with_token!(_mm512_slli_epi64::<N>(a))
        }
        #[inline(always)]
        fn rotate_left<const N: i32>(self, a: __m512i) -> __m512i {
            with_token!(_mm512_rol_epi64::<N>(a))
        }
        #[inline(always)]
        fn rotate_right32<const N: i32>(self, a: __m512i) -> __m512i {
            with_token!(_mm512_ror_epi32::<N>(a))
        }
        #[inline(always)]
        fn swap_bytes(self, a: __m512i) -> __m512i {
            with_token!(_mm512_shuffle_epi8(
                a,
                _mm512_broadcast_i32x4(_mm_set_epi8(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
            ))
        }
        #[inline(always)]
        fn swap_bytes32(self, a: __m512i) -> __m512i {
            with_token!(_mm512_shuffle_epi8(
                a,
                _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3))
            ))
        }
        #[inline(always)]
        fn less_than(self, a: __m512i, b: __m512i) -> u8 {
            with_token!(_mm512_cmplt_epu64_mask(a, b))
        }
        #[inline(always)]
        fn permute_pair(self, low: __m512i, high: __m512i, indices: __m512i) -> __m512i {
            with_token!(_mm512_permutex2var_epi64(low, indices, high))
        }
        #[inline(always)]
        fn permute_pair32(self, low: __m512i, high: __m512i, indices: __m512i) -> __m512i {
            with_token!(_mm512_permutex2var_epi32(low, indices, high))
        }
        #[inline(always)]
        fn transpose(self, rows: [__m512i; 8]) -> [__m512i; 8] {
            with_token!(transpose_words(rows))
        }
        #[inline(always)]
        fn transpose32(self, rows: [__m512i; 16]) -> [__m512i; 16] {
            with_token!(transpose_half_words(rows))
        }
    };
}

/// The methods of [`Lanes`] that are the same with and without the multiply-add.
macro_rules! field_methods {
    () => {
        #[inline(always)]
        fn sub(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_sub_epi64(a, b))
        }
        #[inline(always)]
        fn or(self, a: __m512i, b: __m512i) -> __m512i {
            with_token!(_mm512_or_si512(a, b))
        }
        #[inline(always)]
        fn shift_right<const N: u32>(self, a: __m512i) -> __m512i {
            with_token!(_mm512_srli_epi64::<N>(a))
        }
        #[inline(always)]
        fn shift_right_signed<const N: u32>(self, a: __m512i) -> __m512i {
            with_token!(_mm512_srai_epi64::<N>(a))
        }
        #[inline(always)]
        fn equal(self, a: __m512i, b: __m512i) -> u8 {
            with_token!(_mm512_cmpeq_epi64_mask(a, b))
        }
        #[inline(always)]
        fn select(self, mask: u8, set: __m512i, clear: __m512i) -> __m512i {
            with_token!(_mm512_mask_blend_epi64(mask, clear, set))
        }
        #[inline(always)]
        fn permute(self, a: __m512i, indices: __m512i) -> __m512i {
            with_token!(_mm512_permutexvar_epi64(indices, a))
        }
        #[inline(always)]
        fn prefetch<T>(self, address: *const T) {
            with_token!(_mm_prefetch::<_MM_HINT_T0>(address.cast()))
        }
        #[inline(always)]
        fn prefetch_second_level<T>(self, address: *const T) {
            with_token!(_mm_prefetch::<_MM_HINT_T1>(address.cast()))
        }
        #[inline(always)]
        fn stream(self, limbs: [__m512i; 4], group: &mut Group) {
            let first = (&raw mut group.0).cast::<__m512i>();
            with_token!({
                // A group is aligned to 64 bytes and has exactly four vectors. `fence` comes before anyone else reads.
                _mm512_stream_si512(first, limbs[0]);
                _mm512_stream_si512(first.add(1), limbs[1]);
                _mm512_stream_si512(first.add(2), limbs[2]);
                _mm512_stream_si512(first.add(3), limbs[3]);
            })
        }
        #[inline(always)]
        fn fence(self) {
            with_token!(_mm_sfence())
        }
    };
}

impl WordLanes for Avx512 {
    word_methods!();
}

impl WordLanes for Ifma {
    word_methods!();
}

impl Lanes for Avx512 {
    field_methods!();

    #[inline(always)]
    fn madd52lo(self, accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
        with_token!(emulated_madd52lo(accumulator, a, b))
    }
    #[inline(always)]
    fn madd52hi(self, accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
        with_token!(emulated_madd52hi(accumulator, a, b))
    }
    #[inline(always)]
    fn funnel_right<const N: i32>(self, low: __m512i, high: __m512i) -> __m512i {
        let low = with_token!(_mm512_srlv_epi64(low, _mm512_set1_epi64(N as i64)));
        let high = with_token!(_mm512_sllv_epi64(high, _mm512_set1_epi64(64 - N as i64)));
        self.or(low, high)
    }
}

impl Lanes for Ifma {
    field_methods!();

    #[inline(always)]
    fn madd52lo(self, accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
        with_token!(_mm512_madd52lo_epu64(accumulator, a, b))
    }
    #[inline(always)]
    fn madd52hi(self, accumulator: __m512i, a: __m512i, b: __m512i) -> __m512i {
        with_token!(_mm512_madd52hi_epu64(accumulator, a, b))
    }
    #[inline(always)]
    fn funnel_right<const N: i32>(self, low: __m512i, high: __m512i) -> __m512i {
        with_token!(_mm512_shrdi_epi64::<N>(low, high))
    }
}
