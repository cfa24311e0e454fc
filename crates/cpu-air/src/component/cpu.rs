//! The CPU: decoding, operands, register updates, opcodes, boundary values.
//!
//! Source: Stone v3, CPU AIR, components `cpu/…`; *Cairo* whitepaper sections 9.4 and 9.5.

use super::{
    Parameter,
    builder::{Builder, HALF_OFFSET, OFFSET_RANGE, bit, double, one_minus, shifted_bit},
};
use crate::layout::{CPU_COMPONENT_HEIGHT, LayoutError};

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let flags = air.cells("cpu/decode/opcode_range_check/column")?;
    let period = CPU_COMPONENT_HEIGHT * flags.step();
    let always = || air.every(period);
    let but_last = || air.every_but_last(period);

    let pc = air.cells("cpu/decode/pc")?;
    let next_pc = pc.at(1);
    let pc = pc.at(0);
    let instruction = air.cells("cpu/decode/instruction")?.at(0);
    let offset0 = air.cells("cpu/decode/off0")?.at(0);
    let offset1 = air.cells("cpu/decode/off1")?.at(0);
    let offset2 = air.cells("cpu/decode/off2")?.at(0);
    let ap = air.cells("cpu/registers/ap")?;
    let next_ap = ap.at(1);
    let ap = ap.at(0);
    let fp = air.cells("cpu/registers/fp")?;
    let next_fp = fp.at(1);
    let fp = fp.at(0);
    let dst_addr = air.cells("cpu/operands/mem_dst/addr")?.at(0);
    let dst = air.cells("cpu/operands/mem_dst/value")?.at(0);
    let op0_addr = air.cells("cpu/operands/mem_op0/addr")?.at(0);
    let op0 = air.cells("cpu/operands/mem_op0/value")?.at(0);
    let op1_addr = air.cells("cpu/operands/mem_op1/addr")?.at(0);
    let op1 = air.cells("cpu/operands/mem_op1/value")?.at(0);
    let mul = air.cells("cpu/operands/ops_mul")?.at(0);
    let res = air.cells("cpu/operands/res")?.at(0);
    let tmp0 = air.cells("cpu/update_registers/update_pc/tmp0")?.at(0);
    let tmp1 = air.cells("cpu/update_registers/update_pc/tmp1")?.at(0);

    let flag = |index| shifted_bit(&flags, index);
    let dst_is_fp = flag(0);
    let op0_is_fp = flag(1);
    let op1_is_immediate = flag(2);
    let op1_is_fp = flag(3);
    let op1_is_ap = flag(4);
    let res_is_sum = flag(5);
    let res_is_product = flag(6);
    let pc_jumps_absolutely = flag(7);
    let pc_jumps_relatively = flag(8);
    let pc_jumps_if_nonzero = flag(9);
    let ap_adds_res = flag(10);
    let ap_adds_one = flag(11);
    let is_call = flag(12);
    let is_return = flag(13);
    let is_assert = flag(14);
    let op1_is_op0 = one_minus(&(&op1_is_immediate + &op1_is_ap + &op1_is_fp));
    let res_is_op1 = one_minus(&(&res_is_sum + &res_is_product + &pc_jumps_if_nonzero));
    let pc_advances = one_minus(&(&pc_jumps_absolutely + &pc_jumps_relatively + &pc_jumps_if_nonzero));
    let fp_stays = one_minus(&(&is_call + &is_return));
    // The instruction after this one: an immediate takes a cell.
    let following_pc = &pc + &op1_is_immediate + 1;

    let each_bit = air.all_but_last_of(flags.step(), CPU_COMPONENT_HEIGHT);
    air.constrain("cpu/decode/opcode_range_check/bit", bit(&dst_is_fp), each_bit);
    let last_flag = air.residue(period, period - flags.step());
    air.constrain("cpu/decode/opcode_range_check/zero", flags.at(0), last_flag);
    let encoded =
        ((flags.at(0) * OFFSET_RANGE + &offset2) * OFFSET_RANGE + &offset1) * OFFSET_RANGE + &offset0;
    air.constrain("cpu/decode/opcode_range_check_input", instruction - encoded, always());
    air.constrain("cpu/decode/flag_op1_base_op0_bit", bit(&op1_is_op0), always());
    air.constrain("cpu/decode/flag_res_op1_bit", bit(&res_is_op1), always());
    air.constrain("cpu/decode/flag_pc_update_regular_bit", bit(&pc_advances), always());
    air.constrain("cpu/decode/fp_update_regular_bit", bit(&fp_stays), always());

    let dst_base = &dst_is_fp * &fp + one_minus(&dst_is_fp) * &ap;
    air.constrain("cpu/operands/mem_dst_addr", dst_addr + HALF_OFFSET - (dst_base + &offset0), always());
    let op0_base = &op0_is_fp * &fp + one_minus(&op0_is_fp) * &ap;
    air.constrain("cpu/operands/mem0_addr", op0_addr + HALF_OFFSET - (op0_base + &offset1), always());
    let op1_base = &op1_is_immediate * &pc + &op1_is_ap * &ap + &op1_is_fp * &fp + op1_is_op0 * &op0;
    air.constrain("cpu/operands/mem1_addr", op1_addr + HALF_OFFSET - (op1_base + &offset2), always());
    air.constrain("cpu/operands/ops_mul", &mul - &op0 * &op1, always());
    let result = res_is_sum * (&op0 + &op1) + res_is_product * &mul + &res_is_op1 * &op1;
    air.constrain("cpu/operands/res", one_minus(&pc_jumps_if_nonzero) * &res - result, always());

    air.constrain("cpu/update_registers/update_pc/tmp0", &tmp0 - &pc_jumps_if_nonzero * &dst, but_last());
    air.constrain("cpu/update_registers/update_pc/tmp1", &tmp1 - &tmp0 * &res, but_last());
    let target =
        pc_advances * &following_pc + &pc_jumps_absolutely * &res + pc_jumps_relatively * (&pc + &res);
    air.constrain(
        "cpu/update_registers/update_pc/pc_cond_negative",
        one_minus(&pc_jumps_if_nonzero) * &next_pc + &tmp0 * (&next_pc - (&pc + &op1)) - target,
        but_last(),
    );
    air.constrain(
        "cpu/update_registers/update_pc/pc_cond_positive",
        (tmp1 - pc_jumps_if_nonzero) * (next_pc - &following_pc),
        but_last(),
    );
    let updated_ap = &ap + ap_adds_res * &res + ap_adds_one + double(&is_call);
    air.constrain("cpu/update_registers/update_ap/ap_update", next_ap - updated_ap, but_last());
    let updated_fp = fp_stays * &fp + &is_return * &dst + &is_call * (&ap + 2);
    air.constrain("cpu/update_registers/update_fp/fp_update", next_fp - updated_fp, but_last());

    air.constrain("cpu/opcodes/call/push_fp", &is_call * (&dst - &fp), always());
    air.constrain("cpu/opcodes/call/push_pc", &is_call * (&op0 - following_pc), always());
    air.constrain("cpu/opcodes/call/off0", &is_call * (&offset0 - HALF_OFFSET), always());
    air.constrain("cpu/opcodes/call/off1", &is_call * (offset1 - (HALF_OFFSET + 1)), always());
    // Both opcode flags known, the sum says: dst and op0 are relative to ap.
    let call_flags = double(&is_call) + 2 - (&dst_is_fp + op0_is_fp + 4);
    air.constrain("cpu/opcodes/call/flags", &is_call * call_flags, always());
    air.constrain("cpu/opcodes/ret/off0", &is_return * (offset0 + 2 - HALF_OFFSET), always());
    air.constrain("cpu/opcodes/ret/off2", &is_return * (offset2 + 1 - HALF_OFFSET), always());
    let return_flags = pc_jumps_absolutely + dst_is_fp + op1_is_fp + res_is_op1 - 4;
    air.constrain("cpu/opcodes/ret/flags", is_return * return_flags, always());
    air.constrain("cpu/opcodes/assert_eq/assert_eq", is_assert * (dst - res), always());

    let [initial_ap, final_ap, initial_pc, final_pc] =
        [Parameter::InitialAp, Parameter::FinalAp, Parameter::InitialPc, Parameter::FinalPc]
            .map(Parameter::expression);
    air.constrain("initial_ap", &ap - &initial_ap, air.first());
    air.constrain("initial_fp", &fp - &initial_ap, air.first());
    air.constrain("initial_pc", &pc - initial_pc, air.first());
    air.constrain("final_ap", ap - final_ap, air.last(period));
    air.constrain("final_fp", fp - initial_ap, air.last(period));
    air.constrain("final_pc", pc - final_pc, air.last(period));
    Ok(())
}
