//! What a server calls: requests become jobs that wait, and people ask what became of them.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ashlar_store::{
    Attempt, Commitment, DayBudget, Destination, JobEvent, JobId, Moment, NewJob, NewSubmission, NewWork,
    ProofSource, ProofStatus, QueueDepth, Store, SubmissionKey, WorkItem, Worker,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Atlantic, Backend, Clock, EngineError, Forecast, Forecaster, Mock, Offer, RouterPolicy, Routing, RunSize,
    Settings, StoneExternal, StoneLocal, Submission, SystemClock, Trouble, health::Watched,
    retry::may_go_elsewhere, route, router::Question,
};

/// The longest idempotency key, in characters.
const LONGEST_KEY: usize = 300;

/// How often a request is planned at most, where others commit the day's budget in between.
const PLANS: u32 = 5;

/// In milliseconds.
const DAY: u64 = 24 * 60 * 60 * 1000;

/// How often events are looked for.
const GLANCE: Duration = Duration::from_millis(250);

/// The most events that are read at once.
const EVENTS_AT_ONCE: u32 = 256;

/// A worker that gave no sign of life for so long is not shown any more.
const OUT_OF_SIGHT: Duration = Duration::from_secs(120);

/// The engine over one store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    store: Store,
    settings: Arc<Settings>,
    backends: Arc<Vec<Box<dyn Backend>>>,
    clock: Arc<dyn Clock>,
    watched: Watched,
}

/// A request that is on record.
#[derive(Clone, Debug, Serialize)]
pub struct Submitted {
    /// Its job.
    pub job: JobId,
    /// Whether the same request was on record before.
    pub existing: bool,
    /// Who makes the proof, and why; `None` for a request that was on record.
    pub routing: Option<Routing>,
}

/// How a backend stands.
#[derive(Clone, Debug, Serialize)]
pub struct BackendState {
    /// Which.
    pub backend: ProofSource,
    /// Failures in a row.
    pub failures: u32,
    /// Until when it is left alone.
    pub open_until: Option<Moment>,
}

impl Engine {
    /// An engine over a store.
    ///
    /// # Errors
    /// [`EngineError::UnusablePolicy`].
    pub fn open(store: Store, settings: Settings) -> Result<Engine, EngineError> {
        Engine::with_clock(store, settings, Arc::new(SystemClock))
    }

    /// [`Engine::open`] with a clock of the caller's.
    ///
    /// # Errors
    /// [`EngineError::UnusablePolicy`].
    pub fn with_clock(
        store: Store,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine, EngineError> {
        settings.policy.check()?;
        let (forecaster, most_bytes) = (Forecaster::new(settings.rates), settings.memory_bytes);
        let backends: Vec<Box<dyn Backend>> = vec![
            Box::new(StoneLocal { forecaster: forecaster.clone(), most_bytes }),
            Box::new(StoneExternal { program: settings.external_prover.clone(), forecaster, most_bytes }),
            Box::new(Atlantic { terms: settings.atlantic.clone() }),
            Box::new(Mock),
        ];
        Ok(Engine {
            store,
            settings: Arc::new(settings),
            backends: Arc::new(backends),
            clock,
            watched: Watched::default(),
        })
    }

    /// The same engine with connections of its own to the records, for another runtime: see [`Store::reconnected`].
    ///
    /// # Errors
    /// Of the records.
    pub fn reconnected(&self) -> Result<Engine, EngineError> {
        Ok(Engine { store: self.store.reconnected()?, ..self.clone() })
    }

    /// The records.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The figures.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The backend with this name.
    pub(crate) fn backend(&self, source: ProofSource) -> Option<&dyn Backend> {
        self.backends.iter().find(|backend| backend.source() == source).map(|backend| &**backend)
    }

    /// The workers of this process.
    pub(crate) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// What is wrong with a worker of this process, if anything is with any.
    pub fn trouble(&self) -> Option<Trouble> {
        let now = self.now();
        self.watched.all().iter().find_map(|health| health.trouble(now))
    }

    /// Artefacts that the last scrub of this process's workers found missing or changed.
    pub fn damaged_artefacts(&self) -> u64 {
        self.watched.all().iter().map(|health| health.damaged_artefacts()).max().unwrap_or(0)
    }

    /// The routing policy.
    pub fn policy(&self) -> &RouterPolicy {
        &self.settings.policy
    }

    /// The present.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Records a request as a job that waits for a worker: job, allocations, inputs and work in one transaction.
    ///
    /// The same `key` with the same request is the same job. A key is the sender's: a server that serves several puts
    /// the sender's name before it.
    ///
    /// # Errors
    /// [`EngineError::Unusable`], [`EngineError::KeyLength`], [`EngineError::KeyReused`],
    /// [`EngineError::DeadlinePassed`], [`EngineError::NoRoute`], [`EngineError::QueueFull`], or of the records; then nothing is recorded.
    pub async fn submit(&self, submission: &Submission, key: Option<&str>) -> Result<Submitted, EngineError> {
        self.record(submission, key, None, None).await
    }

    /// [`Engine::submit`] with an event of the caller's in the job's log, recorded in the same transaction: what its wire
    /// knows of the request and the queue does not.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_with_note(
        &self,
        submission: &Submission,
        key: Option<&str>,
        note: (&'static str, Value),
    ) -> Result<Submitted, EngineError> {
        self.record(submission, key, None, Some(note)).await
    }

    async fn record(
        &self,
        submission: &Submission,
        key: Option<&str>,
        retry_of: Option<JobId>,
        note: Option<(&'static str, Value)>,
    ) -> Result<Submitted, EngineError> {
        submission.check()?;
        let key = match key {
            None => None,
            Some(key) => {
                let length = key.chars().count();
                if length == 0 || length > LONGEST_KEY {
                    return Err(EngineError::KeyLength { most: LONGEST_KEY, got: length });
                }
                Some(SubmissionKey { key: key.to_owned(), body: submission.digest() })
            }
        };
        if let Some(deadline) = submission.circumstances.deadline.filter(|at| *at <= self.clock.now()) {
            return Err(EngineError::DeadlinePassed { deadline });
        }
        let allocations = submission.allocations()?;
        let inputs = submission.inputs(self.store.artefacts()).await?;
        for _ in 0..PLANS {
            let routing = self.plan(submission).await?;
            let Some(choice) = routing.chosen else {
                return Err(EngineError::NoRoute { rule: routing.rule, reasons: routing.reason });
            };
            let now = self.clock.now();
            let micro_usd = choice.forecast.micro_usd;
            let new = NewSubmission {
                job: NewJob {
                    purpose: submission.purpose(),
                    source: choice.backend,
                    input_commitment: Some(submission.input_commitment().to_string()),
                    request: Some(submission.to_json()),
                    retry_of,
                },
                allocations: allocations.clone(),
                inputs: inputs.clone(),
                work: self.work(submission, &choice.forecast, choice.backend, now),
                key: key.clone(),
                notes: std::iter::once(("route", json!(routing))).chain(note.clone()).collect(),
                commitment: (micro_usd > 0).then(|| Commitment {
                    backend: choice.backend,
                    micro_usd,
                    budget: self.day_budget(now),
                }),
            };
            let limit = self.settings.queue_limit;
            match self.store.submit(&new, limit, now).await? {
                ashlar_store::Submitted::Recorded(job) => {
                    return Ok(Submitted { job, existing: false, routing: Some(routing) });
                }
                ashlar_store::Submitted::Existing(job) => {
                    return Ok(Submitted { job, existing: true, routing: None });
                }
                ashlar_store::Submitted::OtherBody(job) => {
                    let key = key.map(|key| key.key).unwrap_or_default();
                    return Err(EngineError::KeyReused { key, job });
                }
                ashlar_store::Submitted::Full(waiting) => {
                    let retry_after = self.retry_after(choice.forecast.seconds);
                    return Err(EngineError::QueueFull { waiting, limit, retry_after });
                }
                // Since the plan was made, others have committed what was left of the day's budget.
                ashlar_store::Submitted::OverBudget(_) => {}
            }
        }
        let reasons = "others commit the day's budget as fast as this request is planned".to_owned();
        Err(EngineError::NoRoute { rule: "budget".to_owned(), reasons })
    }

    /// What may be committed at this moment.
    fn day_budget(&self, now: Moment) -> DayBudget {
        let since = Moment::from_milliseconds(now.milliseconds().saturating_sub(DAY));
        DayBudget { since, most_micro_usd: self.settings.policy.budget.day_micro_usd }
    }

    /// When a place in a full queue may be expected: after about one proof, within reason.
    fn retry_after(&self, seconds: f64) -> Duration {
        Duration::from_secs(seconds.clamp(1.0, 60.0).ceil() as u64)
    }

    fn work(
        &self,
        submission: &Submission,
        forecast: &Forecast,
        backend: ProofSource,
        now: Moment,
    ) -> NewWork {
        let lane =
            self.backend(backend).map_or(ashlar_store::Lane::ProveLarge, |backend| backend.lane(forecast));
        NewWork {
            lane,
            priority: submission.circumstances.priority(),
            memory_bytes: forecast.memory_bytes,
            not_before: now,
            deadline: submission.circumstances.deadline,
            attempt_time: self.attempt_time(backend),
            budget: self.settings.attempts,
        }
    }

    /// Who should make a job's proof now: without the backends that failed it, of which `just` did so just now. `None` if
    /// its request cannot be read, so that nobody can be asked.
    pub(crate) async fn reroute(
        &self,
        job: JobId,
        just: Option<(ProofSource, String)>,
    ) -> Result<Option<Routing>, EngineError> {
        let mut failed: Vec<(ProofSource, String)> = just.into_iter().collect();
        for attempt in self.store.attempts_at(job).await? {
            if attempt.failure_kind.is_some_and(may_go_elsewhere)
                && !failed.iter().any(|(backend, _)| *backend == attempt.backend)
            {
                failed.push((attempt.backend, attempt.error_code.unwrap_or_default()));
            }
        }
        match self.submission_of(job).await {
            Ok(submission) => Ok(Some(self.plan_without(&submission, &failed).await?)),
            Err(EngineError::UnreadableRequest { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a decision sends a job.
    pub(crate) fn destination(&self, routing: &Routing) -> Option<Destination> {
        let choice = routing.chosen?;
        let backend = self.backend(choice.backend)?;
        Some(Destination {
            backend: choice.backend,
            lane: backend.lane(&choice.forecast),
            memory_bytes: choice.forecast.memory_bytes,
            micro_usd: choice.forecast.micro_usd,
            attempt_time: self.attempt_time(choice.backend),
        })
    }

    /// How long one attempt with a backend may take.
    pub(crate) fn attempt_time(&self, backend: ProofSource) -> Duration {
        let usual = self.settings.attempt_time;
        self.backend(backend).map_or(usual, |backend| backend.attempt_time(usual))
    }

    /// What would happen to a request: who would make the proof, why, and what it is predicted to take. Nothing is
    /// recorded.
    ///
    /// # Errors
    /// [`EngineError::Unusable`], or of the records. That nobody takes it is an answer.
    pub async fn plan(&self, submission: &Submission) -> Result<Routing, EngineError> {
        // Nobody is told what would happen to a batch that would be refused.
        submission.allocations()?;
        self.plan_without(submission, &[]).await
    }

    /// [`Engine::plan`] for a job that some backends failed already.
    pub(crate) async fn plan_without(
        &self,
        submission: &Submission,
        failed: &[(ProofSource, String)],
    ) -> Result<Routing, EngineError> {
        submission.check()?;
        let now = self.clock.now();
        let size = RunSize::of(submission);
        let mut offers = Vec::with_capacity(self.backends.len());
        for backend in self.backends.iter() {
            offers.push(Offer {
                source: backend.source(),
                forecast: backend.forecast(submission, &size),
                breaker: self.store.troubles_with(backend.source()).await?.into(),
            });
        }
        let since = Moment::from_milliseconds(now.milliseconds().saturating_sub(DAY));
        let question = Question {
            circumstances: &submission.circumstances,
            size: &size,
            offers: &offers,
            committed_micro_usd: self.store.committed_since(since).await?,
            failed,
            now,
        };
        Ok(route(&self.settings.policy, &question))
    }

    /// Asks for a job to be stopped: at once if nobody holds it, otherwise its worker stops it within seconds. The job's
    /// status is `cancelled` only once its process is gone.
    ///
    /// # Errors
    /// [`EngineError::AlreadyOver`], or of the records.
    pub async fn cancel(&self, job: JobId) -> Result<ProofStatus, EngineError> {
        let status = self.store.job(job).await?.proof_status;
        if status.is_terminal() {
            return Err(EngineError::AlreadyOver { job, status: status.to_string() });
        }
        self.store.request_cancel(job).await?;
        Ok(self.store.job(job).await?.proof_status)
    }

    /// Does a job over that ended without a proof: the same request, routed anew, as another job.
    ///
    /// # Errors
    /// [`EngineError::NotRetried`], [`EngineError::UnreadableRequest`], or as [`Engine::submit`].
    pub async fn retry(&self, job: JobId) -> Result<Submitted, EngineError> {
        let record = self.store.job(job).await?;
        let refused = |reason: String| Err(EngineError::NotRetried { job, reason });
        if let Some(successor) = self.store.successor_of(job).await? {
            return refused(format!("it was done over already, as {successor}"));
        }
        match record.proof_status {
            ProofStatus::Failed | ProofStatus::Timeout | ProofStatus::Cancelled => {}
            ProofStatus::Verified => return refused("it has a proof".to_owned()),
            _ => return refused("it is not over".to_owned()),
        }
        let mut submission = self.submission_of(job).await?;
        // What can be seen to fail is not put into the queue again.
        for content in submission.stored() {
            self.store.artefacts().must_be_sound(content).await?;
        }
        // A deadline that has passed would end the new job at once.
        if submission.circumstances.deadline.is_some_and(|deadline| deadline <= self.clock.now()) {
            submission.circumstances.deadline = None;
        }
        self.record(&submission, None, Some(job), None).await
    }

    /// What was asked for when a job was submitted.
    ///
    /// # Errors
    /// [`EngineError::UnreadableRequest`], or of the records.
    pub async fn submission_of(&self, job: JobId) -> Result<Submission, EngineError> {
        Submission::recorded(&self.store, job).await
    }

    /// How much waits.
    ///
    /// # Errors
    /// Of the records.
    pub async fn queue_depth(&self) -> Result<QueueDepth, EngineError> {
        Ok(self.store.queue_depth(self.clock.now()).await?)
    }

    /// The workers that gave a sign of life in the last two minutes, with what they hold and how far it is.
    ///
    /// # Errors
    /// Of the records.
    pub async fn workers(&self) -> Result<Vec<Worker>, EngineError> {
        let now = self.clock.now().milliseconds();
        let out_of_sight = u64::try_from(OUT_OF_SIGHT.as_millis()).unwrap_or(u64::MAX);
        Ok(self.store.workers(Moment::from_milliseconds(now.saturating_sub(out_of_sight))).await?)
    }

    /// How the backends stand.
    ///
    /// # Errors
    /// Of the records.
    pub async fn backends(&self) -> Result<Vec<BackendState>, EngineError> {
        let mut states = Vec::with_capacity(self.backends.len());
        for backend in self.backends.iter() {
            let breaker = crate::Breaker::from(self.store.troubles_with(backend.source()).await?);
            states.push(BackendState {
                backend: backend.source(),
                failures: breaker.failures,
                open_until: breaker.open_until(&self.settings.policy.breaker, self.clock.now()),
            });
        }
        Ok(states)
    }

    /// How a job waits; `None` for one that was never in the queue.
    ///
    /// # Errors
    /// Of the records.
    pub async fn work_of(&self, job: JobId) -> Result<Option<WorkItem>, EngineError> {
        Ok(self.store.work_of(job).await?)
    }

    /// The attempts at a job, in order; the last one may still go on.
    ///
    /// # Errors
    /// Of the records.
    pub async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, EngineError> {
        Ok(self.store.attempts_at(job).await?)
    }

    /// What happens to jobs from now on.
    ///
    /// # Errors
    /// Of the records.
    pub async fn subscribe(&self) -> Result<Events, EngineError> {
        Ok(self.subscribe_after(self.store.last_event().await?))
    }

    /// What happened to jobs after the event with this id, and what happens from now on.
    pub fn subscribe_after(&self, event: i64) -> Events {
        Events { store: self.store.clone(), after: event, read: VecDeque::new() }
    }
}

/// The log of all jobs, as it grows.
#[derive(Debug)]
pub struct Events {
    store: Store,
    after: i64,
    read: VecDeque<JobEvent>,
}

impl Events {
    /// The next event; waits until there is one.
    ///
    /// # Errors
    /// Of the records.
    pub async fn next(&mut self) -> Result<JobEvent, EngineError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.after = event.id;
                return Ok(event);
            }
            self.read.extend(self.store.events_page(None, None, self.after, EVENTS_AT_ONCE).await?);
            if self.read.is_empty() {
                tokio::time::sleep(GLANCE).await;
            }
        }
    }
}
