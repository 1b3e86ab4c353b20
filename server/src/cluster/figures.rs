//! What `/metrics` shows of the cluster.

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use tollgate_raft::gateway::Figures;
use tollgate_raft::group::GroupStatus;

use super::ReplicatedLedger;

const LEADS: &str = "tollgate_raft_leads";
const HAS_LEADER: &str = "tollgate_raft_has_leader";
const TERM: &str = "tollgate_raft_term";
const COMMITTED: &str = "tollgate_raft_committed_index";
const APPLIED: &str = "tollgate_raft_applied_index";
const LAG: &str = "tollgate_raft_lag_entries";
const LOG_BYTES: &str = "tollgate_raft_log_bytes";
const SNAPSHOTS: &str = "tollgate_raft_snapshots_installed_total";
const KEYS: &str = "tollgate_raft_keys";
const BYTES: &str = "tollgate_raft_bytes";
const SESSIONS: &str = "tollgate_raft_sessions";
const WAITING: &str = "tollgate_cluster_waiting_calls";
const CALLS: &str = "tollgate_cluster_calls_total";
const BATCHES: &str = "tollgate_cluster_batches_total";
const BATCH_BYTES: &str = "tollgate_cluster_batch_bytes_total";
const QUEUE_TIME: &str = "tollgate_cluster_queue_microseconds_total";
const COMMIT_TIME: &str = "tollgate_cluster_commit_microseconds_total";
const FORWARDED: &str = "tollgate_cluster_forwarded_batches_total";
const RESENT: &str = "tollgate_cluster_resent_batches_total";
const ENTRIES: &str = "tollgate_cluster_entries_total";
const DENIED: &str = "tollgate_cluster_denied_from_memory_total";
const TAKEN_BACK: &str = "tollgate_cluster_taken_back_total";
const UNANSWERED: &str = "tollgate_cluster_unanswered_total";

/// Says what the figures are.
pub(super) fn describe() {
    describe_gauge!(LEADS, "1 if this node leads the group.");
    describe_gauge!(HAS_LEADER, "1 if this node knows of a leader that reaches a majority.");
    describe_gauge!(TERM, "Elections that led to the group's leader.");
    describe_gauge!(COMMITTED, "The newest entry that a majority has, as this node knows it.");
    describe_gauge!(APPLIED, "The newest entry that this node has counted.");
    describe_gauge!(LAG, "Entries that a majority has and this node has not counted yet.");
    describe_gauge!(LOG_BYTES, "Bytes of entries that this node keeps.");
    describe_counter!(SNAPSHOTS, "Snapshots of the group that this node took over from a leader.");
    describe_gauge!(KEYS, "Keys of the group on this node.");
    describe_gauge!(BYTES, "Bytes that they account for.");
    describe_gauge!(SESSIONS, "Nodes whose last answers the group remembers.");
    describe_gauge!(WAITING, "Calls that wait on this node for a batch of the group.");
    describe_counter!(CALLS, "Calls that were put into batches; one over several groups in each.");
    describe_counter!(BATCHES, "Batches that this node made.");
    describe_counter!(BATCH_BYTES, "Bytes of them.");
    describe_counter!(QUEUE_TIME, "Time that calls waited for their batch.");
    describe_counter!(COMMIT_TIME, "Time from a batch's making to its answers.");
    describe_counter!(FORWARDED, "Batches that went to another node, which leads.");
    describe_counter!(RESENT, "Batches that were sent again because their leader was lost.");
    describe_counter!(ENTRIES, "Entries that this node proposed as a leader.");
    describe_counter!(DENIED, "Charges that this node denied from memory, without an entry.");
    describe_counter!(TAKEN_BACK, "Charges given back because another group refused its part.");
    describe_counter!(UNANSWERED, "Calls that the cluster did not answer, by reason.");
}

/// Brings the figures up to date.
pub(super) fn measure(ledger: &ReplicatedLedger) {
    for status in &ledger.status().groups {
        group(ledger, status);
    }
    for (at, waiting) in ledger.gateway().waiting().enumerate() {
        gauge!(WAITING, vec![of_group(at as u32 + 1)]).set(waiting as f64);
    }
    asked(ledger.gateway().figures());
}

fn of_group(id: u32) -> Label {
    Label::new("group", id.to_string())
}

fn group(ledger: &ReplicatedLedger, status: &GroupStatus) {
    let label = || vec![of_group(status.id)];
    let index = |index: Option<u64>| index.unwrap_or_default() as f64;
    let lag = status.committed.unwrap_or_default().saturating_sub(status.applied.unwrap_or(0));
    let totals = ledger.totals_of(status.id);
    let values = [
        (LEADS, f64::from(u8::from(status.state == "leader"))),
        (HAS_LEADER, f64::from(u8::from(status.leader.is_some()))),
        (TERM, status.term as f64),
        (COMMITTED, index(status.committed)),
        (APPLIED, index(status.applied)),
        (LAG, lag as f64),
        (LOG_BYTES, status.log_bytes as f64),
        (KEYS, totals.keys as f64),
        (BYTES, totals.bytes as f64),
        (SESSIONS, totals.sessions as f64),
    ];
    for (name, value) in values {
        gauge!(name, label()).set(value);
    }
    counter!(SNAPSHOTS, label()).absolute(status.installed);
}

fn asked(figures: &Figures) {
    for (name, count) in [
        (CALLS, &figures.batched),
        (BATCHES, &figures.batches),
        (BATCH_BYTES, &figures.batch_bytes),
        (FORWARDED, &figures.forwarded),
        (RESENT, &figures.resent),
        (ENTRIES, &figures.proposed),
        (DENIED, &figures.denied_locally),
        (TAKEN_BACK, &figures.taken_back),
    ] {
        counter!(name).absolute(count.total());
    }
    for (name, nanos) in [(QUEUE_TIME, &figures.queue_nanos), (COMMIT_TIME, &figures.commit_nanos)]
    {
        // The exporter's counters are integers.
        counter!(name).absolute(nanos.total() / 1_000);
    }
    for (reason, count) in [
        ("overloaded", &figures.overloaded),
        ("not_sent", &figures.not_executed),
        ("no_leader", &figures.leaderless),
        ("timed_out", &figures.timed_out),
        ("refused", &figures.not_done),
    ] {
        counter!(UNANSWERED, "reason" => reason).absolute(count.total());
    }
}
