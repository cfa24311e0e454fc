//! One exchange with the service: bounded in time and size, without redirects, the key in its place.

use std::{io::Read, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, SendBody,
    http::{HeaderValue, header::CONTENT_LENGTH},
};

use crate::{
    address::{Address, ArtefactAddress},
    answer,
    error::Error,
    key::{ApiKey, KeyPlace},
    multipart::Multipart,
};

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// From the request to the end of an answer.
    pub answer: Duration,
    /// To send a submission.
    pub upload: Duration,
    /// To receive an artefact.
    pub download: Duration,
}

impl Default for Timeouts {
    /// 10 s, one minute, a quarter of an hour, a quarter of an hour.
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            upload: Duration::from_secs(900),
            download: Duration::from_secs(900),
        }
    }
}

/// The largest answers, in bytes, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// About one query.
    pub query: u64,
    /// About its jobs, whose context can be long.
    pub jobs: u64,
    /// A listing.
    pub list: u64,
    /// The file `metadata.json`.
    pub metadata: u64,
    /// Any other artefact.
    pub artefact: u64,
}

impl Default for Limits {
    /// 1 MiB, 8 MiB, 8 MiB, 8 MiB, 1 GiB.
    fn default() -> Limits {
        Limits { query: 1 << 20, jobs: 8 << 20, list: 8 << 20, metadata: 8 << 20, artefact: 1 << 30 }
    }
}

/// Speaks to one service.
#[derive(Debug)]
pub(crate) struct Transport {
    service: Agent,
    upload: Agent,
    artefacts: Agent,
    base: Address,
    key: Option<ApiKey>,
    key_place: KeyPlace,
    most_answer: u64,
}

/// The answer to a request for an artefact.
pub(crate) struct Stream {
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
    pub(crate) body: Box<dyn Read>,
}

impl Transport {
    pub(crate) fn new(
        base: Address,
        key: Option<ApiKey>,
        key_place: KeyPlace,
        timeouts: Timeouts,
        limits: Limits,
    ) -> Transport {
        let agent = |send: Duration, receive: Duration, direct: bool| {
            let mut config = Agent::config_builder()
                .timeout_connect(Some(timeouts.connect))
                .timeout_resolve(Some(timeouts.connect))
                .timeout_send_request(Some(timeouts.answer))
                .timeout_send_body(Some(send))
                .timeout_recv_response(Some(timeouts.answer))
                .timeout_recv_body(Some(receive))
                // Requests, and the key in them, go where the operator said and nowhere else.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                // A connection that was kept may be dead, and a submission on it in doubt.
                .max_idle_connections(0)
                .max_idle_connections_per_host(0)
                .user_agent(concat!("ashlar/", env!("CARGO_PKG_VERSION")));
            if direct {
                config = config.proxy(None);
            }
            config.build().new_agent()
        };
        let direct = base.is_loopback();
        Transport {
            service: agent(timeouts.answer, timeouts.answer, direct),
            upload: agent(timeouts.upload, timeouts.answer, direct),
            artefacts: agent(timeouts.answer, timeouts.download, direct),
            base,
            key,
            key_place,
            most_answer: limits.query,
        }
    }

    /// A `GET` whose answer is JSON of at most `limit` bytes. `place` names the request in errors.
    pub(crate) fn get(
        &self,
        place: &'static str,
        path: &str,
        parameters: &[(&str, String)],
        limit: u64,
    ) -> Result<Value, Error> {
        let mut request = self.service.get(self.base.at(path));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        match (&self.key, self.key_place) {
            (Some(key), KeyPlace::Header) => request = request.header("api-key", sensitive(key)?),
            (Some(key), KeyPlace::QueryParameter) => request = request.query("apiKey", key.reveal()),
            (None, _) => {}
        }
        let response = request.call().map_err(|error| failure(place, &error))?;
        self.read(place, response, limit)
    }

    /// Posts a form. An error that is no refusal leaves open whether the form arrived.
    pub(crate) fn post(&self, place: &'static str, path: &str, mut form: Multipart) -> Result<Value, Error> {
        let mut request = self
            .upload
            .post(self.base.at(path))
            .header("content-type", form.content_type())
            .header(CONTENT_LENGTH, form.length());
        match (&self.key, self.key_place) {
            (Some(key), KeyPlace::Header) => request = request.header("api-key", sensitive(key)?),
            (Some(key), KeyPlace::QueryParameter) => request = request.query("apiKey", key.reveal()),
            (None, _) => {}
        }
        match request.send(SendBody::from_reader(&mut form)) {
            Ok(response) => self.read(place, response, self.most_answer),
            Err(ureq::Error::Io(error)) if Multipart::is_change(&error) => {
                Err(form.changed_file().unwrap_or_else(|| failure(place, &ureq::Error::Io(error))))
            }
            Err(error) => Err(failure(place, &error)),
        }
    }

    fn read(
        &self,
        place: &'static str,
        mut response: ureq::http::Response<ureq::Body>,
        limit: u64,
    ) -> Result<Value, Error> {
        let status = response.status().as_u16();
        let mut body = match response.body_mut().with_config().limit(limit).read_to_vec() {
            Ok(body) => body,
            Err(ureq::Error::BodyExceedsLimit(_)) => return Err(Error::Oversized { place, limit }),
            Err(error) => return Err(failure(place, &error)),
        };
        if let Some(key) = &self.key {
            key.blot_out(&mut body);
        }
        answer::judge(place, status, &body)
    }

    /// Asks for an artefact. The key does not go along.
    pub(crate) fn artefact(&self, place: &'static str, address: &ArtefactAddress) -> Result<Stream, Error> {
        let response = self.artefacts.get(address.to_uri()).call().map_err(|error| failure(place, &error))?;
        let (status, length) = (response.status().as_u16(), response.body().content_length());
        // The reader's own limit is lifted: the one who reads counts.
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Stream { status, length, body: Box::new(body) })
    }
}

/// JSON as a type.
pub(crate) fn typed<T: DeserializeOwned>(place: &'static str, value: &Value) -> Result<T, Error> {
    T::deserialize(value)
        .map_err(|error| Error::UnexpectedAnswer { place, reason: crate::quoted::quoted(&error.to_string()) })
}

/// The key as a header value that the HTTP library does not print either.
fn sensitive(key: &ApiKey) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(key.reveal()).map_err(|_| Error::Key { got: "others" })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The library's error in our words: its own can hold an address, and an address can hold a key.
fn failure(place: &'static str, error: &ureq::Error) -> Error {
    use std::io::ErrorKind;
    let reason = match error {
        ureq::Error::HostNotFound => "the host's name is not known",
        ureq::Error::ConnectionFailed => "no connection",
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => "no connection in time",
        ureq::Error::Timeout(ureq::Timeout::SendBody | ureq::Timeout::SendRequest) => {
            "the request was not taken in time"
        }
        ureq::Error::Timeout(_) => "the answer did not come in time",
        ureq::Error::Tls(_) => "no TLS",
        #[cfg(feature = "tls")]
        ureq::Error::Rustls(_) => "the TLS connection failed",
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => "the connection was refused",
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                "the connection was reset"
            }
            ErrorKind::UnexpectedEof => "the answer broke off",
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "the answer did not come in time",
            _ => "the connection failed",
        },
        _ => "the answer is no HTTP",
    };
    Error::Unreachable { place, reason }
}
