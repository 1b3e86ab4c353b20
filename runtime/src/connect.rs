//! Connections that this node makes: the system notices when the other side is gone.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Silence before the first probe.
const IDLE: Duration = Duration::from_secs(30);

/// Between probes that nobody answers.
const INTERVAL: Duration = Duration::from_secs(10);

/// Has the system probe an idle connection after 30 s and then every 10 s, so that a peer that is
/// gone without a word is noticed in two minutes; and has small messages sent at once.
///
/// These probes are the system's own: no peer counts them, as gRPC servers count HTTP/2 pings.
///
/// # Errors
/// If the system refuses.
pub fn attend(tcp: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(IDLE).with_interval(INTERVAL))?;
    socket.set_tcp_nodelay(true)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_probed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!SockRef::from(&tcp).keepalive().unwrap());
        attend(&tcp).unwrap();
        assert!(SockRef::from(&tcp).keepalive().unwrap() && tcp.nodelay().unwrap());
    }
}
