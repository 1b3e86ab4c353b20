//! Logs are bounded whoever is away, and who was away comes back: in one process, in virtual time.

use std::time::Duration;

use bytes::Bytes;

use super::rig::{Rig, WAIT};
use super::{Machine, SharedMachine};
use crate::log::Retention;
use crate::meta::{META_GROUP, Meta};

const ENTRY_BYTES: usize = 16 << 10;

const KEEP: Retention = Retention {
    age_min: Duration::ZERO,
    age_max: Duration::from_secs(3_600),
    bytes_min: 1 << 20,
    bytes_max: 1 << 20,
};

fn meta() -> Machine {
    Machine::Meta(Meta::new())
}

/// Entries that group 0 counts and nothing else.
fn filling() -> Bytes {
    Bytes::from(vec![0xff; ENTRY_BYTES])
}

fn counted(machine: &SharedMachine) -> u64 {
    machine.read(|machine| machine.meta().map(Meta::applied)).expect("group 0")
}

#[tokio::test(start_paused = true)]
async fn a_log_is_bounded_while_a_follower_is_away_which_comes_back_by_a_snapshot() {
    let rig = Rig::start(META_GROUP, meta, KEEP).await;
    rig.write(filling()).await;
    let leader = rig.leader().await.id;
    let away = rig.nodes.keys().copied().find(|&id| id != leader).expect("a follower");
    rig.links.cut(away);
    let mut last = 0;
    for _ in 0..40 {
        for _ in 0..10 {
            last = rig.write(filling()).await;
        }
        tokio::time::sleep(2 * super::TRIM_PERIOD).await; // tidy: virtual time
        let bound = 2 * KEEP.bytes_max;
        for (id, node) in rig.nodes.iter().filter(|(id, _)| **id != away) {
            let figures = node.log.figures();
            assert!(figures.bytes <= bound, "node {id} keeps {figures:?}");
        }
    }
    assert_eq!(rig.links.snapshots(), 0);
    // The first attempt is spoiled on its way, and changes nothing.
    rig.links.spoil_next(1);
    rig.links.heal(away);
    rig.all_applied(last).await;
    assert!(rig.links.is_spoiled());
    assert_eq!(rig.links.snapshots(), 1);
    for node in rig.nodes.values() {
        assert_eq!(counted(&node.machine), 401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_is_behind_by_less_than_is_kept_catches_up_by_entries() {
    let rig = Rig::start(META_GROUP, meta, Retention::default()).await;
    rig.write(filling()).await;
    let leader = rig.leader().await.id;
    let away = rig.nodes.keys().copied().find(|&id| id != leader).expect("a follower");
    rig.links.cut(away);
    let mut last = 0;
    for _ in 0..1_000 {
        last = rig.write(Bytes::from_static(b"\xff")).await;
    }
    rig.links.heal(away);
    rig.all_applied(last).await;
    assert_eq!(rig.links.snapshots(), 0);
    let waited = rig.nodes[&away].raft.wait(WAIT);
    waited.applied_index(Some(last), "nothing beyond").await.expect("applied");
}
