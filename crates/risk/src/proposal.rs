//! A proposal: what an allocator wants decided, and the bounds that its numbers must keep.
//!
//! Numbers are any 64-bit integers here; one outside its bounds gives a decision with the verdict "input out of
//! range", never an error, because one bad proposal must not spoil a batch.

use std::{fmt, ops::RangeInclusive};

use ashlar_field::Felt;

use crate::BASIS_POINTS;

/// How many rows a proposal may have.
pub const ROWS: RangeInclusive<usize> = 2..=32;

/// What is asked: distribute over these rows within these constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The chain that the allocator lives on.
    pub chain_id: Felt,
    /// The allocator's address.
    pub allocator: Felt,
    /// Makes two proposals of the same content different ones.
    pub nonce: u64,
    /// Which versioned set of weights decides.
    pub model_version: u64,
    /// The limits that an accepted allocation keeps.
    pub constraints: Constraints,
    /// The candidates, 2 to 32 with distinct protocols. Their order is part of the statement.
    pub rows: Vec<Row>,
}

/// The limits that an accepted allocation keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// Largest share of one row, in basis points, at most 10000.
    pub max_single: u64,
    /// Largest weighted volatility, in basis points, at most 10000.
    pub max_volatility: u64,
    /// How many rows must hold at least 1000 basis points: 1 to min(rows, 10).
    pub min_diversification: u64,
    /// The worst liquidity class (0 best … 3) that may hold a share.
    pub min_liquidity: u64,
}

/// One candidate of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which protocol; distinct within a proposal.
    pub protocol_id: Felt,
    /// Utilisation in basis points, at most 10000.
    pub utilisation: u64,
    /// Volatility in basis points, at most 10000.
    pub volatility: u64,
    /// Liquidity class, 0 best … 3.
    pub liquidity: u64,
    /// Audit mark, at most 100.
    pub audit: u64,
    /// Age in days, at most 65535.
    pub age: u64,
    /// Yield in basis points, at most 1,000,000.
    pub apy: u64,
}

/// A bounded number of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// [`Constraints::max_single`].
    MaxSingle,
    /// [`Constraints::max_volatility`].
    MaxVolatility,
    /// [`Constraints::min_liquidity`].
    MinLiquidity,
    /// [`Row::utilisation`].
    Utilisation,
    /// [`Row::volatility`].
    Volatility,
    /// [`Row::liquidity`].
    Liquidity,
    /// [`Row::audit`].
    Audit,
    /// [`Row::age`].
    Age,
    /// [`Row::apy`].
    Apy,
}

impl Field {
    /// The largest value in range.
    pub const fn limit(self) -> u64 {
        match self {
            Field::MaxSingle | Field::MaxVolatility | Field::Utilisation | Field::Volatility => BASIS_POINTS,
            Field::MinLiquidity | Field::Liquidity => 3,
            Field::Audit => 100,
            Field::Age => 65_535,
            Field::Apy => 1_000_000,
        }
    }

    /// The key in a proposal file.
    pub const fn name(self) -> &'static str {
        match self {
            Field::MaxSingle => "max_single",
            Field::MaxVolatility => "max_volatility",
            Field::MinLiquidity => "min_liquidity",
            Field::Utilisation => "utilisation",
            Field::Volatility => "volatility",
            Field::Liquidity => "liquidity",
            Field::Audit => "audit",
            Field::Age => "age",
            Field::Apy => "apy",
        }
    }
}

/// Which bound a proposal breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeViolation {
    /// Fewer than 2 or more than 32 rows.
    RowCount {
        /// The number of rows.
        rows: usize,
    },
    /// A constraint above its limit.
    Constraint {
        /// Which one.
        field: Field,
        /// Its value.
        value: u64,
    },
    /// `min_diversification` is zero or above min(rows, 10).
    Diversification {
        /// Its value.
        value: u64,
        /// The largest one in range.
        limit: u64,
    },
    /// A number of a row above its limit.
    Row {
        /// Index of the row, from 0.
        row: usize,
        /// Which number.
        field: Field,
        /// Its value.
        value: u64,
    },
    /// Two rows name the same protocol.
    SameProtocol {
        /// Index of the first row, from 0.
        first: usize,
        /// Index of the second row, from 0.
        second: usize,
    },
}

impl fmt::Display for RangeViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RangeViolation::RowCount { rows } => {
                write!(f, "expected {} to {} rows, got {rows}", ROWS.start(), ROWS.end())
            }
            RangeViolation::Constraint { field, value } => {
                write!(f, "constraints.{}: expected at most {}, got {value}", field.name(), field.limit())
            }
            RangeViolation::Diversification { value, limit } => {
                write!(f, "constraints.min_diversification: expected 1 to {limit}, got {value}")
            }
            RangeViolation::Row { row, field, value } => {
                write!(f, "rows[{row}].{}: expected at most {}, got {value}", field.name(), field.limit())
            }
            RangeViolation::SameProtocol { first, second } => {
                write!(f, "rows[{first}] and rows[{second}] name the same protocol")
            }
        }
    }
}

impl Row {
    /// The bounded numbers, in the order of the record.
    pub const fn numbers(&self) -> [(Field, u64); 6] {
        [
            (Field::Utilisation, self.utilisation),
            (Field::Volatility, self.volatility),
            (Field::Liquidity, self.liquidity),
            (Field::Audit, self.audit),
            (Field::Age, self.age),
            (Field::Apy, self.apy),
        ]
    }
}

impl Proposal {
    /// The first bound that is broken, if any: row count, constraints, rows in order, then repeated protocols.
    pub fn range_violation(&self) -> Option<RangeViolation> {
        let constraints = &self.constraints;
        let diversification_limit = self.rows.len().min(10) as u64;
        if !ROWS.contains(&self.rows.len()) {
            return Some(RangeViolation::RowCount { rows: self.rows.len() });
        }
        let bounded = [
            (Field::MaxSingle, constraints.max_single),
            (Field::MaxVolatility, constraints.max_volatility),
            (Field::MinLiquidity, constraints.min_liquidity),
        ];
        if let Some(&(field, value)) = bounded.iter().find(|(field, value)| *value > field.limit()) {
            return Some(RangeViolation::Constraint { field, value });
        }
        if !(1..=diversification_limit).contains(&constraints.min_diversification) {
            return Some(RangeViolation::Diversification {
                value: constraints.min_diversification,
                limit: diversification_limit,
            });
        }
        for (row, content) in self.rows.iter().enumerate() {
            if let Some(&(field, value)) =
                content.numbers().iter().find(|(field, value)| *value > field.limit())
            {
                return Some(RangeViolation::Row { row, field, value });
            }
        }
        self.rows.iter().enumerate().find_map(|(second, content)| {
            let first = self.rows[..second].iter().position(|row| row.protocol_id == content.protocol_id)?;
            Some(RangeViolation::SameProtocol { first, second })
        })
    }
}
