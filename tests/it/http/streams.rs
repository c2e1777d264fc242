//! What the upstream sends is passed on when it comes: what is sent together is not waited for.

use tests::{client::Request, stand::Stand, tokens::token, wait::in_time};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Reads until what was read ends so.
async fn read_until(socket: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let some = in_time("more of it", socket.read_buf(&mut read)).await;
        assert!(some.unwrap() > 0, "{}", String::from_utf8_lossy(&read));
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

/// A request whose first byte is here when the gate is stopped is served, and the connection ends with it.
#[tokio::test]
async fn a_head_that_is_half_here_at_the_end_is_served() {
    let stand = Stand::sqlite().await;
    let proxy = stand.proxy();
    let mut client = TcpStream::connect(proxy).await.unwrap();
    let request = Request::get("/api/patients").token(&token("kauvery-doctor")).to_bytes(proxy);
    let (first, rest) = request.split_at(10);
    client.write_all(first).await.unwrap();
    // That the gate has read these bytes shows in that another, later connection was served.
    assert_eq!(stand.get("kauvery-doctor", "/api/patients").await.status, 200);
    let stopped = tokio::spawn(stand.stop());
    tests::wait::eventually("the gate accepts no more", || async {
        TcpStream::connect(proxy).await.is_err().then_some(())
    })
    .await;
    client.write_all(rest).await.unwrap();
    let answer = String::from_utf8(read_until(&mut client, b"}").await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Connection: close"), "{answer}");
    stopped.await.unwrap();
}
