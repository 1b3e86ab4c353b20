//! What a snapshot costs: `cargo run --release -p tollgate-raft --example snapshot -- KEYS`.
//!
//! Fills a group of counters with so many keys, takes a view, writes it down on another thread while
//! batches go on, makes a state of the frames, and installs it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use openraft::EntryPayload;
use openraft::storage::RaftStateMachine as _;
use tollgate_core::command::{Bounds, Call, Charging, Command, KeySlot, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Algorithm, Quota, Unit, Window};
use tollgate_core::replica::Batch;
use tollgate_core::time::{Clock as _, LogTime, Monotonic, Now, Wall};
use tollgate_proto::log::encode_batch;
use tollgate_raft::log::MemoryLog;
use tollgate_raft::machine::{Machine, SharedMachine, StateMachine, Unwatched};
use tollgate_raft::meta::ClusterId;
use tollgate_raft::snapshot::{Packer, Unpacker, Whose, Work};
use tollgate_raft::types::{Data, Entry, SnapshotMeta, log_id};
use tollgate_runtime::clock::SystemClock;

const GROUP: u32 = 1;
const WHOSE: Whose = Whose { cluster: ClusterId(7), group: GROUP };
const BATCH: u64 = 100;

fn main() -> ExitCode {
    let keys = std::env::args().nth(1).and_then(|keys| keys.parse().ok());
    let Some(keys) = keys else {
        eprintln!("say how many keys");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(measure(keys)),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

struct Rig {
    clock: SystemClock,
    machine: SharedMachine,
    store: StateMachine,
    index: u64,
}

impl Rig {
    fn new(clock: SystemClock) -> Self {
        let log = MemoryLog::new(Arc::new(clock), Machine::read_stamp(GROUP));
        let machine = SharedMachine::new(Machine::of_group(GROUP));
        let store = StateMachine::new(machine.clone(), log, Arc::new(Unwatched), Work::Aside);
        Self { clock, machine, store, index: 0 }
    }

    /// Applies a batch and tells how long it took.
    async fn apply(&mut self, commands: Vec<Command>) -> Duration {
        self.index += 1;
        let calls = commands.into_iter().map(|command| Call { once: None, command }).collect();
        let nanos = self.index * 1_000;
        let at = Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) };
        let data = Data(encode_batch(&Batch { at, session: None, calls }));
        let entry = Entry { log_id: log_id(1, self.index), payload: EntryPayload::Normal(data) };
        let before = self.clock.monotonic();
        if let Err(error) = self.store.apply(stream::iter([Ok((entry, None))])).await {
            eprintln!("not applied: {error}");
        }
        self.clock.monotonic().since(before)
    }

    /// A batch of charges of keys from `first` on, so many apart.
    async fn charge(&mut self, first: u64, apart: u64, keys: u64) -> Duration {
        let calls = (0..BATCH).map(|at| {
            let charges = vec![charging((first + at * apart) % keys)];
            Command::Charge { charges, rule: Rule::Each }
        });
        self.apply(calls.collect()).await
    }
}

fn charging(number: u64) -> Charging {
    let high = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Charging {
        key: Key::from_halves(high ^ high >> 29, high.wrapping_mul(0xbf58_476d_1ce4_e5b9)),
        slot: KeySlot(0),
        quota: Quota {
            limit: 1_000,
            window: Window::of_unit(Unit::Day),
            algorithm: Algorithm::TokenBucket { burst: 100 },
            counts_refused: false,
            penalty_max: None,
        },
        charge: Charge::Hits(1),
        domain: DomainTag(1),
        text: format!("tenant_{number:08}/route_orders/get").into(),
        shadow: false,
        quota_mode: false,
    }
}

async fn measure(keys: u64) {
    let clock = SystemClock::start();
    let mut rig = Rig::new(clock);
    let resident_before = resident();
    let room = usize::try_from(keys * 2).unwrap_or(usize::MAX);
    let bounds = Bounds { keys_max: room, bytes_max: usize::MAX / 2, reservations_max: 1_000 };
    rig.apply(vec![Command::Bound(bounds)]).await;
    let started = clock.monotonic();
    for first in (0..keys).step_by(BATCH as usize) {
        rig.charge(first, 1, keys).await;
    }
    let grown = resident().saturating_sub(resident_before);
    told("fill", clock, started);
    println!("resident: {} MiB, {} bytes a key", grown >> 20, grown / keys);
    quantiles("apply 100 charges, no view", &mut times(&mut rig, keys, 10_000).await);

    let started = clock.monotonic();
    let view = rig.machine.view();
    told("view", clock, started);
    let covers = SnapshotMeta { last_log_id: Some(log_id(1, rig.index)), ..Default::default() };
    let is_written = Arc::new(AtomicBool::new(false));
    let writer = tokio::task::spawn_blocking({
        let (is_written, covers) = (Arc::clone(&is_written), covers.clone());
        move || {
            let started = clock.monotonic();
            let frames: Vec<Bytes> = Packer::new(WHOSE, &covers, view).collect();
            told("encode", clock, started);
            is_written.store(true, Ordering::Release);
            frames
        }
    });
    let mut meanwhile = Vec::new();
    while !is_written.load(Ordering::Acquire) {
        meanwhile.extend(times(&mut rig, keys, 10).await);
    }
    quantiles("apply 100 charges, while it is encoded", &mut meanwhile);
    println!("resident with view: {} MiB", resident() >> 20);
    let Ok(frames) = writer.await else { return };
    let bytes: usize = frames.iter().map(Bytes::len).sum();
    println!("frames: {}, {} MiB, {} bytes a key", frames.len(), bytes >> 20, bytes as u64 / keys);

    let started = clock.monotonic();
    let mut unpacker = Unpacker::new(WHOSE);
    for frame in &frames {
        if let Err(error) = unpacker.push(frame) {
            return eprintln!("not taken: {error}");
        }
    }
    drop(frames);
    let Ok((covers, data)) = unpacker.finish() else { return };
    told("decode", clock, started);
    let mut other = Rig::new(clock);
    let started = clock.monotonic();
    let _ = other.store.install_snapshot(&covers, data).await;
    told("install", clock, started);
}

async fn times(rig: &mut Rig, keys: u64, batches: u64) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..batches {
        let first = rig.index.wrapping_mul(7_919_777);
        times.push(rig.charge(first % keys, 104_729, keys).await);
    }
    times
}

fn quantiles(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |per_mille: usize| times.get(times.len() * per_mille / 1_000).copied();
    let [half, p99, p999] = [at(500), at(990), at(999)].map(Option::unwrap_or_default);
    let longest = times.last().copied().unwrap_or_default();
    println!("{what}: {} p50 {half:?} p99 {p99:?} p99.9 {p999:?} max {longest:?}", times.len());
}

fn told(what: &str, clock: SystemClock, started: Monotonic) {
    println!("{what}: {:?}", clock.monotonic().since(started));
}

/// Bytes that this process has in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
