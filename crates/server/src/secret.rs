//! The secret of a key: `ashlar_`, 256 random bits in base 32, and a checksum that tells a mistyped key from a wrong
//! one. It is shown once; the records hold its SHA-256.

use std::fmt;

use ashlar_store::ContentHash;

/// What every key starts with, so that scanners for leaked secrets know it.
pub const PREFIX: &str = "ashlar_";

/// Crockford's base 32 in lower case: no letter is mistaken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of 256 bits.
const LENGTH: usize = 52;
/// Characters of the checksum, 30 bits.
const CHECKSUM: usize = 6;

/// A key's secret. It prints nowhere by itself.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A new one, from the system's source of randomness.
    ///
    /// # Errors
    /// If the system has none.
    pub fn fresh() -> Result<Secret, std::io::Error> {
        Ok(Secret::of(random()?))
    }

    fn of(bytes: [u8; 32]) -> Secret {
        let body = base_32(&bytes);
        let checksum = checksum(&body);
        Secret(format!("{PREFIX}{body}{checksum}"))
    }

    /// Reads a key as somebody sent it; `None` if it is none of ours or was mistyped.
    pub fn parse(text: &str) -> Option<Secret> {
        let rest = text.strip_prefix(PREFIX)?;
        if rest.len() != LENGTH + CHECKSUM || !rest.bytes().all(|byte| ALPHABET.contains(&byte)) {
            return None;
        }
        let (body, given) = rest.split_at(LENGTH);
        (checksum(body) == given).then(|| Secret(text.to_owned()))
    }

    /// What the records hold of it.
    pub fn sha256(&self) -> ContentHash {
        ContentHash::of(self.0.as_bytes())
    }

    /// The secret itself, for its owner, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// 256 random bits.
pub(crate) fn random() -> Result<[u8; 32], std::io::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// Five bits a character, the last one padded with zeros.
pub(crate) fn base_32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut bits, mut held) = (0u32, 0u32);
    for &byte in bytes {
        bits = bits << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(digit(bits >> held));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(digit(bits << (5 - held)));
    }
    text
}

fn digit(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

fn checksum(body: &str) -> String {
    let digest = ContentHash::of(format!("ashlar key checksum {body}").as_bytes()).to_string();
    base_32(digest.as_bytes()).chars().skip(digest.len() / 2).take(CHECKSUM).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_has_its_length_and_is_read_back() {
        let secret = Secret::fresh().unwrap();
        assert_eq!(secret.reveal().len(), PREFIX.len() + LENGTH + CHECKSUM);
        let read = Secret::parse(secret.reveal()).unwrap();
        assert_eq!(read.sha256(), secret.sha256());
        assert_ne!(Secret::fresh().unwrap().sha256(), secret.sha256());
    }

    #[test]
    fn one_character_changed_anywhere_is_refused() {
        let secret = Secret::of([7; 32]);
        for place in 0..secret.reveal().len() {
            let mut bytes = secret.reveal().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
            assert!(Secret::parse(std::str::from_utf8(&bytes).unwrap()).is_none(), "at {place}");
        }
        assert!(Secret::parse("").is_none());
        assert!(Secret::parse(&format!("{} ", secret.reveal())).is_none());
    }

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::of([7; 32]);
        assert!(!format!("{secret:?}").contains(&secret.reveal()[PREFIX.len()..]));
    }

    #[test]
    fn base_32_pads_with_zeros() {
        assert_eq!(base_32(&[0xff]), "zw");
        assert_eq!(base_32(&[0; 32]).len(), LENGTH);
    }
}
