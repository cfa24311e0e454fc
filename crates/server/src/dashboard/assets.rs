//! What the pages load, embedded.

use axum::{body::Body, http::StatusCode};

use crate::{
    call::{Answer, Call, answer},
    picture,
};

pub(super) async fn style(_call: Call) -> Answer {
    const PAGES: &str = include_str!("../../assets/style.css");
    let text = format!("{}{PAGES}", picture::STYLE);
    Ok(answer(StatusCode::OK, "text/css; charset=utf-8", Body::from(text)))
}

pub(super) async fn script(_call: Call) -> Answer {
    const SCRIPT: &str = include_str!("../../assets/live.js");
    Ok(answer(StatusCode::OK, "text/javascript; charset=utf-8", Body::from(SCRIPT)))
}

pub(super) async fn icon(_call: Call) -> Answer {
    const ICON: &str = include_str!("../../assets/icon.svg");
    Ok(answer(StatusCode::OK, "image/svg+xml", Body::from(ICON)))
}
