//! `Expect: 100-continue`: the body is asked for only once it is wanted.

use tests::{stand::Stand, tokens::token, wait::in_time};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const BODY: &[u8] = b"{\"first_name\":\"A\"}";

fn head(target: &str, user: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token(user),
        BODY.len()
    )
    .into_bytes()
}

/// Reads until the text has come.
async fn read_until(socket: &mut TcpStream, wanted: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(wanted) {
        let some = in_time(wanted, socket.read_buf(&mut text)).await;
        assert!(some.unwrap() > 0, "the connection ended");
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_body_is_asked_for_and_sent_on() {
    let stand = Stand::sqlite().await;
    let mut socket = TcpStream::connect(stand.proxy()).await.unwrap();
    socket.write_all(&head("/api/patients", "kauvery-doctor")).await.unwrap();
    let said = read_until(&mut socket, "\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 100 "), "{said}");
    socket.write_all(BODY).await.unwrap();
    let said = read_until(&mut socket, "\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    let seen = stand.ground.upstream.take();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].raw_body, BODY);
    assert!(seen[0].head.header("expect").is_none());
}

#[tokio::test]
async fn a_refused_body_is_not_asked_for_and_nothing_is_read_after_it() {
    let stand = Stand::sqlite().await;
    let mut socket = TcpStream::connect(stand.proxy()).await.unwrap();
    socket.write_all(&head("/api/patients", "kauvery-lab")).await.unwrap();
    let mut said = String::new();
    in_time("the end of the connection", socket.read_to_string(&mut said)).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    assert!(said.to_ascii_lowercase().contains("connection: close"), "{said}");
    assert!(stand.ground.upstream.take().is_empty());
}
