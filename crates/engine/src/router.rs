//! Who makes a proof: a policy as data, and one pure function that applies it.
//!
//! The rules are tried in order; the first whose condition holds names the backends, the preferred one first. Each is
//! considered: may it (privacy, price, budget), can it (its own forecast), is it well (its breaker), is it in time? The
//! first that passes is taken. Every verdict is kept with its reason, for the records and for people.

use std::{collections::HashSet, time::Duration};

use ashlar_store::{Moment, ProofSource};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Breaker, BreakerPolicy, Circumstances, EngineError, Forecast, RunSize, Unable};

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

    fn is_critical(&self, circumstances: &Circumstances) -> bool {
        circumstances.critical || circumstances.value_usd.is_some_and(|value| value >= self.critical_usd)
    }
}

impl Condition {
    fn holds(&self, policy: &RouterPolicy, question: &Question<'_>) -> bool {
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

/// A backend as the router sees it.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which.
    pub source: ProofSource,
    /// What it would take, or why it cannot.
    pub forecast: Result<Forecast, Unable>,
    /// How it has been lately.
    pub breaker: Breaker,
}

/// Everything that a decision depends on.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Of the request.
    pub circumstances: &'a Circumstances,
    /// At most what the run comes to.
    pub size: &'a RunSize,
    /// The backends that there are.
    pub offers: &'a [Offer],
    /// What was committed in the last 24 hours, in millionths of a US dollar.
    pub committed_micro_usd: u64,
    /// Backends that failed this job already, and why.
    pub failed: &'a [(ProofSource, String)],
    /// The present.
    pub now: Moment,
}

/// What the router thinks of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It makes the proof.
    Taken,
    /// It could, and another one is preferred.
    InReserve,
    /// There is no such backend here.
    Absent,
    /// The inputs must not leave this house.
    Private,
    /// It cannot.
    Unable(Unable),
    /// It failed this job already.
    FailedBefore {
        /// How.
        reason: String,
    },
    /// It fails so often that it is left alone.
    BreakerOpen {
        /// Until then.
        until: Moment,
    },
    /// It costs more than the request or the budget of a job allows.
    TooDear {
        /// What it costs, in millionths of a US dollar.
        micro_usd: u64,
        /// What it may cost.
        most_micro_usd: u64,
    },
    /// The day's budget is spent.
    BudgetSpent {
        /// What was committed, in millionths of a US dollar.
        committed_micro_usd: u64,
        /// The day's budget.
        most_micro_usd: u64,
    },
    /// It would not be there in time.
    TooLate {
        /// When it is predicted to be there.
        at: Moment,
    },
}

/// A backend, its forecast, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Considered {
    /// Which.
    pub backend: ProofSource,
    /// What it would take, where it says.
    pub forecast: Option<Forecast>,
    /// What the router thinks.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The same in words.
    pub reason: String,
}

/// The backend that makes the proof.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Which.
    pub backend: ProofSource,
    /// What it takes.
    pub forecast: Forecast,
}

/// A decision, with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Routing {
    /// The rule that held.
    pub rule: String,
    /// Who makes the proof; `None` if nobody may or can.
    pub chosen: Option<Choice>,
    /// Every backend of the rule, in its order.
    pub considered: Vec<Considered>,
    /// At most what the run comes to.
    pub size: RunSize,
    /// In words.
    pub reason: String,
}

/// Which backend makes a proof.
pub fn route(policy: &RouterPolicy, question: &Question<'_>) -> Routing {
    let named = question.circumstances.backend;
    let rule = policy.rules.iter().find(|rule| rule.when.holds(policy, question));
    let (name, prefer): (&str, &[ProofSource]) = match (&named, rule) {
        (Some(source), _) => ("asked for by name", std::slice::from_ref(source)),
        (None, Some(rule)) => (&rule.name, &rule.prefer),
        (None, None) => ("no rule holds", &[]),
    };
    let mut chosen: Option<Choice> = None;
    let mut considered = Vec::with_capacity(prefer.len());
    for &backend in prefer {
        let offer = question.offers.iter().find(|offer| offer.source == backend);
        let forecast = offer.and_then(|offer| offer.forecast.as_ref().ok()).copied();
        let verdict = match (judge(policy, question, backend, offer), forecast) {
            (Verdict::Taken, Some(forecast)) if chosen.is_none() => {
                chosen = Some(Choice { backend, forecast });
                Verdict::Taken
            }
            (Verdict::Taken, Some(_)) => Verdict::InReserve,
            (Verdict::Taken, None) => Verdict::Absent,
            (verdict, _) => verdict,
        };
        let reason = verdict.reason(backend);
        considered.push(Considered { backend, forecast, verdict, reason });
    }
    let refused: Vec<&str> = considered
        .iter()
        .filter(|one| !matches!(one.verdict, Verdict::Taken | Verdict::InReserve))
        .map(|one| one.reason.as_str())
        .collect();
    let mut reason = match &chosen {
        Some(choice) => format!("{} by the rule {name:?}", choice.backend),
        None => format!("nobody by the rule {name:?}"),
    };
    if !refused.is_empty() {
        reason.push_str("; ");
        reason.push_str(&refused.join("; "));
    }
    Routing { rule: name.to_owned(), chosen, considered, size: question.size.clone(), reason }
}

/// What the router thinks of one backend, the preferred ones aside.
fn judge(
    policy: &RouterPolicy,
    question: &Question<'_>,
    backend: ProofSource,
    offer: Option<&Offer>,
) -> Verdict {
    let circumstances = question.circumstances;
    let Some(offer) = offer else { return Verdict::Absent };
    if circumstances.private && leaves_the_house(backend) {
        return Verdict::Private;
    }
    if backend == ProofSource::Mock && policy.environment != Environment::Development {
        return Verdict::Unable(Unable::Unsuited { reason: "the mock proves nothing".to_owned() });
    }
    if let Some((_, reason)) = question.failed.iter().find(|(failed, _)| *failed == backend) {
        return Verdict::FailedBefore { reason: reason.clone() };
    }
    let forecast = match &offer.forecast {
        Ok(forecast) => forecast,
        Err(unable) => return Verdict::Unable(unable.clone()),
    };
    if let Some(until) = offer.breaker.open_until(&policy.breaker, question.now) {
        return Verdict::BreakerOpen { until };
    }
    let micro_usd = forecast.micro_usd;
    let most_micro_usd = circumstances
        .ceiling_micro_usd
        .map_or(policy.budget.job_micro_usd, |most| most.min(policy.budget.job_micro_usd));
    if micro_usd > most_micro_usd {
        return Verdict::TooDear { micro_usd, most_micro_usd };
    }
    let committed_micro_usd = question.committed_micro_usd;
    if micro_usd > 0 && committed_micro_usd.saturating_add(micro_usd) > policy.budget.day_micro_usd {
        return Verdict::BudgetSpent { committed_micro_usd, most_micro_usd: policy.budget.day_micro_usd };
    }
    if let Some(deadline) = circumstances.deadline {
        let milliseconds = (forecast.seconds.max(0.0) * 1000.0) as u64;
        let at = question.now.after(Duration::from_millis(milliseconds));
        if at > deadline {
            return Verdict::TooLate { at };
        }
    }
    Verdict::Taken
}

/// Whether a backend shows the inputs to somebody else.
fn leaves_the_house(backend: ProofSource) -> bool {
    match backend {
        ProofSource::Atlantic => true,
        ProofSource::StoneLocal
        | ProofSource::StoneExternal
        | ProofSource::Stwo
        | ProofSource::Luminair
        | ProofSource::Mock => false,
    }
}

impl Verdict {
    fn reason(&self, backend: ProofSource) -> String {
        let dollars = |micro: u64| format!("${:.2}", micro as f64 / 1e6);
        match self {
            Verdict::Taken => format!("{backend} is taken"),
            Verdict::InReserve => format!("{backend} is in reserve"),
            Verdict::Absent => format!("{backend} is not set up here"),
            Verdict::Private => format!("{backend} would see inputs that must not leave this house"),
            Verdict::Unable(unable) => format!("{backend}: {unable}"),
            Verdict::FailedBefore { reason } => format!("{backend} failed this job: {reason}"),
            Verdict::BreakerOpen { until } => {
                format!("{backend} keeps failing and is left alone until {until}")
            }
            Verdict::TooDear { micro_usd, most_micro_usd } => {
                format!("{backend} costs {}, more than {}", dollars(*micro_usd), dollars(*most_micro_usd))
            }
            Verdict::BudgetSpent { committed_micro_usd, most_micro_usd } => format!(
                "{backend}: {} of the day's {} are spent",
                dollars(*committed_micro_usd),
                dollars(*most_micro_usd)
            ),
            Verdict::TooLate { at } => format!("{backend} would be there at {at}, after the deadline"),
        }
    }
}
