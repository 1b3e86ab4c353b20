//! What openraft reaches a peer by.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, RPCOption, RaftNetworkFactory, RaftNetworkV2, stream_append_sequential,
};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio_util::sync::CancellationToken;
use tollgate_proto::peer as message;
use tollgate_proto::peer::beat_request::Kind as Asked;
use tollgate_proto::peer::beat_response::Kind as Told;
use tollgate_proto::peer::snapshot_request::Part;

use super::appending::appending;
use super::convert::{self, Malformed};
use super::pace::{PACE_MAX, PACE_MIN};
use super::peer::{Peer, Peers};
use crate::meta::ClusterId;
use crate::snapshot::{self, SnapshotData, Whose, Work};
use crate::types::{Member, NodeId, Types};

/// Makes the way to each peer, for one group.
pub(crate) struct Factory {
    pub(crate) peers: Arc<Peers>,
    pub(crate) cluster: ClusterId,
    pub(crate) group: u32,
    pub(crate) from: NodeId,
    pub(crate) work: Work,
}

impl Factory {
    fn network(&self, to: NodeId, member: &Member, is_heartbeat: bool) -> Network {
        let (cluster, group) = (self.cluster.to_bytes().to_vec().into(), self.group);
        Network {
            peer: self.peers.at(&member.address),
            route: message::Route { cluster, group, from: self.from, to },
            whose: Whose { cluster: self.cluster, group },
            work: self.work,
            is_heartbeat,
        }
    }
}

impl RaftNetworkFactory<Types> for Factory {
    type Network = Network;

    async fn new_client(&mut self, target: NodeId, node: &Member) -> Network {
        self.network(target, node, false)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Member) -> Network {
        self.network(target, node, true)
    }
}

/// The way to one peer, for one group.
pub(crate) struct Network {
    peer: Arc<Peer>,
    route: message::Route,
    whose: Whose,
    work: Work,
    /// Its requests do not wait behind entries.
    is_heartbeat: bool,
}

type Rpc<T> = Result<T, RPCError<Types>>;

/// Everything that goes wrong on the way means the same: not reached. A peer that is not who it was
/// (another cluster, another start) counts as one that is gone.
pub(super) fn unreachable(why: &dyn Display) -> RPCError<Types> {
    RPCError::Unreachable(Unreachable::from_string(why))
}

impl Network {
    async fn beat(&self, kind: Asked, option: &RPCOption) -> Rpc<Told> {
        let mut client = self.peer.beat.clone();
        let request = message::BeatRequest { route: Some(self.route.clone()), kind: Some(kind) };
        let answered = tokio::time::timeout(option.hard_ttl(), client.beat(request)).await;
        let answered = answered.map_err(|_| unreachable(&"no answer in time"))?;
        let told = answered.map_err(|status| unreachable(&status))?.into_inner().kind;
        told.ok_or_else(|| unreachable(&Malformed("an answer without kind")))
    }

    async fn send_snapshot(
        &self,
        vote: &VoteOf<Types>,
        snapshot: SnapshotOf<Types, SnapshotData>,
    ) -> Result<SnapshotResponse<Types>, RPCError<Types>> {
        let begin = message::SnapshotBegin {
            route: Some(self.route.clone()),
            vote: Some(convert::vote(vote)),
        };
        let frames = snapshot::send(self.whose, &snapshot.meta, snapshot.snapshot, self.work);
        // The connection's task may poll the body after this call was given up.
        let ended = CancellationToken::new();
        let _guard = ended.clone().drop_guard();
        let parts = stream::iter([Part::Begin(begin)])
            .chain(frames.map(Part::Frame))
            .map(|part| message::SnapshotRequest { part: Some(part) })
            .take_until(ended.cancelled_owned());
        let mut client = self.peer.snapshot.clone();
        let answered = client.snapshot(parts).await.map_err(|status| unreachable(&status))?;
        let vote = convert::read_vote(answered.into_inner().vote);
        Ok(SnapshotResponse::new(vote.map_err(|malformed| unreachable(&malformed))?))
    }
}

impl RaftNetworkV2<Types> for Network {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<Types>> {
        let last = rpc.entries.last().map(|entry| entry.log_id).or(rpc.prev_log_id);
        let Told::Append(response) =
            self.beat(Asked::Append(convert::append(&rpc)), &option).await?
        else {
            return Err(unreachable(&Malformed("an answer to something else")));
        };
        let result = convert::read_appended(response).map_err(|why| unreachable(&why))?;
        Ok(match result {
            Ok(matching) if matching == last => AppendEntriesResponse::Success,
            Ok(matching) => AppendEntriesResponse::PartialSuccess(matching),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<BoxStream<'s, Rpc<StreamAppendResult<Types>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + Send + Unpin + 'static,
    {
        if self.is_heartbeat {
            return stream_append_sequential(self, input, option);
        }
        let appending = appending(self.peer.bulk.clone(), self.route.clone(), input);
        Box::pin(async move {
            Ok(match appending.await? {
                Some(appending) => appending.boxed(),
                None => stream::empty().boxed(),
            })
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<Types>> {
        let asked = Asked::Vote(convert::vote_request(&rpc));
        voted(self.beat(asked, &option).await?)
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<Types>,
        option: RPCOption,
    ) -> Rpc<VoteResponse<Types>> {
        let asked = Asked::PreVote(convert::vote_request(&rpc));
        voted(self.beat(asked, &option).await?)
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<Types>,
        snapshot: SnapshotOf<Types, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let sent = tokio::time::timeout(option.hard_ttl(), self.send_snapshot(&vote, snapshot));
        let sent = tokio::select! {
            closed = cancel => return Err(StreamingError::Closed(closed)),
            sent = sent => sent.unwrap_or_else(|_| Err(unreachable(&"not installed in time"))),
        };
        sent.map_err(StreamingError::from)
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<Types>> {
        let asked = Asked::Transfer(convert::transfer(&req));
        let Told::Transfer(response) = self.beat(asked, &option).await? else {
            return Err(unreachable(&Malformed("an answer to something else")));
        };
        convert::read_transferred(response).map_err(|malformed| unreachable(&malformed))
    }

    fn backoff(&self) -> Option<Backoff> {
        let longer = |wait: &std::time::Duration| Some((*wait * 2).min(PACE_MAX));
        Some(Backoff::new(std::iter::successors(Some(PACE_MIN), longer)))
    }
}

fn voted(told: Told) -> Rpc<VoteResponse<Types>> {
    let Told::Vote(response) = told else {
        return Err(unreachable(&Malformed("an answer to something else")));
    };
    convert::read_vote_response(response).map_err(|malformed| unreachable(&malformed))
}
