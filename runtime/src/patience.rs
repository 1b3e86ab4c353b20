//! A connection's patience: whoever neither sends nor takes anything for too long is let go.
//!
//! Protocol timers of the layers above (a ping, a time for a request's head) end what they know of;
//! this ends what they do not: a peer that never says a first word, or never reads its answers.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long a connection may make no progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Waiting for the peer to send. Must be longer than the interval and timeout of pings.
    pub read: Duration,
    /// Waiting for the peer to take what was sent.
    pub write: Duration,
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] once its peer has tried its patience.
#[derive(Debug)]
pub struct Patient<S> {
    stream: S,
    read: Watch,
    write: Watch,
}

/// Watches one direction. While it waits, a timer runs that is not touched by progress: when it
/// fires, it starts anew if there was any. So progress costs the store of a flag.
#[derive(Debug)]
struct Watch {
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    progressed: bool,
}

impl<S> Patient<S> {
    /// Watches both directions of `stream`.
    pub fn new(stream: S, patience: Patience) -> Self {
        Self { stream, read: Watch::new(patience.read), write: Watch::new(patience.write) }
    }
}

impl Watch {
    const fn new(patience: Duration) -> Self {
        Self { patience, timer: None, progressed: false }
    }

    /// What the stream said, or an error if it has been saying "wait" for too long.
    fn judge<T>(&mut self, said: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if said.is_ready() {
            self.progressed = true;
            return said;
        }
        let patience = self.patience;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        while timer.as_mut().poll(cx).is_ready() {
            if !std::mem::take(&mut self.progressed) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            // Counted from the moment at which it was due: nothing here reads a clock.
            let due = timer.deadline();
            timer.as_mut().reset(due + patience);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.read.judge(said, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.write.judge(said, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.write.judge(said, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let said = Pin::new(&mut this.stream).poll_flush(cx);
        this.write.judge(said, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // With TLS there is something to write at the end, which the peer may not take.
        let said = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.write.judge(said, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Patience =
        Patience { read: Duration::from_millis(20), write: Duration::from_millis(20) };

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test);
    }

    #[test]
    fn a_peer_that_says_nothing_is_let_go() {
        run(async {
            let (ours, _theirs) = duplex(64);
            let mut patient = Patient::new(ours, SHORT);
            let error = patient.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_peer_that_takes_nothing_is_let_go() {
        run(async {
            let (ours, _theirs) = duplex(64);
            let mut patient = Patient::new(ours, SHORT);
            let error = patient.write_all(&[0; 1_000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_peer_that_makes_progress_is_waited_for() {
        run(async {
            let (ours, mut theirs) = duplex(1);
            let mut patient = Patient::new(ours, SHORT);
            let sender = async {
                let mut pace = tokio::time::interval(Duration::from_millis(10));
                for byte in 0..20 {
                    pace.tick().await;
                    theirs.write_u8(byte).await.unwrap();
                }
                theirs
            };
            let reader = async {
                for byte in 0..20 {
                    assert_eq!(patient.read_u8().await.unwrap(), byte);
                }
            };
            tokio::join!(sender, reader);
        });
    }
}
