//! An instance whose lanes hold intervals instead of words: it proves that lazily reduced sums cannot overflow.
//!
//! Running a kernel once on [`any_group`]s, with [`any_multiplier`]s for its constants, computes for every word a range
//! that holds whatever the input is. An operation whose exact result might not fit its word is recorded, and so is a
//! [`Lanes::claim`] that does not follow from the ranges; [`prove`] returns the first of them.
//!
//! # What it rests on
//! * A vector has one interval for all its lanes; movements between lanes give the hull of what they may move.
//! * A selection gives the hull of both cases, whatever the mask.
//! * A word is read as signed below zero and as unsigned above 2⁶³, never both: an interval that would need both is
//!   an overflow.
//! * [`Lanes::known`] is believed: intervals do not see that the last conditional addition of a canonical form makes
//!   up for the sign that it depends on. The comment there proves it, and tests compare with big integers.
//!
//! In memory an interval is a number that no kernel meets otherwise, the same in all eight words, so that kernels
//! that keep intermediate values in memory are proven as they are.

use std::{cell::RefCell, collections::HashMap, fmt};

use super::{LaneTask, Lanes, WordLanes};
use crate::{
    Group,
    packed::{Low52Group, Multiplier},
};

/// The integers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// The least.
    pub low: i128,
    /// The greatest.
    pub high: i128,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", self.low, self.high)
    }
}

/// An operation that is not proven to give its exact result, or a claim that is not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {operation} within {expected}, got {got}")]
pub struct Overflow {
    /// What is computed or claimed.
    pub operation: &'static str,
    /// Where its result would be right.
    pub expected: Interval,
    /// Where its result may lie.
    pub got: Interval,
}

const WORD: Interval = Interval { low: 0, high: u64::MAX as i128 };
const SIGNED: Interval = Interval { low: i64::MIN as i128, high: i64::MAX as i128 };
const LIMB: Interval = Interval { low: 0, high: (1 << 52) - 1 };
/// The highest limbs of canonical values, of 64 and of 52 bits.
const STORED_TOP: Interval = Interval { low: 0, high: crate::Felt::PRIME_LIMBS[3] as i128 };
const FACTOR_TOP: Interval = Interval { low: 0, high: 1 << 43 };

/// Marks a word in memory as the number of an interval. Below 2⁵⁹, so that it passes for part of an element.
const MARK: u64 = 0x05a7_3c91;

#[derive(Default)]
struct State {
    intervals: Vec<Interval>,
    numbers: HashMap<Interval, u64>,
    overflow: Option<Overflow>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

impl Interval {
    fn point(value: i128) -> Interval {
        Interval { low: value, high: value }
    }

    fn hull(self, other: Interval) -> Interval {
        Interval { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn is_within(self, range: Interval) -> bool {
        range.low <= self.low && self.high <= range.high
    }

    /// The result of an operation, which must fit a word in one of its two readings.
    fn checked(self, operation: &'static str) -> Interval {
        let range = if self.low < 0 { SIGNED } else { WORD };
        self.expected(operation, range)
    }

    /// Records an overflow unless the interval is within the range; what lies outside is left out of what follows.
    fn expected(self, operation: &'static str, range: Interval) -> Interval {
        if self.is_within(range) {
            return self;
        }
        let overflow = Overflow { operation, expected: range, got: self };
        STATE.with_borrow_mut(|state| {
            state.overflow.get_or_insert(overflow);
        });
        range
    }

    /// Modulo 2⁵².
    fn low52(self) -> Interval {
        if self.is_within(LIMB) { self } else { LIMB }
    }

    /// The word that stands for the interval in memory.
    fn word(self) -> u64 {
        STATE.with_borrow_mut(|state| {
            let State { intervals, numbers, .. } = state;
            let number = *numbers.entry(self).or_insert_with(|| {
                intervals.push(self);
                intervals.len() as u64 - 1
            });
            MARK << 32 | number
        })
    }

    /// What a word in memory stands for.
    fn of_word(word: u64) -> Interval {
        let marked = (word >> 32 == MARK).then_some(word as u32 as usize);
        let known = marked.and_then(|number| STATE.with_borrow(|state| state.intervals.get(number).copied()));
        known.unwrap_or(Interval::point(i128::from(word)))
    }
}

/// The instance. [`prove`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct Intervals(());

/// Runs a task on intervals.
///
/// # Errors
/// The first operation that is not proven to be exact.
pub fn prove<T: LaneTask>(task: T) -> Result<T::Output, Overflow> {
    STATE.with_borrow_mut(|state| state.overflow = None);
    let output = task.run(Intervals(()));
    match STATE.with_borrow_mut(|state| state.overflow.take()) {
        None => Ok(output),
        Some(overflow) => Err(overflow),
    }
}

/// Eight elements, of which nothing is known but that they are canonical.
pub fn any_group() -> Group {
    Group([WORD, WORD, WORD, STORED_TOP].map(|limb| [limb.word(); 8]))
}

/// Eight values below 2²⁵³, as a transform leaves them between two passes.
pub fn any_reduced_group() -> Group {
    let top = Interval { low: 0, high: (1 << 61) - 1 };
    Group([WORD, WORD, WORD, top].map(|limb| [limb.word(); 8]))
}

/// Any constant factor.
pub fn any_multiplier() -> Multiplier {
    Multiplier([LIMB, LIMB, LIMB, LIMB, FACTOR_TOP].map(Interval::word))
}

/// Any eight constant factors.
pub fn any_multipliers() -> Low52Group {
    Low52Group([LIMB, LIMB, LIMB, LIMB, FACTOR_TOP].map(|limb| [limb.word(); 8]))
}

impl WordLanes for Intervals {
    type V = Interval;

    fn load(self, words: &[u64; 8]) -> Interval {
        words
            .iter()
            .skip(1)
            .fold(Interval::of_word(words[0]), |hull, &word| hull.hull(Interval::of_word(word)))
    }
    fn store(self, vector: Interval, words: &mut [u64; 8]) {
        *words = [vector.word(); 8];
    }
    fn load32(self, _words: &[u32; 16]) -> Interval {
        WORD
    }
    fn store32(self, vector: Interval, words: &mut [u32; 16]) {
        let word = vector.word();
        *words = std::array::from_fn(|i| (word >> (32 * (i % 2))) as u32);
    }
    fn load_bytes(self, _bytes: &[u8; 64]) -> Interval {
        WORD
    }
    fn store_bytes(self, vector: Interval, bytes: &mut [u8; 64]) {
        bytes.as_chunks_mut().0.fill(vector.word().to_le_bytes());
    }
    fn splat(self, word: u64) -> Interval {
        Interval::of_word(word)
    }
    fn splat32(self, word: u32) -> Interval {
        Interval::point(i128::from(word) << 32 | i128::from(word))
    }

    fn add(self, a: Interval, b: Interval) -> Interval {
        Interval { low: a.low + b.low, high: a.high + b.high }.checked("a sum")
    }
    fn add32(self, _a: Interval, _b: Interval) -> Interval {
        WORD
    }

    fn and(self, a: Interval, b: Interval) -> Interval {
        // A word is at most any non-negative one that it is masked with.
        let high = [a, b].into_iter().filter(|x| x.low >= 0).map(|x| x.high).min();
        high.map_or(SIGNED, |high| Interval { low: 0, high })
    }
    fn xor(self, _a: Interval, _b: Interval) -> Interval {
        WORD
    }
    fn not(self, a: Interval) -> Interval {
        let a = if a.low < 0 { WORD } else { a };
        Interval { low: WORD.high - a.high, high: WORD.high - a.low }
    }
    fn xor3(self, _a: Interval, _b: Interval, _c: Interval) -> Interval {
        WORD
    }
    fn chi(self, _a: Interval, _b: Interval, _c: Interval) -> Interval {
        WORD
    }

    fn shift_left<const N: u32>(self, a: Interval) -> Interval {
        // Bits that are shifted out are meant to be: what is left may be any word.
        let shifted = Interval { low: a.low << N, high: a.high << N };
        if shifted.is_within(if shifted.low < 0 { SIGNED } else { WORD }) { shifted } else { WORD }
    }
    fn rotate_left<const N: i32>(self, _a: Interval) -> Interval {
        WORD
    }
    fn rotate_right32<const N: i32>(self, _a: Interval) -> Interval {
        WORD
    }
    fn swap_bytes(self, _a: Interval) -> Interval {
        WORD
    }
    fn swap_bytes32(self, _a: Interval) -> Interval {
        WORD
    }

    fn less_than(self, _a: Interval, _b: Interval) -> u8 {
        0b0101_0101
    }

    fn permute_pair(self, low: Interval, high: Interval, _indices: Interval) -> Interval {
        low.hull(high)
    }
    fn permute_pair32(self, _low: Interval, _high: Interval, _indices: Interval) -> Interval {
        WORD
    }
    fn transpose(self, rows: [Interval; 8]) -> [Interval; 8] {
        [rows.into_iter().fold(rows[0], Interval::hull); 8]
    }
    fn transpose32(self, _rows: [Interval; 16]) -> [Interval; 16] {
        [WORD; 16]
    }
}

impl Lanes for Intervals {
    const CHECKS_CLAIMS: bool = true;

    fn sub(self, a: Interval, b: Interval) -> Interval {
        Interval { low: a.low - b.high, high: a.high - b.low }.checked("a difference")
    }
    fn madd52lo(self, accumulator: Interval, a: Interval, b: Interval) -> Interval {
        let (a, b) = (a.low52(), b.low52());
        let product = Interval { low: a.low * b.low, high: a.high * b.high };
        self.add(accumulator, product.low52())
    }
    fn madd52hi(self, accumulator: Interval, a: Interval, b: Interval) -> Interval {
        let (a, b) = (a.low52(), b.low52());
        self.add(accumulator, Interval { low: (a.low * b.low) >> 52, high: (a.high * b.high) >> 52 })
    }

    fn or(self, a: Interval, b: Interval) -> Interval {
        if a.low < 0 || b.low < 0 {
            return SIGNED;
        }
        // No more bits than the longer one has.
        let bits = 128 - (a.high | b.high).leading_zeros();
        Interval { low: a.low.max(b.low), high: (1 << bits) - 1 }
    }
    fn shift_right<const N: u32>(self, a: Interval) -> Interval {
        let a = a.expected("an unsigned word to be shifted", WORD);
        Interval { low: a.low >> N, high: a.high >> N }
    }
    fn shift_right_signed<const N: u32>(self, a: Interval) -> Interval {
        let a = a.expected("a signed word to be shifted", SIGNED);
        Interval { low: a.low >> N, high: a.high >> N }
    }
    fn funnel_right<const N: i32>(self, low: Interval, high: Interval) -> Interval {
        let low = Interval { low: low.low >> N, high: low.high >> N };
        let shift = 64 - N;
        let high = Interval { low: high.low << shift, high: high.high << shift };
        // The two do not overlap; bits shifted out are meant to be.
        let joined = Interval { low: low.low + high.low, high: low.high + high.high };
        if low.low >= 0 && joined.is_within(WORD) { joined } else { WORD }
    }

    fn equal(self, _a: Interval, _b: Interval) -> u8 {
        0b0101_0101
    }
    fn select(self, _mask: u8, set: Interval, clear: Interval) -> Interval {
        set.hull(clear)
    }
    fn permute(self, a: Interval, _indices: Interval) -> Interval {
        a
    }

    fn claim(self, what: &'static str, a: Interval, low: i64, high: i64) {
        a.expected(what, Interval { low: low.into(), high: high.into() });
    }
    fn known(self, _a: Interval, low: u64, high: u64) -> Interval {
        Interval { low: low.into(), high: high.into() }
    }

    fn prefetch<T>(self, _address: *const T) {}
}

#[cfg(test)]
mod tests;
