//! Bounds a group's log: notes how far the state goes, and lets go of entries that it covers.

use std::time::Duration;

use openraft::{Config, Raft, SnapshotPolicy};

use super::StateMachine;
use crate::log::{MemoryLog, Releasable, Retention};
use crate::types::Types;

/// How often a log is looked at.
pub const TRIM_PERIOD: Duration = Duration::from_millis(250);

/// Less than this part of the bytes that always stay is not worth the work, unless it is overdue.
const RELEASED_MIN_PART: usize = 8;

/// Longest wait for openraft to note how far the state goes; the next look takes it up again.
const NOTE_TIMEOUT: Duration = Duration::from_secs(1);

/// Milliseconds in which a follower is sent the whole of a snapshot, and installs it.
const SNAPSHOT_TIMEOUT_MILLIS: u64 = 120_000;

/// Sets what this store needs: no snapshot and no purge by numbers of entries, and no leader that
/// takes up where a process ended.
pub fn configure(config: &mut Config) {
    config.snapshot_policy = SnapshotPolicy::Never;
    config.max_in_snapshot_log_to_keep = u64::MAX;
    config.install_snapshot_timeout = SNAPSHOT_TIMEOUT_MILLIS;
    config.enable_leader_restore = Some(false);
}

/// Keeps the log of a group within `retention` until the group ends. Its owner is whoever owns the
/// group's other tasks.
pub async fn keep_trimmed(raft: Raft<Types, StateMachine>, log: MemoryLog, retention: Retention) {
    loop {
        tokio::time::sleep(TRIM_PERIOD).await;
        let Some(releasable) = log.releasable(&retention) else { continue };
        let is_little = releasable.bytes < retention.bytes_min / RELEASED_MIN_PART;
        if is_little && !releasable.is_overdue {
            continue;
        }
        if trim(&raft, releasable).await.is_err() {
            return;
        }
    }
}

/// Fails when the group has ended.
async fn trim(raft: &Raft<Types, StateMachine>, releasable: Releasable) -> Result<(), Ended> {
    let upto = releasable.upto;
    raft.trigger().snapshot().await.map_err(|_| Ended)?;
    let is_covered = |metrics: &openraft::RaftMetrics<Types>| {
        metrics.snapshot.is_some_and(|last| last.index >= upto)
    };
    // Entries that are not applied yet stay: openraft purges what the snapshot covers.
    let _ = raft.wait(Some(NOTE_TIMEOUT)).metrics(is_covered, "the state covers it").await;
    raft.trigger().purge_log(upto).await.map_err(|_| Ended)
}

struct Ended;
