//! This node's part in its cluster: joined before anything listens for callers, left after the last
//! of them was answered.
//!
//! All of it runs on one thread with a runtime of its own; callers meet it in the gateway's queues.

mod figures;
mod ledger;
mod show;
mod thread;

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use tollgate_core::command::Bounds;
use tollgate_core::key::KeySecret;
use tollgate_core::time::Clock;
use tollgate_raft::network::Secret;
use tollgate_raft::node::{Options, Timers};

pub(crate) use self::ledger::ReplicatedLedger;
use self::thread::Thread;
use crate::config::{Cluster, Config, cluster};

/// Why a node has no part in its cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotJoined {
    /// The cluster lives, and this start of the node is none of its members.
    #[error(
        "node {node} was lost by its cluster {cluster}, and this start of it is another node: \
         joining a cluster that lives is not possible yet. Its other nodes decide without it; to \
         have all of them again, restart the whole cluster, which forgets all counters (told by \
         {told_by})"
    )]
    LeftOut {
        /// This node.
        node: String,
        /// The cluster, as 32 hexadecimal digits.
        cluster: String,
        /// Who said so.
        told_by: String,
    },
    /// The nodes contradict each other.
    #[error("the nodes of the cluster contradict each other: {0}")]
    Refused(String),
    /// It ended before it was a member.
    #[error("the cluster's thread ended")]
    Ended,
}

/// A node that is a member of its cluster.
pub(crate) struct Joined {
    thread: Thread,
    ledger: Arc<ReplicatedLedger>,
}

impl Joined {
    /// Becomes a member of the cluster that `config` names, as `member`; waits for all others as long
    /// as that takes, and says for whom. `None` on a node that counts alone.
    ///
    /// # Errors
    /// The peers' address cannot be bound, or [`NotJoined`].
    pub(crate) fn join(
        config: &Config,
        member: Option<&str>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(cluster) = &config.cluster else { return Ok(None) };
        let (name, own) = cluster.own(member)?;
        let listen = listen(cluster, own);
        let listener = std::net::TcpListener::bind(listen);
        let listener = listener.with_context(|| format!("cluster.listen: {listen}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        tracing::info!(event = "listening", listener = "peer", %address);
        figures::describe();
        let options = options(cluster, name, config)?;
        let (thread, ledger) = Thread::start(options, listener, Arc::clone(clock))?;
        Ok(Some(Self { thread, ledger }))
    }

    /// What the keys of the cluster are hashed with.
    pub(crate) fn key_secret(&self) -> KeySecret {
        self.ledger.key_secret()
    }

    /// The counters of the cluster.
    pub(crate) fn ledger(&self) -> Arc<ReplicatedLedger> {
        Arc::clone(&self.ledger)
    }

    /// Leaves its peers and ends its thread.
    pub(crate) fn leave(self) {
        self.thread.end();
    }
}

/// Where a member listens for its peers.
fn listen(cluster: &Cluster, own: &cluster::Member) -> SocketAddr {
    let any = || SocketAddr::from((Ipv6Addr::UNSPECIFIED, own.port()));
    cluster.listen.or(own.ip_address()).unwrap_or_else(any)
}

fn options(cluster: &Cluster, name: &str, config: &Config) -> anyhow::Result<Options> {
    let secret = Secret::new(cluster.secret.as_bytes().to_vec()).context("cluster.secret")?;
    let address =
        |(name, member): (&String, &cluster::Member)| (name.clone(), member.address.clone());
    // Each group holds its part of what the node may hold; room for an uneven spread is the
    // shards' own.
    let groups = usize::try_from(cluster.groups)?;
    let each = |whole: usize| whole.div_ceil(groups);
    Ok(Options {
        name: name.to_owned(),
        peers: cluster.members.iter().map(address).collect(),
        secret,
        groups: cluster.groups,
        bounds: Bounds {
            keys_max: each(config.ledger.keys_max),
            bytes_max: each(config.ledger.bytes_max),
            reservations_max: each(config.ledger.reservations_max),
        },
        timers: Timers {
            heartbeat: cluster.heartbeat,
            election_min: cluster.election,
            election_max: cluster.election * 2,
        },
    })
}
