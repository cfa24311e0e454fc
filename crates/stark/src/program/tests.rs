//! Random programs, on every family of kernels, against the scalar reference.

use ashlar_field::{
    Column, Felt, Group, Kernels,
    lanes::{
        Portable,
        intervals::{any_group, any_multiplier},
    },
    packed::Accumulator,
};

use super::{
    Program,
    builder::{ProgramBuilder, Value},
    columns::{ColumnData, Table},
    vector,
};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn felt(&mut self) -> Felt {
        // Edges of the range of canonical values among random ones.
        match self.next() % 8 {
            0 => Felt::ZERO,
            1 => -Felt::ONE,
            2 => Felt::ONE,
            _ => Felt::from_limbs_reduced([self.next(), self.next(), self.next(), self.next()]),
        }
    }

    fn groups(&mut self, count: usize) -> Vec<Group> {
        let mut groups = vec![Group::ZERO; count];
        for group in &mut groups {
            (0..8).for_each(|lane| group.set(lane, self.felt()));
        }
        groups
    }
}

/// A program of random sums, products and accumulations of everything computed so far.
fn random_program(random: &mut Random, operations: usize, columns: usize) -> Program {
    let mut builder = ProgramBuilder::default();
    let mut values: Vec<Value> = Vec::new();
    for _ in 0..4 {
        let constant = random.felt();
        values.push(builder.constant(constant));
    }
    for index in 0..columns {
        for _ in 0..3 {
            values.push(builder.column(index, random.next() % 300));
        }
    }
    let pick = |random: &mut Random, values: &[Value]| {
        // Mostly recent values, so that chains grow long.
        let from = if random.next().is_multiple_of(3) { 0 } else { values.len().saturating_sub(6) };
        values[from + random.next() as usize % (values.len() - from)]
    };
    for _ in 0..operations {
        let (a, b) = (pick(random, &values), pick(random, &values));
        let value = match random.next() % 8 {
            0..3 => builder.add(a, b),
            3..6 => builder.subtract(a, b),
            6 => builder.multiply(a, b),
            _ => {
                for _ in 0..5 {
                    let value = pick(random, &values);
                    let constant = random.felt();
                    builder.accumulate(constant, value);
                    let other = pick(random, &values);
                    builder.accumulate_product(value, other);
                }
                builder.reduce()
            }
        };
        values.push(value);
    }
    let last = values[values.len() - 1];
    builder.finish(last)
}

#[test]
fn every_family_of_kernels_computes_the_same_values() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for groups in [1usize, 2, 8, 256] {
        for round in 0..6 {
            let full = [random.groups(groups), random.groups(groups)];
            let table = Column::from_felts(&(0..8).map(|_| random.felt()).collect::<Vec<_>>());
            let table = Table::new(table, 8 * groups, Kernels::Scalar);
            let columns = [ColumnData::Full(&full[0]), ColumnData::Full(&full[1]), table.data()];
            let program = random_program(&mut random, 20 + 60 * round, columns.len());
            let run = |kernels| {
                let mut out = vec![Group::ZERO; groups];
                assert!(program.run(&columns, kernels, &mut out, &|| true));
                out
            };
            let expected = run(Kernels::Scalar);
            for kernels in Kernels::supported() {
                assert!(run(kernels) == expected, "{kernels}, {groups} groups, round {round}");
            }
        }
    }
}

#[test]
fn long_chains_of_sums_stay_in_range() {
    let mut random = Random(77);
    let column = random.groups(2);
    let columns = [ColumnData::Full(&column)];
    let mut builder = ProgramBuilder::default();
    let one = builder.column(0, 0);
    let mut value = one;
    for i in 0..2000 {
        value = if i % 2 == 0 { builder.add(value, value) } else { builder.subtract(one, value) };
        if i % 97 == 0 {
            value = builder.multiply(value, value);
        }
    }
    let program = builder.finish(value);
    let run = |kernels| {
        let mut out = vec![Group::ZERO; 2];
        program.run(&columns, kernels, &mut out, &|| true);
        out
    };
    for kernels in Kernels::supported() {
        assert!(run(kernels) == run(Kernels::Scalar), "{kernels}");
    }
}

#[test]
fn an_interrupted_program_says_so() {
    let column = Random(5).groups(4);
    let builder = ProgramBuilder::default();
    let value = builder.column(0, 1);
    let program = builder.finish(value);
    let mut out = vec![Group::ZERO; 4];
    assert!(!program.run(&[ColumnData::Full(&column)], Kernels::current(), &mut out, &|| false));
}

#[test]
fn no_sum_of_a_program_overflows_whatever_the_columns_and_constants_are() {
    let mut random = Random(0x5eed_cafe_f00d_1234);
    let (columns, groups) = (5, 2);
    for round in 0..40 {
        let mut program = random_program(&mut random, 40 + 10 * round, columns);
        program.multipliers.fill(any_multiplier());
        let column = vec![any_group(); groups];
        let columns = vec![ColumnData::Full(&column); columns];
        assert_eq!(vector::prove_exact(&program, &columns, groups), Ok(()));
    }
}

#[test]
fn the_longest_sum_of_products_does_not_overflow_and_a_longer_one_would() {
    let most = Accumulator::<Portable>::MAX_TERMS;
    for (terms, of_values, fits) in
        [(most, false, true), (most, true, true), (100_000, false, false), (100_000, true, false)]
    {
        let mut builder = ProgramBuilder::default();
        let (value, other) = (builder.column(0, 0), builder.column(0, 1));
        for _ in 0..terms {
            if of_values {
                builder.accumulate_product(value, other);
            } else {
                builder.accumulate(Felt::GENERATOR, value);
            }
        }
        let sum = builder.reduce();
        let mut program = builder.finish(sum);
        program.multipliers.fill(any_multiplier());
        let column = [any_group(); 2];
        assert_eq!(vector::prove_exact(&program, &[ColumnData::Full(&column)], 2).is_ok(), fits);
    }
}
