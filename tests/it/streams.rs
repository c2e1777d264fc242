//! What the upstream sends is passed on when it comes: what is sent together is not waited for.

use std::time::Duration;

use tests::{client::Request, stand::Stand, tokens::token};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Longer than anything here takes, shorter than the timeouts of the gate.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads until what was read ends so.
async fn read_until(socket: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let some = tokio::time::timeout(PATIENCE, socket.read_buf(&mut read)).await;
        let text = String::from_utf8_lossy(&read);
        assert!(some.expect("it is passed on at once").unwrap() > 0, "{text}");
    }
    read
}

/// Answers one request piece by piece, each when it is told to.
async fn in_pieces(listener: TcpListener, pieces: [&'static str; 3], mut next: mpsc::Receiver<()>) {
    let (mut socket, _) = listener.accept().await.unwrap();
    read_until(&mut socket, b"\r\n\r\n").await;
    for piece in pieces {
        next.recv().await.unwrap();
        socket.write_all(piece.as_bytes()).await.unwrap();
    }
    // Held open: the end of an answer is its length.
    next.recv().await;
}

/// Each piece of an answer, and how what the client gets of it ends.
async fn check(pieces: [&'static str; 3], ends: [&str; 3]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ground = Stand::builder().prepare().await.with("upstream.address", address);
    let stand = ground.start().await;
    let (go_on, next) = mpsc::channel(4);
    let upstream = tokio::spawn(in_pieces(listener, pieces, next));
    let mut client = TcpStream::connect(stand.proxy()).await.unwrap();
    let request = Request::get("/api/patients").token(&token("kauvery-doctor"));
    client.write_all(&request.to_bytes(stand.proxy())).await.unwrap();
    for end in ends {
        // The next piece is sent only when this one is here.
        go_on.send(()).await.unwrap();
        read_until(&mut client, end.as_bytes()).await;
    }
    drop(go_on);
    upstream.await.unwrap();
}

#[tokio::test]
async fn an_answer_of_known_length_comes_as_it_is_sent() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    check([head, "01234", "56789"], ["\r\n\r\n", "01234", "56789"]).await;
}

#[tokio::test]
async fn chunks_come_as_they_are_sent() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check([head, "5\r\n01234\r\n", "5\r\n56789\r\n"], ["\r\n\r\n", "01234\r\n", "56789\r\n"]).await;
}
