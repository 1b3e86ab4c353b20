//! One gRPC call over bare HTTP/2, and the connection it goes over.
//!
//! No client library: the driver pays for frames and nothing else, so that most of the machine is
//! left to the server.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{Method, Request, StatusCode, Uri, Version};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::answer::{ANSWER_BYTES_MAX, CallError, check_status};
use crate::drive::LoadError;

/// Window of a stream and of a connection: all answers in flight fit, so that the driver's flow
/// control never slows a server down.
const WINDOW_BYTES: u32 = 1 << 20;

/// The head that every call of a fleet repeats.
pub(crate) fn request(address: SocketAddr, path: &str) -> Result<Request<()>, http::Error> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(address.to_string())
        .path_and_query(path)
        .build()?;
    Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(uri)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(())
}

/// Opens one connection, whose frames move for as long as `connections` lives.
pub(crate) async fn connect(
    address: SocketAddr,
    connections: &mut JoinSet<()>,
) -> Result<SendRequest<Bytes>, LoadError> {
    let failed = |source| LoadError::Connect { address, source };
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, connection) = Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .enable_push(false)
        .handshake(stream)
        .await
        .map_err(|source| LoadError::Handshake { address, source })?;
    connections.spawn(async move {
        // What ended the connection is told by the calls that were on it.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Sends one framed body and returns the framed answer of a call that ended well.
pub(crate) async fn exchange(
    sender: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
) -> Result<Bytes, CallError> {
    poll_fn(|context| sender.poll_ready(context)).await?;
    let (response, mut upload) = sender.send_request(request, false)?;
    upload.send_data(body, true)?;
    let (head, mut download) = response.await?.into_parts();
    if head.status != StatusCode::OK {
        return Err(CallError::Http(head.status));
    }
    let framed = read(&mut download).await?;
    match download.trailers().await? {
        Some(trailers) => check_status(&trailers)?,
        // A call refused before it had a message carries its status in the headers.
        None => check_status(&head.headers)?,
    }
    Ok(framed)
}

/// Reads the answer's bytes; they nearly always come in one frame, which is then not copied.
async fn read(download: &mut RecvStream) -> Result<Bytes, CallError> {
    let mut framed = Bytes::new();
    while let Some(chunk) = download.data().await {
        let chunk = chunk?;
        download.flow_control().release_capacity(chunk.len())?;
        if framed.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CallError::TooLong);
        }
        framed = if framed.is_empty() { chunk } else { joined(&framed, &chunk) };
    }
    Ok(framed)
}

fn joined(start: &Bytes, end: &Bytes) -> Bytes {
    let mut whole = BytesMut::with_capacity(start.len() + end.len());
    whole.extend_from_slice(start);
    whole.extend_from_slice(end);
    whole.freeze()
}
