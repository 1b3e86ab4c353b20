//! A small HTTP/1.1 client: one connection for one bounded exchange.
//!
//! It follows nothing, retries nothing and pools nothing, so a test sees exactly the answer that
//! was given, and a connection never outlives the server that a test stops.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// For connecting and the whole exchange; a peer that needs longer hangs.
const EXCHANGE_BOUND: Duration = Duration::from_secs(10);

/// The largest answer taken; `/metrics` is the largest expected.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status line's code.
    pub status: StatusCode,
    /// The headers; names are lower-case.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header's first value, if it has one that is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Sends a GET with the given headers.
///
/// # Errors
/// When there is no whole answer in time.
pub async fn get(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> anyhow::Result<Answer> {
    send(address, Method::GET, path, headers, Bytes::new()).await
}

/// Sends a POST with the given headers and body.
///
/// # Errors
/// When there is no whole answer in time.
pub async fn post(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> anyhow::Result<Answer> {
    send(address, Method::POST, path, headers, body.into()).await
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// When there is no whole answer in time.
pub async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<Answer> {
    let connected = async { anyhow::Ok(TcpStream::connect(address).await?) };
    let connected = tokio::time::timeout(EXCHANGE_BOUND, connected).await;
    let stream = connected.map_err(|_| anyhow!("no connection in {EXCHANGE_BOUND:?}")).flatten();
    let what = || format!("{method} http://{address}{path}");
    let stream = stream.with_context(what)?;
    send_over(stream, address, method, path, headers, body).await
}

/// Sends one request on a connection that is there; `address` is whose it is.
///
/// # Errors
/// When there is no whole answer in time.
pub async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<Answer> {
    let what = format!("{method} http://{address}{path}");
    let mut request = Request::builder().method(method).uri(path);
    request = request.header(header::HOST, address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body)).with_context(|| what.clone())?;
    let exchange = tokio::time::timeout(EXCHANGE_BOUND, exchange(stream, request));
    exchange.await.map_err(|_| anyhow!("no answer in {EXCHANGE_BOUND:?}")).flatten().context(what)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Answer> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("body: {error}"))?.to_bytes();
        anyhow::Ok(Answer { status: head.status, headers: head.headers, body })
    };
    let mut answer = std::pin::pin!(answer);
    // Driven here instead of in a task: nothing is left over when the exchange ends.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    }
}
