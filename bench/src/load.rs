//! A closed loop of requests over connections that are kept.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was measured.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Taken {
    /// Requests a second.
    pub(crate) rate: f64,
    /// The 99th percentile of latency, in milliseconds.
    pub(crate) p99: f64,
}

/// Asks for everything once: what is measured must be answered with 200.
pub(crate) async fn check(address: SocketAddr, requests: &[Vec<u8>]) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut buffer = Vec::new();
    for request in requests {
        assert!(
            ask(&mut socket, request, &mut buffer).await,
            "{}",
            String::from_utf8_lossy(&buffer)
        );
    }
}

/// Keeps so many connections busy for so long.
pub(crate) async fn run(
    address: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
    time: Duration,
) -> Taken {
    let began = Instant::now();
    let end = began + time;
    let tasks: Vec<_> = (0..connections)
        .map(|number| tokio::spawn(client(address, requests.to_vec(), number, end)))
        .collect();
    let mut micros = Vec::new();
    for task in tasks {
        micros.extend(task.await.unwrap());
    }
    let passed = began.elapsed().as_secs_f64();
    micros.sort_unstable();
    let p99 = micros.get(micros.len() * 99 / 100).copied().unwrap_or_default();
    let count = u32::try_from(micros.len()).unwrap();
    Taken { rate: f64::from(count) / passed, p99: f64::from(p99) / 1e3 }
}

async fn client(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    first: usize,
    end: Instant,
) -> Vec<u32> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (mut buffer, mut micros) = (Vec::with_capacity(4096), Vec::new());
    for request in requests.iter().cycle().skip(first) {
        let asked = Instant::now();
        if asked >= end {
            break;
        }
        assert!(
            ask(&mut socket, request, &mut buffer).await,
            "{}",
            String::from_utf8_lossy(&buffer)
        );
        micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    micros
}

/// One request and its whole answer; whether that was 200.
pub(crate) async fn ask(socket: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> bool {
    socket.write_all(request).await.unwrap();
    buffer.clear();
    let mut whole = None;
    while whole.is_none_or(|whole| buffer.len() < whole) {
        assert!(socket.read_buf(buffer).await.unwrap() > 0, "the connection ended");
        whole = whole.or_else(|| length(buffer));
    }
    buffer.starts_with(b"HTTP/1.1 200")
}

/// The length of the answer, once its head is here.
fn length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
    let field = text.lines().find(|line| {
        line.len() > 15
            && line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:"))
    });
    let body: usize = field?.get(15..)?.trim().parse().ok()?;
    Some(head + body)
}
