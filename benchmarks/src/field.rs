//! Field arithmetic: on elements in cache, and on whole columns.

use std::hint::black_box;

use ark_ff::{Field as _, Fp256, MontBackend, MontConfig};
use ashlar_field::{
    Column, Felt, Kernels, batch_inverse, batch_inverse_groups, dot_product, geometric_sequence,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{LazyGroup, Low52, Low52Group},
};
use lambdaworks_math::field::{
    element::FieldElement, fields::fft_friendly::stark_252_prime_field::Stark252PrimeField,
};

use crate::{families, table::Table, timing::Subject};

/// The Stark field for arkworks.
#[derive(MontConfig)]
#[modulus = "3618502788666131213697322783095070105623107215331596699973092056135872020481"]
#[generator = "3"]
pub struct StarkConfig;
/// An element, for arkworks.
pub type Ark = Fp256<MontBackend<StarkConfig, 4>>;
/// An element, for lambdaworks.
pub type Lambda = FieldElement<Stark252PrimeField>;

/// Elements that fit the first-level cache.
const COUNT: usize = 256;
/// Elements of a column that fits the second-level cache.
const COLUMN: usize = 1 << 13;

/// Powers of an element.
pub fn powers<T: Copy + std::ops::Mul<Output = T>>(count: usize, base: T) -> Vec<T> {
    let square = base * base;
    std::iter::successors(Some(square), |&power| Some(power * base)).take(count).collect()
}

/// Powers of an element that is no `Copy`.
pub fn lambda_powers(count: usize) -> Vec<Lambda> {
    let base = Lambda::from(0x1234_5678_9abc_u64);
    std::iter::successors(Some(base), |power| Some(power * base)).take(count).collect()
}

/// A column of powers.
pub fn column(length: usize) -> Column {
    geometric_sequence(length, Felt::from_u64(0x1234_5678_9abc), Felt::GENERATOR, Kernels::Scalar)
}

fn ark_elements(count: usize) -> Vec<Ark> {
    powers(count, Ark::from(0x1234_5678_9abc_u64))
}

/// A scalar operation on every element, in place.
fn each<T: Copy + 'static>(name: &str, values: Vec<T>, operation: impl Fn(&mut T, T) + 'static) -> Subject {
    let mut results = values.clone();
    Subject::new(name, COUNT, move || {
        for (result, &value) in results.iter_mut().zip(black_box(&values)) {
            operation(result, value);
        }
        black_box(&results);
    })
}

/// Products without loading, carrying or storing columns: the rate of the arithmetic itself.
struct Products<'a> {
    factors: &'a [Low52Group],
    out: &'a mut [LazyGroup],
}

impl LaneTask for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for (i, (factor, out)) in self.factors.iter().zip(self.out).enumerate() {
            let other = Low52::load(l, &self.factors[self.factors.len() - 1 - i]);
            Low52::load(l, factor).mul(l, other).store(l, out);
        }
    }
}

fn packed_products(kernels: Kernels) -> Subject {
    let multipliers = |group: &ashlar_field::Group| {
        let mut factors = [Felt::ZERO; 8];
        for (lane, factor) in factors.iter_mut().enumerate() {
            *factor = group.get(lane);
        }
        Low52Group::multipliers(&factors)
    };
    let factors: Vec<Low52Group> = column(COUNT).groups().iter().map(multipliers).collect();
    let mut out = vec![LazyGroup::ZERO; factors.len()];
    Subject::new(format!("**Ashlar, `{kernels}`**"), COUNT, move || {
        let done = dispatch(kernels, Products { factors: black_box(&factors), out: &mut out });
        black_box(done.is_ok());
    })
}

/// All tables of this module.
pub fn tables() -> Vec<Table> {
    let felts = || column(COUNT).to_felts();
    let vectors = || families().filter(|kernels| kernels.has_field_vectors());
    vec![
        Table {
            title: "Field multiplication",
            element: "product",
            rivals: vec![
                each("ark-ff", ark_elements(COUNT), |a, b| *a *= b),
                each("lambdaworks-math", lambda_powers(COUNT), |a, b| *a = &*a * &b),
                each("starknet-crypto (`Felt`)", starknet_elements(), |a, b| *a = &*a * &b),
            ],
            ours: std::iter::once(each("**Ashlar, one element**", felts(), |a, b| *a *= b))
                .chain(vectors().map(packed_products))
                .collect(),
        },
        Table {
            title: "Field addition",
            element: "sum",
            rivals: vec![
                each("ark-ff", ark_elements(COUNT), |a, b| *a += b),
                each("lambdaworks-math", lambda_powers(COUNT), |a, b| *a = &*a + &b),
                each("starknet-crypto (`Felt`)", starknet_elements(), |a, b| *a += b),
            ],
            ours: vec![each("**Ashlar, one element**", felts(), |a, b| *a += b)],
        },
        inversions(),
        Table {
            title: "Dot product of two columns",
            element: "term",
            rivals: vec![Subject::new("ark-ff, products and sums", COLUMN, {
                let values = ark_elements(COLUMN);
                move || {
                    let values = black_box(&values);
                    black_box(values.iter().zip(values.iter().rev()).map(|(a, b)| *a * b).sum::<Ark>());
                }
            })],
            ours: families()
                .map(|kernels| {
                    let column = column(COLUMN);
                    Subject::new(format!("**Ashlar, `{kernels}`**"), COLUMN, move || {
                        black_box(dot_product(black_box(column.groups()), column.groups(), kernels));
                    })
                })
                .collect(),
        },
    ]
}

fn starknet_elements() -> Vec<starknet_crypto::Felt> {
    powers(COUNT, starknet_crypto::Felt::from(0x1234_5678_9abc_u64))
}

fn inversions() -> Table {
    let mut ark = ark_elements(COLUMN);
    let mut lambda = lambda_powers(COLUMN);
    let mut felts = column(COLUMN).to_felts();
    let mut one = Ark::from(3u64);
    let mut own = Felt::GENERATOR;
    let ours = families().map(|kernels| {
        let mut column = column(COLUMN);
        Subject::new(format!("**Ashlar, `{kernels}`**"), COLUMN, move || {
            batch_inverse_groups(column.groups_mut(), kernels);
        })
    });
    Table {
        title: "Inverses of a column of 2¹³ elements",
        element: "inverse",
        rivals: vec![
            Subject::new("ark-ff, batch", COLUMN, move || ark_ff::batch_inversion(&mut ark)),
            Subject::new("lambdaworks-math, batch", COLUMN, move || {
                black_box(Lambda::inplace_batch_inverse(&mut lambda).is_ok());
            }),
            Subject::new("ark-ff, one alone", 1, move || {
                one = black_box(one).inverse().unwrap_or(one);
            }),
        ],
        ours: std::iter::once(Subject::new("**Ashlar, one alone**", 1, move || {
            own = black_box(own).inverse().unwrap_or(own);
        }))
        .chain([Subject::new("**Ashlar, slice of elements**", COLUMN, move || batch_inverse(&mut felts))])
        .chain(ours)
        .collect(),
    }
}
