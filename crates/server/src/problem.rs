//! Problem documents (RFC 9457): what a request ends with when it does not succeed.

use std::error::Error;

use ashlar_fault::{Code, Exit, Fault};
use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use crate::ServerError;

/// The media type of a problem document.
pub(crate) const PROBLEM_TYPE: &str = "application/problem+json";

/// Statuses by code, ascending. A code that is not here has the status of its class.
const STATUSES: [(u16, u16); 37] = [
    (4004, 503),
    (4007, 404),
    (4008, 409),
    (4009, 409),
    (4016, 404),
    (4018, 404),
    (4019, 404),
    (8201, 429),
    (8202, 409),
    (8205, 409),
    (8206, 409),
    (8207, 409),
    (8242, 503),
    (8244, 503),
    (8252, 503),
    (8300, 404),
    (8301, 405),
    (8302, 413),
    (8303, 408),
    (8304, 400),
    (8305, 415),
    (8306, 400),
    (8307, 401),
    (8308, 401),
    (8309, 403),
    (8310, 421),
    (8311, 403),
    (8312, 403),
    (8313, 429),
    (8314, 429),
    (8315, 404),
    (8316, 404),
    (8317, 500),
    (8318, 503),
    (8322, 400),
    (8323, 404),
    (8325, 429),
];

/// The HTTP status of an error.
pub(crate) fn status(code: Code, exit: Exit) -> StatusCode {
    let listed = STATUSES.binary_search_by_key(&code.0, |(code, _)| *code).ok();
    let number = match listed.and_then(|index| STATUSES.get(index)) {
        Some((_, status)) => *status,
        None => match exit {
            Exit::Usage => 400,
            Exit::Negative => 409,
            Exit::Capacity => 503,
            Exit::Backend => 502,
            Exit::Environment | Exit::Bug | Exit::Interrupted => 500,
        },
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A request that did not succeed.
#[derive(Debug)]
pub(crate) struct Refused {
    fault: Box<dyn Fault>,
    retry_after: Option<u64>,
}

impl<F: Fault> From<F> for Refused {
    fn from(fault: F) -> Refused {
        Refused { fault: Box::new(fault), retry_after: None }
    }
}

impl Refused {
    /// Of a fault whose type is not known here.
    pub(crate) fn of(fault: Box<dyn Fault>) -> Refused {
        Refused { fault, retry_after: None }
    }

    /// The caller may try again after so many seconds.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Refused {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// What was wrong.
    pub(crate) fn fault(&self) -> &(dyn Error + 'static) {
        &*self.fault
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        self.fault.code()
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        status(self.fault.code(), self.fault.exit())
    }

    /// What is told to the caller. Of errors that are ours, the particulars (paths, statements) are for the log only.
    pub(crate) fn detail(&self) -> String {
        if self.status().is_server_error() && !matches!(self.fault.code().0, 8317 | 8318) {
            return "the service could not do this; its log says why".to_owned();
        }
        self.words()
    }

    /// The whole story, for the log.
    pub(crate) fn words(&self) -> String {
        let mut text = self.fault.to_string();
        let mut next = self.fault.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            if !text.ends_with(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            next = cause.source();
        }
        text
    }

    /// What to do, if that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        self.fault.hint()
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let (code, status) = (self.fault.code(), self.status());
        json!({
            "type": format!("urn:ashlar:error:{code}"),
            "title": status.canonical_reason().unwrap_or("error"),
            "status": status.as_u16(),
            "code": code.to_string(),
            "detail": self.detail(),
            "hint": self.fault.hint(),
        })
    }

    /// The answer as a problem document.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        self.add_headers(&mut response);
        response
    }

    /// Adds what the status demands in headers.
    pub(crate) fn add_headers(&self, response: &mut Response<Body>) {
        let mut add = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        match self.status() {
            StatusCode::UNAUTHORIZED => add(header::WWW_AUTHENTICATE, "Bearer realm=\"ashlar\""),
            // The rest of a body that was not read cannot be told from the next request.
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => add(header::CONNECTION, "close"),
            _ => {}
        }
        let own = || self.fault().downcast_ref::<ServerError>().and_then(ServerError::retry_after);
        if let Some(seconds) = self.retry_after.or_else(own) {
            add(header::RETRY_AFTER, &seconds.to_string());
        }
    }
}

/// The answer when a task broke.
pub(crate) fn broken() -> Refused {
    ServerError::Broken.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ascending_and_its_statuses_exist() {
        assert!(STATUSES.is_sorted_by(|(a, _), (b, _)| a < b));
        assert!(STATUSES.iter().all(|(_, status)| (400..600).contains(status)));
    }

    #[test]
    fn a_problem_has_code_status_and_hint() {
        let problem = Refused::from(ServerError::OutOfScope { needed: "submit" }).document();
        assert_eq!(problem["status"], 403);
        assert_eq!(problem["code"], "ASH-8309");
        assert_eq!(problem["type"], "urn:ashlar:error:ASH-8309");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("--scopes submit")));
    }

    #[test]
    fn the_particulars_of_our_own_errors_stay_with_us() {
        let error = ashlar_store::Error::Unreadable {
            path: "/secret/place".into(),
            source: std::io::Error::other("disk on fire"),
        };
        let refused = Refused::from(error);
        assert_eq!(refused.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!refused.document().to_string().contains("secret"));
        assert!(refused.words().contains("/secret/place") && refused.words().contains("disk on fire"));
    }
}
