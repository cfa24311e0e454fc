// The risk model: scores, shares and the verdict of allocation proposals, one output record a proposal.
//
// The output, the Pedersen instances and all checked numbers are written by one hint at the start; two more write the
// numbers that need no range check. Everything below only checks them. What is relied on:
//
// * A number read from the range-check segment lies in [0, 2^128).
// * What is dereferenced is an address, and addresses are below 2^64: they begin at 1 and have no gaps. So an index that a
//   table was read at is small, in or out of the table.
// * Every equation between such numbers stays far below the prime, so that it holds between integers. For a small x,
//   x * (b - x) is checked once in place of x and b - x: below zero and above b the product is negative.
//
// Nothing depends on rc_min or rc_max. See docs/adr/0007-the-batch.md for what each of these saves.
//
// Record: proposal id, verdict; chain id, allocator, nonce, model version, max_single, max_volatility,
// min_diversification, min_liquidity, n; n rows of nine: protocol, utilisation, volatility, liquidity, audit, age, apy,
// score, share.
//
// Identity: Pedersen over the domain tag, chain id, allocator, nonce, two words, and a row's protocol and two words each,
// last the number of elements. A word is three numbers below 2^64, the first lowest:
// (max_single, max_volatility, min_diversification), (min_liquidity, n, model version);
// (utilisation, volatility, liquidity), (audit, age, apy).
%builtins output pedersen range_check ecdsa

from starkware.cairo.common.registers import get_label_location

const MODEL_VERSION = 1;
// Pedersen of zero and the domain tag `ashlar:allocation:2`: where every chain begins.
const CHAIN_START = 854573006002105392208916575376112339245105668524515947554432639548319130378;
// Where the parts of a record lie.
const ID = 0;
const VERDICT = 1;
const CHAIN_ID = 2;
const ALLOCATOR = 3;
const NONCE = 4;
const VERSION = 5;
const MAX_SINGLE = 6;
const MAX_VOLATILITY = 7;
const MIN_DIVERSIFICATION = 8;
const MIN_LIQUIDITY = 9;
const ROW_COUNT = 10;
const ROWS = 11;
const ROW = 9;
// The Pedersen cells before the rows, and of a row; the elements hashed before the rows, the tag included, and of a row.
const HEADER_PEDERSEN = 15;
const ROW_PEDERSEN = 9;
const HEADER_ELEMENTS = 6;
const ROW_ELEMENTS = 3;
// One place of a word.
const LIMB = 2 ** 64;
// Where the tables begin: score by sum of the terms; terms by liquidity class, by audit mark, by quotient.
const LIQUIDITY_TABLE = 136;
const AUDIT_TABLE = 140;
const TERM_TABLE = 241;

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
    let (out, pedersen, checked) = decide(
        proposals, tables, output_ptr, pedersen_ptr, range_check_ptr
    );
    let output_ptr = out;
    let pedersen_ptr = pedersen;
    let range_check_ptr = checked;
    return ();
}

// One row on its way through the loop of `decide`. The first nine members come from the row before it; after the last
// row, the first three say where record, hashes and checked numbers end.
struct RowFrame {
    row: felt*,
    pedersen: felt*,
    // One behind the end after the last row, which leaves its last cell unused.
    checked: felt*,
    left: felt,
    // The weight of this row and all after it.
    weights: felt,
    apy_slacks: felt,
    shares: felt,
    volatility_sum: felt,
    diversified: felt,
    // Written by a hint.
    utilisation_quotient: felt,
    volatility_quotient: felt,
    novelty_quotient: felt,
    is_diversified: felt,
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
    word0_top: felt,
    word0_upper: felt,
    word0_shifted: felt,
    word0: felt,
    word1_top: felt,
    word1_upper: felt,
    word1_shifted: felt,
    word1: felt,
    utilisation_slack: felt,
    utilisation_floor: felt,
    utilisation_rest: felt,
    utilisation_rest_slack: felt,
    utilisation_product: felt,
    utilisation_entry: felt*,
    utilisation_term: felt,
    volatility_slack: felt,
    volatility_floor: felt,
    volatility_rest: felt,
    volatility_rest_slack: felt,
    volatility_product: felt,
    liquidity_entry: felt*,
    liquidity_term: felt,
    liquidity_slack: felt,
    liquidity_product: felt,
    audit_entry: felt*,
    audit_term: felt,
    audit_slack: felt,
    audit_product: felt,
    age_slack: felt,
    age_scaled: felt,
    novelty_floor: felt,
    novelty_sum: felt,
    novelty_rest: felt,
    novelty_rest_slack: felt,
    novelty_product: felt,
    novelty_entry: felt*,
    novelty_term: felt,
    sum1: felt*,
    sum2: felt*,
    sum3: felt*,
    sum4: felt*,
    clamp_entry: felt*,
    score: felt,
    apy_slack: felt,
    scaled_apy: felt,
    divisor: felt,
    weight_part: felt,
    weight_other_part: felt,
    weight: felt,
    weight_floor: felt,
    weight_rest: felt,
    weight_rest_slack: felt,
    weight_product: felt,
    share: felt,
    scaled_weight: felt,
    share_floor: felt,
    share_rest: felt,
    share_rest_slack: felt,
    share_product: felt,
    share_part: felt,
    share_other_part: felt,
    single_slack: felt,
    above: felt,
    weighted_volatility: felt,
}

// Decides the records from `out` on, `left` of them.
func decide(left, tables: felt*, out: felt*, pedersen: felt*, checked: felt*) -> (
    out: felt*, pedersen: felt*, checked: felt*
) {
    alloc_locals;
    if (left == 0) {
        return (out=out, pedersen=pedersen, checked=checked);
    }
    local verdict = out[VERDICT];
    local chain_id = out[CHAIN_ID];
    local allocator = out[ALLOCATOR];
    local nonce = out[NONCE];
    local version = out[VERSION];
    local max_single = out[MAX_SINGLE];
    local max_volatility = out[MAX_VOLATILITY];
    local min_diversification = out[MIN_DIVERSIFICATION];
    local min_liquidity = out[MIN_LIQUIDITY];
    local n = out[ROW_COUNT];
    assert version = MODEL_VERSION;

    // The identity; the rows bind themselves, and what is behind them is at `tail`.
    local chain_start = pedersen[0];
    assert chain_start = CHAIN_START;
    assert chain_id = pedersen[1];
    local link0 = pedersen[2];
    assert link0 = pedersen[3];
    assert allocator = pedersen[4];
    local link1 = pedersen[5];
    assert link1 = pedersen[6];
    assert nonce = pedersen[7];
    local link2 = pedersen[8];
    assert link2 = pedersen[9];
    local word0_top = min_diversification * LIMB;
    local word0_upper = word0_top + max_volatility;
    local word0_shifted = word0_upper * LIMB;
    local word0 = word0_shifted + max_single;
    assert word0 = pedersen[10];
    local link3 = pedersen[11];
    assert link3 = pedersen[12];
    local word1_upper = n + MODEL_VERSION * LIMB;
    local word1_shifted = word1_upper * LIMB;
    local word1 = word1_shifted + min_liquidity;
    assert word1 = pedersen[13];

    // A verdict is the first failure: what comes before it holds, what comes after it is not looked at.
    local single_cap;
    local idle_cap;
    local liquidity_cap;
    local silent_checked: felt*;
    jmp rejected if verdict != 0;
    assert single_cap = max_single;
    assert idle_cap = max_single;
    assert liquidity_cap = min_liquidity;

    bounds:
    // The bounds of the constraints that nothing below implies. If a row has a share and none is above max_single, then
    // max_single is not negative; if the weighted volatility is within its limit, neither is the limit; and no more rows
    // can be diversified than there are, nor more than ten. The other verdicts are in `rejected_bounds`.
    // The number of rows is small, because the loop over them comes to its end.
    local k30 = 30;
    local k3 = 3;
    local k10000 = 10000;
    local rows_beyond_two;
    local rows_missing;
    assert n = rows_beyond_two + 2;
    assert k30 = rows_beyond_two + rows_missing;
    local rows_product = checked[0];
    assert rows_product = rows_beyond_two * rows_missing;
    local single_slack = checked[1];
    assert k10000 = max_single + single_slack;
    local volatility_slack = checked[2];
    assert k10000 = max_volatility + volatility_slack;
    local diversification_less_one = checked[3];
    assert min_diversification = diversification_less_one + 1;
    // x (3 - x) is 0 or 2 for 0 ... 3, and for no other x.
    local liquidity_slack;
    assert k3 = min_liquidity + liquidity_slack;
    local liquidity_product = min_liquidity * liquidity_slack;
    local liquidity_square = liquidity_product * liquidity_product;
    assert liquidity_square = liquidity_product * 2;

    // Two rows are one pair.
    jmp many_rows if rows_beyond_two != 0;
    local first_protocol = out[ROWS];
    local second_protocol = out[ROWS + ROW];
    local difference = first_protocol - second_protocol;
    jmp distinct if difference != 0;
    assert 0 = 1;

    distinct:
    jmp shared if idle_cap != 0;
    assert verdict = 2;
    rejected_bounds(n, max_single, max_volatility, min_diversification, checked + 4);
    let (barren_end: felt*) = barren_rows(n, out + ROWS, checked + 8);
    assert silent_checked = barren_end;
    jmp silent;

    shared:
    // The total weight is a hint, and compared with the sum by the rows. Numbers with more than 16 bits are one checked
    // number, or the sum of two: any x below 2^128 is a sum of two numbers with 16-bit parts of at most 2^15, and so the
    // parts of an ordinary proposal span little more than 2^15 values, which 4096 steps can hold.
    local total;
    local is_wide;
    %{
        ids.total = program_input['totals'][ids.left - 1]
        ids.is_wide = program_input['is_wide']
    %}
    local total_less_one;
    assert total = total_less_one + 1;
    local k72 = 72;
    local k100 = 100;
    local k249 = 249;
    local k399 = 399;
    local k657 = 657;
    local k1000000 = 1000000;

    local bound_slack;
    local margin;
    let first = cast(ap, RowFrame*);
    if (is_wide == 0) {
        local bound_part = checked[4];
        local bound_other_part = checked[7];
        assert bound_slack = bound_part + bound_other_part;
        local margin_part = checked[6];
        local margin_other_part = checked[8];
        assert margin = margin_part + margin_other_part;
        assert first.checked = checked + 9;
    } else {
        assert bound_slack = checked[4];
        assert margin = checked[6];
        assert first.checked = checked + 7;
    }
    assert first.row = out + ROWS;
    assert first.pedersen = pedersen + HEADER_PEDERSEN;
    assert first.left = n;
    assert first.weights = total;
    assert first.apy_slacks = 0;
    assert first.shares = 0;
    assert first.volatility_sum = 0;
    assert first.diversified = 0;
    ap += RowFrame.SIZE;

    row:
    let f = cast(ap - RowFrame.SIZE, RowFrame*);
    let next = cast(ap, RowFrame*);
    let hinted = cast(ap - RowFrame.SIZE + RowFrame.utilisation_quotient, felt*);
    let rows_left = [ap - RowFrame.SIZE + RowFrame.left];
    %{ segments.load_data(ids.hinted, program_input['rows'][ids.left - 1][ids.rows_left - 1]) %}
    // The row, and its part of the Pedersen chain.
    assert f.protocol = f.row[0];
    assert f.utilisation = f.row[1];
    assert f.volatility = f.row[2];
    assert f.liquidity = f.row[3];
    assert f.audit = f.row[4];
    assert f.age = f.row[5];
    assert f.apy = f.row[6];
    assert f.link0 = f.pedersen[-1];
    assert f.link0 = f.pedersen[0];
    assert f.protocol = f.pedersen[1];
    assert f.link1 = f.pedersen[2];
    assert f.link1 = f.pedersen[3];
    assert f.word0_top = f.liquidity * LIMB;
    assert f.word0_upper = f.word0_top + f.volatility;
    assert f.word0_shifted = f.word0_upper * LIMB;
    assert f.word0 = f.word0_shifted + f.utilisation;
    assert f.word0 = f.pedersen[4];
    assert f.link2 = f.pedersen[5];
    assert f.link2 = f.pedersen[6];
    assert f.word1_top = f.apy * LIMB;
    assert f.word1_upper = f.word1_top + f.age;
    assert f.word1_shifted = f.word1_upper * LIMB;
    assert f.word1 = f.word1_shifted + f.audit;
    assert f.word1 = f.pedersen[7];

    // floor(25 u / 10000) = floor(u / 400): u = 400 q + r with 0 <= r <= 399; and u <= 10000. The table gives q back: at an
    // address, so that q is small.
    assert f.utilisation = f.checked[0];
    assert f.utilisation_slack = f.checked[1];
    assert k10000 = f.utilisation + f.utilisation_slack;
    assert f.utilisation_floor = f.utilisation_quotient * 400;
    assert f.utilisation = f.utilisation_floor + f.utilisation_rest;
    assert k399 = f.utilisation_rest + f.utilisation_rest_slack;
    assert f.utilisation_product = f.checked[2];
    assert f.utilisation_product = f.utilisation_rest * f.utilisation_rest_slack;
    assert f.utilisation_entry = tables + f.utilisation_quotient;
    assert f.utilisation_term = f.utilisation_entry[TERM_TABLE];

    // floor(40 v / 10000) = floor(v / 250). This quotient is small because the sum of the terms is, an address too, and the
    // other terms are.
    assert f.volatility = f.checked[3];
    assert f.volatility_slack = f.checked[4];
    assert k10000 = f.volatility + f.volatility_slack;
    assert f.volatility_floor = f.volatility_quotient * 250;
    assert f.volatility = f.volatility_floor + f.volatility_rest;
    assert k249 = f.volatility_rest + f.volatility_rest_slack;
    assert f.volatility_product = f.checked[5];
    assert f.volatility_product = f.volatility_rest * f.volatility_rest_slack;

    // Liquidity class 0 ... 3, with a share at most liquidity_cap, and audit mark 0 ... 100 by table.
    assert f.share = f.row[8];
    if (f.share == 0) {
        assert k3 = f.liquidity + f.liquidity_slack;
    } else {
        assert liquidity_cap = f.liquidity + f.liquidity_slack;
    }
    assert f.liquidity_product = f.checked[6];
    assert f.liquidity_product = f.liquidity * f.liquidity_slack;
    assert f.liquidity_entry = tables + f.liquidity;
    assert f.liquidity_term = f.liquidity_entry[LIQUIDITY_TABLE];
    assert k100 = f.audit + f.audit_slack;
    assert f.audit_product = f.checked[7];
    assert f.audit_product = f.audit * f.audit_slack;
    assert f.audit_entry = tables + f.audit;
    assert f.audit_term = f.audit_entry[AUDIT_TABLE];

    // floor(10 (730 - d) / 730) = floor((730 - d) / 73) is zero from 658 days on; below, it is the q for which
    // d + 73 q lies in 658 ... 730.
    if (f.novelty_quotient == 0) {
        assert f.age_slack = f.checked[13];
        assert f.age = f.age_slack + 658;
        // d < 2^16, because d 2^112 < 2^128.
        assert f.age_scaled = f.checked[14];
        assert f.age_scaled = f.age * 2 ** 112;
        assert f.novelty_term = 0;
    } else {
        assert f.age = f.checked[13];
        assert f.age_slack = f.checked[14];
        assert k657 = f.age + f.age_slack;
        assert f.novelty_floor = f.novelty_quotient * 73;
        assert f.novelty_sum = f.age + f.novelty_floor;
        assert f.novelty_sum = f.novelty_rest + 658;
        assert k72 = f.novelty_rest + f.novelty_rest_slack;
        assert f.novelty_product = f.checked[15];
        assert f.novelty_product = f.novelty_rest * f.novelty_rest_slack;
        assert f.novelty_entry = tables + f.novelty_quotient;
        assert f.novelty_term = f.novelty_entry[TERM_TABLE];
    }

    // The terms sum to at most 25 + 40 + 30 + 30 + 10 = 135; the clamp is a table of 136 entries.
    assert f.sum1 = tables + f.utilisation_term;
    assert f.sum2 = f.sum1 + f.volatility_quotient;
    assert f.sum3 = f.sum2 + f.liquidity_term;
    assert f.sum4 = f.sum3 + f.audit_term;
    assert f.clamp_entry = f.sum4 + f.novelty_term;
    assert f.score = f.clamp_entry[0];
    assert f.score = f.row[7];

    // weight = floor(10000 apy / (score + 1)), apy <= 1000000. That neither is 2^64 or more below its bound is shown for
    // all rows together, behind them. apy is not negative, because neither the weight nor its rest is.
    assert f.apy_slack = f.checked[8];
    assert k1000000 = f.apy + f.apy_slack;
    assert next.apy_slacks = f.apy_slacks + f.apy_slack;
    if (is_wide == 0) {
        assert f.weight_part = f.checked[12];
        assert f.weight_other_part = f.checked[16];
        assert f.weight = f.weight_part + f.weight_other_part;
        assert next.checked = f.checked + 19;
    } else {
        assert f.weight = f.checked[12];
        assert next.checked = f.checked + 17;
    }
    assert f.scaled_apy = f.apy * 10000;
    assert f.divisor = f.score + 1;
    assert f.weight_floor = f.weight * f.divisor;
    assert f.scaled_apy = f.weight_floor + f.weight_rest;
    assert f.score = f.weight_rest + f.weight_rest_slack;
    assert f.weight_product = f.checked[9];
    assert f.weight_product = f.weight_rest * f.weight_rest_slack;

    // share = floor(10000 weight / total); the last row with a weight gets the rest: any number in range here, pinned
    // by the sum of all shares after the loop. Behind it there are no shares.
    assert f.weights = next.weights + f.weight;
    if (next.weights == 0) {
        if (f.weight == 0) {
            assert f.share = 0;
        }
    } else {
        assert f.scaled_weight = f.weight * 10000;
        assert f.share_floor = f.share * total;
        assert f.scaled_weight = f.share_floor + f.share_rest;
        assert total_less_one = f.share_rest + f.share_rest_slack;
        if (is_wide == 0) {
            assert f.share_part = f.checked[17];
            assert f.share_other_part = f.checked[18];
            assert f.share_product = f.share_part + f.share_other_part;
        } else {
            assert f.share_product = f.checked[16];
        }
        assert f.share_product = f.share_rest * f.share_rest_slack;
    }

    // 1000 <= share <= single_cap, or share <= idle_cap. A share is small, and so is what its floor leaves: no share is above
    // 10000, and they sum to that.
    assert f.single_slack = f.checked[10];
    if (f.is_diversified == 0) {
        assert idle_cap = f.share + f.single_slack;
        assert next.diversified = f.diversified;
    } else {
        assert f.above = f.checked[11];
        assert single_cap = f.share + f.single_slack;
        assert f.share = f.above + 1000;
        assert next.diversified = f.diversified + 1;
    }
    assert f.weighted_volatility = f.share * f.volatility;

    assert next.volatility_sum = f.volatility_sum + f.weighted_volatility;
    assert next.shares = f.shares + f.share;
    assert next.row = f.row + ROW;
    assert next.pedersen = f.pedersen + ROW_PEDERSEN;
    assert next.left = f.left - 1;
    ap += RowFrame.SIZE;
    jmp row if [ap - RowFrame.SIZE + RowFrame.left] != 0;

    let last = cast(ap - RowFrame.SIZE, RowFrame*);
    assert last.weights = 0;
    assert last.shares = 10000;
    // The weights and the slacks of the yields, none of them negative, are together at most 2^64.
    local bounded = total + last.apy_slacks;
    local bound = bounded + bound_slack;
    assert bound = LIMB;
    jmp rejected_shares if verdict != 0;
    // floor(volatility_sum / 10000) <= max_volatility if and only if volatility_sum <= 10000 max_volatility + 9999.
    local surplus = checked[5];
    assert last.diversified = min_diversification + surplus;
    local limit = max_volatility * 10000;
    local volatility_limit = limit + 9999;
    assert volatility_limit = last.volatility_sum + margin;

    tail:
    let end = cast(ap - RowFrame.SIZE, RowFrame*);
    local link4 = [end.pedersen - 1];
    assert link4 = end.pedersen[0];
    local row_elements = n * ROW_ELEMENTS;
    local length = row_elements + HEADER_ELEMENTS;
    assert length = end.pedersen[1];
    local id = end.pedersen[2];
    assert id = out[ID];
    return decide(left - 1, tables, end.row, end.pedersen + 3, end.checked - 1);

    many_rows:
    distinct_rows(n, out + ROWS);
    jmp distinct;

    // A verdict other than accepted: which bounds the rows are held to.
    rejected:
    if (verdict == 1) {
        assert silent_checked = checked + 5;
        out_of_range(n, out, checked);
        jmp silent;
    }
    if (verdict == 2) {
        assert idle_cap = 0;
        jmp bounds;
    }
    assert liquidity_cap = 3;
    if (verdict == 3) {
        assert single_cap = 10000;
        assert idle_cap = 10000;
        jmp bounds;
    }
    assert single_cap = max_single;
    if (verdict == 4) {
        // Both min(max_single, 999): the second bound is in `rejected_shares`.
        local idle_slack = checked[6];
        assert max_single = idle_cap + idle_slack;
        jmp bounds;
    }
    assert idle_cap = max_single;
    jmp bounds;

    rejected_shares:
    let over = cast(ap - RowFrame.SIZE, RowFrame*);
    local over_row: felt* = over.row;
    local over_pedersen: felt* = over.pedersen;
    local more: felt* = over.checked - 1;
    local diversified = over.diversified;
    local volatility_sum = over.volatility_sum;
    local over_limit = max_volatility * 10000 + 9999;
    rejected_bounds(n, max_single, max_volatility, min_diversification, more);
    if (verdict == 4) {
        assert checked[5] = min_diversification - 1 - diversified;
        assert more[4] = 999 - idle_cap;
        jmp rejected_end;
    }
    if (verdict == 5) {
        assert checked[5] = diversified - min_diversification;
        assert margin = volatility_sum - over_limit - 1;
        jmp rejected_end;
    }
    // What is left fails at one row, whose index is more[4].
    local index = more[4];
    assert more[5] = n - 1 - index;
    local failing: felt* = out + ROWS + ROW * index;
    if (verdict == 3) {
        assert checked[5] = failing[8] - max_single - 1;
        jmp rejected_end;
    }
    assert verdict = 6;
    assert checked[5] = diversified - min_diversification;
    assert margin = over_limit - volatility_sum;
    assert more[6] = failing[8] - 1;
    assert more[7] = failing[3] - min_liquidity - 1;

    rejected_end:
    let rejected_next = cast(ap, RowFrame*);
    assert rejected_next.row = over_row;
    assert rejected_next.pedersen = over_pedersen;
    assert rejected_next.checked = more + 9;
    ap += RowFrame.SIZE;
    jmp tail;

    // Neither scored nor shared, with verdict 1 or 2.
    silent:
    let (silent_rows_checked: felt*) = small_numbers(4, out + MAX_SINGLE, silent_checked);
    let (row_end, pedersen_end, checked_end) = silent_rows(
        n, out + ROWS, pedersen + HEADER_PEDERSEN, silent_rows_checked
    );
    local silent_row: felt* = row_end;
    local silent_pedersen: felt* = pedersen_end;
    local silent_end: felt* = checked_end;
    let silent_next = cast(ap, RowFrame*);
    assert silent_next.row = silent_row;
    assert silent_next.pedersen = silent_pedersen;
    assert silent_next.checked = silent_end + 1;
    ap += RowFrame.SIZE;
    jmp tail;
}

// What the verdict accepted implies, and no other.
func rejected_bounds(n, max_single, max_volatility, min_diversification, checked: felt*) {
    assert checked[0] = max_single;
    assert checked[1] = max_volatility;
    assert checked[2] = n - min_diversification;
    assert checked[3] = 10 - min_diversification;
    return ();
}

// Numbers of a word that are held to no other bound are below 2^64.
func small_numbers(left, number: felt*, checked: felt*) -> (checked: felt*) {
    if (left == 0) {
        return (checked=checked);
    }
    assert checked[0] = number[0];
    assert checked[1] = number[0] * LIMB;
    return small_numbers(left - 1, number + 1, checked + 2);
}

// Rows that are neither scored nor shared: bound to the identity, scores and shares zero.
func silent_rows(n, row: felt*, pedersen: felt*, checked: felt*) -> (
    row: felt*, pedersen: felt*, checked: felt*
) {
    alloc_locals;
    if (n == 0) {
        return (row=row, pedersen=pedersen, checked=checked);
    }
    assert pedersen[0] = [pedersen - 1];
    assert pedersen[1] = row[0];
    assert pedersen[3] = pedersen[2];
    assert pedersen[4] = (row[3] * LIMB + row[2]) * LIMB + row[1];
    assert pedersen[6] = pedersen[5];
    assert pedersen[7] = (row[6] * LIMB + row[5]) * LIMB + row[4];
    assert row[7] = 0;
    assert row[8] = 0;
    let (checked) = small_numbers(6, row + 1, checked);
    return silent_rows(n - 1, row + ROW, pedersen + ROW_PEDERSEN, checked);
}

// Rows in range without yield. A weight is zero if and only if the yield is: 10000 apy >= score + 1 otherwise.
func barren_rows(n, row: felt*, checked: felt*) -> (checked: felt*) {
    if (n == 0) {
        return (checked=checked);
    }
    // Neither is below zero: see `small_numbers`.
    assert checked[0] = 10000 - row[1];
    assert checked[1] = 10000 - row[2];
    assert checked[2] = 3 - row[3];
    assert checked[3] = 100 - row[4];
    assert checked[4] = row[5] * 2 ** 112;
    assert row[6] = 0;
    return barren_rows(n - 1, row + ROW, checked + 5);
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

// Sum of the terms clamped to 5 ... 95; liquidity class to term; floor(3 (100 - mark) / 10) by audit mark; a quotient as
// itself, up to the highest that there is.
score_tables:
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
dw 0;
dw 1;
dw 2;
dw 3;
dw 4;
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
