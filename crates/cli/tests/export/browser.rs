//! A page in headless Chromium, served from a folder by a local server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::chromium::{self, Browser};

/// The time that a page may take.
const LONGEST: Duration = Duration::from_secs(300);

/// Runs a module of JavaScript in a page whose files are those of `folder`, and `onnxruntime-web`
/// of `modules`. Returns what the module gives to `console.log`.
pub fn run(chromium: &Path, folder: &Path, modules: &Path, module: &str) -> serde_json::Value {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut browser = start(chromium, profile.path(), listener.local_addr().unwrap().port());
    let start = Instant::now();
    let site = Arc::new(Site { page: page(module), folder: folder.to_owned(), modules: modules.to_owned() });
    let (send, results) = mpsc::channel();
    loop {
        assert!(start.elapsed() < LONGEST, "the page has no result after {LONGEST:?}");
        assert!(browser.0.try_wait().unwrap().is_none(), "{} has ended", chromium.display());
        if let Ok((stream, _)) = listener.accept() {
            // A browser also opens connections that it may never use.
            let (site, send) = (Arc::clone(&site), send.clone());
            std::thread::spawn(move || site.answer(stream).map(|result| send.send(result)));
        }
        if let Ok(result) = results.recv_timeout(Duration::from_millis(5)) {
            let value: serde_json::Value = serde_json::from_slice(&result).unwrap();
            assert!(value.get("error").is_none(), "{value}");
            return value;
        }
    }
}

/// What the server serves.
struct Site {
    page: String,
    folder: PathBuf,
    modules: PathBuf,
}

/// Opens the page of a server at this port.
fn start(chromium: &Path, profile: &Path, port: u16) -> Browser {
    let mut command = chromium::command(chromium, profile);
    command.arg(format!("http://127.0.0.1:{port}/")).stdin(Stdio::null());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Browser(child.unwrap_or_else(|error| panic!("{}: {error}", chromium.display())))
}

fn page(module: &str) -> String {
    let imports = r#"{"imports": {"onnxruntime-web": "/modules/onnxruntime-web/dist/ort.wasm.min.mjs"}}"#;
    let report = r#"
        const post = value => fetch("/result", {method: "POST", body: JSON.stringify(value)});
        console.log = post;
        addEventListener("error", event => post({error: String(event.message)}));
        addEventListener("unhandledrejection", event => post({error: String(event.reason)}));"#;
    format!(
        "<!doctype html><meta charset=utf-8><script>{report}</script><script type=importmap>{imports}</script>\
         <script type=module>{module}</script>"
    )
}

impl Site {
    /// Answers one request; returns the body of the page's result.
    fn answer(&self, stream: TcpStream) -> Option<Vec<u8>> {
        stream.set_nonblocking(false).ok()?;
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).ok()?;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.split_once(':') {
                Some((key, value)) if key.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()?
                }
                Some(_) => {}
                None => break,
            }
        }
        let path = first.split_whitespace().nth(1)?.trim_start_matches('/').to_owned();
        if first.starts_with("POST") {
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            respond(reader.get_mut(), "200 OK", "text/plain", b"");
            return Some(body);
        }
        let file = match path.strip_prefix("modules/") {
            Some(path) => self.modules.join(path),
            None => self.folder.join(&path),
        };
        let kind = match file.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_empty() => "text/html",
            Some("mjs" | "js") => "text/javascript",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        match std::fs::read(&file) {
            _ if path.is_empty() => respond(reader.get_mut(), "200 OK", kind, self.page.as_bytes()),
            Ok(bytes) => respond(reader.get_mut(), "200 OK", kind, &bytes),
            Err(_) => respond(reader.get_mut(), "404 Not Found", kind, b""),
        }
        None
    }
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The browser may close a connection that it does not need any more.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
