//! From the table of routes to a router: who asks, how often, and how it ended is the same for every route.

use std::{collections::BTreeMap, net::SocketAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderName, HeaderValue, Method, Response, header, request::Parts},
    routing::{MethodFilter, MethodRouter, on},
};
use futures_util::FutureExt;

use crate::{
    ServerError, access, api,
    app::App,
    atlantic,
    call::{Call, Fields},
    dashboard,
    problem::{Refused, broken},
    route::{Route, Verb},
    webhook,
};

/// Headers of every answer. An answer may set its own policy.
const SAFE_HEADERS: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With `no-referrer` a browser would not say either which of our own pages sends a form.
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

/// Every route that a server always has.
fn table() -> impl Iterator<Item = &'static Route> {
    api::ROUTES.iter().chain(atlantic::ROUTES).chain(dashboard::ROUTES)
}

pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut paths: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    let webhooks = webhook::ROUTES.iter().filter(|_| app.settings.atlantic_webhook.is_some());
    for route in table().chain(webhooks) {
        paths.entry(route.path).or_default().push(route);
    }
    let mut router = Router::new();
    for (path, routes) in paths {
        app.metrics.expect(path);
        let allowed: Vec<&str> = routes.iter().map(|route| route.verb.word()).collect();
        let allowed = allowed.join(", ");
        let mut methods = MethodRouter::new();
        for route in routes {
            let app = Arc::clone(app);
            // GET answers HEAD too: the body is left out below us.
            let filter = match route.verb {
                Verb::Get => MethodFilter::GET,
                Verb::Post => MethodFilter::POST,
            };
            methods = methods.merge(on(filter, move |request: Request| serve(app, route, request)));
        }
        let refuse = move |request: Request| {
            let refusal = ServerError::WrongMethod {
                path: path.to_owned(),
                method: crate::call::shortened(request.method().as_str()),
                allowed: allowed.clone(),
            };
            let mut answer = shown(request.uri().path(), refusal.into());
            if let Ok(value) = HeaderValue::from_str(&allowed) {
                answer.headers_mut().insert(header::ALLOW, value);
            }
            std::future::ready(safe(answer))
        };
        router = router.route(path, methods.fallback(refuse));
    }
    router.fallback(move |request: Request| {
        let path = request.uri().path().to_owned();
        if atlantic::is_path(&path) {
            return std::future::ready(safe(atlantic::no_such_route(request.method(), &path)));
        }
        let refusal = match webhook::is_path(&path) {
            true => webhook::nothing_here(),
            false => ServerError::NoSuchPath { path: crate::call::shortened(&path) },
        };
        std::future::ready(safe(shown(&path, refusal.into())))
    })
}

async fn serve(app: Arc<App>, route: &'static Route, request: Request) -> Response<Body> {
    let since = tokio::time::Instant::now();
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let parameters = path_values(route.path, &path);
    let handling = answer(&app, route, &mut parts, parameters, body);
    // A handler that breaks takes its own request down and no other.
    let answered = AssertUnwindSafe(handling).catch_unwind().await.unwrap_or_else(|_| Err(broken()));
    let response = match answered {
        Ok(response) => response,
        Err(refused) => {
            if refused.status().is_server_error() {
                (app.log)(&format!(
                    "{} {}: [{}] {}",
                    parts.method,
                    route.path,
                    refused.code(),
                    refused.words()
                ));
            }
            shown(&path, refused)
        }
    };
    app.metrics.count(route.path, response.status().as_u16(), since.elapsed());
    safe(response)
}

async fn answer(
    app: &Arc<App>,
    route: &Route,
    parts: &mut Parts,
    parameters: BTreeMap<String, String>,
    body: Body,
) -> Result<Response<Body>, Refused> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map_or_else(unknown_peer, |peer| peer.0);
    let (headers, method) = (&parts.headers, &parts.method);
    let caller = access::admit(app, headers, method, peer, route).await?;
    if route.scope.is_some()
        && let Err(seconds) = app.buckets.take(&caller.name(), app.now())
    {
        return Err(ServerError::TooManyRequests { seconds }.into());
    }
    if route.scope.is_some()
        && *method != Method::GET
        && *method != Method::HEAD
        && is_for_programs(route.path)
    {
        let given = headers.get(access::TOKEN_HEADER).and_then(|value| value.to_str().ok());
        access::demand_token(app, &caller, headers, given, false)?;
    }
    let query = Fields::of_query(parts.uri.query())?;
    let known: Vec<&str> = route
        .parameters
        .iter()
        .flat_map(|group| group.iter())
        .filter(|parameter| parameter.place == "query")
        .map(|parameter| parameter.name)
        .collect();
    query.only(&known)?;
    if is_for_programs(route.path) {
        query.none_empty()?;
    }
    let call = Call::new(Arc::clone(app), caller, headers.clone(), parameters, query, body);
    (route.handler)(call).await
}

/// Nobody's loopback: a request without a peer gets no favours.
fn unknown_peer() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// The values of `{…}` in a route's path; values are taken as they stand, without decoding.
fn path_values(pattern: &str, path: &str) -> BTreeMap<String, String> {
    let name = |part: &str| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')).map(str::to_owned);
    pattern
        .split('/')
        .zip(path.split('/'))
        .filter_map(|(part, value)| name(part).map(|name| (name, value.to_owned())))
        .collect()
}

pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// Whether programs ask there, and people do not: no form leads there.
fn is_for_programs(path: &str) -> bool {
    is_api(path) || atlantic::is_path(path)
}

/// A refusal as a problem document, as Atlantic words it, or as a page where a person looks.
fn shown(path: &str, refused: Refused) -> Response<Body> {
    if atlantic::is_path(path) {
        return atlantic::answer(&refused);
    }
    if is_api(path) || webhook::is_path(path) || path.ends_with(".svg") {
        return refused.into_response();
    }
    dashboard::problem_page(refused)
}

fn safe(mut response: Response<Body>) -> Response<Body> {
    for (name, value) in SAFE_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_takes_a_method_twice() {
        let mut seen: Vec<_> = table().map(|route| (route.path, route.verb)).collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }

    #[test]
    fn values_of_a_path_are_taken_as_they_stand() {
        let values = path_values("/api/v1/jobs/{id}/events", "/api/v1/jobs/job_%2e%2e/events");
        assert_eq!(values.get("id").map(String::as_str), Some("job_%2e%2e"));
    }
}
