//! What a node is started with.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::Config;
use tollgate_core::command::Bounds;
use tollgate_core::time::Clock;

use crate::group::GroupId;
use crate::machine::{Watcher, configure};
use crate::meta::{GROUPS_MAX, MEMBERS_MAX, is_name};
use crate::network::{Dial, Incoming, Secret};
use crate::snapshot::Work;

/// Fills bytes with randomness that nobody guesses; an error if there is none.
pub type Random = Arc<dyn Fn(&mut [u8]) -> io::Result<()> + Send + Sync>;

/// The system's randomness.
pub fn system_random() -> Random {
    Arc::new(|bytes| getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string())))
}

/// What an operator says.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's name: one of `peers`.
    pub name: String,
    /// Where each node is reached by the others, `host:port` by name; this one too.
    pub peers: BTreeMap<String, String>,
    /// What the nodes know each other by.
    pub secret: Secret,
    /// Groups of counters of a cluster that this node founds: 1 to [`GROUPS_MAX`]. A cluster that
    /// exists keeps its own.
    pub groups: u32,
    /// What each group of counters may hold, of a cluster that this node founds.
    pub bounds: Bounds,
    /// How fast a lost leader is noticed.
    pub timers: Timers,
}

/// What a node is made of beside its options: time, randomness and connections, so that a simulation
/// decides all of them.
pub struct Parts {
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// How peers are dialed.
    pub dial: Arc<dyn Dial>,
    /// The connections of peers.
    pub incoming: Incoming,
    /// Where ids and the key secret come from.
    pub random: Random,
    /// Seeds the election times of a simulation; `None` elsewhere.
    pub seed: Option<u64>,
    /// Where snapshots are written.
    pub work: Work,
    /// Who is told of what entries forget, for each group.
    pub watcher: Arc<dyn Fn(GroupId) -> Arc<dyn Watcher> + Send + Sync>,
}

/// How fast a lost leader is noticed. Milliseconds count; less is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// A leader gives a sign of life this often.
    pub heartbeat: Duration,
    /// A follower that hears of none for this long, at least, wants to lead.
    pub election_min: Duration,
    /// And for this long at most. A new leader is found within about twice this.
    pub election_max: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(30),
            election_min: Duration::from_millis(100),
            election_max: Duration::from_millis(200),
        }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// This cannot be a name.
    #[error("{0:?} cannot be a node's name: it has letters, digits, `-`, `_` and `.`, at most 63")]
    Name(String),
    /// Nobody could reach it.
    #[error("this node, {0}, is not among its peers")]
    NotAPeer(String),
    /// Too many.
    #[error("{0} nodes are listed; a cluster has at most {MEMBERS_MAX}")]
    Peers(usize),
    /// Too long.
    #[error("the address of {0} is not host:port of at most 300 bytes")]
    Address(String),
    /// None or too many.
    #[error("{0} groups of counters; a cluster has 1 to {GROUPS_MAX}")]
    Groups(u32),
    /// The times contradict each other.
    #[error("the timers contradict each other: {0}")]
    Timers(#[from] openraft::ConfigError),
    /// There is no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(#[from] io::Error),
}

/// Bytes of a peer's address, at most.
const ADDRESS_BYTES_MAX: usize = 300;

/// Requests that may wait for a group's own task. openraft's 65 536 slots cost 2 MB a group; the
/// gateway has four batches of each node in flight.
const GROUP_QUEUE_MAX: u64 = 1_024;

/// Entries of one message, at most; its bytes are bounded by the log.
const MESSAGE_ENTRIES_MAX: u64 = 1_024;

impl Options {
    /// Judges the options, and says what they mean to openraft.
    pub(super) fn check(&self) -> Result<Arc<Config>, NotStarted> {
        if let Some(name) = self.peers.keys().chain([&self.name]).find(|name| !is_name(name)) {
            return Err(NotStarted::Name(name.clone()));
        }
        if !self.peers.contains_key(&self.name) {
            return Err(NotStarted::NotAPeer(self.name.clone()));
        }
        if self.peers.len() > MEMBERS_MAX {
            return Err(NotStarted::Peers(self.peers.len()));
        }
        let is_wrong = |(_, address): &(&String, &String)| {
            address.len() > ADDRESS_BYTES_MAX || !address.contains(':')
        };
        if let Some((name, _)) = self.peers.iter().find(is_wrong) {
            return Err(NotStarted::Address(name.clone()));
        }
        if !(1..=GROUPS_MAX).contains(&self.groups) {
            return Err(NotStarted::Groups(self.groups));
        }
        Ok(Arc::new(self.timers.config().validate()?))
    }
}

impl Timers {
    fn config(self) -> Config {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut config = Config {
            cluster_name: "tollgate".into(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election_min),
            election_timeout_max: millis(self.election_max),
            // A node that was cut off must not unseat the leader when it is back.
            enable_pre_vote: Some(true),
            max_payload_entries: MESSAGE_ENTRIES_MAX,
            api_channel_size: Some(GROUP_QUEUE_MAX),
            notification_channel_size: Some(GROUP_QUEUE_MAX),
            state_machine_channel_size: Some(GROUP_QUEUE_MAX),
            ..Config::default()
        };
        configure(&mut config);
        config
    }
}

#[cfg(test)]
mod tests {
    use openraft::SnapshotPolicy;

    use super::*;

    #[test]
    fn every_cure_of_openraft_s_defaults_is_set() {
        let config = Timers::default().config().validate().unwrap();
        assert_eq!(config.snapshot_policy, SnapshotPolicy::Never);
        assert_eq!(config.max_in_snapshot_log_to_keep, u64::MAX);
        assert_eq!(config.install_snapshot_timeout, 120_000);
        assert_eq!(config.enable_leader_restore, Some(false));
        assert_eq!(config.enable_pre_vote, Some(true));
        assert_ne!(config.broadcast_submitted_on_append, Some(true));
        assert_ne!(config.allow_log_reversion, Some(true));
    }
}
