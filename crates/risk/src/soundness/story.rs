//! A liar's witness: computed as the honest one is, with one lie told on the way and everything after it consistent.
//!
//! A number that the lie makes negative, and that the range check would refuse for it, is written as zero. So a lie
//! breaks the one equation that stands against it, and no other.

use ashlar_field::Felt;
use ashlar_hash::pedersen;

use super::program::{COMPILED, Table};
use crate::{
    DOMAIN_TAG, Proposal, Verdict, decide,
    witness::{Hints, RowHints, Width, Witness},
};

/// 2⁶⁴, the radix of a word.
const LIMB: i128 = 1 << 64;

/// A number below zero is the element p − |x|.
fn felt(value: i128) -> Felt {
    let magnitude = Felt::from_u128(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

/// Three numbers in one element, wherever they lead: at 2⁶⁴ and more, or below zero, they leave their places.
fn word(low: Felt, middle: Felt, high: Felt) -> Felt {
    low + felt(LIMB) * (middle + felt(LIMB) * high)
}

/// What the output says of a proposal. Here a number may be one that no proposal has.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) chain_id: Felt,
    pub(super) allocator: Felt,
    pub(super) nonce: i128,
    pub(super) version: i128,
    pub(super) max_single: i128,
    pub(super) max_volatility: i128,
    pub(super) min_diversification: i128,
    pub(super) min_liquidity: i128,
    /// The number of rows that is claimed.
    pub(super) n: i128,
    pub(super) rows: Vec<ClaimedRow>,
}

/// A row as the output says it.
#[derive(Clone)]
pub(super) struct ClaimedRow {
    pub(super) protocol: Felt,
    pub(super) utilisation: i128,
    pub(super) volatility: i128,
    pub(super) liquidity: i128,
    pub(super) audit: i128,
    pub(super) age: Felt,
    pub(super) apy: i128,
}

impl Claim {
    /// The truth about a proposal.
    pub(super) fn of(proposal: &Proposal) -> Claim {
        let number = |value: u64| i128::from(value);
        let rows = proposal.rows.iter().map(|row| ClaimedRow {
            protocol: row.protocol_id,
            utilisation: number(row.utilisation),
            volatility: number(row.volatility),
            liquidity: number(row.liquidity),
            audit: number(row.audit),
            age: Felt::from_u64(row.age),
            apy: number(row.apy),
        });
        Claim {
            chain_id: proposal.chain_id,
            allocator: proposal.allocator,
            nonce: number(proposal.nonce),
            version: number(proposal.model_version),
            max_single: number(proposal.constraints.max_single),
            max_volatility: number(proposal.constraints.max_volatility),
            min_diversification: number(proposal.constraints.min_diversification),
            min_liquidity: number(proposal.constraints.min_liquidity),
            n: number(proposal.rows.len() as u64),
            rows: rows.collect(),
        }
    }

    /// The record before its rows, without identity and verdict.
    fn header(&self) -> Vec<Felt> {
        let numbers = [
            self.nonce,
            self.version,
            self.max_single,
            self.max_volatility,
            self.min_diversification,
            self.min_liquidity,
            self.n,
        ];
        [self.chain_id, self.allocator].into_iter().chain(numbers.map(felt)).collect()
    }

    /// What is hashed behind the domain tag, the number of elements not included.
    fn hashed(&self) -> Vec<Felt> {
        let mut hashed = vec![
            self.chain_id,
            self.allocator,
            felt(self.nonce),
            word(felt(self.max_single), felt(self.max_volatility), felt(self.min_diversification)),
            word(felt(self.min_liquidity), felt(self.n), felt(self.version)),
        ];
        for row in &self.rows {
            let [utilisation, volatility, liquidity, audit, age, apy] = row.numbers();
            hashed.extend([row.protocol, word(utilisation, volatility, liquidity), word(audit, age, apy)]);
        }
        hashed
    }
}

impl ClaimedRow {
    /// The six numbers in the order of the record.
    fn numbers(&self) -> [Felt; 6] {
        let [utilisation, volatility, liquidity, audit, apy] =
            [self.utilisation, self.volatility, self.liquidity, self.audit, self.apy].map(felt);
        [utilisation, volatility, liquidity, audit, self.age, apy]
    }
}

/// Which verdict is claimed, and what is said to prove it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// Out of range: the kind, and the numbers after it.
    OutOfRange([i128; 5]),
    /// No row has a yield.
    NothingToShare,
    /// Any verdict on shares.
    Shared {
        /// Its number.
        verdict: i128,
        /// The row that is said to fail, where one is.
        index: i128,
    },
}

impl Told {
    /// The truth about a proposal.
    pub(super) fn of(proposal: &Proposal) -> Told {
        let decision = decide(proposal).unwrap();
        let constraints = &proposal.constraints;
        let failing = |row: usize| match decision.verdict {
            Verdict::MaxSingle => decision.shares[row] > constraints.max_single,
            Verdict::Liquidity => {
                decision.shares[row] > 0 && proposal.rows[row].liquidity > constraints.min_liquidity
            }
            _ => true,
        };
        match decision.verdict {
            Verdict::InputOutOfRange => {
                let honest = Witness::new(std::slice::from_ref(proposal), Width::Wide).unwrap();
                let number = |cell: usize| i128::from(honest.checked[cell].to_u64().unwrap());
                Told::OutOfRange([0, 1, 2, 3, 4].map(number))
            }
            Verdict::NothingToShare => Told::NothingToShare,
            verdict => Told::Shared {
                verdict: i128::from(verdict.number()),
                index: (0..proposal.rows.len()).find(|&row| failing(row)).unwrap() as i128,
            },
        }
    }

    fn number(self) -> i128 {
        match self {
            Told::OutOfRange(_) => 1,
            Told::NothingToShare => 2,
            Told::Shared { verdict, .. } => verdict,
        }
    }
}

/// When the lie is told: what is computed later follows from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the inputs are hashed.
    Hash,
    /// After the terms of the scores.
    Terms,
    /// After the weights.
    Weights,
    /// After their sum.
    Total,
    /// After the shares.
    Shares,
    /// After all else.
    Output,
}

/// The numbers of a row.
#[derive(Clone, Default)]
pub(super) struct Line {
    /// Quotient and rest of the utilisation by 400.
    pub(super) utilisation: [i128; 2],
    /// Quotient and rest of the volatility by 250.
    pub(super) volatility: [i128; 2],
    /// The quotient of the missing days by 73, and how many days the age and as many times 73 are above 658.
    pub(super) novelty: [i128; 2],
    pub(super) score: i128,
    /// Quotient and rest of 10000 · apy by the score plus one.
    pub(super) weight: [i128; 2],
    /// Quotient and rest of 10000 · weight by the total.
    pub(super) share: [i128; 2],
    pub(super) is_diversified: bool,
}

/// Everything that a witness is made of.
pub(super) struct Account {
    claim: Claim,
    told: Told,
    width: Width,
    /// The domain tag.
    pub(super) start: Felt,
    /// What is hashed: the inputs and their number.
    pub(super) hashed: Vec<Felt>,
    /// A hash that does not begin where the one before it ended: its index and what is added to its state.
    pub(super) broken_link: Option<(usize, Felt)>,
    pub(super) lines: Vec<Line>,
    pub(super) total: i128,
    /// What the rows are held to that do not count as diversification, where too few do.
    pub(super) idle_cap: i128,
    pub(super) output: Vec<Felt>,
    checked: Vec<Felt>,
}

/// What a lie does to the numbers computed so far.
type Lie = Box<dyn Fn(&mut Account)>;

/// A claim, the verdict on it, and the lie.
pub(super) struct Story {
    claim: Claim,
    told: Told,
    width: Width,
    lie: Option<(Stage, Lie)>,
}

impl Story {
    /// What is claimed of a proposal, true or false, told without a further lie.
    pub(super) fn new(claim: Claim, told: Told) -> Story {
        Story { claim, told, width: Width::Wide, lie: None }
    }

    /// Tells it with numbers of this width.
    pub(super) fn in_width(mut self, width: Width) -> Story {
        self.width = width;
        self
    }

    /// Any verdict on shares.
    pub(super) fn shared(claim: Claim, verdict: i128, index: i128) -> Story {
        Story::new(claim, Told::Shared { verdict, index })
    }

    /// Tells a lie.
    pub(super) fn lying(mut self, stage: Stage, lie: impl Fn(&mut Account) + 'static) -> Story {
        self.lie = Some((stage, Box::new(lie)));
        self
    }

    /// The witness.
    pub(super) fn tell(self) -> Witness {
        let mut hashed = self.claim.hashed();
        hashed.push(felt(hashed.len() as i128 + 1));
        let mut account = Account {
            lines: vec![Line::default(); self.claim.rows.len()],
            idle_cap: self.claim.max_single.min(999),
            claim: self.claim,
            told: self.told,
            width: self.width,
            start: DOMAIN_TAG,
            hashed,
            broken_link: None,
            total: 0,
            output: Vec::new(),
            checked: Vec::new(),
        };
        let at = |stage: Stage, account: &mut Account| match &self.lie {
            Some((told_at, lie)) if *told_at == stage => lie(account),
            _ => {}
        };
        at(Stage::Hash, &mut account);
        let pedersen = account.chain();
        if let Told::Shared { .. } = account.told {
            account.terms();
            at(Stage::Terms, &mut account);
            account.weights();
            at(Stage::Weights, &mut account);
            account.total = account.lines.iter().map(|line| line.weight[0]).sum();
            at(Stage::Total, &mut account);
            account.shares();
            at(Stage::Shares, &mut account);
        }
        account.check();
        account.say(pedersen.last().copied().unwrap());
        at(Stage::Output, &mut account);
        let row_hints = |line: &Line| RowHints {
            quotients: [line.utilisation[0], line.volatility[0], line.novelty[0]].map(felt),
            is_diversified: felt(line.is_diversified.into()),
        };
        let hints = Hints { total: felt(account.total), rows: account.lines.iter().map(row_hints).collect() };
        Witness {
            width: account.width,
            proposals: 1,
            output: account.output,
            pedersen,
            checked: account.checked,
            hints: vec![hints],
        }
    }
}

impl Account {
    /// The Pedersen instances. Each is a true hash: the builtin leaves no choice.
    fn chain(&self) -> Vec<Felt> {
        let mut cells = Vec::new();
        let mut state = pedersen::hash(Felt::ZERO, self.start);
        for (index, &input) in self.hashed.iter().enumerate() {
            if let Some((_, difference)) = self.broken_link.filter(|(broken, _)| *broken == index) {
                state += difference;
            }
            let result = pedersen::hash(state, input);
            cells.extend([state, input, result]);
            state = result;
        }
        cells
    }

    fn terms(&mut self) {
        for (line, row) in self.lines.iter_mut().zip(&self.claim.rows) {
            line.utilisation = [row.utilisation.div_euclid(400), row.utilisation.rem_euclid(400)];
            line.volatility = [row.volatility.div_euclid(250), row.volatility.rem_euclid(250)];
            let age = small(row.age);
            line.novelty = [0, 0];
            if age < 658 {
                let quotient = (730 - age) / 73;
                line.novelty = [quotient, age + 73 * quotient - 658];
            }
        }
    }

    fn weights(&mut self) {
        let entry = |table, index| COMPILED.entry(table, index).unwrap();
        for (line, row) in self.lines.iter_mut().zip(&self.claim.rows) {
            let novelty = line.novelty[0];
            let sum = entry(Table::Term, line.utilisation[0])
                + line.volatility[0]
                + entry(Table::Liquidity, row.liquidity)
                + entry(Table::Audit, row.audit)
                + if novelty == 0 { 0 } else { entry(Table::Term, novelty) };
            line.score = entry(Table::Clamp, sum);
            let divisor = line.score + 1;
            line.weight = [10_000 * row.apy / divisor, 10_000 * row.apy % divisor];
        }
    }

    /// Index of the last row with a weight.
    fn last(&self) -> Option<usize> {
        self.lines.iter().rposition(|line| line.weight[0] > 0)
    }

    fn shares(&mut self) {
        let Some(last) = self.last() else { return };
        for line in &mut self.lines {
            let scaled = 10_000 * line.weight[0];
            line.share = [scaled / self.total, scaled % self.total];
        }
        let others: i128 =
            self.lines.iter().enumerate().filter(|(i, _)| *i != last).map(|(_, line)| line.share[0]).sum();
        self.lines[last].share[0] = 10_000 - others;
        for line in &mut self.lines {
            line.is_diversified = line.share[0] >= 1000;
        }
    }

    fn push(&mut self, values: impl IntoIterator<Item = i128>) {
        self.checked.extend(values.into_iter().map(|value| in_range(felt(value))));
    }

    fn check(&mut self) {
        let claim = self.claim.clone();
        if let Told::OutOfRange(numbers) = self.told {
            self.push(numbers);
            self.check_small_numbers(&claim);
            return;
        }
        self.push([
            (claim.n - 2) * (32 - claim.n),
            10_000 - claim.max_single,
            10_000 - claim.max_volatility,
            claim.min_diversification - 1,
        ]);
        if let Told::Shared { verdict, index } = self.told {
            self.check_shares(&claim, verdict, index);
            return;
        }
        self.check_rejected_bounds(&claim);
        for row in &claim.rows {
            self.push([
                10_000 - row.utilisation,
                10_000 - row.volatility,
                3 - row.liquidity,
                100 - row.audit,
            ]);
            self.checked.push(in_range(age_shifted(row.age)));
        }
        self.check_small_numbers(&claim);
    }

    fn check_rejected_bounds(&mut self, claim: &Claim) {
        let rows_above = claim.n - claim.min_diversification;
        self.push([claim.max_single, claim.max_volatility, rows_above, 10 - claim.min_diversification]);
    }

    fn check_small_numbers(&mut self, claim: &Claim) {
        let header = [claim.max_single, claim.max_volatility, claim.min_diversification, claim.min_liquidity]
            .map(felt);
        let numbers = header.into_iter().chain(claim.rows.iter().flat_map(ClaimedRow::numbers));
        self.checked.extend(numbers.flat_map(|number| [number, number * felt(LIMB)].map(in_range)));
    }

    fn check_shares(&mut self, claim: &Claim, verdict: i128, index: i128) {
        let idle = self.idle_cap;
        let (single_cap, idle_cap, liquidity_cap) = match verdict {
            0 => (claim.max_single, claim.max_single, claim.min_liquidity),
            3 => (10_000, 10_000, 3),
            4 => (claim.max_single, idle, 3),
            _ => (claim.max_single, claim.max_single, 3),
        };
        let slacks: i128 = claim.rows.iter().map(|row| (1_000_000 - row.apy).max(0)).sum();
        let bound = LIMB - self.total - slacks;
        let diversified = self.lines.iter().filter(|line| line.is_diversified).count() as i128;
        let sum: i128 =
            claim.rows.iter().zip(&self.lines).map(|(row, line)| row.volatility * line.share[0]).sum();
        let limit = 10_000 * claim.max_volatility + 9_999;
        let surplus = diversified - claim.min_diversification;
        let place = usize::try_from(index).unwrap();
        let share = self.lines.get(place).map_or(0, |line| line.share[0]);
        let liquidity = claim.rows.get(place).map_or(0, |row| row.liquidity);
        let (first, margin) = match verdict {
            3 => (share - claim.max_single - 1, 0),
            4 => (claim.min_diversification - 1 - diversified, claim.max_single - idle),
            5 => (surplus, sum - limit - 1),
            _ => (surplus, limit - sum),
        };
        match self.width {
            Width::Wide => self.push([bound, first, margin]),
            Width::Narrow => {
                let ([bound, bound_other], [margin, margin_other]) = (halves(bound), halves(margin));
                self.push([bound, first, margin, bound_other, margin_other]);
            }
        }
        self.check_rows(claim, single_cap, idle_cap, liquidity_cap);
        if verdict == 0 {
            return;
        }
        self.check_rejected_bounds(claim);
        let place = [index, claim.n - 1 - index];
        self.push(match verdict {
            3 => [place[0], place[1], 0, 0],
            4 => [999 - idle, 0, 0, 0],
            5 => [0; 4],
            _ => [place[0], place[1], share - 1, liquidity - claim.min_liquidity - 1],
        });
    }

    fn check_rows(&mut self, claim: &Claim, single_cap: i128, idle_cap: i128, liquidity_cap: i128) {
        let mut behind = self.total;
        for (index, row) in claim.rows.iter().enumerate() {
            let line = self.lines[index].clone();
            behind -= line.weight[0];
            let share = line.share[0];
            let class_limit = if share == 0 { 3 } else { liquidity_cap };
            let [weight_part, weight_other] = match self.width {
                Width::Narrow => halves(line.weight[0]),
                Width::Wide => [line.weight[0], 0],
            };
            let block = self.checked.len();
            self.push([
                row.utilisation,
                10_000 - row.utilisation,
                line.utilisation[1] * (399 - line.utilisation[1]),
                row.volatility,
                10_000 - row.volatility,
                line.volatility[1] * (249 - line.volatility[1]),
                row.liquidity * (class_limit - row.liquidity),
                row.audit * (100 - row.audit),
                1_000_000 - row.apy,
                0,
                if line.is_diversified { single_cap } else { idle_cap } - share,
                if line.is_diversified { share - 1000 } else { share },
                weight_part,
            ]);
            let weight_product = felt(line.weight[1]) * felt(line.score - line.weight[1]);
            self.checked[block + 9] = in_range(weight_product);
            let age = small(row.age);
            let [novelty, rest] = line.novelty;
            if novelty == 0 {
                self.push([age - 658]);
                self.checked.extend([in_range(age_shifted(row.age)), Felt::ZERO]);
            } else {
                self.push([age, 657 - age, rest * (72 - rest)]);
            }
            let product = if behind != 0 { line.share[1] * (self.total - 1 - line.share[1]) } else { 0 };
            let is_last = index + 1 == claim.rows.len();
            match self.width {
                Width::Wide if is_last => {}
                Width::Wide => self.push([product]),
                Width::Narrow => {
                    self.push([weight_other]);
                    self.push(halves(product).into_iter().take(if is_last { 1 } else { 2 }));
                }
            }
        }
    }

    fn say(&mut self, identity: Felt) {
        self.output = vec![identity, felt(self.told.number())];
        self.output.extend(self.claim.header());
        for (row, line) in self.claim.rows.iter().zip(&self.lines) {
            self.output.push(row.protocol);
            self.output.extend(row.numbers());
            self.output.extend([line.score, line.share[0]].map(felt));
        }
    }
}

/// An age that is a small number, perhaps below zero.
fn small(age: Felt) -> i128 {
    age.to_u64().map_or_else(|| -i128::from((-age).to_u64().unwrap()), i128::from)
}

fn age_shifted(age: Felt) -> Felt {
    age * Felt::from_u128(1 << 112)
}

/// What the range check lets pass, and zero for what it does not.
fn in_range(value: Felt) -> Felt {
    match value.to_standard_limbs() {
        [_, _, 0, 0] => value,
        _ => Felt::ZERO,
    }
}

/// A number as the sum of two whose 16-bit parts are at most 2¹⁵; zeros for one below zero.
fn halves(value: i128) -> [i128; 2] {
    let value = value.max(0);
    if value <= 1 << 15 {
        return [value, 0];
    }
    let half = (0..7).map(|part| ((value >> (16 * part) & 0xffff) / 2) << (16 * part)).sum();
    [half, value - half]
}
