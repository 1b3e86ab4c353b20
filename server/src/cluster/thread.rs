//! The thread that a node's groups live on.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tollgate_core::time::Clock;
use tollgate_raft::gateway::seat::watcher;
use tollgate_raft::gateway::{self, Denials, Gateway};
use tollgate_raft::network::{TcpDial, incoming};
use tollgate_raft::node::{Cluster, Options, Parts, Phase, system_random};
use tollgate_raft::snapshot::Work;

use super::{NotJoined, ReplicatedLedger};

/// How often a node that waits for others says so.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// A thread with a runtime, which ends when it is told to.
pub(super) struct Thread {
    ended: CancellationToken,
    thread: JoinHandle<()>,
}

type Started = anyhow::Result<Arc<ReplicatedLedger>>;

impl Thread {
    /// Starts the thread and waits until the node is a member.
    pub(super) fn start(
        options: Options,
        listener: std::net::TcpListener,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<(Self, Arc<ReplicatedLedger>)> {
        let ended = CancellationToken::new();
        let (told, started) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let until = ended.clone();
        let live = move || runtime.block_on(live(options, listener, clock, told, until));
        let thread = std::thread::Builder::new().name("cluster".to_owned()).spawn(live)?;
        match started.recv().unwrap_or_else(|_| Err(NotJoined::Ended.into())) {
            Ok(ledger) => Ok((Self { ended, thread }, ledger)),
            Err(error) => {
                ended.cancel();
                drop(thread.join());
                Err(error)
            }
        }
    }

    pub(super) fn end(self) {
        self.ended.cancel();
        if self.thread.join().is_err() {
            tracing::error!(event = "cluster_panicked");
        }
    }
}

async fn live(
    options: Options,
    listener: std::net::TcpListener,
    clock: Arc<dyn Clock>,
    told: mpsc::Sender<Started>,
    ended: CancellationToken,
) {
    let denials = Arc::new(Denials::new(
        usize::try_from(options.groups).unwrap_or_default(),
        gateway::DENIALS_MAX,
    ));
    let started = start(options.clone(), listener, Arc::clone(&clock), &denials);
    let cluster = match started {
        Ok(cluster) => cluster,
        Err(error) => return drop(told.send(Err(error))),
    };
    let joined = tokio::select! {
        joined = joined(&cluster, &options.name) => joined,
        () = ended.cancelled() => Err(NotJoined::Ended),
    };
    let ledger = joined.map_err(Into::into).and_then(|()| ledger(&cluster, clock, denials));
    match ledger {
        Ok((ledger, running)) => {
            drop(told.send(Ok(ledger)));
            tokio::select! {
                () = running.run() => {}
                () = ended.cancelled() => {}
            }
        }
        Err(error) => drop(told.send(Err(error))),
    }
    cluster.shutdown().await;
}

fn start(
    options: Options,
    listener: std::net::TcpListener,
    clock: Arc<dyn Clock>,
    denials: &Arc<Denials>,
) -> anyhow::Result<Cluster> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let parts = Parts {
        clock,
        dial: Arc::new(TcpDial),
        incoming: incoming(listener),
        random: system_random(),
        seed: None,
        work: Work::Aside,
        watcher: watcher(denials),
    };
    Ok(Cluster::start(options, parts)?)
}

/// Waits until the node is a member.
async fn joined(cluster: &Cluster, name: &str) -> Result<(), NotJoined> {
    let mut phases = cluster.phase();
    let mut say = tokio::time::interval(SAY_EVERY);
    loop {
        let phase = phases.borrow_and_update().clone();
        match &phase {
            Phase::Member => return Ok(()),
            Phase::LeftOut { cluster, told_by } => {
                let (node, cluster) = (name.to_owned(), cluster.to_string());
                return Err(NotJoined::LeftOut { node, cluster, told_by: told_by.clone() });
            }
            Phase::Refused(why) => return Err(NotJoined::Refused(why.clone())),
            Phase::Waiting { .. } | Phase::Founded => {}
        }
        tokio::select! {
            changed = phases.changed() => changed.map_err(|_| NotJoined::Ended)?,
            _ = say.tick() => if let Phase::Waiting { missing } = &phase {
                let missing = missing.join(", ");
                tracing::info!(event = "cluster_waiting", missing, "a cluster is born of all members");
            },
        }
    }
}

fn ledger(
    cluster: &Cluster,
    clock: Arc<dyn Clock>,
    denials: Arc<Denials>,
) -> anyhow::Result<(Arc<ReplicatedLedger>, gateway::Running)> {
    let (gateway, running) =
        Gateway::of_cluster(cluster, clock, denials, gateway::Options::default())
            .context("no cluster")?;
    let ledger = ReplicatedLedger::new(cluster.clone(), gateway).context("no cluster")?;
    Ok((Arc::new(ledger), running))
}
