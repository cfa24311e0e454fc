//! Which layouts can hold a run, and how long each makes it.
//!
//! From one unpadded run the padded length of every layout follows: the smallest power of two that is at least
//!
//! - the number of steps,
//! - uses · ratio of every builtin,
//! - (rc_max − rc_min + range-check parts in use) / (free 16-bit cells a step), because the values between the
//!   smallest and the largest one must all occur,
//! - 2¹⁶ / (free diluted cells a step), where the layout has a diluted pool,
//! - public memory cells / (public cells a step),
//! - the shortest trace of the layout's components.

use std::{collections::BTreeMap, fmt};

use ashlar_cpu_air::layout::{Builtin, Layout};
use cairo_vm::types::builtin_name::BuiltinName;

use crate::{
    Arguments, CairoError, Limits, Program,
    layouts::{PROVABLE_LAYOUTS, RunLayout, machine_name},
    run::measure,
    shim,
};

/// Rows of the evaluation domain per step and blow-up aside: the height of the CPU component.
const ROWS_PER_STEP: u64 = 16;
/// Values of the diluted pool: 16 bits.
const DILUTED_VALUES: u64 = 1 << 16;

/// What a run uses before any padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Steps, the last one at the end of the program included.
    pub steps: u64,
    /// Builtin instances in use.
    pub builtins: BTreeMap<Builtin, u64>,
    /// Smallest 16-bit value.
    pub rc_min: u64,
    /// Largest 16-bit value.
    pub rc_max: u64,
    /// Words of the program.
    pub program_words: u64,
    /// Words of the output.
    pub output_words: u64,
}

/// Something that asks for a number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The run itself, with the steps that bring its builtins into the layout's order.
    Steps,
    /// The shortest trace that every component of the layout fits into.
    Components,
    /// Instances of a builtin, one every so many steps.
    Instances(Builtin),
    /// All values between the smallest and the largest 16-bit value must occur.
    RangeCheckSpan,
    /// All 2¹⁶ diluted values must occur.
    DilutedPool,
    /// A public memory cell takes its place every so many steps.
    PublicMemory,
}

impl Demand {
    /// The word for it in data.
    pub fn word(self) -> &'static str {
        match self {
            Demand::Steps => "steps",
            Demand::Components => "components",
            Demand::Instances(_) => "builtin_instances",
            Demand::RangeCheckSpan => "range_check_span",
            Demand::DilutedPool => "diluted_pool",
            Demand::PublicMemory => "public_memory",
        }
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Demand::Steps => f.write_str("its steps"),
            Demand::Components => f.write_str("the layout's components"),
            Demand::Instances(builtin) => write!(f, "its {} instances", machine_name(*builtin).to_str()),
            Demand::RangeCheckSpan => f.write_str("the span of its 16-bit values"),
            Demand::DilutedPool => f.write_str("the diluted pool"),
            Demand::PublicMemory => f.write_str("its public memory"),
        }
    }
}

/// How long a layout makes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// Padded steps, a power of two.
    pub n_steps: u64,
    /// What asks for that many.
    pub reason: Demand,
    /// Rows of the trace: n_steps · 16.
    pub rows: u64,
    /// Cells of all trace columns: rows · columns.
    pub committed_cells: u64,
    /// Cells of page 0 of the public memory.
    pub public_cells: u64,
}

/// Why a layout cannot hold a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It lacks builtins that the program declares.
    #[error("it lacks {}", .missing.join(", "))]
    MissingBuiltins {
        /// Which.
        missing: Vec<&'static str>,
    },
    /// The padded run is too long.
    #[error("{reason} would take {n_steps} steps; the limit is {limit}")]
    TooLong {
        /// The padded length.
        n_steps: u64,
        /// What asks for that many.
        reason: Demand,
        /// The limit.
        limit: u64,
    },
}

/// What becomes of a run in one layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutPlan {
    /// The layout's name.
    pub layout: &'static str,
    /// Its length there, or why it does not fit.
    pub outcome: Result<Sizing, Unfit>,
}

/// What becomes of a run in every layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the run uses.
    pub resources: Resources,
    /// By layout, in the order of [`PROVABLE_LAYOUTS`].
    pub layouts: Vec<LayoutPlan>,
}

impl Plan {
    /// The layout among these that commits to the fewest cells.
    pub fn cheapest<'a>(&self, among: impl IntoIterator<Item = &'a str>) -> Option<(&'static str, Sizing)> {
        let among: Vec<&str> = among.into_iter().collect();
        self.layouts
            .iter()
            .filter(|plan| among.contains(&plan.layout))
            .filter_map(|plan| Some((plan.layout, *plan.outcome.as_ref().ok()?)))
            .min_by_key(|(_, sizing)| sizing.committed_cells)
    }

    /// Steps before padding that the run takes at most, in whatever layout: to pass on the builtins of its layout takes
    /// some.
    pub fn most_steps(&self) -> u64 {
        let of_layout = |name: &&str| RunLayout::by_name(name).map_or(0, |layout| layout.builtins().len());
        let most = PROVABLE_LAYOUTS.iter().map(of_layout).max().unwrap_or(0);
        self.resources.steps.saturating_add(shim::extra_steps(most, most))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, plan) in self.layouts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            match &plan.outcome {
                Ok(sizing) => {
                    write!(
                        f,
                        "{separator}  {}: {} steps, for {}",
                        plan.layout, sizing.n_steps, sizing.reason
                    )?;
                }
                Err(unfit) => write!(f, "{separator}  {}: {unfit}", plan.layout)?,
            }
        }
        Ok(())
    }
}

/// Runs a program once, without padding, and sizes it for every layout.
///
/// # Errors
/// Those of the run itself.
pub fn plan(program: &Program, arguments: &Arguments, limits: &Limits) -> Result<Plan, CairoError> {
    let resources = measure(program, arguments, limits)?;
    let layouts = PROVABLE_LAYOUTS
        .iter()
        .map(|name| in_layout(&Needed::of(program), &resources, name, limits))
        .collect::<Result<_, CairoError>>()?;
    Ok(Plan { resources, layouts })
}

/// What a program needs of a layout.
pub(crate) struct Needed {
    /// The builtins that the layout must have.
    pub(crate) builtins: Vec<BuiltinName>,
    pub(crate) frame: Frame,
}

/// Which builtin pointers are on the stack at both ends of a run.
#[derive(Clone, Copy)]
pub(crate) enum Frame {
    /// Those of the layout: a shim adds what the program does not declare.
    OfLayout,
    /// As many as the program declares.
    Own(u64),
}

impl Needed {
    pub(crate) fn of(program: &Program) -> Needed {
        Needed { builtins: program.builtins.clone(), frame: Frame::OfLayout }
    }
}

/// What becomes of a measured run in a layout.
pub(crate) fn in_layout(
    needed: &Needed,
    resources: &Resources,
    layout: &'static str,
    limits: &Limits,
) -> Result<LayoutPlan, CairoError> {
    Ok(LayoutPlan { layout, outcome: size(needed, resources, layout, limits)? })
}

/// The length of a measured run in a layout, or why it does not fit.
pub(crate) fn size(
    needed: &Needed,
    resources: &Resources,
    layout: &str,
    limits: &Limits,
) -> Result<Result<Sizing, Unfit>, CairoError> {
    let layout = RunLayout::by_name(layout)?;
    let of_layout = layout.builtins();
    let Needed { builtins, frame } = needed;
    let missing: Vec<&'static str> = builtins
        .iter()
        .filter(|builtin| !of_layout.contains(builtin))
        .map(|builtin| builtin.to_str())
        .collect();
    if !missing.is_empty() {
        return Ok(Err(Unfit::MissingBuiltins { missing }));
    }
    let (shim_steps, pointers) = match frame {
        Frame::Own(pointers) => (0, *pointers),
        Frame::OfLayout if builtins.len() == of_layout.len() => (0, of_layout.len() as u64),
        Frame::OfLayout => (shim::extra_steps(builtins.len(), of_layout.len()), of_layout.len() as u64),
    };
    let (needed, reason) = demands(layout.air, resources, shim_steps, pointers)
        .into_iter()
        .max_by_key(|(needed, _)| *needed)
        .unwrap_or((1, Demand::Steps));
    let n_steps = needed.checked_next_power_of_two().unwrap_or(u64::MAX);
    if n_steps > limits.padded_steps {
        return Ok(Err(Unfit::TooLong { n_steps, reason, limit: limits.padded_steps }));
    }
    let columns = (layout.air.first_columns + layout.air.second_columns) as u64;
    let rows = n_steps * ROWS_PER_STEP;
    let public_cells = public_cells(resources, pointers);
    Ok(Ok(Sizing { n_steps, reason, rows, committed_cells: rows * columns, public_cells }))
}

/// Page 0: the program, the output, the frame, and where every builtin's segment begins and ends.
fn public_cells(resources: &Resources, builtin_pointers: u64) -> u64 {
    resources.program_words + resources.output_words + 2 + 2 * builtin_pointers
}

/// What asks for how many steps.
fn demands(
    layout: &Layout,
    resources: &Resources,
    shim_steps: u64,
    builtin_pointers: u64,
) -> Vec<(u64, Demand)> {
    let per_step =
        |column: &str| layout.column(column).ok().map_or(0, |column| ROWS_PER_STEP / column.step as u64);
    let ratio = |builtin| layout.row_ratio(builtin).map(|rows| rows.div_ceil(ROWS_PER_STEP));
    let mut demands = vec![
        (resources.steps + shim_steps, Demand::Steps),
        (layout.largest_component_period().div_ceil(ROWS_PER_STEP), Demand::Components),
    ];
    for (&builtin, &uses) in &resources.builtins {
        let uses_steps = ratio(builtin).map_or(0, |ratio| uses * ratio);
        demands.push((uses_steps, Demand::Instances(builtin)));
    }
    let uses = |builtin| resources.builtins.get(&builtin).copied().unwrap_or(0);
    let parts = 8 * uses(Builtin::RangeCheck) + 6 * uses(Builtin::RangeCheck96);
    // Three cells a step hold the instruction's offsets.
    let free = per_step("range_check16_pool").saturating_sub(3).max(1);
    demands.push(((resources.rc_max - resources.rc_min + parts).div_ceil(free), Demand::RangeCheckSpan));
    if layout.has_diluted() {
        // 68 diluted values per bitwise instance; Keccak's share is per 2048-step invocation, 16384 values.
        let taken = |builtin, values: f64| ratio(builtin).map_or(0.0, |ratio| values / ratio as f64);
        let free =
            per_step("diluted_pool") as f64 - taken(Builtin::Bitwise, 68.0) - taken(Builtin::Keccak, 16384.0);
        demands.push(((DILUTED_VALUES as f64 / free).ceil() as u64, Demand::DilutedPool));
    }
    let public_per_step = per_step("orig/public_memory/addr").max(1);
    demands.push((public_cells(resources, builtin_pointers).div_ceil(public_per_step), Demand::PublicMemory));
    demands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources() -> Resources {
        Resources {
            steps: 100,
            builtins: BTreeMap::new(),
            rc_min: 32_760,
            rc_max: 32_769,
            program_words: 40,
            output_words: 2,
        }
    }

    fn largest(layout: &str, resources: &Resources) -> (u64, Demand) {
        let layout = ashlar_cpu_air::layout::by_name(layout).unwrap();
        demands(layout, resources, 0, 4).into_iter().max_by_key(|(needed, _)| *needed).unwrap()
    }

    #[test]
    fn what_asks_for_the_length_is_named() {
        let usual = resources();
        assert_eq!(largest("plain", &usual).1, Demand::Steps);
        let wide = Resources { rc_min: 0, rc_max: 65_535, ..resources() };
        assert_eq!(largest("plain", &wide).1, Demand::RangeCheckSpan);
        let talkative = Resources { output_words: 1_000_000, ..resources() };
        assert_eq!(largest("small", &talkative).1, Demand::PublicMemory);
        let hashing = Resources { builtins: BTreeMap::from([(Builtin::Pedersen, 1000)]), ..resources() };
        assert_eq!(largest("small", &hashing), (8000, Demand::Instances(Builtin::Pedersen)));
        assert_eq!(largest("starknet", &usual).1, Demand::DilutedPool);
    }
}
