//! What a charge costs on its way through the log, in nanoseconds of CPU: written, read, applied,
//! answered. Batches of 100 charges over a million random keys; Linux.
//!
//! `cargo run --release -p tollgate-proto --features cluster --example log_cost`

use std::hint::black_box;
use std::time::Duration;

use prost::bytes::{Bytes, BytesMut};
use tollgate_core::command::{Bounds, Call, Charging, Command, KeySlot, Rule};
use tollgate_core::descriptor::{Charge, Entry};
use tollgate_core::key::{DomainTag, KeySecret};
use tollgate_core::limit::{Algorithm, Quota, Unit};
use tollgate_core::replica::{Batch, Replica};
use tollgate_core::time::{LogTime, Now, Wall};
use tollgate_proto::log;

const KEYS: u64 = 1_000_000;
const CALLS: usize = 100;
/// Batches that a phase is measured over at once.
const BLOCK: usize = 100;
const BLOCKS: usize = 100;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    for (name, algorithm) in [
        ("fixed window", Algorithm::FixedWindow),
        ("token bucket", Algorithm::TokenBucket { burst: 100 }),
    ] {
        println!("{name}");
        measure(algorithm)?;
    }
    Ok(())
}

fn measure(algorithm: Algorithm) -> Result<(), Failure> {
    let quota = Quota { algorithm, ..Quota::per_unit(1_000, Unit::Hour) };
    let keys_max = KEYS as usize / 4 * 5;
    let bounds = Bounds { keys_max, bytes_max: 1 << 30, reservations_max: 100_000 };
    let mut replica = Replica::new();
    let first = Call { once: None, command: Command::Bound(bounds) };
    replica.apply(&batch(0, vec![first]));
    for from in (0..KEYS).step_by(CALLS) {
        let calls = (from..from + CALLS as u64).map(|key| call(key, quota)).collect();
        replica.apply(&batch(1, calls));
    }
    let mut random = 1_u64;
    let (mut costs, mut bytes) = ([0; 6], 0);
    for block in 0..BLOCKS {
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            call((random >> 33) % KEYS, quota)
        };
        let calls: Vec<Vec<Call>> =
            (0..BLOCK).map(|_| (0..CALLS).map(|_| next()).collect()).collect();
        let at = now(block as u64 + 2);
        let (cost, raw) = spent(|| calls.iter().map(|calls| raw(calls)).collect::<Vec<_>>())?;
        costs[0] += cost;
        let (cost, entries) =
            spent(|| raw.iter().map(|raw| log::stamped(raw, at)).collect::<Vec<_>>())?;
        costs[1] += cost;
        bytes += entries.iter().map(Bytes::len).sum::<usize>();
        let (cost, batches) =
            spent(|| entries.into_iter().map(log::decode_batch).collect::<Result<Vec<_>, _>>())?;
        costs[2] += cost;
        let batches = batches?;
        let (cost, answers) =
            spent(|| batches.iter().map(|batch| replica.apply(batch)).collect::<Vec<_>>())?;
        costs[3] += cost;
        let (cost, replies) = spent(|| {
            answers.iter().map(|answers| log::encode_answers(answers)).collect::<Vec<_>>()
        })?;
        costs[4] += cost;
        let (cost, read) =
            spent(|| replies.into_iter().map(log::decode_answers).collect::<Result<Vec<_>, _>>())?;
        costs[5] += cost;
        black_box(read?);
    }
    let charges = (BLOCKS * BLOCK * CALLS) as f64;
    let phases = ["write", "stamp", "read", "apply", "write answers", "read answers"];
    for (phase, cost) in phases.into_iter().zip(costs) {
        println!("  {phase:<14} {:>6.0} ns a charge", cost as f64 / charges);
    }
    println!("  {:<14} {:>6.0} ns", "together", costs.iter().sum::<u64>() as f64 / charges);
    println!("  {:<14} {:>6.1} bytes", "in the log", bytes as f64 / charges);
    let view = replica.view();
    let (cost, chunks) = spent(|| log::chunks(view).collect::<Vec<_>>())?;
    let size: usize = chunks.iter().map(Bytes::len).sum();
    println!("  snapshot: {} chunks, {:.1} bytes a key", chunks.len(), size as f64 / KEYS as f64);
    println!("    written in {:?}", Duration::from_nanos(cost));
    let (cost, again) = spent(|| {
        let mut builder = log::Builder::new();
        chunks.into_iter().try_for_each(|chunk| builder.push(chunk))?;
        builder.finish()
    })?;
    println!("    read in {:?}, {} keys", Duration::from_nanos(cost), again?.totals().keys);
    Ok(())
}

fn raw(calls: &[Call]) -> BytesMut {
    let mut raw = BytesMut::new();
    calls.iter().for_each(|call| log::encode_call(call, &mut raw));
    raw
}

fn now(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn batch(nanos: u64, calls: Vec<Call>) -> Batch {
    Batch { at: now(nanos), session: None, calls }
}

fn call(number: u64, quota: Quota) -> Call {
    let mut key = KeySecret::new([7; 16]).begin("edge");
    key.entry(Entry { key: "client", value: &number.to_string() });
    let charging = Charging {
        key: key.finish(quota.shape(0)),
        slot: KeySlot((number % 4_096) as u16),
        quota,
        charge: Charge::Hits(1),
        domain: DomainTag(0xdead_beef),
        text: format!("edge\u{1e}client\u{1f}{number:028}").into(),
        shadow: false,
        quota_mode: false,
    };
    Call { once: None, command: Command::Charge { charges: vec![charging], rule: Rule::Each } }
}

/// Nanoseconds of CPU that `run` took.
fn spent<T>(run: impl FnOnce() -> T) -> Result<(u64, T), Failure> {
    let before = cpu_nanos()?;
    let made = run();
    Ok((cpu_nanos()? - before, made))
}

fn cpu_nanos() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("no figures of this process")?.parse()?)
}
