//! Bodies on their way to the upstream: streamed as they come, in bounded memory, for as long as the client moves.

use std::time::Duration;

use serde_json::json;
use tests::{
    client::{Connection, parse_head},
    stand::Stand,
    upstream::{Behaviour, head_end},
    wait::{eventually, in_time},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A public route whose body is streamed unread.
const PATH: &str = "/api/auth/login";

fn head(framing: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: x.example\r\nContent-Type: text/plain\r\n{framing}\r\n\r\n"
    )
}

/// A gate before an upstream that the test plays itself.
async fn before(listener: &TcpListener) -> Stand {
    let ground = Stand::builder().prepare().await;
    ground.with("upstream.address", listener.local_addr().unwrap().to_string()).start().await
}

/// The next connection of the gate.
async fn accept(listener: &TcpListener) -> TcpStream {
    in_time("a connection of the gate", listener.accept()).await.unwrap().0
}

async fn read_head(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while head_end(&read).is_none() {
        assert!(in_time("a head", socket.read_buf(&mut read)).await.unwrap() > 0);
    }
    assert_eq!(head_end(&read), Some(read.len()), "nothing but the head");
    String::from_utf8(read).unwrap()
}

async fn read_exactly(socket: &mut TcpStream, expected: &str) {
    let mut read = vec![0; expected.len()];
    in_time(expected, socket.read_exact(&mut read)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), expected);
}

#[tokio::test]
async fn a_large_body_arrives_whole_by_every_framing() {
    let stand = Stand::sqlite().await;
    let body: Vec<u8> =
        (0..8 * 1024 * 1024_u32).map(|n| n.to_be_bytes()[3] ^ n.to_be_bytes()[2]).collect();
    let chunked: Vec<u8> = body
        .chunks(100_000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
        .chain(*b"0\r\n\r\n")
        .collect();
    for (framing, sent) in [
        (format!("Content-Length: {}", body.len()), &body),
        ("Transfer-Encoding: chunked".to_owned(), &chunked),
    ] {
        let mut client = Connection::open(stand.proxy()).await;
        client.write(head(&framing).as_bytes()).await;
        client.write(sent).await;
        assert_eq!(client.read(false).await.unwrap().status, 200, "{framing}");
        assert!(stand.ground.upstream.take().remove(0).body == body, "{framing}");
    }
}

/// Each part of a body is passed on when it comes, and each part of an answer, while the other is still going on.
#[tokio::test]
async fn both_directions_flow_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stand = before(&listener).await;
    let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
    client.write_all(head("Transfer-Encoding: chunked").as_bytes()).await.unwrap();
    let mut upstream = accept(&listener).await;
    assert!(read_head(&mut upstream).await.contains("Transfer-Encoding: chunked\r\n"));
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.write_all(answer.as_bytes()).await.unwrap();
    let got = read_head(&mut client).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    for part in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{part}\r\n", part.len());
        client.write_all(chunk.as_bytes()).await.unwrap();
        read_exactly(&mut upstream, &chunk).await;
        upstream.write_all(chunk.as_bytes()).await.unwrap();
        read_exactly(&mut client, &chunk).await;
    }
    client.write_all(b"0\r\n\r\n").await.unwrap();
    read_exactly(&mut upstream, "0\r\n\r\n").await;
    upstream.write_all(b"0\r\n\r\n").await.unwrap();
    read_exactly(&mut client, "0\r\n\r\n").await;
}

/// An upstream that refuses a body need not take it first.
#[tokio::test]
async fn an_answer_before_the_body_was_sent_is_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stand = before(&listener).await;
    let mut client = Connection::open(stand.proxy()).await;
    client.write(head("Content-Length: 100000000").as_bytes()).await;
    let mut upstream = accept(&listener).await;
    read_head(&mut upstream).await;
    let answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge";
    upstream.write_all(answer.as_bytes()).await.unwrap();
    let answer = client.read(false).await.expect("the answer");
    assert_eq!((answer.status, answer.body.as_slice()), (413, b"large".as_slice()));
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!((&outcome["status"], &outcome["upstream_status"]), (&json!(413), &json!(413)));
    assert!(client.ends().await, "the rest of the body is not taken for a request");
}

#[tokio::test]
async fn the_upstream_says_whether_an_expected_body_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stand = before(&listener).await;
    for goes_on in [true, false] {
        let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
        let head = head("Content-Length: 5\r\nExpect: 100-Continue");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut upstream = accept(&listener).await;
        assert!(read_head(&mut upstream).await.contains("Expect: 100-continue\r\n"));
        if goes_on {
            upstream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
            assert!(read_head(&mut client).await.starts_with("HTTP/1.1 100 "));
            client.write_all(b"hello").await.unwrap();
            read_exactly(&mut upstream, "hello").await;
        }
        let answer = "HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        upstream.write_all(answer.as_bytes()).await.unwrap();
        let answer = parse_head(read_head(&mut client).await.as_bytes());
        assert!(answer.start.contains("401"), "{}", answer.start);
        // A client that was not asked may send the body all the same: nobody can tell it from a request.
        assert_eq!(answer.header("connection"), (!goes_on).then_some("close"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_is_not_the_gates_fault() {
    let stand = Stand::sqlite().await;
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
        client.write_all((head(framing) + "5\r\nhel").as_bytes()).await.unwrap();
        drop(client);
    }
    eventually("both outcomes are recorded", || async {
        let records = stand.ground.journal.records();
        let gone = records.iter().filter(|it| it["details"]["error"] == "client_gone");
        (gone.filter(|it| it["status"].is_null() && it["success"] == false).count() == 2)
            .then_some(())
    })
    .await;
    assert!(stand.ground.upstream.requests().is_empty(), "half a body is no request");
}

#[tokio::test]
async fn a_body_that_trickles_or_stops_is_given_up() {
    let ground =
        Stand::builder().set("limits.body_timeout", "300ms").set("limits.body_rate", "1MiB");
    let stand = ground.start().await;
    for trickles in [true, false] {
        let mut client = Connection::open(stand.proxy()).await;
        client.write(head("Content-Length: 100000").as_bytes()).await;
        let answer = in_time("the gate loses its patience", async {
            loop {
                if trickles {
                    client.write(b"x").await;
                }
                let read = client.read(false);
                if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), read).await {
                    return answer;
                }
            }
        });
        let answer = answer.await.expect("an answer");
        assert_eq!((answer.status, answer.reason().as_str()), (400, "request_invalid"));
        let outcome = stand.ground.journal.outcome(answer.id()).await;
        assert_eq!(outcome["details"]["error"], "client_slow", "{trickles}");
    }
}

/// A client that reads nothing holds neither its own nor an upstream's connection for ever, whatever it speaks.
#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up() {
    let stand = Stand::builder().set("limits.body_timeout", "300ms").start().await;
    // More than the buffers of all sockets on the way hold.
    stand.ground.upstream.on(PATH, Behaviour::Stream(256 * 1024 * 1024));
    let mut held = Vec::new();
    for version in ["1.1", "1.0"] {
        let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
        let request = format!("POST {PATH} HTTP/{version}\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        held.push(client);
    }
    eventually("both are given up, and recorded", || async {
        let records = stand.ground.journal.records();
        let gone = records.iter().filter(|it| it["details"]["error"] == "client_gone");
        (gone.filter(|it| it["success"] == false).count() == 2).then_some(())
    })
    .await;
}

/// An answer may come before the body was sent, over a connection that goes on. What was not sent of the body would be
/// taken out of the next request: that one goes over another connection.
#[tokio::test]
async fn a_connection_over_which_a_body_was_not_sent_whole_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stand = before(&listener).await;
    let body = vec![b'x'; 32 * 1024 * 1024];
    for framing in ["Content-Length: 33554432".to_owned(), "Transfer-Encoding: chunked".to_owned()]
    {
        let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
        let sent = [head(&framing).as_bytes(), b"2000000\r\n", &body].concat();
        let (mut reading, mut writing) = client.split();
        let answered = async {
            let mut upstream = accept(&listener).await;
            let mut read = Vec::new();
            while head_end(&read).is_none() {
                upstream.read_buf(&mut read).await.unwrap();
            }
            // The body waits in the buffers of the sockets, and part of it in the gate.
            upstream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            while head_end(&answer).is_none() {
                assert!(reading.read_buf(&mut answer).await.unwrap() > 0);
            }
            assert!(answer.starts_with(b"HTTP/1.1 401"));
            upstream
        };
        let both = async {
            tokio::select! {
                upstream = answered => upstream,
                // The gate stops reading when the answer has been sent.
                _written = async { let _gone = writing.write_all(&sent).await; std::future::pending::<()>().await } => unreachable!(),
            }
        };
        let first = in_time("an early answer", both).await;
        let next = tokio::spawn(tests::client::send_raw(
            stand.proxy(),
            b"GET /healthz HTTP/1.1\r\nHost: x.example\r\n\r\n",
        ));
        let mut second = accept(&listener).await;
        assert!(read_head(&mut second).await.starts_with("GET /healthz "), "{framing}");
        second
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(next.await.unwrap().unwrap().status, 200);
        drop(first);
    }
}

/// Whoever waits to be asked for its body is not slow: the upstream is.
#[tokio::test]
async fn an_upstream_that_does_not_ask_for_the_body_is_to_blame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ground = Stand::builder().set("limits.body_timeout", "200ms").prepare().await;
    let ground = ground.with("upstream.address", listener.local_addr().unwrap().to_string());
    let stand = ground.with("upstream.read_timeout", "600ms").start().await;
    let mut client = Connection::open(stand.proxy()).await;
    client.write(head("Content-Length: 5\r\nExpect: 100-continue").as_bytes()).await;
    let _silent = accept(&listener).await;
    let answer = client.read(false).await.expect("an answer");
    assert_eq!((answer.status, answer.reason().as_str()), (504, "upstream_timeout"));
    let outcome = stand.ground.journal.outcome(answer.id()).await;
    assert_eq!(outcome["details"]["error"], "upstream_failed");
}

/// An upstream that has asked for the body, has it, and then says nothing more is given up like any other.
#[tokio::test]
async fn an_upstream_that_is_silent_after_it_asked_for_the_body_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ground = Stand::builder().prepare().await;
    let ground = ground.with("upstream.address", listener.local_addr().unwrap().to_string());
    let stand = ground.with("upstream.read_timeout", "500ms").start().await;
    for half in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"] {
        let mut client = Connection::open(stand.proxy()).await;
        let request = head("Content-Length: 5\r\nExpect: 100-continue") + "hello";
        client.write(request.as_bytes()).await;
        let mut upstream = accept(&listener).await;
        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\nhello") {
            assert!(in_time("the body", upstream.read_buf(&mut read)).await.unwrap() > 0);
        }
        upstream
            .write_all(format!("HTTP/1.1 100 Continue\r\n\r\n{half}").as_bytes())
            .await
            .unwrap();
        let answer = client.read(false).await.expect("an answer");
        let expected = if half.is_empty() { (504, true) } else { (200, false) };
        assert_eq!((answer.status, answer.complete), expected);
        let outcome = stand.ground.journal.outcome(answer.id()).await;
        assert_eq!(outcome["details"]["error"], "upstream_failed");
    }
}
