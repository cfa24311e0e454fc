//! The account's key, which nothing prints.

use std::fmt;

use crate::error::Error;

/// A key. Its `Debug` form is a placeholder, it has no `Display`, and it goes into a request header only, unless a
/// setting says otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key: 8 to 512 printable ASCII characters; white space around it is not part of it.
    ///
    /// # Errors
    /// [`Error::Key`], which does not repeat it.
    pub fn new(text: &str) -> Result<ApiKey, Error> {
        let key = text.trim();
        match key.len() {
            0..8 => Err(Error::Key { got: "fewer" }),
            513.. => Err(Error::Key { got: "more" }),
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => Err(Error::Key { got: "others" }),
            _ => Ok(ApiKey(key.to_owned())),
        }
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Overwrites the key wherever a body repeats it, before anything is made of the body.
    pub(crate) fn blot_out(&self, body: &mut [u8]) {
        let key = self.0.as_bytes();
        let mut from = 0;
        while let Some(place) = find(body.get(from..).unwrap_or_default(), key) {
            let start = from + place;
            if let Some(repeated) = body.get_mut(start..start + key.len()) {
                repeated.fill(b'*');
            }
            from = start + key.len();
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Where the key stands in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the header `api-key`.
    #[default]
    Header,
    /// In the query parameter `apiKey`, as old servers want it. It then stands in addresses, and so in the logs of
    /// proxies and servers: choose it only if the header is not accepted.
    QueryParameter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let key = ApiKey::new(" secret-key-1\n").unwrap();
        assert_eq!(key.reveal(), "secret-key-1");
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        for wrong in ["", "short", "with space inside", "zeilen\r\numbruch-1", &"x".repeat(513)] {
            let error = ApiKey::new(wrong).unwrap_err().to_string();
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_body_that_repeats_the_key_loses_it() {
        let key = ApiKey::new("abcabcab").unwrap();
        let mut body = b"{\"message\":\"abcabcabcabcab is not abcabcab\"}".to_vec();
        key.blot_out(&mut body);
        assert!(find(&body, b"abcabcab").is_none(), "{}", String::from_utf8_lossy(&body));
    }
}
