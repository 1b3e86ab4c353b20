//! The driver against the floor: a real server process, real connections.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::service::ratelimit::v3::RateLimitRequest;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::Code;
use tollgate_benches::bodies::Bodies;
use tollgate_benches::drive::{Fleet, Length, LoadError, Order, RLS_PATH, Shape, Work};
use tollgate_benches::process::{Announces, ServerProcess, StartError};
use tollgate_benches::usage;

const TIME_MAX: Duration = Duration::from_secs(20);
const SHAPE: Shape = Shape { connections: 3, streams: 5 };

fn floor(workers: &str) -> Result<ServerProcess, StartError> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_floor-rls"));
    command.args(["--workers", workers]);
    let ready = |line: &str| line.strip_prefix("listening ")?.parse().ok();
    ServerProcess::start(command, Announces::OnStdout, TIME_MAX, ready)
}

fn work(calls: u64, time_max: Duration) -> Work {
    let request = |descriptors| RateLimitRequest {
        domain: "test".to_owned(),
        descriptors: vec![RateLimitDescriptor::default(); descriptors],
        hits_addend: 0,
    };
    let bodies = Arc::new(Bodies::encode([request(2), request(3)]));
    Work { bodies, order: Order::Drawn, length: Length::Calls(calls), seed: 1, time_max }
}

#[tokio::test]
async fn every_call_is_answered_and_counted_on_any_number_of_workers() {
    for workers in ["1", "2"] {
        let server = floor(workers).unwrap();
        let fleet = Fleet::connect(server.address(), RLS_PATH, SHAPE).await.unwrap();
        let work = work(2_000, TIME_MAX);
        let answer = fleet.ask(work.bodies.first(), TIME_MAX).await.unwrap();
        assert_eq!(answer.overall_code(), Code::Ok);
        assert_eq!(answer.statuses.len(), 2);

        let before = usage::cpu_time(server.pid()).unwrap();
        let outcome = fleet.run(&work).await.unwrap();
        assert_eq!((outcome.ok, outcome.over, outcome.other), (2_000, 0, 0));
        assert_eq!((outcome.failed, outcome.first_failure), (0, None));
        assert_eq!(outcome.latency.len(), 2_000);
        assert!(usage::cpu_time(server.pid()).unwrap() > before);
    }
}

#[tokio::test]
async fn a_run_by_time_ends_and_counts_what_it_made() {
    let server = floor("1").unwrap();
    let fleet = Fleet::connect(server.address(), RLS_PATH, SHAPE).await.unwrap();
    let work = Work { length: Length::Time(Duration::from_millis(50)), ..work(0, TIME_MAX) };
    let outcome = fleet.run(&work).await.unwrap();
    assert!(outcome.ok > 0);
    assert_eq!((outcome.answered(), outcome.failed), (outcome.ok, 0));
}

#[tokio::test]
async fn the_threads_of_a_server_are_told_apart() {
    let server = floor("2").unwrap();
    let fleet = Fleet::connect(server.address(), RLS_PATH, SHAPE).await.unwrap();
    let cores = || usage::threads(server.pid(), "core-").unwrap();
    // A thread has its name once it runs.
    assert_eq!(fleet.run(&work(100, TIME_MAX)).await.unwrap().failed, 0);
    let before = cores();
    assert_eq!(before.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["core-0", "core-1"]);
    assert_eq!(fleet.run(&work(2_000, TIME_MAX)).await.unwrap().failed, 0);
    let is_more = |(after, before): (&(String, Duration), &(String, Duration))| after.1 > before.1;
    assert!(cores().iter().zip(&before).all(is_more), "{before:?}");
}

#[tokio::test]
async fn a_refused_call_is_counted_as_failed_with_its_reason() {
    let server = floor("1").unwrap();
    let fleet = Fleet::connect(server.address(), "/no.Such/Method", SHAPE).await.unwrap();
    let outcome = fleet.run(&work(100, TIME_MAX)).await.unwrap();
    assert_eq!((outcome.ok, outcome.failed), (0, 100));
    assert!(outcome.first_failure.unwrap().starts_with("grpc-status 12"));
}

#[tokio::test]
async fn a_server_that_goes_away_fails_the_rest_of_the_calls() {
    let server = floor("1").unwrap();
    let fleet = Fleet::connect(server.address(), RLS_PATH, SHAPE).await.unwrap();
    assert_eq!(fleet.run(&work(100, TIME_MAX)).await.unwrap().ok, 100);
    drop(server);
    let outcome = fleet.run(&work(100, TIME_MAX)).await.unwrap();
    assert_eq!((outcome.ok, outcome.failed), (0, 100));
}

#[tokio::test]
async fn a_run_ends_at_its_bound_when_nothing_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let fleet = Fleet::connect(silent.local_addr().unwrap(), RLS_PATH, SHAPE).await.unwrap();
    let ran = fleet.run(&work(100, Duration::from_millis(100))).await;
    assert!(matches!(ran, Err(LoadError::Deadline { .. })), "{ran:?}");
}
