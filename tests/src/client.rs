//! An HTTP/1.1 client that sends any bytes, and reads one answer at a time.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    upstream::{dechunk, head_end},
    wait::in_time,
};

/// A start line and headers, in order and as they came.
#[derive(Clone, Debug)]
pub struct Head {
    /// The first line.
    pub start: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The first header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let named = headers.find(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// Every header of that name, in whatever case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }
}

/// Takes a head apart. Bytes that are no UTF-8 are read as Latin-1, so that none is lost.
#[must_use]
pub fn parse_head(raw: &[u8]) -> Head {
    let text: String = raw.iter().map(|&byte| char::from(byte)).collect();
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let start = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    });
    Head { start, headers: headers.collect() }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, taken apart.
    pub head: Head,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub complete: bool,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The `reason` of a problem; empty when there is none.
    #[must_use]
    pub fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// The request id that the gate gave.
    #[must_use]
    pub fn id(&self) -> &str {
        self.head.header("x-request-id").unwrap_or_default()
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    host: Option<String>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// A request without headers or body.
    #[must_use]
    pub fn new(method: &str, target: impl AsRef<[u8]>) -> Self {
        let (method, target) = (method.to_owned(), target.as_ref().to_vec());
        Self { method, target, host: None, headers: Vec::new(), body: None }
    }

    /// A GET.
    #[must_use]
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        Self::new("GET", target)
    }

    /// To another host than the address it is sent to.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// With a bearer token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: impl AsRef<[u8]>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    /// With a body and its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The bytes of it.
    #[must_use]
    pub fn to_bytes(&self, address: SocketAddr) -> Vec<u8> {
        let host = self.host.clone().unwrap_or_else(|| address.to_string());
        let mut bytes = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        bytes.extend(format!("Host: {host}\r\n").into_bytes());
        for (name, value) in &self.headers {
            bytes.extend([name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        if let Some(body) = &self.body {
            bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
            bytes.extend(body);
        } else {
            bytes.extend(b"\r\n");
        }
        bytes
    }
}

/// A connection to the gate.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = in_time("connecting", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { address, stream, buffer: Vec::new() }
    }

    /// Sends a request and reads its answer; none when the connection ends first.
    pub async fn send(&mut self, request: &Request) -> Option<Answer> {
        let bytes = request.to_bytes(self.address);
        self.exchange(&bytes, request.method == "HEAD").await
    }

    /// Sends these bytes and reads one answer; `headless` when it has no body whatever it says.
    pub async fn exchange(&mut self, bytes: &[u8], headless: bool) -> Option<Answer> {
        self.write(bytes).await;
        self.read(headless).await
    }

    /// Sends these bytes. That the other side has closed is for the reading to find out.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _closed = in_time("sending", self.stream.write_all(bytes)).await;
    }

    /// Reads one answer, interim ones skipped.
    pub async fn read(&mut self, headless: bool) -> Option<Answer> {
        in_time("an answer", async {
            loop {
                let answer = self.read_one(headless).await?;
                if answer.status >= 200 {
                    return Some(answer);
                }
            }
        })
        .await
    }

    /// Reads the next head, that of an interim answer for one.
    pub async fn read_interim(&mut self) -> Option<Answer> {
        in_time("an answer", self.read_one(false)).await
    }

    /// Whether the other side has ended the connection, waiting for it to do so.
    pub async fn ends(&mut self) -> bool {
        in_time("the end of the connection", self.stream.read_buf(&mut self.buffer))
            .await
            .map_or(true, |read| read == 0)
    }

    async fn read_one(&mut self, headless: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = head_end(&self.buffer) {
                break end;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = parse_head(&self.buffer[..end]);
        self.buffer.drain(..end);
        let status: u16 = head.start.split(' ').nth(1).unwrap().parse().unwrap();
        if headless || status < 200 || status == 204 || status == 304 {
            return Some(Answer { status, head, body: Vec::new(), complete: true });
        }
        let (body, complete) = self.read_body(&head).await;
        Some(Answer { status, head, body, complete })
    }

    async fn read_body(&mut self, head: &Head) -> (Vec<u8>, bool) {
        let chunked = head.header("transfer-encoding").is_some();
        let length = head.header("content-length").map(|length| length.parse::<usize>().unwrap());
        loop {
            let found = match length {
                _ if chunked => dechunk(&self.buffer),
                Some(length) => self.buffer.get(..length).map(|body| (length, body.to_vec())),
                None => None,
            };
            if let Some((size, body)) = found {
                self.buffer.drain(..size);
                return (body, true);
            }
            if !self.more().await {
                let complete = !chunked && length.is_none();
                return (std::mem::take(&mut self.buffer), complete);
            }
        }
    }

    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }
}

/// Sends a request on a connection of its own.
pub async fn send(address: SocketAddr, request: &Request) -> Answer {
    let answer = Connection::open(address).await.send(request).await;
    answer.expect("the connection ended without an answer")
}

/// Sends bytes on a connection of their own.
pub async fn send_raw(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    Connection::open(address).await.exchange(bytes, false).await
}
