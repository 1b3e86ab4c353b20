//! Native callers of a cluster's nodes, and the history of what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_client::{Check, Client, Decide as _, Error, Executed};
use tollgate_core::time::Clock as _;
use tollgate_runtime::clock::SystemClock;
use tollgate_tests::cluster::{Cluster, Node};
use tollgate_tests::history::{Call, History, Told};

/// How long a caller waits: longer than any election.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A client of one node, which tries nothing twice.
pub(crate) fn client_of(node: &Node) -> Result<Client, Error> {
    let endpoint = format!("http://{}", node.addresses().decide);
    Client::builder().endpoint(endpoint).timeout(TIMEOUT).attempts_max(1).build()
}

/// Callers spread over the nodes of a cluster.
pub(crate) struct Callers {
    clients: Vec<Client>,
    each: usize,
    /// Calls that have ended.
    done: Arc<AtomicUsize>,
}

impl Callers {
    /// So many of each node.
    ///
    /// # Errors
    /// When an address is no endpoint.
    pub(crate) fn of(cluster: &Cluster, each: usize) -> anyhow::Result<Self> {
        let clients = cluster.nodes().iter().map(client_of).collect::<Result<_, _>>()?;
        Ok(Self { clients, each, done: Arc::default() })
    }

    /// How many calls have ended, to be watched while they go on.
    pub(crate) fn done(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.done)
    }

    /// Has every caller make so many calls, one after another.
    pub(crate) async fn run(
        self,
        check: impl Fn() -> Check + Clone + Send + Sync + 'static,
        calls: usize,
    ) -> anyhow::Result<History> {
        let clock = Arc::new(SystemClock::start());
        let start = clock.monotonic();
        let mut callers = JoinSet::new();
        for client in &self.clients {
            for _ in 0..self.each {
                let (client, clock, check) = (client.clone(), Arc::clone(&clock), check.clone());
                let done = Arc::clone(&self.done);
                callers.spawn(async move {
                    let mut history = Vec::new();
                    for _ in 0..calls {
                        let sent = clock.monotonic().since(start);
                        let answer = client.check(&check()).await;
                        let told = match answer {
                            Ok(decision) if decision.allowed() => Told::Allowed,
                            Ok(_) => Told::Denied,
                            Err(error) if error.executed() == Executed::No => Told::NotDone,
                            Err(_) => Told::Unknown,
                        };
                        history.push(Call { sent, ended: clock.monotonic().since(start), told });
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    history
                });
            }
        }
        let calls = callers.join_all().await.into_iter().flatten().collect();
        Ok(History { calls })
    }
}
