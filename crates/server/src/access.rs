//! Who may do what: keys, sessions of browsers, and the open loopback.
//!
//! A program shows its key in `Authorization`. A browser signs in with a key and then shows a cookie; or, where the
//! server was started so, whoever is on this machine's loopback needs no key. What a browser shows by itself, any page
//! can make it show: therefore such requests must be addressed to a host that is served here (a name that was made to
//! point here is not), and those that change something must come from a page of the same origin and carry its token.

use std::net::{IpAddr, SocketAddr};

use ashlar_store::{ApiKey, KeyId, KeyScope};
use axum::http::{HeaderMap, Method, header};

use crate::{
    ServerError, ServerSettings, app::App, atlantic, problem::Refused, route::Route, secret::Secret,
    session::COOKIE,
};

/// Where a page's token is shown by a script; in a form it is the field `token`.
pub(crate) const TOKEN_HEADER: &str = "x-ashlar-token";

/// Headers by which a proxy says that somebody else is behind a request.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Anybody, for what needs no key.
    Anybody,
    /// Somebody on this machine, where no key is needed.
    Neighbour,
    /// A program with a key.
    Program(ApiKey),
    /// A person signed in with a key, and the cookie.
    Person(ApiKey, String),
}

impl Caller {
    /// The key to which what it sees is confined.
    pub(crate) fn reach(&self) -> Option<KeyId> {
        self.key().and_then(ApiKey::confines)
    }

    pub(crate) fn key(&self) -> Option<&ApiKey> {
        match self {
            Caller::Program(key) | Caller::Person(key, _) => Some(key),
            Caller::Anybody | Caller::Neighbour => None,
        }
    }

    /// Refuses who may not.
    pub(crate) fn demand(&self, scope: KeyScope) -> Result<(), ServerError> {
        match self {
            Caller::Neighbour => Ok(()),
            Caller::Anybody => Err(ServerError::NoKey),
            Caller::Program(key) | Caller::Person(key, _) if key.allows(scope) => Ok(()),
            _ => Err(ServerError::OutOfScope { needed: scope.word() }),
        }
    }

    /// Whether a key lets it see every job: figures of the whole service are for those only.
    pub(crate) fn demand_all(&self) -> Result<(), ServerError> {
        self.demand(KeyScope::Read)?;
        if self.reach().is_some() { Err(ServerError::OutOfReach) } else { Ok(()) }
    }

    /// Under which name its requests are counted and its idempotency keys are kept.
    pub(crate) fn name(&self) -> String {
        self.key().map_or_else(|| "loopback".to_owned(), |key| key.id.to_string())
    }

    /// What its page tokens are made for; `None` for programs, which need none.
    pub(crate) fn token_owner(&self) -> Option<&str> {
        match self {
            Caller::Neighbour => Some(""),
            Caller::Person(_, cookie) => Some(cookie),
            Caller::Anybody | Caller::Program(_) => None,
        }
    }
}

/// The hosts that are served here, as a `Host` header names them.
#[derive(Clone, Debug)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn new(settings: &ServerSettings, address: SocketAddr) -> Hosts {
        let port = address.port();
        let mut names: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            names.push(format!("{name}:{port}"));
            if port == 80 {
                names.push(name.to_owned());
            }
        };
        match address.ip() {
            IpAddr::V4(ip) => add(&ip.to_string()),
            IpAddr::V6(ip) => add(&format!("[{ip}]")),
        }
        if address.ip().is_loopback() || address.ip().is_unspecified() {
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                add(name);
            }
        }
        settings.host_names.iter().for_each(|name| add(name));
        names.extend(settings.host_names.iter().cloned());
        names.iter_mut().for_each(|name| name.make_ascii_lowercase());
        Hosts(names)
    }

    /// Whether a host is served here.
    pub(crate) fn serve(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.contains(&host)
    }
}

/// Finds out who asks, and refuses who is not who they must be.
///
/// A route without a scope is for anybody.
pub(crate) async fn admit(
    app: &App,
    headers: &HeaderMap,
    method: &Method,
    peer: SocketAddr,
    route: &Route,
) -> Result<Caller, Refused> {
    let Some(scope) = route.scope else { return Ok(Caller::Anybody) };
    let caller = identify(app, headers, peer, atlantic::is_path(route.path)).await?;
    caller.demand(scope)?;
    if caller.token_owner().is_some() {
        demand_own_page(app, headers, method)?;
    }
    Ok(caller)
}

/// Refuses what a browser was made to send: to a host that is not served here or, where it changes something, from a page
/// of another origin.
pub(crate) fn demand_own_page(app: &App, headers: &HeaderMap, method: &Method) -> Result<(), ServerError> {
    let host = one(headers, header::HOST.as_str())?.unwrap_or_default();
    if !app.hosts.serve(&host) {
        return Err(ServerError::ForeignHost { got: crate::call::shortened(&host) });
    }
    if method.is_safe() { Ok(()) } else { demand_same_origin(headers, &host) }
}

/// `of_service` is for the endpoint that speaks like Atlantic, whose clients show their key in another header.
async fn identify(
    app: &App,
    headers: &HeaderMap,
    peer: SocketAddr,
    of_service: bool,
) -> Result<Caller, Refused> {
    if of_service && let Some(text) = one(headers, atlantic::KEY_HEADER)? {
        let secret = Secret::parse(text.trim()).ok_or(ServerError::BadKey)?;
        return Ok(Caller::Program(valid_key(app, secret.sha256()).await?));
    }
    if let Some(authorization) = one(headers, header::AUTHORIZATION.as_str())? {
        let secret = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, text)| Secret::parse(text.trim()))
            .ok_or(ServerError::BadKey)?;
        return Ok(Caller::Program(valid_key(app, secret.sha256()).await?));
    }
    if let Some(cookie) = cookie(headers)
        && let Some(key) = app.sessions.key_behind(&cookie, app.now())
    {
        return Ok(Caller::Person(valid_key(app, key).await?, cookie));
    }
    let proxied = FORWARDED.iter().any(|name| headers.contains_key(*name));
    if app.settings.open_on_loopback && peer.ip().to_canonical().is_loopback() && !proxied {
        return Ok(Caller::Neighbour);
    }
    Err(ServerError::NoKey.into())
}

/// The key with this SHA-256, if it still opens anything.
pub(crate) async fn valid_key(app: &App, sha256: ashlar_store::ContentHash) -> Result<ApiKey, Refused> {
    match app.store().key_of_secret(sha256).await? {
        Some(key) if key.revoked_at.is_none() => Ok(key),
        _ => Err(ServerError::BadKey.into()),
    }
}

/// The session's cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
}

/// A header that may be there once.
fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, ServerError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let invalid =
        |message: &str| ServerError::Invalid { place: format!("header {name}"), message: message.to_owned() };
    if values.next().is_some() {
        return Err(invalid("given twice"));
    }
    first.to_str().map(|text| Some(text.to_owned())).map_err(|_| invalid("expected text"))
}

/// What browsers say of the page that sends a request: it must be one of ours.
fn demand_same_origin(headers: &HeaderMap, host: &str) -> Result<(), ServerError> {
    let foreign = |got: &str| ServerError::ForeignOrigin { got: crate::call::shortened(got) };
    if let Some(site) = one(headers, "sec-fetch-site")?
        && site != "same-origin"
    {
        return Err(foreign(&site));
    }
    if let Some(origin) = one(headers, header::ORIGIN.as_str())? {
        let of = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if !of.is_some_and(|of| of.eq_ignore_ascii_case(host)) {
            return Err(foreign(&origin));
        }
    }
    Ok(())
}

/// Whether a browser sent this, as far as it says so.
pub(crate) fn is_of_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Refuses a browser's request that changes something without its page's token.
///
/// `given` is the token of the form or of the header. A form always needs one; a program on the open loopback, which
/// says nothing of an origin, needs none.
pub(crate) fn demand_token(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    given: Option<&str>,
    is_form: bool,
) -> Result<(), ServerError> {
    let Some(owner) = caller.token_owner() else { return Ok(()) };
    let needed = is_form || is_of_browser(headers) || matches!(caller, Caller::Person(..));
    if !needed || given.is_some_and(|given| app.sessions.is_token(owner, given)) {
        Ok(())
    } else {
        Err(ServerError::NoToken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, names: &[&str]) -> Hosts {
        let address: SocketAddr = address.parse().unwrap();
        let mut settings = ServerSettings::at(address);
        settings.host_names = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(&settings, address)
    }

    #[test]
    fn hosts_are_the_addresses_listened_at_and_the_names_given() {
        let local = hosts("127.0.0.1:8080", &[]);
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert!(local.serve(host), "{host}");
        }
        for host in ["", "localhost", "localhost:80", "rebind.example:8080", "127.0.0.1:8080.evil.example"] {
            assert!(!local.serve(host), "{host}");
        }
        let named = hosts("192.0.2.1:8080", &["ashlar.example"]);
        assert!(named.serve("ashlar.example") && named.serve("ashlar.example:8080"));
        assert!(!named.serve("localhost:8080"));
    }

    #[test]
    fn a_page_of_another_origin_is_told_apart() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            demand_same_origin(&headers, "localhost:1")
        };
        assert!(of(&[]).is_ok());
        assert!(of(&[("origin", "http://localhost:1"), ("sec-fetch-site", "same-origin")]).is_ok());
        for pairs in [
            [("origin", "http://localhost:2")],
            [("origin", "http://evil.example")],
            [("origin", "null")],
            [("origin", "http://localhost:1.evil.example")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            assert!(matches!(of(&pairs), Err(ServerError::ForeignOrigin { .. })), "{pairs:?}");
        }
    }
}
