//! The vocabulary in which an algebraic intermediate representation (AIR) is written, once.
//!
//! A constraint is a polynomial in trace cells together with the set of rows on which it must vanish. It is
//! written with ordinary operators over [`Expression`]s and interpreted three ways by this crate: to collect the
//! mask (which cells are used), at one point (the verifier), and compiled to bytecode over blocks of rows (the
//! prover).
//!
//! Rows are indices of the trace domain ⟨g⟩, g of order N; row j ↔ gʲ. A cell of row `r` in a constraint that is
//! applied at base row b is the cell of row b + r.

use std::{
    ops::{Add, Mul, Neg, Sub},
    sync::Arc,
};

use ashlar_field::{Column, Felt};

/// A trace cell relative to the base row of a constraint. Interaction columns follow the first-trace columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The column, first-trace columns first.
    pub column: usize,
    /// The row offset. May reach N and beyond (the mask keeps Stone's order by the unreduced offset): rows count
    /// modulo N.
    pub row: u64,
}

/// One node of an expression.
#[derive(Debug)]
pub enum Node {
    /// A fixed field element.
    Constant(Felt),
    /// The value of a trace cell.
    Cell(Cell),
    /// The value of the periodic column with this index at the base row.
    Periodic(usize),
    /// A value known to prover and verifier once the interaction elements are drawn, by index
    /// (see [`Air::parameters`]): interaction elements themselves, public-input values, …
    Parameter(usize),
    /// a + b.
    Sum(Expression, Expression),
    /// a − b.
    Difference(Expression, Expression),
    /// a · b.
    Product(Expression, Expression),
}

/// A polynomial in cells, periodic columns and parameters. Cheap to clone; shared parts stay shared.
#[derive(Clone, Debug)]
pub struct Expression(Arc<Node>);

impl Expression {
    /// The node at the top.
    pub fn node(&self) -> &Node {
        &self.0
    }

    /// A fixed field element.
    pub fn constant(value: Felt) -> Expression {
        Expression(Arc::new(Node::Constant(value)))
    }

    /// A trace cell.
    pub fn cell(column: usize, row: u64) -> Expression {
        Expression(Arc::new(Node::Cell(Cell { column, row })))
    }

    /// A periodic column by index.
    pub fn periodic(index: usize) -> Expression {
        Expression(Arc::new(Node::Periodic(index)))
    }

    /// A parameter by index.
    pub fn parameter(index: usize) -> Expression {
        Expression(Arc::new(Node::Parameter(index)))
    }

    /// An address of the shared node, by which an interpreter can recognise it again.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }
}

impl From<u64> for Expression {
    fn from(value: u64) -> Expression {
        Expression::constant(Felt::from_u64(value))
    }
}

impl From<Felt> for Expression {
    fn from(value: Felt) -> Expression {
        Expression::constant(value)
    }
}

macro_rules! binary {
    ($trait:ident, $method:ident, $node:ident) => {
        impl<R: Into<Expression>> $trait<R> for Expression {
            type Output = Expression;
            fn $method(self, other: R) -> Expression {
                Expression(Arc::new(Node::$node(self, other.into())))
            }
        }
        impl<R: Into<Expression>> $trait<R> for &Expression {
            type Output = Expression;
            fn $method(self, other: R) -> Expression {
                Expression(Arc::new(Node::$node(self.clone(), other.into())))
            }
        }
    };
}
binary!(Add, add, Sum);
binary!(Sub, sub, Difference);
binary!(Mul, mul, Product);

impl From<&Expression> for Expression {
    fn from(expression: &Expression) -> Expression {
        expression.clone()
    }
}

impl Neg for Expression {
    type Output = Expression;
    fn neg(self) -> Expression {
        Expression::from(0) - self
    }
}

/// The rows ≡ `residue` mod `period`: the zeros of x^(N/period) − g^(residue·N/period).
///
/// Both are powers of two or below them: `period` is a power of two that divides N; `residue` < `period`.
/// A single row r is period N, residue r.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rows {
    /// Distance between two rows of the set.
    pub period: u64,
    /// The first row of the set.
    pub residue: u64,
}

/// A set of rows, as a union of congruences minus a union of congruences contained in it.
///
/// Its vanishing polynomial, monic, is Π (x^(N/p) − g^(rN/p)) over `included` divided by the same over `excluded`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain {
    /// Disjoint congruences.
    pub included: Vec<Rows>,
    /// Disjoint congruences, each contained in the union of `included`.
    pub excluded: Vec<Rows>,
}

/// One constraint: `expression` vanishes on the rows of `domain`.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Stone's name, such as `cpu/decode/opcode_range_check/bit`.
    pub name: String,
    /// What must vanish, and where; `None` for a constraint that this instance skips. A skipped constraint keeps
    /// its index, hence its power of α.
    pub body: Option<(Expression, Domain)>,
}

/// A column known to everybody: value `values[(row / step) mod values.len()]` on rows ≡ 0 mod `step`, and in
/// between whatever the interpolating polynomial P(x^(N/(len·step))) says, P interpolating `values` on the subgroup
/// of order `values.len()`.
#[derive(Clone, Debug)]
pub struct PeriodicColumn {
    /// One period; a power of two many.
    pub values: Vec<Felt>,
    /// Rows between two values; a power of two; `values.len() · step` divides N.
    pub step: u64,
}

/// Everything that prover and verifier must know of the constraints of one instance.
#[derive(Clone, Debug)]
pub struct ConstraintSystem {
    /// In order of their power of α.
    pub constraints: Vec<Constraint>,
    /// The cells whose out-of-domain values the prover sends, in order. May repeat a cell, and may hold cells that no
    /// active constraint uses (Stone's `dynamic` does both); must contain every cell that is used.
    pub mask: Vec<Cell>,
    /// Indexed by [`Node::Periodic`].
    pub periodic: Vec<PeriodicColumn>,
}

impl ConstraintSystem {
    /// A system whose mask is the set of cells used, sorted by column, then row: Stone's rule for static layouts.
    pub fn with_sorted_mask(constraints: Vec<Constraint>, periodic: Vec<PeriodicColumn>) -> ConstraintSystem {
        let mask = used_cells(&constraints).into_iter().collect();
        ConstraintSystem { constraints, mask, periodic }
    }
}

/// The distinct cells that the active constraints use.
pub fn used_cells(constraints: &[Constraint]) -> std::collections::BTreeSet<Cell> {
    let mut cells = std::collections::BTreeSet::new();
    let mut seen = std::collections::HashSet::new();
    let mut pending: Vec<Expression> = constraints
        .iter()
        .filter_map(|c| c.body.as_ref())
        .map(|(expression, _)| expression.clone())
        .collect();
    while let Some(expression) = pending.pop() {
        if !seen.insert(expression.identity()) {
            continue;
        }
        match expression.node() {
            Node::Cell(cell) => {
                cells.insert(*cell);
            }
            Node::Constant(_) | Node::Periodic(_) | Node::Parameter(_) => {}
            Node::Sum(a, b) | Node::Difference(a, b) | Node::Product(a, b) => {
                pending.push(a.clone());
                pending.push(b.clone());
            }
        }
    }
    cells
}

/// An AIR with an interaction phase, for one instance (layout, trace length, public input).
///
/// Constraint degree is 2: every expression has degree at most 2 in the cells (periodic columns counted).
pub trait Air: Sync {
    /// log₂ of the trace length N.
    fn log_trace_length(&self) -> u32;
    /// The number of columns of the first and of the interaction trace.
    fn trace_widths(&self) -> [usize; 2];
    /// How many interaction elements are drawn after the first trace is committed.
    fn interaction_element_count(&self) -> usize;
    /// The constraints, mask and periodic columns.
    fn constraint_system(&self) -> &ConstraintSystem;
    /// The values of [`Node::Parameter`]s, given the interaction elements; `None` if an element is degenerate
    /// (say, equals a public memory cell, so that a denominator is zero: probability about 2⁻²⁰⁰, but a verifier
    /// must not panic on it).
    fn parameters(&self, interaction_elements: &[Felt]) -> Option<Vec<Felt>>;
}

/// The secret side of an AIR instance.
pub trait Witness {
    /// The error of a witness that does not fit.
    type Error;
    /// The first-trace columns, N elements each, natural row order. Called once; the witness gives up its copy.
    fn first_trace(&mut self) -> Result<Vec<Column>, Self::Error>;
    /// The interaction columns, N elements each, natural row order. Called once, after [`Witness::first_trace`].
    fn interaction_trace(&mut self, interaction_elements: &[Felt]) -> Result<Vec<Column>, Self::Error>;
}
