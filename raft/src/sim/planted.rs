//! Defects that are put into the product on purpose, so that a test can see that they are found.
//!
//! The product asks for them in its tests only. One thread runs one simulation, so what is planted is
//! the thread's.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use openraft::EntryPayload;
use tollgate_core::replica::{Batch, Image, ONCE_PARTS, RESERVATION_PARTS, Replica};
use tollgate_core::store::Shard;
use tollgate_core::time::{LogTime, NANOS_PER_SECOND, Now, saturating_nanos};
use tollgate_proto::log::{decode_batch, encode_batch};

use crate::machine::Machine;
use crate::types::{Entry, LogId};

/// A defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Batches are executed at the time of the node that executes them.
    LocalTime,
    /// What nodes were answered is forgotten when another node leads.
    ForgottenSessions,
    /// A node that lost its log goes on under its old name.
    OldId,
    /// Calls of a batch are executed in the order of a map whose hashes differ between nodes.
    MapOrder,
    /// What is remembered of denials outlives a refund.
    LastingDenials,
    /// A new leader takes its own wall clock for the ledger's time.
    LeadersWallClock,
}

thread_local! {
    static NOW: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Whether this defect is there.
pub(crate) fn is(planted: Planted) -> bool {
    NOW.get() == Some(planted)
}

/// Plants a defect, or none, into what this thread runs from now on.
pub(super) fn plant(planted: Option<Planted>) {
    NOW.set(planted);
}

/// What a node makes of an entry, by a defect, and the data that it has in the log. `node` is a number
/// of its own.
pub(crate) fn entry(
    mut entry: Entry,
    before: Option<LogId>,
    machine: &mut Machine,
    node: u64,
) -> (Bytes, Entry) {
    let data = match &entry.payload {
        EntryPayload::Normal(data) => data.0.clone(),
        EntryPayload::Blank | EntryPayload::Membership(_) => Bytes::new(),
    };
    let is_other_term = before.is_some_and(|before| before.leader_id != entry.log_id.leader_id);
    let Machine::Counters(replica) = machine else { return (data, entry) };
    let executed = match NOW.get() {
        Some(Planted::ForgottenSessions) if is_other_term => {
            **replica = without_sessions(replica);
            data.clone()
        }
        Some(Planted::LocalTime) => {
            let elapsed = saturating_nanos(turmoil::sim_elapsed().unwrap_or_default());
            let log = LogTime::from_nanos(1_700_000_010 * NANOS_PER_SECOND + elapsed);
            changed(&data, |batch| batch.at = Now { log, ..batch.at })
        }
        Some(Planted::MapOrder) => changed(&data, |batch| {
            let calls = std::mem::take(&mut batch.calls).into_iter().enumerate();
            let hash = |place: usize| {
                let mixed = place as u64 ^ node.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                mixed.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 32
            };
            let map: BTreeMap<_, _> =
                calls.map(|(place, call)| ((hash(place), place), call)).collect();
            batch.calls = map.into_values().collect();
        }),
        _ => data.clone(),
    };
    if let EntryPayload::Normal(data) = &mut entry.payload {
        data.0 = executed;
    }
    (data, entry)
}

fn changed(data: &Bytes, change: impl FnOnce(&mut Batch)) -> Bytes {
    let Ok(mut batch) = decode_batch(data.clone()) else { return data.clone() };
    change(&mut batch);
    encode_batch(&batch)
}

fn without_sessions(replica: &Replica) -> Replica {
    let view = replica.view();
    let head = view.head();
    let once = |part| {
        let (latest, entries) = view.once_of(part).unwrap();
        (latest, entries.collect())
    };
    let shard = |at| Arc::new(Shard::from_image(view.shard_image(at).unwrap()).unwrap());
    Replica::from_image(Image {
        head,
        shards: (0..head.shards).map(shard).collect(),
        reservations: (0..RESERVATION_PARTS)
            .flat_map(|part| view.reservations_of(part).cloned().collect::<Vec<_>>())
            .collect(),
        once: (0..ONCE_PARTS).map(once).collect(),
        sessions: Vec::new(),
    })
    .unwrap()
}
