//! Where the server is.

use std::fmt;

use ureq::http::Uri;

use crate::ClientError;

/// A server's address: scheme, host, port, and a path before the API's own where a proxy gives it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    text: String,
    loopback: bool,
}

impl ServerAddress {
    /// Reads `https://…`, or `http://…` to this machine. With `plain` also `http` to others: keys and proposals are then
    /// readable on the way.
    ///
    /// # Errors
    /// [`ClientError::Address`]; [`ClientError::NoTls`] for `https` in a build without it.
    pub fn parse(text: &str, plain: bool) -> Result<ServerAddress, ClientError> {
        let unusable = |expected| ClientError::Address { got: shown(text), expected };
        let uri: Uri = text.parse().map_err(|_| unusable("an address such as http://127.0.0.1:8155"))?;
        let authority = uri.authority().ok_or_else(|| unusable("an address with a scheme and a host"))?;
        if authority.as_str().contains('@') {
            return Err(unusable("an address without a user: keys come from ASHLAR_KEY or a file"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(unusable("an address without query and fragment"));
        }
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = host.eq_ignore_ascii_case("localhost")
            || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        let scheme = match uri.scheme_str() {
            Some("https") if cfg!(feature = "tls") => "https",
            Some("https") => return Err(ClientError::NoTls { got: shown(text) }),
            Some("http") if loopback || plain => "http",
            _ => return Err(unusable("https://, or http:// to this machine")),
        };
        let path = uri.path().trim_end_matches('/');
        let is_plain = |part: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !matches!(part, "" | "." | "..") && part.bytes().all(letter)
        };
        if !path.split('/').skip(1).all(is_plain) {
            return Err(unusable("a path of letters, digits and -._~"));
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(ServerAddress { text: format!("{scheme}://{authority}{path}"), loopback })
    }

    /// Whether it is this machine, so that no proxy belongs between.
    pub(crate) fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An address without what may be a secret: user, query and fragment.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let after_user = text.rfind('@').map_or(0, |at| at + 1);
    let text: String =
        text.chars().skip(text.get(..after_user).map_or(0, |user| user.chars().count())).collect();
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_this_machine_only_unless_somebody_says_so() {
        for right in ["http://127.0.0.1:8155", "http://localhost:1/", "http://[::1]:9/below"] {
            let address = ServerAddress::parse(right, false).unwrap();
            assert!(address.is_loopback() && !address.to_string().ends_with('/'), "{address}");
        }
        let elsewhere = "http://ashlar.example:8155";
        assert!(matches!(ServerAddress::parse(elsewhere, false), Err(ClientError::Address { .. })));
        assert_eq!(ServerAddress::parse(elsewhere, true).unwrap().to_string(), elsewhere);
    }

    #[test]
    fn an_address_that_holds_more_than_a_place_is_refused_without_repeating_secrets() {
        for wrong in [
            "",
            "localhost:80",
            "ftp://localhost",
            "http://",
            "http://user:secret@localhost",
            "http://localhost/?key=secret",
            "http://localhost/#secret",
            "http://localhost/a/../b",
            "http://localhost/%2e%2e",
            "http://127.0.0.1.example.org",
        ] {
            let error = ServerAddress::parse(wrong, false).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn https_needs_a_build_that_has_it() {
        let parsed = ServerAddress::parse("https://ashlar.example", false);
        assert_eq!(parsed.is_ok(), cfg!(feature = "tls"), "{parsed:?}");
    }
}
