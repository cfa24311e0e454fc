//! What a body is: the service's own answer, or that of something that stands before it.
//!
//! Proxies under load answer with HTML, with `404 page not found`, or with JSON whose keys are numbers
//! (`{"0":"4","1":"0","2":"4"}`: a text taken apart). None of these says anything about a query. A 404 counts as "there is
//! no such query" only if it is JSON with the code that says so.

use std::fmt;

use serde_json::Value;

use crate::{class::Class, error::Error, quoted::quoted, vocabulary::ErrorCode, wire::ErrorBody};

/// The form of a body that is not the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Infrastructure {
    /// Nothing.
    Empty,
    /// A page.
    Html,
    /// A JSON object whose keys are numbers.
    NumericKeys,
    /// Some other text.
    Text,
    /// JSON without a code, with a status that only a broken server sends.
    NoCode,
    /// An order to go elsewhere, which is not followed.
    Redirect,
}

impl Infrastructure {
    /// What a status says where the body was not read.
    pub(crate) fn of_status(status: u16) -> Infrastructure {
        if (300..400).contains(&status) { Infrastructure::Redirect } else { Infrastructure::Text }
    }
}

impl fmt::Display for Infrastructure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Infrastructure::Empty => "an empty body",
            Infrastructure::Html => "an HTML page",
            Infrastructure::NumericKeys => "JSON with numbers for keys",
            Infrastructure::Text => "text that is no JSON",
            Infrastructure::NoCode => "JSON without an error code",
            Infrastructure::Redirect => "a redirect, which is not followed",
        })
    }
}

/// Tells what an answer is. Only a success of the service itself is a value.
///
/// # Errors
/// [`Error::Infrastructure`], [`Error::Refused`].
pub(crate) fn judge(place: &'static str, status: u16, body: &[u8]) -> Result<Value, Error> {
    let infrastructure = |got| Err(Error::Infrastructure { place, status, got });
    if (300..400).contains(&status) {
        return infrastructure(Infrastructure::Redirect);
    }
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(_) => return infrastructure(text_form(body)),
    };
    if has_numeric_keys(&value) {
        return infrastructure(Infrastructure::NumericKeys);
    }
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let said: Option<ErrorBody> = serde_json::from_value(value).ok();
    let Some((code, said)) = said.and_then(|body| said_code(&body)) else {
        return if status >= 500 {
            infrastructure(Infrastructure::NoCode)
        } else {
            refused(place, status, ErrorCode::Unknown(String::new()), None)
        };
    };
    refused(place, status, code, said)
}

fn refused<T>(place: &'static str, status: u16, code: ErrorCode, said: Option<String>) -> Result<T, Error> {
    let class: Class = code.class(status);
    // A code that is not on record may be a sentence of any length.
    let code = match code {
        ErrorCode::Unknown(word) => ErrorCode::Unknown(quoted(&word)),
        code => code,
    };
    Err(Error::Refused { place, status, code, class, said })
}

/// The code of an error's body: a known one in either of the two fields, or else what stands first.
fn said_code(body: &ErrorBody) -> Option<(ErrorCode, Option<String>)> {
    let words = [body.message.as_deref(), body.error.as_deref()];
    let codes: Vec<ErrorCode> = words.into_iter().flatten().map(ErrorCode::from_word).collect();
    let code = codes.iter().find(|code| code.is_known()).or(codes.first())?.clone();
    let said = body.additional_data.as_ref().map(|data| quoted(&data.to_string()));
    Some((code, said))
}

fn text_form(body: &[u8]) -> Infrastructure {
    let start = body.trim_ascii_start();
    if start.is_empty() {
        return Infrastructure::Empty;
    }
    if start.starts_with(b"<") { Infrastructure::Html } else { Infrastructure::Text }
}

fn has_numeric_keys(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| {
        !fields.is_empty() && fields.keys().all(|key| key.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(status: u16, body: &str) -> Infrastructure {
        match judge("GET /x", status, body.as_bytes()) {
            Err(Error::Infrastructure { got, .. }) => got,
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn what_a_proxy_says_is_not_what_the_service_says() {
        assert_eq!(form(404, "404 page not found"), Infrastructure::Text);
        assert_eq!(form(200, "<!doctype html><title>ok</title>"), Infrastructure::Html);
        assert_eq!(form(502, " \n<html>"), Infrastructure::Html);
        assert_eq!(form(404, r#"{"0":"4","1":"0","2":"4"}"#), Infrastructure::NumericKeys);
        assert_eq!(form(200, r#"{"0":"{"}"#), Infrastructure::NumericKeys);
        assert_eq!(form(200, ""), Infrastructure::Empty);
        assert_eq!(form(503, r#"{"statusCode":503}"#), Infrastructure::NoCode);
        assert_eq!(form(302, r#"{"alive":true}"#), Infrastructure::Redirect);
        assert_eq!(form(200, &"[".repeat(100_000)), Infrastructure::Text);
    }

    #[test]
    fn a_well_formed_error_is_known_by_its_code() {
        let error = judge("GET /x", 404, br#"{"message":"ATLANTIC_QUERY_NOT_FOUND"}"#).unwrap_err();
        assert_eq!(error.class(), Class::NotFound);
        let other =
            judge("GET /x", 400, br#"{"error":"PIE_FILE_SHOULD_BE_ZIP","additionalData":{"got":"a"}}"#);
        let text = other.unwrap_err().to_string();
        assert!(text.ends_with("PIE_FILE_SHOULD_BE_ZIP ({\"got\":\"a\"})"), "{text}");
        let both = judge("GET /x", 401, br#"{"message":"Unauthorized","error":"INVALID_API_KEY"}"#);
        assert!(matches!(both, Err(Error::Refused { code: ErrorCode::InvalidApiKey, .. })));
    }

    #[test]
    fn a_missing_path_is_not_a_missing_query() {
        let body = br#"{"message":"Route GET:/atlantic-query-by-dedup-id not found","error":"Not Found"}"#;
        assert_eq!(judge("GET /x", 404, body).unwrap_err().class(), Class::ContractDrift);
        assert_eq!(judge("GET /x", 404, b"{}").unwrap_err().class(), Class::ContractDrift);
    }

    #[test]
    fn a_long_message_is_cut() {
        let body = format!(r#"{{"message":"{}"}}"#, "A".repeat(100_000));
        assert!(judge("GET /x", 400, body.as_bytes()).unwrap_err().to_string().len() < 1000);
    }
}
