//! An exchange that breaks in the middle: a client can tell half an answer from a whole one, and what was begun is not
//! begun again.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use serde_json::json;
use tests::{
    client::Connection,
    port::Port,
    stand::Stand,
    wait::{eventually, in_time},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::http::answers::{ODD, upstream};

/// A public route whose body is streamed unread.
const PATH: &str = "/api/auth/login";

async fn before(address: String) -> Stand {
    Stand::builder().prepare().await.with("upstream.address", address).start().await
}

/// Everything that comes until the connection ends, and whether a reset has ended it.
async fn read_all(client: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut read = Vec::new();
    let is_reset = in_time("the end of the connection", async {
        loop {
            match client.read_buf(&mut read).await {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    })
    .await;
    (read, is_reset)
}

/// The number of bytes that wait to be read by the program whose socket is `local`, connected to `remote` (proc(5),
/// `/proc/net/tcp`).
fn unread(local: SocketAddr, remote: SocketAddr) -> u64 {
    let spelled = |address: SocketAddr| format!("0100007F:{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let line = table.lines().find(|line| {
        let mut fields = line.split_whitespace().skip(1);
        (fields.next(), fields.next())
            == (Some(spelled(local).as_str()), Some(spelled(remote).as_str()))
    });
    let queues = line.and_then(|line| line.split_whitespace().nth(4)).unwrap_or("0:0");
    u64::from_str_radix(queues.split(':').nth(1).unwrap(), 16).unwrap()
}

/// A client reads nothing while the upstream gives hints, so that part of a head waits in the gate; then the client's
/// body turns out to be misframed. The refusal would be read as part of that head.
#[tokio::test]
async fn no_refusal_is_written_into_a_head_that_was_half_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stand = before(listener.local_addr().unwrap().to_string()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(stand.proxy()).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let (upstream, _) = listener.accept().await.unwrap();
    // More than the buffers of the client's connection hold, in as many interim answers as are passed on.
    let field = format!("X-Hint: {}\r\n", "h".repeat(1000));
    let hint = format!("HTTP/1.1 103 Early Hints\r\n{}\r\n", field.repeat(240));
    let (mut reading, mut writing) = upstream.into_split();
    let hints = tokio::spawn(async move {
        for _ in 0..16 {
            let _gone = writing.write_all(hint.as_bytes()).await;
        }
        // Held: the end of the connection would be a fault of the upstream's.
        writing
    });
    let mut asked = Vec::new();
    while !asked.ends_with(b"1\r\na\r\n") {
        assert!(in_time("the request", reading.read_buf(&mut asked)).await.unwrap() > 0);
    }
    let (gate, own) = (reading.peer_addr().unwrap(), reading.local_addr().unwrap());
    eventually("the gate stops reading, in the middle of a head", || async {
        let before = unread(gate, own);
        tokio::time::sleep(Duration::from_millis(50)).await;
        (before > 0 && unread(gate, own) == before).then_some(())
    })
    .await;
    client.write_all(b"not a size\r\n").await.unwrap();
    let (read, _) = read_all(&mut client).await;
    let outcome = eventually("the outcome", || async {
        let records = stand.ground.journal.records();
        records.into_iter().find(|it| it["details"]["error"] == "body_misframed")
    });
    assert_eq!(outcome.await["success"], json!(false));
    assert!(read.starts_with(b"HTTP/1.1 103 "), "the hints");
    assert!(!String::from_utf8(read).unwrap().contains("HTTP/1.1 400"), "a refusal within a head");
    drop(hints);
}

/// How long a client takes for the rest of a body that nobody wants is no part of the request.
#[tokio::test]
async fn the_outcome_is_recorded_before_the_rest_of_a_body_is_read() {
    let gone = Port::hold();
    let stand = before(gone.address().to_string()).await;
    let mut client = Connection::open(stand.proxy()).await;
    let head =
        format!("POST {PATH} HTTP/1.1\r\nHost: x.example\r\nContent-Length: 10\r\n\r\nhello");
    client.write(head.as_bytes()).await;
    let refused = client.read(false).await.expect("a refusal");
    assert_eq!(refused.reason(), "upstream_unreachable");
    let outcome = stand.ground.journal.outcome(refused.id()).await;
    assert_eq!(outcome["details"]["error"], "upstream_failed");
    // The gate still waits for the rest, and takes what comes after it for the next request.
    client.write(b"world").await;
    client.write(b"GET /healthz HTTP/1.1\r\nHost: x.example\r\n\r\n").await;
    let next = client.read(false).await.expect("the next answer");
    assert_eq!(next.reason(), "upstream_unreachable");
}

/// The end of the connection is the end of the body for a client of HTTP/1.0: an answer that was cut off ends with a
/// reset instead.
#[tokio::test]
async fn an_answer_that_was_cut_off_is_reset_for_http_1_0() {
    for (said, whole) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", false),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
    ] {
        let (address, _) = upstream(said.as_bytes(), true).await;
        let stand = before(address.to_string()).await;
        let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
        let bearer = tests::tokens::token("kauvery-doctor");
        let request = format!(
            "GET {ODD} HTTP/1.0\r\nHost: x.example\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let (read, is_reset) = read_all(&mut client).await;
        assert!(read.ends_with(b"hello"), "{said}: {}", String::from_utf8_lossy(&read));
        assert_eq!(is_reset, !whole, "{said}");
    }
}
