//! The Cairo program against the Rust reference, on thousands of proposals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use ashlar_field::Felt;
use ashlar_risk::{Constraints, Proposal, Row, Verdict, decide, output_record, parse_output, run_model};

/// A small deterministic generator: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Usually in range; often at an edge; rarely just out of range or absurd.
    fn number(&mut self, limit: u64) -> u64 {
        match self.below(40) {
            0..4 => 0,
            4..8 => limit,
            8..10 => limit.saturating_sub(1),
            10..12 => 1.min(limit),
            _ => self.below(limit + 1),
        }
    }

    fn out_of_range(&mut self, limit: u64) -> u64 {
        match self.below(3) {
            0 => limit + 1,
            1 => u64::MAX,
            _ => limit + 1 + self.below(1 << 20),
        }
    }

    fn row(&mut self, index: u64) -> Row {
        let ages = [0, 1, 656, 657, 658, 729, 730, 731, 65_535];
        let age = match self.below(3) {
            0 => ages[self.below(ages.len() as u64) as usize],
            1 => self.below(800),
            _ => self.number(65_535),
        };
        let apy = match self.below(4) {
            0 => 0,
            1 => self.below(3),
            2 => self.below(3000),
            _ => self.number(1_000_000),
        };
        Row {
            protocol_id: Felt::from_u64(index) - Felt::from_u64(self.below(2) << 40),
            utilisation: self.number(10_000),
            volatility: self.number(10_000),
            liquidity: self.below(4),
            audit: self.number(100),
            age,
            apy,
        }
    }

    fn proposal(&mut self, nonce: u64) -> Proposal {
        let count = match self.below(12) {
            0 => self.below(40),
            1 => 2,
            _ => 2 + self.below(5),
        };
        let mut proposal = Proposal {
            chain_id: Felt::from_u64(self.next()),
            allocator: -Felt::from_u64(self.next()),
            nonce,
            model_version: 1,
            constraints: Constraints {
                max_single: if self.below(3) == 0 { self.number(10_000) } else { 10_000 - self.below(3000) },
                max_volatility: if self.below(3) == 0 {
                    self.number(10_000)
                } else {
                    10_000 - self.below(4000)
                },
                min_diversification: 1 + self.below(count.clamp(1, 10)) * self.below(2),
                min_liquidity: 3 - self.below(4) * self.below(2),
            },
            rows: (0..count).map(|index| self.row(index)).collect(),
        };
        if self.below(12) == 0 {
            self.spoil(&mut proposal);
        }
        proposal
    }

    /// Breaks one bound.
    fn spoil(&mut self, proposal: &mut Proposal) {
        let constraints = &mut proposal.constraints;
        let index = self.below(proposal.rows.len().max(1) as u64) as usize;
        match (self.below(11), proposal.rows.get(index).copied()) {
            (0, _) => constraints.max_single = self.out_of_range(10_000),
            (1, _) => constraints.max_volatility = self.out_of_range(10_000),
            (2, _) => constraints.min_liquidity = self.out_of_range(3),
            (3, _) => constraints.min_diversification = [0, 11, u64::MAX][self.below(3) as usize],
            (4, _) => constraints.min_diversification = proposal.rows.len() as u64 + 1,
            (kind, Some(row)) => {
                let changed = match kind {
                    5 => Row { utilisation: self.out_of_range(10_000), ..row },
                    6 => Row { volatility: self.out_of_range(10_000), ..row },
                    7 => Row { liquidity: self.out_of_range(3), ..row },
                    8 => Row { audit: self.out_of_range(100), ..row },
                    9 => Row { age: self.out_of_range(65_535), ..row },
                    _ => Row { apy: self.out_of_range(1_000_000), ..row },
                };
                proposal.rows[index] = changed;
            }
            (_, None) => {}
        }
        if self.below(4) == 0 && proposal.rows.len() > 1 {
            let last = proposal.rows.len() - 1;
            proposal.rows[last].protocol_id = proposal.rows[0].protocol_id;
        }
    }
}

#[test]
fn rust_and_cairo_agree_on_ten_thousand_proposals_and_every_verdict() {
    const BATCHES: u64 = 40;
    const BATCH: u64 = 256;
    let next = AtomicU64::new(0);
    let hits: [AtomicU64; 7] = Default::default();
    let work = || {
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch >= BATCHES {
                return;
            }
            let mut random = Random(2026 + batch);
            let proposals: Vec<Proposal> = (0..BATCH).map(|i| random.proposal(batch * BATCH + i)).collect();
            // `run_model` compares the whole output with the reference, element by element.
            let run = run_model(&proposals).unwrap();
            let records = parse_output(&run.run.output).unwrap();
            assert_eq!(records.len(), proposals.len());
            for (record, proposal) in records.iter().zip(&proposals) {
                assert_eq!(record.proposal, *proposal);
                hits[record.decision.verdict.number() as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        (0..thread::available_parallelism().map_or(1, usize::from)).for_each(|_| drop(scope.spawn(work)))
    });
    let hits = hits.map(AtomicU64::into_inner);
    assert_eq!(hits.iter().sum::<u64>(), BATCHES * BATCH);
    println!("{} proposals, by verdict: {hits:?}", BATCHES * BATCH);
    for (verdict, count) in Verdict::ALL.into_iter().zip(hits) {
        assert!(count >= 100, "{verdict} was hit {count} times");
    }
}

#[test]
fn an_ordinary_proposal_fits_4096_steps_and_different_ones_have_different_outputs() {
    let path = format!("{}/../../examples/allocation.json", env!("CARGO_MANIFEST_DIR"));
    let proposal = ashlar_risk::parse_proposals(&std::fs::read(path).unwrap()).unwrap().remove(0);
    let run = run_model(std::slice::from_ref(&proposal)).unwrap().run;
    assert_eq!(run.execution.public_input.n_steps, 4096);
    assert!(run.forms.strict.is_ok());
    let mut other = proposal.clone();
    other.rows[0].apy += 1;
    let other_run = run_model(std::slice::from_ref(&other)).unwrap().run;
    assert_ne!(run.output, other_run.output);
    let decision = decide(&proposal).unwrap();
    assert_eq!(run.output, output_record(&proposal, &decision));
}

#[test]
fn a_hundred_proposals_of_two_rows_fit_32768_steps() {
    let path = format!("{}/../../examples/allocation.json", env!("CARGO_MANIFEST_DIR"));
    let example = ashlar_risk::parse_proposals(&std::fs::read(path).unwrap()).unwrap().remove(0);
    // The most expensive rows: all young, and all with 1000 basis points.
    let row = |index: usize| Row { age: 600, liquidity: 0, ..example.rows[index] };
    let constraints = Constraints { max_single: 9_000, ..example.constraints };
    let proposal = |nonce| Proposal { nonce, constraints, rows: vec![row(0), row(1)], ..example.clone() };
    let run = run_model(&(0..100).map(proposal).collect::<Vec<_>>()).unwrap();
    assert!(run.decisions.iter().all(|decision| decision.verdict == Verdict::Accepted));
    // What pads a run is its last instruction, a jump to itself.
    let trace = &run.run.execution.trace;
    let end = trace.last().map(|registers| registers.pc);
    println!("{:?} of {} steps", trace.iter().position(|registers| Some(registers.pc) == end), trace.len());
    assert_eq!(run.run.execution.public_input.n_steps, 32_768);
}
