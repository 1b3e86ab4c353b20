//! The cluster as operators see it.

use tollgate_raft::group::GroupStatus;
use tollgate_raft::status::ClusterStatus;

use super::ReplicatedLedger;
use crate::admin::view::{AskedView, ClusterView, GroupView, MemberView};

/// The cluster as this node sees it now.
pub(super) fn cluster(ledger: &ReplicatedLedger) -> ClusterView {
    let status = ledger.status();
    let groups: Vec<_> = status.groups.iter().map(|status| group(ledger, status)).collect();
    let figures = ledger.gateway().figures();
    ClusterView {
        node: status.name.clone(),
        id: format!("{:016x}", status.id),
        cluster: status.cluster.map(|cluster| cluster.to_string()),
        is_whole: !groups.is_empty() && groups.iter().all(|group| group.leader.is_some()),
        members: members(&status, &groups),
        groups,
        asked: AskedView {
            calls: figures.calls.total(),
            batches: figures.batches.total(),
            resent: figures.resent.total(),
            denied_from_memory: figures.denied_locally.total(),
            unanswered: figures.unanswered(),
        },
    }
}

fn members(status: &ClusterStatus, groups: &[GroupView]) -> Vec<MemberView> {
    let member = |founder: &tollgate_raft::meta::Founder| {
        let name = founder.member.name.clone();
        let leads = groups.iter().filter(|group| group.leader.as_ref() == Some(&name));
        MemberView {
            leads: leads.map(|group| group.group).collect(),
            id: Some(format!("{:016x}", founder.id)),
            address: founder.member.address.clone(),
            name,
        }
    };
    status.members.iter().map(member).collect()
}

fn group(ledger: &ReplicatedLedger, status: &GroupStatus) -> GroupView {
    let totals = ledger.totals_of(status.id);
    GroupView {
        group: status.id,
        leader: status.leader.clone(),
        state: status.state.to_owned(),
        term: status.term,
        last_index: status.last.unwrap_or_default(),
        committed_index: status.committed.unwrap_or_default(),
        applied_index: status.applied.unwrap_or_default(),
        snapshot_index: status.snapshot.unwrap_or_default(),
        log_bytes: status.log_bytes as u64,
        keys: totals.keys as u64,
        bytes: totals.bytes as u64,
        sessions: totals.sessions as u64,
        reservations: totals.reservations as u64,
    }
}
