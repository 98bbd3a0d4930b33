//! A server on loopback that does what a test reports it, good or bad.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What a client asked for. Names of headers are in lower case.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// The first byte that is asked for.
    pub fn start(&self) -> usize {
        let range = self.headers.get("range").map(|range| range.strip_prefix("bytes=").unwrap());
        range.map_or(0, |range| range.strip_suffix('-').unwrap().parse().unwrap())
    }
}

/// What goes back, byte for byte; by default nothing at all.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    status: String,
    headers: Vec<String>,
    body: Vec<u8>,
    silent: bool,
}

impl Answer {
    /// A status alone, such as "404 Not Found".
    pub fn status(status: &str) -> Self {
        Self { status: status.to_owned(), headers: vec!["Content-Length: 0".into()], ..Self::default() }
    }

    /// The bytes as they should come: the whole, or the part that was asked for.
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

    /// The bytes, whatever part was asked for.
    pub fn whole(bytes: &[u8]) -> Self {
        Self::status("200 OK").length(Some(bytes.len())).body(bytes)
    }

    /// What the Hugging Face hub says of a large file: what it is, and where it lies.
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

    /// Another length than the body has, or none.
    pub fn length(mut self, length: Option<usize>) -> Self {
        self.headers.retain(|line| !line.starts_with("Content-Length"));
        self.headers.extend(length.map(|length| format!("Content-Length: {length}")));
        self
    }

    /// The connection breaks after so many bytes of the body.
    pub fn cut(mut self, bytes: usize) -> Self {
        self.body.truncate(bytes);
        self
    }

    /// Nothing more comes after the body, but the connection stays open.
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
    /// Answers each request by `answer`, which also loads how many came before.
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

    /// What was asked for so far.
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
        // Until the client goes away.
        let _ = stream.read(&mut [0; 1]);
    }
}
