//! Who is signed in with a browser: a random cookie stands for a key, for a while, in this process.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ashlar_store::{ContentHash, Moment};

use crate::secret::{base_32, random};

/// People signed in at most; the one that was first is signed out.
const MOST_SESSIONS: usize = 1000;

/// The cookie's name. The prefix makes browsers refuse it from other hosts over https; over http it is a name.
pub(crate) const COOKIE: &str = "ashlar_session";

/// The sessions of this process.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// Of which tokens are made; nobody outside knows it.
    seed: [u8; 32],
    time: Duration,
    /// By the cookie's SHA-256: the key's, and the end.
    open: Mutex<HashMap<ContentHash, (ContentHash, Moment)>>,
}

impl Sessions {
    pub(crate) fn new(time: Duration) -> Result<Sessions, io::Error> {
        Ok(Sessions { seed: random()?, time, open: Mutex::new(HashMap::new()) })
    }

    /// Signs in with a key; the cookie's value.
    pub(crate) fn begin(&self, key: ContentHash, now: Moment) -> Result<String, io::Error> {
        let cookie = base_32(&random()?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, end)| *end > now);
        if open.len() >= MOST_SESSIONS
            && let Some(first) = open.iter().min_by_key(|(_, (_, end))| *end).map(|(cookie, _)| *cookie)
        {
            open.remove(&first);
        }
        open.insert(ContentHash::of(cookie.as_bytes()), (key, now.after(self.time)));
        Ok(cookie)
    }

    /// The SHA-256 of the key behind a cookie.
    pub(crate) fn key_behind(&self, cookie: &str, now: Moment) -> Option<ContentHash> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let (key, end) = open.get(&ContentHash::of(cookie.as_bytes()))?;
        (*end > now).then_some(*key)
    }

    /// Signs out.
    pub(crate) fn end(&self, cookie: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&ContentHash::of(cookie.as_bytes()));
    }

    /// What a page must show with a request that changes something: another page cannot read it. `who` is the cookie,
    /// or nothing for whoever needs no key.
    pub(crate) fn token(&self, who: &str) -> String {
        let mut bytes = self.seed.to_vec();
        bytes.extend_from_slice(who.as_bytes());
        // The seed goes first and has a fixed length; hashing twice forbids continuing the hash.
        ContentHash::of(ContentHash::of(&bytes).to_string().as_bytes()).to_string()
    }

    /// Whether a token is this one's, in constant time.
    pub(crate) fn is_token(&self, who: &str, given: &str) -> bool {
        let (expected, given) = (ContentHash::parse(&self.token(who)), ContentHash::parse(given));
        expected.zip(given).is_some_and(|(expected, given)| expected.equals_in_constant_time(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_milliseconds(seconds * 1000)
    }

    #[test]
    fn a_session_ends_by_itself_or_by_signing_out() {
        let sessions = Sessions::new(Duration::from_secs(60)).unwrap();
        let key = ContentHash::of(b"key");
        let cookie = sessions.begin(key, at(0)).unwrap();
        assert_eq!(sessions.key_behind(&cookie, at(59)), Some(key));
        assert_eq!(sessions.key_behind(&cookie, at(60)), None);
        assert_eq!(sessions.key_behind("another", at(0)), None);
        sessions.end(&cookie);
        assert_eq!(sessions.key_behind(&cookie, at(0)), None);
    }

    #[test]
    fn a_token_is_good_for_its_own_session_and_process_only() {
        let (one, other) = (Sessions::new(Duration::ZERO).unwrap(), Sessions::new(Duration::ZERO).unwrap());
        let token = one.token("cookie");
        assert!(one.is_token("cookie", &token));
        assert!(
            !one.is_token("", &token) && !other.is_token("cookie", &token) && !one.is_token("cookie", "")
        );
    }

    #[test]
    fn people_without_end_do_not_fill_the_memory() {
        let sessions = Sessions::new(Duration::from_secs(1_000_000)).unwrap();
        let first = sessions.begin(ContentHash::of(b"key"), at(0)).unwrap();
        for second in 1..=MOST_SESSIONS as u64 {
            sessions.begin(ContentHash::of(b"key"), at(second)).unwrap();
        }
        assert_eq!(sessions.key_behind(&first, at(1)), None);
        assert!(sessions.open.lock().unwrap().len() <= MOST_SESSIONS);
    }
}
