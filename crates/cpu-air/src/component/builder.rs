//! What components write with: cells by virtual column, row sets, and the growing list of constraints.

use std::{
    cell::{Cell as Slot, RefCell},
    collections::HashMap,
};

use ashlar_field::Felt;
use ashlar_stark::air::{Cell, Constraint, Domain, Expression, PeriodicColumn, Rows};

use crate::layout::{Layout, LayoutError, VirtualColumn};

/// 2¹⁵, half of the range of an instruction's offsets.
pub(super) const HALF_OFFSET: u64 = 1 << 15;
/// 2¹⁶, the range of the 16-bit pool.
pub(super) const OFFSET_RANGE: u64 = 1 << 16;

/// Collects the constraints of one layout for one trace length.
pub(super) struct Builder<'a> {
    layout: &'a Layout,
    length: u64,
    active: Slot<bool>,
    cells: RefCell<HashMap<Cell, Expression>>,
    constraints: RefCell<Vec<Constraint>>,
    periodic: RefCell<Vec<PeriodicColumn>>,
}

/// A virtual column whose cells can be used in constraints. Cell k is relative to the row of the constraint.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a> {
    /// One expression a cell, so that interpreters see that it is the same.
    known: &'a RefCell<HashMap<Cell, Expression>>,
    place: VirtualColumn,
}

impl Cells<'_> {
    /// Cell `index`.
    pub(super) fn at(&self, index: usize) -> Expression {
        let cell = Cell { column: self.place.column, row: self.place.row(index) as u64 };
        let mut known = self.known.borrow_mut();
        known.entry(cell).or_insert_with(|| Expression::cell(cell.column, cell.row)).clone()
    }

    /// Rows between two cells.
    pub(super) fn step(&self) -> u64 {
        self.place.step as u64
    }
}

impl<'a> Builder<'a> {
    pub(super) fn new(layout: &'a Layout, length: u64) -> Builder<'a> {
        Builder {
            layout,
            length,
            active: Slot::new(true),
            cells: RefCell::default(),
            constraints: RefCell::default(),
            periodic: RefCell::default(),
        }
    }

    /// Whether the constraints that follow are in force. A constraint that is not keeps its index.
    pub(super) fn set_active(&self, active: bool) {
        self.active.set(active);
    }

    pub(super) fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The virtual column of this name.
    pub(super) fn cells(&self, name: &str) -> Result<Cells<'_>, LayoutError> {
        Ok(Cells { known: &self.cells, place: self.layout.column(name)? })
    }

    /// A periodic column with the given values; its step is the layout's.
    pub(super) fn periodic(&self, name: &str, values: Vec<Felt>) -> Result<Expression, LayoutError> {
        let step = self.layout.periodic_step(name)? as u64;
        let mut periodic = self.periodic.borrow_mut();
        if self.active.get() {
            periodic.push(PeriodicColumn { values, step });
        }
        Ok(Expression::periodic(periodic.len().saturating_sub(1)))
    }

    /// Appends a constraint.
    pub(super) fn constrain(&self, name: impl Into<String>, expression: Expression, domain: Domain) {
        let body = self.active.get().then_some((expression, domain));
        self.constraints.borrow_mut().push(Constraint { name: name.into(), body });
    }

    /// The constraints in order of their power of α, and the periodic columns.
    pub(super) fn finish(self) -> (Vec<Constraint>, Vec<PeriodicColumn>) {
        (self.constraints.into_inner(), self.periodic.into_inner())
    }

    /// Row 0.
    pub(super) fn first(&self) -> Domain {
        self.residue(self.length, 0)
    }

    /// Row N − `period`.
    pub(super) fn last(&self, period: u64) -> Domain {
        self.residue(self.length, self.length.saturating_sub(period))
    }

    /// Rows ≡ 0 mod `period`.
    pub(super) fn every(&self, period: u64) -> Domain {
        self.residue(period, 0)
    }

    /// Rows ≡ `residue` mod `period`.
    pub(super) fn residue(&self, period: u64, residue: u64) -> Domain {
        Domain { included: vec![Rows { period, residue }], excluded: Vec::new() }
    }

    /// Rows ≡ 0 mod `period`, but for the last.
    pub(super) fn every_but_last(&self, period: u64) -> Domain {
        let last = Rows { period: self.length, residue: self.length.saturating_sub(period) };
        Domain { included: vec![Rows { period, residue: 0 }], excluded: vec![last] }
    }

    /// Of every `count` cells at distance `step`, those whose number satisfies the predicate. Both are powers of two.
    pub(super) fn some_of(&self, step: u64, count: u64, predicate: impl Fn(u64) -> bool) -> Domain {
        let place = |rows: Rows| Rows { period: rows.period * step, residue: rows.residue * step };
        let Domain { included, excluded } = Self::cover(count, predicate);
        Domain {
            included: included.into_iter().map(place).collect(),
            excluded: excluded.into_iter().map(place).collect(),
        }
    }

    /// The numbers below `count`, repeated with that period, that satisfy the predicate. `count` is a power of two.
    pub(super) fn cover(count: u64, predicate: impl Fn(u64) -> bool) -> Domain {
        Classes { count, predicate: &predicate }.cover(1, 0)
    }

    /// Of every `count` cells at distance `step`, all but the last: rows ≡ 0 mod `step` without those
    /// ≡ −`step` mod `count · step`.
    pub(super) fn all_but_last_of(&self, step: u64, count: u64) -> Domain {
        let period = step * count;
        let last = Rows { period, residue: period - step };
        Domain { included: vec![Rows { period: step, residue: 0 }], excluded: vec![last] }
    }
}

/// Residue classes modulo a power of two, of which some are wanted.
struct Classes<'a> {
    count: u64,
    predicate: &'a dyn Fn(u64) -> bool,
}

impl Classes<'_> {
    /// The smallest cover of the wanted classes ≡ `residue` mod `period`, by halving.
    fn cover(&self, period: u64, residue: u64) -> Domain {
        let size = |domain: &Domain| domain.included.len() + domain.excluded.len();
        let wanted = self.union(period, residue, true);
        if wanted.len() <= 1 {
            return Domain { included: wanted, excluded: Vec::new() };
        }
        let mut halves = self.cover(2 * period, residue);
        let other = self.cover(2 * period, residue + period);
        halves.included.extend(other.included);
        halves.excluded.extend(other.excluded);
        let without =
            Domain { included: vec![Rows { period, residue }], excluded: self.union(period, residue, false) };
        if size(&without) < size(&halves) { without } else { halves }
    }

    /// The coarsest congruences whose union is the classes ≡ `residue` mod `period` with this answer.
    fn union(&self, period: u64, residue: u64, answer: bool) -> Vec<Rows> {
        if period == self.count {
            return if (self.predicate)(residue) == answer {
                vec![Rows { period, residue }]
            } else {
                Vec::new()
            };
        }
        let mut classes = self.union(2 * period, residue, answer);
        let other = self.union(2 * period, residue + period, answer);
        let is_whole = |half: &[Rows]| half.len() == 1 && half[0].period == 2 * period;
        if is_whole(&classes) && is_whole(&other) {
            return vec![Rows { period, residue }];
        }
        classes.extend(other);
        classes
    }
}

/// x + x.
pub(super) fn double(x: &Expression) -> Expression {
    x + x
}

/// 1 − x.
pub(super) fn one_minus(x: &Expression) -> Expression {
    Expression::from(1) - x
}

/// x² − x, zero for bits.
pub(super) fn bit(x: &Expression) -> Expression {
    x * x - x
}

/// The bit that a cell has and the next one has not: `cells[index] − 2·cells[index + 1]`, for a column of shifted
/// values.
pub(super) fn shifted_bit(cells: &Cells<'_>, index: usize) -> Expression {
    cells.at(index) - double(&cells.at(index + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each class is counted: included minus excluded.
    fn counts(domain: &Domain, count: u64) -> Vec<i32> {
        let members = |rows: &[Rows], class: u64| {
            rows.iter().filter(|rows| class % rows.period == rows.residue).count() as i32
        };
        (0..count).map(|class| members(&domain.included, class) - members(&domain.excluded, class)).collect()
    }

    #[test]
    fn a_cover_counts_every_wanted_class_once_and_no_other() {
        for pattern in 0..1u64 << 16 {
            let cover = Builder::cover(16, |class| pattern >> class & 1 == 1);
            let expected: Vec<i32> = (0..16).map(|class| (pattern >> class & 1) as i32).collect();
            assert_eq!(counts(&cover, 16), expected, "{pattern:#b}");
        }
    }

    #[test]
    fn a_cover_of_all_but_one_class_is_two_congruences() {
        let cover = Builder::cover(64, |class| class != 63);
        assert_eq!(cover.included, [Rows { period: 1, residue: 0 }]);
        assert_eq!(cover.excluded, [Rows { period: 64, residue: 63 }]);
    }
}
