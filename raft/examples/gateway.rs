//! What a call costs on its way through the gateway, beside the log and the network: one group in
//! memory, led by the node that asks, all on one thread.
//!
//! `cargo run --release -p tollgate-raft --example gateway`

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tollgate_core::command::{Call, Charging, Command, KeySlot, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Quota, Unit};
use tollgate_core::time::Clock;
use tollgate_raft::gateway::{Gateway, Options};
use tollgate_raft::testing::MemoryCluster;
use tollgate_runtime::clock::SystemClock;

const CALLS: u64 = 200_000;

fn call(number: u64, limit: u32) -> Call {
    let charging = Charging {
        key: Key::from_halves(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number),
        slot: KeySlot(0),
        quota: Quota::per_unit(limit, Unit::Day),
        charge: Charge::Hits(1),
        domain: DomainTag(1),
        text: "api\u{1e}client\u{1f}0123456789abcdef01234567".into(),
        shadow: false,
        quota_mode: false,
    };
    Call { once: None, command: Command::Charge { charges: vec![charging], rule: Rule::Each } }
}

async fn ask_all(gateway: &Arc<Gateway>, callers: u64, keys: u64, limit: u32) {
    let mut asking = JoinSet::new();
    for caller in 0..callers {
        let gateway = Arc::clone(gateway);
        asking.spawn(async move {
            for number in 0..CALLS / callers {
                let key = (caller + number * callers) % keys;
                assert!(gateway.ask(call(key, limit), None).await.is_ok());
            }
        });
    }
    asking.join_all().await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (cluster, started) = MemoryCluster::start(1, 1, &clock, Options::default());
    cluster.group(1).keep_log(false);
    let mut tasks = JoinSet::new();
    let mut gateways = Vec::new();
    for (gateway, running) in started {
        gateways.push(gateway);
        tasks.spawn(running.run());
    }
    for (callers, keys, limit) in [(1, 50_000, 1_000_000), (64, 50_000, 1_000_000), (1, 1, 1)] {
        for gateway in &gateways {
            let (start, batches) = (clock.monotonic(), gateway.figures().batches.total());
            ask_all(gateway, callers, keys, limit).await;
            let took: Duration = clock.monotonic().since(start);
            let batches = gateway.figures().batches.total() - batches;
            println!(
                "{callers:>3} callers, {keys:>6} keys, limit {limit:>7}: {:>6} ns a call, {batches} batches",
                took.as_nanos() / u128::from(CALLS),
            );
        }
    }
}
