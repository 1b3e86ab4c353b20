//! A node of a cluster: founds it with the others or finds that it cannot, and runs its groups.
//!
//! Everything runs as tasks on the runtime that [`Cluster::start`] is called on, and ends with
//! [`Cluster::shutdown`].

mod founding;
mod options;
mod resident;
#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod simulated_tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::options::{NotStarted, Options, Parts, Random, Timers, system_random};
use self::resident::{Reached, Resident, State, new_id};
use crate::group::{Committed, Group, GroupId, NotProposed};
use crate::meta::{ClusterId, Spec};
use crate::network::{Forwarder, Peers, serve};
use crate::runtime::seeded;
use crate::status::ClusterStatus;
use crate::types::NodeId;

/// Longest wait for tasks to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// How far a node has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is a member of no cluster and waits for these.
    Waiting {
        /// Names of nodes.
        missing: Vec<String>,
    },
    /// The other nodes are a cluster that this start is no member of. Nothing is decided here.
    LeftOut {
        /// Theirs.
        cluster: ClusterId,
        /// The name of one of them.
        told_by: String,
    },
    /// The nodes contradict each other; people must repair it.
    Refused(String),
    /// All nodes are there, and group 0 begins.
    Founded,
    /// It is a member.
    Member,
}

/// Takes the batches that other nodes hand to this one.
pub trait Forwarded: Send + Sync + 'static {
    /// Puts a batch of `from` into the log of a group that this node leads, and waits for its
    /// answers. Called in the order in which batches came.
    fn forwarded(
        &self,
        from: NodeId,
        group: GroupId,
        batch: Bytes,
    ) -> BoxFuture<'static, Result<Committed, NotProposed>>;
}

/// This node of a cluster. Clones are the same node.
#[derive(Clone)]
pub struct Cluster {
    resident: Arc<Resident>,
}

impl Cluster {
    /// Starts the node on the current runtime. It answers its peers at once and becomes a member when
    /// it can: see [`Cluster::phase`].
    ///
    /// # Errors
    ///
    /// If the options make no node.
    pub fn start(options: Options, parts: Parts) -> Result<Self, NotStarted> {
        let config = options.check()?;
        let Parts { clock, dial, incoming, random, seed, work, watcher } = parts;
        let id = new_id(&random)?;
        let secret = options.secret.clone();
        let peers = Arc::new(Peers::new(dial, Arc::clone(&clock), secret.clone()));
        let missing = options.peers.keys().filter(|name| **name != options.name).cloned();
        let (phase, _) = watch::channel(Phase::Waiting { missing: missing.collect() });
        let ended = CancellationToken::new();
        let resident = Arc::new(Resident {
            options,
            config,
            clock,
            random,
            seed,
            work,
            watcher,
            peers,
            tasks: TaskTracker::new(),
            ended: ended.clone(),
            phase,
            forwarded: OnceLock::new(),
            state: Mutex::new(State { id, running: None }),
            becoming: tokio::sync::Mutex::default(),
        });
        let host = Arc::new(Reached(Arc::clone(&resident)));
        let serving = serve(host, secret, work, incoming, ended.clone());
        let founding = founding::founding(Arc::clone(&resident));
        let founding = async move { ended.run_until_cancelled(founding).await };
        match seed {
            Some(seed) => {
                resident.tasks.spawn(seeded(seed, serving));
                resident.tasks.spawn(seeded(seed.rotate_left(32), founding));
            }
            None => {
                resident.tasks.spawn(serving);
                resident.tasks.spawn(founding);
            }
        }
        Ok(Self { resident })
    }

    /// How far it has come, now and from now on.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.resident.phase.subscribe()
    }

    /// This start of the node. Another one, if a founding that came to nothing was given up.
    pub fn id(&self) -> NodeId {
        self.resident.state.lock().id
    }

    /// What the cluster is, once there is one.
    pub fn spec(&self) -> Option<Arc<Spec>> {
        self.resident.running().map(|running| Arc::clone(&running.spec))
    }

    /// A group, once there is a cluster.
    pub fn group(&self, id: GroupId) -> Option<Arc<Group>> {
        let running = self.resident.running()?;
        running.groups.get(usize::try_from(id).ok()?).cloned()
    }

    /// The way to the leaders of groups, once there is a cluster.
    pub fn forwarder(&self) -> Option<Arc<Forwarder>> {
        self.resident.running().map(|running| Arc::clone(&running.forwarder))
    }

    /// Who takes the batches of other nodes. Until it is said, they hear that this node leads
    /// nothing; it is said once.
    pub fn set_forwarded(&self, forwarded: Arc<dyn Forwarded>) {
        let _ = self.resident.forwarded.set(forwarded);
    }

    /// What operators see.
    pub fn status(&self) -> ClusterStatus {
        let running = self.resident.running();
        let groups = running.iter().flat_map(|running| &running.groups);
        ClusterStatus {
            name: self.resident.options.name.clone(),
            id: self.id(),
            phase: self.resident.phase.borrow().clone(),
            cluster: running.as_ref().map(|running| running.spec.cluster()),
            members: running.iter().flat_map(|running| running.spec.members()).cloned().collect(),
            groups: groups.map(|group| group.status()).collect(),
        }
    }

    /// A defect: the node takes the name and the place of a start that is over.
    #[cfg(test)]
    pub(crate) async fn go_on_as(&self, old: NodeId, spec: Spec) {
        self.resident.state.lock().id = old;
        drop(self.resident.become_member(spec).await);
    }

    /// Ends every task of the node.
    pub async fn shutdown(&self) {
        self.resident.ended.cancel();
        if let Some(running) = self.resident.running() {
            running.stop().await;
        }
        self.resident.tasks.close();
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, self.resident.tasks.wait()).await.is_err() {
            tracing::warn!(event = "cluster_not_stopped");
        }
    }
}
