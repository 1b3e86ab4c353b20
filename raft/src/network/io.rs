//! How connections between nodes are made: over TCP, or by whatever a simulation has.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// Connections that a node takes from others, at most: three from each peer are the rule.
pub const CONNECTIONS_MAX: usize = 128;

/// How long a connection may stay without having shown the cluster's secret.
pub const STRANGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Wait after an error of the listener that another connection cannot help (no descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bytes that go both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection.
pub type BoxIo = Box<dyn Io>;

/// Connections as they come.
pub type Incoming = BoxStream<'static, io::Result<BoxIo>>;

/// How a connection to a peer is made.
pub trait Dial: Send + Sync + 'static {
    /// Connects to `host:port`. Whoever calls bounds the time.
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<BoxIo>>;
}

/// Over TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpDial;

impl Dial for TcpDial {
    fn dial(&self, address: String) -> BoxFuture<'static, io::Result<BoxIo>> {
        Box::pin(async move { Ok(Box::new(connect(&address).await?) as BoxIo) })
    }
}

/// The connections that a listener takes.
pub fn incoming(listener: TcpListener) -> Incoming {
    stream::unfold(listener, |listener| async {
        let accepted = accept(&listener).await;
        if accepted.is_err() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
        Some((accepted.map(|stream| Box::new(stream) as BoxIo), listener))
    })
    .boxed()
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    TcpStream::connect(address).await.map(without_delay)
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    listener.accept().await.map(|(stream, _)| without_delay(stream))
}

/// Small messages must not wait for the acknowledgement of the ones before: Nagle's algorithm and
/// delayed acknowledgements together cost 40 ms. A socket that refuses works all the same.
fn without_delay(stream: TcpStream) -> TcpStream {
    let _ = stream.set_nodelay(true);
    stream
}

/// A connection that was taken: counted, and closed if it stays a stranger's.
pub(super) struct Accepted {
    io: BoxIo,
    is_known: Arc<AtomicBool>,
    /// Until it is known.
    stranger_until: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

/// Belongs to a connection: set once it has shown the secret.
#[derive(Clone, Debug)]
pub(super) struct Known(Arc<AtomicBool>);

impl Known {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Bounds the connections: those beyond [`CONNECTIONS_MAX`] are closed at once.
pub(super) fn bounded(incoming: Incoming) -> BoxStream<'static, io::Result<Accepted>> {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    incoming
        .filter_map(move |accepted| {
            let permit = Arc::clone(&permits).try_acquire_owned().ok();
            let accepted = match (accepted, permit) {
                (Ok(io), Some(permit)) => Some(Ok(Accepted {
                    io,
                    is_known: Arc::default(),
                    stranger_until: Some(Box::pin(tokio::time::sleep(STRANGER_TIMEOUT))),
                    _permit: permit,
                })),
                (Ok(_), None) => None,
                (Err(error), _) => {
                    tracing::warn!(event = "peer_not_accepted", %error);
                    None
                }
            };
            futures_util::future::ready(accepted)
        })
        .boxed()
}

impl Accepted {
    /// Ready with an error when a stranger's time is over.
    fn poll_stranger(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(until) = &mut self.stranger_until else { return Poll::Pending };
        if self.is_known.load(Ordering::Relaxed) {
            self.stranger_until = None;
            return Poll::Pending;
        }
        until.as_mut().poll(cx).map(|()| io::Error::from(io::ErrorKind::TimedOut))
    }
}

impl Connected for Accepted {
    type ConnectInfo = Known;

    fn connect_info(&self) -> Known {
        Known(Arc::clone(&self.is_known))
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_stranger(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn neither_end_waits_for_acknowledgements() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (taken, dialed) = tokio::join!(accept(&listener), connect(&address));
        let (taken, dialed) = (taken.unwrap(), dialed.unwrap());
        assert!(taken.nodelay().unwrap());
        assert!(dialed.nodelay().unwrap());
    }

    fn taken(count: usize) -> (Incoming, Vec<tokio::io::DuplexStream>) {
        let (ours, theirs): (Vec<_>, Vec<_>) = (0..count).map(|_| tokio::io::duplex(64)).unzip();
        (stream::iter(ours).map(|io| Ok(Box::new(io) as BoxIo)).boxed(), theirs)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_is_not_listened_to_for_long() {
        let (incoming, _theirs) = taken(1);
        let mut accepted = bounded(incoming).next().await.unwrap().unwrap();
        let ended = accepted.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);

        let (incoming, mut theirs) = taken(1);
        let mut accepted = bounded(incoming).next().await.unwrap().unwrap();
        accepted.connect_info().set();
        let later = async {
            tokio::time::sleep(2 * STRANGER_TIMEOUT).await; // tidy: virtual time
            theirs[0].write_all(b"x").await.unwrap();
        };
        let mut byte = [0; 1];
        let (read, ()) = tokio::join!(accepted.read(&mut byte), later);
        assert_eq!(read.unwrap(), 1);
    }

    #[tokio::test]
    async fn connections_beyond_their_bound_are_closed() {
        let (incoming, mut theirs) = taken(CONNECTIONS_MAX + 1);
        let accepted: Vec<_> = bounded(incoming).collect().await;
        assert_eq!(accepted.len(), CONNECTIONS_MAX);
        assert_eq!(theirs[CONNECTIONS_MAX].read(&mut [0; 1]).await.unwrap(), 0);
    }
}
