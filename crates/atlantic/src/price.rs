//! What a job costs: a dated table, because nobody publishes one that holds, and integers, because it is money.
//!
//! Amounts are in micro-credits, millionths of a credit. An estimate is never an invoice: both are kept, and shown as what they
//! are.

use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    vocabulary::{Goal, JobSize, Network},
};

/// An amount in millionths of a credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MicroCredits(pub u64);

/// Micro-credits in a credit.
const CREDIT: u64 = 1_000_000;

/// The longest table that is read.
const MOST_TABLE_BYTES: usize = 64 << 10;

/// Prices, with what they rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// The day on which somebody read them, as `2026-09-26`.
    pub as_of: String,
    /// Where.
    pub source: String,
    /// What contradicts them.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// Millionths of a US dollar that one credit costs.
    pub micro_dollars_a_credit: u64,
    /// Credits for each started minute of a run.
    pub trace_minute: u64,
    /// Credits for a proof.
    pub proof: BySize,
    /// Credits for a verification.
    pub verification: ByNetwork,
}

/// Credits by size; `XS` is billed as `S`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BySize {
    /// For `XS` and `S`.
    #[serde(rename = "S")]
    pub s: u64,
    /// For `M`.
    #[serde(rename = "M")]
    pub m: u64,
    /// For `L`.
    #[serde(rename = "L")]
    pub l: u64,
}

/// Credits by network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", deny_unknown_fields)]
pub struct ByNetwork {
    /// On main networks.
    pub mainnet: u64,
    /// On test networks.
    pub testnet: u64,
}

/// What a job is expected to cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// The amount.
    pub amount: MicroCredits,
    /// The date of the table that it rests on.
    pub as_of: String,
}

/// What a job costs, as far as anybody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// What was expected.
    pub estimated: Option<Estimate>,
    /// What was billed. The service's answers do not hold it: it comes from an invoice.
    pub invoiced: Option<MicroCredits>,
}

impl Cost {
    /// The amount that a budget must count: the invoice, or else the estimate.
    pub fn counted(&self) -> Option<MicroCredits> {
        self.invoiced.or(self.estimated.as_ref().map(|estimate| estimate.amount))
    }

    /// Invoice minus estimate, in micro-credits, where both are known.
    pub fn error(&self) -> Option<i128> {
        let (invoiced, estimated) = (self.invoiced?, self.estimated.as_ref()?.amount);
        Some(i128::from(invoiced.0) - i128::from(estimated.0))
    }
}

impl PriceTable {
    /// The table that this version came with.
    ///
    /// # Errors
    /// None in a release: a test reads it.
    pub fn recorded() -> Result<PriceTable, Error> {
        PriceTable::from_json(include_bytes!("../data/prices.json"))
    }

    /// Reads a table, such as an operator's newer one.
    ///
    /// # Errors
    /// [`Error::Prices`].
    pub fn from_json(bytes: &[u8]) -> Result<PriceTable, Error> {
        if bytes.len() > MOST_TABLE_BYTES {
            return Err(Error::Prices { reason: format!("expected at most {MOST_TABLE_BYTES} bytes") });
        }
        serde_json::from_slice(bytes).map_err(|error| Error::Prices { reason: error.to_string() })
    }

    /// What a job costs that runs for `trace_minutes` (started ones count whole) and ends with `goal`. `None` for
    /// a size, goal or network that the table does not have: an unknown price is not zero.
    pub fn estimate(
        &self,
        size: &JobSize,
        trace_minutes: u64,
        goal: &Goal,
        network: Option<&Network>,
    ) -> Option<Estimate> {
        let trace = self.trace_minute.checked_mul(trace_minutes.max(1))?;
        let proof = match size {
            JobSize::Xs | JobSize::S => self.proof.s,
            JobSize::M => self.proof.m,
            JobSize::L => self.proof.l,
            JobSize::Unknown(_) => return None,
        };
        let verification = match network {
            Some(Network::Mainnet) => Some(self.verification.mainnet),
            Some(Network::Testnet) => Some(self.verification.testnet),
            _ => None,
        };
        let credits = match goal {
            Goal::TraceGeneration => trace,
            Goal::ProofGeneration => trace.checked_add(proof)?,
            Goal::Unknown(_) => return None,
            _ => trace.checked_add(proof)?.checked_add(verification?)?,
        };
        let amount = MicroCredits(credits.checked_mul(CREDIT)?);
        Some(Estimate { amount, as_of: self.as_of.clone() })
    }

    /// An amount in millionths of a US dollar.
    pub fn micro_dollars(&self, amount: MicroCredits) -> Option<u64> {
        let product = u128::from(amount.0).checked_mul(u128::from(self.micro_dollars_a_credit))?;
        u64::try_from(product / u128::from(CREDIT)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_job_costs_what_the_documents_say() {
        let table = PriceTable::recorded().unwrap();
        let dollars = |network| {
            let estimate = table.estimate(&JobSize::S, 1, &Goal::ProofVerificationOnL2, Some(&network))?;
            table.micro_dollars(estimate.amount)
        };
        assert_eq!(dollars(Network::Testnet), Some(710_000));
        assert_eq!(dollars(Network::Mainnet), Some(960_000));
        assert!(table.as_of.starts_with("20") && !table.source.is_empty());
    }

    #[test]
    fn what_has_no_price_is_not_free() {
        let table = PriceTable::recorded().unwrap();
        let goal = Goal::ProofVerificationOnL2;
        assert_eq!(table.estimate(&JobSize::Unknown("XXL".to_owned()), 1, &goal, None), None);
        assert_eq!(table.estimate(&JobSize::S, 1, &goal, None), None);
        assert_eq!(table.estimate(&JobSize::S, u64::MAX, &goal, Some(&Network::Mainnet)), None);
        assert!(table.estimate(&JobSize::L, 1, &Goal::ProofGeneration, None).is_some());
    }

    #[test]
    fn a_budget_counts_the_invoice_once_there_is_one() {
        let estimate = Estimate { amount: MicroCredits(71_000_000), as_of: "2026-09-26".to_owned() };
        let mut cost = Cost { estimated: Some(estimate), invoiced: None };
        assert_eq!((cost.counted(), cost.error()), (Some(MicroCredits(71_000_000)), None));
        cost.invoiced = Some(MicroCredits(300_000_000));
        assert_eq!((cost.counted(), cost.error()), (Some(MicroCredits(300_000_000)), Some(229_000_000)));
    }

    #[test]
    fn a_table_with_an_unknown_field_is_refused() {
        assert!(PriceTable::from_json(b"{}").is_err());
        let text =
            String::from_utf8_lossy(include_bytes!("../data/prices.json")).replacen('{', "{\"a\":1,", 1);
        assert!(PriceTable::from_json(text.as_bytes()).is_err());
    }
}
