//! What a handshake has sent, counted against the budget until it is over.
//!
//! TLS takes messages of 64 KiB from anybody, before it knows who that is, and keeps each until it is
//! whole. Over all connections that is far more than a machine has.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tollgate_runtime::stream::Stream;

use crate::budget::{Budget, Held};

/// Bytes of a handshake that are not counted: more than peers with one certificate send.
const FREE_BYTES: usize = 4 * 1_024;

/// Bytes of a handshake: two messages of the length that TLS knows, a greeting and certificates.
const BYTES_MAX: usize = 128 * 1_024;

/// A connection on which a handshake goes on, or is over.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: Stream,
    /// None once it is over.
    handshake: Option<Handshake>,
}

#[derive(Debug)]
struct Handshake {
    received: usize,
    counted: usize,
    held: Held,
}

impl Counted {
    /// Counts what comes from now on.
    pub(super) fn new(stream: Stream, budget: Budget) -> Self {
        let handshake = Handshake { received: 0, counted: 0, held: budget.hold_nothing() };
        Self { stream, handshake: Some(handshake) }
    }

    /// The handshake is over: what it held is given back.
    pub(super) fn finish(&mut self) {
        self.handshake = None;
    }
}

impl Handshake {
    fn note(&mut self, bytes: usize) -> io::Result<()> {
        self.received += bytes;
        if self.received > BYTES_MAX {
            let message = format!("longer than {BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let counted = self.received.saturating_sub(FREE_BYTES);
        self.held.grow(counted - self.counted).map_err(io::Error::other)?;
        self.counted = counted;
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
        let noted = match &mut this.handshake {
            Some(handshake) => handshake.note(buffer.filled().len() - before),
            None => Ok(()),
        };
        match noted {
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
        pass(&mut stream, &mut peer, 4).await.unwrap();
        assert_eq!(budget.held(), 0);
        pass(&mut stream, &mut peer, 16).await.unwrap();
        assert_eq!(budget.held(), 16 << 10);
        let (mut other, mut its_peer) = counted(budget);
        let refused = pass(&mut other, &mut its_peer, 60).await.unwrap_err();
        assert!(refused.to_string().contains("in flight"), "{refused}");
        drop(other);
        stream.finish();
        assert_eq!(budget.held(), 0);
        pass(&mut stream, &mut peer, 500).await.unwrap();
    }

    #[tokio::test]
    async fn a_handshake_without_end_is_an_error_whatever_room_there_is() {
        let (mut stream, mut peer) = counted(Budget::new(64 << 20));
        pass(&mut stream, &mut peer, 128).await.unwrap();
        let refused = pass(&mut stream, &mut peer, 1).await.unwrap_err();
        assert!(refused.to_string().contains("longer"), "{refused}");
    }
}
