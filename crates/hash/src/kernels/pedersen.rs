//! Eight Pedersen at a time, one in each lane: the sums of the windows in Jacobian coordinates, and one inversion
//! for all hashes of a task.
//!
//! The loop has no exceptional cases. Should a partial sum meet an addend with its own abscissa — which would be a
//! relation between the fixed points that nobody knows — its Z becomes zero and stays zero, and that pair is hashed
//! by the complete law.

use ashlar_curve::AffinePoint;
use ashlar_field::{
    Felt, Group, batch_inverse,
    lanes::Lanes,
    packed::{Low52, Multiplier, Stored},
};

use crate::{
    Digest,
    kernels::table::Rows,
    pedersen::{START, WINDOW_SUMS, Window, hash, windows},
};

/// A point in Jacobian coordinates of the form x·2²⁶⁰, which products of such forms have again.
struct Point<L: Lanes> {
    x: Low52<L>,
    y: Low52<L>,
    z: Low52<L>,
}

impl<L: Lanes> Point<L> {
    #[inline(always)]
    fn from_affine(l: L, point: AffinePoint) -> Point<L> {
        Point {
            x: Multiplier::new(point.x).splat(l),
            y: Multiplier::new(point.y).splat(l),
            z: Multiplier::new(Felt::ONE).splat(l),
        }
    }

    /// self + (x, y): 3 squares and 8 products.
    ///
    /// Products of values below 10·p are below 1.2·p; multiples of p are added wherever a difference may be
    /// negative, so that x, y and z stay in (0, 5.2·p), (0, 3.2·p) and (0, 1.1·p).
    #[inline(always)]
    fn add(self, l: L, x: Low52<L>, y: Low52<L>) -> Point<L> {
        let z_squared = self.z.square(l).carry(l);
        let z_cubed = z_squared.mul(l, self.z).carry(l);
        let h = x.mul(l, z_squared).sub(l, self.x.to_lazy(l)).bias(l, 8).carry(l);
        let r = y.mul(l, z_cubed).sub(l, self.y.to_lazy(l)).bias(l, 8).carry(l);
        let h_squared = h.square(l).carry(l);
        let h_cubed = h_squared.mul(l, h);
        let v = self.x.mul(l, h_squared);
        let x = r.square(l).sub(l, h_cubed).sub(l, v.add(l, v)).bias(l, 4);
        let tangent = r.mul(l, v.sub(l, x).bias(l, 6).carry(l));
        let y = tangent.sub(l, self.y.mul(l, h_cubed.carry(l))).bias(l, 2);
        Point { x: x.carry(l), y: y.carry(l), z: self.z.mul(l, h).carry(l) }
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

/// The sums of eight pairs, as X and Z: the hash of a pair is X/Z².
#[inline(always)]
fn sums<L: Lanes>(l: L, pairs: &[(Felt, Felt); 8], tables: &[Vec<Window>; 2]) -> [Group; 2] {
    let mut sum = Point::from_affine(l, *START);
    for (input, table) in tables.iter().enumerate() {
        let digits = pairs.map(|(a, b)| windows([a, b][input]));
        for (number, window) in table.iter().enumerate() {
            let mut points = [&window[0]; 8];
            for (point, digits) in points.iter_mut().zip(&digits) {
                *point = &window[usize::from(digits[number])];
            }
            let (x, y) = load_points(l, points);
            sum = sum.add(l, x, y);
        }
    }
    // From x·2²⁶⁰ to the stored x·2²⁵⁶: a factor of 1/16.
    let sixteenth = Multiplier::new(Felt::from_u64(16).inverse().unwrap_or_default()).splat(l);
    let mut coordinates = [Group::ZERO; 2];
    sum.x.mul(l, sixteenth).canonical(l).store(l, &mut coordinates[0]);
    sum.z.mul(l, sixteenth).canonical(l).store(l, &mut coordinates[1]);
    coordinates
}

/// The abscissas X/Z² of the sums of the pairs, with one inversion for all.
fn abscissas(pairs: &[[(Felt, Felt); 8]], sums: &[[Group; 2]]) -> Vec<Felt> {
    let coordinates = || sums.iter().flat_map(|[x, z]| (0..8).map(|lane| (x.get(lane), z.get(lane))));
    let mut inverses: Vec<Felt> = coordinates().map(|(_, z)| z).collect();
    batch_inverse(&mut inverses);
    let hashes = coordinates()
        .zip(inverses)
        .zip(pairs.as_flattened())
        .map(|(((x, z), inverse), &(a, b))| if z.is_zero() { hash(a, b) } else { x * inverse.square() });
    hashes.collect()
}

/// The hashes of the pairs, in order.
#[inline(always)]
fn hash_pairs<L: Lanes>(l: L, pairs: &[[(Felt, Felt); 8]]) -> Vec<Felt> {
    let tables = &*WINDOW_SUMS;
    let mut all = Vec::with_capacity(pairs.len());
    for pairs in pairs {
        all.push(sums(l, pairs, tables));
    }
    abscissas(pairs, &all)
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
    use ashlar_field::lanes::{
        LaneTask,
        intervals::{any_group, any_multiplier, prove},
    };

    use super::*;

    #[test]
    fn no_sum_of_points_overflows_whatever_the_points_are() {
        struct Additions;
        impl LaneTask for Additions {
            type Output = ();
            fn run<L: Lanes>(self, l: L) {
                let coordinate = Stored::load(l, &any_group()).unpack_x16(l);
                let start = any_multiplier().splat(l);
                let mut sum = Point { x: start, y: start, z: start };
                for _ in 0..2 * 32 {
                    sum = sum.add(l, coordinate, coordinate);
                }
                sum.x.mul(l, coordinate).canonical(l);
                sum.z.mul(l, coordinate).canonical(l);
            }
        }
        assert_eq!(prove(Additions), Ok(()));
    }

    #[test]
    fn a_sum_without_affine_form_is_hashed_by_the_complete_law() {
        let pairs = [1, 2, 3, 4, 5, 6, 7, 8].map(|value| (Felt::from_u64(value), Felt::ONE));
        let sums = [[Group::splat(Felt::ONE), Group::ZERO]];
        assert_eq!(abscissas(&[pairs], &sums), pairs.map(|(a, b)| hash(a, b)));
    }
}
