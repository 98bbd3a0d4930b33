//! A page in headless Chromium that a test uses like a visitor. Chromium is driven by its DevTools
//! protocol over pipes: JSON, and a zero after each message.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chromium::{self, Browser};

/// The time that an answer of Chromium, or of the page, may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Chromium reads commands from file 3 and writes answers to file 4.
const WITH_PIPES: &str = r#"exec "$@" --remote-debugging-pipe 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

pub struct Page {
    _browser: Browser,
    _profile: TempDir,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: Option<Value>,
    number: u64,
}

impl Page {
    /// Opens an address.
    pub fn open(chromium: &Path, address: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let command = chromium::command(chromium, profile.path());
        let mut with_pipes = Command::new("sh");
        with_pipes.args(["-c", WITH_PIPES, "sh"]).arg(command.get_program()).args(command.get_args());
        let mut child = with_pipes.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, answers) = mpsc::channel();
        std::thread::spawn(move || {
            let messages = BufReader::new(output).split(0).map_while(Result::ok);
            messages.map(|message| serde_json::from_slice(&message).unwrap()).try_for_each(|value| send.send(value))
        });
        let mut page =
            Self { _browser: Browser(child), _profile: profile, commands, answers, session: None, number: 0 };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].take();
        let attached = page.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        page.session = Some(attached["sessionId"].clone());
        let opened = page.call("Page.navigate", json!({"url": address}));
        assert!(opened.get("errorText").is_none(), "{address}: {opened}");
        page
    }

    /// Calls a method of the protocol.
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut command = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = session.clone();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            // Other messages are events.
            let mut answer = self.answers.recv_timeout(LONGEST).unwrap();
            if answer["id"] == self.number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// The value of an expression of JavaScript.
    pub fn value(&mut self, expression: &str) -> Value {
        let mut answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != true {
            let slow = start.elapsed() > LONGEST;
            assert!(!slow, "not true after {LONGEST:?}: {expression}\n{}", self.value("document.body.innerText"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Chooses a file in the page's input.
    pub fn choose(&mut self, file: &Path) {
        let input = self.call("Runtime.evaluate", json!({"expression": "document.querySelector('input')"}));
        let object = &input["result"]["objectId"];
        self.call("DOM.setFileInputFiles", json!({"files": [file], "objectId": object}));
    }
}
