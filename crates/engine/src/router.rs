//! Who makes a proof: a policy as data, and one pure function that applies it.
//!
//! The rules are tried in order; the first whose condition holds names the backends, the preferred one first. Each is
//! considered: may it (privacy, price, budget), can it (its own forecast), is it well (its breaker), is it in time? The
//! first that passes is taken. Every verdict is kept with its reason, for the records and for people.

mod policy;

use std::time::Duration;

use ashlar_store::{Moment, ProofSource};
use serde::Serialize;

pub use policy::{Budget, Condition, Environment, RouterPolicy, Rule};

use crate::{Breaker, Circumstances, Forecast, RunSize, Unable};

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

#[cfg(test)]
mod tests {
    use super::*;
    use Environment::{Development, Mainnet, Sepolia};
    use ProofSource::{Atlantic, Luminair, Mock, StoneExternal, StoneLocal, Stwo};

    const NOW: u64 = 1_700_000_000_000;

    fn now() -> Moment {
        Moment::from_milliseconds(NOW)
    }

    fn forecast(micro_usd: u64) -> Forecast {
        Forecast { memory_bytes: 1, cpu_seconds: 10.0, seconds: 10.0, proof_bytes: 1, micro_usd }
    }

    fn offer(source: ProofSource) -> Offer {
        let micro_usd = if source == Atlantic { 710_000 } else { 0 };
        Offer { source, forecast: Ok(forecast(micro_usd)), breaker: Breaker::default() }
    }

    /// Everything that there may be, well.
    fn all() -> Vec<Offer> {
        [StoneLocal, StoneExternal, Atlantic, Mock].map(offer).into()
    }

    struct Asked {
        circumstances: Circumstances,
        steps: u64,
        offers: Vec<Offer>,
        committed: u64,
        failed: Vec<(ProofSource, String)>,
    }

    impl Default for Asked {
        fn default() -> Asked {
            Asked {
                circumstances: Circumstances::default(),
                steps: 1 << 14,
                offers: all(),
                committed: 0,
                failed: Vec::new(),
            }
        }
    }

    fn policy(environment: Environment) -> RouterPolicy {
        RouterPolicy { environment, ..RouterPolicy::default() }
    }

    fn decided(policy: &RouterPolicy, asked: &Asked) -> Routing {
        let size = RunSize { layout: "small".to_owned(), n_steps: asked.steps, page_cells: 1 };
        route(
            policy,
            &Question {
                circumstances: &asked.circumstances,
                size: &size,
                offers: &asked.offers,
                committed_micro_usd: asked.committed,
                failed: &asked.failed,
                now: now(),
            },
        )
    }

    fn taken(environment: Environment, asked: &Asked) -> Option<ProofSource> {
        decided(&policy(environment), asked).chosen.map(|choice| choice.backend)
    }

    fn verdict(routing: &Routing, backend: ProofSource) -> &Verdict {
        &routing.considered.iter().find(|one| one.backend == backend).unwrap().verdict
    }

    #[test]
    fn the_default_policy_decides_as_the_plan_says() {
        const LARGE: u64 = 1 << 21;
        for (environment, critical, steps, expected) in [
            (Development, false, 1 << 14, StoneLocal),
            (Development, true, LARGE, StoneLocal),
            (Sepolia, true, 1 << 14, StoneLocal),
            (Sepolia, true, LARGE, StoneLocal),
            (Sepolia, false, 1 << 14, Atlantic),
            (Sepolia, false, LARGE, Atlantic),
            (Mainnet, false, 1 << 20, StoneLocal),
            (Mainnet, true, 1 << 20, StoneLocal),
            (Mainnet, false, LARGE, Atlantic),
            (Mainnet, true, LARGE, Atlantic),
        ] {
            let circumstances = Circumstances { critical, ..Circumstances::default() };
            let asked = Asked { circumstances, steps, ..Asked::default() };
            assert_eq!(taken(environment, &asked), Some(expected), "{environment:?} {critical} {steps}");
        }
    }

    #[test]
    fn what_is_private_stays_in_the_house_under_every_rule() {
        for environment in Environment::ALL {
            for critical in [false, true] {
                for steps in [1 << 10, 1 << 24] {
                    for backend in [None, Some(Atlantic)] {
                        let circumstances =
                            Circumstances { critical, private: true, backend, ..Circumstances::default() };
                        let asked = Asked { circumstances, steps, ..Asked::default() };
                        let routing = decided(&policy(environment), &asked);
                        assert_ne!(routing.chosen.map(|choice| choice.backend), Some(Atlantic));
                        assert_eq!(routing.chosen.is_some(), backend.is_none(), "{}", routing.reason);
                    }
                }
            }
        }
        // A rule that forgets privacy does not open the door either.
        let mut careless = policy(Sepolia);
        careless.rules =
            vec![Rule { name: "all".into(), when: Condition::default(), prefer: vec![Atlantic] }];
        let circumstances = Circumstances { private: true, ..Circumstances::default() };
        let routing = decided(&careless, &Asked { circumstances, ..Asked::default() });
        assert_eq!((routing.chosen, verdict(&routing, Atlantic)), (None, &Verdict::Private));
    }

    #[test]
    fn the_value_at_stake_makes_a_request_critical_from_its_threshold_on() {
        for (value_usd, expected) in [
            (None, Atlantic),
            (Some(99_999), Atlantic),
            (Some(100_000), StoneLocal),
            (Some(u64::MAX), StoneLocal),
        ] {
            let circumstances = Circumstances { value_usd, ..Circumstances::default() };
            assert_eq!(taken(Sepolia, &Asked { circumstances, ..Asked::default() }), Some(expected));
        }
    }

    #[test]
    fn every_reason_moves_the_job_on_to_the_next_backend_and_is_told() {
        let too_large = Unable::TooLarge { needs_bytes: 2, most_bytes: 1 };
        let until = now().after(Duration::from_secs(60));
        let day = RouterPolicy::default().budget.day_micro_usd;
        let with_atlantic = |change: fn(&mut Offer)| {
            let mut offers = all();
            offers.iter_mut().filter(|offer| offer.source == Atlantic).for_each(change);
            Asked { offers, ..Asked::default() }
        };
        let cases: Vec<(Asked, Verdict)> = vec![
            (Asked { offers: vec![offer(StoneLocal)], ..Asked::default() }, Verdict::Absent),
            (
                with_atlantic(|offer| {
                    offer.forecast = Err(Unable::TooLarge { needs_bytes: 2, most_bytes: 1 })
                }),
                Verdict::Unable(too_large),
            ),
            (
                with_atlantic(|offer| {
                    offer.breaker =
                        Breaker { failures: 3, grave: false, last: Some(Moment::from_milliseconds(NOW)) };
                }),
                Verdict::BreakerOpen { until },
            ),
            (
                Asked { failed: vec![(Atlantic, "quota".to_owned())], ..Asked::default() },
                Verdict::FailedBefore { reason: "quota".to_owned() },
            ),
            (
                with_atlantic(|offer| offer.forecast = Ok(forecast(3_000_001))),
                Verdict::TooDear { micro_usd: 3_000_001, most_micro_usd: 3_000_000 },
            ),
            (
                Asked {
                    circumstances: Circumstances {
                        ceiling_micro_usd: Some(709_999),
                        ..Circumstances::default()
                    },
                    ..Asked::default()
                },
                Verdict::TooDear { micro_usd: 710_000, most_micro_usd: 709_999 },
            ),
            (
                Asked { committed: day - 709_999, ..Asked::default() },
                Verdict::BudgetSpent { committed_micro_usd: day - 709_999, most_micro_usd: day },
            ),
            (
                with_atlantic(|offer| offer.forecast = Ok(Forecast { seconds: 66.0 * 60.0, ..forecast(1) })),
                Verdict::TooLate { at: now().after(Duration::from_secs(66 * 60)) },
            ),
        ];
        for (mut asked, expected) in cases {
            if matches!(expected, Verdict::TooLate { .. }) {
                asked.circumstances.deadline = Some(now().after(Duration::from_secs(3600)));
            }
            let routing = decided(&policy(Sepolia), &asked);
            assert_eq!(verdict(&routing, Atlantic), &expected);
            assert_eq!(routing.chosen.map(|choice| choice.backend), Some(StoneLocal), "{}", routing.reason);
            assert!(routing.reason.contains("atlantic"), "{}", routing.reason);
        }
    }

    #[test]
    fn budgets_hold_to_the_last_millionth_and_do_not_stop_what_costs_nothing() {
        let day = RouterPolicy::default().budget.day_micro_usd;
        assert_eq!(taken(Sepolia, &Asked { committed: day - 710_000, ..Asked::default() }), Some(Atlantic));
        let broke = Asked { committed: u64::MAX, ..Asked::default() };
        assert_eq!(taken(Sepolia, &broke), Some(StoneLocal));
        assert_eq!(taken(Development, &broke), Some(StoneLocal));
    }

    #[test]
    fn a_backend_that_is_asked_for_by_name_is_the_only_one_considered() {
        for environment in Environment::ALL {
            for backend in [StoneLocal, StoneExternal, Atlantic, Mock, Stwo, Luminair] {
                let circumstances = Circumstances { backend: Some(backend), ..Circumstances::default() };
                let routing = decided(&policy(environment), &Asked { circumstances, ..Asked::default() });
                assert_eq!(routing.considered.len(), 1);
                let there = matches!(backend, StoneLocal | StoneExternal | Atlantic)
                    || (backend == Mock && environment == Development);
                assert_eq!(routing.chosen.is_some(), there, "{environment:?} {}", routing.reason);
            }
        }
    }

    #[test]
    fn conditions_on_size_and_haste_hold_at_their_edges() {
        let mut policy = policy(Mainnet);
        let rule =
            |name: &str, when: Condition, backend| Rule { name: name.into(), when, prefer: vec![backend] };
        policy.rules = vec![
            rule("hasty", Condition { within_seconds: Some(60), ..Condition::default() }, StoneExternal),
            rule(
                "middle",
                Condition { least_steps: Some(100), most_steps: Some(200), ..Condition::default() },
                Atlantic,
            ),
            rule("rest", Condition::default(), StoneLocal),
        ];
        for (steps, seconds, expected) in [
            (150, Some(60), "hasty"),
            (150, Some(61), "middle"),
            (99, None, "rest"),
            (100, None, "middle"),
            (200, None, "middle"),
            (201, None, "rest"),
        ] {
            let deadline = seconds.map(|seconds| now().after(Duration::from_secs(seconds)));
            let circumstances = Circumstances { deadline, ..Circumstances::default() };
            let routing = decided(&policy, &Asked { circumstances, steps, ..Asked::default() });
            assert_eq!(routing.rule, expected, "{steps} {seconds:?}");
        }
        policy.rules.clear();
        assert_eq!(decided(&policy, &Asked::default()).chosen, None);
    }
}
