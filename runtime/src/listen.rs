//! Listening sockets with the options that the standard library cannot set.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds before they are accepted.
const BACKLOG: i32 = 1_024;

/// A TCP listener on `address`, not blocking, which another process may bind again at once after
/// this one ends. An IPv6 wildcard also takes IPv4 connections; where the machine has no IPv6 it
/// becomes the IPv4 wildcard.
///
/// # Errors
/// [`ListenError`] if the address cannot be bound.
pub fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bound = bind(address).or_else(|error| match address {
        SocketAddr::V6(v6) if is_wildcard(v6) && is_missing_ipv6(&error) => {
            bind(SocketAddr::from(([0, 0, 0, 0], v6.port())))
        }
        _ => Err(error),
    });
    bound.map_err(|source| ListenError { address, source })
}

/// An address that could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// The address as configured.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_wildcard(address: SocketAddrV6) -> bool {
    *address.ip() == Ipv6Addr::UNSPECIFIED
}

/// What the system says where IPv6 is compiled out or switched off.
fn is_missing_ipv6(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(97)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_named_in_the_error() {
        let first = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = tcp(address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_connections() {
        let listener = tcp("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    }
}
