//! The connections to one peer: one for entries and batches, one for what must not wait behind them,
//! one for snapshots. All groups share them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tollgate_core::time::Clock;
use tollgate_proto::peer::peer_client::PeerClient;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::io::{BoxIo, Dial};
use super::pace::Pace;
use super::secret::Secret;

/// Bytes of a message, at most: a log message is capped at one mebibyte unless one entry is longer.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Longest wait for a connection.
pub const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

/// A silent connection is asked for a sign of life this often, and closed if there is none for
/// [`KEEPALIVE_TIMEOUT`]: one that a partition cut would come back as late as TCP likes.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// See [`KEEPALIVE_INTERVAL`].
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that one stream may have on the way: two messages.
pub(super) const STREAM_WINDOW: u32 = 2 << 20;

/// Bytes that a connection may have on the way, its groups together.
pub(super) const CONNECTION_WINDOW: u32 = 8 << 20;

/// A client of one connection.
pub(crate) type Client = PeerClient<InterceptedService<Channel, Showing>>;

/// The connections to one peer. They are made when they are needed, and again.
pub(crate) struct Peer {
    pub(crate) bulk: Client,
    pub(crate) beat: Client,
    pub(crate) snapshot: Client,
}

/// The connections to all peers.
pub(crate) struct Peers {
    dial: Arc<dyn Dial>,
    clock: Arc<dyn Clock>,
    secret: Secret,
    /// By address: as many as members and configured peers name.
    open: Mutex<BTreeMap<String, Arc<Peer>>>,
}

impl Peers {
    pub(crate) fn new(dial: Arc<dyn Dial>, clock: Arc<dyn Clock>, secret: Secret) -> Self {
        Self { dial, clock, secret, open: Mutex::default() }
    }

    /// The connections to `address`.
    pub(crate) fn at(&self, address: &str) -> Arc<Peer> {
        let mut open = self.open.lock();
        if let Some(peer) = open.get(address) {
            return Arc::clone(peer);
        }
        let peer = Arc::new(Peer {
            bulk: self.connection(address),
            beat: self.connection(address),
            snapshot: self.connection(address),
        });
        open.insert(address.to_owned(), Arc::clone(&peer));
        peer
    }

    fn connection(&self, address: &str) -> Client {
        let pace = Arc::new(Pace::new(Arc::clone(&self.clock)));
        let dial = Arc::clone(&self.dial);
        let address = address.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            connect(Arc::clone(&pace), Arc::clone(&dial), address.clone())
        });
        // The connector knows where; the authority is the same for all.
        let channel = Endpoint::from_static("http://peer.tollgate")
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .connect_with_connector_lazy(connector);
        PeerClient::with_interceptor(channel, Showing(self.secret.clone()))
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

async fn connect(
    pace: Arc<Pace>,
    dial: Arc<dyn Dial>,
    address: String,
) -> io::Result<TokioIo<BoxIo>> {
    pace.take()?;
    let dialed = tokio::time::timeout(DIAL_TIMEOUT, dial.dial(address)).await;
    let io = dialed.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    pace.reached();
    Ok(TokioIo::new(io))
}

/// Shows the cluster's secret with every call.
#[derive(Clone)]
pub(crate) struct Showing(Secret);

impl Interceptor for Showing {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        self.0.show(request.metadata_mut());
        Ok(request)
    }
}
