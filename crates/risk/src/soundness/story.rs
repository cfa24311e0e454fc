//! A liar's witness: computed as the honest one is, with one lie told on the way and everything after it consistent.
//!
//! A number that the lie makes negative, and that the range check would refuse for it, is written as zero. So a lie
//! breaks the one equation that stands against it, and no other.

use ashlar_field::Felt;
use ashlar_hash::{pedersen, poseidon};

use super::program::COMPILED;
use crate::{DOMAIN_TAG, Proposal, Verdict, decide, witness::Witness};

/// A number below zero is the element p − |x|.
fn felt(value: i64) -> Felt {
    Felt::from_i64(value)
}

/// What the output says of a proposal. Here a number may be one that no proposal has.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) chain_id: Felt,
    pub(super) allocator: Felt,
    pub(super) nonce: i64,
    pub(super) version: i64,
    pub(super) max_single: i64,
    pub(super) max_volatility: i64,
    pub(super) min_diversification: i64,
    pub(super) min_liquidity: i64,
    /// The number of rows that is claimed.
    pub(super) n: i64,
    pub(super) rows: Vec<ClaimedRow>,
}

/// A row as the output says it.
#[derive(Clone)]
pub(super) struct ClaimedRow {
    pub(super) protocol: Felt,
    pub(super) utilisation: i64,
    pub(super) volatility: i64,
    pub(super) liquidity: i64,
    pub(super) audit: i64,
    pub(super) age: Felt,
    pub(super) apy: i64,
}

impl Claim {
    /// The truth about a proposal.
    pub(super) fn of(proposal: &Proposal) -> Claim {
        let number = |value: u64| i64::try_from(value).unwrap();
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

    fn inputs(&self) -> Vec<Felt> {
        let mut inputs = vec![self.chain_id, self.allocator];
        inputs.extend(
            [
                self.nonce,
                self.version,
                self.max_single,
                self.max_volatility,
                self.min_diversification,
                self.min_liquidity,
                self.n,
            ]
            .map(felt),
        );
        for row in &self.rows {
            inputs.push(row.protocol);
            inputs.extend([row.utilisation, row.volatility, row.liquidity, row.audit].map(felt));
            inputs.extend([row.age, felt(row.apy)]);
        }
        inputs
    }
}

/// Which verdict is claimed, and what is said to prove it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Told {
    /// Out of range: the kind, and the numbers after it.
    OutOfRange([i64; 5]),
    /// No row has a yield.
    NothingToShare,
    /// Any verdict on shares.
    Shared {
        /// Its number.
        verdict: i64,
        /// The row that is said to fail, where one is.
        index: i64,
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
                let honest = Witness::new(std::slice::from_ref(proposal)).unwrap();
                let number = |cell: usize| honest.checked[cell].to_u64().unwrap() as i64;
                Told::OutOfRange([1, 2, 3, 4, 5].map(number))
            }
            Verdict::NothingToShare => Told::NothingToShare,
            verdict => Told::Shared {
                verdict: verdict.number() as i64,
                index: (0..proposal.rows.len()).find(|&row| failing(row)).unwrap() as i64,
            },
        }
    }

    fn number(self) -> i64 {
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
    pub(super) utilisation: [i64; 2],
    /// Quotient and rest of the volatility by 250.
    pub(super) volatility: [i64; 2],
    pub(super) is_mature: bool,
    /// Quotient and rest of the missing days by 73.
    pub(super) novelty: [i64; 2],
    pub(super) score: i64,
    /// Quotient and rest of 10000 · apy by the score plus one.
    pub(super) weight: [i64; 2],
    /// Quotient and rest of 10000 · weight by the total.
    pub(super) share: [i64; 2],
    pub(super) is_diversified: bool,
}

/// Everything that a witness is made of.
pub(super) struct Account {
    claim: Claim,
    told: Told,
    /// What is hashed: the inputs and their number.
    pub(super) hashed: Vec<Felt>,
    /// A hash that does not begin where the one before it ended: its index and what is added to its state.
    pub(super) broken_link: Option<(usize, Felt)>,
    pub(super) lines: Vec<Line>,
    pub(super) total: i64,
    pub(super) output: Vec<Felt>,
    checked: Vec<Felt>,
}

/// What a lie does to the numbers computed so far.
type Lie = Box<dyn Fn(&mut Account)>;

/// A claim, the verdict on it, and the lie.
pub(super) struct Story {
    claim: Claim,
    told: Told,
    lie: Option<(Stage, Lie)>,
}

impl Story {
    /// What is claimed of a proposal, true or false, told without a further lie.
    pub(super) fn new(claim: Claim, told: Told) -> Story {
        Story { claim, told, lie: None }
    }

    /// Any verdict on shares.
    pub(super) fn shared(claim: Claim, verdict: i64, index: i64) -> Story {
        Story::new(claim, Told::Shared { verdict, index })
    }

    /// Tells a lie.
    pub(super) fn lying(mut self, stage: Stage, lie: impl Fn(&mut Account) + 'static) -> Story {
        self.lie = Some((stage, Box::new(lie)));
        self
    }

    /// The witness.
    pub(super) fn tell(self) -> Witness {
        let mut hashed = self.claim.inputs();
        hashed.push(felt(hashed.len() as i64));
        let mut account = Account {
            lines: vec![Line::default(); self.claim.rows.len()],
            claim: self.claim,
            told: self.told,
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
        Witness { proposals: 1, output: account.output, pedersen, checked: account.checked }
    }
}

impl Account {
    /// The Pedersen instances. Each is a true hash: the builtin leaves no choice.
    fn chain(&self) -> Vec<Felt> {
        let mut cells = Vec::new();
        let mut state = Felt::ZERO;
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
            let missing = 730 - small(row.age);
            line.is_mature = missing <= 0;
            if !line.is_mature {
                line.novelty = [missing / 73, missing % 73];
            }
        }
    }

    fn weights(&mut self) {
        let table = |index| COMPILED.table(index).unwrap();
        for (line, row) in self.lines.iter_mut().zip(&self.claim.rows) {
            let sum = line.utilisation[0]
                + line.volatility[0]
                + table(row.liquidity)
                + table(4 + row.audit)
                + line.novelty[0];
            line.score = table(105 + sum);
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
        let others: i64 =
            self.lines.iter().enumerate().filter(|(i, _)| *i != last).map(|(_, line)| line.share[0]).sum();
        self.lines[last].share[0] = 10_000 - others;
        for line in &mut self.lines {
            line.is_diversified = line.share[0] >= 1000;
        }
    }

    fn push(&mut self, values: impl IntoIterator<Item = i64>) {
        self.checked.extend(values.into_iter().map(|value| in_range(felt(value))));
    }

    fn check(&mut self) {
        let claim = self.claim.clone();
        self.push([self.told.number()]);
        if let Told::OutOfRange(numbers) = self.told {
            self.push(numbers);
            return;
        }
        self.push([
            claim.n - 2,
            32 - claim.n,
            claim.max_single,
            10_000 - claim.max_single,
            claim.max_volatility,
            10_000 - claim.max_volatility,
            claim.min_liquidity,
            3 - claim.min_liquidity,
            claim.min_diversification - 1,
            claim.n - claim.min_diversification,
            10 - claim.min_diversification,
        ]);
        if let Told::Shared { verdict, index } = self.told {
            self.check_rows(&claim, verdict);
            self.check_verdict(&claim, verdict, index);
            return;
        }
        for row in &claim.rows {
            let bounded =
                [(row.utilisation, 10_000), (row.volatility, 10_000), (row.liquidity, 3), (row.audit, 100)];
            for (value, limit) in bounded {
                self.push([value, limit - value]);
            }
            self.checked.extend([row.age, age_shifted(row.age)].map(in_range));
        }
    }

    /// The rows, last to first.
    fn check_rows(&mut self, claim: &Claim, verdict: i64) {
        let (single_cap, liquidity_cap) = match verdict {
            0 => (claim.max_single, claim.min_liquidity),
            3 => (10_000, 3),
            _ => (claim.max_single, 3),
        };
        self.push(halves(self.total));
        let last = self.last();
        for (index, row) in claim.rows.iter().enumerate().rev() {
            let line = self.lines[index].clone();
            let ([u, u_rest], [v, v_rest]) = (line.utilisation, line.volatility);
            self.push([u, u_rest, 399 - u_rest, 10_000 - row.utilisation]);
            self.push([v, v_rest, 249 - v_rest, 10_000 - row.volatility]);
            self.push([row.liquidity, 3 - row.liquidity, row.audit, 100 - row.audit]);
            let age = small(row.age);
            if line.is_mature {
                self.push([1, age - 730]);
                self.checked.push(in_range(age_shifted(row.age)));
                self.push([0, 0]);
            } else {
                let [novelty, rest] = line.novelty;
                self.push([0, age, novelty, rest, 72 - rest]);
            }
            let [apy_slack, apy_slack_other] = halves(1_000_000 - row.apy);
            let [weight, weight_rest] = line.weight;
            self.push([row.apy, apy_slack]);
            self.push(halves(weight));
            let [share, rest] = line.share;
            self.push([weight_rest, line.score - weight_rest, share]);
            let is_floor = last.is_some_and(|last| index < last);
            self.push(if is_floor { halves(rest) } else { [0, 0] });
            self.push(if is_floor { halves(self.total - 1 - rest) } else { [0, 0] });
            self.push([single_cap - share]);
            self.push(if line.is_diversified { [1, share - 1000] } else { [0, 999 - share] });
            self.push([if share != 0 { liquidity_cap - row.liquidity } else { 0 }, apy_slack_other]);
        }
    }

    fn check_verdict(&mut self, claim: &Claim, verdict: i64, index: i64) {
        let diversified = self.lines.iter().filter(|line| line.is_diversified).count() as i64;
        let sum: i64 =
            claim.rows.iter().zip(&self.lines).map(|(row, line)| row.volatility * line.share[0]).sum();
        let limit = 10_000 * claim.max_volatility + 9_999;
        let surplus = diversified - claim.min_diversification;
        let row = usize::try_from(index).unwrap();
        let share = self.lines.get(row).map_or(0, |line| line.share[0]);
        let liquidity = claim.rows.get(row).map_or(0, |row| row.liquidity);
        let [slack, other] = halves(limit - sum);
        match verdict {
            0 => self.push([surplus, slack, other]),
            3 => self.push([share - claim.max_single - 1, 0, 0, index, claim.n - 1 - index]),
            4 => self.push([claim.min_diversification - 1 - diversified]),
            5 => {
                let [excess, other] = halves(sum - limit - 1);
                self.push([surplus, excess, other]);
            }
            _ => {
                self.push([surplus, slack, other, index, claim.n - 1 - index]);
                self.push([share - 1, liquidity - claim.min_liquidity - 1]);
            }
        }
    }

    fn say(&mut self, chain: Felt) {
        self.output = vec![poseidon::hash_pair(DOMAIN_TAG, chain)];
        self.output.extend(self.claim.inputs());
        self.output.extend(self.lines.iter().map(|line| felt(line.score)));
        self.output.extend(self.lines.iter().map(|line| felt(line.share[0])));
        self.output.push(felt(self.told.number()));
    }
}

/// An age that is a small number, perhaps below zero.
fn small(age: Felt) -> i64 {
    age.to_u64().map_or_else(|| -((-age).to_u64().unwrap() as i64), |age| age as i64)
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
fn halves(value: i64) -> [i64; 2] {
    let value = value.max(0);
    let half = (0..4).map(|part| ((value >> (16 * part) & 0xffff) / 2) << (16 * part)).sum();
    [half, value - half]
}
