//! The shapes of what a node says of its cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer of `GET /v1/cluster`: the cluster as this node sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterView {
    /// This node's name.
    pub node: String,
    /// This start of this node, as 16 hexadecimal digits: another start is another member.
    pub id: String,
    /// The cluster, as 32 hexadecimal digits; absent until it is born.
    pub cluster: Option<String>,
    /// Every group has a leader that this node knows of, so that every key can be charged.
    pub is_whole: bool,
    /// By name.
    pub members: Vec<MemberView>,
    /// By number. The first one knows the members, all others count.
    pub groups: Vec<GroupView>,
    /// What this node asks of the groups.
    pub asked: AskedView,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// The start of it that is a member, as 16 hexadecimal digits; absent until the cluster is born.
    pub id: Option<String>,
    /// Where its peers reach it.
    pub address: String,
    /// The groups that it leads.
    pub leads: Vec<u32>,
}

/// A group, as this node has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupView {
    /// Its number.
    pub group: u32,
    /// Its leader's name; absent while there is none, or this node cannot reach a majority.
    pub leader: Option<String>,
    /// What this node is in it: `leader`, `follower`, `candidate` or `learner`.
    pub state: String,
    /// The number of elections that led to it.
    pub term: u64,
    /// The newest entry of this node's log.
    pub last_index: u64,
    /// The newest entry that a majority has, as far as this node knows.
    pub committed_index: u64,
    /// The newest entry that this node has counted.
    pub applied_index: u64,
    /// The newest entry of this node's newest snapshot; zero without one.
    pub snapshot_index: u64,
    /// Bytes of entries that this node keeps.
    pub log_bytes: u64,
    /// Keys.
    pub keys: u64,
    /// Bytes that the keys account for.
    pub bytes: u64,
    /// Nodes whose last answers are remembered.
    pub sessions: u64,
    /// Open reservations.
    pub reservations: u64,
}

/// What a node asks of the groups, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AskedView {
    /// Requests that were put into batches.
    pub calls: u64,
    /// Batches: one entry of a log each.
    pub batches: u64,
    /// Batches that were sent again, because their leader was lost.
    pub resent: u64,
    /// Charges that were denied from memory, without an entry.
    pub denied_from_memory: u64,
    /// Requests that no group answered in time, or that found the queue full.
    pub unanswered: u64,
}
