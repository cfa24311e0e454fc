//! From the virtual machine's values to the prover's.

use std::collections::{BTreeMap, HashMap};

use ashlar_cpu_air::input::{
    BitwiseInstance, EcOpInstance, EcdsaInstance, Execution, KeccakInstance, Memory, MemorySegment, ModInput,
    ModInstance, PedersenInstance, PoseidonInstance, PrivateInput, PublicInput, PublicMemoryCell,
    RangeCheckInstance, RegisterState,
};
use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    air_private_input::{self as machine, ModInputInstance},
    types::builtin_name::BuiltinName,
    vm::runners::cairo_runner::CairoRunner,
};

use crate::CairoError;

/// Both sides keep elements in Montgomery form with radix 2²⁵⁶; only the order of the limbs differs.
pub(crate) fn felt(value: &Felt252) -> Felt {
    Felt::from_montgomery_limbs(value.to_raw_reversed()).unwrap_or_default()
}

pub(crate) fn machine_felt(value: Felt) -> Felt252 {
    let [a, b, c, d] = value.to_montgomery_limbs();
    Felt252::from_raw([d, c, b, a])
}

/// Takes the relocated run out of the runner.
pub(crate) fn execution(runner: &mut CairoRunner, layout: &str) -> Result<Execution, CairoError> {
    let public_input = public_input(runner, layout)?;
    let private_input = private_input(&runner.get_air_private_input().0);
    let trace = runner.relocated_trace.take().unwrap_or_default();
    let trace = trace
        .into_iter()
        .map(|entry| RegisterState { ap: entry.ap as u64, fp: entry.fp as u64, pc: entry.pc as u64 })
        .collect();
    let cells = std::mem::take(&mut runner.relocated_memory);
    let memory = Memory::from_dense(cells.iter().map(|cell| cell.as_ref().map(felt)).collect());
    Ok(Execution { public_input, trace, memory, private_input })
}

fn public_input(runner: &CairoRunner, layout: &str) -> Result<PublicInput, CairoError> {
    let public =
        runner.get_air_public_input().map_err(|error| CairoError::Machine { detail: error.to_string() })?;
    let negative = |name: &str, value: isize| {
        u64::try_from(value).map_err(|_| CairoError::Machine { detail: format!("{name} is {value}") })
    };
    let memory_segments = public
        .memory_segments
        .iter()
        .map(|(name, segment)| {
            let segment =
                MemorySegment { begin_addr: segment.begin_addr as u64, stop_ptr: segment.stop_ptr as u64 };
            ((*name).to_owned(), segment)
        })
        .collect();
    let public_memory = public
        .public_memory
        .iter()
        .map(|cell| {
            let value = cell.value.as_ref().map(felt).ok_or_else(|| CairoError::Machine {
                detail: format!("public memory cell {} was never written", cell.address),
            })?;
            Ok(PublicMemoryCell { address: cell.address as u64, value, page: cell.page as u32 })
        })
        .collect::<Result<_, CairoError>>()?;
    Ok(PublicInput {
        layout: layout.to_owned(),
        n_steps: public.n_steps as u64,
        rc_min: negative("rc_min", public.rc_min)?,
        rc_max: negative("rc_max", public.rc_max)?,
        memory_segments,
        public_memory,
        dynamic_params: BTreeMap::new(),
    })
}

fn private_input(builtins: &HashMap<BuiltinName, Vec<machine::PrivateInput>>) -> PrivateInput {
    let mut private = PrivateInput::default();
    for (name, instances) in builtins {
        for instance in instances {
            add_instance(&mut private, *name, instance);
        }
    }
    private
}

fn add_instance(private: &mut PrivateInput, builtin: BuiltinName, instance: &machine::PrivateInput) {
    match instance {
        machine::PrivateInput::Value(instance) => {
            let values = match builtin {
                BuiltinName::range_check96 => &mut private.range_check96,
                _ => &mut private.range_check,
            };
            values.push(RangeCheckInstance { index: instance.index as u64, value: felt(&instance.value) });
        }
        machine::PrivateInput::Pair(instance) => {
            let (index, x, y) = (instance.index as u64, felt(&instance.x), felt(&instance.y));
            match builtin {
                BuiltinName::bitwise => private.bitwise.push(BitwiseInstance { index, x, y }),
                _ => private.pedersen.push(PedersenInstance { index, x, y }),
            }
        }
        machine::PrivateInput::EcOp(instance) => private.ec_op.push(EcOpInstance {
            index: instance.index as u64,
            p: [felt(&instance.p_x), felt(&instance.p_y)],
            q: [felt(&instance.q_x), felt(&instance.q_y)],
            m: felt(&instance.m),
        }),
        machine::PrivateInput::PoseidonState(instance) => private.poseidon.push(PoseidonInstance {
            index: instance.index as u64,
            input: [&instance.input_s0, &instance.input_s1, &instance.input_s2].map(felt),
        }),
        machine::PrivateInput::KeccakState(instance) => private.keccak.push(KeccakInstance {
            index: instance.index as u64,
            input: [
                &instance.input_s0,
                &instance.input_s1,
                &instance.input_s2,
                &instance.input_s3,
                &instance.input_s4,
                &instance.input_s5,
                &instance.input_s6,
                &instance.input_s7,
            ]
            .map(felt),
        }),
        machine::PrivateInput::Signature(instance) => private.ecdsa.push(EcdsaInstance {
            index: instance.index as u64,
            pubkey: felt(&instance.pubkey),
            msg: felt(&instance.msg),
            r: felt(&instance.signature_input.r),
            w: felt(&instance.signature_input.w),
        }),
        machine::PrivateInput::Mod(input) => {
            let side = match builtin {
                BuiltinName::add_mod => &mut private.add_mod,
                _ => &mut private.mul_mod,
            };
            *side = ModInput {
                zero_value_address: input.zero_value_address as u64,
                instances: input.instances.iter().filter_map(mod_instance).collect(),
            };
        }
    }
}

/// A modular instance of batch size one, which is that of every layout.
fn mod_instance(instance: &ModInputInstance) -> Option<ModInstance> {
    let batch = instance.batch.get(&0)?;
    Some(ModInstance {
        index: instance.index as u64,
        p: [&instance.p0, &instance.p1, &instance.p2, &instance.p3].map(felt),
        values_ptr: instance.values_ptr as u64,
        offsets_ptr: instance.offsets_ptr as u64,
        n: instance.n as u64,
        offsets: [batch.a_offset as u64, batch.b_offset as u64, batch.c_offset as u64],
        values: [
            [&batch.a0, &batch.a1, &batch.a2, &batch.a3].map(felt),
            [&batch.b0, &batch.b1, &batch.b2, &batch.b3].map(felt),
            [&batch.c0, &batch.c1, &batch.c2, &batch.c3].map(felt),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_survive_the_way_into_the_machine_and_back() {
        for value in
            [Felt::ZERO, Felt::ONE, -Felt::ONE, Felt::from_u128(u128::MAX), Felt::GENERATOR.pow(12345)]
        {
            assert_eq!(felt(&machine_felt(value)), value);
            assert_eq!(machine_felt(value).to_hex_string(), value.to_string());
        }
    }
}
