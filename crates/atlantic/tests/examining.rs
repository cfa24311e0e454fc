//! What the service says beside what was computed before: nothing that contradicts it passes, and nothing that passes is
//! more than a claim.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part of the support")]

mod support;

use std::{ops::ControlFlow, time::Duration};

use ashlar_atlantic::{
    Bootloaders, Class, Error, Evidence, ExpectedRun, Metadata, Polling, QueryAnswer, Registry, Retry,
    examine,
};
use ashlar_atlantic_mock::Script;
use ashlar_fault::Fault as _;
use ashlar_field::Felt;
use serde_json::{Value, json};
use support::{form, scripted};

fn run() -> ExpectedRun {
    let felts = |values: [u64; 2]| values.map(Felt::from_u64).to_vec();
    ExpectedRun::shared(Felt::from_u64(0x1234), felts([7, 8]), felts([9, 10]))
}

/// An answer about a query that ended as it should on Route S, with some fields changed.
fn answer(changes: Value) -> QueryAnswer {
    let fact = run().fact();
    let mut query = json!({
        "id": "01M3EEM2E4GHHC3K36KRX9XY3S", "status": "DONE", "result": "PROOF_VERIFICATION_ON_L2",
        "steps": ["TRACE_AND_METADATA_GENERATION", "PROOF_GENERATION_AND_VERIFICATION", "BRIDGE_FACT_HASH"],
        "integrityFactHash": fact.integrity.to_string(), "sharpFactHash": fact.shared.unwrap().to_string(),
        "isFactMocked": false, "isProofMocked": false,
    });
    query.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(json!({ "atlanticQuery": query })).unwrap()
}

fn metadata(run: &ExpectedRun) -> Metadata {
    let fact = run.fact();
    Metadata {
        program_hash: run.bootloader().map(|hash| hash.to_string()),
        child_program_hash: Some(run.program_hash().to_string()),
        output: Some(run.output().iter().map(Felt::to_string).collect()),
        integrity_fact_hash: Some(fact.integrity.to_string()),
        sharp_fact_hash: fact.shared.map(|fact| fact.to_string()),
        execution_resources: None,
    }
}

fn examined(changes: Value) -> Result<Evidence, Error> {
    examine(&answer(changes), None, &run(), &Bootloaders::recorded()).map(|claim| claim.evidence)
}

#[test]
fn a_whole_route_ends_with_a_fact_to_be_read_back() {
    let fact = run().fact();
    let stage = scripted(move |_| {
        Script::route_s()
            .ending_with("integrityFactHash", fact.integrity.to_string().into())
            .ending_with("sharpFactHash", fact.shared.unwrap().to_string().into())
            .artefact("metadata.json", serde_json::to_vec(&metadata(&run())).unwrap())
    });
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let polling = Polling::until(Duration::from_secs(7200));
    let look = stage.client.wait(&query, polling, &mut |_| ControlFlow::Continue(())).unwrap();
    let address = stage.client.artefact(&look.answer, "metadata.json").unwrap();
    let metadata = stage.client.metadata(&address).unwrap();
    let claim = examine(&look.answer, Some(&metadata), &run(), &Bootloaders::recorded()).unwrap();
    assert_eq!(claim.query, query);
    assert_eq!(
        claim.evidence,
        Evidence::FactToReadBack {
            registry: Registry::Satellite,
            integrity: fact.integrity,
            shared: fact.shared
        }
    );
}

#[test]
fn what_a_claim_needs_depends_on_what_was_asked_for() {
    let fact = run().fact();
    let read_back =
        |registry| Evidence::FactToReadBack { registry, integrity: fact.integrity, shared: fact.shared };
    assert_eq!(examined(json!({})).unwrap(), read_back(Registry::Satellite));
    assert_eq!(
        examined(json!({ "steps": ["PROOF_VERIFICATION_ON_L2"] })).unwrap(),
        read_back(Registry::Integrity)
    );
    let first = json!({ "result": "PROOF_VERIFICATION_ON_L1" });
    assert_eq!(examined(first).unwrap(), read_back(Registry::Shared));
    assert_eq!(examined(json!({ "result": "PROOF_GENERATION" })).unwrap(), Evidence::ProofFile);
    assert_eq!(examined(json!({ "result": "TRACE_GENERATION" })).unwrap(), Evidence::Nothing);
    assert_eq!(examined(json!({ "result": "SOMETHING_NEW" })).unwrap(), Evidence::Nothing);
    assert_eq!(examined(json!({ "result": null })).unwrap(), Evidence::Nothing);
}

#[test]
fn a_wrong_fact_is_a_hard_failure() {
    let other = ExpectedRun::shared(Felt::from_u64(0x1234), vec![], vec![]).fact();
    let shared = other.shared.unwrap().to_string();
    for changes in [
        json!({ "integrityFactHash": other.integrity.to_string() }),
        json!({ "integrityFactHash": "0x0" }),
        json!({ "integrityFactHash": "garbage" }),
        json!({ "sharpFactHash": shared }),
        json!({ "sharpFactHash": "0x" }),
        json!({ "sharpFactHash": format!("0x{}", "f".repeat(65)) }),
        json!({ "integrityFactHash": null, "sharpFactHash": null }),
    ] {
        let error = examined(changes.clone()).unwrap_err();
        assert!(matches!(error, Error::FactMismatch { .. }), "{changes}: {error}");
        assert!(error.to_string().starts_with("FACT_MISMATCH"), "{error}");
        assert_eq!((error.code().0, error.class()), (8130, Class::Evidence));
        assert!(error.class().reaction().open_breaker);
    }
    // One of the two facts may be missing; what is there is right.
    examined(json!({ "integrityFactHash": null })).unwrap();
}

#[test]
fn a_mocked_result_never_counts() {
    for field in ["isFactMocked", "isProofMocked"] {
        for result in ["PROOF_VERIFICATION_ON_L2", "PROOF_GENERATION", "TRACE_GENERATION"] {
            let error = examined(json!({ field: true, "result": result })).unwrap_err();
            assert!(matches!(error, Error::Mocked { .. }), "{error}");
        }
    }
    // Neither when it was asked for.
    let stage = scripted(|_| Script::proof_only());
    let form = ashlar_atlantic::Form { mock_fact_hash: Some(true), ..form() };
    let query = stage.client.submit(&form, 0).unwrap().query;
    stage.clock.advance(Duration::from_secs(3600));
    let look = stage.client.show(&query).unwrap();
    let error = examine(&look.answer, None, &run(), &Bootloaders::recorded()).unwrap_err();
    assert!(matches!(error, Error::Mocked { what: "fact", .. }), "{error}");
}

#[test]
fn another_program_is_refused() {
    let error = examined(json!({ "programHash": "0x9999" })).unwrap_err();
    assert!(matches!(error, Error::OtherProgram { .. }), "{error}");
    for right in [run().program_hash(), run().bootloader().unwrap()] {
        examined(json!({ "programHash": right.to_string() })).unwrap();
    }
    let told = Metadata { child_program_hash: Some("0x9999".to_owned()), ..metadata(&run()) };
    let error = examine(&answer(json!({})), Some(&told), &run(), &Bootloaders::recorded()).unwrap_err();
    assert!(matches!(error, Error::OtherProgram { .. }), "{error}");
}

#[test]
fn another_output_is_refused() {
    let mut told = metadata(&run());
    told.output.as_mut().unwrap()[8] = "0x63".to_owned();
    let error = examine(&answer(json!({})), Some(&told), &run(), &Bootloaders::recorded()).unwrap_err();
    assert!(error.to_string().contains("differ at word 8"), "{error}");
    let told = Metadata { output: Some(vec!["no number".to_owned()]), ..metadata(&run()) };
    assert!(examine(&answer(json!({})), Some(&told), &run(), &Bootloaders::recorded()).is_err());
    let told = Metadata { sharp_fact_hash: Some("0x1".to_owned()), ..metadata(&run()) };
    assert!(examine(&answer(json!({})), Some(&told), &run(), &Bootloaders::recorded()).is_err());
}

#[test]
fn a_new_bootloader_is_an_operator_s_decision() {
    let new = Felt::from_u64(0xb007);
    let ExpectedRun::Shared { shared_bootloader, child, returned, arguments, .. } = run() else { panic!() };
    let under_new = ExpectedRun::Shared { bootloader: new, shared_bootloader, child, returned, arguments };
    let told = metadata(&under_new);
    let fact = under_new.fact();
    let answer = answer(json!({
        "integrityFactHash": fact.integrity.to_string(), "sharpFactHash": fact.shared.unwrap().to_string(),
    }));
    // Everything fits together, and still nobody here has accepted it.
    let error = examine(&answer, Some(&told), &run(), &Bootloaders::recorded()).unwrap_err();
    assert!(matches!(&error, Error::UnknownBootloader { got, .. } if *got == "0xb007"), "{error}");
    // Whoever made the job cannot accept it either.
    let error = examine(&answer, None, &under_new, &Bootloaders::recorded()).unwrap_err();
    assert!(matches!(error, Error::UnknownBootloader { .. }), "{error}");
    // An operator can.
    let mut accepted = Bootloaders::recorded();
    accepted.service.insert(0, new);
    let claim = examine(&answer, Some(&told), &run(), &accepted).unwrap();
    let Evidence::FactToReadBack { integrity, .. } = claim.evidence else { panic!("{claim:?}") };
    assert_eq!(integrity, fact.integrity);
    // Naming it does not excuse a wrong fact.
    let told = Metadata { program_hash: Some("0xb007".to_owned()), ..metadata(&run()) };
    let wrong = self::answer(json!({}));
    assert!(matches!(examine(&wrong, Some(&told), &run(), &accepted), Err(Error::FactMismatch { .. })));
    let told = Metadata { program_hash: Some("garbage".to_owned()), ..metadata(&run()) };
    assert!(matches!(examine(&wrong, Some(&told), &run(), &accepted), Err(Error::UnknownBootloader { .. })));
}

#[test]
fn a_plain_run_is_compared_without_a_bootloader() {
    let plain = ExpectedRun::Plain { program_hash: Felt::from_u64(5), output: vec![Felt::from_u64(6)] };
    let fact = plain.fact().integrity.to_string();
    let told = answer(
        json!({ "integrityFactHash": fact, "sharpFactHash": null, "steps": null, "programHash": "0x5" }),
    );
    let claim = examine(&told, Some(&metadata_of_plain(&plain)), &plain, &Bootloaders::recorded()).unwrap();
    assert!(matches!(
        claim.evidence,
        Evidence::FactToReadBack { registry: Registry::Integrity, shared: None, .. }
    ));
    let mut other = metadata_of_plain(&plain);
    other.program_hash = Some("0x6".to_owned());
    assert!(matches!(
        examine(&told, Some(&other), &plain, &Bootloaders::recorded()),
        Err(Error::OtherProgram { .. })
    ));
}

fn metadata_of_plain(plain: &ExpectedRun) -> Metadata {
    Metadata {
        program_hash: Some(plain.program_hash().to_string()),
        child_program_hash: None,
        ..metadata(plain)
    }
}

#[test]
fn a_failed_query_says_what_to_do_next() {
    for (script, class, retry) in [
        (Script::route_s().steps(6_303_243), Class::JobOutOfMemory, Retry::LargerSize),
        (
            Script::route_s().failing(0, "Error: Failed to run cairo1 rust vm: VirtualMachine(Unexpected)"),
            Class::JobMachineMismatch,
            Retry::AsExecution,
        ),
        (
            Script::route_s().failing(0, "Error: Failed to run bootloader: inner_exc: DiffAssertValues"),
            Class::JobTerminal,
            Retry::Never,
        ),
        (Script::route_s().failing(1, "no words for it"), Class::JobTerminal, Retry::Never),
    ] {
        let stage = scripted(move |_| script.clone());
        let query = stage.client.submit(&form(), 0).unwrap().query;
        stage.clock.advance(Duration::from_secs(7200));
        let look = stage.client.show(&query).unwrap();
        let error = examine(&look.answer, None, &run(), &Bootloaders::recorded()).unwrap_err();
        assert!(matches!(error, Error::JobFailed { .. }), "{error}");
        assert_eq!((error.class(), error.class().reaction().retry), (class, retry));
        assert!(class.reaction().fall_back);
    }
}

#[test]
fn a_job_that_ran_out_of_memory_succeeds_with_the_next_size() {
    let stage = scripted(|_| Script::route_s().steps(6_303_243));
    let first = form();
    let query = stage.client.submit(&first, 0).unwrap().query;
    stage.clock.advance(Duration::from_secs(7200));
    let look = stage.client.show(&query).unwrap();
    let error = examine(&look.answer, None, &run(), &Bootloaders::recorded()).unwrap_err();
    assert_eq!(error.class().reaction().retry, Retry::LargerSize);
    let second = first.with_larger_size().unwrap();
    let receipt = stage.client.submit(&second, 0).unwrap();
    assert!(!receipt.adopted, "a larger size is another job");
    stage.clock.advance(Duration::from_secs(7200));
    let look = stage.client.show(&receipt.query).unwrap();
    assert!(
        examine(&look.answer, None, &run(), &Bootloaders::recorded())
            .is_err_and(|error| matches!(error, Error::FactMismatch { .. })),
        "done, without the facts of this test"
    );
}

#[test]
fn a_query_that_is_not_over_is_not_examined() {
    for status in ["RECEIVED", "IN_PROGRESS", "ALMOST"] {
        let error = examined(json!({ "status": status })).unwrap_err();
        assert!(matches!(error, Error::NotOver { .. }), "{error}");
    }
}
