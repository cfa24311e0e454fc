//! Submissions: sent once, found again, never paid twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part of the support")]

mod support;

use std::time::Duration;

use ashlar_atlantic::{
    Attachment, CairoVersion, CairoVm, Class, Error, ErrorCode, Form, JSON, SharpProver, TEXT, ZIP,
};
use ashlar_atlantic_mock::{Endpoint, Fault, When};
use ashlar_fault::Fault as _;
use support::{client, form, scripted, stage};

#[test]
fn a_form_arrives_as_it_was_made() {
    let stage = stage();
    let receipt = stage.client.submit(&form(), 0).unwrap();
    assert!(!receipt.adopted);
    assert_eq!(receipt.posts, 1);
    let accepted = stage.mock.accepted();
    let [submission] = accepted.as_slice() else { panic!("{accepted:?}") };
    let file = &submission.files["pieFile"];
    assert_eq!((file.media_type.as_str(), file.bytes.as_slice()), (ZIP, &b"PK\x03\x04the run"[..]));
    assert_eq!(file.sha256(), form().pie_file.unwrap().sha256());
    for (name, value) in [("declaredJobSize", "S"), ("network", "TESTNET"), ("layout", "auto")] {
        assert_eq!(submission.field(name), Some(value));
    }
    assert_eq!(submission.field("dedupId"), Some(receipt.dedup_id.as_str()));
    assert_eq!(submission.field("sharpProver"), None, "the prover is left out unless configured");
    assert_eq!(stage.mock.queries(), [receipt.query.to_string()]);
}

#[test]
fn a_look_precedes_every_submission() {
    let stage = stage();
    stage.mock.misbehave(Endpoint::Submit, Fault::Html(502), When::Next(2));
    stage.client.submit(&form(), 0).unwrap();
    let kinds: Vec<Endpoint> = stage.mock.requests().iter().map(|request| request.endpoint).collect();
    let pair = [Endpoint::ByDedupId, Endpoint::Submit];
    assert_eq!(kinds, [pair, pair, pair].concat());
}

#[test]
fn a_lost_answer_is_found_by_its_dedup_id() {
    for fault in [Fault::ResetAfter, Fault::HtmlAfter(502), Fault::CutOff] {
        let stage = stage();
        stage.mock.misbehave(Endpoint::Submit, fault.clone(), When::Always);
        let receipt = stage.client.submit(&form(), 0).unwrap();
        assert!(receipt.adopted, "{fault:?}");
        assert_eq!(stage.mock.accepted().len(), 1, "{fault:?}: paid twice");
        assert_eq!(stage.mock.queries(), [receipt.query.to_string()]);
    }
}

#[test]
fn a_look_that_misses_the_lost_submission_does_not_pay_twice() {
    let stage = stage();
    stage.mock.misbehave(Endpoint::Submit, Fault::ResetAfter, When::Next(1));
    // The service has the query and says that it has not: the second submission meets the unique id.
    let not_found = Fault::Code(404, "ATLANTIC_QUERY_NOT_FOUND".to_owned());
    stage.mock.misbehave(Endpoint::ByDedupId, not_found, When::Next(2));
    let receipt = stage.client.submit(&form(), 0).unwrap();
    assert!(receipt.adopted);
    assert_eq!((receipt.posts, stage.mock.accepted().len()), (2, 1));
}

#[test]
fn a_restarted_client_adopts_what_it_submitted_before() {
    let stage = stage();
    let first = stage.client.submit(&form(), 0).unwrap();
    let second = client(&stage.mock, &stage.clock).submit(&form(), 0).unwrap();
    assert!(second.adopted && second.posts == 0);
    assert_eq!(first.query, second.query);
    // A deliberate repetition is another query.
    let third = stage.client.submit(&form(), 1).unwrap();
    assert!(!third.adopted);
    assert_ne!(third.query, first.query);
}

#[test]
fn a_hundred_submissions_with_every_second_request_failing_are_each_paid_once() {
    let stage = stage();
    for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::Html(503), Fault::NumericKeys(503)] {
        stage.mock.misbehave(Endpoint::Any, fault, When::PerMille(150, 11));
    }
    for number in 0..100u32 {
        let bytes = format!("PK\x03\x04run {number}").into_bytes();
        let pie = Attachment::from_bytes(bytes, "run.zip", ZIP).unwrap();
        let form = Form { pie_file: Some(pie), ..form() };
        // A budget of attempts can run out; the job is then submitted again, as an engine does.
        let receipt = (0..10).find_map(|_| stage.client.submit(&form, 0).ok()).unwrap();
        assert_eq!(client(&stage.mock, &stage.clock).dedup_id(&form, 0), receipt.dedup_id);
    }
    assert_eq!(stage.mock.accepted().len(), 100);
    assert!(stage.mock.count(Endpoint::Submit) > 110, "{}", stage.mock.count(Endpoint::Submit));
}

#[test]
fn a_submission_that_nobody_can_account_for_is_in_doubt() {
    let stage = stage();
    stage.mock.misbehave(Endpoint::Submit, Fault::ResetAfter, When::Always);
    stage.mock.misbehave(Endpoint::ByDedupId, Fault::NotFoundPage, When::After(1, 1000));
    let error = stage.client.submit(&form(), 0).unwrap_err();
    let Error::InDoubt { dedup_id, waited, .. } = &error else { panic!("{error}") };
    assert_eq!(*dedup_id, stage.client.dedup_id(&form(), 0));
    assert!(*waited <= Duration::from_secs(120), "{waited:?}");
    assert_eq!(stage.mock.accepted().len(), 1);
    // Once the service is itself again, the same call finds it.
    stage.mock.behave();
    assert!(stage.client.submit(&form(), 0).unwrap().adopted);
}

#[test]
fn without_a_look_nothing_is_submitted() {
    for fault in [
        Fault::NotFoundPage,
        Fault::Html(404),
        Fault::NumericKeys(404),
        Fault::Raw(404, br#"{"message":"Route GET:/atlantic-query-by-dedup-id not found"}"#.to_vec()),
        Fault::Raw(200, b"{}".to_vec()),
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
        Fault::ResetBefore,
    ] {
        let stage = stage();
        stage.mock.misbehave(Endpoint::ByDedupId, fault.clone(), When::Always);
        stage.client.submit(&form(), 0).unwrap_err();
        assert_eq!(stage.mock.count(Endpoint::Submit), 0, "{fault:?}");
    }
}

#[test]
fn a_refusal_is_final_and_has_its_class() {
    for (fault, class, code) in [
        (Fault::InvalidKey, Class::Account, 8113),
        (Fault::InsufficientCredits, Class::Money, 8114),
        (Fault::PaymentRequired, Class::Payment, 8115),
        (Fault::Code(400, "PIE_FILE_SHOULD_BE_ZIP".to_owned()), Class::CallerBug, 8111),
        (Fault::Code(400, "ZOD_INVALID_BODY_STRING".to_owned()), Class::ContractDrift, 8112),
        (Fault::Code(400, "SOMETHING_NEW".to_owned()), Class::Unknown, 8118),
    ] {
        let stage = stage();
        stage.mock.misbehave(Endpoint::Submit, fault.clone(), When::Always);
        let error = stage.client.submit(&form(), 0).unwrap_err();
        assert_eq!((error.class(), error.code().0), (class, code), "{fault:?}: {error}");
        assert_eq!(stage.mock.count(Endpoint::Submit), 1, "{fault:?} was retried");
    }
}

#[test]
fn a_service_that_is_down_is_given_up_in_time() {
    for fault in [Fault::Code(500, "INTERNAL_SERVER_ERROR".to_owned()), Fault::Html(503), Fault::ResetBefore]
    {
        let stage = stage();
        stage.mock.misbehave(Endpoint::Any, fault.clone(), When::Always);
        let error = stage.client.submit(&form(), 0).unwrap_err();
        let Error::GaveUp { attempts, waited, .. } = &error else { panic!("{fault:?}: {error}") };
        assert!((4..12).contains(attempts) && *waited <= Duration::from_secs(120), "{attempts} {waited:?}");
        assert!(error.class().reaction().fall_back);
        assert_eq!(stage.mock.accepted().len(), 0);
    }
}

#[test]
fn somebody_else_s_query_under_our_id_is_not_adopted() {
    let stage = stage();
    let squatter = Form {
        pie_file: Some(Attachment::from_bytes(b"PK\x03\x04other".to_vec(), "a.zip", ZIP).unwrap()),
        result: None,
        network: Some(ashlar_atlantic::Network::Mainnet),
        dedup_id: Some(stage.client.dedup_id(&form(), 0)),
        ..form()
    };
    stage.client.submit(&squatter, 0).unwrap();
    let error = stage.client.submit(&form(), 0).unwrap_err();
    assert!(matches!(error, Error::Foreign { field: "network", .. }), "{error}");
    assert_eq!(stage.mock.accepted().len(), 1);
}

#[test]
fn an_answer_about_another_query_is_refused() {
    let stage = scripted(|_| ashlar_atlantic_mock::Script::route_s().with("dedupId", "other".into()));
    stage.client.submit(&form(), 0).unwrap();
    let error = stage.client.submit(&form(), 0).unwrap_err();
    assert!(matches!(error, Error::Foreign { field: "deduplication id", .. }), "{error}");
}

#[test]
fn every_rule_that_the_client_checks_the_mock_checks_too() {
    let file = |bytes: &[u8], media_type: &str| {
        Some(Attachment::from_bytes(bytes.to_vec(), "f", media_type).unwrap())
    };
    let program = |version, vm| Form {
        program_file: file(b"{\"program\":{\"funcs\":[]}}", JSON),
        cairo_version: Some(version),
        cairo_vm: Some(vm),
        declared_job_size: form().declared_job_size,
        ..Form::default()
    };
    let (zero, one, rust, python) =
        (CairoVersion::Cairo0, CairoVersion::Cairo1, CairoVm::Rust, CairoVm::Python);
    let cases = [
        (Form { pie_file: None, ..form() }, ErrorCode::SourceIsRequired),
        (Form { pie_file: file(b"PK", JSON), ..form() }, ErrorCode::PieFileShouldBeZip),
        (Form { network: None, ..form() }, ErrorCode::ChainIsRequired),
        (Form { declared_job_size: None, ..form() }, ErrorCode::ZodInvalidBodyString),
        (
            Form { program_file: file(b"{}", TEXT), ..program(one.clone(), rust.clone()) },
            ErrorCode::ProgramFileShouldBeJson,
        ),
        (program(one.clone(), python.clone()), ErrorCode::Cairo1NotForPython),
        (
            Form { input_file: file(b"1", JSON), ..program(zero.clone(), rust.clone()) },
            ErrorCode::InputNotForCairo0Rust,
        ),
        (
            Form { input_file: file(b"1", TEXT), ..program(zero, python) },
            ErrorCode::InputFileForCairo0ShouldBeJson,
        ),
        (
            Form { input_file: file(b"1", JSON), ..program(one, rust) },
            ErrorCode::InputFileForCairo1ShouldBeTxt,
        ),
    ];
    for (form, code) in cases {
        let stage = stage();
        let Err(Error::Form(fault)) = stage.client.submit(&form, 0) else { panic!("{form:?} was sent") };
        assert_eq!(fault.code, code);
        assert!(stage.mock.requests().is_empty(), "a malformed form was sent");
        // What the client would have spared the service: sent without the client's check, the mock says the same.
        let answered = raw_post(&stage.mock.address(), &form);
        assert!(answered.contains(code.as_str()), "{code}: {answered}");
    }
}

/// Posts a form that no rule was applied to, over a bare connection.
fn raw_post(address: &str, form: &Form) -> String {
    use std::io::{Read as _, Write as _};
    let mut body = Vec::new();
    for (name, value) in form.fields() {
        body.extend_from_slice(
            format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes(),
        );
    }
    for (name, file) in form.files() {
        let head = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: {}\r\n\r\n{{}}\r\n",
            file.media_type()
        );
        body.extend_from_slice(head.as_bytes());
    }
    body.extend_from_slice(b"--XX--\r\n");
    let mut stream = std::net::TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /atlantic-query HTTP/1.1\r\nHost: a\r\napi-key: {}\r\nContent-Type: multipart/form-data; boundary=XX\r\n\
         Content-Length: {}\r\n\r\n",
        support::KEY,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_retired_prover_is_contract_drift() {
    let stage = stage();
    let form = Form {
        sharp_prover: Some(SharpProver::Stone),
        layout: Some(ashlar_atlantic::Layout::Recursive),
        ..form()
    };
    let error = stage.client.submit(&form, 0).unwrap_err();
    assert_eq!(error.class(), Class::ContractDrift);
    assert!(error.class().reaction().fall_back);
}

#[test]
fn a_large_file_is_streamed_with_its_length() {
    let stage = stage();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zip");
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend((0..20_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8));
    std::fs::write(&path, &bytes).unwrap();
    let form = Form { pie_file: Some(Attachment::from_file(&path, ZIP).unwrap()), ..form() };
    stage.client.submit(&form, 0).unwrap();
    let accepted = stage.mock.accepted();
    assert!(accepted[0].files["pieFile"].bytes == bytes);
    let requests = stage.mock.requests();
    let submit = requests.iter().find(|request| request.endpoint == Endpoint::Submit).unwrap();
    assert!(submit.headers.contains(&"content-length".to_owned()), "{:?}", submit.headers);
    assert!(!submit.headers.contains(&"transfer-encoding".to_owned()), "{:?}", submit.headers);
}

#[test]
fn a_file_that_changes_before_it_is_sent_is_not_submitted() {
    let stage = stage();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.zip");
    std::fs::write(&path, b"PK\x03\x04first content").unwrap();
    let form = Form { pie_file: Some(Attachment::from_file(&path, ZIP).unwrap()), ..form() };
    std::fs::write(&path, b"PK\x03\x04other content").unwrap();
    let error = stage.client.submit(&form, 0).unwrap_err();
    assert!(matches!(error, Error::UploadChanged { .. }), "{error}");
    assert!(stage.mock.accepted().is_empty());
}
