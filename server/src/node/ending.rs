//! How a node ends: told first, then drained, and its operators can ask until the last.
//!
//! 1. *Told*: health checks say that the node goes (gRPC `NOT_SERVING`, `/readyz` 503,
//!    `/healthcheck` 500), and every listener goes on as before, for the notice.
//! 2. *Callers*: decide and http accept nothing more; what is in flight is answered, within a bound.
//! 3. *Operators*: admin and its socket end last.
//!
//! A second signal ends the process at once. See `docs/adr/2026-11-24-drain.md`.

use std::time::Duration;

use tollgate_runtime::drain::{Asked, Drain, Signals};

use super::listeners::Open;
use crate::grpc::Health;

/// How often it is looked whether anybody is connected.
const LOOK: Duration = Duration::from_millis(20);

/// The exit status of a process that a second signal ended.
const CUT_OFF: i32 = 130;

/// The steps of the end, each of which starts once.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) told: Drain,
    pub(super) callers: Drain,
    pub(super) operators: Drain,
}

impl Ending {
    /// Waits until the node is asked to end, and leads it to where nothing more is accepted from
    /// callers.
    pub(super) async fn lead(
        &self,
        signals: &mut Signals,
        health: &Health,
        notice: Duration,
        open: &Open,
    ) -> anyhow::Result<()> {
        let asked = signals.next().await;
        let (signal, notice_ms) = (asked.name(), notice.as_millis());
        tracing::info!(event = "draining", signal, notice_ms, "health checks are told");
        self.told.start();
        health.stop().await;
        tokio::select! {
            () = tokio::time::sleep(notice) => {}
            () = nobody(asked, open) => {}
            asked = signals.next() => cut_off(asked),
        }
        let connections = open.callers();
        tracing::info!(event = "closing", connections, "finishing calls in flight");
        self.callers.start();
        Ok(())
    }
}

/// Waits until nobody is connected, for a person who is waiting at a terminal. An orchestrator
/// waits in any case: for its callers this node may still be the one to connect to.
async fn nobody(asked: Asked, open: &Open) {
    if asked == Asked::Terminate {
        return std::future::pending().await;
    }
    while open.callers() > 0 {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for cores to end, unless a second signal says not to.
pub(super) async fn join(
    signals: &mut Signals,
    join: impl FnOnce() + Send + 'static,
) -> anyhow::Result<()> {
    let joined = tokio::task::spawn_blocking(join);
    tokio::select! {
        joined = joined => Ok(joined?),
        asked = signals.next() => cut_off(asked),
    }
}

fn cut_off(asked: Asked) -> ! {
    tracing::warn!(event = "drain_cut_off", signal = asked.name(), "second signal");
    std::process::exit(CUT_OFF)
}
