//! SIGTERM: what is in flight is answered, what is new is turned away in a way that a client can
//! tell from an answer, and the process ends well and in time.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tollgate_tests::process::Signal;
use tollgate_tests::raw_grpc::{RawGrpc, framed};
use tollgate_tests::rls::{RateLimitServiceClient, SHOULD_RATE_LIMIT, admitted, request};
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::wait::{self, Probe};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const LIMITS: &str = "
domain: drain
descriptors:
  - {key: any, rate_limit: {unit: year, requests_per_unit: 100000000}}
";

const CONNECTIONS: usize = 4;
const CALLERS: usize = 16;

/// Bounds each caller's loop; far above what fits into a drain.
const CALLS_MAX: u32 = 1_000_000;

/// Answers before the signal, so that it falls into steady traffic.
const ANSWERS_BEFORE: u32 = 500;

/// For one call: longer than this is a call without an answer.
const CALL_BOUND: Duration = Duration::from_secs(3);

/// From the signal to the first sign of it.
const NOTICE_BOUND: Duration = Duration::from_secs(10);

async fn start() -> anyhow::Result<Tollgate> {
    Tollgate::builder().limits("drain.yaml", LIMITS).start().await
}

#[tokio::test]
async fn a_call_half_sent_when_the_drain_starts_is_answered() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    let message = framed(&request("drain", &[("any", "half")]).encode_to_vec());
    let (first, second) = message.split_at(message.len() / 2);
    let mut raw = RawGrpc::connect(tollgate.decide_addr()).await?;
    let mut call = raw.open(SHOULD_RATE_LIMIT)?;
    call.send(first.to_vec().into()).await?;
    // A whole call behind it on the same connection: once that is answered, the node has both.
    let whole = raw.call(SHOULD_RATE_LIMIT, &message[5..]).await?;
    ensure!(whole.code == Code::Ok, "{whole:?}");

    tollgate.process().signal(Signal::Terminate)?;
    expect_notice(&tollgate).await?;
    expect_closed(&tollgate).await?;
    // Whoever looks after the node can still ask what it does.
    let ready = tollgate.admin_get("/readyz").await?;
    ensure!(ready.status == 503 && ready.text() == "draining\n", "{ready:?}");
    call.send(second.to_vec().into()).await?;
    let answer = call.finish().await.with_context(|| tollgate.process().story())?;
    ensure!(answer.code == Code::Ok && answer.body.len() > 5, "{answer:?}");
    tollgate.ended_well().await
}

#[tokio::test]
async fn every_call_is_answered_or_ends_with_its_connection() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    let signalled = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(tollgate.rls().await?);
    }
    let mut callers = JoinSet::new();
    for client in clients.into_iter().cycle().take(CALLERS) {
        callers.spawn(call_until_turned_away(
            client,
            Arc::clone(&signalled),
            Arc::clone(&answered),
        ));
    }
    wait::until("steady traffic", NOTICE_BOUND, async || {
        let answers = answered.load(Ordering::SeqCst);
        if answers < ANSWERS_BEFORE {
            Probe::NotYet(format!("{answers}"))
        } else {
            Probe::Holds(())
        }
    })
    .await?;
    signalled.store(true, Ordering::SeqCst);
    tollgate.process().signal(Signal::Terminate)?;
    for caller in callers.join_all().await {
        caller?;
    }
    tollgate.ended_well().await
}

#[tokio::test]
async fn silent_connections_do_not_hold_up_the_end() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    let mut silent = Vec::new();
    for address in [tollgate.decide_addr(), tollgate.http_addr(), tollgate.admin_addr()] {
        silent.push(TcpStream::connect(address).await?);
    }
    // And one that has been used and is kept, as a proxy keeps its own.
    let mut client = tollgate.rls().await?;
    client.should_rate_limit(request("drain", &[("any", "idle")])).await?;
    tollgate.stop().await?;
    drop(silent);
    let late = client.should_rate_limit(request("drain", &[("any", "late")])).await;
    let late = late.err().context("a node that has ended answers")?;
    expect_connection_error(&late)
}

#[tokio::test]
async fn health_is_told_first_and_everything_else_goes_on_for_the_notice() -> anyhow::Result<()> {
    // Longer than any test: a person's signal cuts it short once nobody is connected.
    let builder = Tollgate::builder().limits("drain.yaml", LIMITS).drain_notice("10m");
    let mut tollgate = builder.start().await?;
    let mut kept = RawGrpc::connect(tollgate.decide_addr()).await?;
    let message = request("drain", &[("any", "kept")]).encode_to_vec();
    ensure!(kept.call(SHOULD_RATE_LIMIT, &message).await?.code == Code::Ok);
    tollgate.process().signal(Signal::Interrupt)?;
    expect_notice(&tollgate).await?;
    for service in ["", "ratelimit"] {
        // A new connection is served, and told.
        let asked = HealthCheckRequest { service: service.into() };
        let told = HealthClient::new(tollgate.channel().await?).check(asked).await?;
        ensure!(told.get_ref().status() == ServingStatus::NotServing, "{service:?}: {told:?}");
    }
    let ready = tollgate.admin_get("/readyz").await?;
    ensure!(ready.status == 503 && ready.text() == "draining\n", "{ready:?}");
    let health = tollgate.http_get("/healthcheck").await?;
    ensure!(health.status == 500, "{health:?}");
    tollgate.rls().await?.should_rate_limit(request("drain", &[("any", "new")])).await?;
    // No GOAWAY yet: the old connection takes calls, too.
    ensure!(kept.call(SHOULD_RATE_LIMIT, &message).await?.code == Code::Ok);
    drop(kept);
    tollgate.ended_well().await
}

#[tokio::test]
async fn an_orchestrator_s_signal_waits_for_the_notice_and_a_second_one_for_nothing()
-> anyhow::Result<()> {
    let mut tollgate = Tollgate::builder().drain_notice("10m").start().await?;
    tollgate.process().signal(Signal::Terminate)?;
    wait::until("the notice", NOTICE_BOUND, async || match tollgate.admin_get("/readyz").await {
        Ok(ready) if ready.status == 503 => Probe::Holds(()),
        other => Probe::NotYet(format!("{other:?}")),
    })
    .await?;
    // Nobody is connected, but who knows who will: it goes on serving.
    tollgate.rls().await?.should_rate_limit(request("drain", &[("any", "late")])).await?;
    tollgate.process().signal(Signal::Terminate)?;
    let exit = tollgate.process().wait_exit(NOTICE_BOUND).await?;
    ensure!(exit.code() == Some(130), "{exit}");
    Ok(())
}

#[tokio::test]
async fn whoever_watches_its_health_is_told_and_does_not_hold_it() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    let asked = HealthCheckRequest { service: "ratelimit".into() };
    let watching = HealthClient::new(tollgate.channel().await?).watch(asked).await?;
    let mut watching = watching.into_inner();
    let first = watching.message().await?.context("nothing is told")?;
    ensure!(first.status() == ServingStatus::Serving, "{first:?}");
    tollgate.process().signal(Signal::Terminate)?;
    let second = watching.message().await?.context("the end is not told")?;
    ensure!(second.status() == ServingStatus::NotServing, "{second:?}");
    let ended = watching.message().await.err().context("the watch goes on")?;
    ensure!(ended.code() == Code::Unavailable, "{ended:?}");
    tollgate.ended_well().await?;
    let cut_off = |event: &serde_json::Value| event["event"] == "drain_cut_off";
    ensure!(!tollgate.log().iter().any(cut_off), "{:?}", tollgate.log());
    Ok(())
}

/// One caller: every call is answered until the node says that it goes.
async fn call_until_turned_away(
    mut client: RateLimitServiceClient<Channel>,
    signalled: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
) -> anyhow::Result<()> {
    for _ in 0..CALLS_MAX {
        let call = client.should_rate_limit(request("drain", &[("any", "steady")]));
        let called = tokio::time::timeout(CALL_BOUND, call).await.context("a call hangs")?;
        match called {
            Ok(answer) => {
                ensure!(admitted(&answer.into_inner())?, "denied below the limit");
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(status) => {
                let expected = signalled.load(Ordering::SeqCst);
                ensure!(expected, "an error before the signal: {status:?}");
                return expect_connection_error(&status);
            }
        }
    }
    bail!("the node answers on and on after the signal")
}

/// A client must be able to tell "turned away" from an answer: UNAVAILABLE, or an error that its
/// own side made of the connection's end. A status that the node sent has no source.
fn expect_connection_error(status: &Status) -> anyhow::Result<()> {
    let of_connection = status.code() == Code::Unavailable || status.source().is_some();
    ensure!(of_connection, "not an error of the connection: {status:?}");
    Ok(())
}

/// Waits until nobody new is let in.
async fn expect_closed(tollgate: &Tollgate) -> anyhow::Result<()> {
    wait::until("a closed listener", NOTICE_BOUND, async || {
        match TcpStream::connect(tollgate.decide_addr()).await {
            Ok(_) => Probe::NotYet("connected".into()),
            Err(_) => Probe::Holds(()),
        }
    })
    .await
}

/// Waits until a new client is turned away or told that the node does not serve.
async fn expect_notice(tollgate: &Tollgate) -> anyhow::Result<()> {
    wait::until("a sign of the drain", NOTICE_BOUND, async || {
        let Ok(channel) = tollgate.channel().await else {
            return Probe::Holds(());
        };
        let asked = HealthCheckRequest { service: "ratelimit".into() };
        match HealthClient::new(channel).check(asked).await {
            Ok(answer) if answer.get_ref().status() == ServingStatus::Serving => {
                Probe::NotYet("SERVING".into())
            }
            _ => Probe::Holds(()),
        }
    })
    .await
}
