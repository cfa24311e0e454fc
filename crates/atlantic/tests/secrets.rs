//! The key: in one header, and nowhere else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part of the support")]

mod support;

use std::sync::Arc;

use ashlar_atlantic::{Client, Error, KeyPlace};
use ashlar_atlantic_mock::{Endpoint, Fault, When};
use ashlar_fault::Fault as _;
use support::{KEY, form, settings, stage};

/// Everything that an error shows, to people and in records.
fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.hint());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

#[test]
fn the_key_stands_in_a_header_and_in_no_address() {
    let stage = stage();
    stage.client.submit(&form(), 0).unwrap();
    for request in stage.mock.requests() {
        assert_eq!(request.key.as_deref(), Some(KEY));
        assert!(!request.target.contains(KEY), "{}", request.target);
    }
}

#[test]
fn no_error_and_no_debug_form_holds_the_key() {
    for fault in [
        Fault::InvalidKey,
        Fault::Code(400, format!("BAD_KEY {KEY}")),
        Fault::Raw(500, format!("{{\"error\":\"{KEY}\"}}").into_bytes()),
        Fault::Raw(200, format!("{{\"atlanticQueryId\":\"{KEY}/\"}}").into_bytes()),
        Fault::Html(502),
        Fault::ResetAfter,
        Fault::Redirect(format!("http://127.0.0.1:1/?apiKey={KEY}")),
        Fault::Huge(2 << 20),
    ] {
        for place in [KeyPlace::Header, KeyPlace::QueryParameter] {
            let stage = stage();
            let mut settings = settings(&stage.mock);
            settings.key_place = place;
            assert!(!format!("{settings:?}").contains(KEY));
            let client = Client::with_clock(settings, Arc::new(stage.clock.clone()));
            stage.mock.misbehave(Endpoint::Any, fault.clone(), When::Always);
            let error = client.submit(&form(), 0).unwrap_err();
            assert!(!shown(&error).contains(KEY), "{fault:?}: {}", shown(&error));
        }
    }
}

#[test]
fn a_key_in_an_address_needs_an_explicit_setting() {
    let stage = stage();
    let mut settings = settings(&stage.mock);
    assert_eq!(settings.key_place, KeyPlace::Header);
    settings.key_place = KeyPlace::QueryParameter;
    let client = Client::with_clock(settings, Arc::new(stage.clock.clone()));
    client.submit(&form(), 0).unwrap();
    for request in stage.mock.requests() {
        assert_eq!(request.key, None);
        assert!(request.target.contains(&format!("apiKey={KEY}")), "{}", request.target);
    }
}

#[test]
fn a_host_that_is_not_there_is_named_without_parameters() {
    let stage = stage();
    let mut settings = settings(&stage.mock);
    settings.key_place = KeyPlace::QueryParameter;
    // A port that was just free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.service = ashlar_atlantic::Address::parse(&format!("http://{free}")).unwrap();
    let error = Client::with_clock(settings, Arc::new(stage.clock.clone())).is_alive().unwrap_err();
    assert!(matches!(error, Error::Unreachable { place: "GET /is-alive", .. }), "{error}");
    assert!(!shown(&error).contains(KEY));
}
