//! Batches and snapshots of counters: beside each other, and through a group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use openraft::EntryPayload;
use openraft::storage::RaftStateMachine as _;
use parking_lot::Mutex;
use tollgate_core::command::{Bounds, Call, Charging, Command, KeySlot, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Algorithm, Quota, Window};
use tollgate_core::replica::Batch;
use tollgate_core::time::{LogTime, ManualClock, Now, Wall};
use tollgate_proto::log::encode_batch;

use super::rig::Rig;
use super::{Machine, SharedMachine, StateMachine, Unwatched, View, Watcher};
use crate::log::{MemoryLog, Retention};
use crate::meta::ClusterId;
use crate::snapshot::{Packer, SnapshotData, Unpacker, Whose, Work};
use crate::types::{Data, Entry, SnapshotMeta, log_id};

const GROUP: u32 = 1;
const WHOSE: Whose = Whose { cluster: ClusterId(7), group: GROUP };

/// Keys that the tests spread their charges over.
const KEYS: u64 = 5_000;

fn now(millis: u64) -> Now {
    let nanos = millis * 1_000_000;
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn charging(number: u64, charge: Charge) -> Charging {
    let key = Key::from_halves(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number);
    let algorithm = match number % 3 {
        0 => Algorithm::FixedWindow,
        1 => Algorithm::SlidingWindow,
        _ => Algorithm::TokenBucket { burst: 20 },
    };
    let window = Window::of_length(Duration::from_secs(60)).expect("a window");
    Charging {
        key,
        slot: KeySlot(0),
        quota: Quota { limit: 10, window, algorithm, counts_refused: false, penalty_max: None },
        charge,
        domain: DomainTag(1),
        text: format!("tenant/{number}").into(),
        shadow: false,
        quota_mode: false,
    }
}

fn batch(millis: u64, commands: Vec<Command>) -> Bytes {
    let calls = commands.into_iter().map(|command| Call { once: None, command }).collect();
    encode_batch(&Batch { at: now(millis), session: None, calls })
}

fn bound() -> Bytes {
    let bounds = Bounds { keys_max: 100_000, bytes_max: 64 << 20, reservations_max: 100 };
    batch(0, vec![Command::Bound(bounds)])
}

/// The `number`th batch: some charges of keys that it chooses.
fn charges(number: u64) -> Bytes {
    let of = |at: u64| charging((number * 31 + at * 17) % KEYS, Charge::Hits(1));
    let charges = (0..10).map(of).collect();
    batch(number, vec![Command::Charge { charges, rule: Rule::Each }])
}

fn entry(index: u64, data: Bytes) -> Entry {
    Entry { log_id: log_id(1, index), payload: EntryPayload::Normal(Data(data)) }
}

fn store(watcher: Arc<dyn Watcher>) -> (SharedMachine, StateMachine) {
    let clock = Arc::new(ManualClock::starting_at(Wall::default()));
    let log = MemoryLog::new(clock, Machine::read_stamp(GROUP));
    let machine = SharedMachine::new(Machine::of_group(GROUP));
    let store = StateMachine::new(machine.clone(), log, watcher, Work::Aside);
    (machine, store)
}

async fn apply(store: &mut StateMachine, index: u64, data: Bytes) {
    let entries = stream::iter([Ok((entry(index, data), None))]);
    store.apply(entries).await.expect("applied");
}

fn meta(index: u64) -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(log_id(1, index)), ..SnapshotMeta::default() }
}

fn frames(index: u64, view: View) -> Vec<Bytes> {
    Packer::new(WHOSE, &meta(index), view).collect()
}

fn taken(frames: &[Bytes]) -> Option<(SnapshotMeta, SnapshotData)> {
    let mut unpacker = Unpacker::new(WHOSE);
    frames.iter().try_for_each(|frame| unpacker.push(frame)).ok()?;
    unpacker.finish().ok()
}

#[tokio::test]
async fn a_view_stays_what_it_was_while_ten_thousand_batches_are_applied() {
    let (machine, mut store) = store(Arc::new(Unwatched));
    apply(&mut store, 0, bound()).await;
    for number in 1..1_000 {
        apply(&mut store, number, charges(number)).await;
    }
    let view = machine.view();
    let before = frames(999, view.clone());
    let written = tokio::task::spawn_blocking({
        let view = view.clone();
        move || frames(999, view)
    });
    for number in 1_000..11_000 {
        apply(&mut store, number, charges(number)).await;
    }
    assert_eq!(written.await.expect("written"), before, "while batches were applied");
    assert_eq!(frames(999, view), before, "after them");
    assert_ne!(frames(999, machine.view()), before, "they changed the state");
}

#[tokio::test]
async fn a_state_that_was_installed_goes_on_like_the_one_it_is_of() {
    let (machine, mut first) = store(Arc::new(Unwatched));
    apply(&mut first, 0, bound()).await;
    for number in 1..2_000 {
        apply(&mut first, number, charges(number)).await;
    }
    let (covers, data) = taken(&frames(1_999, machine.view())).expect("a good snapshot");
    let (copy, mut second) = store(Arc::new(Unwatched));
    second.install_snapshot(&covers, data).await.expect("installed");
    assert_eq!(copy.applied(), Some(log_id(1, 1_999)));
    assert_eq!(copy.latest(), machine.latest());
    for number in 2_000..4_000 {
        apply(&mut first, number, charges(number)).await;
        apply(&mut second, number, charges(number)).await;
    }
    assert_eq!(frames(3_999, copy.view()), frames(3_999, machine.view()));
}

#[tokio::test]
async fn no_flipped_byte_of_counters_is_taken() {
    let (machine, mut store) = store(Arc::new(Unwatched));
    apply(&mut store, 0, bound()).await;
    apply(&mut store, 1, charges(1)).await;
    let frames = frames(1, machine.view());
    assert!(taken(&frames).is_some());
    for at in 0..frames.len() {
        for byte in 0..frames[at].len() {
            let mut spoiled = frames.clone();
            let mut frame = spoiled[at].to_vec();
            frame[byte] ^= 0x20;
            spoiled[at] = frame.into();
            assert!(taken(&spoiled).is_none(), "byte {byte} of frame {at}");
        }
    }
}

#[derive(Default)]
struct Noted(Mutex<Vec<(u64, Vec<Key>)>>);

impl Watcher for Noted {
    fn forgot(&self, index: u64, keys: &[Key]) {
        self.0.lock().push((index, keys.to_vec()));
    }

    fn installed(&self, index: u64) {
        self.0.lock().push((index, Vec::new()));
    }
}

#[tokio::test]
async fn whoever_remembers_denials_is_told_what_was_given_back() {
    let noted = Arc::new(Noted::default());
    let (machine, mut store) = store(Arc::clone(&noted) as Arc<dyn Watcher>);
    let keys: Vec<Key> = (0..4).map(|number| charging(number, Charge::Hits(0)).key).collect();
    apply(&mut store, 0, bound()).await;
    apply(&mut store, 1, charges(1)).await;
    let refund = charging(1, Charge::Refund(1));
    let charges = vec![charging(0, Charge::Hits(1)), refund];
    let commands = vec![
        Command::Charge { charges, rule: Rule::Each },
        Command::Forget { keys: vec![keys[2]] },
        Command::TakeBack { charges: vec![charging(3, Charge::Hits(1))], charged_at: now(1) },
    ];
    apply(&mut store, 2, batch(2, commands)).await;
    apply(&mut store, 3, Bytes::from_static(b"\xff\xff no batch")).await;
    assert_eq!(*noted.0.lock(), [(2, keys[1..].to_vec())]);
    let (covers, data) = taken(&frames(3, machine.view())).expect("a good snapshot");
    store.install_snapshot(&covers, data).await.expect("installed");
    assert_eq!(noted.0.lock().last(), Some(&(3, Vec::new())));
}

#[tokio::test(start_paused = true)]
async fn a_follower_is_installed_while_charges_go_on() {
    const KEEP: Retention = Retention {
        age_min: Duration::ZERO,
        age_max: Duration::from_secs(3_600),
        bytes_min: 64 << 10,
        bytes_max: 64 << 10,
    };
    let rig = Rig::start(GROUP, || Machine::of_group(GROUP), KEEP).await;
    rig.write(bound()).await;
    let leader = rig.leader().await.id;
    let away = rig.nodes.keys().copied().find(|&id| id != leader).expect("a follower");
    rig.links.cut(away);
    for number in 1..1_000 {
        rig.write(charges(number)).await;
        if number % 100 == 0 {
            tokio::time::sleep(2 * super::TRIM_PERIOD).await; // tidy: virtual time
        }
    }
    rig.links.heal(away);
    let mut last = 0;
    for number in 1_000..3_000 {
        last = rig.write(charges(number)).await;
    }
    rig.all_applied(last).await;
    assert_ne!(rig.links.snapshots(), 0);
    let states: Vec<_> = rig.nodes.values().map(|node| frames(last, node.machine.view())).collect();
    assert!(states.iter().all(|state| *state == states[0]), "all nodes hold the same");
}
