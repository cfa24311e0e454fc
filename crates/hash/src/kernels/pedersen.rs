//! Pedersen on vectors: eight hashes at a time, one in each lane, with one inversion for all hashes of a task; or one
//! hash, whose 64 points are added in eight lanes and then the lanes to each other.
//!
//! Additions have no exceptional cases. Should a sum meet one with the same abscissa — which would be a relation
//! between the fixed points that nobody knows, see [`crate::pedersen`] — its Z becomes zero and that of everything
//! it is added to, and that pair is hashed by the complete law. No other addition makes Z zero.

use ashlar_curve::AffinePoint;
use ashlar_field::{
    Felt, Group, batch_inverse,
    lanes::Lanes,
    packed::{Lazy, Low52, Stored},
};

use crate::{
    Digest,
    kernels::table::Rows,
    pedersen::{WINDOW_SUMS, WINDOWS, Window, hash_completely, pair_windows},
};

/// Eight affine points as x and y in the form x·2²⁶⁰, at most 16·p.
type Affine<L> = (Low52<L>, Low52<L>);

/// Eight points in Jacobian coordinates with Z² and Z³ in place of Z, of the form x·2²⁶⁰, which products of such forms
/// have again.
///
/// Products of values below 33·p are below 3.2·p; multiples of p are added wherever a difference may be negative, so
/// that x, y, Z² and Z³ stay in (0, 7.2·p), (0, 3.6·p), (0, 3.2·p) and (0, 1.3·p).
#[derive(Clone, Copy)]
struct Point<L: Lanes> {
    x: Low52<L>,
    y: Low52<L>,
    z_squared: Low52<L>,
    z_cubed: Low52<L>,
}

impl<L: Lanes> Point<L> {
    /// The sum of two affine points: 2 squares and 4 products.
    #[inline(always)]
    fn of_affine(l: L, first: Affine<L>, second: Affine<L>) -> Point<L> {
        let h = second.0.to_lazy(l).sub(l, first.0.to_lazy(l)).bias(l, 17).carry(l);
        let r = second.1.to_lazy(l).sub(l, first.1.to_lazy(l)).bias(l, 17).carry(l);
        Point::on_chord(l, first, h, r)
    }

    /// self + other: 2 squares and 8 products.
    #[inline(always)]
    fn add_affine(self, l: L, other: Affine<L>) -> Point<L> {
        let h = other.0.mul(l, self.z_squared).sub(l, self.x.to_lazy(l)).bias(l, 8).carry(l);
        let r = other.1.mul(l, self.z_cubed).sub(l, self.y.to_lazy(l)).bias(l, 4).carry(l);
        let chord = Point::on_chord(l, (self.x, self.y), h, r);
        Point {
            z_squared: self.z_squared.mul(l, chord.z_squared).carry(l),
            z_cubed: self.z_cubed.mul(l, chord.z_cubed).carry(l),
            ..chord
        }
    }

    /// self + other: 2 squares and 12 products.
    #[inline(always)]
    fn add(self, l: L, other: Point<L>) -> Point<L> {
        let (x, y) = (self.x.mul(l, other.z_squared), self.y.mul(l, other.z_cubed));
        let h = other.x.mul(l, self.z_squared).sub(l, x).bias(l, 2).carry(l);
        let r = other.y.mul(l, self.z_cubed).sub(l, y).bias(l, 2).carry(l);
        let chord = Point::on_chord(l, (x.carry(l), y.carry(l)), h, r);
        let z_squared = self.z_squared.mul(l, other.z_squared).carry(l);
        let z_cubed = self.z_cubed.mul(l, other.z_cubed).carry(l);
        Point {
            z_squared: z_squared.mul(l, chord.z_squared).carry(l),
            z_cubed: z_cubed.mul(l, chord.z_cubed).carry(l),
            ..chord
        }
    }

    /// The sum of (x, y) and (x + h, y + r): 2 squares and 4 products. Its Z is h, which may be scaled with h and r.
    #[inline(always)]
    fn on_chord(l: L, (x, y): Affine<L>, h: Low52<L>, r: Low52<L>) -> Point<L> {
        let h_squared = h.square(l).carry(l);
        let h_cubed = h_squared.mul(l, h);
        let v = x.mul(l, h_squared);
        let x = r.square(l).sub(l, h_cubed).sub(l, v.add(l, v)).bias(l, 4);
        let h_cubed = h_cubed.carry(l);
        let tangent = r.mul(l, v.sub(l, x).bias(l, 8).carry(l));
        let y = tangent.sub(l, y.mul(l, h_cubed)).bias(l, 2);
        Point { x: x.carry(l), y: y.carry(l), z_squared: h_squared, z_cubed: h_cubed }
    }

    /// The abscissas, as fractions.
    #[inline(always)]
    fn abscissas(self, l: L) -> [Group; 2] {
        fractions(l, self.x, self.z_squared)
    }
}

/// X and Z² as stored elements. Both keep a factor 2²⁶⁰/2²⁵⁶, which their quotient has not.
#[inline(always)]
fn fractions<L: Lanes>(l: L, x: Low52<L>, z_squared: Low52<L>) -> [Group; 2] {
    let mut fractions = [Group::ZERO; 2];
    x.to_lazy(l).canonical(l).store(l, &mut fractions[0]);
    z_squared.to_lazy(l).canonical(l).store(l, &mut fractions[1]);
    fractions
}

/// Four points of the form of [`Point`], x and Z² in lanes 0 … 3, y and Z³ in lanes 4 … 7.
#[derive(Clone, Copy)]
struct Halves<L: Lanes> {
    coordinates: Low52<L>,
    denominators: Low52<L>,
}

impl<L: Lanes> Halves<L> {
    /// Points `from` … `from` + 3 of eight.
    #[inline(always)]
    fn of_points(l: L, points: Point<L>, from: u64) -> Halves<L> {
        let lanes = l.add(l.load(&[0, 1, 2, 3, 8, 9, 10, 11]), l.splat(from));
        Halves {
            coordinates: Low52::permute_pair(l, points.x, points.y, lanes),
            denominators: Low52::permute_pair(l, points.z_squared, points.z_cubed, lanes),
        }
    }

    /// Point i of the result is point i + distance, for as many as there are.
    #[inline(always)]
    fn shift(self, l: L, distance: u64) -> Halves<L> {
        let lanes = l.add(l.load(&[0, 1, 2, 3, 4, 5, 6, 7]), l.splat(distance));
        Halves {
            coordinates: Low52::permute_pair(l, self.coordinates, self.coordinates, lanes),
            denominators: Low52::permute_pair(l, self.denominators, self.denominators, lanes),
        }
    }

    /// self + other: the steps of [`Point::add`] and [`Point::on_chord`], two in one, so 1 square and 6 products.
    #[inline(always)]
    fn add(self, l: L, other: Halves<L>) -> Halves<L> {
        let (low, high) = (l.load(&[0, 1, 2, 3, 0, 1, 2, 3]), l.load(&[4, 5, 6, 7, 4, 5, 6, 7]));
        let (lows, highs) = (l.load(&[0, 1, 2, 3, 8, 9, 10, 11]), l.load(&[4, 5, 6, 7, 12, 13, 14, 15]));
        let both = l.load(&[0, 1, 2, 3, 12, 13, 14, 15]);
        let denominators = self.denominators.mul(l, other.denominators).carry(l);
        let first = self.coordinates.mul(l, other.denominators);
        let second = other.coordinates.mul(l, self.denominators);
        // h and r, then h² and r².
        let differences = second.sub(l, first).bias(l, 2).carry(l);
        let first = first.carry(l);
        let squares = differences.square(l).carry(l);
        let h_squared = Low52::permute_pair(l, squares, squares, low);
        let r_squared = Low52::permute_pair(l, squares, squares, high).to_lazy(l);
        // h·h² and x·h².
        let products = Low52::permute_pair(l, differences, first, lows).mul(l, h_squared).carry(l);
        let h_cubed = Low52::permute_pair(l, products, products, low);
        let v = Low52::permute_pair(l, products, products, high).to_lazy(l);
        let x = r_squared.sub(l, h_cubed.to_lazy(l)).sub(l, v.add(l, v)).bias(l, 4);
        // r·(v − x) and y·h³.
        let factors = Low52::permute_pair(l, v.sub(l, x).bias(l, 8).carry(l), h_cubed, both);
        let terms = Low52::permute_pair(l, differences, first, highs).mul(l, factors);
        let tangents = Low52::permute_pair(l, terms.carry(l), terms.carry(l), low).to_lazy(l);
        let y = tangents.sub(l, terms).bias(l, 2);
        let chord = Low52::permute_pair(l, squares, products, lows);
        Halves {
            coordinates: Low52::permute_pair(l, x.carry(l), y.carry(l), both),
            denominators: denominators.mul(l, chord).carry(l),
        }
    }
}

/// Eight points, one in each lane, as x and y in the form x·2²⁶⁰.
#[inline(always)]
fn load_points<L: Lanes>(l: L, points: [&AffinePoint; 8]) -> (Low52<L>, Low52<L>) {
    // A point is eight words, a vector; turned, eight points are the four limbs of x and the four of y.
    let mut vectors = [l.zero(); 8];
    for (vector, point) in vectors.iter_mut().zip(points) {
        let [x0, x1, x2, x3] = point.x.to_montgomery_limbs();
        let [y0, y1, y2, y3] = point.y.to_montgomery_limbs();
        *vector = l.load(&[x0, x1, x2, x3, y0, y1, y2, y3]);
    }
    let [x0, x1, x2, x3, y0, y1, y2, y3] = l.transpose(vectors);
    (Stored::from_limbs([x0, x1, x2, x3]).unpack_x16(l), Stored::from_limbs([y0, y1, y2, y3]).unpack_x16(l))
}

/// The points of window `number` of eight pairs, of which all windows are given.
#[inline(always)]
fn load_window<L: Lanes>(l: L, number: usize, pairs: &[[u8; 2 * WINDOWS]; 8]) -> Affine<L> {
    let Window(sums) = &WINDOW_SUMS[number];
    let mut points = [&sums[0]; 8];
    for (point, windows) in points.iter_mut().zip(pairs) {
        *point = &sums[usize::from(windows[number])];
    }
    load_points(l, points)
}

/// The hashes of eight pairs, as fractions.
#[inline(always)]
fn sums<L: Lanes>(l: L, pairs: &[(Felt, Felt); 8]) -> [Group; 2] {
    let mut digits = [[0; 2 * WINDOWS]; 8];
    for (digits, &(a, b)) in digits.iter_mut().zip(pairs) {
        *digits = pair_windows(a, b);
    }
    let mut sum = Point::of_affine(l, load_window(l, 0, &digits), load_window(l, 1, &digits));
    for number in 2..2 * WINDOWS {
        sum = sum.add_affine(l, load_window(l, number, &digits));
    }
    sum.abscissas(l)
}

/// The hashes of the pairs from their fractions, with one inversion for all.
fn divide(pairs: &[[(Felt, Felt); 8]], fractions: &[[Group; 2]]) -> Vec<Felt> {
    let fractions = || fractions.iter().flat_map(|[x, z]| (0..8).map(|lane| (x.get(lane), z.get(lane))));
    let mut inverses: Vec<Felt> = fractions().map(|(_, z)| z).collect();
    batch_inverse(&mut inverses);
    let hashes = fractions()
        .zip(inverses)
        .zip(pairs.as_flattened())
        .map(|(((x, z), inverse), &(a, b))| if z.is_zero() { hash_completely(a, b) } else { x * inverse });
    hashes.collect()
}

/// The points of eight windows from `number` on of one pair, of which all windows are given.
#[inline(always)]
fn load_windows<L: Lanes>(l: L, number: usize, digits: &[u8; 2 * WINDOWS]) -> Affine<L> {
    let mut points = [&WINDOW_SUMS[0].0[0]; 8];
    for (lane, point) in points.iter_mut().enumerate() {
        *point = &WINDOW_SUMS[number + lane].0[usize::from(digits[number + lane])];
    }
    load_points(l, points)
}

/// The hash of one pair.
#[inline(always)]
pub(crate) fn hash_pair<L: Lanes>(l: L, a: Felt, b: Felt) -> Felt {
    let digits = pair_windows(a, b);
    let zero = Lazy::zero(l).carry(l);
    let mut sums = [Point { x: zero, y: zero, z_squared: zero, z_cubed: zero }; 4];
    for (index, sum) in sums.iter_mut().enumerate() {
        let first = load_windows(l, 8 * index, &digits);
        let second = load_windows(l, WINDOWS + 8 * index, &digits);
        *sum = Point::of_affine(l, first, second);
    }
    let [x, z_squared] = sum_fraction(l, sums).map(|group| group.get(0));
    quotient(x, z_squared, a, b)
}

/// The hash of a pair from its fraction. Zero has no inverse, and is the mark of an addition that had no chord.
fn quotient(x: Felt, z_squared: Felt, a: Felt, b: Felt) -> Felt {
    z_squared.inverse().map_or_else(|| hash_completely(a, b), |inverse| x * inverse)
}

/// The abscissa of the sum of all 32 points, in lane 0.
#[inline(always)]
fn sum_fraction<L: Lanes>(l: L, mut sums: [Point<L>; 4]) -> [Group; 2] {
    // Loops, so that the code of an addition is there once: more of it would not stay in the cache.
    for (into, from) in [(0, 2), (1, 3), (0, 1)] {
        sums[into] = sums[into].add(l, sums[from]);
    }
    let (mut sum, mut addend) = (Halves::of_points(l, sums[0], 0), Halves::of_points(l, sums[0], 4));
    for remaining in [2, 1, 0] {
        sum = sum.add(l, addend);
        addend = sum.shift(l, remaining);
    }
    fractions(l, sum.coordinates, sum.denominators)
}

/// The hashes of the pairs, in order.
#[inline(always)]
fn hash_pairs<L: Lanes>(l: L, pairs: &[[(Felt, Felt); 8]]) -> Vec<Felt> {
    let mut all = Vec::with_capacity(pairs.len());
    for pairs in pairs {
        all.push(sums(l, pairs));
    }
    divide(pairs, &all)
}

/// The digests of rows 8·`first_block` and following: the hash chains, one column after the other.
#[inline(always)]
pub(crate) fn hash_rows<L: Lanes>(l: L, rows: Rows<'_>, first_block: usize, out: &mut [[Digest; 8]]) {
    let width = rows.width();
    let mut pairs = vec![[(Felt::ZERO, Felt::ZERO); 8]; out.len()];
    for column in 0..=width {
        for (row, (_, word)) in (8 * first_block..).zip(pairs.as_flattened_mut()) {
            *word = match column {
                column if column < width => {
                    Felt::from_limbs_reduced(rows.cell(row, column).to_montgomery_limbs())
                }
                _ => Felt::from_u64(width as u64),
            };
        }
        let states = hash_pairs(l, &pairs);
        for ((state, _), new) in pairs.as_flattened_mut().iter_mut().zip(states) {
            *state = new;
        }
    }
    for (out, &(state, _)) in out.as_flattened_mut().iter_mut().zip(pairs.as_flattened()) {
        *out = state.into();
    }
}

/// The digests of the nodes over `children`, all of which are below p.
#[inline(always)]
pub(crate) fn hash_nodes<L: Lanes>(l: L, children: &[[Digest; 16]], out: &mut [[Digest; 8]]) {
    let felt = |child: &Digest| child.to_felt().unwrap_or_default();
    let pairs: Vec<[(Felt, Felt); 8]> = children
        .iter()
        .map(|children| std::array::from_fn(|i| (felt(&children[2 * i]), felt(&children[2 * i + 1]))))
        .collect();
    for (out, hash) in out.as_flattened_mut().iter_mut().zip(hash_pairs(l, &pairs)) {
        *out = hash.into();
    }
}

#[cfg(test)]
mod tests {
    use ashlar_curve::GENERATOR;
    use ashlar_field::{
        Kernels,
        lanes::{
            LaneTask, dispatch,
            intervals::{any_group, prove},
        },
    };

    use super::*;

    #[test]
    fn no_sum_of_points_overflows_whatever_the_points_are() {
        struct Additions;
        impl LaneTask for Additions {
            type Output = ();
            fn run<L: Lanes>(self, l: L) {
                let coordinate = Stored::load(l, &any_group()).unpack_x16(l);
                let affine = (coordinate, coordinate);
                let pair = Point::of_affine(l, affine, affine);
                let mut sum = pair;
                for _ in 2..2 * WINDOWS {
                    sum = sum.add_affine(l, affine);
                }
                sum.abscissas(l);
                sum_fraction(l, [pair; 4]);
            }
        }
        assert_eq!(prove(Additions), Ok(()));
    }

    #[test]
    fn a_sum_without_affine_form_is_hashed_by_the_complete_law() {
        let pairs = [1, 2, 3, 4, 5, 6, 7, 8].map(|value| (Felt::from_u64(value), Felt::ONE));
        let sums = [[Group::splat(Felt::ONE), Group::ZERO]];
        assert_eq!(divide(&[pairs], &sums), pairs.map(|(a, b)| hash_completely(a, b)));
        let [[x, z_squared]] = sums.map(|sum| sum.map(|group| group.get(0)));
        assert_eq!(quotient(x, z_squared, Felt::from_u64(3), Felt::ONE), divide(&[pairs], &sums)[2]);
    }

    /// The sum of an affine point and the 32 others of `sum_fraction`, where all of those are multiples of one point.
    struct Sum {
        multiples: [u64; 64],
    }

    impl LaneTask for Sum {
        type Output = [Felt; 2];
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) -> [Felt; 2] {
            let points = self.multiples.map(|multiple| GENERATOR.multiply(&[multiple, 0, 0, 0]).unwrap());
            let (vectors, _) = points.as_chunks::<8>();
            let load = |vector: &[AffinePoint; 8]| load_points(l, vector.each_ref());
            let pairs = [0, 1, 2, 3].map(|i| Point::of_affine(l, load(&vectors[i]), load(&vectors[4 + i])));
            sum_fraction(l, pairs).map(|group| group.get(0))
        }
    }

    #[test]
    fn a_chord_of_equal_or_opposite_points_anywhere_is_seen_in_the_sum() {
        let sum = |multiples: [u64; 64]| dispatch(Kernels::Portable, Sum { multiples }).ok().unwrap();
        let regular: [u64; 64] = std::array::from_fn(|i| i as u64 * i as u64 + 1);
        let [x, z_squared] = sum(regular);
        let all = GENERATOR.multiply(&[regular.iter().sum(), 0, 0, 0]).unwrap();
        assert_eq!(z_squared.inverse().map(|inverse| x * inverse), Some(all.x));
        for i in 0..32 {
            // Equal points in one lane of one of the first additions.
            let mut multiples = regular;
            multiples[32 + i] = multiples[i];
            assert_eq!(sum(multiples)[1], Felt::ZERO, "lane {i}");
        }
        for distance in [16, 8, 4, 2, 1] {
            // Equal sums that meet in a later addition: of indices that differ in one bit.
            let multiples = std::array::from_fn(|i| 1 + (i as u64 & !distance) * (i as u64 & !distance));
            assert_eq!(sum(multiples)[1], Felt::ZERO, "distance {distance}");
        }
    }
}
