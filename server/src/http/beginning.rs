//! The beginning of a connection that may be HTTP/1.1 or HTTP/2: which of both, its first bytes say.
//!
//! Until that is known, neither protocol's own timers run, and a byte now and then would keep a
//! connection for as long as its peer likes. This ends it.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What HTTP/2 begins with (RFC 9113 §3.4); what differs from it is HTTP/1.1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that fails with [`io::ErrorKind::TimedOut`] if its protocol is not known in time.
#[derive(Debug)]
pub(super) struct Beginning<S> {
    stream: S,
    /// None once the protocol is known.
    unknown: Option<Unknown>,
}

#[derive(Debug)]
struct Unknown {
    /// Bytes of the preface that have arrived.
    arrived: usize,
    timer: Pin<Box<Sleep>>,
}

impl<S> Beginning<S> {
    /// Waits for `time`, which begins now, until the peer has said what it speaks.
    pub(super) fn new(stream: S, time: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(time));
        Self { stream, unknown: Some(Unknown { arrived: 0, timer }) }
    }
}

impl Unknown {
    /// Whether the protocol is still unknown behind these bytes, too.
    fn stays(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.arrived..];
        self.arrived += bytes.len();
        !bytes.is_empty() && bytes.len() < rest.len() && rest.starts_with(bytes)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Beginning<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let said = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let Some(unknown) = &mut this.unknown else { return said };
        if said.is_pending() {
            ready!(unknown.timer.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if !unknown.stays(&buffer.filled()[before..]) {
            this.unknown = None;
        }
        said
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Beginning<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test);
    }

    /// How a stream ends to which these bytes come, and then nothing.
    async fn end(bytes: &[u8]) -> io::Result<u8> {
        let (ours, mut theirs) = duplex(64);
        let mut ours = Beginning::new(ours, SHORT);
        theirs.write_all(bytes).await.unwrap();
        ours.read_exact(&mut vec![0; bytes.len()]).await.unwrap();
        let more = async {
            let mut pace = tokio::time::interval(3 * SHORT);
            pace.tick().await;
            pace.tick().await;
            theirs.write_all(b"x").await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = ours.read_u8() => read,
            () = more => unreachable!(),
        }
    }

    #[test]
    fn a_peer_that_does_not_say_what_it_speaks_is_let_go() {
        run(async {
            for bytes in [&b""[..], b"P", &PREFACE[..PREFACE.len() - 1]] {
                let error = end(bytes).await.unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{bytes:?}");
            }
        });
    }

    #[test]
    fn a_peer_that_does_is_left_to_its_protocol() {
        run(async {
            for bytes in
                [&b"GET"[..], b"PO", b"PRI * HTTP/1", PREFACE, &[PREFACE, b"more"].concat()]
            {
                assert_eq!(end(bytes).await.unwrap(), b'x', "{bytes:?}");
            }
        });
    }

    #[test]
    fn bytes_now_and_then_do_not_make_it_longer() {
        run(async {
            let (ours, mut theirs) = duplex(64);
            let mut ours = Beginning::new(ours, SHORT);
            let drip = async {
                let mut pace = tokio::time::interval(SHORT / 4);
                for byte in PREFACE {
                    pace.tick().await;
                    theirs.write_u8(*byte).await.unwrap();
                }
                std::future::pending::<()>().await;
            };
            let read = async {
                loop {
                    if let Err(error) = ours.read_u8().await {
                        break error;
                    }
                }
            };
            let error = tokio::select! {
                error = read => error,
                () = drip => unreachable!(),
            };
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }
}
