//! The key of the API, which nothing prints.

use std::{fmt, fs::File, io::Read as _, path::Path};

use ureq::http::HeaderValue;

use crate::ClientError;

/// The longest text that is taken for a key.
const LONGEST: usize = 512;

/// A key. Its `Debug` form is a placeholder, it has no `Display`, and it goes into one header.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes a key as `ashlar keys create` showed it; white space around it is not part of it.
    ///
    /// # Errors
    /// [`ClientError::Key`], which does not repeat it.
    pub fn new(text: &str) -> Result<Key, ClientError> {
        let key = text.trim();
        let unusable = |why: &'static str| ClientError::Key { why: why.to_owned() };
        match key.len() {
            0 => Err(unusable("it is empty")),
            length if length > LONGEST => Err(unusable("it is too long")),
            _ if !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(unusable("it is no visible ASCII text"))
            }
            _ if !key.starts_with("ashlar_") => Err(unusable("it does not begin with ashlar_")),
            _ => Ok(Key(key.to_owned())),
        }
    }

    /// Reads a key from a file.
    ///
    /// # Errors
    /// [`ClientError::Key`], which names the file and does not repeat its content.
    pub fn from_file(path: &Path) -> Result<Key, ClientError> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(2 * LONGEST as u64).read_to_string(&mut text));
        match read {
            Ok(_) => Key::new(&text),
            Err(error) => {
                Err(ClientError::Key { why: format!("{} cannot be read: {error}", path.display()) })
            }
        }
    }

    /// As a header that the HTTP library does not print either.
    pub(crate) fn header(&self) -> Result<HeaderValue, ClientError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))
            .map_err(|_| ClientError::Key { why: "it is no header".to_owned() })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_printed() {
        let key = Key::new(" ashlar_secret\n").unwrap();
        assert_eq!(format!("{key:?}"), "Key(…)");
        assert!(!format!("{:?}", key.header().unwrap()).contains("secret"));
        for wrong in
            ["", "secret", "ashlar_sec ret", "ashlar_sec\r\nret", &format!("ashlar_{}", "s".repeat(LONGEST))]
        {
            let error = Key::new(wrong).unwrap_err().to_string();
            assert!(!error.contains("sec"), "{error}");
        }
    }

    #[test]
    fn a_key_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(Key::from_file(&path).unwrap_err().to_string().contains("cannot be read"));
        std::fs::write(&path, "ashlar_abc\n").unwrap();
        assert_eq!(Key::from_file(&path).unwrap(), Key::new("ashlar_abc").unwrap());
    }
}
