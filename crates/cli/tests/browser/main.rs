//! The dashboard in a real browser: a proposal that is submitted in the form ends verified, live, on the page. Without
//! Chromium (Debian: `apt-get install chromium`) the test says so and is skipped.
//!
//! `ASHLAR_PICTURES=docs/pictures` keeps the screenshots there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod chromium;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use chromium::Chromium;
use serde_json::Value;

/// A running `ashlar serve`.
struct Served {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Served {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ashlar"))
            .args(["serve", "--listen", "127.0.0.1:0", "--open-on-loopback", "--json-stream", "--data-dir"])
            .arg(folder.path())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server ended before it listened").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "listening" {
                break event["address"].as_str().unwrap().to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Served { child, address, _folder: folder }
    }

    /// Sends a request as a program does; the body of the answer.
    fn post(&self, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn proposal(nonce: u64, max_single: u64) -> String {
    format!(
        r#"{{"chain_id": "0x534e", "allocator": "0xa110", "nonce": {nonce}, "model_version": 1,
            "constraints": {{"max_single": {max_single}, "max_volatility": 4000, "min_diversification": 2, "min_liquidity": 2}},
            "rows": [
              {{"protocol_id": "0xa", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98, "age": 800, "apy": 500}},
              {{"protocol_id": "0xb", "utilisation": 5000, "volatility": 2500, "liquidity": 2, "audit": 95, "age": 600, "apy": 450}}
            ]}}"#
    )
}

/// Types into the fields of the form; the last row is left empty.
const FILL: &str = r#"
for (const [row, values] of [[0, ["0xa", 500, 6500, 3500, 1, 98, 800]], [1, ["0xb", 450, 5000, 2500, 2, 95, 600]]])
  ["protocol_id", "apy", "utilisation", "volatility", "liquidity", "audit", "age"].forEach((name, index) => {
    document.getElementById(`rows[${row}].${name}`).value = values[index];
  });
"#;

/// Clicks a button of the form, and waits for the page that comes of it.
fn submit(browser: &mut Chromium, change: &str) {
    browser.evaluate(&format!("{change}; window.left = true; document.querySelector('button.main').click()"));
    browser.wait_for("!window.left && document.readyState === 'complete'");
}

#[test]
fn a_proposal_submitted_in_the_form_ends_verified_live_on_the_page() {
    let Some(program) = chromium::program() else {
        println!("skipped: chromium is not installed (Debian: apt-get install chromium)");
        return;
    };
    let served = Served::start();
    let mut browser = Chromium::start(&program);
    let root = format!("http://{}", served.address);
    let pictures = std::env::var_os("ASHLAR_PICTURES").map(PathBuf::from);

    // A proposal that is cancelled before it is proven stays blocked; one that the rules reject is proven as such.
    browser.look(1100, 800, false);
    browser.open(&format!("{root}/propose"));
    assert_eq!(browser.evaluate("document.title"), "Propose · Ashlar");

    // What is wrong is said, at its field, and what was typed stays.
    submit(&mut browser, &format!("{FILL} document.getElementById('rows[1].apy').value = '4x\"><b>'"));
    browser.wait_for("document.getElementById('error')");
    let error = browser.evaluate("document.getElementById('error').innerText");
    assert!(error.as_str().unwrap().contains("ASH-3006"), "{error}");
    assert_eq!(browser.evaluate("document.querySelector('[aria-invalid]').id"), "rows[1].apy");
    assert_eq!(browser.evaluate("document.getElementById('rows[1].apy').value"), "4x\"><b>");
    browser.complaints.retain(|complaint| !complaint.contains("422"));

    submit(&mut browser, FILL);
    let path = browser.evaluate("location.pathname");
    assert!(path.as_str().unwrap().starts_with("/allocations/alc_"), "{path}");
    // From here on the page is not loaded again.
    browser.evaluate("window.kept = true");
    browser.wait_for("document.querySelector('#gate .banner').classList.contains('open')");
    assert_eq!(browser.evaluate("window.kept"), true, "it became verified without being loaded again");
    let words = browser.evaluate("document.getElementById('gate').innerText");
    assert!(words.as_str().unwrap().contains("verified again just now"), "{words}");
    let job = browser
        .evaluate("document.querySelector('#jobs a').getAttribute('href')")
        .as_str()
        .unwrap()
        .to_owned();

    served.post("/api/v1/allocations", &proposal(2, 4000));
    let doomed = served.post("/api/v1/allocations?priority=0", &proposal(3, 6000));
    served.post(&format!("/api/v1/jobs/{}/cancel", doomed["job"].as_str().unwrap()), "");
    browser.open(&format!("{root}/ledger"));
    browser.wait_for("document.querySelectorAll('td.blocked .gate.blocked').length >= 2");
    let blocked = browser.evaluate("document.querySelector('td.blocked').innerText");
    assert!(
        blocked.as_str().unwrap().contains("blocked"),
        "an unverified allocation says that it is: {blocked}"
    );
    browser.wait_for("document.getElementById('live').innerText === 'live'");

    let allocation = path.as_str().unwrap().to_owned();
    let pages = [
        ("overview", "/"),
        ("ledger", "/ledger"),
        ("allocation", allocation.as_str()),
        ("jobs", "/jobs"),
        ("job", job.as_str()),
        ("workers", "/workers"),
        ("propose", "/propose"),
        ("sign-in", "/sign-in"),
    ];
    for (name, path) in pages {
        let mut paper = Vec::new();
        for (look, width, dark) in [("light", 1100, false), ("dark", 1100, true), ("phone", 390, false)] {
            browser.look(width, 800, dark);
            browser.open(&format!("{root}{path}"));
            let overflow = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            assert!(overflow.as_i64().unwrap() <= 0, "{name} is {overflow} pixels wider than {look}");
            paper.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
            let picture = browser.screenshot();
            assert!(picture.len() > 5_000, "{name} {look} shows something");
            if let Some(folder) = &pictures {
                std::fs::write(folder.join(format!("{name}-{look}.png")), picture).unwrap();
            }
        }
        assert_ne!(paper[0], paper[1], "{name} is dark in the dark");
        assert_eq!(paper[0], paper[2]);
    }

    // Every picture is a file of its own, too.
    browser.look(1100, 800, false);
    for path in [
        "/latency.svg",
        "/workers.svg",
        &format!("{job}/timeline.svg"),
        &format!("{job}/anatomy.svg"),
        &format!("{job}/route.svg"),
    ] {
        browser.open(&format!("{root}{path}"));
        assert_eq!(browser.evaluate("document.documentElement.tagName"), "svg", "{path}");
    }

    // The first key press leads to the link that skips the navigation; the next ones go through it.
    browser.open(&format!("{root}/"));
    browser.press("Tab");
    assert_eq!(browser.evaluate("document.activeElement.className"), "skip");
    for _ in 0..4 {
        browser.press("Tab");
    }
    assert_eq!(browser.evaluate("document.activeElement.innerText"), "Jobs");
    browser.evaluate("window.left = true");
    browser.press("Enter");
    browser.wait_for("!window.left && location.pathname === '/jobs'");

    let strangers: Vec<&String> = browser
        .asked
        .iter()
        .filter(|address| !address.starts_with(&root) && !address.starts_with("about:"))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
    // And it could not, if it tried.
    let refused = browser.evaluate("fetch('http://192.0.2.1/').then(() => 'sent', error => error.name)");
    assert_eq!(refused, "TypeError");
    assert!(
        browser.complaints.iter().any(|complaint| complaint.contains("Content Security Policy")),
        "{:?}",
        browser.complaints
    );
}
