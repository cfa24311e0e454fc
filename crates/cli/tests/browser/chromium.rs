//! A real Chromium without a window, driven through the pipe of its own debugging protocol: messages of JSON, each
//! ended by a zero byte.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};

/// No answer of the browser takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Chromium {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// Every address that a page has asked for.
    pub(crate) asked: Vec<String>,
    /// What the browser complained about.
    pub(crate) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// Where Chromium is, if it is installed.
pub(crate) fn program() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

impl Chromium {
    pub(crate) fn start(program: &PathBuf) -> Chromium {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            // The protocol's descriptors are 3 and 4.
            .args(["-c", "exec \"$@\" 3<&0 4>&1 1>&2", "sh"])
            .arg(program)
            .args([
                "--remote-debugging-pipe",
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                if sender.send(serde_json::from_slice(&message).unwrap()).is_err() {
                    break;
                }
            }
        });
        let mut browser = Chromium {
            child,
            input,
            messages,
            session: String::new(),
            next: 1,
            asked: Vec::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session =
            browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Network.enable", "Log.enable", "Runtime.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// Asks the browser for something; its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// As [`Chromium::call`], where the browser may refuse, as it does while it goes from one page to the next.
    fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        let id = self.next;
        self.next += 1;
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input.write_all(message.to_string().as_bytes()).unwrap();
        self.input.write_all(&[0]).unwrap();
        self.input.flush().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let message = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => panic!("no answer to {method}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser is gone at {method}"),
            };
            self.note(&message);
            if message["id"] == id {
                return if message["error"].is_null() {
                    Ok(message["result"].clone())
                } else {
                    Err(message["error"].clone())
                };
            }
        }
    }

    fn note(&mut self, message: &Value) {
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.asked.push(message["params"]["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            Some("Log.entryAdded") => self.complaints.push(message["params"]["entry"].to_string()),
            Some("Runtime.exceptionThrown") => self.complaints.push(message["params"].to_string()),
            _ => {}
        }
    }

    /// The value of an expression within the page; promises are waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true. A page that is being left or made is not there yet.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        let parameters = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        while self
            .try_call("Runtime.evaluate", parameters.clone())
            .map(|answer| answer["result"]["value"] == true)
            != Ok(true)
        {
            assert!(
                Instant::now() < end,
                "{expression} did not become true in {}",
                self.evaluate("document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn open(&mut self, address: &str) {
        // The page before is told from the new one by a mark of ours.
        self.evaluate("window.left = true");
        self.call("Page.navigate", json!({ "url": address }));
        self.wait_for("!window.left && document.readyState === 'complete'");
    }

    /// Width and height in pixels of CSS, and whether the person prefers the dark.
    pub(crate) fn look(&mut self, width: u32, height: u32, dark: bool) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// The whole page as PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let answer =
            self.call("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        base64::engine::general_purpose::STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let code = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": if key == "Tab" { 9 } else { 13 },
                               "text": if key == "Enter" && kind == "keyDown" { "\r" } else { "" } });
            self.call("Input.dispatchKeyEvent", code);
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
