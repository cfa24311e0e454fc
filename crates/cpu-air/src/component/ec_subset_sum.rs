//! The sub-component that adds the points chosen by the bits of a scalar: P₀ + Σ bᵢ·Qᵢ over 256 rows.
//!
//! Row i holds the remaining scalar m ≫ i, the partial sum P and, if bit i is set, the slope through P and Qᵢ. The
//! scalar must be an integer below p: where 252 bits are used, two products of bits rule out the representations from p
//! to 2²⁵².
//!
//! Source: Stone v3, CPU AIR, component `ec_subset_sum`.

use ashlar_field::Felt;
use ashlar_stark::air::{Domain, Expression};

use super::builder::{Builder, Cells, one_minus, shifted_bit};
use crate::layout::LayoutError;

/// Rows of the sub-component.
pub(super) const HEIGHT: u64 = 256;

/// Where one instance of the sub-component lives, and what it adds.
pub(super) struct EcSubsetSum<'a> {
    /// Common part of constraint and column names, such as `pedersen/hash0/ec_subset_sum`.
    name: String,
    /// The scalar, shifted by one bit a row.
    pub(super) selector: Cells<'a>,
    /// The partial sum.
    pub(super) sum: [Cells<'a>; 2],
    slope: Cells<'a>,
    /// Bits of the scalar.
    bits: u64,
    /// The point to add in this row.
    point: [Expression; 2],
}

impl<'a> EcSubsetSum<'a> {
    /// Finds the columns of the instance.
    pub(super) fn new(
        air: &'a Builder<'_>,
        name: &str,
        bits: u64,
        point: [Expression; 2],
    ) -> Result<EcSubsetSum<'a>, LayoutError> {
        let cells = |part: &str| air.cells(&format!("{name}/{part}"));
        Ok(EcSubsetSum {
            name: name.to_owned(),
            selector: cells("selector")?,
            sum: [cells("partial_sum/x")?, cells("partial_sum/y")?],
            slope: cells("slope")?,
            bits,
            point,
        })
    }

    /// Rows of one instance.
    pub(super) fn period(&self) -> u64 {
        HEIGHT * self.selector.step()
    }

    /// All rows of an instance but its last.
    fn additions(&self, air: &Builder<'_>) -> Domain {
        air.all_but_last_of(self.selector.step(), HEIGHT)
    }

    /// The 252-bit scalar m is below p = 2²⁵¹ + 17·2¹⁹² + 1. If bits 251, 196 and 192 are set, everything else is
    /// zero; zeros in between are checked by comparing shifted values.
    pub(super) fn constrain_unpacking(&self, air: &Builder<'_>) -> Result<(), LayoutError> {
        let name = format!("{}/bit_unpacking", self.name);
        let ones192 = air.cells(&format!("{name}/prod_ones192"))?.at(0);
        let ones196 = air.cells(&format!("{name}/prod_ones196"))?.at(0);
        let selector = self.selector;
        let bit = |index| shifted_bit(&selector, index);
        let every = || air.every(self.period());
        let power = |exponent: u32| Felt::from_u64(2).pow(u64::from(exponent));
        air.constrain(format!("{name}/last_one_is_zero"), &ones192 * bit(0), every());
        let zeros = selector.at(1) - selector.at(192) * power(191);
        air.constrain(format!("{name}/zeroes_between_ones0"), &ones192 * zeros, every());
        air.constrain(format!("{name}/cumulative_bit192"), ones192 - &ones196 * bit(192), every());
        let zeros = selector.at(193) - selector.at(196) * power(3);
        air.constrain(format!("{name}/zeroes_between_ones192"), &ones196 * zeros, every());
        air.constrain(format!("{name}/cumulative_bit196"), ones196 - bit(251) * bit(196), every());
        let zeros = selector.at(197) - selector.at(251) * power(54);
        air.constrain(format!("{name}/zeroes_between_ones196"), bit(251) * zeros, every());
        Ok(())
    }

    /// Bits and additions. With `x_diff_inv`, P and Q must have different x coordinates in every row: needed where the
    /// points are not fixed ones.
    pub(super) fn constrain(&self, air: &Builder<'_>, x_diff_inv: Option<Cells<'_>>) {
        let name = &self.name;
        let step = self.selector.step();
        let period = self.period();
        let bit = shifted_bit(&self.selector, 0);
        air.constrain(format!("{name}/booleanity_test"), &bit * (&bit - 1), self.additions(air));
        let end = air.residue(period, self.bits * step);
        air.constrain(format!("{name}/bit_extraction_end"), self.selector.at(0), end);
        let tail = air.residue(period, period - step);
        air.constrain(format!("{name}/zeros_tail"), self.selector.at(0), tail);

        let [x, y] = [self.sum[0].at(0), self.sum[1].at(0)];
        let [next_x, next_y] = [self.sum[0].at(1), self.sum[1].at(1)];
        let [point_x, point_y] = &self.point;
        let slope = self.slope.at(0);
        air.constrain(
            format!("{name}/add_points/slope"),
            &bit * (&y - point_y) - &slope * (&x - point_x),
            self.additions(air),
        );
        air.constrain(
            format!("{name}/add_points/x"),
            &slope * &slope - &bit * (&x + point_x + &next_x),
            self.additions(air),
        );
        air.constrain(
            format!("{name}/add_points/y"),
            &bit * (&y + &next_y) - slope * (&x - &next_x),
            self.additions(air),
        );
        if let Some(inverse) = x_diff_inv {
            let nonzero = inverse.at(0) * (&x - point_x) - 1;
            air.constrain(format!("{name}/add_points/x_diff_inv"), nonzero, self.additions(air));
        }
        let stays = one_minus(&bit);
        air.constrain(format!("{name}/copy_point/x"), &stays * (next_x - x), self.additions(air));
        air.constrain(format!("{name}/copy_point/y"), stays * (next_y - y), self.additions(air));
    }
}
