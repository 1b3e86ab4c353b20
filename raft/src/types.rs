//! What openraft is told about our log: the one place that names its types for all groups.

use std::fmt;

use bytes::Bytes;
use openraft::alias::{
    CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, StoredMembershipOf, VoteOf,
};
use openraft::impls::{InlineBatch, OneshotResponder, Vote, leader_id_std};
use openraft::vote::RaftLeaderId;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftTypeConfig};

use crate::runtime::Runtime;

/// Names one start of a process. Never used again by another, so that a node that forgot its log
/// cannot speak for the one that wrote it.
pub type NodeId = u64;

/// The types of every group's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types;

impl RaftTypeConfig for Types {
    type D = Data;
    type R = Reply;
    type NodeId = NodeId;
    type Node = Member;
    type Term = u64;
    type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
    type Vote = Vote<Self::LeaderId>;
    type Payload = EntryPayload<Data, NodeId, Member>;
    type Entry = openraft::Entry<<Self::LeaderId as RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = Runtime;
    type Responder<T>
        = OneshotResponder<Self, T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = AnyError;
}

/// The data of an entry: an encoded batch, shared by the log and by every message that carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data(pub Bytes);

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The answers to a batch, encoded; empty where nobody waits for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply(pub Bytes);

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A member of a group, as its log knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The name that its operator gave it.
    pub name: String,
    /// Where its peers reach it: `host:port`.
    pub address: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

/// Names one entry of a group's log: the term that it was written in, and where it stands.
pub type LogId = LogIdOf<Types>;

/// One entry of a group's log.
pub type Entry = EntryOf<Types>;

/// Who a node votes for, and in which term.
pub type RaftVote = VoteOf<Types>;

/// The members of a group, and the entry that named them.
pub type Membership = StoredMembershipOf<Types>;

/// What a snapshot covers.
pub type SnapshotMeta = SnapshotMetaOf<Types>;

/// Names the entry at `index` that the leader of `term` wrote.
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderIdOf::<Types>::new(term), index)
}
