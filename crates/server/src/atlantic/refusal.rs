//! Errors as the service words them: a code in `message`. What this server knows beyond it is in `additionalData`.

use ashlar_atlantic::{ErrorCode, FormFault};
use ashlar_fault::{Code, Exit, Fault};
use axum::{
    body::Body,
    http::{HeaderValue, Method, Response, StatusCode, header},
};
use serde_json::json;

use crate::problem::Refused;

/// A refusal of the endpoint.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub(super) struct AtlanticRefusal {
    pub(super) status: u16,
    pub(super) code: ErrorCode,
    pub(super) detail: String,
}

impl AtlanticRefusal {
    /// A form that is refused.
    pub(super) fn form(code: ErrorCode, detail: impl Into<String>) -> AtlanticRefusal {
        AtlanticRefusal { status: 400, code, detail: detail.into() }
    }

    /// What the service can do and this server cannot. The service answers so to a value that it has retired, and clients
    /// then turn to another prover.
    pub(super) fn unsupported(field: &str, detail: &str) -> AtlanticRefusal {
        AtlanticRefusal::form(ErrorCode::ZodInvalidBodyString, format!("{field}: {detail}"))
    }

    /// No query in reach has the id.
    pub(super) fn unknown() -> AtlanticRefusal {
        let detail = "no query in reach has this id".to_owned();
        AtlanticRefusal { status: 404, code: ErrorCode::QueryNotFound, detail }
    }
}

impl From<FormFault> for AtlanticRefusal {
    fn from(fault: FormFault) -> AtlanticRefusal {
        AtlanticRefusal::form(fault.code.clone(), fault.to_string())
    }
}

impl Fault for AtlanticRefusal {
    fn code(&self) -> Code {
        match self.status {
            404 => Code(8323),
            _ => Code(8322),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// Any refusal in the service's form.
pub(crate) fn answer(refused: &Refused) -> Response<Body> {
    let own = refused.fault().downcast_ref::<AtlanticRefusal>();
    let status = own.and_then(|own| StatusCode::from_u16(own.status).ok()).unwrap_or_else(|| {
        if refused.code().0 == 8309 { StatusCode::UNAUTHORIZED } else { refused.status() }
    });
    let message = match (own, refused.code().0, status.as_u16()) {
        (Some(own), ..) => own.code.as_str(),
        (None, 8307, _) => "MISSING_API_KEY",
        // A key without the scope, and a page of elsewhere: the account may not do it.
        (None, 8308..=8312, _) => "INVALID_API_KEY",
        (None, _, 404) => "ATLANTIC_QUERY_NOT_FOUND",
        (None, _, 429) => "TOO_MANY_REQUESTS",
        (None, _, 400..=499) => "ZOD_INVALID_BODY_STRING",
        _ => "INTERNAL_SERVER_ERROR",
    };
    let body = json!({
        "message": message,
        "additionalData": { "code": refused.code().to_string(), "detail": refused.detail() },
    });
    let mut response = json_response(status, &body);
    refused.add_headers(&mut response);
    response
}

/// What the service says where nothing lives.
pub(crate) fn no_such_route(method: &Method, path: &str) -> Response<Body> {
    let message = format!("Route {method}:{} not found", crate::call::shortened(path));
    json_response(
        StatusCode::NOT_FOUND,
        &json!({ "message": message, "error": "Not Found", "statusCode": 404 }),
    )
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
