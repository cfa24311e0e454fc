//! Layouts as data: where in the trace every virtual column lives.
//!
//! A *virtual column* is a sequence of cells of one trace column at regular distance: cell k is in row
//! `offset + k·step`. A layout names the builtins that a Cairo run may use and places the virtual columns of their
//! components. Components (`component`) are written once over the names; a layout is a table.
//!
//! Static layouts are text files in `tables/`; `dynamic` is a table of formulas over 340 parameters of the public
//! input ([`Layout::dynamic`]).

mod dynamic;
mod error;
mod table;

use std::{collections::BTreeMap, sync::OnceLock};

pub use error::LayoutError;

/// A sequence of cells of one trace column at regular distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualColumn {
    /// The trace column; interaction columns follow the first-trace columns.
    pub column: usize,
    /// Rows between two cells; a power of two but for a builtin that a `dynamic` instance does not use.
    pub step: usize,
    /// The row of cell 0.
    pub offset: usize,
}

impl VirtualColumn {
    /// The row of cell `index`. May be N or more for cells after the last; rows count modulo N.
    #[inline]
    pub fn row(&self, index: usize) -> usize {
        self.offset + index * self.step
    }
}

/// A builtin of the Cairo machine, with its own memory segment and component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builtin {
    /// Pedersen hash.
    Pedersen,
    /// 128-bit range check.
    RangeCheck,
    /// ECDSA signature verification.
    Ecdsa,
    /// Bitwise and, xor, or of 251-bit words.
    Bitwise,
    /// P + m·Q on the STARK curve.
    EcOp,
    /// Keccak-f\[1600\].
    Keccak,
    /// Poseidon permutation.
    Poseidon,
    /// 96-bit range check.
    RangeCheck96,
    /// Addition modulo p of four-word numbers.
    AddMod,
    /// Multiplication modulo p of four-word numbers.
    MulMod,
}

impl Builtin {
    /// All builtins, in the order of their segments (Stone v3: the same in every layout).
    pub const ALL: [Builtin; 10] = [
        Builtin::Pedersen,
        Builtin::RangeCheck,
        Builtin::Ecdsa,
        Builtin::Bitwise,
        Builtin::EcOp,
        Builtin::Keccak,
        Builtin::Poseidon,
        Builtin::RangeCheck96,
        Builtin::AddMod,
        Builtin::MulMod,
    ];

    /// The name of its memory segment in public inputs.
    pub const fn segment(self) -> &'static str {
        match self {
            Builtin::Pedersen => "pedersen",
            Builtin::RangeCheck => "range_check",
            Builtin::Ecdsa => "ecdsa",
            Builtin::Bitwise => "bitwise",
            Builtin::EcOp => "ec_op",
            Builtin::Keccak => "keccak",
            Builtin::Poseidon => "poseidon",
            Builtin::RangeCheck96 => "range_check96",
            Builtin::AddMod => "add_mod",
            Builtin::MulMod => "mul_mod",
        }
    }

    /// Memory cells that one instance occupies in its segment.
    pub const fn cells_per_instance(self) -> u64 {
        match self {
            Builtin::Pedersen => 3,
            Builtin::RangeCheck | Builtin::RangeCheck96 => 1,
            Builtin::Ecdsa => 2,
            Builtin::Bitwise => 5,
            Builtin::EcOp | Builtin::AddMod | Builtin::MulMod => 7,
            Builtin::Keccak => 16,
            Builtin::Poseidon => 6,
        }
    }

    /// The virtual column from which the row ratio is read, and how many of its steps make an instance.
    const fn ratio_column(self) -> (&'static str, u64) {
        match self {
            Builtin::Pedersen => ("pedersen/input0/addr", 1),
            Builtin::RangeCheck => ("range_check_builtin/mem/addr", 1),
            Builtin::Ecdsa => ("ecdsa/pubkey/addr", 1),
            Builtin::Bitwise => ("bitwise/x_or_y/addr", 1),
            Builtin::EcOp => ("ec_op/p_x/addr", 1),
            Builtin::Keccak => ("keccak/input_output/addr", 16),
            Builtin::Poseidon => ("poseidon/param_0/input_output/addr", 2),
            Builtin::RangeCheck96 => ("range_check96_builtin/mem/addr", 1),
            Builtin::AddMod => ("add_mod/p0/addr", 1),
            Builtin::MulMod => ("mul_mod/p0/addr", 1),
        }
    }

    /// Rows of one component instance in units of the row ratio: Keccak's component holds 16 invocations.
    pub(crate) const fn instances_per_component(self) -> u64 {
        match self {
            Builtin::Keccak => 16,
            _ => 1,
        }
    }
}

/// Rows of the CPU component per step of the opcode flag column (Stone v3: `kCpuComponentHeight`).
pub const CPU_COMPONENT_HEIGHT: u64 = 16;

/// log₂ of the longest trace that the field's evaluation domains and this code's row arithmetic allow for.
const MAX_LOG_TRACE_LENGTH: u32 = 40;

/// A layout of the Cairo CPU AIR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The name in public inputs, such as `small`.
    pub name: &'static str,
    /// Segment names in the order of the statement seed.
    pub segments: Vec<&'static str>,
    /// Columns of the first trace.
    pub first_columns: usize,
    /// Columns of the interaction trace.
    pub second_columns: usize,
    /// Elements drawn after the first trace is committed.
    pub interaction_element_count: usize,
    /// By Stone's names.
    columns: BTreeMap<&'static str, VirtualColumn>,
    /// Periodic columns: rows between two values, by name.
    periodic: BTreeMap<&'static str, usize>,
    /// The tabulated out-of-domain mask as (virtual column, index); `None` where it is the sorted set of used cells.
    mask: Option<Vec<(&'static str, usize)>>,
    /// The builtins in use.
    builtins: Vec<Builtin>,
}

/// A static layout and its table.
struct Static {
    name: &'static str,
    text: &'static str,
    parsed: OnceLock<Option<Layout>>,
}

/// Everything that is listed by layout: a name here has its table in `tables`, except the last one, which is made
/// from parameters.
macro_rules! layouts {
    ($($name:literal),* and $dynamic:literal) => {
        /// The names of all layouts.
        pub const NAMES: [&str; 13] = [$($name,)* $dynamic];

        static STATIC_LAYOUTS: [Static; 12] = [$(Static {
            name: $name,
            text: include_str!(concat!("tables/", $name, ".txt")),
            parsed: OnceLock::new(),
        }),*];
    };
}

layouts!(
    "plain",
    "small",
    "dex",
    "recursive",
    "recursive_large_output",
    "recursive_with_poseidon",
    "starknet",
    "starknet_with_keccak",
    "all_solidity",
    "perpetual",
    "dex_with_bitwise",
    "all_cairo"
    and "dynamic"
);

/// The static layout of this name; `None` for unknown names and for `dynamic`, which needs parameters.
///
/// `all_cairo` is that of Stone v2: eleven segments, no modular builtins.
pub fn by_name(name: &str) -> Option<&'static Layout> {
    let layout = STATIC_LAYOUTS.iter().find(|layout| layout.name == name)?;
    layout.parsed.get_or_init(|| table::parse_static(layout.name, layout.text).ok()).as_ref()
}

/// The layout that a public input names: static ones by name, `dynamic` instantiated from its parameters.
///
/// # Errors
/// [`LayoutError::UnknownLayout`], [`LayoutError::UnexpectedParameters`] for a static layout with parameters, and
/// those of [`Layout::dynamic`].
pub fn for_public_input(
    name: &str,
    dynamic_params: &BTreeMap<String, u64>,
) -> Result<std::borrow::Cow<'static, Layout>, LayoutError> {
    use std::borrow::Cow;
    if name == "dynamic" {
        return Layout::dynamic(dynamic_params).map(Cow::Owned);
    }
    let layout = by_name(name).ok_or_else(|| LayoutError::UnknownLayout { name: name.to_owned() })?;
    if !dynamic_params.is_empty() {
        return Err(LayoutError::UnexpectedParameters { layout: layout.name, count: dynamic_params.len() });
    }
    Ok(Cow::Borrowed(layout))
}

impl Layout {
    /// The `dynamic` layout for these parameters, which come from the public input and may be hostile.
    ///
    /// # Errors
    /// A missing or unknown parameter, one out of range, or a formula that overflows.
    pub fn dynamic(parameters: &BTreeMap<String, u64>) -> Result<Layout, LayoutError> {
        dynamic::instantiate(include_str!("tables/dynamic.txt"), parameters)
    }

    /// The virtual column of this name.
    ///
    /// # Errors
    /// [`LayoutError::MissingColumn`].
    pub fn column(&self, name: &str) -> Result<VirtualColumn, LayoutError> {
        self.columns
            .get(name)
            .copied()
            .ok_or_else(|| LayoutError::MissingColumn { layout: self.name, column: name.to_owned() })
    }

    /// All virtual columns, by name.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, VirtualColumn)> + '_ {
        self.columns.iter().map(|(&name, &column)| (name, column))
    }

    /// Rows between two values of the periodic column of this name.
    ///
    /// # Errors
    /// [`LayoutError::MissingColumn`].
    pub fn periodic_step(&self, name: &str) -> Result<usize, LayoutError> {
        self.periodic
            .get(name)
            .copied()
            .ok_or_else(|| LayoutError::MissingColumn { layout: self.name, column: name.to_owned() })
    }

    /// The tabulated mask of `dynamic`: virtual column and index of every entry.
    pub(crate) fn tabulated_mask(&self) -> Option<&[(&'static str, usize)]> {
        self.mask.as_deref()
    }

    /// Whether this is an instance of `dynamic`.
    pub fn is_dynamic(&self) -> bool {
        self.mask.is_some()
    }

    /// The builtins that instances of this layout compute, in segment order. `dynamic` has a segment for every
    /// builtin, also for those that are not in use.
    pub fn builtins(&self) -> &[Builtin] {
        &self.builtins
    }

    /// Whether the builtin is in use.
    pub fn has(&self, builtin: Builtin) -> bool {
        self.builtins.contains(&builtin)
    }

    /// Rows per instance of a builtin (Keccak: per invocation); `None` if it is not in use.
    pub fn row_ratio(&self, builtin: Builtin) -> Option<u64> {
        if !self.has(builtin) {
            return None;
        }
        let (column, factor) = builtin.ratio_column();
        self.columns.get(column).map(|column| column.step as u64 * factor)
    }

    /// Whether there is a diluted pool: it serves bitwise and Keccak; `dynamic` has it always.
    pub fn has_diluted(&self) -> bool {
        self.is_dynamic() || self.has(Builtin::Bitwise) || self.has(Builtin::Keccak)
    }

    /// Rows between two flags of an instruction; a step takes 16 times as many rows.
    pub fn cpu_component_step(&self) -> u64 {
        self.columns.get("cpu/decode/opcode_range_check/column").map_or(1, |column| column.step as u64)
    }

    /// How many Pedersen hash components work side by side.
    pub fn pedersen_repetitions(&self) -> usize {
        (0..)
            .take_while(|r| {
                self.columns.contains_key(format!("pedersen/hash{r}/ec_subset_sum/selector").as_str())
            })
            .count()
    }

    /// The largest number of rows after which a component repeats; the trace cannot be shorter.
    pub fn largest_component_period(&self) -> u64 {
        let cpu = CPU_COMPONENT_HEIGHT * self.cpu_component_step();
        let mut period = cpu;
        for &builtin in &self.builtins {
            let repetitions =
                if builtin == Builtin::Pedersen { self.pedersen_repetitions() as u64 } else { 1 };
            let ratio = self.row_ratio(builtin).unwrap_or(0);
            period = period.max(ratio * builtin.instances_per_component() * repetitions);
        }
        if let Some(public_memory) = self.columns.get("orig/public_memory/addr") {
            period = period.max(public_memory.step as u64);
        }
        period
    }

    /// The trace length N = 16 · n_steps · cpu_component_step.
    ///
    /// # Errors
    /// If `n_steps` is not a power of two, the trace is shorter than a component of the layout, or too long.
    pub fn trace_length(&self, n_steps: u64) -> Result<u64, LayoutError> {
        if !n_steps.is_power_of_two() {
            return Err(LayoutError::StepsNotPowerOfTwo { got: n_steps });
        }
        let rows_per_step = CPU_COMPONENT_HEIGHT * self.cpu_component_step();
        let length = rows_per_step
            .checked_mul(n_steps)
            .filter(|&length| length <= 1 << MAX_LOG_TRACE_LENGTH)
            .ok_or(LayoutError::TooManySteps { got: n_steps })?;
        let period = self.largest_component_period();
        if length < period {
            let minimum = period.div_ceil(rows_per_step);
            return Err(LayoutError::TooFewSteps { layout: self.name, minimum, got: n_steps });
        }
        // Only the parameters of a dynamic layout can break these.
        for (column, cells) in self.columns().filter(|(column, _)| self.uses_column(column)) {
            if cells.offset as u64 >= length || cells.step as u64 > length {
                let expected = format!("offset below and step at most the trace length {length}");
                let got = format!("offset {}, step {}", cells.offset, cells.step);
                return Err(LayoutError::BadPlacement { column, expected, got });
            }
        }
        Ok(length)
    }

    /// Whether Stone confirms the table and the constraints: by reference proofs, or by verdicts on ours
    /// (`docs/reference-proofs.md`). Stone v3 cannot prove `all_cairo`; v2 has accepted one proof of ours.
    pub fn is_verified(&self) -> bool {
        is_verified(self.name)
    }
}

fn is_verified(name: &str) -> bool {
    name != "all_cairo"
}

/// The names of the layouts for which [`Layout::is_verified`] holds: those whose proofs anybody should act on.
pub fn verified_names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().filter(|name| is_verified(name))
}

#[cfg(test)]
mod tests;
