//! What a decision costs beside the wire: the adapter is called in this process, with messages that
//! are decoded already.
//!
//! It is what the servers' figures differ in, without the noise of sockets and of whoever else uses
//! the machine: the least of many short readings is near to the truth.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, ensure};
use futures_util::FutureExt as _;
use serde::Serialize;
use tollgate_benches::clock::Stopwatch;
use tollgate_core::key::KeySecret;
use tollgate_core::store;
use tollgate_proto::ratelimit::Bounds;
use tollgate_proto::rls::{RateLimitRequest, RateLimitResponse};
use tollgate_runtime::clock::SystemClock;
use tollgate_server::config::Config;
use tollgate_server::decide::{Active, Answers, Decider};
use tollgate_server::error::CallError;
use tollgate_server::grpc::RateLimit;

use crate::cases::{LIMITS, requests};

/// The name that `--case` knows it by.
pub(crate) const NAME: &str = "in-process";

/// Readings of each case.
const ROUNDS: usize = 1_000;

/// Calls of a reading: less than a millisecond, so that many of them meet no interruption.
const CALLS: usize = 500;

/// Bounds that no case meets.
const BOUNDS: Bounds = Bounds {
    descriptors_max: 100,
    entries_max: 32,
    domain_bytes_max: 1_000,
    key_bytes_max: 1_000,
    value_bytes_max: 10_000,
};

/// What was found of one case.
#[derive(Debug, Serialize)]
pub(crate) struct InProcess {
    pub(crate) case: &'static str,
    /// Of the quickest reading.
    pub(crate) nanos_per_decision: f64,
}

/// Reads one case.
pub(crate) fn measure(case: &'static str) -> anyhow::Result<InProcess> {
    let service = service()?;
    let (messages, expected) = requests(case).with_context(|| format!("no case {case}"))?;
    for message in &messages {
        let answer = answer(&service, message)?;
        ensure!(answer.overall_code() == expected, "{case}: {answer:?}");
    }
    let mut messages = messages.iter().cycle();
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Stopwatch::start();
        for message in messages.by_ref().take(CALLS) {
            black_box(answer(&service, black_box(message)).is_ok());
        }
        least = least.min(begun.passed().as_secs_f64() * 1e9 / CALLS as f64);
    }
    Ok(InProcess { case, nanos_per_decision: least })
}

/// What a lone node answers: it never has to wait.
pub(crate) fn answer(
    service: &RateLimit,
    message: &RateLimitRequest,
) -> Result<RateLimitResponse, CallError> {
    let waits = || Err(CallError::Unreadable("a lone node waits".to_owned()));
    service.answer(message, None).now_or_never().unwrap_or_else(waits)
}

/// The service that a node would have of the cases' limits.
pub(crate) fn service() -> anyhow::Result<RateLimit> {
    let files = tempfile::tempdir().context("a temporary directory")?;
    std::fs::write(files.path().join("bench.yaml"), LIMITS)?;
    let text = format!("ratelimit_files: [{:?}]", files.path());
    let config = Config::parse("bench", &text, files.path())?;
    let secret = KeySecret::new([9; 16]);
    let active = Active::new(config.domains()?, Answers::default(), &secret);
    let bounds = store::Bounds { keys_max: 1 << 20, bytes_max: 1 << 30 };
    let decider = Decider::new(active, secret, bounds, Arc::new(SystemClock::start()));
    Ok(RateLimit::new(Arc::new(decider), BOUNDS, "grpc"))
}
