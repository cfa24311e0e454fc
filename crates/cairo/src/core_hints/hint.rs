//! The hints of an executable as its JSON has them.

use serde::Deserialize;

/// `ap` or `fp`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Register {
    AP,
    FP,
}

/// `[register + offset]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CellRef {
    pub(super) register: Register,
    pub(super) offset: i16,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) enum Operand {
    Deref(CellRef),
    DoubleDeref(CellRef, i16),
    Immediate(String),
    BinOp { op: Operation, a: CellRef, b: RightOperand },
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) enum RightOperand {
    Deref(CellRef),
    Immediate(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Operation {
    Add,
    Mul,
}

/// The hints that this runner carries out, as an executable's JSON has them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) enum CoreHint {
    AllocSegment {
        dst: CellRef,
    },
    TestLessThan {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    TestLessThanOrEqual {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    TestLessThanOrEqualAddress {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    WideMul128 {
        lhs: Operand,
        rhs: Operand,
        high: CellRef,
        low: CellRef,
    },
    DivMod {
        lhs: Operand,
        rhs: Operand,
        quotient: CellRef,
        remainder: CellRef,
    },
    Uint256DivMod {
        dividend0: Operand,
        dividend1: Operand,
        divisor0: Operand,
        divisor1: Operand,
        quotient0: CellRef,
        quotient1: CellRef,
        remainder0: CellRef,
        remainder1: CellRef,
    },
    Uint512DivModByUint256 {
        dividend0: Operand,
        dividend1: Operand,
        dividend2: Operand,
        dividend3: Operand,
        divisor0: Operand,
        divisor1: Operand,
        quotient0: CellRef,
        quotient1: CellRef,
        quotient2: CellRef,
        quotient3: CellRef,
        remainder0: CellRef,
        remainder1: CellRef,
    },
    SquareRoot {
        value: Operand,
        dst: CellRef,
    },
    Uint256SquareRoot {
        value_low: Operand,
        value_high: Operand,
        sqrt0: CellRef,
        sqrt1: CellRef,
        remainder_low: CellRef,
        remainder_high: CellRef,
        sqrt_mul_2_minus_remainder_ge_u128: CellRef,
    },
    LinearSplit {
        value: Operand,
        scalar: Operand,
        max_x: Operand,
        x: CellRef,
        y: CellRef,
    },
    AllocFelt252Dict {
        segment_arena_ptr: Operand,
    },
    Felt252DictEntryInit {
        dict_ptr: Operand,
        key: Operand,
    },
    Felt252DictEntryUpdate {
        dict_ptr: Operand,
        value: Operand,
    },
    GetSegmentArenaIndex {
        dict_end_ptr: Operand,
        dict_index: CellRef,
    },
    InitSquashData {
        dict_accesses: Operand,
        #[serde(rename = "ptr_diff")]
        _ptr_diff: Operand,
        n_accesses: Operand,
        big_keys: CellRef,
        first_key: CellRef,
    },
    GetCurrentAccessIndex {
        range_check_ptr: Operand,
    },
    ShouldSkipSquashLoop {
        should_skip_loop: CellRef,
    },
    GetCurrentAccessDelta {
        index_delta_minus1: CellRef,
    },
    ShouldContinueSquashLoop {
        should_continue: CellRef,
    },
    GetNextDictKey {
        next_key: CellRef,
    },
    AssertLeFindSmallArcs {
        range_check_ptr: Operand,
        a: Operand,
        b: Operand,
    },
    AssertLeIsFirstArcExcluded {
        skip_exclude_a_flag: CellRef,
    },
    AssertLeIsSecondArcExcluded {
        skip_exclude_b_minus_a: CellRef,
    },
    RandomEcPoint {
        x: CellRef,
        y: CellRef,
    },
    FieldSqrt {
        val: Operand,
        sqrt: CellRef,
    },
    DebugPrint {
        #[serde(rename = "start")]
        _start: Operand,
        #[serde(rename = "end")]
        _end: Operand,
    },
    AllocConstantSize {
        size: Operand,
        dst: CellRef,
    },
    U256InvModN {
        b0: Operand,
        b1: Operand,
        n0: Operand,
        n1: Operand,
        g0_or_no_inv: CellRef,
        g1_option: CellRef,
        s_or_r0: CellRef,
        s_or_r1: CellRef,
        t_or_k0: CellRef,
        t_or_k1: CellRef,
    },
    AddRelocationRule {
        src: Operand,
        dst: Operand,
    },
    WriteRunParam {
        #[serde(rename = "index")]
        _index: Operand,
        dst: CellRef,
    },
    AddMarker {
        start: Operand,
        end: Operand,
    },
    AddTrace {
        #[serde(rename = "flag")]
        _flag: Operand,
    },
}

/// A hint of an executable: one that is known here, or the JSON of one that is not.
#[derive(Clone, Debug)]
pub(crate) enum Hint {
    Known(Box<CoreHint>),
    Unknown(String),
}

impl Hint {
    pub(crate) fn from_json(value: serde_json::Value) -> Hint {
        let text = value.to_string();
        serde_json::from_value(value).map_or(Hint::Unknown(text), |hint| Hint::Known(Box::new(hint)))
    }
}
