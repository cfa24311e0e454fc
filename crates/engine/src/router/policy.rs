//! The routing policy as data: rules, budget, breaker, as they stand in `ashlar.toml`.

use std::{collections::HashSet, time::Duration};

use ashlar_store::ProofSource;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::Question;
use crate::{BreakerPolicy, Circumstances, EngineError};

/// Where what is proven will be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// On a developer's machine.
    #[default]
    Development,
    /// Starknet's test net.
    Sepolia,
    /// Starknet's main net.
    Mainnet,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Environment; 3] = [Environment::Development, Environment::Sepolia, Environment::Mainnet];
}

/// When a rule holds: every condition that is given must.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Condition {
    /// In these environments.
    pub environments: Option<Vec<Environment>>,
    /// For what is critical, or for what is not.
    pub critical: Option<bool>,
    /// For what is private, or for what is not.
    pub private: Option<bool>,
    /// From so many steps on, padding included.
    pub least_steps: Option<u64>,
    /// Up to so many steps, padding included.
    pub most_steps: Option<u64>,
    /// For what must be there within so many seconds.
    pub within_seconds: Option<u64>,
}

/// Which backends take what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// When it holds.
    #[serde(default)]
    pub when: Condition,
    /// The backends, the preferred one first.
    #[serde(serialize_with = "words", deserialize_with = "sources")]
    pub prefer: Vec<ProofSource>,
}

fn words<S: Serializer>(sources: &[ProofSource], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(sources)
}

fn sources<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<ProofSource>, D::Error> {
    Vec::<String>::deserialize(from)?
        .iter()
        .map(|word| {
            ProofSource::parse(word).ok_or_else(|| D::Error::custom(format!("no backend is called {word:?}")))
        })
        .collect()
}

/// What may be spent, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budget {
    /// In the last 24 hours, for all jobs.
    pub day_micro_usd: u64,
    /// For one attempt at a job.
    pub job_micro_usd: u64,
}

impl Default for Budget {
    /// 10 dollars a day, 3 dollars a job.
    fn default() -> Budget {
        Budget { day_micro_usd: 10_000_000, job_micro_usd: 3_000_000 }
    }
}

/// Who makes which proof, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouterPolicy {
    /// Where this service's proofs are used.
    pub environment: Environment,
    /// From this value at stake on, a request is critical, in whole US dollars.
    pub critical_usd: u64,
    /// The rules, the first that holds counts.
    pub rules: Vec<Rule>,
    /// What may be spent.
    pub budget: Budget,
    /// When a failing backend is left alone.
    pub breaker: BreakerPolicy,
}

impl Default for RouterPolicy {
    /// Development: everything here. Test net: critical requests here, others with the managed service, or here if it is
    /// down. Main net: small ones here, large ones with the managed service. What is private never leaves.
    fn default() -> RouterPolicy {
        use Environment::{Development, Mainnet, Sepolia};
        use ProofSource::{Atlantic, StoneExternal, StoneLocal};
        /// A run of more steps than this is large.
        const SMALL_STEPS: u64 = 1 << 20;
        let rule = |name: &str, when: Condition, prefer: &[ProofSource]| Rule {
            name: name.to_owned(),
            when,
            prefer: prefer.to_vec(),
        };
        let of = |environment| Condition { environments: Some(vec![environment]), ..Condition::default() };
        RouterPolicy {
            environment: Development,
            critical_usd: 100_000,
            rules: vec![
                rule(
                    "private",
                    Condition { private: Some(true), ..Condition::default() },
                    &[StoneLocal, StoneExternal],
                ),
                rule("development", of(Development), &[StoneLocal, StoneExternal]),
                rule(
                    "sepolia, critical",
                    Condition { critical: Some(true), ..of(Sepolia) },
                    &[StoneLocal, Atlantic],
                ),
                rule("sepolia", of(Sepolia), &[Atlantic, StoneLocal]),
                rule(
                    "mainnet, small",
                    Condition { most_steps: Some(SMALL_STEPS), ..of(Mainnet) },
                    &[StoneLocal, Atlantic],
                ),
                rule("mainnet, large", of(Mainnet), &[Atlantic, StoneLocal]),
            ],
            budget: Budget::default(),
            breaker: BreakerPolicy::default(),
        }
    }
}

impl RouterPolicy {
    /// Refuses a policy that could leave a request without a rule or never take one.
    ///
    /// # Errors
    /// [`EngineError::UnusablePolicy`].
    pub fn check(&self) -> Result<(), EngineError> {
        let unusable = |reason: String| Err(EngineError::UnusablePolicy { reason });
        let mut names = HashSet::new();
        for rule in &self.rules {
            if rule.prefer.is_empty() {
                return unusable(format!("the rule {:?} names no backend", rule.name));
            }
            if !names.insert(&rule.name) {
                return unusable(format!("two rules are called {:?}", rule.name));
            }
            if rule.prefer.contains(&ProofSource::Mock) && self.environment != Environment::Development {
                return unusable(format!("the rule {:?} names the mock, which proves nothing", rule.name));
            }
        }
        Ok(())
    }

    pub(super) fn is_critical(&self, circumstances: &Circumstances) -> bool {
        circumstances.critical || circumstances.value_usd.is_some_and(|value| value >= self.critical_usd)
    }
}

impl Condition {
    pub(super) fn holds(&self, policy: &RouterPolicy, question: &Question<'_>) -> bool {
        let circumstances = question.circumstances;
        let steps = question.size.n_steps;
        let left = circumstances.deadline.map(|deadline| deadline.since(question.now));
        self.environments.as_ref().is_none_or(|among| among.contains(&policy.environment))
            && self.critical.is_none_or(|wanted| wanted == policy.is_critical(circumstances))
            && self.private.is_none_or(|wanted| wanted == circumstances.private)
            && self.least_steps.is_none_or(|least| steps >= least)
            && self.most_steps.is_none_or(|most| steps <= most)
            && self
                .within_seconds
                .is_none_or(|most| left.is_some_and(|left| left <= Duration::from_secs(most)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_could_never_decide_is_refused() {
        assert!(RouterPolicy::default().check().is_ok());
        let broken = |change: fn(&mut RouterPolicy)| {
            let mut policy = RouterPolicy { environment: Environment::Mainnet, ..RouterPolicy::default() };
            change(&mut policy);
            policy.check().unwrap_err().to_string()
        };
        assert!(broken(|policy| policy.rules[0].prefer.clear()).contains("no backend"));
        assert!(broken(|policy| policy.rules[1].name = "private".into()).contains("two rules"));
        assert!(broken(|policy| policy.rules[2].prefer.push(ProofSource::Mock)).contains("proves nothing"));
    }
}
