//! Eight 64-bit lanes: the vector instructions that every kernel is written over, and the choice of an instance.
//!
//! A kernel is written once as `#[inline(always)] fn kernel<L: Lanes>(lanes: L, …)` and wrapped in a [`LaneTask`];
//! [`dispatch`] runs the task with the instance that a [`Kernels`] value names. Hash functions on words need fewer
//! instructions: they are written over [`WordLanes`], wrapped in a [`WordTask`] and run by [`dispatch_words`].
//!
//! | instance | family | what it is |
//! |---|---|---|
//! | `Ifma` | [`Kernels::Avx512Ifma`] | AVX-512 with the 52-bit integer multiply-add |
//! | `Avx512` | [`Kernels::Avx512`] | AVX-512; the multiply-add is emulated exactly by double-precision arithmetic |
//! | `Avx2` | [`Kernels::Avx2`] | two AVX2 registers, [`WordLanes`] only: in the field, scalar code is as fast |
//! | [`Portable`] | [`Kernels::Portable`] | plain Rust on `[u64; 8]`, for every machine and for Miri |
//!
//! [`intervals`] holds one more, which computes with ranges and proves that no lazily reduced sum overflows.
//!
//! All the others give the same bits in every operation, so a kernel tested on one is tested on all.
//!
//! A value of a [`Lanes`] type is a zero-sized proof that the processor has the instructions; that is why the
//! methods are safe. Everything between [`dispatch`] and an operation must be inlined, or the compiler emits a
//! function call for each instruction (correct, but ruinously slow). Hence two rules for kernels: mark every
//! function that is generic over [`Lanes`] `#[inline(always)]`, and spread work over threads *outside*
//! [`dispatch`] — a closure handed to another thread does not inherit the instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod intervals;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use portable::Portable;

use crate::{Group, Kernels};

/// The operations on vectors of eight 64-bit lanes (or sixteen 32-bit ones) that hash functions are made of.
///
/// A mask is a `u8` whose bit i belongs to 64-bit lane i. 32-bit lane 2i is the low half of 64-bit lane i.
pub trait WordLanes: Copy + Send + Sync + 'static {
    /// A vector: 64 bytes.
    type V: Copy + Send + Sync + 'static;

    /// Computes a part of a kernel that is used in many places. Mark the closure `#[inline(always)]`.
    ///
    /// Vector instances compile it in place, as everything else. The portable one compiles it once, as a function: it
    /// has a call for every operation, and a kernel whose products are all written out is a megabyte of them, most of
    /// what a first build spent on this crate and the next.
    #[inline(always)]
    fn part<R>(self, compute: impl FnOnce() -> R) -> R {
        compute()
    }

    /// Reads eight words.
    fn load(self, words: &[u64; 8]) -> Self::V;
    /// Writes eight words.
    fn store(self, vector: Self::V, words: &mut [u64; 8]);
    /// Reads sixteen 32-bit words.
    fn load32(self, words: &[u32; 16]) -> Self::V;
    /// Writes sixteen 32-bit words.
    fn store32(self, vector: Self::V, words: &mut [u32; 16]);
    /// Reads 64 bytes, little-endian.
    fn load_bytes(self, bytes: &[u8; 64]) -> Self::V;
    /// Writes 64 bytes, little-endian.
    fn store_bytes(self, vector: Self::V, bytes: &mut [u8; 64]);
    /// The same word in all lanes.
    fn splat(self, word: u64) -> Self::V;
    /// The same word in all 32-bit lanes.
    fn splat32(self, word: u32) -> Self::V;
    /// All bits clear.
    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0)
    }

    /// a + b modulo 2⁶⁴.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a + b modulo 2³², in 32-bit lanes.
    fn add32(self, a: Self::V, b: Self::V) -> Self::V;

    /// a & b.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// a ^ b.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// !a.
    fn not(self, a: Self::V) -> Self::V;
    /// a ^ b ^ c.
    fn xor3(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a ^ (!b & c): the step χ of Keccak.
    fn chi(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// a · 2ᴺ modulo 2⁶⁴; N < 64.
    fn shift_left<const N: u32>(self, a: Self::V) -> Self::V;
    /// Words rotated left by N bits; N < 64.
    fn rotate_left<const N: i32>(self, a: Self::V) -> Self::V;
    /// 32-bit words rotated right by N bits; N < 32.
    fn rotate_right32<const N: i32>(self, a: Self::V) -> Self::V;
    /// The bytes of every 64-bit word reversed.
    fn swap_bytes(self, a: Self::V) -> Self::V;
    /// The bytes of every 32-bit word reversed.
    fn swap_bytes32(self, a: Self::V) -> Self::V;

    /// The lanes in which a < b as unsigned words.
    fn less_than(self, a: Self::V, b: Self::V) -> u8;

    /// Lane i of the result is lane `indices[i]` mod 16 of `low` followed by `high`.
    fn permute_pair(self, low: Self::V, high: Self::V, indices: Self::V) -> Self::V;
    /// 32-bit lane i of the result is 32-bit lane `indices[i]` mod 32 of `low` followed by `high`.
    fn permute_pair32(self, low: Self::V, high: Self::V, indices: Self::V) -> Self::V;
    /// The transpose of an 8×8 matrix of words: `out[i][j] = rows[j][i]`.
    fn transpose(self, rows: [Self::V; 8]) -> [Self::V; 8];
    /// The transpose of a 16×16 matrix of 32-bit words: `out[i][j] = rows[j][i]`.
    fn transpose32(self, rows: [Self::V; 16]) -> [Self::V; 16];
}

/// Vectors with the 52-bit multiply-add and what else field arithmetic is made of.
pub trait Lanes: WordLanes {
    /// Whether [`Lanes::claim`] checks anything: claims about values that are not needed otherwise are made only then.
    const CHECKS_CLAIMS: bool = false;

    /// a − b modulo 2⁶⁴.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// accumulator + the low 52 bits of (a mod 2⁵²)·(b mod 2⁵²).
    fn madd52lo(self, accumulator: Self::V, a: Self::V, b: Self::V) -> Self::V;
    /// accumulator + ⌊(a mod 2⁵²)·(b mod 2⁵²) / 2⁵²⌋.
    fn madd52hi(self, accumulator: Self::V, a: Self::V, b: Self::V) -> Self::V;

    /// a | b.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// ⌊a / 2ᴺ⌋ of unsigned words; N < 64.
    fn shift_right<const N: u32>(self, a: Self::V) -> Self::V;
    /// ⌊a / 2ᴺ⌋ of signed words; N < 64.
    fn shift_right_signed<const N: u32>(self, a: Self::V) -> Self::V;
    /// The low word of (high·2⁶⁴ + low) / 2ᴺ; 0 < N < 64.
    fn funnel_right<const N: i32>(self, low: Self::V, high: Self::V) -> Self::V;

    /// The lanes in which a = b.
    fn equal(self, a: Self::V, b: Self::V) -> u8;
    /// `set` in the lanes of the mask, `clear` in the others.
    fn select(self, mask: u8, set: Self::V, clear: Self::V) -> Self::V;
    /// Lane i of the result is lane `indices[i]` mod 8 of `a`.
    fn permute(self, a: Self::V, indices: Self::V) -> Self::V;

    /// Tells a range (both ends included) that the signed words of `a` are known to lie in. Nothing is computed; the
    /// instance on [`intervals`] checks that it follows.
    #[inline(always)]
    fn claim(self, _what: &'static str, _a: Self::V, _low: i64, _high: i64) {}
    /// `a`, whose words are known to lie in a range (both ends included) for a reason that intervals do not see.
    #[inline(always)]
    fn known(self, a: Self::V, _low: u64, _high: u64) -> Self::V {
        a
    }

    /// Asks for the cache line at an address, which need not be valid.
    fn prefetch<T>(self, address: *const T);
    /// Asks for the cache line at an address, which need not be valid, as far as the second-level cache.
    #[inline(always)]
    fn prefetch_second_level<T>(self, address: *const T) {
        self.prefetch(address);
    }
    /// Writes the limbs of a group past the caches: for data that is read again only after more than the caches hold.
    /// Other threads may read it after [`Lanes::fence`].
    #[inline(always)]
    fn stream(self, limbs: [Self::V; 4], group: &mut Group) {
        for (limb, words) in limbs.into_iter().zip(&mut group.0) {
            self.store(limb, words);
        }
    }
    /// Ends a run of [`Lanes::stream`].
    #[inline(always)]
    fn fence(self) {}
}

/// A computation written over any [`Lanes`]: the shape of a closure that is generic in its argument.
pub trait LaneTask {
    /// What it returns.
    type Output;
    /// Computes it. Mark the implementation `#[inline(always)]`.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// A computation written over any [`WordLanes`].
pub trait WordTask {
    /// What it returns.
    type Output;
    /// Computes it. Mark the implementation `#[inline(always)]`.
    fn run<L: WordLanes>(self, lanes: L) -> Self::Output;
}

/// Runs a task with the instance of [`Lanes`] that belongs to a family of kernels.
///
/// # Errors
/// Gives the task back for [`Kernels::Scalar`] and [`Kernels::Avx2`], whose caller has a scalar reference to run, and
/// likewise for a family that this processor cannot run.
#[inline]
pub fn dispatch<T: LaneTask>(kernels: Kernels, task: T) -> Result<T::Output, T> {
    match kernels {
        Kernels::Scalar | Kernels::Avx2 => Err(task),
        Kernels::Portable => Ok(task.run(Portable)),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx512 => x86::Avx512::enter(task),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx512Ifma => x86::Ifma::enter(task),
        #[cfg(not(target_arch = "x86_64"))]
        Kernels::Avx512 | Kernels::Avx512Ifma => Err(task),
    }
}

/// Runs a task with the instance of [`WordLanes`] that belongs to a family of kernels.
///
/// # Errors
/// Gives the task back for [`Kernels::Scalar`], whose caller has a scalar reference to run, and likewise for a
/// family that this processor cannot run.
#[inline]
pub fn dispatch_words<T: WordTask>(kernels: Kernels, task: T) -> Result<T::Output, T> {
    match kernels {
        Kernels::Scalar => Err(task),
        Kernels::Portable => Ok(task.run(Portable)),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx2 => avx2::Avx2::enter_words(task),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx512 => x86::Avx512::enter_words(task),
        #[cfg(target_arch = "x86_64")]
        Kernels::Avx512Ifma => x86::Ifma::enter_words(task),
        #[cfg(not(target_arch = "x86_64"))]
        Kernels::Avx2 | Kernels::Avx512 | Kernels::Avx512Ifma => Err(task),
    }
}

#[cfg(test)]
mod tests;
