use super::*;

/// Name, columns, interaction elements, virtual columns, periodic columns, minimal steps (Stone v3, definitions).
const EXPECTED: [(&str, usize, usize, usize, usize, usize, u64); 12] = [
    ("plain", 6, 2, 3, 30, 0, 1),
    ("small", 23, 2, 3, 87, 4, 512),
    ("dex", 21, 1, 3, 87, 4, 512),
    ("dex_with_bitwise", 21, 1, 6, 112, 4, 512),
    ("perpetual", 9, 1, 3, 69, 4, 2048),
    ("all_solidity", 24, 3, 6, 136, 4, 512),
    ("recursive", 7, 3, 6, 70, 2, 128),
    ("recursive_large_output", 9, 3, 6, 86, 7, 128),
    ("recursive_with_poseidon", 6, 2, 6, 86, 7, 256),
    ("starknet", 9, 1, 6, 134, 9, 2048),
    ("starknet_with_keccak", 12, 3, 6, 202, 16, 32768),
    ("all_cairo", 9, 3, 6, 210, 16, 32768),
];

#[test]
fn every_static_layout_has_the_dimensions_of_stones_definition() {
    for (name, first, second, elements, columns, periodic, minimum) in EXPECTED {
        let layout = by_name(name).unwrap();
        assert_eq!(layout.name, name);
        assert_eq!((layout.first_columns, layout.second_columns), (first, second), "{name}");
        assert_eq!(layout.interaction_element_count, elements, "{name}");
        assert_eq!(layout.columns().count(), columns, "{name}");
        assert_eq!(layout.periodic.len(), periodic, "{name}");
        assert_eq!(layout.largest_component_period().max(16) / 16, minimum, "{name}");
        assert!(layout.columns().all(|(_, column)| column.column < first + second), "{name}");
        assert!(layout.columns().all(|(_, column)| column.step.is_power_of_two()), "{name}");
    }
}

#[test]
fn an_unknown_layout_is_none_and_an_unknown_column_an_error() {
    assert!(by_name("large").is_none());
    assert!(by_name("dynamic").is_none());
    let error = by_name("plain").unwrap().column("pedersen/input0/addr").unwrap_err();
    assert_eq!(error.to_string(), "layout plain has no column pedersen/input0/addr");
}

#[test]
fn cells_of_a_virtual_column_are_equidistant() {
    let column = by_name("small").unwrap().column("pedersen/input1/addr").unwrap();
    assert_eq!(column, VirtualColumn { column: 19, step: 128, offset: 70 });
    assert_eq!(column.row(3), 70 + 3 * 128);
}

#[test]
fn steps_must_be_a_power_of_two_and_hold_every_component() {
    let small = by_name("small").unwrap();
    assert_eq!(small.trace_length(512), Ok(8192));
    assert_eq!(small.trace_length(500), Err(LayoutError::StepsNotPowerOfTwo { got: 500 }));
    assert_eq!(small.trace_length(0), Err(LayoutError::StepsNotPowerOfTwo { got: 0 }));
    assert_eq!(
        small.trace_length(256),
        Err(LayoutError::TooFewSteps { layout: "small", minimum: 512, got: 256 })
    );
    assert_eq!(small.trace_length(1 << 63), Err(LayoutError::TooManySteps { got: 1 << 63 }));
}

#[test]
fn the_builtins_and_ratios_are_those_of_the_segments() {
    let layout = by_name("starknet_with_keccak").unwrap();
    let ratios: Vec<u64> = layout.builtins().iter().filter_map(|&b| layout.row_ratio(b)).collect();
    assert_eq!(ratios, [512, 256, 32768, 1024, 16384, 32768, 512]);
    assert_eq!(by_name("small").unwrap().pedersen_repetitions(), 4);
    assert_eq!(layout.pedersen_repetitions(), 1);
    assert_eq!(by_name("plain").unwrap().row_ratio(Builtin::Pedersen), None);
}

#[test]
fn parameters_of_a_static_layout_are_refused() {
    let given = BTreeMap::from([("cpu_component_step".to_owned(), 1)]);
    let expected = LayoutError::UnexpectedParameters { layout: "small", count: 1 };
    assert_eq!(for_public_input("small", &given), Err(expected));
    assert!(for_public_input("small", &BTreeMap::new()).is_ok());
    let unknown = LayoutError::UnknownLayout { name: "large".to_owned() };
    assert_eq!(for_public_input("large", &BTreeMap::new()), Err(unknown));
}
