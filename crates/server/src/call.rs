//! A request on its way through a handler: who asks, the path's and the query's values, and the body within its bounds.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use ashlar_store::{KeyId, KeyScope, StoredContent};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;

use crate::{
    ServerError,
    access::Caller,
    app::App,
    body::{self, HeldBody, Upload},
    problem::Refused,
};

/// What a handler gives back.
pub(crate) type Answer = Result<Response<Body>, Refused>;

/// The most characters of one value of a query.
pub(crate) const LONGEST_VALUE: usize = 2000;

/// A request whose caller may make it.
pub(crate) struct Call {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) query: Fields,
    /// A body may be sent between threads but not shared; this may.
    body: Mutex<Option<Body>>,
}

impl Call {
    pub(crate) fn new(
        app: Arc<App>,
        caller: Caller,
        headers: HeaderMap,
        parameters: BTreeMap<String, String>,
        query: Fields,
        body: Body,
    ) -> Call {
        Call { app, caller, headers, parameters, query, body: Mutex::new(Some(body)) }
    }

    /// The key that lists are confined to.
    pub(crate) fn reach(&self) -> Option<KeyId> {
        self.caller.reach()
    }

    /// A value of the path.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// A header's text; `None` without it or if it is not text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Refuses a body of another kind.
    pub(crate) fn demand_media_type(&self, expected: &'static str) -> Result<(), ServerError> {
        let given = self.header("content-type").unwrap_or("nothing");
        let kind = given.split(';').next().unwrap_or_default().trim();
        if kind.eq_ignore_ascii_case(expected) {
            Ok(())
        } else {
            Err(ServerError::WrongMediaType { expected, got: given.chars().take(100).collect() })
        }
    }

    /// The whole body, of at most `limit` bytes, within the time that bodies have, in memory.
    pub(crate) async fn body(&mut self, limit: usize) -> Result<HeldBody, ServerError> {
        let body = self.take_body();
        let time = self.app.settings.body_time;
        match tokio::time::timeout(time, body::read(body, limit, self.app.bodies.share())).await {
            Ok(read) => read,
            Err(_) => Err(self.too_slow()),
        }
    }

    /// The whole body, of at most `limit` bytes, within the time that bodies have, on the disk. Refused, it leaves nothing
    /// there.
    pub(crate) async fn upload(&mut self, limit: usize) -> Result<StoredContent, Refused> {
        let artefacts = self.app.store().artefacts().clone();
        let upload = Upload::begin(&artefacts, limit, self.app.bodies.share())?;
        let body = self.take_body();
        match tokio::time::timeout(self.app.settings.body_time, upload.take_all(body)).await {
            Ok(taken) => taken?.finish().await,
            Err(_) => Err(self.too_slow().into()),
        }
    }

    /// The refusal of a body that does not come to its end.
    pub(crate) fn too_slow(&self) -> ServerError {
        ServerError::TooSlow { seconds: self.app.settings.body_time.as_secs() }
    }

    /// The body itself, for whoever reads it while it arrives. It can be taken once; after that it is empty.
    pub(crate) fn take_body(&mut self) -> Body {
        self.body.get_mut().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    /// The fields of a form.
    pub(crate) async fn form(&mut self, limit: usize) -> Result<Fields, ServerError> {
        self.demand_media_type("application/x-www-form-urlencoded")?;
        let body = self.body(limit).await?;
        Fields::parse(&body, "form", limit)
    }

    /// Refuses a caller without this scope, where the route's own does not say it all.
    pub(crate) fn demand(&self, scope: KeyScope) -> Result<(), ServerError> {
        self.caller.demand(scope)
    }
}

/// Named values of a query or a form, each name once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    place: &'static str,
    values: BTreeMap<String, String>,
}

impl Fields {
    /// Reads `a=1&b=2`.
    pub(crate) fn parse(bytes: &[u8], place: &'static str, longest: usize) -> Result<Fields, ServerError> {
        let mut values = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            let invalid = |message: &str| ServerError::Invalid {
                place: format!("{place}, {}", shortened(&name)),
                message: message.to_owned(),
            };
            if value.chars().count() > longest {
                return Err(invalid(&format!("expected at most {longest} characters")));
            }
            if values.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(invalid("given twice"));
            }
        }
        Ok(Fields { place, values })
    }

    /// A request's query.
    pub(crate) fn of_query(query: Option<&str>) -> Result<Fields, ServerError> {
        Fields::parse(query.unwrap_or_default().as_bytes(), "query", LONGEST_VALUE)
    }

    /// Refuses names that are not among these.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ServerError> {
        match self.values.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if known.is_empty() => {
                Err(self.invalid(name, "unknown; nothing is expected here".to_owned()))
            }
            Some(name) => Err(self.invalid(name, format!("unknown; expected {}", known.join(", ")))),
        }
    }

    /// Refuses a name without a value: in a form it is a field that was left out, for a program it is a mistake.
    pub(crate) fn none_empty(&self) -> Result<(), ServerError> {
        match self.values.iter().find(|(_, value)| value.is_empty()) {
            None => Ok(()),
            Some((name, _)) => Err(self.invalid(name, "expected a value, got none".to_owned())),
        }
    }

    /// A value; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether the name is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A value that must be readable.
    pub(crate) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ServerError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => read(text)
                .map(Some)
                .ok_or_else(|| self.invalid(name, format!("expected {expected}, got {:?}", shortened(text)))),
        }
    }

    pub(crate) fn invalid(&self, name: &str, message: String) -> ServerError {
        ServerError::Invalid { place: format!("{}, {}", self.place, shortened(name)), message }
    }
}

/// A caller's words as far as they are worth repeating.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        text.chars().take(MOST).chain("…".chars()).collect()
    }
}

/// An answer with a JSON body.
pub(crate) fn json_answer(status: StatusCode, value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value).map_err(|_| ServerError::Broken)?;
    Ok(answer(status, "application/json", Body::from(text)))
}

/// An answer of this type.
pub(crate) fn answer(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_twice_or_unknown_is_refused() {
        assert!(Fields::of_query(Some("a=1&a=1")).is_err());
        let fields = Fields::of_query(Some("a=1&b=%20x")).unwrap();
        assert!(fields.only(&["a", "b"]).is_ok());
        assert!(fields.only(&["a"]).unwrap_err().to_string().contains("unknown"));
        assert_eq!(fields.get("b"), Some(" x"));
        assert!(
            fields
                .read("a", "a letter", |text| text.parse::<char>().ok().filter(|c| c.is_alphabetic()))
                .is_err()
        );
    }

    #[test]
    fn a_value_without_end_is_refused_and_not_repeated() {
        let long = "x".repeat(LONGEST_VALUE + 1);
        let error = Fields::of_query(Some(&format!("{long}={long}"))).unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }
}
