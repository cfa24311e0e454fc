//! Where requests go: configured hosts and no others.
//!
//! The service is spoken to at one address; artefacts are fetched below configured ones. An address in an answer is only
//! compared with them. Plain `http` goes to this machine only.

use std::fmt;

use ureq::http::Uri;

use crate::{error::Error, wire::QueryId};

/// The service's address in production.
pub const PRODUCTION: &str = "https://atlantic.api.herodotus.cloud";
/// The staging service's.
pub const STAGING: &str = "https://stg.atlantic.api.herodotus.cloud";
/// Below this, the service publishes artefacts (2026; earlier ones were elsewhere).
pub const ARTEFACTS: &str = "https://storage.googleapis.com/hero-atlantic-bucket";

/// An address below which requests may go: scheme, host, port, and a path that ends without a slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    /// Host and port, as in the address, in lower case.
    authority: String,
    path: String,
    loopback: bool,
}

impl Address {
    /// Reads `production`, `staging`, or an address: `https`, or `http` to this machine, without user, query or fragment.
    ///
    /// # Errors
    /// [`Error::Address`]; [`Error::NoTls`] for `https` in a build without it.
    pub fn parse(text: &str) -> Result<Address, Error> {
        let address = match text {
            "production" => Address::read(PRODUCTION),
            "staging" => Address::read(STAGING),
            text => Address::read(text),
        }?;
        if address.scheme == "https" && !cfg!(feature = "tls") {
            return Err(Error::NoTls { got: address.to_string() });
        }
        Ok(address)
    }

    /// The same without asking whether this build can go there.
    fn read(text: &str) -> Result<Address, Error> {
        let unusable = |expected| Error::Address { got: shown(text), expected };
        let uri: Uri =
            text.parse().map_err(|_| unusable("production, staging or an address with https://"))?;
        let authority = uri.authority().ok_or_else(|| unusable("an address with a host"))?.as_str();
        if authority.contains('@') {
            return Err(unusable("an address without a user"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(unusable("an address without query and fragment"));
        }
        let path = uri.path().trim_end_matches('/');
        if !is_plain_path(path) {
            return Err(unusable("a path of letters, digits and -._~ without .."));
        }
        let loopback = is_loopback(uri.host().unwrap_or_default());
        let scheme = match uri.scheme_str() {
            Some("https") => "https",
            Some("http") if loopback => "http",
            _ => return Err(unusable("https://, or http:// to this machine")),
        };
        Ok(Address { scheme, authority: authority.to_ascii_lowercase(), path: path.to_owned(), loopback })
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// A path below the address; `path` begins with a slash.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// Whether another address is at or below this one. Compared exactly: no alias of a host is known.
    fn holds(&self, other: &Address) -> bool {
        let below = other.path.strip_prefix(&self.path);
        self.scheme == other.scheme
            && self.authority == other.authority
            && below.is_some_and(|rest| rest.starts_with('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

/// This machine, by number or by its usual name.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Nothing that a server could read as another path.
fn is_plain_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().all(plain) && path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."))
}

/// An address without what may be a secret: user, query and fragment.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = match (text.split_once("://"), text.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", text.get(at..).unwrap_or_default()),
        (None, Some(at)) => format!("…{}", text.get(at..).unwrap_or_default()),
        _ => text.to_owned(),
    };
    crate::quoted::quoted(&text)
}

/// An artefact's address, below a configured host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtefactAddress {
    address: Address,
    name: String,
}

impl ArtefactAddress {
    /// Takes an address from an answer, if it is below one of the configured ones. A query part, such as a signature, is
    /// not taken: nothing on record has one.
    ///
    /// # Errors
    /// [`Error::ArtefactHost`].
    pub(crate) fn from_answer(text: &str, hosts: &[Address]) -> Result<ArtefactAddress, Error> {
        let foreign = || Error::ArtefactHost { got: shown(text) };
        let address = Address::read(text).map_err(|_| foreign())?;
        if !hosts.iter().any(|host| host.holds(&address)) {
            return Err(foreign());
        }
        let name = address.path.rsplit('/').next().unwrap_or_default().to_owned();
        Ok(ArtefactAddress { address, name })
    }

    /// Where a query's artefact is by convention.
    pub(crate) fn conventional(
        host: &Address,
        query: &QueryId,
        name: &str,
    ) -> Result<ArtefactAddress, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(Error::ArtefactHost { got: shown(name) });
        }
        ArtefactAddress::from_answer(
            &host.at(&format!("/queries/{query}/{name}")),
            std::slice::from_ref(host),
        )
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn to_uri(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn needs_tls(&self) -> bool {
        self.address.scheme == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_leaves_this_machine() {
        for right in ["http://127.0.0.1:80", "http://localhost:1/base/", "http://[::1]:9"] {
            let address = Address::parse(right).unwrap();
            assert!(address.is_loopback() && !address.to_string().ends_with('/'), "{address}");
        }
        for wrong in [
            "http://atlantic.api.herodotus.cloud",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "ftp://localhost",
            "localhost:80",
            "",
            "https://",
            "http://user:secret@localhost",
            "http://localhost/?apiKey=secret",
            "http://localhost/#a",
            "http://localhost/a/../b",
            "http://localhost/a//b",
            "http://localhost/%2e%2e",
            "http://0x7f.1/",
        ] {
            let error = Address::parse(wrong).unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{wrong}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_service_s_own_names_are_known() {
        for (name, address) in [("production", PRODUCTION), ("staging", STAGING)] {
            match Address::parse(name) {
                Ok(parsed) => assert_eq!(parsed.to_string(), address),
                Err(error) => {
                    assert!(matches!(error, Error::NoTls { .. }) && !cfg!(feature = "tls"), "{error}");
                }
            }
        }
    }

    #[test]
    fn an_address_from_an_answer_must_be_below_a_configured_one() {
        let hosts = [Address::read(ARTEFACTS).unwrap(), Address::read("http://127.0.0.1:7/files").unwrap()];
        let good = format!("{ARTEFACTS}/queries/01M3/proof.json");
        assert_eq!(ArtefactAddress::from_answer(&good, &hosts).unwrap().name(), "proof.json");
        for wrong in [
            "https://storage.googleapis.com/other-bucket/queries/a/proof.json",
            "https://storage.googleapis.com/hero-atlantic-bucket-2/proof.json",
            "https://storage.googleapis.com/hero-atlantic-bucket/../other/proof.json",
            "https://storage.googleapis.com/hero-atlantic-bucket/%2e%2e/other/proof.json",
            "https://storage.googleapis.com:444/hero-atlantic-bucket/proof.json",
            "https://storage.googleapis.com@evil.example/hero-atlantic-bucket/proof.json",
            "http://storage.googleapis.com/hero-atlantic-bucket/proof.json",
            "http://127.0.0.1:7/other/proof.json",
            "http://127.0.0.1:8/files/proof.json",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "http://127.0.0.1:7/files/proof.json?X-Signature=1",
            "http://127.0.0.1:7/files",
        ] {
            assert!(ArtefactAddress::from_answer(wrong, &hosts).is_err(), "{wrong}");
        }
    }
}
