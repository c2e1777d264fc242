//! A connection of the load, with at most one request on its way.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// An answer that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The length of its body.
    pub(crate) body: usize,
    /// Whether the connection ends with it.
    close: bool,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    Answer(Answer),
    /// The other side ended the connection, or broke it.
    End,
}

pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    token: Token,
    /// The request that is on its way.
    pub(crate) request: Option<usize>,
    /// Since when it counts.
    pub(crate) since: Instant,
    /// How much of it is written.
    written: usize,
    /// What has been read of an answer that is not whole.
    part: Vec<u8>,
    closing: bool,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, token: Token, registry: &Registry) -> Self {
        let stream = connect(address, token, registry);
        let part = Vec::new();
        let since = Instant::now();
        Self { stream, address, token, request: None, since, written: 0, part, closing: false }
    }

    /// Connects anew.
    pub(crate) fn reopen(&mut self, registry: &Registry) {
        self.stream = connect(self.address, self.token, registry);
        self.part.clear();
        (self.written, self.closing) = (0, false);
    }

    /// Begins to send a request.
    pub(crate) fn send(
        &mut self,
        number: usize,
        bytes: &[u8],
        since: Instant,
        registry: &Registry,
    ) {
        if self.closing {
            self.reopen(registry);
        }
        (self.request, self.since, self.written) = (Some(number), since, 0);
        self.go_on(bytes);
    }

    /// Sends what is left of the request. A connection that is broken says so when it is read.
    pub(crate) fn go_on(&mut self, bytes: &[u8]) {
        while self.written < bytes.len() {
            match self.stream.write(&bytes[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Came {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Came::End,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Came::Nothing,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Came::End,
            };
            let found = if self.part.is_empty() {
                answer(&buffer[..read])
            } else {
                self.part.extend_from_slice(&buffer[..read]);
                answer(&self.part)
            };
            if let Some(answer) = found {
                self.part.clear();
                self.closing = answer.close;
                return Came::Answer(answer);
            }
            if self.part.is_empty() {
                self.part.extend_from_slice(&buffer[..read]);
            }
        }
    }
}

fn connect(address: SocketAddr, token: Token, registry: &Registry) -> TcpStream {
    let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream);
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).unwrap();
    stream
}

/// The answer that these bytes are, if it is whole.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(start) = head.parse(bytes).unwrap() else { return None };
    let status = head.code.unwrap();
    let (mut length, mut chunked, mut close) = (None, false, false);
    for field in head.headers.iter() {
        let is = |name| field.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            length = str::from_utf8(field.value).unwrap().trim().parse().ok();
        } else if is("transfer-encoding") {
            chunked = field.value.eq_ignore_ascii_case(b"chunked");
        } else if is("connection") {
            close = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    let rest = &bytes[start..];
    if chunked {
        let ends =
            rest.starts_with(b"0\r\n\r\n") || memmem::rfind(rest, b"\r\n0\r\n\r\n").is_some();
        return ends.then_some(Answer { status, body: rest.len(), close });
    }
    let body = if status == 204 { 0 } else { length.unwrap_or(0) };
    (rest.len() >= body).then_some(Answer { status, body, close })
}
