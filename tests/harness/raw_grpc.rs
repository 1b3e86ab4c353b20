//! gRPC calls made of bare bytes, for what a real client would never send.
//!
//! It frames a message and reads the status, but neither encodes nor decodes: a body may be
//! anything, and may arrive in pieces. Every call is bounded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// For one call. An answer to hostile input that takes longer counts as a hang.
pub const CALL_BOUND: Duration = Duration::from_secs(5);

/// The largest answer taken.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Pieces of a body that may wait for the connection.
const PIECES_MAX: usize = 16;

/// A gRPC message with its five-byte prefix.
#[must_use]
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// A well-formed end of a call.
#[derive(Debug, Clone)]
pub struct RawAnswer {
    /// The number in `grpc-status`.
    pub code: tonic::Code,
    /// The text in `grpc-message`, as sent.
    pub message: String,
    /// The message bytes with their prefix; empty if there were none.
    pub body: Bytes,
}

/// One HTTP/2 connection; it ends when it is dropped.
#[derive(Debug)]
pub struct RawGrpc {
    authority: String,
    sender: http2::SendRequest<Pieces>,
    _connection: JoinSet<()>,
}

impl RawGrpc {
    /// Connects.
    ///
    /// # Errors
    /// When the connection or the handshake fails.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let handshake = async {
            let stream = TcpStream::connect(address).await?;
            // Head and body are written apart: without this each call waits for a late ACK.
            stream.set_nodelay(true)?;
            let io = TokioIo::new(stream);
            anyhow::Ok(http2::handshake(TokioExecutor::new(), io).await?)
        };
        let handshake = tokio::time::timeout(CALL_BOUND, handshake).await;
        let (sender, connection) = handshake.context("no connection in time")??;
        let mut driving = JoinSet::new();
        driving.spawn(async move {
            // How it ended shows in the calls.
            let _ = connection.await;
        });
        Ok(Self { authority: address.to_string(), sender, _connection: driving })
    }

    /// Makes a call with one framed message.
    ///
    /// # Errors
    /// When there is no well-formed answer in time.
    pub async fn call(&mut self, method: &str, message: &[u8]) -> anyhow::Result<RawAnswer> {
        self.call_unframed(method, framed(message)).await
    }

    /// Makes a call whose whole body is `bytes`, prefix and all.
    ///
    /// # Errors
    /// When there is no well-formed answer in time.
    pub async fn call_unframed(&mut self, method: &str, bytes: Bytes) -> anyhow::Result<RawAnswer> {
        let mut call = self.open(method)?;
        call.send(bytes).await?;
        call.finish().await
    }

    /// Opens a call and sends its head only.
    ///
    /// # Errors
    /// When the call cannot be written as a request.
    pub fn open(&mut self, method: &str) -> anyhow::Result<OpenCall> {
        self.open_with(method, &[])
    }

    /// The same with more headers.
    ///
    /// # Errors
    /// When the call cannot be written as a request.
    pub fn open_with(
        &mut self,
        method: &str,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<OpenCall> {
        let (pieces, body) = mpsc::channel(PIECES_MAX);
        let request = Request::post(format!("http://{}{method}", self.authority))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers");
        let more = headers.iter();
        let request = more.fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Pieces { coming: body })?;
        let answer = Box::pin(self.sender.send_request(request));
        Ok(OpenCall { pieces, answer })
    }
}

/// A call whose body is still being sent.
pub struct OpenCall {
    pieces: mpsc::Sender<Bytes>,
    answer: Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>,
}

impl OpenCall {
    /// Sends a piece of the body.
    ///
    /// # Errors
    /// When the piece is not taken in time.
    pub async fn send(&mut self, piece: Bytes) -> anyhow::Result<()> {
        let sent = tokio::time::timeout(CALL_BOUND, self.pieces.send(piece)).await;
        // A server may answer and close before it has read all: then the answer says why.
        let _closed_early = sent.context("the connection takes no more")?;
        Ok(())
    }

    /// Ends the body and reads the answer.
    ///
    /// # Errors
    /// When there is no well-formed answer in time.
    pub async fn finish(self) -> anyhow::Result<RawAnswer> {
        let Self { pieces, answer } = self;
        drop(pieces);
        let read = async {
            let answer = answer.await.context("no answer")?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
            let body = body.map_err(|error| anyhow!("body: {error}"))?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let headers = if trailers.is_empty() { &head.headers } else { &trailers };
            read_status(head.status, headers, body.to_bytes())
        };
        let read = tokio::time::timeout(CALL_BOUND, read).await;
        read.with_context(|| format!("no answer in {CALL_BOUND:?}"))?
    }
}

fn read_status(http: StatusCode, headers: &HeaderMap, body: Bytes) -> anyhow::Result<RawAnswer> {
    ensure!(http == StatusCode::OK, "gRPC answered with HTTP status {http}");
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let status = field("grpc-status").with_context(|| format!("no grpc-status: {headers:?}"))?;
    let number: i32 = status.parse().with_context(|| format!("grpc-status {status:?}"))?;
    ensure!((0..=16).contains(&number), "grpc-status {number} does not exist");
    let message = field("grpc-message").unwrap_or_default().to_owned();
    Ok(RawAnswer { code: tonic::Code::from(number), message, body })
}

/// A request body whose pieces come through a channel; it ends when the sender is dropped.
#[derive(Debug)]
struct Pieces {
    coming: mpsc::Receiver<Bytes>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.coming.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
