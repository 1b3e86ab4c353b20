//! The peer service: what a node answers to others. It judges every message by its route before
//! openraft sees it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use openraft::alias::SnapshotOf;
use openraft::vote::RaftLeaderId as _;
use tokio_util::sync::CancellationToken;
use tollgate_proto::peer as message;
use tollgate_proto::peer::beat_request::Kind as Asked;
use tollgate_proto::peer::beat_response::Kind as Told;
use tollgate_proto::peer::peer_server::{self, PeerServer};
use tollgate_proto::peer::snapshot_request::Part;
use tonic::service::Interceptor;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use super::convert::{self, Malformed};
use super::forwarded;
use super::io::{Incoming, Known, bounded};
use super::peer::{
    CONNECTION_WINDOW, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, MESSAGE_BYTES_MAX, STREAM_WINDOW,
};
use super::secret::Secret;
use crate::group::{Committed, Group, NotProposed};
use crate::meta::ClusterId;
use crate::snapshot::{Receiver, SnapshotData, Whose, Work};
use crate::types::{NodeId, Types};

/// Streams of one connection, at most: a few for each group.
const STREAMS_MAX: u32 = 128;

/// Longest work on one call that is not a stream; on a stream, longest wait for its first message.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest silence of whoever sends a snapshot.
const SNAPSHOT_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Longest time for one snapshot to come.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(120);

/// The node that others reach.
pub(crate) trait Host: Send + Sync + 'static {
    /// The group that a message is for, if it is for this node at all.
    fn group(&self, route: &message::Route) -> Result<Arc<Group>, Status>;

    /// Whether a message that is for no single group is for this node.
    fn is_for_us(&self, route: &message::Route) -> Result<(), Status>;

    /// Answers who is there.
    fn hello(&self, request: message::HelloRequest) -> message::HelloResponse;

    /// Becomes a member of a new cluster, or says why not.
    fn found(&self, request: message::FoundRequest) -> BoxFuture<'static, message::FoundResponse>;

    /// Puts the batch of another node into the log of a group that this one leads.
    fn forwarded(
        &self,
        from: NodeId,
        group: u32,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>>;
}

/// Answers until `ended`, and then until what is under way is answered; streams end at once.
pub(crate) async fn serve(
    host: Arc<dyn Host>,
    secret: Secret,
    work: Work,
    incoming: Incoming,
    ended: CancellationToken,
) {
    let service = PeerServer::new(Service { host, work, ended: ended.clone() })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let service = tonic::service::interceptor::InterceptedService::new(service, Asking(secret));
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS_MAX)
        .serve_with_incoming_shutdown(service, bounded(incoming), ended.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(event = "peer_listener_ended", %error);
    }
}

/// Lets in who shows the cluster's secret, before a byte of the message is read.
#[derive(Clone)]
struct Asking(Secret);

impl Interceptor for Asking {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if !self.0.is_shown(request.metadata()) {
            return Err(Status::unauthenticated("not the secret of this cluster"));
        }
        if let Some(known) = request.extensions().get::<Known>() {
            known.set();
        }
        Ok(request)
    }
}

/// Why a message is not for this node.
pub(crate) fn not_for_us(why: &'static str) -> Status {
    Status::failed_precondition(why)
}

impl From<Malformed> for Status {
    fn from(malformed: Malformed) -> Self {
        Self::invalid_argument(malformed.to_string())
    }
}

struct Service {
    host: Arc<dyn Host>,
    work: Work,
    ended: CancellationToken,
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

impl Service {
    /// The first message of a stream.
    async fn first<T>(requests: &mut Streaming<T>) -> Result<T, Status> {
        let first = tokio::time::timeout(CALL_TIMEOUT, requests.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("nothing came"))?;
        first?.ok_or_else(|| Malformed("a stream of nothing").into())
    }

    /// Ends with the node.
    fn until_the_end<T: 'static>(
        &self,
        answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Response<Answers<T>> {
        let ended = self.ended.clone();
        Response::new(answers.take_until(ended.cancelled_owned()).boxed())
    }
}

#[tonic::async_trait]
impl peer_server::Peer for Service {
    type AppendStream = Answers<message::AppendResponse>;
    type ForwardStream = Answers<message::ForwardResponse>;

    async fn append(
        &self,
        request: Request<Streaming<message::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let mut requests = request.into_inner();
        let first = Self::first(&mut requests).await?;
        let route = first.route.clone().ok_or(Malformed("no route"))?;
        let group = self.host.group(&route)?;
        let requests = stream::unfold(
            (Some(first), requests),
            move |(first, mut requests)| async move {
                let request = match first {
                    Some(first) => first,
                    None => requests.message().await.ok()??,
                };
                match convert::read_append(route.from, request) {
                    Ok(request) => Some((request, (None, requests))),
                    Err(malformed) => {
                        tracing::warn!(event = "peer_message_refused", %malformed, group = route.group);
                        None
                    }
                }
            },
        );
        let answers = group.raft().stream_append(requests).map(|result| match result {
            Ok(result) => Ok(convert::appended(&result)),
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        Ok(self.until_the_end(answers))
    }

    async fn beat(
        &self,
        request: Request<message::BeatRequest>,
    ) -> Result<Response<message::BeatResponse>, Status> {
        let message::BeatRequest { route, kind } = request.into_inner();
        let route = route.ok_or(Malformed("no route"))?;
        let group = self.host.group(&route)?;
        let answered = tokio::time::timeout(CALL_TIMEOUT, beat(&group, route.from, kind)).await;
        let kind = answered.map_err(|_| Status::deadline_exceeded("the group is busy"))??;
        Ok(Response::new(message::BeatResponse { kind: Some(kind) }))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<message::SnapshotRequest>>,
    ) -> Result<Response<message::SnapshotResponse>, Status> {
        let mut requests = request.into_inner();
        let Some(Part::Begin(begin)) = Self::first(&mut requests).await?.part else {
            return Err(Malformed("a snapshot without begin").into());
        };
        let message::SnapshotBegin { route, vote } = begin;
        let route = route.ok_or(Malformed("no route"))?;
        let group = self.host.group(&route)?;
        let vote = convert::read_vote(vote)?;
        if *vote.leader_id.node_id() != route.from {
            return Err(Malformed("a snapshot that does not come from its leader").into());
        }
        let Ok(_receiving) = Arc::clone(&group.receiving).try_acquire_owned() else {
            return Err(Status::resource_exhausted("another snapshot is coming in"));
        };
        let cluster = ClusterId::from_bytes(&route.cluster).ok_or(Malformed("no cluster"))?;
        let whose = Whose { cluster, group: route.group };
        let received = async {
            let snapshot = receive(requests, whose, self.work).await?;
            let installed = group.raft().install_full_snapshot(vote, snapshot).await;
            installed.map_err(|fatal| Status::unavailable(fatal.to_string()))
        };
        let installed = tokio::select! {
            () = self.ended.cancelled() => return Err(Status::unavailable("the node ends")),
            installed = tokio::time::timeout(SNAPSHOT_TIMEOUT, received) => installed,
        };
        let installed = installed.map_err(|_| Status::deadline_exceeded("too slow"))??;
        let vote = Some(convert::vote(&installed.vote));
        Ok(Response::new(message::SnapshotResponse { vote }))
    }

    async fn forward(
        &self,
        request: Request<Streaming<message::ForwardRequest>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let mut requests = request.into_inner();
        let route = Self::first(&mut requests).await?.route.ok_or(Malformed("no route"))?;
        self.host.is_for_us(&route)?;
        let answers = forwarded::answers(Arc::clone(&self.host), route.from, requests);
        Ok(self.until_the_end(answers.map(Ok)))
    }

    async fn hello(
        &self,
        request: Request<message::HelloRequest>,
    ) -> Result<Response<message::HelloResponse>, Status> {
        Ok(Response::new(self.host.hello(request.into_inner())))
    }

    async fn found(
        &self,
        request: Request<message::FoundRequest>,
    ) -> Result<Response<message::FoundResponse>, Status> {
        let found = self.host.found(request.into_inner());
        let found = tokio::time::timeout(CALL_TIMEOUT, found).await;
        found.map(Response::new).map_err(|_| Status::deadline_exceeded("not founded in time"))
    }
}

async fn beat(group: &Group, from: NodeId, kind: Option<Asked>) -> Result<Told, Status> {
    let ended = |fatal: &dyn std::fmt::Display| Status::unavailable(fatal.to_string());
    Ok(match kind.ok_or(Malformed("a call without kind"))? {
        Asked::Append(request) => {
            let request = convert::read_append(from, request)?;
            let (previous, last) = (request.prev_log_id, request.entries.last());
            let last = last.map(|entry| entry.log_id).or(previous);
            let response = group.raft().append_entries(request).await;
            let response = response.map_err(|fatal| ended(&fatal))?;
            if response.is_conflict() && previous.is_none() {
                return Err(Malformed("a conflict with nothing").into());
            }
            Told::Append(convert::appended(&response.into_stream_result(previous, last)))
        }
        Asked::Vote(request) => {
            let request = convert::read_vote_request(from, request)?;
            let response = group.raft().vote(request).await.map_err(|fatal| ended(&fatal))?;
            Told::Vote(convert::vote_response(&response))
        }
        Asked::PreVote(request) => {
            let request = convert::read_vote_request(from, request)?;
            let response = group.raft().pre_vote(request).await.map_err(|fatal| ended(&fatal))?;
            Told::Vote(convert::vote_response(&response))
        }
        Asked::Transfer(request) => {
            let request = convert::read_transfer(from, request)?;
            let response = group.raft().handle_transfer_leader(request).await;
            Told::Transfer(convert::transferred(&response.map_err(|fatal| ended(&fatal))?))
        }
    })
}

async fn receive(
    mut requests: Streaming<message::SnapshotRequest>,
    whose: Whose,
    work: Work,
) -> Result<SnapshotOf<Types, SnapshotData>, Status> {
    let bad = |bad: &dyn std::fmt::Display| Status::invalid_argument(bad.to_string());
    let mut receiver = Receiver::new(whose, work);
    loop {
        let next = tokio::time::timeout(SNAPSHOT_SILENCE_MAX, requests.message()).await;
        match next.map_err(|_| Status::deadline_exceeded("the snapshot stopped"))?? {
            Some(message::SnapshotRequest { part: Some(Part::Frame(frame)) }) => {
                receiver.push(frame).await.map_err(|error| bad(&error))?;
            }
            Some(_) => return Err(Malformed("a snapshot within a snapshot").into()),
            None => break,
        }
    }
    let (meta, snapshot) = receiver.finish().map_err(|error| bad(&error))?;
    Ok(SnapshotOf::<Types, SnapshotData> { meta, snapshot })
}
