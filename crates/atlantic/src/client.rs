//! The client: submissions that are never paid twice, looks at queries, and waiting for their end.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    address::{ARTEFACTS, Address},
    class::Class,
    clock::{Attempts, Backoff, Clock, Polling, SystemClock},
    dedup::dedup_id,
    error::Error,
    form::Form,
    key::{ApiKey, KeyPlace},
    multipart::Multipart,
    transport::{Limits, Timeouts, Transport, typed},
    vocabulary::{Network, QueryStatus},
    wire::{Alive, JobsAnswer, ListAnswer, Query, QueryAnswer, QueryId, Submitted, without_client},
};

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the service is.
    pub service: Address,
    /// The account's key. Looking needs none, as far as is known; submitting does.
    pub key: Option<ApiKey>,
    /// Where the key stands.
    pub key_place: KeyPlace,
    /// Below which addresses artefacts may be fetched; the first is where they are by convention.
    pub artefacts: Vec<Address>,
    /// A text that nobody else uses, such as this installation's id: it goes into deduplication ids.
    pub namespace: String,
    /// How long an exchange may take.
    pub timeouts: Timeouts,
    /// How large answers may be.
    pub limits: Limits,
    /// How often failed requests are tried again.
    pub backoff: Backoff,
}

impl Settings {
    /// For a service at an address, with everything else as usual. Artefacts come from below the service's public bucket, or,
    /// for a service on this machine, from below the service.
    pub fn new(service: Address, key: Option<ApiKey>, namespace: &str) -> Settings {
        let artefacts = match service.is_loopback() {
            true => vec![service.clone()],
            false => Address::parse(ARTEFACTS).into_iter().collect(),
        };
        Settings {
            service,
            key,
            key_place: KeyPlace::Header,
            artefacts,
            namespace: namespace.to_owned(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            backoff: Backoff::default(),
        }
    }
}

/// A client of one service. Calls block: an asynchronous program makes them on threads of their own.
pub struct Client {
    pub(crate) transport: Transport,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Threads share a client.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Client>();
};

/// A submission that the service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The query.
    pub query: QueryId,
    /// The id by which the submission is found again.
    pub dedup_id: String,
    /// Whether the query was there already, from an earlier submission or from one whose answer was lost.
    pub adopted: bool,
    /// How many times the form was sent.
    pub posts: u32,
}

/// An answer about a query, typed and as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The answer.
    pub answer: QueryAnswer,
    /// The same, raw, without the object that holds an e-mail address: fit to be kept.
    pub raw: Value,
}

/// What a waiting caller is told.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// The query, as it stands.
    Query(&'a Query),
    /// A look that failed, and will be repeated.
    Failed(&'a Error),
}

/// Which queries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// At most so many.
    pub limit: u32,
    /// After so many.
    pub offset: u32,
    /// Only those that contain this.
    pub search: Option<String>,
    /// Only those on this network.
    pub network: Option<Network>,
}

/// How often it is asked whether there is a hint.
const GLANCE: Duration = Duration::from_secs(1);

const SUBMIT: &str = "POST /atlantic-query";
const SHOW: &str = "GET /atlantic-query/{id}";
const JOBS: &str = "GET /atlantic-query-jobs/{id}";
const BY_DEDUP_ID: &str = "GET /atlantic-query-by-dedup-id";
const LIST: &str = "GET /atlantic-queries";
const ALIVE: &str = "GET /is-alive";

impl Client {
    /// A client by the machine's clock.
    pub fn new(settings: Settings) -> Client {
        Client::with_clock(settings, Arc::new(SystemClock::default()))
    }

    /// A client by any clock. Limits on single exchanges are by the machine's clock all the same.
    pub fn with_clock(settings: Settings, clock: Arc<dyn Clock>) -> Client {
        let Settings { service, key, key_place, timeouts, limits, .. } = settings.clone();
        let transport = Transport::new(service, key, key_place, timeouts, limits);
        Client { transport, settings, clock }
    }

    /// The deduplication id that [`Client::submit`] will use. It should be on record before the submission.
    pub fn dedup_id(&self, form: &Form, attempt: u32) -> String {
        match &form.dedup_id {
            Some(id) => id.clone(),
            None => dedup_id(&self.settings.namespace, form, attempt),
        }
    }

    /// Submits a form, once: before every time it is sent, the service is asked whether it has it already.
    ///
    /// `attempt` is 0, or larger for a deliberate repetition of the same job, which is paid again.
    ///
    /// # Errors
    /// [`Error::Form`] before anything is sent; [`Error::InDoubt`] if nobody can say whether it was accepted;
    /// [`Error::Refused`], [`Error::GaveUp`], [`Error::Foreign`].
    pub fn submit(&self, form: &Form, attempt: u32) -> Result<Receipt, Error> {
        form.check_contents()?;
        let dedup_id = self.dedup_id(form, attempt);
        let form = Form { dedup_id: Some(dedup_id.clone()), ..form.clone() };
        form.check()?;
        let mut attempts = Attempts::new(&*self.clock, self.settings.backoff);
        let (mut posts, mut in_doubt) = (0, false);
        loop {
            let failed = match self.submit_once(&form, &dedup_id, &mut posts, &mut in_doubt) {
                Ok(receipt) => return Ok(receipt),
                Err(error) => error,
            };
            attempts.count += 1;
            let again = failed.is_transient() || in_doubt || matches!(failed, Error::Unexplained { .. });
            let hopeless = matches!(
                failed,
                Error::UploadChanged { .. } | Error::Unreadable { .. } | Error::Foreign { .. }
            );
            if again && !hopeless && attempts.pause() {
                continue;
            }
            let (count, waited) = (attempts.count, attempts.waited());
            return Err(match (in_doubt, again) {
                _ if hopeless => failed,
                (true, _) => Error::InDoubt { dedup_id, attempts: count, waited, source: Box::new(failed) },
                (false, true) if failed.is_transient() => {
                    Error::GaveUp { attempts: count, waited, source: Box::new(failed) }
                }
                _ => failed,
            });
        }
    }

    /// One look-up and, if the service does not have the form, one submission.
    fn submit_once(
        &self,
        form: &Form,
        dedup_id: &str,
        posts: &mut u32,
        in_doubt: &mut bool,
    ) -> Result<Receipt, Error> {
        let adopt = |look: Look, posts| {
            same_job(form, &look.answer.atlantic_query)?;
            let query = look.answer.atlantic_query.id;
            Ok(Receipt { query, dedup_id: dedup_id.to_owned(), adopted: true, posts })
        };
        if let Some(look) = self.find(dedup_id)? {
            return adopt(look, *posts);
        }
        *posts += 1;
        match self.post(form) {
            Ok(submitted) => Ok(Receipt {
                query: submitted.atlantic_query_id,
                dedup_id: dedup_id.to_owned(),
                adopted: false,
                posts: *posts,
            }),
            Err(Error::Refused { class: Class::Duplicate, .. }) => match self.find(dedup_id)? {
                Some(look) => adopt(look, *posts),
                None => Err(Error::Unexplained { dedup_id: dedup_id.to_owned() }),
            },
            Err(error) => {
                // Only a refusal by the service itself, that is none of its own failures, says that it has nothing.
                let refused = matches!(&error, Error::Refused { class, .. } if *class != Class::Server);
                *in_doubt |= !refused && !matches!(error, Error::UploadChanged { .. });
                Err(error)
            }
        }
    }

    fn post(&self, form: &Form) -> Result<Submitted, Error> {
        let answer = self.transport.post(SUBMIT, "/atlantic-query", Multipart::new(form))?;
        typed(SUBMIT, &answer)
    }

    /// The query with a deduplication id; `None` if the service itself says that there is none.
    ///
    /// # Errors
    /// [`Error::Foreign`] if it answers with another one; as [`Client::show`].
    pub fn find(&self, dedup_id: &str) -> Result<Option<Look>, Error> {
        let parameters = [("dedupId", dedup_id.to_owned())];
        let found = self.transport.get(
            BY_DEDUP_ID,
            "/atlantic-query-by-dedup-id",
            &parameters,
            self.settings.limits.query,
        );
        let look = match found {
            Err(Error::Refused { class: Class::NotFound, .. }) => return Ok(None),
            found => look(BY_DEDUP_ID, found?)?,
        };
        let query = &look.answer.atlantic_query;
        match query.dedup_id.as_deref() {
            Some(got) if got != dedup_id => {
                Err(foreign(query, "deduplication id", dedup_id.to_owned(), got.to_owned()))
            }
            _ => Ok(Some(look)),
        }
    }

    /// A query, as it stands. One request, not repeated.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`], [`Error::Infrastructure`], [`Error::Oversized`],
    /// [`Error::UnexpectedAnswer`]; [`Error::Foreign`] if it answers with another query.
    pub fn show(&self, query: &QueryId) -> Result<Look, Error> {
        let path = format!("/atlantic-query/{query}");
        let look = look(SHOW, self.transport.get(SHOW, &path, &[], self.settings.limits.query)?)?;
        let got = &look.answer.atlantic_query;
        if got.id != *query {
            return Err(foreign(got, "id", query.to_string(), got.id.to_string()));
        }
        Ok(look)
    }

    /// The jobs of a query: times of stages, and transactions on chain.
    ///
    /// # Errors
    /// As [`Client::show`].
    pub fn jobs(&self, query: &QueryId) -> Result<JobsAnswer, Error> {
        let path = format!("/atlantic-query-jobs/{query}");
        typed(JOBS, &self.transport.get(JOBS, &path, &[], self.settings.limits.jobs)?)
    }

    /// A page of the account's queries.
    ///
    /// # Errors
    /// As [`Client::show`].
    pub fn list(&self, listing: &Listing) -> Result<ListAnswer, Error> {
        let mut parameters =
            vec![("limit", listing.limit.to_string()), ("offset", listing.offset.to_string())];
        parameters.extend(listing.search.iter().map(|search| ("search", search.clone())));
        parameters.extend(listing.network.iter().map(|network| ("network", network.as_str().to_owned())));
        let answer = self.transport.get(LIST, "/atlantic-queries", &parameters, self.settings.limits.list)?;
        typed(LIST, &answer)
    }

    /// Whether the service answers.
    ///
    /// # Errors
    /// As [`Client::show`].
    pub fn is_alive(&self) -> Result<bool, Error> {
        let answer = self.transport.get(ALIVE, "/is-alive", &[], self.settings.limits.query)?;
        typed::<Alive>(ALIVE, &answer).map(|answer| answer.alive)
    }

    /// Waits until a query is over, whatever its end. `watch` sees every look and can stop the waiting; the query goes on.
    ///
    /// # Errors
    /// [`Error::Deadline`], [`Error::Stopped`]; the last failure, once looks have failed for longer than the allowed
    /// outage, or at once if it will not go away.
    pub fn wait(
        &self,
        query: &QueryId,
        polling: Polling,
        watch: &mut dyn FnMut(Sight<'_>) -> ControlFlow<()>,
    ) -> Result<Look, Error> {
        self.wait_with_hints(query, polling, watch, &mut || false)
    }

    /// [`Client::wait`] that looks earlier where there is a hint of news. `hinted` is asked every few seconds whether one
    /// has come since it was asked before. However many come, looks are no closer to each other than the shortest pause.
    ///
    /// # Errors
    /// As [`Client::wait`].
    pub fn wait_with_hints(
        &self,
        query: &QueryId,
        polling: Polling,
        watch: &mut dyn FnMut(Sight<'_>) -> ControlFlow<()>,
        hinted: &mut dyn FnMut() -> bool,
    ) -> Result<Look, Error> {
        let began = self.clock.now();
        let (mut pause, mut seen): (Duration, Option<Query>) = (polling.shortest, None);
        let mut last_answer = began;
        loop {
            let sight = self.show(query);
            let now = self.clock.now();
            let told = match &sight {
                Ok(look) => watch(Sight::Query(&look.answer.atlantic_query)),
                Err(error) => watch(Sight::Failed(error)),
            };
            match sight {
                Ok(look) if look.answer.atlantic_query.status.is_terminal() => return Ok(look),
                Ok(look) => {
                    let current = look.answer.atlantic_query;
                    let changed = seen
                        .as_ref()
                        .is_some_and(|seen| (&seen.status, &seen.step) != (&current.status, &current.step));
                    pause = if changed { polling.shortest } else { pause };
                    seen = Some(current);
                    last_answer = now;
                }
                Err(error) => {
                    // A query that was just accepted may not be found yet; an answer may be garbled once.
                    let passing = error.is_transient()
                        || matches!(error, Error::UnexpectedAnswer { .. })
                        || error.class() == Class::NotFound;
                    if !passing || now.saturating_sub(last_answer) > polling.outage {
                        return Err(error);
                    }
                }
            }
            if told.is_break() {
                return Err(Error::Stopped { query: query.clone() });
            }
            let waited = now.saturating_sub(began);
            if waited >= polling.deadline {
                let status = seen.map_or(QueryStatus::Received, |seen| seen.status);
                return Err(Error::Deadline { query: query.clone(), waited, status });
            }
            self.pause(pause.min(polling.deadline.saturating_sub(waited)), polling.shortest, hinted);
            pause = polling.after(pause);
        }
    }

    /// Waits for `longest`, or where there is a hint for `shortest`, or until the clock is woken.
    fn pause(&self, longest: Duration, shortest: Duration, hinted: &mut dyn FnMut() -> bool) {
        let began = self.clock.now();
        let mut length = longest;
        loop {
            if hinted() {
                length = longest.min(shortest);
            }
            let before = self.clock.now();
            let left = length.saturating_sub(before.saturating_sub(began));
            if left.is_zero() {
                return;
            }
            let step = left.min(GLANCE);
            self.clock.pause(step);
            if self.clock.now().saturating_sub(before) < step {
                return;
            }
        }
    }
}

fn look(place: &'static str, value: Value) -> Result<Look, Error> {
    let answer = typed(place, &value)?;
    Ok(Look { answer, raw: without_client(value) })
}

fn foreign(query: &Query, field: &'static str, expected: String, got: String) -> Error {
    Error::Foreign { query: query.id.clone(), field, expected, got: crate::quoted::quoted(&got) }
}

/// Whether a query that has our deduplication id is our job, as far as it can be seen. What it proves is seen later.
fn same_job(form: &Form, query: &Query) -> Result<(), Error> {
    fn word<T>(value: &Option<T>, text: impl Fn(&T) -> &str) -> Option<String> {
        value.as_ref().map(|value| text(value).to_owned())
    }
    use crate::vocabulary::{CairoVersion, Goal, JobSize};
    let fields = [
        ("declared size", word(&form.declared_job_size, JobSize::as_str), {
            word(&query.declared_job_size, JobSize::as_str)
        }),
        ("result", word(&form.result, Goal::as_str), word(&query.result, Goal::as_str)),
        ("network", word(&form.network, Network::as_str), word(&query.network, Network::as_str)),
        (
            "Cairo version",
            word(&form.cairo_version, CairoVersion::as_str),
            word(&query.cairo_version, CairoVersion::as_str),
        ),
    ];
    for (field, expected, got) in fields {
        if let (Some(expected), Some(got)) = (expected, got)
            && expected != got
        {
            return Err(foreign(query, field, expected, got));
        }
    }
    Ok(())
}
