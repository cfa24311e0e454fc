//! What no proof can bring about but once in 2²⁰⁰ tries, so that it is tried here on the parts.

use super::*;

/// Everything but the evaluation point is one.
fn quotient(mask: &[Cell], point: Felt) -> Quotient<'_> {
    Quotient { mask, first_width: 1, values: vec![Felt::ONE; mask.len() + 2], point, beta: Felt::ONE }
}

#[test]
fn a_row_at_a_pole_of_the_quotient_has_no_value() {
    let domain = EvaluationDomain::new(3, 1).unwrap();
    let mask = [Cell { column: 0, row: 0 }, Cell { column: 0, row: 2 }];
    let two = Felt::from_u64(2);
    let cells: [&[Felt]; 3] = [&[two], &[], &[two, two]];
    let back = domain.trace_generator.pow(2).inverse().unwrap();
    for row in 0..16 {
        let x = domain.point(row);
        for point in [x, x * back] {
            assert_eq!(quotient(&mask, point).evaluate(&domain, row, &cells), None, "row {row}");
        }
        assert!(quotient(&mask, two).evaluate(&domain, row, &cells).is_some(), "row {row}");
    }
}

#[test]
fn a_table_that_was_not_opened_has_no_value() {
    let domain = EvaluationDomain::new(3, 1).unwrap();
    let mask = [Cell { column: 0, row: 0 }, Cell { column: 1, row: 0 }];
    let one: &[Felt] = &[Felt::ONE];
    let pair: &[Felt] = &[Felt::ONE, Felt::ONE];
    let value = |cells: &[&[Felt]]| quotient(&mask, Felt::from_u64(2)).evaluate(&domain, 0, cells);
    assert!(value(&[one, one, pair]).is_some());
    for cells in [vec![], vec![one, one], vec![one, &[], pair], vec![&[], one, pair], vec![one, one, one]] {
        assert_eq!(value(&cells), None, "{cells:?}");
    }
}
