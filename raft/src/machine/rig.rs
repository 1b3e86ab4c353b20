//! Three nodes of a group in one process, whose links can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{Config, Raft};
use parking_lot::Mutex;
use tollgate_core::time::{ManualClock, Wall};

use super::{Machine, SharedMachine, StateMachine, Unwatched, configure, keep_trimmed};
use crate::log::{MemoryLog, Retention};
use crate::meta::ClusterId;
use crate::snapshot::{Receiver, SnapshotData, Whose, Work, send};
use crate::types::{Data, Member, NodeId, RaftVote, Types};

/// Longest wait for anything.
pub(super) const WAIT: Option<Duration> = Some(Duration::from_secs(60));

pub(super) type TestRaft = Raft<Types, StateMachine>;

/// A node of the rig.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) raft: TestRaft,
    pub(super) log: MemoryLog,
    pub(super) machine: SharedMachine,
}

/// Who is reached by whom, and how many snapshots went over.
#[derive(Clone)]
pub(super) struct Links(Arc<Mutex<Wires>>);

struct Wires {
    whose: Whose,
    nodes: BTreeMap<NodeId, TestRaft>,
    cut: BTreeSet<NodeId>,
    snapshots: usize,
    /// Flips a bit of the frame at this place of the next snapshot.
    spoil: Option<usize>,
}

impl Links {
    pub(super) fn cut(&self, node: NodeId) {
        self.0.lock().cut.insert(node);
    }

    pub(super) fn heal(&self, node: NodeId) {
        self.0.lock().cut.remove(&node);
    }

    pub(super) fn spoil_next(&self, frame: usize) {
        self.0.lock().spoil = Some(frame);
    }

    pub(super) fn is_spoiled(&self) -> bool {
        self.0.lock().spoil.is_none()
    }

    pub(super) fn snapshots(&self) -> usize {
        self.0.lock().snapshots
    }

    fn between(&self, from: NodeId, to: NodeId) -> Result<TestRaft, Unreachable<Types>> {
        let wires = self.0.lock();
        if wires.cut.contains(&from) || wires.cut.contains(&to) {
            return Err(Unreachable::new(&io::Error::other("the link is cut")));
        }
        let unknown = || Unreachable::new(&io::Error::other("no such node"));
        wires.nodes.get(&to).cloned().ok_or_else(unknown)
    }
}

/// A started group of three, and its first leader.
pub(super) struct Rig {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) links: Links,
}

impl Rig {
    pub(super) async fn start(group: u32, machine: impl Fn() -> Machine, keep: Retention) -> Self {
        let whose = Whose { cluster: ClusterId(7), group };
        let wires = Wires {
            whose,
            nodes: BTreeMap::new(),
            cut: BTreeSet::new(),
            snapshots: 0,
            spoil: None,
        };
        let links = Links(Arc::new(Mutex::new(wires)));
        let mut config = Config { enable_pre_vote: Some(true), ..Config::default() };
        configure(&mut config);
        let config = Arc::new(config.validate().expect("a valid configuration"));
        let mut nodes = BTreeMap::new();
        for id in 1..=3 {
            let clock = Arc::new(ManualClock::starting_at(Wall::default()));
            let log = MemoryLog::new(clock, |_| None);
            let machine = SharedMachine::new(machine());
            let store =
                StateMachine::new(machine.clone(), log.clone(), Arc::new(Unwatched), Work::Aside);
            let network = Factory { from: id, links: links.clone() };
            let raft = Raft::new(id, Arc::clone(&config), network, log.clone(), store);
            let raft = raft.await.expect("a node");
            tokio::spawn(keep_trimmed(raft.clone(), log.clone(), keep));
            links.0.lock().nodes.insert(id, raft.clone());
            nodes.insert(id, Node { id, raft, log, machine });
        }
        let members: BTreeMap<NodeId, Member> =
            nodes.keys().map(|&id| (id, Member::default())).collect();
        nodes[&1].raft.initialize(members).await.expect("founded");
        Self { nodes, links }
    }

    /// The node that leads, once one does and it is none of the cut ones.
    pub(super) async fn leader(&self) -> &Node {
        let cut = self.links.0.lock().cut.clone();
        let other = self.nodes.keys().find(|id| !cut.contains(id)).expect("one is left");
        let known = self.nodes[other].raft.wait(WAIT);
        let leads = |leader: &Option<NodeId>| leader.is_some_and(|id| !cut.contains(&id));
        let known = known.metrics(|metrics| leads(&metrics.current_leader), "a leader").await;
        &self.nodes[&known.expect("a leader").current_leader.expect("it was waited for")]
    }

    /// Writes through the leader, whoever it is by then, and tells at which index.
    pub(super) async fn write(&self, data: Bytes) -> u64 {
        for _ in 0..100 {
            let leader = self.leader().await;
            if let Ok(written) = leader.raft.client_write(Data(data.clone())).await {
                return written.log_id.index;
            }
            tokio::time::sleep(Duration::from_millis(50)).await; // tidy: virtual time
        }
        panic!("nothing can be written");
    }

    /// Waits until every node applied what is at `index`.
    pub(super) async fn all_applied(&self, index: u64) {
        for node in self.nodes.values() {
            let waiting = node.raft.wait(WAIT);
            let applied = waiting.applied_index_at_least(Some(index), "applied").await;
            applied.expect("applied everywhere");
        }
    }
}

struct Factory {
    from: NodeId,
    links: Links,
}

struct Link {
    from: NodeId,
    to: NodeId,
    links: Links,
}

impl RaftNetworkFactory<Types> for Factory {
    type Network = Link;

    async fn new_client(&mut self, to: NodeId, _member: &Member) -> Link {
        Link { from: self.from, to, links: self.links.clone() }
    }
}

impl RaftNetworkV2<Types> for Link {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let to = self.links.between(self.from, self.to)?;
        let answer = to.append_entries(request).await;
        answer.map_err(|error| NetworkError::new(&error).into())
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let to = self.links.between(self.from, self.to)?;
        to.vote(request).await.map_err(|error| NetworkError::new(&error).into())
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let to = self.links.between(self.from, self.to)?;
        to.pre_vote(request).await.map_err(|error| NetworkError::new(&error).into())
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: SnapshotOf<Types, SnapshotData>,
        _cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let to = self.links.between(self.from, self.to)?;
        let (whose, spoil) = {
            let mut wires = self.links.0.lock();
            (wires.whose, wires.spoil.take())
        };
        let mut frames = send(whose, &snapshot.meta, snapshot.snapshot, Work::Aside).enumerate();
        let mut receiver = Receiver::new(whose, Work::Aside);
        let bad = |error| StreamingError::from(NetworkError::new(&error));
        while let Some((place, frame)) = frames.next().await {
            let mut frame = Vec::from(frame);
            if spoil == Some(place) {
                *frame.last_mut().expect("a frame is never empty") ^= 1;
            }
            receiver.push(frame.into()).await.map_err(bad)?;
        }
        let (meta, snapshot) = receiver.finish().map_err(bad)?;
        self.links.0.lock().snapshots += 1;
        let installed = to.install_full_snapshot(vote, SnapshotOf::<Types, _> { meta, snapshot });
        installed.await.map_err(|error| NetworkError::new(&error).into())
    }
}
