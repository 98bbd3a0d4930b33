//! A local server with the behavior that a test specifies.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A request of a client. Header names are in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// The first requested byte.
    pub fn start(&self) -> usize {
        let range = self.headers.get("range").map(|range| range.strip_prefix("bytes=").unwrap());
        range.map_or(0, |range| range.strip_suffix('-').unwrap().parse().unwrap())
    }
}

/// A raw response; empty by default.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    status: String,
    headers: Vec<String>,
    body: Vec<u8>,
    silent: bool,
}

impl Answer {
    /// A response with only a status, such as "404 Not Found".
    pub fn status(status: &str) -> Self {
        Self { status: status.to_owned(), headers: vec!["Content-Length: 0".into()], ..Self::default() }
    }

    /// A correct response: all bytes, or the requested part.
    pub fn good(request: &Request, bytes: &[u8]) -> Self {
        let start = request.start();
        match start {
            0 => Self::whole(bytes),
            _ if start >= bytes.len() => {
                Self::status("416 Range Not Satisfiable").header(&format!("Content-Range: bytes */{}", bytes.len()))
            }
            _ => Self::whole(&bytes[start..]).says("206 Partial Content").header(&format!(
                "Content-Range: bytes {start}-{}/{}",
                bytes.len() - 1,
                bytes.len()
            )),
        }
    }

    /// All bytes, whatever part was requested.
    pub fn whole(bytes: &[u8]) -> Self {
        Self::status("200 OK").length(Some(bytes.len())).body(bytes)
    }

    /// The response of the Hugging Face hub for a large file: its metadata and its location.
    pub fn hub(commit: &str, sha256: &str, size: usize, place: &str) -> Self {
        Self::status("302 Found")
            .header(&format!("X-Repo-Commit: {commit}"))
            .header(&format!("X-Linked-Etag: \"{sha256}\""))
            .header(&format!("X-Linked-Size: {size}"))
            .header(&format!("Location: {place}"))
    }

    pub fn body(mut self, bytes: &[u8]) -> Self {
        self.body = bytes.to_vec();
        self
    }

    pub fn says(mut self, status: &str) -> Self {
        self.status = status.to_owned();
        self
    }

    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// Sets a length that differs from the body's, or removes it.
    pub fn length(mut self, length: Option<usize>) -> Self {
        self.headers.retain(|line| !line.starts_with("Content-Length"));
        self.headers.extend(length.map(|length| format!("Content-Length: {length}")));
        self
    }

    /// Breaks the connection after this many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Sends nothing after the body, but keeps the connection open.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    ends: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server that responds to each request with `answer`, which also gets the number of
    /// previous requests.
    pub fn new(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            ends: Arc::new(AtomicBool::new(false)),
        };
        let (requests, ends, answer) = (server.requests.clone(), server.ends.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let (requests, answer) = (requests.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &requests, &*answer));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, requests: &Mutex<Vec<Request>>, answer: &dyn Fn(usize, &Request) -> Answer) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let request = Request { method, path, headers: headers.collect() };
    let before = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let answer = answer(before, &request);
    let lines = ["Connection: close"].into_iter().chain(answer.headers.iter().map(String::as_str));
    let head = match answer.status.as_str() {
        "" => String::new(),
        status => format!("HTTP/1.1 {status}\r\n{}\r\n\r\n", lines.collect::<Vec<_>>().join("\r\n")),
    };
    let mut stream = stream;
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer.body));
    if sent.is_ok() && answer.silent {
        // Wait until the client disconnects.
        let _ = stream.read(&mut [0; 1]);
    }
}
