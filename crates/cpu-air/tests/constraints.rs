//! Names, counts, row sets and degrees of the constraints of every layout.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ashlar_cpu_air::{
    air::CpuAir,
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::{self, Builtin, Layout, LayoutError},
};
use ashlar_field::Felt;
use ashlar_stark::air::{Air, Domain, Expression, Node, PeriodicColumn};

mod support;
mod vectors;
use support::evaluate_vanishing;

/// The parameters of a real dynamic layout that has every builtin but Keccak.
fn dynamic_parameters() -> BTreeMap<String, u64> {
    let file = vectors::json(&vectors::fixtures().join("sampling/dynamic.json"));
    vectors::public_input(&file["public_input"]).dynamic_params
}

fn every_layout() -> Vec<Layout> {
    let named = layout::NAMES.iter().filter_map(|name| layout::by_name(name).cloned());
    named.chain([Layout::dynamic(&dynamic_parameters()).unwrap()]).collect()
}

/// The AIR of some statement, with the smallest trace that the layout has.
fn smallest_air(layout: &Layout) -> CpuAir {
    let n_steps = (layout.largest_component_period() / (16 * layout.cpu_component_step())).max(1);
    let segment = MemorySegment { begin_addr: 1, stop_ptr: 1 };
    let public_input = PublicInput {
        layout: layout.name.to_owned(),
        n_steps,
        rc_min: 0,
        rc_max: 65535,
        memory_segments: layout.segments.iter().map(|&name| (name.to_owned(), segment)).collect(),
        public_memory: vec![PublicMemoryCell { address: 1, value: Felt::ONE, page: 0 }],
        dynamic_params: BTreeMap::new(),
    };
    CpuAir::new(layout, &public_input).unwrap()
}

/// Constraints, mask entries and distinct rows of the mask (Stone v3; `all_cairo`: Stone v2).
const SIZES: [(&str, usize, usize, usize); 13] = [
    ("plain", 47, 49, 18),
    ("small", 179, 201, 81),
    ("dex", 179, 200, 81),
    ("recursive", 93, 133, 72),
    ("recursive_large_output", 124, 192, 98),
    ("recursive_with_poseidon", 124, 192, 134),
    ("starknet", 198, 271, 193),
    ("starknet_with_keccak", 347, 734, 629),
    ("all_solidity", 230, 286, 146),
    ("perpetual", 116, 128, 79),
    ("dex_with_bitwise", 197, 246, 120),
    ("all_cairo", 350, 743, 633),
    ("dynamic", 419, 941, 0),
];

#[test]
fn every_layout_has_as_many_constraints_mask_cells_and_rows_as_stones_definition() {
    for (layout, (name, constraints, mask, rows)) in every_layout().iter().zip(SIZES) {
        let air = smallest_air(layout);
        let system = air.constraint_system();
        assert_eq!(layout.name, name);
        assert_eq!(system.constraints.len(), constraints, "constraints of {name}");
        assert_eq!(system.mask.len(), mask, "mask of {name}");
        let distinct: BTreeSet<u64> = system.mask.iter().map(|cell| cell.row).collect();
        // The rows of a dynamic mask depend on the parameters.
        assert!(layout.is_dynamic() || distinct.len() == rows, "{} rows of {name}", distinct.len());
    }
}

/// Whether a layout has the component of a constraint of the full list.
fn has_constraint(layout: &Layout, name: &str) -> bool {
    let component = name.split('/').next().unwrap();
    match component {
        "diluted_check" => layout.has_diluted(),
        "range_check_builtin" => layout.has(Builtin::RangeCheck),
        "range_check96_builtin" => layout.has(Builtin::RangeCheck96),
        _ => Builtin::ALL.iter().all(|builtin| builtin.segment() != component || layout.has(*builtin)),
    }
}

/// Whether the constraint exists because several Pedersen components stand side by side.
fn is_repetition(name: &str) -> bool {
    let repeated = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| !rest.starts_with('0'));
    ["pedersen/hash", "pedersen/input0_value", "pedersen/input1_value", "pedersen/output_value"]
        .into_iter()
        .any(repeated)
}

#[test]
fn constraints_have_stones_names_in_stones_order() {
    let all = include_str!("data/constraint_names.txt");
    for layout in every_layout() {
        let air = smallest_air(&layout);
        let constraints = &air.constraint_system().constraints;
        let repeated = constraints.iter().filter(|constraint| is_repetition(&constraint.name)).count();
        assert_eq!(repeated, 21 * (layout.pedersen_repetitions().max(1) - 1), "{}", layout.name);
        let names = constraints.iter().map(|constraint| constraint.name.as_str());
        let names: Vec<&str> = names.filter(|name| !is_repetition(name)).collect();
        let expected = all.lines().filter(|name| layout.is_dynamic() || has_constraint(&layout, name));
        assert_eq!(names, expected.collect::<Vec<&str>>(), "{}", layout.name);
    }
}

#[test]
fn exactly_the_constraints_of_unused_builtins_are_skipped() {
    let layout = Layout::dynamic(&dynamic_parameters()).unwrap();
    assert!(!layout.has(Builtin::Keccak) && layout.has(Builtin::MulMod));
    for constraint in &smallest_air(&layout).constraint_system().constraints {
        let active = has_constraint(&layout, &constraint.name);
        assert_eq!(constraint.body.is_some(), active, "{}", constraint.name);
    }
}

#[test]
fn the_constraints_of_a_layout_do_not_depend_on_the_statement() {
    let layout = layout::by_name("small").unwrap();
    let render = |air: &CpuAir| format!("{:?}", air.constraint_system());
    let reference = smallest_air(layout);
    let segment = MemorySegment { begin_addr: 77, stop_ptr: 99 };
    let other = PublicInput {
        layout: "small".to_owned(),
        n_steps: 512,
        rc_min: 5,
        rc_max: 6,
        memory_segments: layout.segments.iter().map(|&name| (name.to_owned(), segment)).collect(),
        public_memory: vec![PublicMemoryCell { address: 8, value: Felt::from_u64(9), page: 0 }],
        dynamic_params: BTreeMap::new(),
    };
    let other = CpuAir::new(layout, &other).unwrap();
    assert_eq!(render(&reference), render(&other));
    let elements = [2, 3, 4].map(Felt::from_u64);
    assert_ne!(reference.parameters(&elements), other.parameters(&elements));
}

#[test]
fn degenerate_interaction_elements_are_refused_without_a_panic() {
    let air = smallest_air(layout::by_name("plain").unwrap());
    let one = Felt::ONE;
    // z equals address + λ·value of the public cell (1, 1).
    assert_eq!(air.parameters(&[one + one, one, one]), None);
    assert!(air.parameters(&[one + one, Felt::ZERO, one]).is_some());
    // Too few elements, which would not be degenerate.
    assert_eq!(air.parameters(&[one + one]), None);
}

/// The rows of a domain, N flags; panics if congruences overlap or the excluded ones are not included.
fn rows(domain: &Domain, length: u64, label: &str) -> Vec<bool> {
    let mut flags = vec![false; length as usize];
    for (congruences, value) in [(&domain.included, true), (&domain.excluded, false)] {
        for congruence in congruences {
            assert!(congruence.period.is_power_of_two() && congruence.period <= length, "{label}");
            assert!(congruence.residue < congruence.period, "{label}");
            for row in (congruence.residue..length).step_by(congruence.period as usize) {
                assert_ne!(flags[row as usize], value, "{label}: row {row}");
                flags[row as usize] = value;
            }
        }
    }
    flags
}

#[test]
fn row_sets_are_disjoint_unions_minus_parts_of_them() {
    for layout in every_layout() {
        let air = smallest_air(&layout);
        let mut seen = BTreeSet::new();
        for constraint in &air.constraint_system().constraints {
            let Some((_, domain)) = &constraint.body else { continue };
            if seen.insert(domain) {
                rows(domain, 1 << air.log_trace_length(), &constraint.name);
            }
        }
    }
}

#[test]
fn vanishing_polynomials_are_the_products_over_the_rows() {
    let point = Felt::from_u64(0x1234_5678_9abc_def1);
    for name in ["plain", "small", "recursive_large_output"] {
        let air = smallest_air(layout::by_name(name).unwrap());
        let log_length = air.log_trace_length();
        let generator = Felt::subgroup_generator(log_length).unwrap();
        for constraint in &air.constraint_system().constraints {
            let Some((_, domain)) = &constraint.body else { continue };
            let mut power = Felt::ONE;
            let mut product = Felt::ONE;
            for included in rows(domain, 1 << log_length, &constraint.name) {
                if included {
                    product *= point - power;
                }
                power *= generator;
            }
            assert_eq!(evaluate_vanishing(domain, log_length, point), product, "{}", constraint.name);
        }
    }
}

/// Degrees of an expression: in columns, and as a polynomial in x of which cells have degree N − 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Degree {
    columns: u64,
    x: u64,
}

fn degree(
    expression: &Expression,
    periodic: &[PeriodicColumn],
    length: u64,
    known: &mut HashMap<usize, Degree>,
) -> Degree {
    if let Some(degree) = known.get(&expression.identity()) {
        return *degree;
    }
    let degree = match expression.node() {
        Node::Constant(_) | Node::Parameter(_) => Degree { columns: 0, x: 0 },
        Node::Cell(_) => Degree { columns: 1, x: length - 1 },
        Node::Periodic(index) => {
            let count = periodic[*index].values.len() as u64;
            Degree { columns: 1, x: (count - 1) * (length / (count * periodic[*index].step)) }
        }
        Node::Sum(a, b) | Node::Difference(a, b) => {
            let (a, b) = (degree(a, periodic, length, known), degree(b, periodic, length, known));
            Degree { columns: a.columns.max(b.columns), x: a.x.max(b.x) }
        }
        Node::Product(a, b) => {
            let (a, b) = (degree(a, periodic, length, known), degree(b, periodic, length, known));
            Degree { columns: a.columns + b.columns, x: a.x + b.x }
        }
    };
    known.insert(expression.identity(), degree);
    degree
}

#[test]
fn every_constraint_has_degree_two_and_a_quotient_below_2n() {
    for layout in every_layout() {
        let air = smallest_air(&layout);
        let system = air.constraint_system();
        let length = 1u64 << air.log_trace_length();
        let mut known = HashMap::new();
        for constraint in &system.constraints {
            let Some((expression, domain)) = &constraint.body else { continue };
            let degree = degree(expression, &system.periodic, length, &mut known);
            assert!(degree.columns <= 2, "{}: {}", layout.name, constraint.name);
            let count =
                |rows: &[ashlar_stark::air::Rows]| -> u64 { rows.iter().map(|r| length / r.period).sum() };
            let zeros = count(&domain.included) - count(&domain.excluded);
            assert!(degree.x < 2 * length + zeros, "{}: {}", layout.name, constraint.name);
        }
    }
}

#[test]
fn a_dynamic_layout_needs_exactly_its_parameters() {
    let good = dynamic_parameters();
    assert_eq!(good.len(), 340);
    for name in good.keys() {
        let mut less = good.clone();
        less.remove(name);
        assert!(
            matches!(Layout::dynamic(&less), Err(LayoutError::MissingParameter { name: n }) if n == name)
        );
    }
    for name in ["a", "mem_pool__addr_columm", "zz"] {
        let mut more = good.clone();
        more.insert(name.to_owned(), 1);
        let expected = LayoutError::UnknownParameter { name: name.to_owned() };
        assert_eq!(Layout::dynamic(&more).unwrap_err(), expected);
    }
}

#[test]
fn hostile_dynamic_parameters_are_refused_without_a_panic() {
    let good = dynamic_parameters();
    for name in good.keys() {
        for value in [0, 1, 2, 3, 5, 24, 28, 1 << 20, 1 << 39, 1 << 41, u64::MAX - 1, u64::MAX] {
            let mut bad = good.clone();
            bad.insert(name.clone(), value);
            // Whatever is accepted must make an AIR, or say why not.
            if let Ok(layout) = Layout::dynamic(&bad) {
                let steps = layout.trace_length(8192);
                assert!(
                    steps.is_ok()
                        || matches!(
                            steps,
                            Err(LayoutError::BadPlacement { .. } | LayoutError::TooFewSteps { .. })
                        ),
                    "{name}"
                );
            }
        }
    }
}

/// The good parameters with some changed.
fn changed(changes: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let mut parameters = dynamic_parameters();
    for &(name, value) in changes {
        *parameters.get_mut(name).unwrap() = value;
    }
    parameters
}

#[test]
fn a_running_product_committed_before_the_interaction_elements_is_refused() {
    let error = Layout::dynamic(&changed(&[("memory__multi_column_perm__perm__cum_prod0_column", 0)]));
    assert!(matches!(error, Err(LayoutError::BadPlacement { column, .. }) if column.contains("cum_prod0")));
}

#[test]
fn a_memory_pool_committed_after_the_interaction_elements_is_refused() {
    let first = dynamic_parameters()["num_columns_first"];
    let error = Layout::dynamic(&changed(&[("mem_pool__addr_column", first)]));
    assert!(matches!(error, Err(LayoutError::BadPlacement { .. })));
}

#[test]
fn range_checked_cells_outside_the_pool_are_refused() {
    // A unit of twice a CPU step leaves the offsets of every second instruction outside the pool.
    let step = dynamic_parameters()["cpu_component_step"];
    let error = Layout::dynamic(&changed(&[
        ("range_check_units_row_ratio", 32 * step),
        ("cpu__decode__off0_suboffset", 0),
        ("cpu__decode__off1_suboffset", 0),
        ("cpu__decode__off2_suboffset", 0),
    ]));
    assert!(matches!(error, Err(LayoutError::BadPlacement { column: "cpu/decode/off0", .. })), "{error:?}");
}

#[test]
fn an_operand_read_from_the_cells_of_the_public_memory_is_refused() {
    let public = dynamic_parameters()["orig__public_memory_suboffset"];
    let error = Layout::dynamic(&changed(&[("cpu__operands__mem_op1_suboffset", public)]));
    assert!(
        matches!(error, Err(LayoutError::BadPlacement { column: "cpu/operands/mem_op1/addr", .. })),
        "{error:?}"
    );
}

#[test]
fn steps_and_units_beyond_stones_limits_are_refused() {
    let error = Layout::dynamic(&changed(&[("cpu_component_step", 512)])).unwrap_err();
    assert!(
        matches!(error, LayoutError::BadParameter { name: "cpu_component_step", got: 512, .. }),
        "{error}"
    );
    // With a unit of half a CPU step, only two of its four accesses have cells of their own.
    let mut half = changed(&[
        ("memory_units_row_ratio", 8),
        ("cpu__decode__mem_inst_suboffset", 1),
        ("cpu__operands__mem_dst_suboffset", 1),
        ("cpu__operands__mem_op0_suboffset", 1),
        ("cpu__operands__mem_op1_suboffset", 1),
    ]);
    half.iter_mut().filter(|(name, _)| name.starts_with("uses_")).for_each(|(_, uses)| *uses = 0);
    let error = Layout::dynamic(&half).unwrap_err();
    assert!(
        matches!(error, LayoutError::BadParameter { name: "memory_units_row_ratio", got: 8, .. }),
        "{error}"
    );
}

#[test]
fn cells_off_the_grid_of_their_component_are_refused() {
    for (name, value, column, reason) in [
        ("range_check_units_row_ratio", 3, "range_check16_pool", "power of two"),
        ("cpu__decode__off0_suboffset", 16, "cpu/decode/off0", "below the step 16"),
    ] {
        let error = Layout::dynamic(&changed(&[(name, value)])).unwrap_err();
        assert!(matches!(error, LayoutError::BadPlacement { column: at, .. } if at == column), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn cells_beyond_the_trace_are_refused() {
    let length = 8192 * 16;
    let verdict = |name: &'static str, value: u64| {
        let parameters = changed(&[("uses_bitwise_builtin", 0), (name, value)]);
        Layout::dynamic(&parameters).unwrap().trace_length(8192)
    };
    for (name, most, least_refused) in
        [("diluted_pool_offset", length - 1, length), ("diluted_units_row_ratio", length, 2 * length)]
    {
        assert_eq!(verdict(name, most), Ok(length));
        let error = verdict(name, least_refused).unwrap_err();
        assert!(
            matches!(error, LayoutError::BadPlacement { column, .. } if column.starts_with("diluted")),
            "{error}"
        );
    }
}

#[test]
fn a_builtin_that_is_not_in_use_has_no_instances() {
    let layout = Layout::dynamic(&changed(&[("uses_pedersen_builtin", 0)])).unwrap();
    assert!(layout.segments.contains(&"pedersen") && !layout.has(Builtin::Pedersen));
    assert_eq!(layout.row_ratio(Builtin::Pedersen), None);
    assert!(layout.row_ratio(Builtin::Ecdsa).is_some());
}
