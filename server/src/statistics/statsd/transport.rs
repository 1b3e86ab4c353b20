//! The way to a statsd peer: a connection or datagrams, every step bounded in time.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::{Protocol, Statsd};

/// For resolving a name and connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// For the peer to take one chunk. One that reads at all takes it at once.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of a chunk on a connection.
const CHUNK_BYTES_MAX: usize = 8 * 1_024;

/// Bytes of a datagram: an Ethernet frame's, less the headers of IPv6 and UDP and some tunnelling.
const DATAGRAM_BYTES_MAX: usize = 1_432;

/// An open way to the peer. It is spent by each chunk and given back once the chunk was taken
/// whole, so that a chunk that was cut short, for whatever reason, ends the connection.
#[derive(Debug)]
pub(super) enum Transport {
    Connection(TcpStream),
    Datagrams(UdpSocket),
}

/// A chunk was not taken.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) error: io::Error,
    /// A part of it may have been.
    pub(super) perhaps_in_part: bool,
}

/// Bytes of a chunk with this protocol.
pub(super) fn chunk_bytes_max(protocol: Protocol) -> usize {
    match protocol {
        Protocol::StatsdTcp => CHUNK_BYTES_MAX,
        Protocol::StatsdUdp | Protocol::Dogstatsd => DATAGRAM_BYTES_MAX,
    }
}

impl Transport {
    /// Opens a way.
    pub(super) async fn open(settings: &Statsd) -> io::Result<Self> {
        let opening = async {
            match settings.protocol {
                Protocol::StatsdTcp => {
                    let stream = TcpStream::connect((&*settings.host, settings.port)).await?;
                    Ok(Self::Connection(stream))
                }
                Protocol::StatsdUdp | Protocol::Dogstatsd => datagrams(settings).await,
            }
        };
        in_time(CONNECT_TIMEOUT, opening).await
    }

    /// Whether it serves another flush. For datagrams each one finds its way anew, as a peer that
    /// moved tells nobody.
    pub(super) fn lasts(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// Whether chunks can still be sent: a connection that the peer has closed is known by reading
    /// from it.
    pub(super) fn is_open(&self) -> bool {
        let Self::Connection(stream) = self else { return true };
        let mut ignored = [0; 1_024];
        match stream.try_read(&mut ignored) {
            Ok(bytes) => bytes > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Sends a chunk and gives the way back.
    pub(super) async fn send(mut self, chunk: &[u8]) -> Result<Self, Unsent> {
        let mut taken = 0;
        let sending = async {
            match &mut self {
                Self::Connection(stream) => {
                    while taken < chunk.len() {
                        match stream.write(&chunk[taken..]).await? {
                            0 => return Err(ErrorKind::WriteZero.into()),
                            bytes => taken += bytes,
                        }
                    }
                    Ok(())
                }
                Self::Datagrams(socket) => {
                    // The first error is about an earlier datagram, and this one was not sent.
                    if socket.send(chunk).await.is_err() {
                        socket.send(chunk).await?;
                    }
                    Ok(())
                }
            }
        };
        match in_time(WRITE_TIMEOUT, sending).await {
            Ok(()) => Ok(self),
            Err(error) => Err(Unsent { error, perhaps_in_part: taken > 0 }),
        }
    }
}

async fn datagrams(settings: &Statsd) -> io::Result<Transport> {
    let peer = lookup_host((&*settings.host, settings.port)).await?.next();
    let peer = peer.ok_or_else(|| io::Error::other("the name has no address"))?;
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(peer).await?;
    Ok(Transport::Datagrams(socket))
}

async fn in_time<T>(bound: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(bound, step).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
