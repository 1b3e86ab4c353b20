//! What a million keys weigh: resident memory of one Tollgate before and after.

use std::sync::Arc;

use anyhow::ensure;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use serde::Serialize;
use tollgate_benches::bodies::Bodies;
use tollgate_benches::drive::{Fleet, Length, Order, RLS_PATH, Shape, Work};
use tollgate_benches::usage;

use crate::cases::addresses;
use crate::rounds::{RUN_TIME_MAX, check};
use crate::servers::Starter;

/// The name that `--case` knows it by.
pub(crate) const NAME: &str = "memory-1m-keys";

/// Keys in all.
const KEYS: u32 = 1_000_000;

/// Keys whose bodies the driver holds at once.
const BATCH: u32 = 50_000;

/// One proxy's connections.
const SHAPE: Shape = Shape { connections: 8, streams: 16 };

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    /// The rule's key; it names the algorithm.
    pub(crate) rule: &'static str,
    pub(crate) keys: u32,
    pub(crate) idle_bytes: u64,
    pub(crate) full_bytes: u64,
    /// Of resident memory, each key's printable text included.
    pub(crate) bytes_per_key: f64,
}

/// Sends every key once. The ledger must have room for all of them.
pub(crate) async fn measure(rule: &'static str, starter: &Starter) -> anyhow::Result<Memory> {
    let server = starter.start_tollgate()?;
    let fleet = Fleet::connect(server.address(), RLS_PATH, SHAPE).await?;
    // What connections and first calls take is not the keys'.
    send(&fleet, Arc::new(Bodies::encode(addresses(rule, 0..1))), 2_000).await?;
    let idle_bytes = usage::resident_bytes(server.pid())?;
    for begin in (0..KEYS).step_by(BATCH as usize) {
        eprintln!("{NAME}: {rule}, {begin} of {KEYS}");
        let bodies = Arc::new(Bodies::encode(addresses(rule, begin..begin + BATCH)));
        send(&fleet, bodies, u64::from(BATCH)).await?;
    }
    let full_bytes = usage::resident_bytes(server.pid())?;
    ensure!(full_bytes > idle_bytes, "{KEYS} keys took no memory");
    let bytes_per_key = (full_bytes - idle_bytes) as f64 / f64::from(KEYS);
    Ok(Memory { rule, keys: KEYS, idle_bytes, full_bytes, bytes_per_key })
}

async fn send(fleet: &Fleet, bodies: Arc<Bodies>, calls: u64) -> anyhow::Result<()> {
    let length = Length::Calls(calls);
    let work = Work { bodies, order: Order::InTurn, length, seed: 0, time_max: RUN_TIME_MAX };
    check(&fleet.run(&work).await?, Code::Ok)
}
