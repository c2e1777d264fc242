//! An upstream that answers everything with 1 KiB, as cheaply as it can: one thread and one `epoll`, no
//! tasks. It shares its core with the load, so what it costs is taken from what the load can send.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::thread;

use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The length of each answer's body.
pub(crate) const BODY: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

/// Starts it; it runs for as long as this process does.
pub(crate) fn start() -> SocketAddr {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let poll = Poll::new().unwrap();
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).unwrap();
        Upstream { poll, listener, peers: Vec::new(), answer: answer() }.serve();
    });
    address
}

fn answer() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n";
    format!("{head}\"{}\"", "x".repeat(BODY - 2)).into_bytes()
}

struct Upstream {
    poll: Poll,
    listener: TcpListener,
    /// By token; a place that is empty is taken by the next connection.
    peers: Vec<Option<Peer>>,
    answer: Vec<u8>,
}

impl Upstream {
    fn serve(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            if let Err(error) = self.poll.poll(&mut events, None) {
                assert!(error.kind() == ErrorKind::Interrupted, "{error}");
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept();
                    continue;
                }
                let place = event.token().0;
                let Some(peer) = self.peers.get_mut(place).and_then(Option::as_mut) else {
                    continue;
                };
                if !peer.serve(&mut buffer, &self.answer) {
                    self.peers[place] = None;
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true).unwrap();
            let free = self.peers.iter().position(Option::is_none);
            let place = free.unwrap_or(self.peers.len());
            if place == self.peers.len() {
                self.peers.push(None);
            }
            self.poll.registry().register(&mut stream, Token(place), Interest::READABLE).unwrap();
            self.peers[place] = Some(Peer { stream, head: Vec::new(), body: Body::Head });
        }
    }
}

/// What is being read.
#[derive(Debug, PartialEq, Eq)]
enum Body {
    Head,
    Length(usize),
    /// With the last bytes that were read: a chunked body ends with an empty chunk.
    Chunked([u8; 5]),
}

struct Peer {
    stream: TcpStream,
    head: Vec<u8>,
    body: Body,
}

impl Peer {
    /// Reads what there is and answers what is whole; whether the connection stands.
    fn serve(&mut self, buffer: &mut [u8], answer: &[u8]) -> bool {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            for _ in 0..self.consume(&buffer[..read]) {
                // An answer fits into the socket: nobody sends a second request before it is read.
                if self.stream.write(answer).ok() != Some(answer.len()) {
                    return false;
                }
            }
        }
    }

    /// How many requests end in these bytes.
    fn consume(&mut self, mut bytes: &[u8]) -> usize {
        let mut ended = 0;
        while !bytes.is_empty() {
            let taken = match &mut self.body {
                Body::Head => self.consume_head(bytes),
                Body::Length(left) => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    taken
                }
                Body::Chunked(last) => {
                    let joined = [last.as_slice(), bytes].concat();
                    last.copy_from_slice(&joined[joined.len() - 5..]);
                    bytes.len()
                }
            };
            bytes = &bytes[taken..];
            if matches!(&self.body, Body::Length(0)) || self.body == Body::Chunked(*b"0\r\n\r\n") {
                self.body = Body::Head;
                ended += 1;
            }
        }
        ended
    }

    fn consume_head(&mut self, bytes: &[u8]) -> usize {
        if self.head.is_empty()
            && let Some(end) = memmem::find(bytes, b"\r\n\r\n")
        {
            self.body = body_of(&bytes[..end]);
            return end + 4;
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let Some(end) = memmem::find(&self.head, b"\r\n\r\n") else { return bytes.len() };
        self.body = body_of(&self.head[..end]);
        self.head.clear();
        end + 4 - before
    }
}

fn body_of(head: &[u8]) -> Body {
    if head.starts_with(b"GET ") {
        return Body::Length(0);
    }
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(length) = value("content-length:") {
        return Body::Length(length.parse().unwrap());
    }
    if value("transfer-encoding:").is_some() {
        return Body::Chunked([0; 5]);
    }
    Body::Length(0)
}
