//! What operators and metrics see of this node's part in its cluster.

use crate::group::GroupStatus;
use crate::meta::{ClusterId, Founder};
use crate::node::Phase;
use crate::types::NodeId;

/// This node and its cluster, as it knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The node's name.
    pub name: String,
    /// This start of it.
    pub id: NodeId,
    /// How far it has come.
    pub phase: Phase,
    /// Which cluster it is a member of.
    pub cluster: Option<ClusterId>,
    /// Who is a member, in the order of their names.
    pub members: Vec<Founder>,
    /// Its groups, in the order of their numbers.
    pub groups: Vec<GroupStatus>,
}
