//! What TLS keeps of what a peer has sent, counted against the budget.
//!
//! TLS takes messages of 64 KiB from anybody, before it knows who that is and afterwards, and keeps
//! each until it is whole. Over all connections that is far more than a machine has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tollgate_runtime::stream::Stream;

use crate::budget::{Budget, Held};

/// Bytes of a handshake that are not counted: more than peers with one certificate send, and what is
/// read with its last words of the calls behind them.
const FREE_HANDSHAKE_BYTES: usize = 8 * 1_024;

/// Bytes that are not counted once it is over: a record of 18 KiB, and what is read in one piece.
/// Whoever sends calls in whole records is never counted.
const FREE_RECORD_BYTES: usize = 24 * 1_024;

/// Bytes of a handshake, and bytes afterwards of which nothing comes out: two messages of the length
/// that TLS knows, a greeting and certificates.
const BYTES_MAX: usize = 128 * 1_024;

/// A connection that TLS reads from.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: Stream,
    /// Since the beginning, or since something last came out.
    received: usize,
    free: usize,
    counted: usize,
    held: Held,
}

impl Counted {
    /// Counts a handshake.
    pub(super) fn new(stream: Stream, budget: Budget) -> Self {
        let held = budget.hold_nothing();
        Self { stream, received: 0, free: FREE_HANDSHAKE_BYTES, counted: 0, held }
    }

    /// The handshake is over: what it held is given back.
    pub(super) fn finish(&mut self) {
        self.free = FREE_RECORD_BYTES;
        self.restart();
    }

    /// Something has come out: what was sent for it is kept no longer.
    pub(super) fn restart(&mut self) {
        (self.received, self.counted) = (0, 0);
        self.held.release();
    }

    fn note(&mut self, bytes: usize) -> io::Result<()> {
        self.received += bytes;
        if self.received > BYTES_MAX {
            let message = format!("more than {BYTES_MAX} bytes of which nothing came");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let counted = self.received.saturating_sub(self.free);
        if counted > self.counted {
            self.held.grow(counted - self.counted).map_err(io::Error::other)?;
            self.counted = counted;
        }
        Ok(())
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match this.note(buffer.filled().len() - before) {
            Ok(()) => polled,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Counted {
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;

    use super::*;

    fn counted(budget: Budget) -> (Counted, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Counted::new(Stream::Unix(ours), budget), theirs)
    }

    /// Sends and takes so many bytes, a kilobyte at a time.
    async fn pass(stream: &mut Counted, peer: &mut UnixStream, kibibytes: usize) -> io::Result<()> {
        let mut taken = [0; 1_024];
        for _ in 0..kibibytes {
            peer.write_all(&[7; 1_024]).await?;
            stream.read_exact(&mut taken).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_short_handshake_holds_nothing_and_a_long_one_until_it_is_over() {
        let budget = Budget::new(64 << 10);
        let (mut stream, mut peer) = counted(budget);
        pass(&mut stream, &mut peer, 8).await.unwrap();
        assert_eq!(budget.held(), 0);
        pass(&mut stream, &mut peer, 16).await.unwrap();
        assert_eq!(budget.held(), 16 << 10);
        let (mut other, mut its_peer) = counted(budget);
        let refused = pass(&mut other, &mut its_peer, 60).await.unwrap_err();
        assert!(refused.to_string().contains("in flight"), "{refused}");
        drop(other);
        stream.finish();
        assert_eq!(budget.held(), 0);
        // From now on whole records are free, and what comes to nothing is not.
        pass(&mut stream, &mut peer, 24).await.unwrap();
        assert_eq!(budget.held(), 0);
        pass(&mut stream, &mut peer, 36).await.unwrap();
        assert_eq!(budget.held(), 36 << 10);
        stream.restart();
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn bytes_of_which_nothing_comes_are_an_error_whatever_room_there_is() {
        let (mut stream, mut peer) = counted(Budget::new(64 << 20));
        pass(&mut stream, &mut peer, 128).await.unwrap();
        let refused = pass(&mut stream, &mut peer, 1).await.unwrap_err();
        assert!(refused.to_string().contains("nothing came"), "{refused}");
    }
}
