//! A port of this machine that stays with one test while nobody listens on it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// A port of 127.0.0.1 that the system gives to nobody else, whether or not somebody listens on it.
///
/// A port that was merely given back may belong to another test a moment later. This one stays bound
/// by a socket that does not listen: connections to it are refused. A program may still listen on it if the program
/// asks for this port by its number and sets `SO_REUSEADDR`.
#[derive(Debug)]
pub struct Port {
    socket: TcpSocket,
}

impl Port {
    /// Takes a port that the system chooses.
    #[must_use]
    pub fn hold() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self { socket }
    }

    /// The address of the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// Listens on the port until the listener is dropped.
    #[must_use]
    pub fn listen(&self) -> TcpListener {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address()).unwrap();
        socket.listen(1024).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_port_is_kept_while_nobody_listens_on_it() {
        let port = Port::hold();
        for _ in 0..2 {
            let refused = TcpStream::connect(port.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = port.listen();
            let (client, accepted) =
                tokio::join!(TcpStream::connect(port.address()), listener.accept());
            drop((client.unwrap(), accepted.unwrap()));
        }
        // Somebody who does not want to share the port is refused it.
        let taken = std::net::TcpListener::bind(port.address()).map(drop);
        assert!(taken.is_ok(), "a server that reuses addresses may listen");
        let strict = TcpSocket::new_v4().unwrap();
        assert_eq!(strict.bind(port.address()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
