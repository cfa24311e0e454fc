//! The server: real connections on 127.0.0.1, one thread each.

use std::{
    io::{self, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use ashlar_atlantic::Clock;
use serde_json::{Value, json};

use crate::{
    fault::{Endpoint, Fault, Rule, When},
    multipart,
    request::{self, Received},
    rules,
    script::{Script, Submission},
    state::{Query, ulid},
};

/// A connection on which nothing happens for so long is left.
const PATIENCE: Duration = Duration::from_secs(20);

type Scripting = dyn Fn(&Submission) -> Script + Send + Sync;

/// A request that the mock has received, for a test to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which.
    pub endpoint: Endpoint,
    /// Method, path and query as they came.
    pub target: String,
    /// The key, in the header.
    pub key: Option<String>,
    /// The names of the other headers.
    pub headers: Vec<String>,
    /// By the mock's clock.
    pub at: Duration,
}

struct State {
    clock: Arc<dyn Clock>,
    scripting: Box<Scripting>,
    keys: Option<Vec<String>>,
    provers: Vec<String>,
    programs: Vec<String>,
    base: String,
    foreign_artefacts: Option<String>,
    rules: Vec<Rule>,
    queries: Vec<Query>,
    requests: Vec<Request>,
}

/// What a mock is made from.
pub struct MockBuilder {
    clock: Arc<dyn Clock>,
    scripting: Box<Scripting>,
    keys: Option<Vec<String>>,
    provers: Vec<String>,
    programs: Vec<String>,
}

impl MockBuilder {
    /// Decides what becomes of each submission.
    #[must_use]
    pub fn script(
        mut self,
        scripting: impl Fn(&Submission) -> Script + Send + Sync + 'static,
    ) -> MockBuilder {
        self.scripting = Box::new(scripting);
        self
    }

    /// Asks submissions for one of these keys.
    #[must_use]
    pub fn keys(mut self, keys: &[&str]) -> MockBuilder {
        self.keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        self
    }

    /// Which words the field `sharpProver` takes; as in September 2026 otherwise, without `stone`.
    #[must_use]
    pub fn provers(mut self, provers: &[&str]) -> MockBuilder {
        self.provers = provers.iter().map(|prover| (*prover).to_owned()).collect();
        self
    }

    /// Which programs are registered by their hashes.
    #[must_use]
    pub fn programs(mut self, hashes: &[&str]) -> MockBuilder {
        self.programs = hashes.iter().map(|hash| (*hash).to_owned()).collect();
        self
    }

    /// Starts the server on a free port.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn start(self) -> io::Result<Mock> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let MockBuilder { clock, scripting, keys, provers, programs } = self;
        let state = Arc::new(Mutex::new(State {
            clock,
            scripting,
            keys,
            provers,
            programs,
            base: format!("http://{address}"),
            foreign_artefacts: None,
            rules: Vec::new(),
            queries: Vec::new(),
            requests: Vec::new(),
        }));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&state), Arc::clone(&stopped));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                if let Ok(stream) = stream {
                    std::thread::spawn(move || {
                        // A connection that breaks is the client's affair.
                        let _ = serve(stream, &shared);
                    });
                }
            }
        });
        Ok(Mock { address, state, stopped, thread: Some(thread) })
    }
}

/// A running mock. It stops when it is dropped.
pub struct Mock {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    /// A mock by a clock; it takes any key or none, and everything takes Route S.
    pub fn builder(clock: Arc<dyn Clock>) -> MockBuilder {
        MockBuilder {
            clock,
            scripting: Box::new(|_| Script::route_s()),
            keys: None,
            provers: vec!["stwo".to_owned(), "stwoHerodotus".to_owned()],
            programs: Vec::new(),
        }
    }

    /// Its address, `http://127.0.0.1:…`.
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds misbehaviour. The first rule that strikes decides.
    pub fn misbehave(&self, endpoint: Endpoint, fault: Fault, when: When) {
        self.lock().rules.push(Rule::new(endpoint, fault, when));
    }

    /// Behaves again.
    pub fn behave(&self) {
        self.lock().rules.clear();
    }

    /// Names this address, instead of its own, as the place of artefacts.
    pub fn name_artefacts_at(&self, base: &str) {
        self.lock().foreign_artefacts = Some(base.to_owned());
    }

    /// The submissions that were accepted, in order: each of them costs money.
    pub fn accepted(&self) -> Vec<Submission> {
        self.lock().queries.iter().map(|query| query.submission.clone()).collect()
    }

    /// The ids of the queries, in order.
    pub fn queries(&self) -> Vec<String> {
        self.lock().queries.iter().map(|query| query.id.clone()).collect()
    }

    /// Everything that was asked, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How often a kind of request came.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.lock().requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// The webhook that the service would post for a query now, or that a forger would: nothing tells them apart.
    pub fn webhook(&self, id: &str) -> Value {
        let state = self.lock();
        let now = state.clock.now();
        let query = state.queries.iter().find(|query| query.id == id).map(|query| query.told(now));
        json!({ "type": "ATLANTIC_QUERY_COMPLETED", "atlanticQueryId": id,
            "status": query.as_ref().map_or(json!("DONE"), |query| query["status"].clone()),
            "context": Value::Null, "jobName": query.map_or(Value::Null, |query| query["step"].clone()),
            "error": Value::Null })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The listener is woken by a connection, and sees that it is to stop.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            // A listener that panicked has nothing more to stop.
            let _ = thread.join();
        }
    }
}

/// An answer before it is written.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Answer {
        let headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
        Answer { status, headers, body: body.to_string().into_bytes() }
    }

    fn code(status: u16, code: &str) -> Answer {
        Answer::json(status, &json!({ "message": code }))
    }

    fn text(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: vec![("Content-Type", media_type.to_owned())], body: body.into() }
    }
}

fn serve(mut stream: TcpStream, shared: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(head) = request::read_head(&mut stream)? else { return Ok(()) };
    let request = head.finish(&mut stream)?;
    let (fault, answer) = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoint = endpoint(&request);
        let at = state.clock.now();
        state.requests.push(recorded(&request, endpoint, at));
        let fault = state.rules.iter_mut().find_map(|rule| rule.strike(endpoint));
        let answer = match fault.as_ref().and_then(|fault| instead(fault, &request)) {
            Some(answer) => answer,
            None => respond(&mut state, &request, endpoint),
        };
        (fault, answer)
    };
    match fault {
        Some(Fault::ResetBefore | Fault::ResetAfter) => stream.shutdown(Shutdown::Both),
        Some(Fault::HtmlAfter(status)) => write(&mut stream, &proxy_page(status), None, false),
        Some(Fault::Slow(between)) => write(&mut stream, &answer, Some(between), false),
        Some(Fault::CutOff) => write(&mut stream, &answer, None, true),
        Some(Fault::Huge(length)) => {
            let mut answer = answer;
            answer.body.resize(length.max(answer.body.len()), b' ');
            write(&mut stream, &answer, None, false)
        }
        _ => write(&mut stream, &answer, None, false),
    }
}

fn write(stream: &mut TcpStream, answer: &Answer, slow: Option<Duration>, cut: bool) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Mocked\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", answer.body.len()));
    stream.write_all(head.as_bytes())?;
    match slow {
        Some(between) => {
            for byte in &answer.body {
                stream.write_all(&[*byte])?;
                std::thread::sleep(between);
            }
        }
        None if cut => stream.write_all(answer.body.get(..answer.body.len() / 2).unwrap_or_default())?,
        None => stream.write_all(&answer.body)?,
    }
    stream.flush()?;
    stream.shutdown(Shutdown::Both)
}

fn endpoint(request: &Received) -> Endpoint {
    let path = request.path.as_str();
    match request.method.as_str() {
        "POST" if path == "/atlantic-query" => Endpoint::Submit,
        "GET" if path == "/atlantic-query-by-dedup-id" => Endpoint::ByDedupId,
        "GET" if path == "/atlantic-queries" => Endpoint::List,
        "GET" if path.starts_with("/atlantic-query-jobs/") => Endpoint::Jobs,
        "GET" if path.starts_with("/atlantic-query/") => Endpoint::Show,
        "GET" if path.starts_with("/queries/") => Endpoint::Artefact,
        _ => Endpoint::Any,
    }
}

fn recorded(request: &Received, endpoint: Endpoint, at: Duration) -> Request {
    let parameters: Vec<String> =
        request.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let target = format!("{} {}?{}", request.method, request.path, parameters.join("&"));
    let headers = request.headers.keys().filter(|name| *name != "api-key").cloned().collect();
    let key = request.headers.get("api-key").cloned();
    Request { endpoint, target: target.trim_end_matches('?').to_owned(), key, headers, at }
}

/// The answer that a fault gives instead of the service's; `None` where the request is performed all the same.
fn instead(fault: &Fault, request: &Received) -> Option<Answer> {
    Some(match fault {
        Fault::InvalidKey => {
            let key = request.headers.get("api-key").cloned().unwrap_or_default();
            Answer::json(401, &json!({ "message": "INVALID_API_KEY", "additionalData": { "received": key } }))
        }
        Fault::PaymentRequired => {
            let mut answer = Answer::json(402, &json!({ "error": "X402_SETTLEMENT_FAILED" }));
            answer.headers.push(("X-Payment-Required", "eyJ4NDAyVmVyc2lvbiI6MX0=".to_owned()));
            answer
        }
        Fault::InsufficientCredits => Answer::code(400, "INSUFFICIENT_CREDITS"),
        Fault::Code(status, code) => Answer::code(*status, code),
        Fault::Raw(status, body) => Answer::text(*status, "application/json", body.clone()),
        Fault::Html(status) => proxy_page(*status),
        Fault::NumericKeys(status) => {
            let digits = status.to_string();
            let fields = digits.chars().enumerate().map(|(index, digit)| (index.to_string(), json!(digit)));
            Answer::json(*status, &Value::Object(fields.collect()))
        }
        Fault::NotFoundPage => Answer::text(404, "text/plain", "404 page not found\n"),
        Fault::Redirect(to) => {
            let mut answer = Answer::text(302, "text/plain", "elsewhere");
            answer.headers.push(("Location", to.clone()));
            answer
        }
        Fault::ResetBefore => Answer::text(500, "text/plain", ""),
        Fault::ResetAfter | Fault::HtmlAfter(_) | Fault::Slow(_) | Fault::CutOff | Fault::Huge(_) => {
            return None;
        }
    })
}

fn proxy_page(status: u16) -> Answer {
    Answer::text(status, "text/html", format!("<html><head><title>{status}</title></head></html>\n"))
}

fn respond(state: &mut State, request: &Received, endpoint: Endpoint) -> Answer {
    match endpoint {
        Endpoint::Submit => submit(state, request),
        Endpoint::Show => match found(state, request, "/atlantic-query/") {
            Some(query) => {
                let now = state.clock.now();
                let urls: Vec<String> = match query.is_done(now) {
                    true => artefact_urls(state, query),
                    false => Vec::new(),
                };
                Answer::json(200, &json!({ "atlanticQuery": query.told(now), "metadataUrls": urls }))
            }
            None => Answer::code(404, "ATLANTIC_QUERY_NOT_FOUND"),
        },
        Endpoint::Jobs => match found(state, request, "/atlantic-query-jobs/") {
            Some(query) => Answer::json(200, &query.jobs(state.clock.now())),
            None => Answer::code(404, "ATLANTIC_QUERY_NOT_FOUND"),
        },
        Endpoint::ByDedupId => {
            let wanted = request.parameters.get("dedupId").map(String::as_str);
            let query = state
                .queries
                .iter()
                .find(|query| wanted.is_some() && query.submission.field("dedupId") == wanted);
            match query {
                Some(query) => Answer::json(200, &json!({ "atlanticQuery": query.told(state.clock.now()) })),
                None => Answer::code(404, "ATLANTIC_QUERY_NOT_FOUND"),
            }
        }
        Endpoint::List => list(state, request),
        Endpoint::Artefact => artefact(state, request),
        Endpoint::Any if request.path == "/is-alive" => Answer::json(200, &json!({ "alive": true })),
        Endpoint::Any => Answer::json(
            404,
            &json!({ "message": format!("Route {}:{} not found", request.method, request.path),
                "error": "Not Found", "statusCode": 404 }),
        ),
    }
}

fn found<'a>(state: &'a State, request: &Received, prefix: &str) -> Option<&'a Query> {
    let id = request.path.strip_prefix(prefix)?;
    state.queries.iter().find(|query| query.id == id)
}

fn submit(state: &mut State, request: &Received) -> Answer {
    let key = request.headers.get("api-key").or(request.parameters.get("apiKey"));
    match (&state.keys, key) {
        (Some(_), None) => return Answer::code(401, "MISSING_API_KEY"),
        (Some(keys), Some(key)) if !keys.contains(key) => return Answer::code(401, "INVALID_API_KEY"),
        _ => {}
    }
    let media_type = request.headers.get("content-type").map(String::as_str).unwrap_or_default();
    let Some((fields, files)) = multipart::parse(media_type, &request.body) else {
        return Answer::code(400, "ZOD_INVALID_BODY_STRING");
    };
    if let Err((status, body)) = rules::check(&fields, &files, &state.provers, &state.programs) {
        return Answer::json(status, &body);
    }
    let submission = Submission { fields, files };
    let dedup_id = submission.field("dedupId");
    if dedup_id.is_some() && state.queries.iter().any(|query| query.submission.field("dedupId") == dedup_id) {
        return Answer::code(400, "ATLANTIC_QUERY_WITH_DEDUP_ID_ALREADY_EXISTS");
    }
    let now = state.clock.now();
    let id = ulid(now, state.queries.len() as u64 + 1);
    let script = (state.scripting)(&submission);
    state.queries.push(Query {
        id: id.clone(),
        submission,
        script,
        created: now,
        fetched: std::collections::BTreeMap::new(),
    });
    Answer::json(201, &json!({ "atlanticQueryId": id }))
}

fn list(state: &State, request: &Received) -> Answer {
    let number = |name: &str, otherwise| {
        request.parameters.get(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(otherwise)
    };
    let now = state.clock.now();
    let network = request.parameters.get("network").map(String::as_str);
    let search = request.parameters.get("search").map(String::as_str).unwrap_or_default();
    let matching: Vec<Value> = state
        .queries
        .iter()
        .rev()
        .filter(|query| network.is_none() || query.submission.field("network") == network)
        .filter(|query| {
            query.id.contains(search)
                || query.submission.field("externalId").is_some_and(|label| label.contains(search))
        })
        .map(|query| query.told(now))
        .collect();
    let total = matching.len();
    let page: Vec<Value> = matching.into_iter().skip(number("offset", 0)).take(number("limit", 20)).collect();
    Answer::json(200, &json!({ "atlanticQueries": page, "total": total }))
}

fn artefact_urls(state: &State, query: &Query) -> Vec<String> {
    let base = state.foreign_artefacts.as_ref().unwrap_or(&state.base);
    query.script.artefacts.keys().map(|name| format!("{base}/queries/{}/{name}", query.id)).collect()
}

fn artefact(state: &mut State, request: &Received) -> Answer {
    let missing = || Answer::text(404, "application/xml", "<Error><Code>NoSuchKey</Code></Error>");
    let rest = request.path.strip_prefix("/queries/").unwrap_or_default();
    let Some((id, name)) = rest.split_once('/') else { return missing() };
    let now = state.clock.now();
    let Some(query) = state.queries.iter_mut().find(|query| query.id == id) else { return missing() };
    if !query.is_done(now) {
        return missing();
    }
    let Some(bytes) = query.script.artefacts.get(name) else { return missing() };
    let fetched = query.fetched.entry(name.to_owned()).or_default();
    *fetched += 1;
    let (missing_first, truncated_first) = (query.script.missing_first, query.script.truncated_first);
    if *fetched <= missing_first {
        return missing();
    }
    let bytes = if *fetched <= missing_first + truncated_first {
        bytes.get(..bytes.len() / 2).unwrap_or_default()
    } else {
        bytes
    };
    Answer::text(200, "application/octet-stream", bytes)
}
