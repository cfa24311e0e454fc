//! Which bucket, and with which keys. Keys are no part of the address, so that an address can be shown; what was given as
//! one and is none is not repeated, because somebody may have put a key into it.

use std::{fmt, time::Duration};

use crate::Error;

/// The region unless one is named; servers other than AWS mostly do not care.
const USUAL_REGION: &str = "us-east-1";

/// How long an exchange that fails is repeated, unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest key or token.
const LONGEST_KEY: usize = 4096;

/// `s3://BUCKET[/PREFIX][?endpoint=http://HOST[:PORT]&region=NAME]`. Without an endpoint it is AWS' own of the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAddress {
    bucket: String,
    /// Without slashes at its ends; may be empty.
    prefix: String,
    endpoint: Option<String>,
    region: String,
    location: String,
}

/// What requests are signed with. Prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketKeys {
    id: String,
    secret: String,
    token: Option<String>,
}

/// A bucket that artefacts are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSettings {
    /// Where it is.
    pub address: BucketAddress,
    /// What opens it.
    pub keys: BucketKeys,
    /// How long an exchange that fails is repeated; one minute by default.
    pub patience: Duration,
}

impl BucketSettings {
    /// With the usual patience.
    pub fn new(address: BucketAddress, keys: BucketKeys) -> BucketSettings {
        BucketSettings { address, keys, patience: PATIENCE }
    }
}

impl BucketAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Error::BucketSetting`], which does not repeat what was given.
    pub fn parse(text: &str) -> Result<BucketAddress, Error> {
        let unusable = |expected| Error::BucketSetting { expected };
        let rest = text
            .strip_prefix("s3://")
            .ok_or_else(|| unusable("s3://BUCKET/PREFIX as its address, and keys nowhere in it"))?;
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if !(3..=63).contains(&bucket.len()) || !is_name(bucket) {
            return Err(unusable("3 to 63 letters, digits, dots and hyphens as its name"));
        }
        let prefix = prefix.trim_end_matches('/');
        if prefix.len() > 512 || !(prefix.is_empty() || prefix.split('/').all(is_name)) {
            return Err(unusable("a prefix of letters, digits, dots, hyphens and slashes"));
        }
        let (mut endpoint, mut region) = (None, None);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("endpoint", value)) if endpoint.is_none() => {
                    endpoint = Some(
                        checked_endpoint(value)
                            .ok_or_else(|| unusable("http:// or https:// and a host as its endpoint"))?,
                    );
                }
                Some(("region", value)) if region.is_none() && is_name(value) && value.len() <= 63 => {
                    region = Some(value.to_owned());
                }
                _ => return Err(unusable("no parameters but endpoint and region, each once")),
            }
        }
        let slash = if prefix.is_empty() { "" } else { "/" };
        let at = endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        Ok(BucketAddress {
            location: format!("s3://{bucket}{slash}{prefix}{at}"),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint,
            region: region.unwrap_or_else(|| USUAL_REGION.to_owned()),
        })
    }

    /// Bucket, prefix and endpoint, for people.
    pub fn location(&self) -> &str {
        &self.location
    }
}

#[cfg(feature = "s3")]
impl BucketAddress {
    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }
}

/// Letters, digits, dots, hyphens and underscores, not dots alone: one segment of a path, the same in every encoding.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && !text.bytes().all(|byte| byte == b'.')
}

/// Scheme, host and port, without a slash at the end.
fn checked_endpoint(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let (scheme, authority) = text.split_once("://")?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let bracketed = authority.starts_with('[');
    let sound = matches!(scheme, "http" | "https")
        && (bracketed || is_name(host))
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number > 0))
        && !(bracketed && port.is_none() && !authority.ends_with(']'));
    sound.then(|| text.to_owned())
}

impl BucketKeys {
    /// An access key, its secret, and the token that temporary keys have.
    ///
    /// # Errors
    /// [`Error::BucketSetting`] if one of them is no printable text; nothing of it is repeated.
    pub fn new(id: &str, secret: &str, token: Option<&str>) -> Result<BucketKeys, Error> {
        let printable = |text: &str| {
            !text.is_empty() && text.len() <= LONGEST_KEY && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !printable(id) || !printable(secret) || !token.is_none_or(printable) {
            return Err(Error::BucketSetting { expected: "keys of printable characters without spaces" });
        }
        Ok(BucketKeys { id: id.to_owned(), secret: secret.to_owned(), token: token.map(str::to_owned) })
    }
}

#[cfg(feature = "s3")]
impl BucketKeys {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl fmt::Debug for BucketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketKeys(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_bucket_prefix_endpoint_and_region() {
        for (text, bucket, prefix, endpoint, region) in [
            ("s3://proofs", "proofs", "", None, "us-east-1"),
            ("s3://proofs/", "proofs", "", None, "us-east-1"),
            ("s3://proofs/team/a/?region=eu-central-1", "proofs", "team/a", None, "eu-central-1"),
            (
                "s3://proofs?endpoint=http://127.0.0.1:9000/",
                "proofs",
                "",
                Some("http://127.0.0.1:9000"),
                "us-east-1",
            ),
            (
                "s3://pro.ofs?endpoint=https://[::1]:9000",
                "pro.ofs",
                "",
                Some("https://[::1]:9000"),
                "us-east-1",
            ),
        ] {
            let address = BucketAddress::parse(text).unwrap();
            assert_eq!((address.bucket.as_str(), address.prefix.as_str()), (bucket, prefix), "{text}");
            assert_eq!((address.endpoint.as_deref(), address.region.as_str()), (endpoint, region), "{text}");
        }
        let address = BucketAddress::parse("s3://proofs/a?endpoint=http://localhost").unwrap();
        assert_eq!(address.location(), "s3://proofs/a at http://localhost");
    }

    #[test]
    fn an_address_that_cannot_be_used_is_refused_and_not_repeated() {
        for text in [
            "proofs",
            "s3://",
            "s3://ab",
            "s3://KEY:hunter2@proofs",
            "s3://proofs/../others",
            "s3://proofs//a",
            "s3://proofs/a b",
            "s3://proofs/a%2fb",
            "s3://proofs?secret=hunter2",
            "s3://proofs?region=",
            "s3://proofs?region=a&region=b",
            "s3://proofs?endpoint=ftp://hunter2",
            "s3://proofs?endpoint=http://user:hunter2@host",
            "s3://proofs?endpoint=http://host:0",
            "s3://proofs?endpoint=http://host:99999",
            "s3://proofs?endpoint=http://host/path",
            "s3://proofs?endpoint=http://[::1",
            "s3://proofs?endpoint=http://[::1]9000",
            "s3://proofs?endpoint=http://",
        ] {
            let refused = BucketAddress::parse(text).unwrap_err();
            assert!(matches!(refused, Error::BucketSetting { .. }), "{text}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn keys_are_printable_and_never_printed() {
        let keys = BucketKeys::new("AKIA1", "hunter2/+=", Some("token")).unwrap();
        let settings = BucketSettings::new(BucketAddress::parse("s3://proofs").unwrap(), keys);
        let shown = format!("{settings:?}");
        assert!(shown.contains("proofs") && !shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("AKIA1") && !shown.contains("token)"), "{shown}");
        for (id, secret, token) in
            [("", "s", None), ("a", "", None), ("a", "s\n", None), ("a b", "s", None), ("a", "s", Some(""))]
        {
            let refused = BucketKeys::new(id, secret, token).unwrap_err();
            assert!(matches!(refused, Error::BucketSetting { .. }));
        }
        assert!(BucketKeys::new("a", &"s".repeat(LONGEST_KEY + 1), None).is_err());
    }
}
