//! Sums of points selected by the bits of a scalar, with the intermediate values that a trace records.
//!
//! Instances are lanes: one inversion serves all of them in every row.

use ashlar_curve::{AffinePoint, EqualAbscissas, accumulate_batch, double_batch};
use ashlar_field::Felt;

use super::columns::Run;
use crate::layout::{Layout, LayoutError, VirtualColumn};

/// Rows of a subset sum and of a doubling chain.
pub(super) const HEIGHT: usize = 256;

/// One lane's column of points.
#[derive(Clone, Debug)]
pub(super) struct Points {
    pub(super) x: Vec<Felt>,
    pub(super) y: Vec<Felt>,
}

impl Points {
    fn with_capacity(rows: usize) -> Points {
        Points { x: Vec::with_capacity(rows), y: Vec::with_capacity(rows) }
    }

    fn push(&mut self, point: AffinePoint) {
        self.x.push(point.x);
        self.y.push(point.y);
    }

    /// The point of a row.
    pub(super) fn get(&self, row: usize) -> AffinePoint {
        AffinePoint { x: self.x[row], y: self.y[row] }
    }
}

/// One lane of a subset sum: rows 0 … 255 of points and selectors, 0 … 254 of slopes and inverses (the cells of row
/// 255 belong to others).
#[derive(Clone, Debug)]
pub(super) struct SubsetSum {
    pub(super) sums: Points,
    pub(super) selectors: Vec<Felt>,
    pub(super) slopes: Vec<Felt>,
    pub(super) x_difference_inverses: Vec<Felt>,
    scalar: [u64; 4],
}

impl SubsetSum {
    /// The sum of all selected points: row 255.
    pub(super) fn result(&self) -> AffinePoint {
        self.sums.get(HEIGHT - 1)
    }

    fn bit(&self, bit: usize) -> bool {
        bit_of(&self.scalar, bit)
    }

    /// bit 251 · bit 196.
    pub(super) fn ones196(&self) -> Felt {
        Felt::from_u64(u64::from(self.bit(251) && self.bit(196)))
    }

    /// bit 251 · bit 196 · bit 192.
    pub(super) fn ones192(&self) -> Felt {
        Felt::from_u64(u64::from(self.bit(251) && self.bit(196) && self.bit(192)))
    }
}

fn bit_of(limbs: &[u64; 4], bit: usize) -> bool {
    (limbs[bit / 64] >> (bit % 64)) & 1 == 1
}

/// start + Σ bit·point, for every lane; `point(lane, row)` is the point of bit `row`, for all rows below 255.
pub(super) fn subset_sums(
    starts: &[AffinePoint],
    scalars: &[Felt],
    point: impl Fn(usize, usize) -> AffinePoint,
) -> Result<Vec<SubsetSum>, EqualAbscissas> {
    let mut lanes: Vec<SubsetSum> = scalars
        .iter()
        .map(|scalar| SubsetSum {
            sums: Points::with_capacity(HEIGHT),
            selectors: selectors(*scalar),
            slopes: Vec::with_capacity(HEIGHT - 1),
            x_difference_inverses: Vec::with_capacity(HEIGHT - 1),
            scalar: scalar.to_standard_limbs(),
        })
        .collect();
    let mut sums = starts.to_vec();
    let mut addends = starts.to_vec();
    for row in 0..HEIGHT {
        for (lane, &sum) in lanes.iter_mut().zip(&sums) {
            lane.sums.push(sum);
        }
        if row == HEIGHT - 1 {
            break;
        }
        for (lane, addend) in addends.iter_mut().enumerate() {
            *addend = point(lane, row);
        }
        let additions = accumulate_batch(&mut sums, &addends, |lane| lanes[lane].bit(row))?;
        for (lane, addition) in lanes.iter_mut().zip(additions) {
            lane.slopes.push(addition.slope);
            lane.x_difference_inverses.push(addition.x_difference_inverse);
        }
    }
    Ok(lanes)
}

/// scalar >> row for rows 0 … 255.
fn selectors(scalar: Felt) -> Vec<Felt> {
    // From the top: v[row] = 2·v[row + 1] + bit, which needs no division.
    let limbs = scalar.to_standard_limbs();
    let mut selectors = vec![Felt::ZERO; HEIGHT];
    let mut value = Felt::ZERO;
    for row in (0..HEIGHT).rev() {
        value = value.double();
        if bit_of(&limbs, row) {
            value += Felt::ONE;
        }
        selectors[row] = value;
    }
    selectors
}

/// One lane of a doubling chain: 256 points and the 255 slopes between them.
#[derive(Clone, Debug)]
pub(super) struct Doublings {
    pub(super) points: Points,
    pub(super) slopes: Vec<Felt>,
}

/// point, 2·point, …, 2²⁵⁵·point for every lane.
pub(super) fn doubling_chains(starts: &[AffinePoint]) -> Result<Vec<Doublings>, EqualAbscissas> {
    let lane = || Doublings { points: Points::with_capacity(HEIGHT), slopes: Vec::with_capacity(HEIGHT - 1) };
    let mut lanes: Vec<Doublings> = starts.iter().map(|_| lane()).collect();
    let mut points = starts.to_vec();
    for row in 0..HEIGHT {
        for (lane, &point) in lanes.iter_mut().zip(&points) {
            lane.points.push(point);
        }
        if row < HEIGHT - 1 {
            let slopes = double_batch(&mut points)?;
            for (lane, slope) in lanes.iter_mut().zip(slopes) {
                lane.slopes.push(slope);
            }
        }
    }
    Ok(lanes)
}

/// The virtual columns of a subset sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubsetSumColumns {
    sums: [VirtualColumn; 2],
    selector: VirtualColumn,
    slope: VirtualColumn,
    x_difference_inverse: Option<VirtualColumn>,
    /// For bits 196 and 192.
    unpacking: Option<[VirtualColumn; 2]>,
}

impl SubsetSumColumns {
    /// The columns whose names start with `prefix`.
    pub(super) fn new(
        layout: &Layout,
        prefix: &str,
        with_inverse: bool,
        with_unpacking: bool,
    ) -> Result<SubsetSumColumns, LayoutError> {
        let column = |name: &str| layout.column(&format!("{prefix}/{name}"));
        Ok(SubsetSumColumns {
            sums: [column("partial_sum/x")?, column("partial_sum/y")?],
            selector: column("selector")?,
            slope: column("slope")?,
            x_difference_inverse: if with_inverse { Some(column("x_diff_inv")?) } else { None },
            unpacking: match with_unpacking {
                true => Some([column("bit_unpacking/prod_ones196")?, column("bit_unpacking/prod_ones192")?]),
                false => None,
            },
        })
    }

    /// The runs of one lane at a position, counted in subset sums.
    pub(super) fn runs<'a>(&self, position: usize, lane: &'a SubsetSum, ones: &'a [Felt; 2]) -> Vec<Run<'a>> {
        let first = HEIGHT * position;
        let mut runs = vec![
            Run { column: self.sums[0], first, values: &lane.sums.x },
            Run { column: self.sums[1], first, values: &lane.sums.y },
            Run { column: self.selector, first, values: &lane.selectors },
            Run { column: self.slope, first, values: &lane.slopes },
        ];
        if let Some(column) = self.x_difference_inverse {
            runs.push(Run { column, first, values: &lane.x_difference_inverses });
        }
        if let Some(columns) = self.unpacking {
            for (column, value) in columns.into_iter().zip(ones) {
                runs.push(Run { column, first: position, values: std::slice::from_ref(value) });
            }
        }
        runs
    }
}
