//! The `dynamic` layout: virtual columns as formulas over 340 parameters of the public input.

use std::collections::BTreeMap;

use super::{
    Builtin, CPU_COMPONENT_HEIGHT, Layout, LayoutError, MAX_LOG_TRACE_LENGTH, VirtualColumn,
    table::{builtins_of, facts, number},
};

/// No step or row offset may reach this: far beyond any real trace, far below overflow of row arithmetic.
const ROW_LIMIT: u64 = 1 << MAX_LOG_TRACE_LENGTH;

/// No layout may have more columns, so that a hostile one cannot ask for unbounded memory.
const COLUMN_LIMIT: u64 = 1 << 12;

/// A sum of products of parameters, the first factor of a product possibly a rational constant:
/// `3/4*bitwise__row_ratio+mem_pool__addr_offset`. `None` if malformed, overflowing or not an integer.
fn evaluate(formula: &str, parameters: &BTreeMap<String, u64>) -> Option<u64> {
    let mut sum = 0u64;
    for term in formula.split('+') {
        let mut numerator = 1u64;
        let mut denominator = 1u64;
        for factor in term.split('*') {
            let factor = match factor.split_once('/') {
                Some((top, bottom)) => {
                    denominator = number(Some(bottom)).filter(|&d: &u64| d != 0)?;
                    number(Some(top))?
                }
                None => match number(Some(factor)) {
                    Some(constant) => constant,
                    None => *parameters.get(factor)?,
                },
            };
            numerator = numerator.checked_mul(factor)?;
        }
        if numerator % denominator != 0 {
            return None;
        }
        sum = sum.checked_add(numerator / denominator)?;
    }
    Some(sum).filter(|&sum| sum < ROW_LIMIT)
}

/// The parameters `uses_…_builtin`.
fn uses(builtin: Builtin, parameters: &BTreeMap<String, u64>) -> Result<bool, LayoutError> {
    let name = match builtin {
        Builtin::Pedersen => "uses_pedersen_builtin",
        Builtin::RangeCheck => "uses_range_check_builtin",
        Builtin::Ecdsa => "uses_ecdsa_builtin",
        Builtin::Bitwise => "uses_bitwise_builtin",
        Builtin::EcOp => "uses_ec_op_builtin",
        Builtin::Keccak => "uses_keccak_builtin",
        Builtin::Poseidon => "uses_poseidon_builtin",
        Builtin::RangeCheck96 => "uses_range_check96_builtin",
        Builtin::AddMod => "uses_add_mod_builtin",
        Builtin::MulMod => "uses_mul_mod_builtin",
    };
    match parameters.get(name) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(&got) => Err(LayoutError::BadParameter { name, expected: "0 or 1".to_owned(), got }),
        None => Err(LayoutError::MissingParameter { name }),
    }
}

/// A count of columns.
fn column_count(name: &'static str, parameters: &BTreeMap<String, u64>) -> Result<usize, LayoutError> {
    match parameters.get(name) {
        Some(&count) if (1..=COLUMN_LIMIT).contains(&count) => Ok(count as usize),
        Some(&got) => {
            Err(LayoutError::BadParameter { name, expected: format!("between 1 and {COLUMN_LIMIT}"), got })
        }
        None => Err(LayoutError::MissingParameter { name }),
    }
}

/// Instantiates the table for these parameters.
pub(super) fn instantiate(
    text: &'static str,
    parameters: &BTreeMap<String, u64>,
) -> Result<Layout, LayoutError> {
    check_names(text, parameters)?;
    let mut builtins = Vec::new();
    for builtin in Builtin::ALL {
        if uses(builtin, parameters)? {
            builtins.push(builtin);
        }
    }
    let mut layout = Layout {
        name: "dynamic",
        segments: Vec::new(),
        first_columns: column_count("num_columns_first", parameters)?,
        second_columns: column_count("num_columns_second", parameters)?,
        interaction_element_count: 0,
        columns: BTreeMap::new(),
        periodic: BTreeMap::new(),
        mask: None,
        builtins,
    };
    let mut mask = Vec::new();
    for (line, fact, rest) in facts(text) {
        let bad = LayoutError::BadTable { layout: "dynamic", line };
        let mut words = rest.split(' ');
        match fact {
            "parameter" => {}
            "segments" => layout.segments = words.collect(),
            "interaction_elements" => layout.interaction_element_count = number(words.next()).ok_or(bad)?,
            "periodic" | "column" => {
                let name = words.next().ok_or(bad.clone())?;
                let used = layout.uses_column(name);
                if fact == "periodic" {
                    let step = words.next().ok_or(bad)?;
                    layout.periodic.insert(name, place_step(name, step, used, parameters)?);
                } else {
                    let column =
                        words.next().and_then(|parameter| Some((parameter, *parameters.get(parameter)?)));
                    let (column_name, column) = column.ok_or(bad.clone())?;
                    let step = words.next().ok_or(bad.clone())?;
                    let offset = words.next().ok_or(bad)?;
                    let cells = VirtualColumn {
                        column: place_column(name, column_name, column, &layout)?,
                        step: place_step(name, step, used, parameters)?,
                        offset: place_offset(name, offset, parameters)?,
                    };
                    layout.columns.insert(name, cells);
                }
            }
            "mask" => {
                let name = words.next().ok_or(bad.clone())?;
                for index in words {
                    mask.push((name, number(Some(index)).ok_or(bad.clone())?));
                }
            }
            _ => return Err(bad),
        }
    }
    debug_assert_eq!(builtins_of(&layout.segments).len(), Builtin::ALL.len());
    layout.mask = Some(mask);
    check_units(&layout)?;
    Ok(layout)
}

/// Exactly the 340 parameters must be given (Stone v3: the set of keys is checked).
fn check_names(text: &'static str, parameters: &BTreeMap<String, u64>) -> Result<(), LayoutError> {
    let mut given = parameters.keys();
    for (_, fact, name) in facts(text) {
        if fact != "parameter" {
            continue;
        }
        match given.next() {
            Some(key) if key == name => {}
            // Both lists are in alphabetical order: the smaller of two different names is the odd one.
            Some(key) if key.as_str() < name => {
                return Err(LayoutError::UnknownParameter { name: key.clone() });
            }
            _ => return Err(LayoutError::MissingParameter { name }),
        }
    }
    match given.next() {
        Some(key) => Err(LayoutError::UnknownParameter { name: key.clone() }),
        None => Ok(()),
    }
}

/// Interaction columns must be committed after the interaction elements are drawn, and all others before: otherwise
/// a prover could choose the permutation's products, or the permuted values, to suit the elements.
fn place_column(
    name: &'static str,
    parameter: &str,
    column: u64,
    layout: &Layout,
) -> Result<usize, LayoutError> {
    let first = layout.first_columns as u64;
    let total = first + layout.second_columns as u64;
    let interaction = name.ends_with("/cum_prod0") || name == "diluted_check/cumulative_value";
    let range = if interaction { first..total } else { 0..first };
    if range.contains(&column) {
        return Ok(column as usize);
    }
    Err(LayoutError::BadPlacement {
        column: name,
        expected: format!("{parameter} must be in {}..{}", range.start, range.end),
        got: column.to_string(),
    })
}

fn place_step(
    name: &'static str,
    formula: &str,
    used: bool,
    parameters: &BTreeMap<String, u64>,
) -> Result<usize, LayoutError> {
    match evaluate(formula, parameters) {
        Some(0) if !used => Ok(0),
        Some(step) if step.is_power_of_two() => Ok(step as usize),
        // An unused builtin's ratios may be anything: its virtual columns collapse to one cell.
        _ if !used => Ok(0),
        step => Err(LayoutError::BadPlacement {
            column: name,
            expected: format!("step {formula} must be a power of two below 2^{MAX_LOG_TRACE_LENGTH}"),
            got: step.map_or("no integer in range".to_owned(), |step| step.to_string()),
        }),
    }
}

fn place_offset(
    name: &'static str,
    formula: &str,
    parameters: &BTreeMap<String, u64>,
) -> Result<usize, LayoutError> {
    evaluate(formula, parameters).map(|offset| offset as usize).ok_or_else(|| LayoutError::BadPlacement {
        column: name,
        expected: format!("offset {formula} must be an integer below 2^{MAX_LOG_TRACE_LENGTH}"),
        got: "no integer in range".to_owned(),
    })
}

/// The pools' units and the step of the CPU must fit together: every component's cells lie in the pools.
fn check_units(layout: &Layout) -> Result<(), LayoutError> {
    let cpu = (CPU_COMPONENT_HEIGHT * layout.cpu_component_step()) as usize;
    for pool in ["mem_pool/addr", "range_check16_pool"] {
        let unit = layout.column(pool)?.step;
        if unit > cpu {
            return Err(LayoutError::BadPlacement {
                column: if pool == "mem_pool/addr" { "mem_pool/addr" } else { "range_check16_pool" },
                expected: format!("step must be at most a CPU step of {cpu} rows"),
                got: unit.to_string(),
            });
        }
    }
    Ok(())
}

impl Layout {
    /// Whether the component that owns a virtual or periodic column is in use.
    pub(super) fn uses_column(&self, name: &str) -> bool {
        let owner = name.split('/').next().unwrap_or(name);
        match owner {
            "pedersen" => self.has(Builtin::Pedersen),
            "range_check_builtin" => self.has(Builtin::RangeCheck),
            "ecdsa" => self.has(Builtin::Ecdsa),
            "bitwise" => self.has(Builtin::Bitwise),
            "ec_op" => self.has(Builtin::EcOp),
            "keccak" => self.has(Builtin::Keccak),
            "poseidon" => self.has(Builtin::Poseidon),
            "range_check96_builtin" => self.has(Builtin::RangeCheck96),
            "add_mod" => self.has(Builtin::AddMod),
            "mul_mod" => self.has(Builtin::MulMod),
            _ => true,
        }
    }
}
