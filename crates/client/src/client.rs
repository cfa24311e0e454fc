//! One method a route.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    ClientError, EventPage, JobFilter, JobPage, JobView, Program, Settings, Submitted, Watching, Wish,
    error::shown,
    transport::{Repeat, Sending, Transport, fresh_idempotency_key, hexadecimal, typed},
    wire::AllocationView,
};

/// The largest proof that is fetched, in bytes.
pub const MOST_PROOF_BYTES: u64 = 512 << 20;

/// How many of the youngest jobs the beginning of an id is looked for among.
const SEARCHED_PAGES: usize = 10;

/// A client of one server. Threads share it.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client.
    pub fn new(settings: Settings) -> Client {
        Client { transport: Transport::new(settings) }
    }

    /// Whether the server takes work.
    ///
    /// # Errors
    /// [`ClientError::Refused`] if it does not; others as of every call.
    pub fn ready(&self) -> Result<(), ClientError> {
        self.transport.get("/readyz", &[]).map(drop)
    }

    /// Proposes allocations: the text of a proposal file. With a key of the caller's, the same key with the same proposals
    /// is the same job; otherwise every call is another.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn submit_allocations(
        &self,
        proposals: &[u8],
        wish: &Wish,
        key: Option<&str>,
    ) -> Result<Submitted, ClientError> {
        self.submit("/api/v1/allocations", &wish.query(), "application/json", proposals, key)
    }

    /// Submits a program.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn submit_program(
        &self,
        program: &Program,
        wish: &Wish,
        key: Option<&str>,
    ) -> Result<Submitted, ClientError> {
        let mut query = wish.query();
        query.push(("steps", program.steps.to_string()));
        query.extend(program.arguments.clone().map(|arguments| ("args", arguments)));
        query.extend(program.layout.clone().map(|layout| ("layout", layout)));
        query.extend(program.as_built.then(|| ("as_built", "true".to_owned())));
        self.submit("/api/v1/jobs", &query, "application/octet-stream", &program.bytes, key)
    }

    fn submit(
        &self,
        path: &str,
        query: &[(&str, String)],
        media_type: &'static str,
        bytes: &[u8],
        key: Option<&str>,
    ) -> Result<Submitted, ClientError> {
        let key = match key {
            Some(key) => key.to_owned(),
            None => fresh_idempotency_key()?,
        };
        let sending = Sending { media_type, bytes, idempotency_key: Some(&key) };
        let answer = self.transport.post(path, query, Some(&sending), Repeat::Always)?;
        typed(path, &answer)
    }

    /// What would happen to proposals: who would prove them, and why.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn plan(&self, proposals: &[u8], wish: &Wish) -> Result<Value, ClientError> {
        let sending = Sending { media_type: "application/json", bytes: proposals, idempotency_key: None };
        self.transport.post("/api/v1/plan", &wish.query(), Some(&sending), Repeat::Always)
    }

    /// Lets the server verify a proof file. What it says is its word, not evidence.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the verifier's code if it does not accept; others.
    pub fn verify(&self, proof: &[u8], minimum_bits: Option<u32>) -> Result<Value, ClientError> {
        let sending = Sending { media_type: "application/json", bytes: proof, idempotency_key: None };
        let query: Vec<_> = minimum_bits.map(|bits| ("minimum_bits", bits.to_string())).into_iter().collect();
        self.transport.post("/api/v1/verify", &query, Some(&sending), Repeat::Always)
    }

    /// A page of jobs, youngest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn jobs(&self, filter: &JobFilter) -> Result<JobPage, ClientError> {
        const PATH: &str = "/api/v1/jobs";
        let raw = self.transport.get(PATH, &filter.query())?;
        Ok(JobPage { jobs: typed(PATH, &raw["jobs"])?, next: typed(PATH, &raw["next"])?, raw })
    }

    /// The whole id of a job from the beginning of one, with or without `job_`, among the two thousand youngest.
    ///
    /// # Errors
    /// [`ClientError::Refused`] as for an unknown job, [`ClientError::Ambiguous`] where several begin so.
    pub fn find_job(&self, given: &str) -> Result<String, ClientError> {
        const WHOLE: usize = 30;
        let beginning = format!("job_{}", given.strip_prefix("job_").unwrap_or(given).to_ascii_uppercase());
        if beginning.len() == WHOLE {
            return Ok(beginning);
        }
        let mut found: Vec<String> = Vec::new();
        let mut filter = JobFilter { limit: Some(200), ..JobFilter::default() };
        for _ in 0..SEARCHED_PAGES {
            let page = self.jobs(&filter)?;
            found.extend(page.jobs.into_iter().map(|job| job.id).filter(|id| id.starts_with(&beginning)));
            match page.next {
                Some(next) => filter.before = Some(next),
                None => break,
            }
        }
        match found.as_slice() {
            [id] => Ok(id.clone()),
            // The server says in its own words that there is none.
            [] => self.job(given).map(|view| view.job.id),
            [first, ..] => {
                Err(ClientError::Ambiguous { given: shown(given), count: found.len(), first: first.clone() })
            }
        }
    }

    /// A job with its attempts and artefacts.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn job(&self, id: &str) -> Result<JobView, ClientError> {
        let path = job_path(id, "")?;
        let raw = self.transport.get(&path, &[])?;
        Ok(JobView {
            job: typed(&path, &raw["job"])?,
            attempts: typed(&path, &raw["attempts"])?,
            artefacts: typed(&path, &raw["artefacts"])?,
            raw,
        })
    }

    /// Asks for a job to be stopped; where it stands after that.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for one that is over; others.
    pub fn cancel(&self, id: &str) -> Result<String, ClientError> {
        let path = job_path(id, "/cancel")?;
        let answer = self.transport.post(&path, &[], None, Repeat::IfUndone)?;
        typed(&path, &answer["proof_status"])
    }

    /// Does a job over that ended without a proof.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn retry(&self, id: &str) -> Result<Submitted, ClientError> {
        let path = job_path(id, "/retry")?;
        typed(&path, &self.transport.post(&path, &[], None, Repeat::IfUndone)?)
    }

    /// What happened to a job after the event with id `after`, up to 256 events.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn events(&self, id: &str, after: i64) -> Result<EventPage, ClientError> {
        let path = job_path(id, "/events")?;
        typed(&path, &self.transport.get(&path, &[("after", after.to_string())])?)
    }

    /// What happens to a job, from its beginning, until it is over.
    ///
    /// # Errors
    /// [`ClientError::NoId`].
    pub fn watch(&self, id: &str) -> Result<Watching<'_>, ClientError> {
        Ok(Watching::new(&self.transport, job_path(id, "/events")?, 0))
    }

    /// An allocation, and what the server's gate would say of it.
    ///
    /// # Errors
    /// [`ClientError::Refused`] and others.
    pub fn allocation(&self, id: &str) -> Result<AllocationView, ClientError> {
        let path = format!("/api/v1/allocations/{}", plain(id)?);
        typed(&path, &self.transport.get(&path, &[])?)
    }

    /// The bytes of an artefact, which are those of its hash.
    ///
    /// # Errors
    /// [`ClientError::Altered`], [`ClientError::Oversized`], [`ClientError::Refused`] and others.
    pub fn artefact(&self, sha256: &str) -> Result<Vec<u8>, ClientError> {
        let path = format!("/api/v1/artefacts/{}", plain(sha256)?);
        let bytes = self.transport.bytes(&path, MOST_PROOF_BYTES)?;
        let got = hexadecimal(&Sha256::digest(&bytes));
        if got == sha256 { Ok(bytes) } else { Err(ClientError::Altered { expected: sha256.to_owned(), got }) }
    }
}

fn job_path(id: &str, rest: &str) -> Result<String, ClientError> {
    Ok(format!("/api/v1/jobs/{}{rest}", plain(id)?))
}

/// An id that cannot leave its place in a path.
fn plain(id: &str) -> Result<&str, ClientError> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if (1..=64).contains(&id.len()) && id.bytes().all(letter) {
        Ok(id)
    } else {
        Err(ClientError::NoId { given: shown(id) })
    }
}
