//! One group on this node: its log, its state, and who leads it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::errors::{ClientWriteError, Fatal, ForwardToLeader, InitializeError, RaftError};
use openraft::impls::OneshotResponder;
use openraft::metrics::RaftServerMetrics;
use openraft::{Instant as _, Raft, ServerState};
use openraft_rt::WatchReceiver as _;
use tokio::sync::Semaphore;
use tollgate_core::time::{Monotonic, Now};

use crate::log::{MemoryLog, Stamp};
use crate::machine::{SharedMachine, StateMachine};
use crate::types::{Data, Member, NodeId, Types};

/// Names a group: 0 is the one that knows of the cluster, counters are in those from 1 on.
pub type GroupId = u32;

/// A batch that the log has, and its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Where it stands in the log.
    pub index: u64,
    /// The answers, encoded.
    pub reply: Bytes,
}

/// Why a batch was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProposed {
    /// It is surely not in the log: this node does not lead, or does not reach a majority. It may
    /// know who leads.
    #[error("another node leads")]
    NotLeader(Option<NodeId>),
    /// It may be in the log, now or later.
    #[error("nobody knows whether it is in the log")]
    Unknown,
}

/// What operators see of a group on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// Which group.
    pub id: GroupId,
    /// The name of its leader, if there is one.
    pub leader: Option<String>,
    /// The term of this node.
    pub term: u64,
    /// The last entry of this node's log.
    pub last: Option<u64>,
    /// The last entry that this node knows to be on a majority.
    pub committed: Option<u64>,
    /// The last entry that this node applied.
    pub applied: Option<u64>,
    /// The last entry of this node's newest snapshot.
    pub snapshot: Option<u64>,
    /// Snapshots that this node took over from a leader.
    pub installed: u64,
    /// The names of those who vote.
    pub voters: Vec<String>,
    /// `leader`, `follower`, `candidate`, `learner` or `stopped`.
    pub state: &'static str,
    /// Bytes of the entries that this node keeps.
    pub log_bytes: usize,
    /// Snapshots that this node took from leaders.
    pub snapshots_installed: u64,
}

/// One group on this node.
pub struct Group {
    id: GroupId,
    raft: Raft<Types, StateMachine>,
    machine: SharedMachine,
    log: MemoryLog,
    /// A leader that did not hear from a majority for so long leads nobody.
    lease: Duration,
    /// One snapshot at a time comes in.
    pub(crate) receiving: Arc<Semaphore>,
    pub(crate) snapshots_installed: AtomicU64,
}

impl Group {
    pub(crate) fn new(
        id: GroupId,
        raft: Raft<Types, StateMachine>,
        machine: SharedMachine,
        log: MemoryLog,
        lease: Duration,
    ) -> Self {
        let receiving = Arc::new(Semaphore::new(1));
        Self { id, raft, machine, log, lease, receiving, snapshots_installed: AtomicU64::new(0) }
    }

    /// Its name.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Who leads it, and in which term; `None` while there is nobody, or only this node and it does
    /// not reach a majority.
    pub fn leader(&self) -> Option<(NodeId, u64)> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let leader = metrics.current_leader?;
        if leader == metrics.id {
            let acked = metrics.last_quorum_acked.as_ref()?;
            if metrics.state != ServerState::Leader || acked.elapsed() > self.lease {
                return None;
            }
        }
        Some((leader, metrics.current_term))
    }

    /// The term in which this node leads; `None` if it does not, or does not reach a majority.
    pub fn is_leader(&self) -> Option<u64> {
        self.leader().filter(|(leader, _)| leader == self.raft.node_id()).map(|(_, term)| term)
    }

    /// Puts `data` into the log, if this node still leads in `term`, and waits for its answers.
    /// Those polled first stand first.
    ///
    /// # Errors
    ///
    /// If it is surely not in the log, or nobody knows.
    pub async fn propose(&self, term: u64, data: Bytes) -> Result<Committed, NotProposed> {
        let (responder, written) = OneshotResponder::new_pair();
        let sent = self.raft.write(Data(data)).with_leader(term).responder(responder).await;
        // The group's task is gone, and never saw it.
        sent.map_err(|_| NotProposed::NotLeader(None))?;
        let written = written.await.map_err(|_| NotProposed::Unknown)?;
        let written = written.map_err(|error| match error {
            ClientWriteError::ForwardToLeader(ForwardToLeader { leader_id, .. }) => {
                NotProposed::NotLeader(leader_id)
            }
            ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_)
            | ClientWriteError::LogEntryDiscarded(_) => NotProposed::Unknown,
        })?;
        Ok(Committed { index: written.log_id.index, reply: written.data.0 })
    }

    /// The latest time that an entry of this node's log was stamped with, and when it came. Zeros
    /// for a log that never had one.
    pub fn last_stamp(&self) -> (Now, Monotonic) {
        let Stamp { at, received } = self.log.last_stamp();
        (at, received)
    }

    /// The state on this node.
    pub fn machine(&self) -> &SharedMachine {
        &self.machine
    }

    /// Waits until the leader or the term is another than now, as far as this node knows; at once if
    /// the group ends. A leader that only lost its majority is not told of.
    pub async fn changed(&self) {
        let mut metrics = self.raft.server_metrics();
        let seen = |metrics: &RaftServerMetrics<Types>| {
            (metrics.current_leader, metrics.vote.leader_id.term)
        };
        let before = seen(&metrics.borrow_and_update());
        while metrics.changed().await.is_ok() {
            if seen(&metrics.borrow_and_update()) != before {
                return;
            }
        }
    }

    /// What operators see.
    pub fn status(&self) -> GroupStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let name = |id: NodeId| {
            membership.get_node(&id).map_or_else(|| id.to_string(), |member| member.name.clone())
        };
        GroupStatus {
            id: self.id,
            leader: metrics.current_leader.map(name),
            term: metrics.current_term,
            last: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index),
            applied: metrics.last_applied.map(|id| id.index),
            snapshot: metrics.snapshot.map(|id| id.index),
            installed: self.machine.installed(),
            voters: membership.voter_ids().map(name).collect(),
            state: match (&metrics.running_state, metrics.state) {
                (Err(_), _) | (Ok(()), ServerState::Shutdown) => "stopped",
                (Ok(()), ServerState::Leader) => "leader",
                (Ok(()), ServerState::Follower) => "follower",
                (Ok(()), ServerState::Candidate) => "candidate",
                (Ok(()), ServerState::Learner) => "learner",
            },
            log_bytes: self.log.figures().bytes,
            snapshots_installed: self.snapshots_installed.load(Ordering::Relaxed),
        }
    }

    /// Makes these the members of a group that has none. A group that has some stays as it is.
    pub(crate) async fn initialize(
        &self,
        members: BTreeMap<NodeId, Member>,
    ) -> Result<(), RaftError<Types, InitializeError<Types>>> {
        match self.raft.initialize(members).await {
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether it ever had members.
    pub(crate) async fn is_initialized(&self) -> Result<bool, Fatal<Types>> {
        self.raft.is_initialized().await
    }

    pub(crate) fn raft(&self) -> &Raft<Types, StateMachine> {
        &self.raft
    }
}
