//! An xDS server with the manners of go-control-plane, which is what the servers of this market
//! are built on: it answers a request whose version is not its snapshot's at once, a refusal
//! included, and parks one whose version is.
//!
//! It runs on a runtime of its own, so that stopping it is what a crash looks like: every
//! connection breaks.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use anyhow::Context as _;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
pub use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
pub use envoy_types::pb::google::protobuf::Any;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

/// What resources of limits call themselves.
pub const RATE_LIMIT_CONFIG: &str =
    "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig";

/// What the server offers.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Its number; empty for none, and then requests are parked.
    pub version: String,
    /// Its resources.
    pub resources: Vec<Any>,
    /// Counted up to end every stream.
    ended: usize,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// On which stream, from 0.
    pub stream: usize,
    /// It.
    pub request: DiscoveryRequest,
    /// What came with the call.
    pub metadata: MetadataMap,
}

/// A running server. Dropped, it breaks every connection.
#[derive(Debug)]
pub struct Ads {
    address: SocketAddr,
    snapshot: watch::Sender<Snapshot>,
    seen: watch::Receiver<Vec<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Ads {
    /// Starts one that offers `resources` as `version`; in TLS, if there is a configuration for it.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(
        version: &str,
        resources: Vec<Any>,
        tls: Option<ServerConfig>,
    ) -> anyhow::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), version, resources, tls)
    }

    /// As [`Self::start`], at an address: that of one that was stopped.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start_at(
        address: SocketAddr,
        version: &str,
        resources: Vec<Any>,
        tls: Option<ServerConfig>,
    ) -> anyhow::Result<Self> {
        let first = Snapshot { version: version.to_owned(), resources, ended: 0 };
        let (snapshot, offered) = watch::channel(first);
        let (told, seen) = watch::channel(Vec::new());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind(address).context("ads")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let service =
            Service { offered, told: Arc::new(told), streams: Arc::new(AtomicUsize::new(0)) };
        let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, acceptor, service) => {}
                    _ = stopped => {}
                }
            });
            // Dropped with it: every task and every connection.
        });
        Ok(Self { address, snapshot, seen, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Offers other resources.
    pub fn offer(&self, version: &str, resources: Vec<Any>) {
        self.snapshot.send_modify(|snapshot| {
            version.clone_into(&mut snapshot.version);
            snapshot.resources = resources;
        });
    }

    /// Ends every stream with success while the client still sends, which HTTP/2 says with
    /// RST_STREAM and NO_ERROR.
    pub fn end_streams(&self) {
        self.snapshot.send_modify(|snapshot| snapshot.ended += 1);
    }

    /// The requests so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Breaks every connection and stops listening.
    pub fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has told so on standard error.
            let _ = thread.join();
        }
    }
}

impl Drop for Ads {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(listener: std::net::TcpListener, tls: Option<TlsAcceptor>, service: Service) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let (accepted, incoming) = mpsc::channel(16);
    let accept = async move {
        loop {
            let Ok((tcp, _)) = listener.accept().await else { return };
            let stream: Box<dyn Io> = match &tls {
                // One at a time is enough here.
                Some(acceptor) => match acceptor.accept(tcp).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => continue,
                },
                None => Box::new(tcp),
            };
            if accepted.send(Ok::<_, std::io::Error>(Connection(stream))).await.is_err() {
                return;
            }
        }
    };
    let server = tonic::transport::Server::builder()
        .add_service(AggregatedDiscoveryServiceServer::new(service))
        .serve_with_incoming(ReceiverStream::new(incoming));
    let ((), _ended) = tokio::join!(accept, server);
}

#[derive(Clone)]
struct Service {
    offered: watch::Receiver<Snapshot>,
    told: Arc<watch::Sender<Vec<Seen>>>,
    streams: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Service {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (answers, outgoing) = mpsc::channel(16);
        let stream = self.streams.fetch_add(1, Ordering::SeqCst);
        let metadata = request.metadata().clone();
        tokio::spawn(self.clone().follow(stream, metadata, request.into_inner(), answers));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }

    async fn delta_aggregated_resources(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("state of the world only"))
    }
}

impl Service {
    async fn follow(
        mut self,
        stream: usize,
        metadata: MetadataMap,
        mut requests: Streaming<DiscoveryRequest>,
        answers: mpsc::Sender<Result<DiscoveryResponse, Status>>,
    ) {
        let ended = self.offered.borrow().ended;
        let mut nonce = 0_u32;
        let mut parked: Option<DiscoveryRequest> = None;
        loop {
            let offered = self.offered.borrow_and_update().clone();
            if offered.ended != ended {
                return;
            }
            let is_news = |request: &DiscoveryRequest| request.version_info != offered.version;
            if parked.as_ref().is_some_and(is_news) && !offered.version.is_empty() {
                parked = None;
                nonce += 1;
                let response = DiscoveryResponse {
                    version_info: offered.version,
                    resources: offered.resources,
                    type_url: RATE_LIMIT_CONFIG.to_owned(),
                    nonce: format!("{stream}-{nonce}"),
                    ..DiscoveryResponse::default()
                };
                if answers.send(Ok(response)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                request = requests.message() => {
                    let Ok(Some(request)) = request else { return };
                    let seen = Seen { stream, request: request.clone(), metadata: metadata.clone() };
                    self.told.send_modify(|told| told.push(seen));
                    parked = Some(request);
                }
                changed = self.offered.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}

/// A connection of either kind, as tonic wants one.
struct Connection(Box<dyn Io>);

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
