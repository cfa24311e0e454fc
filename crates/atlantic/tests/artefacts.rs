//! Artefacts: from configured hosts, whole, hashed, and no larger than allowed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part of the support")]

mod support;

use std::{sync::Arc, time::Duration};

use ashlar_atlantic::{Address, Client, Downloaded, Error, QueryAnswer};
use ashlar_atlantic_mock::{Endpoint, Fault, Script, When};
use support::{KEY, Stage, form, scripted};

const PROOF: &[u8] = b"{\"proof_hex\":\"0x0123456789abcdef\"}\n";

/// A stage whose one query is done.
fn done(script: Script) -> (Stage, QueryAnswer) {
    let stage = scripted(move |_| script.clone());
    let query = stage.client.submit(&form(), 0).unwrap().query;
    stage.clock.advance(Duration::from_secs(3 * 3600));
    let answer = stage.client.show(&query).unwrap().answer;
    (stage, answer)
}

fn download(client: &Client, answer: &QueryAnswer, name: &str) -> Result<(Downloaded, Vec<u8>), Error> {
    let folder = tempfile::tempdir().unwrap();
    let address = client.artefact(answer, name)?;
    let outcome = client.download(&address, &folder.path().join("fetched"));
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    match outcome {
        Ok(downloaded) => {
            assert_eq!(left, ["fetched"]);
            let bytes = std::fs::read(&downloaded.path).unwrap();
            Ok((downloaded, bytes))
        }
        Err(error) => {
            assert!(left.is_empty(), "{error}: left {left:?}");
            Err(error)
        }
    }
}

#[test]
fn a_proof_comes_back_byte_for_byte_with_its_digest() {
    let (stage, answer) = done(Script::proof_only().proof(PROOF.to_vec()));
    let (downloaded, bytes) = download(&stage.client, &answer, "proof.json").unwrap();
    assert_eq!(bytes, PROOF);
    assert_eq!((downloaded.length, downloaded.attempts), (PROOF.len() as u64, 1));
    let digest: String = downloaded.sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, "a4f8a9affb00c07dcdf4dcda2b4da4bad804115fde0d47dbe41183d87d00f7c7");
}

#[test]
fn an_artefact_that_is_late_or_cut_off_is_asked_for_again() {
    let (stage, answer) = done(
        Script::proof_only().proof(PROOF.to_vec()).artefacts_missing_first(2).artefacts_truncated_first(1),
    );
    let (downloaded, bytes) = download(&stage.client, &answer, "proof.json").unwrap();
    assert_eq!((bytes.as_slice(), downloaded.attempts), (PROOF, 4));
    // Cut off by the connection instead of by the service.
    stage.mock.misbehave(Endpoint::Artefact, Fault::CutOff, When::Next(1));
    stage.mock.misbehave(Endpoint::Artefact, Fault::Html(200), When::Next(1));
    let (downloaded, bytes) = download(&stage.client, &answer, "proof.json").unwrap();
    assert_eq!((bytes.as_slice(), downloaded.attempts), (PROOF, 3));
}

#[test]
fn an_artefact_that_stays_away_or_broken_is_an_error() {
    let (stage, answer) = done(Script::proof_only().proof(PROOF.to_vec()).artefacts_missing_first(1000));
    let error = download(&stage.client, &answer, "proof.json").unwrap_err();
    assert!(matches!(error, Error::ArtefactMissing { attempts: 4.., .. }), "{error}");

    let (stage, answer) = done(Script::proof_only().proof(PROOF.to_vec()).artefacts_truncated_first(1000));
    let error = download(&stage.client, &answer, "proof.json").unwrap_err();
    assert!(matches!(error, Error::ArtefactBroken { .. }), "{error}");
}

#[test]
fn an_artefact_is_no_larger_than_allowed() {
    let (stage, answer) = done(Script::proof_only().proof(PROOF.to_vec()));
    let mut settings = support::settings(&stage.mock);
    settings.limits.artefact = PROOF.len() as u64 - 1;
    let strict = Client::with_clock(settings.clone(), Arc::new(stage.clock.clone()));
    let error = download(&strict, &answer, "proof.json").unwrap_err();
    assert!(matches!(error, Error::ArtefactTooLarge { .. }), "{error}");
    settings.limits.artefact += 1;
    let exact = Client::with_clock(settings, Arc::new(stage.clock.clone()));
    download(&exact, &answer, "proof.json").unwrap();
}

#[test]
fn an_address_that_leads_elsewhere_is_not_followed() {
    let (stage, _) = done(Script::proof_only().proof(PROOF.to_vec()));
    let (elsewhere, _) = done(Script::proof_only().proof(PROOF.to_vec()));
    stage.mock.name_artefacts_at(&elsewhere.mock.address());
    let query = support::id(&stage.mock.queries()[0]);
    let answer = stage.client.show(&query).unwrap().answer;
    let before = elsewhere.mock.requests().len();
    let error = stage.client.artefact(&answer, "proof.json").unwrap_err();
    assert!(matches!(error, Error::ArtefactHost { .. }), "{error}");
    // By a redirect neither.
    stage.mock.name_artefacts_at(&stage.mock.address());
    let answer = stage.client.show(&query).unwrap().answer;
    let to = format!("{}/queries/{query}/proof.json", elsewhere.mock.address());
    stage.mock.misbehave(Endpoint::Artefact, Fault::Redirect(to), When::Always);
    download(&stage.client, &answer, "proof.json").unwrap_err();
    assert_eq!(elsewhere.mock.requests().len(), before);
    // Once an operator has configured the other host, it is.
    let mut settings = support::settings(&stage.mock);
    settings.artefacts.push(Address::parse(&elsewhere.mock.address()).unwrap());
    stage.mock.name_artefacts_at(&elsewhere.mock.address());
    let answer = stage.client.show(&query).unwrap().answer;
    let client = Client::with_clock(settings, Arc::new(stage.clock.clone()));
    assert!(client.artefact(&answer, "proof.json").is_ok());
}

#[test]
fn the_key_does_not_go_along_with_requests_for_artefacts() {
    let (stage, answer) = done(Script::proof_only().proof(PROOF.to_vec()));
    download(&stage.client, &answer, "proof.json").unwrap();
    let requests = stage.mock.requests();
    let (artefacts, others): (Vec<_>, Vec<_>) =
        requests.iter().partition(|request| request.endpoint == Endpoint::Artefact);
    assert_eq!(artefacts.len(), 1);
    assert!(artefacts.iter().all(|request| request.key.is_none() && !request.target.contains(KEY)));
    assert!(others.iter().all(|request| request.key.as_deref() == Some(KEY)));
}

#[test]
fn metadata_is_read_and_bounded() {
    let metadata = br#"{"program_hash":"0x1","child_program_hash":"0x2","output":["0x0"],
        "execution_resources":{"n_steps":12670878,"memory_holes":1},"optimal_layouts":{}}"#;
    let (stage, answer) =
        done(Script::route_s().artefact("metadata.json", metadata.to_vec()).artefacts_missing_first(1));
    let address = stage.client.artefact(&answer, "metadata.json").unwrap();
    let read = stage.client.metadata(&address).unwrap();
    assert_eq!(read.child_program_hash.as_deref(), Some("0x2"));
    assert_eq!(read.execution_resources.unwrap().n_steps, Some(12_670_878));
    let mut settings = support::settings(&stage.mock);
    settings.limits.metadata = 10;
    let strict = Client::with_clock(settings, Arc::new(stage.clock.clone()));
    assert!(matches!(strict.metadata(&address), Err(Error::ArtefactTooLarge { .. })));
}

#[test]
fn without_addresses_in_the_answer_artefacts_are_where_they_usually_are() {
    let (stage, mut answer) = done(Script::proof_only().proof(PROOF.to_vec()));
    answer.metadata_urls = None;
    let (_, bytes) = download(&stage.client, &answer, "proof.json").unwrap();
    assert_eq!(bytes, PROOF);
    for name in ["../proof.json", "a/../../b", "proof.json?x=1", "proof.json#", ""] {
        assert!(stage.client.artefact(&answer, name).is_err(), "{name}");
    }
}
