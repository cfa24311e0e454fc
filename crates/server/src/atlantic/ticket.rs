//! Addresses of artefacts that need no key. The service publishes artefacts where everybody can read who knows the query's
//! id; its clients fetch them without their key. Here the address holds a ticket, which only the key's owner is told and
//! which is good as long as the key is.

use ashlar_store::{ApiKey, ContentHash, JobId};

/// The ticket of a key for a query's artefacts: made of what the records hold of the key, which nobody else has.
pub(super) fn ticket(key: &ApiKey, job: JobId) -> ContentHash {
    let inner = ContentHash::of(format!("ashlar artefact ticket {} {job}", key.sha256).as_bytes());
    ContentHash::of(inner.to_string().as_bytes())
}

/// Whether a ticket is this key's for this query, in constant time.
pub(super) fn is_of(given: ContentHash, key: &ApiKey, job: JobId) -> bool {
    ticket(key, job).equals_in_constant_time(given)
}

#[cfg(test)]
mod tests {
    use ashlar_store::{KeyId, KeyReach, KeyScope, Moment};

    use super::*;

    #[test]
    fn a_ticket_is_good_for_its_own_key_and_query_only() {
        let key = |text: &str| ApiKey {
            id: KeyId::fresh(),
            name: "a test's".to_owned(),
            sha256: ContentHash::of(text.as_bytes()),
            scopes: vec![KeyScope::Read],
            reach: KeyReach::Own,
            created_at: Moment::from_milliseconds(0),
            revoked_at: None,
        };
        let (mine, job) = (key("mine"), JobId::fresh());
        let given = ticket(&mine, job);
        assert!(is_of(given, &mine, job));
        assert!(!is_of(given, &key("another"), job) && !is_of(given, &mine, JobId::fresh()));
        assert_ne!(given, mine.sha256);
    }
}
