//! One connection for one bounded exchange, over a socket, TCP or TLS.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::AlertDescription as Alert;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::endpoint::Endpoint;
use super::way::Way;

/// For the whole exchange. A scan of millions of counters takes a second or two.
pub(super) const EXCHANGE_MAX: Duration = Duration::from_secs(30);

/// To connect, the handshake included: a host that swallows packets is told soon.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Bytes of an answer: a page of counters has at most 1 000 rows.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: String,
}

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// There is no connection.
    Connect(io::Error),
    /// The two do not agree on a handshake.
    Handshake(String),
    /// The node wants another certificate, or any.
    NotAdmitted(String),
    /// It took too long.
    Late(Duration),
    /// The answer broke off, or is none.
    Off(String),
}

/// Asks once.
pub(super) async fn exchange(way: &Way, asked: Asked) -> Result<(StatusCode, Bytes), Broken> {
    let whole = async {
        let stream = connect(way);
        let stream = tokio::time::timeout(CONNECT_MAX, stream).await;
        let stream = stream.map_err(|_| Broken::Late(CONNECT_MAX))??;
        send(stream, request(way, asked)?).await
    };
    let answered = tokio::time::timeout(EXCHANGE_MAX, whole).await;
    answered.map_err(|_| Broken::Late(EXCHANGE_MAX))?
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(way: &Way) -> Result<Box<dyn Stream>, Broken> {
    let (host, port) = match &way.endpoint {
        Endpoint::Socket(path) => {
            let stream = UnixStream::connect(path).await.map_err(Broken::Connect)?;
            return Ok(Box::new(stream));
        }
        Endpoint::Tcp { host, port, .. } => (host.as_str(), *port),
    };
    let stream = tcp(host, port, way.token.is_some() && way.tls.is_none()).await?;
    let Some(tls) = &way.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Broken::Handshake(format!("{host} is no name that a certificate has")))?;
    let stream = TlsConnector::from(tls.clone()).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| broken(&error))?))
}

/// Connects to the first address that takes it; `only_here` to none of another machine.
async fn tcp(host: &str, port: u16, only_here: bool) -> Result<TcpStream, Broken> {
    let found = lookup_host((host, port)).await.map_err(Broken::Connect)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in found.take(ADDRESSES_MAX) {
        if only_here && !address.ip().to_canonical().is_loopback() {
            last = io::Error::other(format!("{address} is not this machine"));
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Broken::Connect(last))
}

fn request(way: &Way, asked: Asked) -> Result<Request<Full<Bytes>>, Broken> {
    let host = match &way.endpoint {
        Endpoint::Socket(_) => "tollgate".to_owned(),
        tcp => {
            tcp.to_string().split_once("//").map(|(_, host)| host.to_owned()).unwrap_or_default()
        }
    };
    let mut request = Request::builder().method(asked.method).uri(asked.target).header(HOST, host);
    if let Some(token) = &way.token {
        request = request.header(AUTHORIZATION, token.header.clone());
    }
    let request = request.body(Full::new(Bytes::from(asked.body)));
    request.map_err(|error| Broken::Off(error.to_string()))
}

async fn send(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Broken> {
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    let answer = async {
        let answered = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (head, body) = answered.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        Ok((head.status, body.map_err(|error| broken(&*error))?.to_bytes()))
    };
    let mut answer = std::pin::pin!(answer);
    // Driven here instead of in a task: nothing is left over when the exchange ends.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ended = connection => answer.await,
    }
}

/// What an error that holds others comes to: with TLS 1.3 a certificate is refused only when the
/// answer is read.
fn broken(error: &(dyn Error + 'static)) -> Broken {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) if is_about_us(*alert) => {
            Broken::NotAdmitted(format!("{alert:?}"))
        }
        Some(error) => Broken::Handshake(error.to_string()),
        None => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(error) = source {
                text.push_str(&format!(": {error}"));
                source = error.source();
            }
            Broken::Off(text)
        }
    }
}

fn is_about_us(alert: Alert) -> bool {
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An IO error is not the parent of what it holds, but of that one's source.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = held.and_then(|held| held.downcast_ref::<rustls::Error>()) {
            return Some(found);
        }
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}
