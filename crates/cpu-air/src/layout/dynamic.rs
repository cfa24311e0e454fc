//! The `dynamic` layout: virtual columns as formulas over 340 parameters of the public input.

use std::collections::BTreeMap;

use super::{
    Builtin, CPU_COMPONENT_HEIGHT, Layout, LayoutError, MAX_LOG_TRACE_LENGTH, VirtualColumn,
    table::{facts, number},
};

/// No step or row offset may reach this: far beyond any real trace, far below overflow of row arithmetic.
const ROW_LIMIT: u64 = 1 << MAX_LOG_TRACE_LENGTH;

/// No layout may have more columns, so that a hostile one cannot ask for unbounded memory.
const COLUMN_LIMIT: u64 = 1 << 12;

/// The largest `cpu_component_step` (Stone v3).
const MAX_CPU_COMPONENT_STEP: u64 = 256;

/// Memory cells that a CPU step accesses: instruction, dst, op0, op1.
const CPU_ACCESSES: u64 = 4;

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
        if !numerator.is_multiple_of(denominator) {
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
    let mut memory = Vec::new();
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
                    let column = words.next().ok_or(bad.clone())?;
                    let step = words.next().ok_or(bad.clone())?;
                    let offset = words.next().ok_or(bad)?;
                    let formulas = Formulas { name, column, step, offset, used };
                    layout.columns.insert(name, formulas.place(&layout, parameters)?);
                    if column == MEMORY_COLUMN && used {
                        memory.push(name);
                    }
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
    layout.mask = Some(mask);
    check_units(&layout)?;
    check_public_memory(&layout, &memory)?;
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

/// Places a step. That of a component that is not in use only matters for the mask, where its cells stay.
fn place_step(
    name: &'static str,
    formula: &str,
    used: bool,
    parameters: &BTreeMap<String, u64>,
) -> Result<usize, LayoutError> {
    let step = evaluate(formula, parameters);
    if !used {
        return Ok(step.unwrap_or(0) as usize);
    }
    step.filter(|step| step.is_power_of_two()).map(|step| step as usize).ok_or_else(|| {
        LayoutError::BadPlacement {
            column: name,
            expected: format!("step {formula} must be a power of two below 2^{MAX_LOG_TRACE_LENGTH}"),
            got: step.map_or("no such integer".to_owned(), |step| step.to_string()),
        }
    })
}

/// The formulas of one virtual column.
struct Formulas {
    name: &'static str,
    column: &'static str,
    step: &'static str,
    offset: &'static str,
    used: bool,
}

impl Formulas {
    fn bad(&self, expected: String, got: impl ToString) -> LayoutError {
        LayoutError::BadPlacement { column: self.name, expected, got: got.to_string() }
    }

    fn place(
        &self,
        layout: &Layout,
        parameters: &BTreeMap<String, u64>,
    ) -> Result<VirtualColumn, LayoutError> {
        let column = self.place_column(layout, parameters)?;
        let step = place_step(self.name, self.step, self.used, parameters)?;
        let offset = evaluate(self.offset, parameters).ok_or_else(|| {
            let expected = format!("offset {} must be below 2^{MAX_LOG_TRACE_LENGTH}", self.offset);
            self.bad(expected, "no such integer")
        })?;
        let cells = VirtualColumn { column, step, offset: offset as usize };
        if self.used {
            self.check_suboffset(&cells, parameters)?;
            self.check_pool(&cells, layout)?;
        }
        Ok(cells)
    }

    /// Interaction columns must be committed after the interaction elements are drawn, and all others before:
    /// otherwise a prover could choose the permutation's products, or the permuted values, to suit the elements.
    fn place_column(
        &self,
        layout: &Layout,
        parameters: &BTreeMap<String, u64>,
    ) -> Result<usize, LayoutError> {
        let first = layout.first_columns;
        let total = first + layout.second_columns;
        let interaction = self.name.ends_with("/cum_prod0") || self.name == "diluted_check/cumulative_value";
        let range = match (self.used, interaction) {
            (true, true) => first..total,
            (true, false) => 0..first,
            (false, _) => 0..total,
        };
        let column = parameters.get(self.column).copied().unwrap_or(u64::MAX);
        usize::try_from(column).ok().filter(|column| range.contains(column)).ok_or_else(|| {
            self.bad(format!("{} must be in {}..{}", self.column, range.start, range.end), column)
        })
    }

    /// Stone v3: a suboffset, in rows, stays below the step.
    fn check_suboffset(
        &self,
        cells: &VirtualColumn,
        parameters: &BTreeMap<String, u64>,
    ) -> Result<(), LayoutError> {
        for term in self.offset.split('+').filter(|term| term.contains("_suboffset")) {
            let suboffset = evaluate(term, parameters).unwrap_or(ROW_LIMIT);
            if suboffset >= cells.step as u64 {
                return Err(self.bad(format!("{term} must be below the step {}", cells.step), suboffset));
            }
        }
        Ok(())
    }

    /// Cells of a component that belong to a pool must be cells of the pool: otherwise no permutation checks them.
    fn check_pool(&self, cells: &VirtualColumn, layout: &Layout) -> Result<(), LayoutError> {
        let Some((_, pool)) = POOLS.iter().find(|(parameter, _)| *parameter == self.column) else {
            return Ok(());
        };
        if self.name == *pool {
            return Ok(());
        }
        let pool = layout.column(pool)?;
        let distance = cells.offset.checked_sub(pool.offset);
        let aligned = distance.is_some_and(|distance| distance.is_multiple_of(pool.step));
        if aligned && cells.step.is_multiple_of(pool.step) {
            return Ok(());
        }
        let expected = format!("cells must be those of the pool, rows {} + k * {}", pool.offset, pool.step);
        Err(self.bad(expected, format!("rows {} + k * {}", cells.offset, cells.step)))
    }
}

/// The parameter that names the column of memory addresses.
const MEMORY_COLUMN: &str = "mem_pool__addr_column";

/// The parameters that name the columns of pools, and the pools.
const POOLS: [(&str, &str); 4] = [
    (MEMORY_COLUMN, "mem_pool/addr"),
    ("mem_pool__value_column", "mem_pool/value"),
    ("range_check16_pool_column", "range_check16_pool"),
    ("diluted_pool_column", "diluted_pool"),
];

/// Bounds of the CPU's step and of the memory's unit (Stone v3): a step has room for its four accesses.
fn check_units(layout: &Layout) -> Result<(), LayoutError> {
    let step = layout.cpu_component_step();
    if step > MAX_CPU_COMPONENT_STEP {
        let expected = format!("at most {MAX_CPU_COMPONENT_STEP}");
        return Err(LayoutError::BadParameter { name: "cpu_component_step", expected, got: step });
    }
    let unit = layout.column("mem_pool/addr")?.step as u64;
    let limit = CPU_COMPONENT_HEIGHT * step / CPU_ACCESSES;
    if unit > limit {
        let expected = format!("at most {limit}, a quarter of a step");
        return Err(LayoutError::BadParameter { name: "memory_units_row_ratio", expected, got: unit });
    }
    Ok(())
}

/// The permutation takes the public memory from the statement, not from its cells: a component that read those cells
/// would read (0, 0), which no memory backs.
fn check_public_memory(layout: &Layout, memory: &[&'static str]) -> Result<(), LayoutError> {
    const PUBLIC: &str = "orig/public_memory/addr";
    let public = layout.column(PUBLIC)?;
    for &name in memory.iter().filter(|&&name| name != PUBLIC && name != "mem_pool/addr") {
        let cells = layout.column(name)?;
        let period = cells.step.min(public.step);
        if cells.offset.abs_diff(public.offset).is_multiple_of(period) {
            return Err(LayoutError::BadPlacement {
                column: name,
                expected: format!(
                    "no cell of the public memory, rows {} + k * {}",
                    public.offset, public.step
                ),
                got: format!("rows {} + k * {}", cells.offset, cells.step),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_that_is_no_row_number_has_no_value() {
        let parameters = [("a", 8), ("b", 1), ("zero", 0), ("half", 1 << 63), ("limit", ROW_LIMIT)];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value)).into();
        let value = |formula| evaluate(formula, &parameters);
        assert_eq!(value("3/4*a+b"), Some(7));
        assert_eq!(value("2*a*a+b+5"), Some(134));
        assert_eq!(value("0*limit"), Some(0));
        // Overflow in a product and in a sum, neither of which may wrap to 0.
        for bad in
            ["2*half", "half+half", "limit", "1/0*a", "1/0*zero", "1/3*a", "c", "a*", "", "+a", "1/x*a"]
        {
            assert_eq!(value(bad), None, "{bad}");
        }
    }
}
