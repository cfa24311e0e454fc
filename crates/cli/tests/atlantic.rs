//! `ashlar atlantic`: the contract check and a look at a query, as whole commands.

use std::{fs, sync::Arc, time::Duration};

use crate::support::{ashlar, json, run, status, stderr, stdout};
use ashlar_atlantic::{Address, ApiKey, Attachment, Client, Form, JobSize, Settings, ZIP};
use ashlar_atlantic_mock::{FakeClock, Mock, Script};

const KEY: &str = "0123-the-account-s-key-4567";

#[test]
fn a_contract_that_lacks_something_ends_with_1_and_is_told_as_text_and_as_data() {
    let folder = tempfile::tempdir().unwrap();
    let document = r#"{"openapi":"3.0.3","info":{"title":"A service","version":"9"},"paths":{
        "/atlantic-query":{"post":{"requestBody":{"content":{"application/json":{}}}}},"/extra":{}}}"#;
    fs::write(folder.path().join("contract.json"), document).unwrap();
    let output = run(folder.path(), &["atlantic", "contract-check", "contract.json"]);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("A service 9: "), "{text}");
    for line in [
        "! missing  GET /atlantic-query/{id}: expected the path\n",
        "! changed  POST /atlantic-query, body: expected multipart/form-data, got application/json\n",
        "  new      path /extra\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(stderr(&output).contains("error[ASH-8151]"), "{}", stderr(&output));
    let output = run(folder.path(), &["atlantic", "contract-check", "contract.json", "--json"]);
    assert_eq!(status(&output), 1);
    let document = json(&output);
    assert_eq!(
        (&document["schema"], &document["agrees"]),
        (&"ashlar.atlantic-contract/1".into(), &false.into())
    );
    assert!(document["report"]["differences"].as_array().unwrap().len() > 3);
}

#[test]
fn what_is_no_contract_ends_with_2_and_what_is_not_there_with_3() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list.json"), "[]").unwrap();
    let output = run(folder.path(), &["atlantic", "contract-check", "list.json"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("error[ASH-8150]"), "{}", stderr(&output));
    assert_eq!(status(&run(folder.path(), &["atlantic", "contract-check", "nowhere.json"])), 3);
}

#[test]
fn a_query_is_shown_without_the_key_and_without_anybody_s_address() {
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::default();
    let mock = Mock::builder(Arc::new(clock.clone()))
        .keys(&[KEY])
        .script(|_| Script::proof_only().with("errorReason", "\u{1b}[31mred".into()))
        .start()
        .unwrap();
    let address = Address::parse(&mock.address()).unwrap();
    let settings = Settings::new(address, Some(ApiKey::new(KEY).unwrap()), "tests");
    let form = Form {
        pie_file: Some(Attachment::from_bytes(b"PK\x03\x04".to_vec(), "a.zip", ZIP).unwrap()),
        declared_job_size: Some(JobSize::S),
        ..Form::default()
    };
    let query = Client::with_clock(settings, Arc::new(clock.clone())).submit(&form, 0).unwrap().query;
    clock.advance(Duration::from_secs(3600));
    let show = |arguments: &[&str]| {
        let mut command = ashlar(folder.path());
        command.args(["atlantic", "show", query.as_str(), "--host", &mock.address()]).args(arguments);
        command.env("ATLANTIC_API_KEY", KEY).output().unwrap()
    };
    let text = show(&[]);
    assert_eq!(status(&text), 0, "{}", stderr(&text));
    assert!(
        stdout(&text).starts_with(&format!("query {query} is DONE, says the service\n")),
        "{}",
        stdout(&text)
    );
    assert!(stdout(&text).contains("\\u{1b}[31mred"), "{}", stdout(&text));
    assert!(stdout(&text).contains("PROOF_GENERATION COMPLETED"), "{}", stdout(&text));
    let document = show(&["--json"]);
    assert_eq!(json(&document)["answer"]["atlanticQuery"]["status"], "DONE");
    assert_eq!(json(&document)["jobs"]["jobs"].as_array().unwrap().len(), 2);
    for output in [text, document] {
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains('@') && !said.contains(KEY), "{said}");
    }
    assert!(mock.requests().iter().all(|request| request.key.as_deref() == Some(KEY)));
}

#[test]
fn wrong_ids_addresses_and_keys_are_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, key, expected, code) in [
        (&["a/../b"][..], KEY, 2, "ASH-5001"),
        (&["01M3", "--host", "http://example.org"], KEY, 3, "ASH-8101"),
        (&["01M3", "--host", "http://127.0.0.1:9/?apiKey=1"], KEY, 3, "ASH-8101"),
        (&["01M3", "--host", "http://127.0.0.1:9"], "a b", 3, "ASH-8103"),
    ] {
        let output = ashlar(folder.path())
            .args(["atlantic", "show"])
            .args(arguments)
            .env("ATLANTIC_API_KEY", key)
            .output()
            .unwrap();
        assert_eq!(status(&output), expected, "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(code), "{arguments:?}: {}", stderr(&output));
    }
    // Without TLS the real service cannot be reached, and that is said.
    if !cfg!(feature = "tls") {
        let output = run(folder.path(), &["atlantic", "show", "01M3"]);
        assert_eq!(status(&output), 3);
        assert!(stderr(&output).contains("error[ASH-8102]"), "{}", stderr(&output));
    }
}

#[test]
fn a_file_that_was_only_found_cannot_send_the_key_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    for settings in
        ["[atlantic]\nhost = \"http://127.0.0.1:9\"\n", "[atlantic.show]\nhost = \"http://127.0.0.1:9\"\n"]
    {
        fs::write(folder.path().join("ashlar.toml"), settings).unwrap();
        let output = run(folder.path(), &["atlantic", "show", "01M3"]);
        assert_eq!(status(&output), 3, "{}", stderr(&output));
        assert!(stderr(&output).contains("error[ASH-5003]"), "{}", stderr(&output));
    }
}
