// The risk model, version 1: scores, shares and the verdict of allocation proposals, one output record a proposal.
//
// The output, the Pedersen instances and all checked numbers are written by one hint at the start, and everything
// below only checks them. A number read from the range-check segment lies in [0, 2^128); every equation between
// such numbers stays far below the prime, so that it holds between integers. Nothing depends on rc_min or rc_max.
//
// Numbers that may have large 16-bit parts are the sum of two checked ones: any x below 2^128 is a sum of two numbers
// with parts of at most 2^15, and so the parts of an ordinary proposal span little more than 2^15 values, which 4096
// steps of the layout `small` can hold. See docs/adr/0003-risk-program.md.
//
// Record: proposal id; chain id, allocator, nonce, model version, max_single, max_volatility, min_diversification,
// min_liquidity, n; n rows of seven; n scores; n shares; verdict.
%builtins output pedersen range_check ecdsa

from starkware.cairo.common.registers import get_label_location
from identity import proposal_identity

const MODEL_VERSION = 1;
// Where the inputs lie in a record.
const VERSION = 4;
const MAX_SINGLE = 5;
const MAX_VOLATILITY = 6;
const MIN_DIVERSIFICATION = 7;
const MIN_LIQUIDITY = 8;
const ROW_COUNT = 9;
const ROWS = 10;
// Elements of a row, cells of their Pedersen instances, and checked numbers of a row.
const ROW = 7;
const ROW_PEDERSEN = 21;
const ROW_CHECKED = 33;
// Elements before the rows that the identity hashes, and their Pedersen cells.
const HEADER = 9;
const HEADER_PEDERSEN = 27;
// Where the tables begin: liquidity class, audit mark, sum of the terms.
const AUDIT_TABLE = 4;
const CLAMP_TABLE = 105;

func main{output_ptr: felt*, pedersen_ptr: felt*, range_check_ptr: felt*, ecdsa_ptr: felt*}() {
    alloc_locals;
    local proposals;
    %{
        segments.load_data(ids.output_ptr, program_input['output'])
        segments.load_data(ids.pedersen_ptr, program_input['pedersen'])
        segments.load_data(ids.range_check_ptr, program_input['range_check'])
        ids.proposals = program_input['proposals']
    %}
    let (tables: felt*) = get_label_location(score_tables);
    let (out, pedersen, checked) = decide_all(
        proposals, tables, output_ptr, pedersen_ptr, range_check_ptr
    );
    let output_ptr = out;
    let pedersen_ptr = pedersen;
    let range_check_ptr = checked;
    return ();
}

func decide_all(left, tables: felt*, out: felt*, pedersen: felt*, checked: felt*) -> (
    out: felt*, pedersen: felt*, checked: felt*
) {
    if (left == 0) {
        return (out=out, pedersen=pedersen, checked=checked);
    }
    let (out, pedersen, checked) = decide(tables, out, pedersen, checked);
    return decide_all(left - 1, tables, out, pedersen, checked);
}

// One row on its way through the loop of `decide`. The first ten members come from the row after it: rows are taken
// last to first, because the last row with a weight receives what the others leave.
struct RowFrame {
    row: felt*,
    score_out: felt*,
    share_out: felt*,
    pedersen: felt*,
    checked: felt*,
    left: felt,
    weights: felt,
    shares: felt,
    volatility_sum: felt,
    diversified: felt,
    protocol: felt,
    utilisation: felt,
    volatility: felt,
    liquidity: felt,
    audit: felt,
    age: felt,
    apy: felt,
    link0: felt,
    link1: felt,
    link2: felt,
    link3: felt,
    link4: felt,
    link5: felt,
    link6: felt,
    utilisation_term: felt,
    utilisation_rest: felt,
    utilisation_rest_slack: felt,
    utilisation_slack: felt,
    utilisation_floor: felt,
    volatility_term: felt,
    volatility_rest: felt,
    volatility_rest_slack: felt,
    volatility_slack: felt,
    volatility_floor: felt,
    liquidity_slack: felt,
    liquidity_entry: felt*,
    liquidity_term: felt,
    audit_slack: felt,
    audit_entry: felt*,
    audit_term: felt,
    is_mature: felt,
    maturity: felt,
    age_shifted: felt,
    missing_days: felt,
    novelty_rest: felt,
    novelty_rest_slack: felt,
    novelty_floor: felt,
    novelty_term: felt,
    sum2: felt*,
    sum3: felt*,
    sum4: felt*,
    sum5: felt*,
    clamp_entry: felt*,
    score: felt,
    apy_slack_part: felt,
    apy_slack_other_part: felt,
    apy_slack: felt,
    scaled_apy: felt,
    divisor: felt,
    weight_part: felt,
    weight_other_part: felt,
    weight: felt,
    weight_floor: felt,
    weight_rest: felt,
    weight_rest_slack: felt,
    share: felt,
    scaled_weight: felt,
    share_floor: felt,
    share_rest_part: felt,
    share_rest_other_part: felt,
    share_rest: felt,
    share_slack_part: felt,
    share_slack_other_part: felt,
    share_slack: felt,
    single_slack: felt,
    is_diversified: felt,
    diversified_slack: felt,
    held_slack: felt,
    weighted_volatility: felt,
}

func decide(tables: felt*, out: felt*, pedersen: felt*, checked: felt*) -> (
    out: felt*, pedersen: felt*, checked: felt*
) {
    alloc_locals;
    local n = out[ROW_COUNT];
    local max_single = out[MAX_SINGLE];
    local max_volatility = out[MAX_VOLATILITY];
    local min_diversification = out[MIN_DIVERSIFICATION];
    local min_liquidity = out[MIN_LIQUIDITY];
    assert out[VERSION] = MODEL_VERSION;

    // The identity: Pedersen over all inputs, last their number; the rows bind themselves.
    assert pedersen[0] = 0;
    assert pedersen[1] = out[1];
    assert pedersen[3] = pedersen[2];
    assert pedersen[4] = out[2];
    assert pedersen[6] = pedersen[5];
    assert pedersen[7] = out[3];
    assert pedersen[9] = pedersen[8];
    assert pedersen[10] = MODEL_VERSION;
    assert pedersen[12] = pedersen[11];
    assert pedersen[13] = max_single;
    assert pedersen[15] = pedersen[14];
    assert pedersen[16] = max_volatility;
    assert pedersen[18] = pedersen[17];
    assert pedersen[19] = min_diversification;
    assert pedersen[21] = pedersen[20];
    assert pedersen[22] = min_liquidity;
    assert pedersen[24] = pedersen[23];
    assert pedersen[25] = n;
    assert pedersen[27] = pedersen[26];
    local row_cells = ROW * n;
    tempvar row_pedersen = ROW_PEDERSEN * n;
    tempvar pedersen_rows = pedersen + HEADER_PEDERSEN;
    local tail: felt* = pedersen_rows + row_pedersen;
    assert tail[1] = row_cells + HEADER;
    let (identity) = proposal_identity(tail[2]);
    assert out[0] = identity;

    local rows: felt* = out + ROWS;
    local scores: felt* = rows + row_cells;
    local shares: felt* = scores + n;
    local verdict_out: felt* = shares + n;
    local verdict = checked[0];
    assert verdict = verdict_out[0];

    if (verdict == 1) {
        silent_rows(n, rows, scores, shares, pedersen_rows=pedersen + HEADER_PEDERSEN);
        out_of_range(n, out, checked + 1);
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 6);
    }

    // Bounds of the constraints.
    assert checked[1] = n - 2;
    assert checked[2] = 32 - n;
    assert checked[3] = max_single;
    assert checked[4] = 10000 - max_single;
    assert checked[5] = max_volatility;
    assert checked[6] = 10000 - max_volatility;
    assert checked[7] = min_liquidity;
    assert checked[8] = 3 - min_liquidity;
    assert checked[9] = min_diversification - 1;
    assert checked[10] = n - min_diversification;
    assert checked[11] = 10 - min_diversification;
    distinct_rows(n, rows);

    if (verdict == 2) {
        silent_rows(n, rows, scores, shares, pedersen_rows=pedersen + HEADER_PEDERSEN);
        let (checked) = barren_rows(n, rows, checked + 12);
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked);
    }

    // A verdict is the first failure: what comes before it holds, what comes after it is not looked at.
    local single_cap;
    local liquidity_cap;
    if (verdict == 3) {
        assert single_cap = 10000;
        assert liquidity_cap = 3;
    } else {
        assert single_cap = max_single;
        if (verdict == 0) {
            assert liquidity_cap = min_liquidity;
        } else {
            assert liquidity_cap = 3;
        }
    }
    // The total weight is claimed here and compared with the sum after the loop.
    local total = checked[12] + checked[13];
    local total_less_one = total - 1;
    local k3 = 3;
    local k72 = 72;
    local k100 = 100;
    local k249 = 249;
    local k399 = 399;
    local k730 = 730;
    local k999 = 999;
    local k10000 = 10000;
    local k1000000 = 1000000;

    let first = cast(ap, RowFrame*);
    assert first.row = scores - ROW;
    assert first.score_out = shares - 1;
    assert first.share_out = verdict_out - 1;
    assert first.pedersen = tail - ROW_PEDERSEN;
    assert first.checked = checked + 14;
    assert first.left = n;
    assert first.weights = 0;
    assert first.shares = 0;
    assert first.volatility_sum = 0;
    assert first.diversified = 0;
    ap += RowFrame.SIZE;

    row:
    let f = cast(ap - RowFrame.SIZE, RowFrame*);
    let next = cast(ap, RowFrame*);
    // The row, and its part of the Pedersen chain.
    assert f.protocol = f.row[0];
    assert f.utilisation = f.row[1];
    assert f.volatility = f.row[2];
    assert f.liquidity = f.row[3];
    assert f.audit = f.row[4];
    assert f.age = f.row[5];
    assert f.apy = f.row[6];
    assert f.protocol = f.pedersen[1];
    assert f.link0 = f.pedersen[2];
    assert f.link0 = f.pedersen[3];
    assert f.utilisation = f.pedersen[4];
    assert f.link1 = f.pedersen[5];
    assert f.link1 = f.pedersen[6];
    assert f.volatility = f.pedersen[7];
    assert f.link2 = f.pedersen[8];
    assert f.link2 = f.pedersen[9];
    assert f.liquidity = f.pedersen[10];
    assert f.link3 = f.pedersen[11];
    assert f.link3 = f.pedersen[12];
    assert f.audit = f.pedersen[13];
    assert f.link4 = f.pedersen[14];
    assert f.link4 = f.pedersen[15];
    assert f.age = f.pedersen[16];
    assert f.link5 = f.pedersen[17];
    assert f.link5 = f.pedersen[18];
    assert f.apy = f.pedersen[19];
    assert f.link6 = f.pedersen[20];
    assert f.link6 = f.pedersen[21];

    // floor(25 u / 10000) = floor(u / 400): u = 400 q + r with q >= 0, 0 <= r <= 399; and u <= 10000.
    assert f.utilisation_term = f.checked[0];
    assert f.utilisation_rest = f.checked[1];
    assert f.utilisation_rest_slack = f.checked[2];
    assert f.utilisation_slack = f.checked[3];
    assert f.utilisation_floor = f.utilisation_term * 400;
    assert f.utilisation = f.utilisation_floor + f.utilisation_rest;
    assert k399 = f.utilisation_rest + f.utilisation_rest_slack;
    assert k10000 = f.utilisation + f.utilisation_slack;

    // floor(40 v / 10000) = floor(v / 250).
    assert f.volatility_term = f.checked[4];
    assert f.volatility_rest = f.checked[5];
    assert f.volatility_rest_slack = f.checked[6];
    assert f.volatility_slack = f.checked[7];
    assert f.volatility_floor = f.volatility_term * 250;
    assert f.volatility = f.volatility_floor + f.volatility_rest;
    assert k249 = f.volatility_rest + f.volatility_rest_slack;
    assert k10000 = f.volatility + f.volatility_slack;

    // Liquidity class 0 ... 3 and audit mark 0 ... 100 by table.
    assert f.liquidity = f.checked[8];
    assert f.liquidity_slack = f.checked[9];
    assert k3 = f.liquidity + f.liquidity_slack;
    assert f.liquidity_entry = tables + f.liquidity;
    assert f.liquidity_term = f.liquidity_entry[0];
    assert f.audit = f.checked[10];
    assert f.audit_slack = f.checked[11];
    assert k100 = f.audit + f.audit_slack;
    assert f.audit_entry = tables + f.audit;
    assert f.audit_term = f.audit_entry[AUDIT_TABLE];

    // floor(10 (730 - d) / 730) = floor((730 - d) / 73) below 730 days, else 0. At 730 both branches say 0.
    assert f.is_mature = f.checked[12];
    if (f.is_mature != 0) {
        assert f.maturity = f.checked[13];
        assert f.age = f.maturity + 730;
        // d < 2^16, because d 2^112 < 2^128.
        assert f.age_shifted = f.age * 0x10000000000000000000000000000;
        assert f.age_shifted = f.checked[14];
        assert f.novelty_term = 0;
    } else {
        assert f.age = f.checked[13];
        assert f.novelty_term = f.checked[14];
        assert f.novelty_rest = f.checked[15];
        assert f.novelty_rest_slack = f.checked[16];
        assert k730 = f.age + f.missing_days;
        assert f.novelty_floor = f.novelty_term * 73;
        assert f.missing_days = f.novelty_floor + f.novelty_rest;
        assert k72 = f.novelty_rest + f.novelty_rest_slack;
    }

    // The terms sum to at most 25 + 40 + 30 + 30 + 10 = 135; the clamp is a table of 136 entries.
    assert f.sum2 = tables + f.utilisation_term;
    assert f.sum3 = f.sum2 + f.volatility_term;
    assert f.sum4 = f.sum3 + f.liquidity_term;
    assert f.sum5 = f.sum4 + f.audit_term;
    assert f.clamp_entry = f.sum5 + f.novelty_term;
    assert f.score = f.clamp_entry[CLAMP_TABLE];
    assert f.score = [f.score_out];

    // weight = floor(10000 apy / (score + 1)), apy <= 1000000.
    assert f.apy = f.checked[17];
    assert f.apy_slack_part = f.checked[18];
    assert f.apy_slack_other_part = f.checked[32];
    assert f.apy_slack = f.apy_slack_part + f.apy_slack_other_part;
    assert k1000000 = f.apy + f.apy_slack;
    assert f.scaled_apy = f.apy * 10000;
    assert f.divisor = f.score + 1;
    assert f.weight_part = f.checked[19];
    assert f.weight_other_part = f.checked[20];
    assert f.weight = f.weight_part + f.weight_other_part;
    assert f.weight_floor = f.weight * f.divisor;
    assert f.weight_rest = f.checked[21];
    assert f.scaled_apy = f.weight_floor + f.weight_rest;
    assert f.weight_rest_slack = f.checked[22];
    assert f.score = f.weight_rest + f.weight_rest_slack;

    // share = floor(10000 weight / total); the last row with a weight gets the rest: any number in range here, pinned
    // by the sum of all shares after the loop.
    if (f.weights != 0) {
        assert f.share = f.checked[23];
        assert f.scaled_weight = f.weight * 10000;
        assert f.share_floor = f.share * total;
        assert f.share_rest_part = f.checked[24];
        assert f.share_rest_other_part = f.checked[25];
        assert f.share_rest = f.share_rest_part + f.share_rest_other_part;
        assert f.scaled_weight = f.share_floor + f.share_rest;
        assert f.share_slack_part = f.checked[26];
        assert f.share_slack_other_part = f.checked[27];
        assert f.share_slack = f.share_slack_part + f.share_slack_other_part;
        assert total_less_one = f.share_rest + f.share_slack;
    } else {
        if (f.weight != 0) {
            assert f.share = f.checked[23];
        } else {
            assert f.share = 0;
        }
    }
    assert f.share = [f.share_out];

    // share <= single_cap.
    assert f.single_slack = f.checked[28];
    assert single_cap = f.share + f.single_slack;
    // share >= 1000, or share <= 999.
    assert f.is_diversified = f.checked[29];
    assert f.diversified_slack = f.checked[30];
    if (f.is_diversified != 0) {
        assert f.share = f.diversified_slack + 1000;
        assert next.diversified = f.diversified + 1;
    } else {
        assert k999 = f.share + f.diversified_slack;
        assert next.diversified = f.diversified;
    }
    // A row with a share has liquidity <= liquidity_cap.
    if (f.share != 0) {
        assert f.held_slack = f.checked[31];
        assert liquidity_cap = f.liquidity + f.held_slack;
    }
    assert f.weighted_volatility = f.share * f.volatility;

    assert next.volatility_sum = f.volatility_sum + f.weighted_volatility;
    assert next.weights = f.weights + f.weight;
    assert next.shares = f.shares + f.share;
    assert next.row = f.row - ROW;
    assert next.score_out = f.score_out - 1;
    assert next.share_out = f.share_out - 1;
    assert next.pedersen = f.pedersen - ROW_PEDERSEN;
    assert next.checked = f.checked + ROW_CHECKED;
    assert next.left = f.left - 1;
    ap += RowFrame.SIZE;
    jmp row if [ap - RowFrame.SIZE + RowFrame.left] != 0;

    let last = cast(ap - RowFrame.SIZE, RowFrame*);
    assert last.weights = total;
    assert last.shares = k10000;
    local diversified = last.diversified;
    local volatility_sum = last.volatility_sum;
    local checked: felt* = last.checked;

    // floor(volatility_sum / 10000) <= max_volatility if and only if volatility_sum <= 10000 max_volatility + 9999.
    local volatility_limit = 10000 * max_volatility + 9999;
    if (verdict == 0) {
        assert checked[0] = diversified - min_diversification;
        assert checked[1] + checked[2] = volatility_limit - volatility_sum;
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 3);
    }
    if (verdict == 4) {
        assert checked[0] = min_diversification - 1 - diversified;
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 1);
    }
    if (verdict == 5) {
        assert checked[0] = diversified - min_diversification;
        assert checked[1] + checked[2] = volatility_sum - volatility_limit - 1;
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 3);
    }
    // What is left fails at one row, whose index is checked[3].
    local index = checked[3];
    assert checked[4] = n - 1 - index;
    if (verdict == 3) {
        assert checked[0] = shares[index] - max_single - 1;
        return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 5);
    }
    assert verdict = 6;
    assert checked[0] = diversified - min_diversification;
    assert checked[1] + checked[2] = volatility_limit - volatility_sum;
    assert checked[5] = shares[index] - 1;
    assert checked[6] = rows[ROW * index + 3] - min_liquidity - 1;
    return (out=verdict_out + 1, pedersen=tail + 3, checked=checked + 7);
}

// Rows that are neither scored nor shared: bound to the identity, scores and shares zero.
func silent_rows(n, row: felt*, score: felt*, share: felt*, pedersen_rows: felt*) {
    if (n == 0) {
        return ();
    }
    assert pedersen_rows[1] = row[0];
    assert pedersen_rows[3] = pedersen_rows[2];
    assert pedersen_rows[4] = row[1];
    assert pedersen_rows[6] = pedersen_rows[5];
    assert pedersen_rows[7] = row[2];
    assert pedersen_rows[9] = pedersen_rows[8];
    assert pedersen_rows[10] = row[3];
    assert pedersen_rows[12] = pedersen_rows[11];
    assert pedersen_rows[13] = row[4];
    assert pedersen_rows[15] = pedersen_rows[14];
    assert pedersen_rows[16] = row[5];
    assert pedersen_rows[18] = pedersen_rows[17];
    assert pedersen_rows[19] = row[6];
    assert pedersen_rows[21] = pedersen_rows[20];
    assert score[0] = 0;
    assert share[0] = 0;
    return silent_rows(n - 1, row + ROW, score + 1, share + 1, pedersen_rows + ROW_PEDERSEN);
}

// Rows in range without yield. A weight is zero if and only if the yield is: 10000 apy >= score + 1 otherwise.
func barren_rows(n, row: felt*, checked: felt*) -> (checked: felt*) {
    if (n == 0) {
        return (checked=checked);
    }
    assert checked[0] = row[1];
    assert checked[1] = 10000 - row[1];
    assert checked[2] = row[2];
    assert checked[3] = 10000 - row[2];
    assert checked[4] = row[3];
    assert checked[5] = 3 - row[3];
    assert checked[6] = row[4];
    assert checked[7] = 100 - row[4];
    assert checked[8] = row[5];
    assert checked[9] = row[5] * 0x10000000000000000000000000000;
    assert row[6] = 0;
    return barren_rows(n - 1, row + ROW, checked + 10);
}

// No two rows name the same protocol.
func distinct_rows(n, row: felt*) {
    if (n == 1) {
        return ();
    }
    differs(n - 1, [row], row + ROW);
    return distinct_rows(n - 1, row + ROW);
}

func differs(n, protocol, row: felt*) {
    if (n == 0) {
        return ();
    }
    // If they were the same, the inverse of zero would be needed.
    if (protocol - row[0] == 0) {
        assert 0 = 1;
    }
    return differs(n - 1, protocol, row + ROW);
}

// One bound that is broken: checked[0] says which, the others prove it.
func out_of_range(n, out: felt*, checked: felt*) {
    alloc_locals;
    local kind = checked[0];
    if (kind == 0) {
        assert checked[1] = 1 - n;
        return ();
    }
    if (kind == 1) {
        assert checked[1] = n - 33;
        return ();
    }
    if (kind == 2) {
        assert checked[1] = out[MAX_SINGLE] - 10001;
        return ();
    }
    if (kind == 3) {
        assert checked[1] = out[MAX_VOLATILITY] - 10001;
        return ();
    }
    if (kind == 4) {
        assert checked[1] = out[MIN_LIQUIDITY] - 4;
        return ();
    }
    if (kind == 5) {
        assert out[MIN_DIVERSIFICATION] = 0;
        return ();
    }
    if (kind == 6) {
        assert checked[1] = out[MIN_DIVERSIFICATION] - n - 1;
        return ();
    }
    if (kind == 7) {
        assert checked[1] = out[MIN_DIVERSIFICATION] - 11;
        return ();
    }
    // What is left is broken by a row, whose index is checked[2].
    assert checked[3] = n - 1 - checked[2];
    local row: felt* = out + ROWS + ROW * checked[2];
    if (kind == 8) {
        assert checked[1] = row[1] - 10001;
        return ();
    }
    if (kind == 9) {
        assert checked[1] = row[2] - 10001;
        return ();
    }
    if (kind == 10) {
        assert checked[1] = row[3] - 4;
        return ();
    }
    if (kind == 11) {
        assert checked[1] = row[4] - 101;
        return ();
    }
    if (kind == 12) {
        assert checked[1] = row[5] - 65536;
        return ();
    }
    if (kind == 13) {
        assert checked[1] = row[6] - 1000001;
        return ();
    }
    // An earlier row, checked[1] + 1 before it, names the same protocol.
    assert kind = 14;
    assert checked[4] = checked[2] - checked[1] - 1;
    assert row[0] = [row - ROW - ROW * checked[1]];
    return ();
}

// Liquidity class to score; floor(3 (100 - mark) / 10) by audit mark; sum of the terms clamped to 5 ... 95.
score_tables:
dw 0;
dw 5;
dw 15;
dw 30;
dw 30;
dw 29;
dw 29;
dw 29;
dw 28;
dw 28;
dw 28;
dw 27;
dw 27;
dw 27;
dw 27;
dw 26;
dw 26;
dw 26;
dw 25;
dw 25;
dw 25;
dw 24;
dw 24;
dw 24;
dw 24;
dw 23;
dw 23;
dw 23;
dw 22;
dw 22;
dw 22;
dw 21;
dw 21;
dw 21;
dw 21;
dw 20;
dw 20;
dw 20;
dw 19;
dw 19;
dw 19;
dw 18;
dw 18;
dw 18;
dw 18;
dw 17;
dw 17;
dw 17;
dw 16;
dw 16;
dw 16;
dw 15;
dw 15;
dw 15;
dw 15;
dw 14;
dw 14;
dw 14;
dw 13;
dw 13;
dw 13;
dw 12;
dw 12;
dw 12;
dw 12;
dw 11;
dw 11;
dw 11;
dw 10;
dw 10;
dw 10;
dw 9;
dw 9;
dw 9;
dw 9;
dw 8;
dw 8;
dw 8;
dw 7;
dw 7;
dw 7;
dw 6;
dw 6;
dw 6;
dw 6;
dw 5;
dw 5;
dw 5;
dw 4;
dw 4;
dw 4;
dw 3;
dw 3;
dw 3;
dw 3;
dw 2;
dw 2;
dw 2;
dw 1;
dw 1;
dw 1;
dw 0;
dw 0;
dw 0;
dw 0;
dw 5;
dw 5;
dw 5;
dw 5;
dw 5;
dw 5;
dw 6;
dw 7;
dw 8;
dw 9;
dw 10;
dw 11;
dw 12;
dw 13;
dw 14;
dw 15;
dw 16;
dw 17;
dw 18;
dw 19;
dw 20;
dw 21;
dw 22;
dw 23;
dw 24;
dw 25;
dw 26;
dw 27;
dw 28;
dw 29;
dw 30;
dw 31;
dw 32;
dw 33;
dw 34;
dw 35;
dw 36;
dw 37;
dw 38;
dw 39;
dw 40;
dw 41;
dw 42;
dw 43;
dw 44;
dw 45;
dw 46;
dw 47;
dw 48;
dw 49;
dw 50;
dw 51;
dw 52;
dw 53;
dw 54;
dw 55;
dw 56;
dw 57;
dw 58;
dw 59;
dw 60;
dw 61;
dw 62;
dw 63;
dw 64;
dw 65;
dw 66;
dw 67;
dw 68;
dw 69;
dw 70;
dw 71;
dw 72;
dw 73;
dw 74;
dw 75;
dw 76;
dw 77;
dw 78;
dw 79;
dw 80;
dw 81;
dw 82;
dw 83;
dw 84;
dw 85;
dw 86;
dw 87;
dw 88;
dw 89;
dw 90;
dw 91;
dw 92;
dw 93;
dw 94;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
dw 95;
