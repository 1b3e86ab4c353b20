//! The section `cluster` as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use tollgate_raft::meta::GROUPS_MAX;
use tollgate_raft::network::{SECRET_BYTES_MAX, SECRET_BYTES_MIN};

use super::{Range, range};
use crate::config::quantity::Length;

pub(crate) const GROUPS: Range = range(1, GROUPS_MAX as u64);
/// Bytes of the peers' secret.
pub(crate) const SECRET_BYTES: Range = range(SECRET_BYTES_MIN as u64, SECRET_BYTES_MAX as u64);
pub(crate) const HEARTBEAT: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_secs(5));
pub(crate) const ELECTION: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_secs(60));

/// The nodes that count as one. All of them read the same file; each is told its own name by
/// `--node`. Default: none, the node counts alone.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawCluster {
    /// This node's name among `members`, where `--node` and TOLLGATE_NODE do not say it. Default:
    /// empty.
    pub(crate) node: String,
    /// The members by name: three, or five. Names are 1 to 64 of `a`-`z`, `0`-`9`, `.`, `_` and
    /// `-`. Default: none, no cluster.
    pub(crate) members: BTreeMap<String, RawMember>,
    /// What members show each other, 16 to 1024 bytes: `${file:PATH}`, relative to the folder of
    /// this file and without the line's end, or `${env:NAME}`. A secret itself does not belong here.
    /// It is needed where there are members.
    pub(crate) secret: String,
    /// Where this node listens for its peers: an IP address and a port. Default: empty, the port of
    /// its own member on its address, or on `[::]` where that is a name.
    pub(crate) listen: String,
    /// Groups that the counters are divided into, each with a leader of its own. The first start of
    /// the cluster decides. Default: 3. Range: 1 to 8.
    #[schemars(range(min = GROUPS.min, max = GROUPS.max))]
    pub(crate) groups: u64,
    /// How often a leader tells its followers that it is there. Default: 30ms. Range: 10ms to 5s.
    pub(crate) heartbeat: Length,
    /// How long followers wait for a leader before they elect another: so long at least, and at most
    /// twice as long. At least three heartbeats, and ten times the time of a message between
    /// members. Default: 100ms. Range: 50ms to 60s.
    pub(crate) election: Length,
}

impl Default for RawCluster {
    fn default() -> Self {
        Self {
            node: String::new(),
            members: BTreeMap::new(),
            secret: String::new(),
            listen: String::new(),
            groups: 3,
            heartbeat: Length(Duration::from_millis(30)),
            election: Length(Duration::from_millis(100)),
        }
    }
}

/// A member.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawMember {
    /// Where its peers reach it: a name or an IP address, and a port.
    pub(crate) address: String,
    /// Addresses of its listeners, instead of those in `listeners`: for members that share a
    /// machine.
    #[serde(default)]
    pub(crate) listeners: RawMemberListeners,
}

/// Addresses of a member's listeners; empty ones are those of `listeners`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawMemberListeners {
    /// gRPC.
    pub(crate) decide: String,
    /// HTTP.
    pub(crate) http: String,
    /// For operators.
    pub(crate) admin: String,
}
