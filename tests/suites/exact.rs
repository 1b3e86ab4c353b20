//! Exactness under concurrency: as many hits are admitted as the limit says, none more or fewer,
//! however many callers, connections and decision cores meet in one key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anyhow::ensure;
use tokio::task::JoinSet;
use tollgate_tests::rls::{RateLimitServiceClient, admitted, request};
use tollgate_tests::tollgate::Tollgate;
use tonic::transport::Channel;

/// A year and not a day: a window that turns in the middle of a run admits twice.
const LIMITS: &str = "
domain: exact
descriptors:
  - {key: hot, rate_limit: {unit: year, requests_per_unit: 1000}}
  - {key: other, rate_limit: {unit: year, requests_per_unit: 1000000}}
";
const LIMIT: u32 = 1_000;

const CALLERS: usize = 64;
const CONNECTIONS: usize = 8;
const CALLS: u32 = 2_000;

/// Callers and keys beside the one that is watched.
const OTHER_CALLERS: usize = 8;
const OTHER_KEYS: usize = 512;

/// Bounds the callers beside; they end with the watched ones.
const OTHER_CALLS_MAX: usize = 100_000;

type Client = RateLimitServiceClient<Channel>;

#[tokio::test]
async fn concurrent_callers_are_admitted_exactly_up_to_the_limit() -> anyhow::Result<()> {
    let tollgate = Tollgate::builder().limits("exact.yaml", LIMITS).start().await?;
    let clients = connect(&tollgate).await?;
    // Another value of the same key is another count.
    for value in ["first", "second"] {
        expect_exact(hit_concurrently(&clients, value).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn traffic_on_other_keys_takes_and_gives_nothing() -> anyhow::Result<()> {
    let tollgate = Tollgate::builder().limits("exact.yaml", LIMITS).start().await?;
    let clients = connect(&tollgate).await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for (number, client) in clients.iter().cycle().take(OTHER_CALLERS).enumerate() {
        others.spawn(hit_others(client.clone(), number, Arc::clone(&over)));
    }
    let remaining = hit_concurrently(&clients, "watched").await;
    over.store(true, Ordering::SeqCst);
    for calls in others.join_all().await {
        ensure!(calls? > 0, "the traffic beside never came about");
    }
    expect_exact(remaining?)
}

async fn connect(tollgate: &Tollgate) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(tollgate.rls().await?);
    }
    Ok(clients)
}

/// Makes all calls and gives what each admitted one was told to remain.
async fn hit_concurrently(clients: &[Client], value: &'static str) -> anyhow::Result<Vec<u32>> {
    let taken = Arc::new(AtomicU32::new(0));
    let mut callers = JoinSet::new();
    for client in clients.iter().cycle().take(CALLERS) {
        callers.spawn(hit_in_turn(client.clone(), value, Arc::clone(&taken)));
    }
    let mut remaining = Vec::new();
    for admitted in callers.join_all().await {
        remaining.extend(admitted?);
    }
    Ok(remaining)
}

/// One caller: takes calls out of the common number until none is left.
async fn hit_in_turn(
    mut client: Client,
    value: &str,
    taken: Arc<AtomicU32>,
) -> anyhow::Result<Vec<u32>> {
    let mut remaining = Vec::new();
    while taken.fetch_add(1, Ordering::SeqCst) < CALLS {
        let answer = client.should_rate_limit(request("exact", &[("hot", value)])).await?;
        let answer = answer.into_inner();
        ensure!(answer.statuses.len() == 1, "{answer:?}");
        if admitted(&answer)? {
            remaining.push(answer.statuses[0].limit_remaining);
        }
    }
    Ok(remaining)
}

async fn hit_others(
    mut client: Client,
    number: usize,
    over: Arc<AtomicBool>,
) -> anyhow::Result<usize> {
    for call in 0..OTHER_CALLS_MAX {
        if over.load(Ordering::SeqCst) {
            return Ok(call);
        }
        let key = format!("{}", (call * OTHER_CALLERS + number) % OTHER_KEYS);
        let answer = client.should_rate_limit(request("exact", &[("other", &key)])).await?;
        ensure!(admitted(&answer.into_inner())?, "a key beside was denied at call {call}");
    }
    Ok(OTHER_CALLS_MAX)
}

/// Each admitted hit took its own unit: what remained after it is a number no other was told.
fn expect_exact(mut remaining: Vec<u32>) -> anyhow::Result<()> {
    ensure!(remaining.len() == LIMIT as usize, "{} of {LIMIT} admitted", remaining.len());
    remaining.sort_unstable();
    let expected: Vec<u32> = (0..LIMIT).collect();
    ensure!(remaining == expected, "what remained was told twice: {remaining:?}");
    Ok(())
}
