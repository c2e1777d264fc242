//! An upstream that keeps every byte it is sent, and answers as a test wants it to.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    client::{Head, parse_head},
    port::Port,
    wait::eventually,
};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Every byte up to the empty line, and that line.
    pub raw_head: Vec<u8>,
    /// Every byte after it, chunk sizes included.
    pub raw_body: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The head, taken apart.
    pub head: Head,
}

impl Seen {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        self.head.start.split(' ').next().unwrap()
    }

    /// The target, as it came.
    #[must_use]
    pub fn target(&self) -> &str {
        self.head.start.split(' ').nth(1).unwrap()
    }

    /// The request id that the gate gave it.
    #[must_use]
    pub fn id(&self) -> &str {
        self.head.header("x-request-id").unwrap_or_default()
    }

    /// What it says about the caller: every `x-auth-` header, sorted, names in lower case.
    #[must_use]
    pub fn identity(&self) -> Vec<(String, String)> {
        let headers = self.head.headers.iter();
        let lower = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        let mut found: Vec<_> = lower.filter(|(name, _)| name.starts_with("x-auth-")).collect();
        found.sort();
        found
    }
}

/// How a path is answered.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// With a status, headers and a body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// With these bytes, whatever they are, and an end of the connection.
    Raw(Vec<u8>),
    /// With the request's own body.
    Echo,
    /// After a while, as usual.
    Delay(Duration),
    /// Never.
    Silence,
    /// By closing the connection.
    Close,
    /// With this many bytes, in chunks.
    Stream(usize),
}

#[derive(Debug, Default)]
struct Memory {
    seen: Vec<Seen>,
    behaviours: HashMap<String, Behaviour>,
    open: Vec<JoinHandle<()>>,
}

/// The recording upstream.
#[derive(Debug)]
pub struct Upstream {
    port: Port,
    memory: Arc<Mutex<Memory>>,
    accepting: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Listens on a port that the system chooses.
    #[must_use]
    pub fn start() -> Self {
        let (port, memory) = (Port::hold(), Arc::default());
        let accepting = Some(tokio::spawn(accept(port.listen(), Arc::clone(&memory))));
        Self { port, memory, accepting }
    }

    /// Where it listens, or did.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Answers `path` (without its query) so from now on.
    pub fn on(&self, path: &str, behaviour: Behaviour) {
        lock(&self.memory).behaviours.insert(path.to_owned(), behaviour);
    }

    /// What was seen so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.memory).seen.clone()
    }

    /// What was seen so far, to be forgotten.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut lock(&self.memory).seen)
    }

    /// What was seen of the request with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Vec<Seen> {
        lock(&self.memory).seen.iter().filter(|seen| seen.id() == id).cloned().collect()
    }

    /// Waits until this many have been seen.
    pub async fn wait_for(&self, count: usize) -> Vec<Seen> {
        eventually("the upstream sees the request", || async {
            Some(self.requests()).filter(|seen| seen.len() >= count)
        })
        .await
    }

    /// Stops listening and drops every connection.
    pub async fn stop(&mut self) {
        let mut tasks = std::mem::take(&mut lock(&self.memory).open);
        tasks.extend(self.accepting.take());
        for task in tasks {
            task.abort();
            let _aborted = task.await;
        }
    }

    /// Listens again, on the same port.
    pub fn start_again(&mut self) {
        self.accepting = Some(tokio::spawn(accept(self.port.listen(), Arc::clone(&self.memory))));
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
        for task in &lock(&self.memory).open {
            task.abort();
        }
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap()
}

async fn accept(listener: TcpListener, memory: Arc<Mutex<Memory>>) {
    while let Ok((stream, _peer)) = listener.accept().await {
        let serving = tokio::spawn(serve(stream, Arc::clone(&memory)));
        let mut memory = lock(&memory);
        memory.open.retain(|task| !task.is_finished());
        memory.open.push(serving);
    }
}

async fn serve(mut stream: TcpStream, memory: Arc<Mutex<Memory>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        // What is no request is kept, too: a test may find it there.
        lock(&memory).seen.push(seen.clone());
        let path = seen.target().split('?').next().unwrap().to_owned();
        let behaviour = lock(&memory).behaviours.get(&path).cloned();
        if !answer(&mut stream, &seen, behaviour).await {
            return;
        }
    }
}

/// Answers; tells whether the connection may be used again.
async fn answer(stream: &mut TcpStream, seen: &Seen, behaviour: Option<Behaviour>) -> bool {
    let body = br#"{"ok":true}"#.to_vec();
    let answer = match behaviour {
        None => plain(200, &[], &body),
        Some(Behaviour::Delay(time)) => {
            tokio::time::sleep(time).await;
            plain(200, &[], &body)
        }
        Some(Behaviour::Answer(status, headers, body)) => plain(status, &headers, &body),
        Some(Behaviour::Echo) => plain(200, &[], &seen.body),
        Some(Behaviour::Silence) => std::future::pending().await,
        Some(Behaviour::Close) => return false,
        Some(Behaviour::Raw(bytes)) => {
            let _sent = stream.write_all(&bytes).await;
            return false;
        }
        Some(Behaviour::Stream(size)) => return send_stream(stream, size).await,
    };
    let headless = seen.method() == "HEAD";
    let end = if headless { head_end(&answer).unwrap() } else { answer.len() };
    stream.write_all(&answer[..end]).await.is_ok()
}

fn plain(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\n");
    answer.extend(headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    let length = (status != 204 && status != 304).then_some(body.len());
    answer.extend(length.map(|length| format!("Content-Length: {length}\r\n")));
    let mut answer = (answer + "\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

async fn send_stream(stream: &mut TcpStream, size: usize) -> bool {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut sent = stream.write_all(head).await.is_ok();
    let mut left = size;
    while sent && left > 0 {
        let chunk = left.min(16 * 1024);
        let bytes = [format!("{chunk:x}\r\n").into_bytes(), vec![b'x'; chunk], b"\r\n".to_vec()];
        sent = stream.write_all(&bytes.concat()).await.is_ok();
        left -= chunk;
    }
    sent && stream.write_all(b"0\r\n\r\n").await.is_ok()
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = head_end(buffer) {
            break end;
        }
        more(stream, buffer).await?;
    };
    let raw_head: Vec<u8> = buffer.drain(..end).collect();
    let head = parse_head(&raw_head);
    let chunked = head.header("transfer-encoding").is_some();
    let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
    let (raw_body, body) = loop {
        let found = if chunked { dechunk(buffer) } else { fixed(buffer, length) };
        if let Some((size, body)) = found {
            break (buffer.drain(..size).collect(), body);
        }
        more(stream, buffer).await?;
    };
    Some(Seen { raw_head, raw_body, body, head })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(()),
    }
}

/// Where the head ends, its empty line included.
#[must_use]
pub fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn fixed(bytes: &[u8], length: usize) -> Option<(usize, Vec<u8>)> {
    bytes.get(..length).map(|body| (length, body.to_vec()))
}

/// The size of a chunked body on the wire, trailers included, and what it holds; nothing when
/// there is more to come.
#[must_use]
pub fn dechunk(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let (mut at, mut body) = (0, Vec::new());
    loop {
        let line_end = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[at..line_end]).unwrap();
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
        at = line_end + 2;
        if size == 0 {
            let trailers = bytes.get(at..)?;
            let end = if trailers.starts_with(b"\r\n") { 2 } else { head_end(trailers)? };
            return Some((at + end, body));
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        bytes.get(..at)?;
    }
}
