//! Eight field elements in five 52-bit limbs: the arithmetic of every vector kernel.
//!
//! # Forms
//! Stored data is x·2²⁵⁶ (the form of [`Group`]); the vector product divides by 2²⁶⁰. So one factor of a product
//! must carry 2²⁶⁰ or, what is the same, sixteen times the stored form:
//! * constants are kept as c·2²⁶⁰ ([`Multiplier`]): `multiplier × stored = stored`;
//! * data × data reads one factor with [`Stored::unpack_x16`]: `16·stored × stored = stored`.
//!
//! # Representations and their ranges
//!
//! | type | limbs | value |
//! |---|---|---|
//! | [`Stored`] | 4 × 64 bits | [0, p): as in memory |
//! | [`Low52`] | 5, the low 52 bits of each count, above them anything | [0, 2²⁶⁰): ready to be multiplied |
//! | [`Lazy`] | 5, signed 64-bit, |limb| < 2⁶² | Σ limbᵢ·2^(52i), any sign: ready to be added |
//! | [`Accumulator`] | 10, unsigned | a sum of at most [`Accumulator::MAX_TERMS`] products |
//!
//! 2²⁶⁰ ≈ 512·p leaves room for sums: additions and subtractions neither carry nor reduce. A product of values
//! below a·p and b·p lies in (0, (ab/511 + 1)·p), with limbs in [0, 2⁵⁶). [`Lazy::carry`] needs a value in
//! [0, 2²⁶⁰): where a difference may be negative, [`Lazy::bias`] adds a multiple of p first; where a sum may grow
//! too large, [`Lazy::fold`] brings it back to about 2²⁵¹.

mod product;

use product::{add_product, clear_digit, product, reduce, square};

use crate::{Felt, Group, lanes::Lanes};

/// The limbs of c at 2¹⁵⁶ and 2²⁰⁸, where p = 1 + c·2¹⁵⁶.
const PRIME_3: u64 = 17 << 36;
const PRIME_4: u64 = 1 << 43;
const MASK52: u64 = (1 << 52) - 1;

/// A constant factor: c·2²⁶⁰ mod p in five 52-bit limbs. Its product with stored data is stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier(pub(crate) [u64; 5]);

impl Multiplier {
    /// The factor c.
    #[inline]
    pub fn new(factor: Felt) -> Multiplier {
        const SIXTEEN: Felt = Felt::from_u64(16);
        let a = (factor * SIXTEEN).to_montgomery_limbs();
        Multiplier([
            a[0] & MASK52,
            (a[0] >> 52 | a[1] << 12) & MASK52,
            (a[1] >> 40 | a[2] << 24) & MASK52,
            (a[2] >> 28 | a[3] << 36) & MASK52,
            a[3] >> 16,
        ])
    }

    /// The factor in all eight lanes.
    #[inline(always)]
    pub fn splat<L: Lanes>(&self, l: L) -> Low52<L> {
        Low52(self.0.map(
            #[inline(always)]
            |limb| l.splat(limb),
        ))
    }

    /// The number c·2²⁶⁰ in all eight lanes, to be added to others of that form.
    #[inline(always)]
    pub fn addend<L: Lanes>(&self, l: L) -> Lazy<L> {
        Lazy(self.splat(l).0)
    }
}

/// Eight elements in memory as five vectors of 52-bit limbs, ready to be multiplied: tables of constants.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Low52Group(pub(crate) [[u64; 8]; 5]);

impl Low52Group {
    /// Eight zeros.
    pub const ZERO: Low52Group = Low52Group([[0; 8]; 5]);

    /// Eight constant factors.
    pub fn multipliers(factors: &[Felt; 8]) -> Low52Group {
        let limbs = factors.map(|factor| Multiplier::new(factor).0);
        Low52Group(std::array::from_fn(|i| limbs.map(|limbs| limbs[i])))
    }

    /// One of the eight elements in all lanes.
    #[inline(always)]
    pub fn splat_lane<L: Lanes>(&self, l: L, lane: usize) -> Low52<L> {
        let a = &self.0;
        Low52([
            l.splat(a[0][lane]),
            l.splat(a[1][lane]),
            l.splat(a[2][lane]),
            l.splat(a[3][lane]),
            l.splat(a[4][lane]),
        ])
    }
}

/// Eight lazy values in memory: the scratch space of kernels.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LazyGroup([[u64; 8]; 5]);

impl LazyGroup {
    /// Eight zeros.
    pub const ZERO: LazyGroup = LazyGroup([[0; 8]; 5]);
}

/// Eight elements as in memory: four 64-bit limbs each, value in [0, p), stored form.
#[derive(Clone, Copy)]
pub struct Stored<L: Lanes>([L::V; 4]);

impl<L: Lanes> Stored<L> {
    /// Reads a group.
    #[inline(always)]
    pub fn load(l: L, group: &Group) -> Stored<L> {
        Stored([l.load(&group.0[0]), l.load(&group.0[1]), l.load(&group.0[2]), l.load(&group.0[3])])
    }

    /// Writes a group.
    #[inline(always)]
    pub fn store(self, l: L, group: &mut Group) {
        l.store(self.0[0], &mut group.0[0]);
        l.store(self.0[1], &mut group.0[1]);
        l.store(self.0[2], &mut group.0[2]);
        l.store(self.0[3], &mut group.0[3]);
    }

    /// Writes a group past the caches: see [`Lanes::stream`].
    #[inline(always)]
    pub fn stream(self, l: L, group: &mut Group) {
        l.stream(self.0, group);
    }

    /// The same element in all lanes.
    #[inline(always)]
    pub fn splat(l: L, value: Felt) -> Stored<L> {
        let a = value.to_montgomery_limbs();
        Stored([l.splat(a[0]), l.splat(a[1]), l.splat(a[2]), l.splat(a[3])])
    }

    /// The four limb vectors.
    #[inline(always)]
    pub fn limbs(self) -> [L::V; 4] {
        self.0
    }

    /// Four limb vectors of values in [0, p).
    #[inline(always)]
    pub fn from_limbs(limbs: [L::V; 4]) -> Stored<L> {
        Stored(limbs)
    }

    /// The same values, ready to be multiplied.
    #[inline(always)]
    pub fn unpack(self, l: L) -> Low52<L> {
        l.part(
            #[inline(always)]
            || {
                let a = self.0;
                Low52([
                    a[0],
                    l.funnel_right::<52>(a[0], a[1]),
                    l.funnel_right::<40>(a[1], a[2]),
                    l.funnel_right::<28>(a[2], a[3]),
                    l.shift_right::<16>(a[3]),
                ])
            },
        )
    }

    /// Sixteen times the values (below 2²⁵⁶), ready to be multiplied with stored data.
    #[inline(always)]
    pub fn unpack_x16(self, l: L) -> Low52<L> {
        l.part(
            #[inline(always)]
            || {
                let a = self.0;
                Low52([
                    l.shift_left::<4>(a[0]),
                    l.funnel_right::<48>(a[0], a[1]),
                    l.funnel_right::<36>(a[1], a[2]),
                    l.funnel_right::<24>(a[2], a[3]),
                    l.shift_right::<12>(a[3]),
                ])
            },
        )
    }

    /// The same values, ready to be added.
    #[inline(always)]
    pub fn to_lazy(self, l: L) -> Lazy<L> {
        self.unpack(l).to_lazy(l)
    }

    /// The lanes that hold zero.
    #[inline(always)]
    pub fn zero_mask(self, l: L) -> u8 {
        let any = l.or(l.or(self.0[0], self.0[1]), l.or(self.0[2], self.0[3]));
        l.equal(any, l.zero())
    }

    /// `set` in the lanes of the mask, `clear` in the others.
    #[inline(always)]
    pub fn select(l: L, mask: u8, set: Stored<L>, clear: Stored<L>) -> Stored<L> {
        Stored(std::array::from_fn(
            #[inline(always)]
            |limb| l.select(mask, set.0[limb], clear.0[limb]),
        ))
    }

    /// Element i of the result is element `indices[i]` mod 8.
    #[inline(always)]
    pub fn permute(self, l: L, indices: L::V) -> Stored<L> {
        Stored(self.0.map(
            #[inline(always)]
            |limb| l.permute(limb, indices),
        ))
    }

    /// Element i of the result is element `indices[i]` mod 16 of `low` followed by `high`.
    #[inline(always)]
    pub fn permute_pair(l: L, low: Stored<L>, high: Stored<L>, indices: L::V) -> Stored<L> {
        Stored(std::array::from_fn(
            #[inline(always)]
            |limb| l.permute_pair(low.0[limb], high.0[limb], indices),
        ))
    }

    /// Element i of vector j becomes element j of vector i.
    #[inline(always)]
    pub fn transpose(l: L, rows: [Stored<L>; 8]) -> [Stored<L>; 8] {
        let [a, b, c, d, e, f, g, h] = rows;
        let [a, b, c, d, e, f, g, h] = transpose_limbs(l, [a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0]);
        [Stored(a), Stored(b), Stored(c), Stored(d), Stored(e), Stored(f), Stored(g), Stored(h)]
    }
}

/// Transposes eight vectors of elements limb by limb.
#[inline(always)]
fn transpose_limbs<L: Lanes, const LIMBS: usize>(l: L, rows: [[L::V; LIMBS]; 8]) -> [[L::V; LIMBS]; 8] {
    let mut out = rows;
    for limb in 0..LIMBS {
        let columns = l.transpose([
            rows[0][limb],
            rows[1][limb],
            rows[2][limb],
            rows[3][limb],
            rows[4][limb],
            rows[5][limb],
            rows[6][limb],
            rows[7][limb],
        ]);
        for i in 0..8 {
            out[i][limb] = columns[i];
        }
    }
    out
}

/// Eight elements ready to be multiplied: only the low 52 bits of each limb count, value in [0, 2²⁶⁰).
#[derive(Clone, Copy)]
pub struct Low52<L: Lanes>([L::V; 5]);

impl<L: Lanes> Low52<L> {
    /// Reads eight elements.
    #[inline(always)]
    pub fn load(l: L, group: &Low52Group) -> Low52<L> {
        let a = &group.0;
        Low52([l.load(&a[0]), l.load(&a[1]), l.load(&a[2]), l.load(&a[3]), l.load(&a[4])])
    }

    /// Writes eight elements.
    #[inline(always)]
    pub fn store(self, l: L, group: &mut Low52Group) {
        for i in 0..5 {
            l.store(self.0[i], &mut group.0[i]);
        }
    }

    /// self / 2^count modulo p, for 1 ≤ count ≤ 52. The result lies in (0, self/2^count + p).
    ///
    /// A fifth of a product: the value times 2^(52−count), then one digit of Montgomery reduction.
    #[inline(always)]
    pub fn divide_by_power_of_two(self, l: L, count: u32) -> Lazy<L> {
        debug_assert!((1..=52).contains(&count));
        let factor = l.splat(1 << (52 - count));
        let a = &self.0;
        let z = l.zero();
        // One digit leaves the repair c·2¹⁵⁶ − c·2²⁰⁸; with p·2⁵² added it is c·2¹⁵⁶ + 2⁵².
        let mut t = [z, l.splat(1), z, l.splat(PRIME_3), l.splat(PRIME_4), z];
        for i in 0..5 {
            t[i] = l.madd52lo(t[i], a[i], factor);
            t[i + 1] = l.madd52hi(t[i + 1], a[i], factor);
        }
        clear_digit(l, &mut t);
        Lazy([t[1], t[2], t[3], t[4], t[5]])
    }

    /// Clears the bits that do not count.
    #[inline(always)]
    pub fn to_lazy(self, l: L) -> Lazy<L> {
        let mask = l.splat(MASK52);
        let a = self.0;
        // The top limb of a value below 2²⁶⁰ has nothing above 52 bits.
        Lazy([l.and(a[0], mask), l.and(a[1], mask), l.and(a[2], mask), l.and(a[3], mask), a[4]])
    }

    /// Element i of the result is element `indices[i]` mod 16 of `low` followed by `high`.
    #[inline(always)]
    pub fn permute_pair(l: L, low: Low52<L>, high: Low52<L>, indices: L::V) -> Low52<L> {
        let (a, b) = (low.0, high.0);
        Low52([
            l.permute_pair(a[0], b[0], indices),
            l.permute_pair(a[1], b[1], indices),
            l.permute_pair(a[2], b[2], indices),
            l.permute_pair(a[3], b[3], indices),
            l.permute_pair(a[4], b[4], indices),
        ])
    }

    /// self · other / 2²⁶⁰. The result lies in (0, self·other/2²⁶⁰ + p), with limbs in [0, 2⁵⁶).
    #[inline(always)]
    pub fn mul(self, l: L, other: Low52<L>) -> Lazy<L> {
        l.part(
            #[inline(always)]
            || product(l, &self.0, &other.0),
        )
    }

    /// self² / 2²⁶⁰. The result lies in (0, self²/2²⁶⁰ + p), with limbs in [0, 2⁵⁶).
    #[inline(always)]
    pub fn square(self, l: L) -> Lazy<L> {
        l.part(
            #[inline(always)]
            || square(l, &self.0),
        )
    }
}

/// Eight integers Σ limbᵢ·2^(52i) of any sign, |limb| < 2⁶²: sums and differences that have not been carried.
#[derive(Clone, Copy)]
pub struct Lazy<L: Lanes>([L::V; 5]);

impl<L: Lanes> Lazy<L> {
    /// Eight zeros.
    #[inline(always)]
    pub fn zero(l: L) -> Lazy<L> {
        Lazy([l.zero(); 5])
    }

    /// Reads eight values.
    #[inline(always)]
    pub fn load(l: L, group: &LazyGroup) -> Lazy<L> {
        let a = &group.0;
        Lazy([l.load(&a[0]), l.load(&a[1]), l.load(&a[2]), l.load(&a[3]), l.load(&a[4])])
    }

    /// Writes eight values.
    #[inline(always)]
    pub fn store(self, l: L, group: &mut LazyGroup) {
        for i in 0..5 {
            l.store(self.0[i], &mut group.0[i]);
        }
    }

    /// Value i of vector j becomes value j of vector i.
    #[inline(always)]
    pub fn transpose(l: L, rows: [Lazy<L>; 8]) -> [Lazy<L>; 8] {
        let [a, b, c, d, e, f, g, h] = rows;
        let [a, b, c, d, e, f, g, h] = transpose_limbs(l, [a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0]);
        [Lazy(a), Lazy(b), Lazy(c), Lazy(d), Lazy(e), Lazy(f), Lazy(g), Lazy(h)]
    }

    /// self + other.
    #[inline(always)]
    pub fn add(self, l: L, other: Lazy<L>) -> Lazy<L> {
        let (a, b) = (self.0, other.0);
        Lazy([l.add(a[0], b[0]), l.add(a[1], b[1]), l.add(a[2], b[2]), l.add(a[3], b[3]), l.add(a[4], b[4])])
    }

    /// self − other.
    #[inline(always)]
    pub fn sub(self, l: L, other: Lazy<L>) -> Lazy<L> {
        let (a, b) = (self.0, other.0);
        Lazy([l.sub(a[0], b[0]), l.sub(a[1], b[1]), l.sub(a[2], b[2]), l.sub(a[3], b[3]), l.sub(a[4], b[4])])
    }

    /// self · 2ᴺ. Limbs must stay below 2⁶².
    #[inline(always)]
    pub fn shift_left<const N: u32>(self, l: L) -> Lazy<L> {
        Lazy(self.0.map(
            #[inline(always)]
            |limb| l.shift_left::<N>(limb),
        ))
    }

    /// self + multiple·p; multiple < 2¹⁸.
    #[inline(always)]
    pub fn bias(self, l: L, multiple: u64) -> Lazy<L> {
        debug_assert!(multiple < 1 << 18);
        let a = self.0;
        Lazy([
            l.add(a[0], l.splat(multiple)),
            a[1],
            a[2],
            l.add(a[3], l.splat(multiple * PRIME_3)),
            l.add(a[4], l.splat(multiple * PRIME_4)),
        ])
    }

    /// The same value ready to be multiplied. It must lie in [0, 2²⁶⁰).
    #[inline(always)]
    pub fn carry(self, l: L) -> Low52<L> {
        let carried = self.propagate(l);
        l.claim("a multiplicand", carried.0[4], 0, MASK52 as i64);
        carried
    }

    /// The same value, of any sign: the low 52 bits of the limbs below the top one, and a signed top limb.
    #[inline(always)]
    fn propagate(self, l: L) -> Low52<L> {
        l.part(
            #[inline(always)]
            || {
                let a = self.0;
                let a1 = l.add(a[1], l.shift_right_signed::<52>(a[0]));
                let a2 = l.add(a[2], l.shift_right_signed::<52>(a1));
                let a3 = l.add(a[3], l.shift_right_signed::<52>(a2));
                let a4 = l.add(a[4], l.shift_right_signed::<52>(a3));
                Low52([a[0], a1, a2, a3, a4])
            },
        )
    }

    /// The same value, of any sign, with the limbs below the top one in [0, 2⁵²).
    #[inline(always)]
    pub fn normalize(self, l: L) -> Lazy<L> {
        self.propagate(l).to_lazy(l)
    }

    /// A congruent value in (−2²¹⁸, 2²⁵¹ + 2²¹⁸), for any value of magnitude below 2²⁷⁰.
    ///
    /// Subtracts k·p where k·2²⁵¹ is the value rounded down, as told by the top two limbs alone. Limbs 1 and 2 stay
    /// as they are; [`Lazy::normalize`] first if they may be large.
    #[inline(always)]
    pub fn fold(self, l: L) -> Lazy<L> {
        l.part(
            #[inline(always)]
            || {
                let a = self.0;
                let top = l.add(a[4], l.shift_right_signed::<52>(a[3]));
                let k = l.shift_right_signed::<43>(top);
                let k17 = l.add(l.shift_left::<36>(k), l.shift_left::<40>(k));
                Lazy([
                    l.sub(a[0], k),
                    a[1],
                    a[2],
                    l.sub(l.and(a[3], l.splat(MASK52)), k17),
                    l.and(top, l.splat((1 << 43) - 1)),
                ])
            },
        )
    }

    /// The canonical values, for any value in (−2²⁵⁰, 2²⁷⁰).
    #[inline(always)]
    pub fn canonical(self, l: L) -> Stored<L> {
        l.part(
            #[inline(always)]
            || self.canonical_in_place(l),
        )
    }

    /// [`Lazy::canonical`], where it is used.
    #[inline(always)]
    fn canonical_in_place(self, l: L) -> Stored<L> {
        // With p added the value is at least 2²⁵⁰, so k ≥ 0; the top two limbs understate it by less than
        // 2²⁰⁸ + 2¹⁷⁰, so what remains after subtracting k·p is below 2²⁵¹ + 2¹⁷⁰ < p, and negative at most by
        // k·(17·2¹⁹² + 1) < p: one conditional addition of p makes it canonical.
        if L::CHECKS_CLAIMS {
            let top = self.propagate(l).0[4];
            l.claim("the top of a value to be made canonical", top, 1 - (1 << 42), (1 << 62) - 1);
        }
        let a = self.bias(l, 1).fold(l).0;
        let a1 = l.add(a[1], l.shift_right_signed::<52>(a[0]));
        let a2 = l.add(a[2], l.shift_right_signed::<52>(a1));
        let a3 = l.add(a[3], l.shift_right_signed::<52>(a2));
        let a4 = l.add(a[4], l.shift_right_signed::<52>(a3));
        let negative = l.shift_right_signed::<63>(a4);
        let packed = Lazy([
            l.add(a[0], l.and(negative, l.splat(1))),
            a[1],
            a[2],
            l.add(a[3], l.and(negative, l.splat(PRIME_3))),
            l.add(a[4], l.and(negative, l.splat(PRIME_4))),
        ])
        .pack(l);
        let [a0, a1, a2, a3] = packed.0;
        Stored([a0, a1, a2, l.known(a3, 0, Felt::PRIME_LIMBS[3])])
    }

    /// A congruent value in [0, 2²⁵³) as 64-bit limbs, for any value in (−2²⁵⁰, 2²⁷⁰).
    ///
    /// Not canonical: for data that only kernels read, such as a transform between two passes.
    #[inline(always)]
    pub fn pack_reduced(self, l: L) -> Stored<L> {
        let reduced = self.fold(l).bias(l, 1);
        if L::CHECKS_CLAIMS {
            l.claim("the top of a value below 2^253", reduced.propagate(l).0[4], 0, (1 << 45) - 1);
        }
        reduced.pack(l)
    }

    /// The same value as 64-bit limbs. It must lie in [0, 2²⁵⁶).
    #[inline(always)]
    fn pack(self, l: L) -> Stored<L> {
        let Lazy([a0, a1, a2, a3, a4]) = self.normalize(l);
        Stored([
            l.or(a0, l.shift_left::<52>(a1)),
            l.or(l.shift_right::<12>(a1), l.shift_left::<40>(a2)),
            l.or(l.shift_right::<24>(a2), l.shift_left::<28>(a3)),
            l.or(l.shift_right::<36>(a3), l.shift_left::<16>(a4)),
        ])
    }
}

/// Eight sums of products, not yet reduced.
#[derive(Clone, Copy)]
pub struct Accumulator<L: Lanes>([L::V; 10]);

impl<L: Lanes> Accumulator<L> {
    /// The most products that one accumulator takes: each adds less than 9·2⁵² to a limb, and 9·400 + 96 < 2¹².
    pub const MAX_TERMS: usize = 400;

    /// The empty sum.
    #[inline(always)]
    pub fn zero(l: L) -> Accumulator<L> {
        Accumulator([l.zero(); 10])
    }

    /// self + a·b.
    #[inline(always)]
    pub fn add_product(mut self, l: L, a: Low52<L>, b: Low52<L>) -> Accumulator<L> {
        l.part(
            #[inline(always)]
            || add_product(l, &mut self.0, &a.0, &b.0),
        );
        self
    }

    /// The sum divided by 2²⁶⁰: in (0, sum/2²⁶⁰ + p), with the limbs below the top one in [0, 2⁵²).
    #[inline(always)]
    pub fn reduce(self, l: L) -> Lazy<L> {
        let mut t = self.0;
        t[3] = l.add(t[3], l.splat(PRIME_3));
        t[4] = l.add(t[4], l.splat(PRIME_4));
        t[5] = l.add(t[5], l.splat(1));
        let Lazy(mut a) = l.part(
            #[inline(always)]
            || reduce(l, t),
        );
        // Limbs may use all 64 bits: carry them as unsigned before anyone reads them as signed.
        let mask = l.splat(MASK52);
        for i in 0..4 {
            a[i + 1] = l.add(a[i + 1], l.shift_right::<52>(a[i]));
            a[i] = l.and(a[i], mask);
        }
        Lazy(a)
    }
}

#[cfg(test)]
mod tests;
