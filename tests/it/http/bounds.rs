//! How many connections there may be, and what becomes of those beyond it.

mod disk;
mod memory;

use std::net::SocketAddr;

use tests::binary::Binary;
use tests::client::{self, Request};
use tests::metrics::Metrics;
use tests::stand::Stand;
use tests::tokens::token;
use tests::wait::{eventually, in_time};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const USER: &str = "kauvery-doctor";

/// A connection from this address of loopback, which is a client of its own.
async fn from(client: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, client], 0))).unwrap();
    in_time("a connection", socket.connect(to)).await.unwrap()
}

/// A request whose body does not come: it is being served for as long as the connection is open.
async fn busy(client: u8, proxy: SocketAddr) -> TcpStream {
    let mut stream = from(client, proxy).await;
    let head = format!(
        "POST /api/visits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n",
        token(USER)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // That it is asked for its body shows that the head was read.
    assert!(next(&mut stream).await.starts_with("HTTP/1.1 100"));
    stream
}

/// What comes next; nothing at the end.
async fn next(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let read = in_time("an answer, or the end", stream.read(&mut buffer)).await.unwrap_or(0);
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

/// A connection over which a request was served, and none if it was refused.
async fn try_served(client: u8, stand: &Stand) -> Option<TcpStream> {
    let mut stream = from(client, stand.proxy()).await;
    let head = format!(
        "GET /api/patients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        token(USER)
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    next(&mut stream).await.starts_with("HTTP/1.1 200").then_some(stream)
}

async fn served(client: u8, stand: &Stand) -> TcpStream {
    try_served(client, stand).await.expect("the request is served")
}

async fn counted(stand: &Stand, name: &str, bound: &str) -> u64 {
    let name = format!("cedargate_connections_{name}_total");
    whole(Metrics::of(stand).await.sum(&name, &[("bound", bound)]))
}

/// Waits until so many are counted: a client may see the end of its connection before it is counted.
async fn are_counted(stand: &Stand, name: &str, bound: &str, expected: u64) {
    eventually(&format!("{expected} {name} by {bound}"), || async {
        (counted(stand, name, bound).await == expected).then_some(())
    })
    .await;
}

/// A count, without a fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[tokio::test]
async fn a_client_beyond_its_bound_takes_the_place_of_its_longest_idle_connection() {
    let stand = Stand::builder()
        .set("limits.connections", 40)
        .set("limits.connections_per_client", 3)
        .start()
        .await;
    let mut other = served(9, &stand).await;
    let mut silent = from(2, stand.proxy()).await;
    let mut half = from(2, stand.proxy()).await;
    half.write_all(b"GET /api/patients HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut held = vec![served(2, &stand).await];
    for longest in [&mut silent, &mut half] {
        held.push(served(2, &stand).await);
        assert_eq!(next(longest).await, "", "closed without a word");
    }
    are_counted(&stand, "closed_early", "client", 2).await;
    assert_eq!(counted(&stand, "refused", "client").await, 0);
    other.write_all(b"GET /api/patients HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(next(&mut other).await.starts_with("HTTP/1.1 401"), "others are not concerned");
}

#[tokio::test]
async fn a_client_whose_connections_are_all_busy_is_told_so() {
    let stand = Stand::builder()
        .set("limits.connections", 40)
        .set("limits.connections_per_client", 2)
        .start()
        .await;
    let mut held = [busy(2, stand.proxy()).await, busy(2, stand.proxy()).await];
    let mut refused = from(2, stand.proxy()).await;
    refused.write_all(b"GET /api/patients HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = next(&mut refused).await;
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("\r\nRetry-After: 1\r\n"),
        "{answer}"
    );
    assert_eq!(next(&mut refused).await, "");
    are_counted(&stand, "refused", "client", 1).await;
    let _other = served(3, &stand).await;
    // Those that are busy are served to their end.
    for stream in &mut held {
        stream.write_all(format!("{{}}{}", " ".repeat(98)).as_bytes()).await.unwrap();
        assert!(next(stream).await.starts_with("HTTP/1.1 200"));
    }
    // A client has its answer a moment before its connection counts as idle.
    eventually("an idle connection makes room", || async { try_served(2, &stand).await }).await;
}

#[tokio::test]
async fn beyond_all_connections_the_longest_idle_makes_room_and_then_the_next_is_refused() {
    let stand = Stand::builder()
        .set("limits.connections", 4)
        .set("limits.connections_per_client", 4)
        .start()
        .await;
    let mut idle = served(2, &stand).await;
    let busy_ones =
        [busy(3, stand.proxy()).await, busy(4, stand.proxy()).await, busy(5, stand.proxy()).await];
    let fourth = busy(6, stand.proxy()).await;
    assert_eq!(next(&mut idle).await, "");
    let mut refused = from(7, stand.proxy()).await;
    let answer = next(&mut refused).await;
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nRetry-After: 1\r\n"),
        "{answer}"
    );
    are_counted(&stand, "closed_early", "total", 1).await;
    are_counted(&stand, "refused", "total", 1).await;
    let metrics = Metrics::of(&stand).await;
    assert_eq!(whole(metrics.sum("cedargate_connections_limit", &[])), 4);
    drop((busy_ones, fourth));
    eventually("their places are free", || async {
        let open = Metrics::of(&stand).await.sum("cedargate_connections", &[]);
        (whole(open) == 0).then_some(())
    })
    .await;
    let _served = served(7, &stand).await;
}

#[tokio::test]
async fn a_trusted_proxy_has_the_connections_of_many_clients() {
    let stand = Stand::builder()
        .set("limits.connections", 40)
        .set("limits.connections_per_client", 2)
        .set("trusted_proxies", serde_json::json!(["127.0.0.2/32"]))
        .start()
        .await;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(busy(2, stand.proxy()).await);
    }
    assert_eq!(counted(&stand, "refused", "client").await, 0);
}

/// With 256 descriptors, a thousand idle connections stop nobody: neither clients nor probes.
#[tokio::test]
async fn idle_connections_take_no_descriptors_from_others() {
    let ground = Stand::builder().prepare().await;
    let gate = Binary::serve_limited(ground.directory.path(), "256:256").await;
    let mut held = Vec::new();
    for number in 0..1000_u32 {
        let client = u8::try_from(2 + number % 200).unwrap();
        held.push(from(client, gate.proxy()).await);
    }
    let request = Request::get("/api/patients").token(&token(USER));
    assert_eq!(client::send(gate.proxy(), &request).await.status, 200);
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(client::send(gate.admin(), &Request::get(probe)).await.status, 200, "{probe}");
    }
    let metrics = Metrics::at(gate.admin()).await;
    let limit = metrics.sum("cedargate_connections_limit", &[]);
    let open = metrics.sum("cedargate_connections", &[]);
    assert!(limit > 0.0 && limit < 128.0 && open <= limit, "{open} of {limit}");
    let log = std::fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    assert!(!log.contains("cannot be accepted"), "{log}");
    assert_eq!(gate.signal("TERM").await, Some(0));
}

#[tokio::test]
async fn the_limit_of_descriptors_is_raised_to_what_is_allowed() {
    let ground = Stand::builder().prepare().await;
    let gate = Binary::serve_limited(ground.directory.path(), "128:4096").await;
    let limit = Metrics::at(gate.admin()).await.sum("cedargate_connections_limit", &[]);
    assert_eq!(whole(limit), 1952);
    let log = std::fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    assert!(log.contains("from=128 to=4096"), "{log}");
    assert!(log.contains("LimitNOFILE"), "fewer than `limits.connections` are said: {log}");
    assert_eq!(gate.signal("TERM").await, Some(0));
}

/// Logs of what strangers cause are written once a second at most.
#[tokio::test]
async fn refused_connections_fill_no_log() {
    let ground =
        Stand::builder().set("limits.connections", 1).set("shutdown.grace", "0s").prepare().await;
    let gate = Binary::serve_limited(ground.directory.path(), "1024:1024").await;
    let _held = busy(1, gate.proxy()).await;
    let refused = || async {
        let metrics = Metrics::at(gate.admin()).await;
        metrics.sum("cedargate_connections_refused_total", &[])
    };
    let began = std::time::Instant::now();
    eventually("connections are refused", || async {
        drop(TcpStream::connect(gate.proxy()).await);
        (refused().await >= 300.0).then_some(())
    })
    .await;
    let seconds = began.elapsed().as_secs() + 2;
    let log = std::fs::read_to_string(ground.directory.path().join("stderr.log")).unwrap();
    let lines = log.lines().filter(|line| line.contains("connections are refused")).count() as u64;
    assert!(lines >= 1 && lines <= seconds, "{lines} lines in {seconds} s");
}
