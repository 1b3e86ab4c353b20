//! What the gateway needs of the groups and of the other nodes.
//!
//! Traits, so that tests lead the gateway through every order of events without a network.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tollgate_core::bucket::Outcome;
use tollgate_core::command::Charging;
use tollgate_core::time::{Monotonic, Now};

pub use crate::group::{Committed, GroupId, NotProposed};
use crate::types::NodeId;

/// A group on this node.
pub trait OneGroup: Send + Sync + 'static {
    /// Its name.
    fn id(&self) -> GroupId;

    /// Who leads it and in which term; `None` while there is nobody, or nobody who reaches a majority.
    fn leader(&self) -> Option<(NodeId, u64)>;

    /// The term in which this node leads.
    fn leads(&self) -> Option<u64>;

    /// Puts `data` into the log, if this node still leads in `term`, and waits for its answers.
    /// Called in the order in which entries are to stand; the first poll takes the place.
    fn propose(&self, term: u64, data: Bytes)
    -> BoxFuture<'static, Result<Committed, NotProposed>>;

    /// The latest time that any entry of this node's log was stamped with, and when it came;
    /// `None` for an empty log.
    fn last_stamp(&self) -> Option<(Now, Monotonic)>;

    /// Waits until somebody else leads, or nobody, compared to what [`Self::leader`] told when it
    /// was called.
    fn changed(&self) -> BoxFuture<'static, ()>;

    /// What this node knows of the group's state.
    fn known(&self) -> Known;

    /// By what this node knows: what each charge finds, and what it would be told by itself. Empty if
    /// it knows nothing.
    fn look(&self, charges: &[Charging]) -> Vec<(Outcome, Outcome)>;
}

/// What a node knows of a group's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether it was told its bounds.
    pub is_bounded: bool,
    /// Whether it holds anything that time ends.
    pub holds_anything: bool,
}

/// The way to other nodes.
pub trait Forward: Send + Sync + 'static {
    /// Hands a batch to the node that leads its group. Of one sender's batches to one node, those
    /// sent first arrive first.
    fn forward(
        &self,
        to: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>>;
}
