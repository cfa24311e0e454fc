//! Webhooks of the managed service. Nothing signs them, so that one is a hint and no more: it goes into the records, and
//! whoever waits for the query looks at it himself, earlier than he would have.
//!
//! The path holds a part that the operator chose and nobody can guess; without one there is no such path. Whoever knows it
//! learns nothing, because the answer is the same whatever the body says, and causes little: hints of queries that nobody
//! waits for are dropped, those of others recorded seldom, and looks are no closer together than the shortest pause of
//! polling.

use std::fmt;

use ashlar_atlantic::{Hint, MOST_WEBHOOK_BYTES};
use ashlar_store::ContentHash;
use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::{
    RateLimit, ServerError,
    call::{Answer, Call},
    problem::Refused,
    route::{Route, Verb},
};

/// What every path of webhooks begins with.
const BELOW: &str = "/webhooks/";

/// Webhooks that are looked into; further ones are answered the same, and dropped.
pub(crate) const LOOKED_INTO: RateLimit = RateLimit { each_second: 20, at_once: 100 };

/// The name under which they are counted for that.
const EVERYBODY: &str = "webhooks";

/// The route, which is there only where the settings have a secret. It is not in the API's document.
pub(crate) const ROUTES: &[Route] = &[Route {
    verb: Verb::Post,
    path: "/webhooks/atlantic/{secret}",
    scope: None,
    summary: "A hint that there may be news of a query at the managed service",
    parameters: &[],
    body: None,
    answers: &[(204, &[])],
    problems: &[404, 408, 413, 429],
    handler: |call| Box::pin(receive(call)),
}];

/// The part of the path that nobody can guess. It is shown nowhere, and only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(ContentHash);

impl WebhookSecret {
    /// The least and the most characters.
    const LENGTH: std::ops::RangeInclusive<usize> = 32..=128;

    /// Reads 32 to 128 letters, digits, hyphens and underscores; `openssl rand -hex 32` makes 64 such.
    ///
    /// # Errors
    /// [`ServerError::WebhookSecret`], without what was given.
    pub fn parse(text: &str) -> Result<WebhookSecret, ServerError> {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !text.bytes().all(fit) {
            return Err(ServerError::WebhookSecret { got: "other characters".to_owned() });
        }
        if !WebhookSecret::LENGTH.contains(&text.len()) {
            return Err(ServerError::WebhookSecret { got: format!("{} of them", text.len()) });
        }
        Ok(WebhookSecret(ContentHash::of(text.as_bytes())))
    }

    /// Whether this is it, in a time that does not tell how much of it is right.
    fn is(&self, given: &str) -> bool {
        self.0.equals_in_constant_time(ContentHash::of(given.as_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Whether a path is one of webhooks: a machine asks there, and what it ends with is not repeated.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(BELOW)
}

/// The refusal of a path of webhooks where nothing lives, as far as the caller is told.
pub(crate) fn nothing_here() -> ServerError {
    ServerError::NoSuchPath { path: format!("{BELOW}…") }
}

async fn receive(mut call: Call) -> Answer {
    let given = call.parameter("secret");
    if !call.app.settings.atlantic_webhook.as_ref().is_some_and(|secret| secret.is(given)) {
        return Err(nothing_here().into());
    }
    let body = call.body(MOST_WEBHOOK_BYTES).await?;
    if call.app.hints.take(EVERYBODY, call.app.now()).is_ok()
        && let Ok(hint) = Hint::read(&body)
    {
        // That the records cannot be reached is no answer to whoever sent this: the query is polled anyway.
        if let Err(error) = call.app.store().hint_query(hint.query().as_str(), call.app.now()).await {
            let refused = Refused::from(error);
            (call.app.log)(&format!("a webhook of Atlantic: [{}] {}", refused.code(), refused.words()));
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_of_plain_characters_and_shown_nowhere() {
        let text = "0123456789abcdefABCDEF-_0123456789";
        let secret = WebhookSecret::parse(text).unwrap();
        assert!(secret.is(text));
        for other in ["", "0123", &text[1..], &format!("{text}0"), &text.to_lowercase()] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(!format!("{secret:?}").contains("0123"));
        for unfit in ["", "short", &"x".repeat(31), &"x".repeat(129), &format!("{text}/"), &"é".repeat(32)] {
            let refused = WebhookSecret::parse(unfit).unwrap_err().to_string();
            assert!(unfit.is_empty() || !refused.contains(unfit), "{refused}");
        }
    }
}
