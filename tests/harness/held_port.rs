//! A port kept for a server that is down and will come back to it.
//!
//! The suites learn their ports from the system, which hands them out of the range it also uses for
//! outgoing connections. So while a server is down another test could be given its port, and a
//! client that retries on loopback could even connect to itself. A socket that is bound but does
//! not listen prevents both; connections to it are refused, as to a server that is down. The server
//! can bind beside it because both ask for SO_REUSEADDR and only one of them listens.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpSocket;

/// Holds the port until it is dropped.
#[derive(Debug)]
pub struct HeldPort {
    _socket: TcpSocket,
}

impl HeldPort {
    /// Takes the port of a server that has just ended.
    ///
    /// # Errors
    /// When it is not free, or the server had it without SO_REUSEADDR.
    pub fn hold(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address).with_context(|| format!("cannot hold {address}"))?;
        Ok(Self { _socket: socket })
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_held_port_refuses_clients_and_admits_its_server() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let client = TcpStream::connect(address).await.unwrap();
        let accepted = server.accept().await.unwrap();
        drop((server, accepted, client));

        let held = HeldPort::hold(address).unwrap();
        let refused = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        let server = TcpListener::bind(address).await.unwrap();
        TcpStream::connect(address).await.unwrap();
        server.accept().await.unwrap();
        drop(held);
    }
}
