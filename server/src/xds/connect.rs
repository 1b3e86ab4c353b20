//! A connection to the server, with everything about it bounded in time.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use super::settings::Settings;

/// To resolve, connect and shake hands.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Between pings. gRPC servers in Go, Envoy Gateway's among them, close a connection whose pings are
/// less than 5 minutes apart, so what notices a server that is gone is TCP's own keep-alive; this is
/// for one that is gone behind a proxy.
const PING_INTERVAL: Duration = Duration::from_secs(330);

/// For the answer to a ping.
const PING_MAX: Duration = Duration::from_secs(10);

/// What the server may send before it is read.
const WINDOW_BYTES: u32 = 1 << 20;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// How the bytes are kept from others.
type Tls = Option<(TlsConnector, ServerName<'static>)>;

/// Connects as `settings` say; certificates are read anew each time, so that a renewed one is used
/// without a restart.
///
/// # Errors
/// Why there is no connection, in words.
pub(super) async fn connect(settings: &Arc<Settings>) -> Result<Channel, String> {
    let tls = tls(settings).await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let uri = format!("{scheme}://{}", settings.target.authority());
    let endpoint = Endpoint::from_shared(uri).map_err(|error| causes(&error))?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_MAX)
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| causes(&error))?;
    let target = Arc::clone(settings);
    let connector = tower::service_fn(move |_: Uri| dial(Arc::clone(&target), tls.clone()));
    let connected = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(CONNECT_MAX, connected).await {
        Ok(connected) => connected.map_err(|error| causes(&error)),
        Err(_) => Err(format!("no connection within {} s", CONNECT_MAX.as_secs())),
    }
}

async fn tls(settings: &Arc<Settings>) -> Result<Tls, String> {
    let Some(tls) = settings.tls.clone() else { return Ok(None) };
    let name = settings.server_name.as_ref().unwrap_or(&settings.target.host).clone();
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    // A file may lie on a disk that hangs.
    let loaded = tokio::task::spawn_blocking(move || tls.load()).await;
    let config = loaded.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(Some((TlsConnector::from(config), name)))
}

async fn dial(settings: Arc<Settings>, tls: Tls) -> std::io::Result<TokioIo<Box<dyn Io>>> {
    let tcp = TcpStream::connect((&*settings.target.host, settings.target.port)).await?;
    tollgate_runtime::connect::attend(&tcp)?;
    let stream: Box<dyn Io> = match tls {
        Some((connector, name)) => Box::new(connector.connect(name, tcp).await?),
        None => Box::new(tcp),
    };
    Ok(TokioIo::new(stream))
}

/// An error and what it comes from, in a line. The layers repeat each other.
pub(super) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
