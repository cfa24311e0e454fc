//! Webhooks: hints, no more. Nothing signs them, so the only thing that one can do is to cause a look at a query that is
//! being waited for anyway.

use crate::{
    error::Error,
    quoted::quoted,
    vocabulary::WebhookKind,
    wire::{QueryId, WebhookEvent},
};

/// The longest body that is read; contexts of verifications are the longest on record.
pub const MOST_WEBHOOK_BYTES: usize = 256 << 10;

/// That it may be worth looking at a query now. What the webhook said about it is not here: it is no source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    query: QueryId,
    kind: WebhookKind,
}

impl Hint {
    /// Reads a webhook's body. Whoever acts on it must wait for the query anyway: a hint of another is dropped, so that a
    /// forger causes nothing, and is answered the same, so that he learns nothing.
    ///
    /// The address that the service posts to should hold a part that nobody can guess.
    ///
    /// # Errors
    /// [`Error::Webhook`].
    pub fn read(body: &[u8]) -> Result<Hint, Error> {
        if body.len() > MOST_WEBHOOK_BYTES {
            return Err(Error::Webhook { reason: format!("expected at most {MOST_WEBHOOK_BYTES} bytes") });
        }
        let event: WebhookEvent = serde_json::from_slice(body)
            .map_err(|error| Error::Webhook { reason: quoted(&error.to_string()) })?;
        Ok(Hint { query: event.atlantic_query_id, kind: event.kind })
    }

    /// Which query to look at.
    pub fn query(&self) -> &QueryId {
        &self.query
    }

    /// What kind of event it claims to be, for logs.
    pub fn kind(&self) -> &WebhookKind {
        &self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_only_a_reason_to_look() {
        let body = br#"{"type":"ATLANTIC_QUERY_COMPLETED","atlanticQueryId":"01M3","status":"DONE"}"#;
        let hint = Hint::read(body).unwrap();
        assert_eq!((hint.query().as_str(), hint.kind()), ("01M3", &WebhookKind::QueryCompleted));
        // Neither status nor anything else that a forger wrote is in the hint.
        assert!(!format!("{hint:?}").contains("DONE"));
    }

    #[test]
    fn broken_webhooks_are_refused() {
        for broken in [
            &b""[..],
            b"[]",
            b"{}",
            br#"{"type":"X","atlanticQueryId":"../secret"}"#,
            &vec![b' '; MOST_WEBHOOK_BYTES + 1],
        ] {
            assert!(Hint::read(broken).is_err());
        }
    }
}
