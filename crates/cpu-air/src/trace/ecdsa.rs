//! The ECDSA builtin: (r, w) is a signature of z by the public key Q if the abscissa of w·(z·G + r·Q) is r.
//!
//! The generator's accumulator starts at minus the shift point and the keys' accumulators at plus the shift point,
//! so that the two cancel in z·G + r·Q.

use ashlar_curve::{Addition, AffinePoint, GENERATOR, SHIFT_POINT, add_batch, generator_table};
use ashlar_field::{Felt, batch_inverse};

use super::{
    columns::{Columns, Run},
    ec_subset_sum::{Doublings, HEIGHT, SubsetSum, SubsetSumColumns, doubling_chains, subset_sums},
    error::TraceError,
    instances::{Segment, check_bits, for_each_batch},
    memory_pool::MemoryPool,
};
use crate::{
    input::EcdsaInstance,
    layout::{Builtin, Layout},
};

/// Bits of z, r and w.
const BITS: usize = 251;

/// The filler's signature: private key 1, message 1 (Stone v3 draws the nonce from Keccak of the empty string).
const FILLER_R: [u64; 4] =
    [0x1af3_7c7f_4aad_1650, 0xcafb_33c8_a52d_b44e, 0xcff2_db76_d6d1_9eab, 0x054f_11b9_fba6_e795];
const FILLER_W: [u64; 4] =
    [0x2f22_d163_9829_d132, 0xa1bc_5a0b_f181_3ff1, 0xac3b_fa01_c63f_ce9f, 0x03e1_ef1b_6a43_51f2];

/// One signature with its trace.
struct Signature {
    pubkey: Felt,
    msg: Felt,
    /// Doublings of the public key, then of z·G + r·Q.
    keys: [Doublings; 2],
    /// z·G.
    generator: SubsetSum,
    /// r·Q, then w·(z·G + r·Q).
    exponents: [SubsetSum; 2],
    add_results: Addition,
    extract_r: Addition,
    z_inverse: Felt,
    r_w_inverses: [Felt; 2],
    x_squared: Felt,
}

/// The public key's point: of the two with its abscissa the one under which the signature verifies.
fn public_key(instance: &EcdsaInstance) -> Result<AffinePoint, TraceError> {
    let EcdsaInstance { index, pubkey, msg, r, w } = *instance;
    let builtin = Builtin::Ecdsa;
    for (name, value) in [("message", msg), ("r", r), ("w", w)] {
        check_bits(builtin, index, name, value, BITS as u32)?;
        if value.is_zero() {
            return Err(TraceError::ZeroInput { builtin, index, name });
        }
    }
    let point = AffinePoint::with_x(pubkey).ok_or(TraceError::NotOnCurve { builtin, index, x: pubkey })?;
    let verifies = |point: &AffinePoint| {
        let from_message = GENERATOR.multiply(&msg.to_standard_limbs())?;
        let from_key = point.multiply(&r.to_standard_limbs())?;
        let sum = from_message.plus(from_key)?.multiply(&w.to_standard_limbs())?;
        (sum.x == r).then_some(())
    };
    let found = [point, -point].into_iter().find(|point| verifies(point).is_some());
    found.ok_or(TraceError::InvalidSignature { index })
}

/// The traces of these instances.
fn compute(instances: &[&EcdsaInstance]) -> Result<Vec<Signature>, TraceError> {
    let degenerate = |equal: ashlar_curve::EqualAbscissas| TraceError::DegenerateAddition {
        builtin: Builtin::Ecdsa,
        index: instances[equal.lane].index,
    };
    let mut points = Vec::with_capacity(instances.len());
    for instance in instances {
        points.push(public_key(instance)?);
    }
    let column = |value: fn(&EcdsaInstance) -> Felt| -> Vec<Felt> {
        instances.iter().map(|instance| value(instance)).collect()
    };
    let (messages, rs, ws) =
        (column(|instance| instance.msg), column(|instance| instance.r), column(|instance| instance.w));

    let starts = vec![-SHIFT_POINT; instances.len()];
    let table = generator_table();
    let generator = subset_sums(&starts, &messages, |_, row| table[row.min(BITS - 1)]).map_err(degenerate)?;
    let starts = vec![SHIFT_POINT; instances.len()];
    let keys = doubling_chains(&points).map_err(degenerate)?;
    let exponents = subset_sums(&starts, &rs, |lane, row| keys[lane].points.get(row)).map_err(degenerate)?;

    let mut sums: Vec<AffinePoint> = generator.iter().map(SubsetSum::result).collect();
    let key_results: Vec<AffinePoint> = exponents.iter().map(SubsetSum::result).collect();
    let add_results = add_batch(&mut sums, &key_results).map_err(degenerate)?;
    let sum_keys = doubling_chains(&sums).map_err(degenerate)?;
    let sum_exponents =
        subset_sums(&starts, &ws, |lane, row| sum_keys[lane].points.get(row)).map_err(degenerate)?;
    let mut products: Vec<AffinePoint> = sum_exponents.iter().map(SubsetSum::result).collect();
    let extract_r = add_batch(&mut products, &vec![-SHIFT_POINT; instances.len()]).map_err(degenerate)?;
    if let Some(lane) = products.iter().zip(&rs).position(|(product, &r)| product.x != r) {
        return Err(TraceError::InvalidSignature { index: instances[lane].index });
    }

    let inverse = |values: &[Felt]| {
        let mut inverses = values.to_vec();
        batch_inverse(&mut inverses);
        inverses
    };
    let (z_inverses, r_inverses, w_inverses) = (inverse(&messages), inverse(&rs), inverse(&ws));
    let keys = keys.into_iter().zip(sum_keys);
    let exponents = exponents.into_iter().zip(sum_exponents);
    let lanes = keys.zip(exponents).zip(generator).enumerate();
    let signatures = lanes.map(|(lane, (((key, sum_key), (first, second)), generator))| Signature {
        pubkey: instances[lane].pubkey,
        msg: messages[lane],
        keys: [key, sum_key],
        generator,
        exponents: [first, second],
        add_results: add_results[lane],
        extract_r: extract_r[lane],
        z_inverse: z_inverses[lane],
        r_w_inverses: [r_inverses[lane], w_inverses[lane]],
        x_squared: instances[lane].pubkey.square(),
    });
    Ok(signatures.collect())
}

fn filler() -> EcdsaInstance {
    let value = Felt::from_limbs_reduced;
    EcdsaInstance { index: 0, pubkey: GENERATOR.x, msg: Felt::ONE, r: value(FILLER_R), w: value(FILLER_W) }
}

/// Writes all instances.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[EcdsaInstance],
    columns: &mut Columns,
    memory: &mut MemoryPool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    let column = |name: &str| layout.column(&format!("ecdsa/signature0/{name}"));
    let generator = SubsetSumColumns::new(layout, "ecdsa/signature0/exponentiate_generator", true, false)?;
    let key = SubsetSumColumns::new(layout, "ecdsa/signature0/exponentiate_key", true, false)?;
    let (key_x, key_y, key_slope) =
        (column("key_points/x")?, column("key_points/y")?, column("doubling_slope")?);
    let (add_slope, add_inverse) = (column("add_results_slope")?, column("add_results_inv")?);
    let (extract_slope, extract_inverse) = (column("extract_r_slope")?, column("extract_r_inv")?);
    let (z_inverse, r_w_inverse, x_squared) = (column("z_inv")?, column("r_w_inv")?, column("q_x_squared")?);
    let cells = [
        memory.cells_of(layout.column("ecdsa/pubkey/addr")?)?,
        memory.cells_of(layout.column("ecdsa/message/addr")?)?,
    ];
    let filler = compute(&[&filler()])?.remove(0);
    // These components have no unpacking.
    let no_ones = [Felt::ZERO; 2];
    for_each_batch(&placed, &filler, compute, |start, signatures| {
        let mut runs = Vec::new();
        for (index, signature) in (start..).zip(signatures) {
            segment.state(memory, index, &cells, &[signature.pubkey, signature.msg]);
            runs.extend(generator.runs(index, &signature.generator, &no_ones));
            for half in 0..2 {
                let position = 2 * index + half;
                runs.extend(key.runs(position, &signature.exponents[half], &no_ones));
                let Doublings { points, slopes } = &signature.keys[half];
                let first = HEIGHT * position;
                runs.push(Run { column: key_x, first, values: &points.x });
                runs.push(Run { column: key_y, first, values: &points.y });
                runs.push(Run { column: key_slope, first, values: slopes });
            }
            let singles = [
                (add_slope, &signature.add_results.slope),
                (add_inverse, &signature.add_results.x_difference_inverse),
                (extract_slope, &signature.extract_r.slope),
                (extract_inverse, &signature.extract_r.x_difference_inverse),
                (z_inverse, &signature.z_inverse),
                (x_squared, &signature.x_squared),
            ];
            for (column, value) in singles {
                runs.push(Run { column, first: index, values: std::slice::from_ref(value) });
            }
            runs.push(Run { column: r_w_inverse, first: 2 * index, values: &signature.r_w_inverses });
        }
        columns.write(&runs);
        Ok(())
    })
}
