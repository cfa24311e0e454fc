//! Signing in with a key, and out.

use ashlar_store::KeyScope;
use askama::Template;
use axum::http::{HeaderValue, Method, StatusCode, header};

use super::{Frame, MOST_FORM_BYTES, form, see_other, shown};
use crate::{
    ServerError,
    access::{Caller, demand_own_page, valid_key},
    call::{Answer, Call},
    secret::Secret,
    session::COOKIE,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    error: Option<String>,
}

fn page(status: StatusCode, error: Option<String>) -> Answer {
    shown(status, &SignIn { frame: Frame::bare("Sign in"), error })
}

pub(super) async fn show(_call: Call) -> Answer {
    page(StatusCode::OK, None)
}

pub(super) async fn begin(mut call: Call) -> Answer {
    // A page elsewhere must not sign somebody in under a key of its choice.
    demand_own_page(&call.app, &call.headers, &Method::POST)?;
    let fields = call.form(MOST_FORM_BYTES).await?;
    fields.only(&["key"])?;
    let wrong = || page(StatusCode::UNAUTHORIZED, Some("This key opens nothing.".to_owned()));
    let Some(secret) = fields.get("key").and_then(|key| Secret::parse(key.trim())) else { return wrong() };
    let Ok(key) = valid_key(&call.app, secret.sha256()).await else { return wrong() };
    if !key.allows(KeyScope::Read) {
        return Err(ServerError::OutOfScope { needed: KeyScope::Read.word() }.into());
    }
    let cookie = call.app.sessions.begin(secret.sha256(), call.app.now()).map_err(|_| ServerError::Broken)?;
    let seconds = call.app.settings.session_time.as_secs();
    set_cookie(&call, see_other("/")?, &format!("{COOKIE}={cookie}; Max-Age={seconds}"))
}

pub(super) async fn end(mut call: Call) -> Answer {
    form(&mut call).await?.only(&["token"])?;
    if let Caller::Person(_, cookie) = &call.caller {
        call.app.sessions.end(cookie);
    }
    set_cookie(&call, see_other("/sign-in")?, &format!("{COOKIE}=; Max-Age=0"))
}

/// The cookie is for this host, for no script and for no other site's requests; behind https, for https only.
fn set_cookie(call: &Call, mut response: axum::http::Response<axum::body::Body>, cookie: &str) -> Answer {
    let https = call.header("origin").is_some_and(|origin| origin.starts_with("https://"));
    let secure = if https { "; Secure" } else { "" };
    let text = format!("{cookie}; Path=/; HttpOnly; SameSite=Strict{secure}");
    let value = HeaderValue::from_str(&text).map_err(|_| ServerError::Broken)?;
    response.headers_mut().insert(header::SET_COOKIE, value);
    Ok(response)
}
