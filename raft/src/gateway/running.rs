//! The tasks that serve a gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_core::time::Clock;

use super::batcher::{Batcher, Way};
use super::denials::Denials;
use super::figures::Figures;
use super::groups::OneGroup;
use super::proposer::{Proposals, Proposer};
use super::queue::Queue;
use super::{Parts, proposer};

/// How often ended denials are dropped that nobody asked for again.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The tasks of a gateway: two for each group.
pub struct Running {
    tasks: Vec<(Batcher, Proposer)>,
    denials: Arc<Denials>,
    clock: Arc<dyn Clock>,
}

impl Running {
    pub(super) fn new(denials: Arc<Denials>, clock: Arc<dyn Clock>) -> Self {
        Self { tasks: Vec::new(), denials, clock }
    }

    pub(super) fn add(
        &mut self,
        parts: &Parts,
        group: &Arc<dyn OneGroup>,
        queue: &Arc<Queue>,
        figures: &Arc<Figures>,
    ) -> Proposals {
        let (proposals, proposed) = proposer::Proposals::channel();
        let way = Way {
            me: parts.me,
            group: Arc::clone(group),
            proposals: proposals.clone(),
            forward: Arc::clone(&parts.forward),
            clock: Arc::clone(&parts.clock),
            figures: Arc::clone(figures),
        };
        let proposer = Proposer {
            group: Arc::clone(group),
            clock: Arc::clone(&parts.clock),
            bounds: parts.bounds,
            figures: Arc::clone(figures),
            queue: proposed,
        };
        self.tasks.push((Batcher::new(way, Arc::clone(queue)), proposer));
        proposals
    }

    /// Serves the gateway on the current runtime for as long as it is polled; what it started ends
    /// when it is dropped. It ends by itself only by a defect in one of its tasks.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        for (batcher, proposer) in self.tasks {
            tasks.spawn(batcher.run());
            tasks.spawn(proposer.run());
        }
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            tokio::select! {
                Some(ended) = tasks.join_next() => {
                    let error = ended.err().map(|error| error.to_string());
                    tracing::error!(event = "gateway_ended", error, "a task of the gateway ended");
                    return;
                }
                _ = every.tick() => self.denials.sweep(self.clock.monotonic()),
            }
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("groups", &self.tasks.len()).finish_non_exhaustive()
    }
}
