//! An upstream that answers everything with 1 KiB, as cheaply as it can.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Starts it in this runtime.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1024\r\n\r\n\"{}\"",
        "x".repeat(1022)
    );
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, answer.clone().into_bytes()));
        }
    });
    address
}

async fn serve(mut socket: TcpStream, answer: Vec<u8>) {
    let _best_effort = socket.set_nodelay(true);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        buffer.clear();
        while !buffer.ends_with(b"\r\n\r\n") {
            match socket.read_buf(&mut buffer).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}
