//! The service that Envoy protects in these tests: it counts what arrives.
//!
//! What arrived is the one proof that a denied request was stopped: a status only says what the
//! proxy told the client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The body of every answer.
pub const BODY: &str = "upstream";

/// An HTTP/1.1 server on a port of its own; it ends when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    arrived: Arc<AtomicU64>,
    _accepting: JoinSet<()>,
}

impl Upstream {
    /// Starts it in a task of the current runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("upstream")?;
        let address = listener.local_addr()?;
        let arrived = Arc::new(AtomicU64::new(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&arrived)));
        Ok(Self { address, arrived, _accepting: accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests arrived so far.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, arrived: Arc<AtomicU64>) {
    // Owned by this task, so the connections end with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _peer)) = accepted else { return };
                connections.spawn(serve(stream, Arc::clone(&arrived)));
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, arrived: Arc<AtomicU64>) {
    let answer = service_fn(|_request| {
        arrived.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(BODY.as_bytes())))) }
    });
    // A connection that breaks is the proxy's business; what arrived is counted.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[tokio::test]
    async fn counts_what_arrives() {
        let upstream = Upstream::start().await.unwrap();
        for _ in 0..3 {
            let answer = http::get(upstream.address(), "/any", &[]).await.unwrap();
            assert_eq!((answer.status.as_u16(), &*answer.text()), (200, BODY));
        }
        assert_eq!(upstream.arrived(), 3);
    }
}
