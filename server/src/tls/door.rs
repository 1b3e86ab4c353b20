//! The way into a listener: in the clear, or through a TLS handshake on the connection's own core.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ::metrics::Counter;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncBufRead as _, AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tollgate_core::time::Clock;
use tollgate_runtime::seldom::Seldom;
use tollgate_runtime::stream::{Peer, Stream};

use super::counted::Counted;
use super::material::MaterialError;
use super::renewal::Renewal;
use super::san::{self, San};
use super::settings::Tls;
use crate::budget::Budget;
use crate::metrics;

/// How long a handshake may take: a peer that is slower than this is no proxy.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// What speaks on a connection behind the door, told in the handshake to peers that ask (ALPN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http1,
    /// Either, as the peer likes.
    Either,
}

impl Protocol {
    /// What it is called in the handshake, the preferred one first.
    pub(super) const fn names(self) -> &'static [&'static [u8]] {
        match self {
            Self::H2 => &[b"h2"],
            Self::Http1 => &[b"http/1.1"],
            Self::Either => &[b"h2", b"http/1.1"],
        }
    }
}

/// How connections come into a listener.
#[derive(Clone, Debug, Default)]
pub struct Door(Option<Arc<Guard>>);

/// The handshakes of one listener.
#[derive(Debug)]
pub(super) struct Guard {
    pub(super) listener: &'static str,
    /// What new connections are shown; live ones keep what they were shown.
    pub(super) current: ArcSwap<ServerConfig>,
    budget: Budget,
    wants_certificates: bool,
    unauthenticated: Counter,
    failures: Counter,
    failed: Seldom,
}

impl Door {
    /// A door that is open to everybody, in the clear.
    pub const fn clear() -> Self {
        Self(None)
    }

    /// A door that opens through TLS, and what renews its certificate. Handshakes hold a part of
    /// `budget` while they go on.
    ///
    /// # Errors
    /// [`MaterialError`] if a file is wrong.
    pub(crate) fn tls(
        listener: &'static str,
        tls: &Tls,
        protocol: Protocol,
        budget: Budget,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Renewal), MaterialError> {
        let fingerprint = tls.fingerprint();
        let served = tls.load(protocol.names())?;
        let guard = Arc::new(Guard {
            listener,
            current: ArcSwap::new(Arc::clone(&served.config)),
            budget,
            wants_certificates: tls.clients.is_some(),
            unauthenticated: metrics::unauthenticated_peers(listener),
            failures: metrics::handshake_failures(listener),
            failed: Seldom::default(),
        });
        let (renewed, tls) = (Arc::clone(&guard), tls.clone());
        let renewal = Renewal::new(renewed, tls, protocol, clock, fingerprint, &served);
        Ok((Self(Some(guard)), renewal))
    }

    /// Lets a connection in; `None` if the handshake fails.
    pub(crate) async fn enter(self, stream: Stream, peer: Peer) -> Option<Wire> {
        match self.0 {
            None => Some(Wire::Clear(stream)),
            Some(guard) => guard.shake_hands(stream, peer).await,
        }
    }
}

impl Guard {
    async fn shake_hands(&self, stream: Stream, peer: Peer) -> Option<Wire> {
        let stream = Counted::new(stream, self.budget);
        let handshake = TlsAcceptor::from(self.current.load_full()).accept(stream);
        let failed = match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
            Ok(Ok(mut stream)) => {
                stream.get_mut().0.finish();
                let shown = stream.get_ref().1.peer_certificates().and_then(|all| all.first());
                let names = shown.map(|certificate| san::names(certificate).into());
                if self.wants_certificates && names.is_none() {
                    self.unauthenticated.increment(1);
                }
                return Some(Wire::Tls(Box::new(stream), names.unwrap_or_default()));
            }
            Ok(Err(error)) => words(&error),
            Err(_) => format!("not done in {} s", HANDSHAKE_MAX.as_secs()),
        };
        self.failures.increment(1);
        if let Some(number) = self.failed.count() {
            let listener = self.listener;
            tracing::warn!(event = "tls_handshake_failed", listener, number, %peer, error = failed);
        }
        None
    }
}

/// What went wrong in a handshake, in an operator's words where the library's need its source.
fn words(error: &io::Error) -> String {
    use rustls::{CertificateError, Error};
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            "the peer's certificate has none of the names that are let in (client_sans)".to_owned()
        }
        Some(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            "the peer does not speak TLS".to_owned()
        }
        _ => error.to_string(),
    }
}

/// What carries a connection's bytes.
#[derive(Debug)]
pub(crate) enum Wire {
    /// The connection itself.
    Clear(Stream),
    /// TLS on it, and the names in the certificate that the peer showed.
    Tls(Box<TlsStream<Counted>>, Arc<[San]>),
}

impl Wire {
    /// The names in the peer's certificate, which has been verified; none where it showed none.
    pub(crate) fn names(&self) -> Arc<[San]> {
        match self {
            Self::Clear(_) => Arc::default(),
            Self::Tls(_, names) => Arc::clone(names),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream, _) => {
                // One record at a time: `poll_read` fills the buffer from as many as there are.
                let data = ready!(Pin::new(&mut *stream).poll_fill_buf(cx))?;
                let length = data.len().min(buffer.remaining());
                buffer.put_slice(&data[..length]);
                Pin::new(&mut *stream).consume(length);
                if length > 0 {
                    stream.get_mut().0.restart();
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream, _) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Tls(stream, _) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error, InvalidMessage};

    use super::*;

    #[test]
    fn a_failed_handshake_is_told_in_an_operator_s_words() {
        let told = |error: Error| words(&io::Error::new(io::ErrorKind::InvalidData, error));
        let unnamed = CertificateError::ApplicationVerificationFailure;
        assert!(told(Error::InvalidCertificate(unnamed)).contains("client_sans"));
        let clear = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert_eq!(told(clear), "the peer does not speak TLS");
        assert_eq!(told(Error::NoCertificatesPresented), "peer sent no certificates");
        assert_eq!(words(&io::Error::other("gone")), "gone");
    }
}
