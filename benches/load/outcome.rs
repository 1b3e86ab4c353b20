//! What a run saw: answers by code, failures, and how long the calls took.

use std::time::Duration;

use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitResponse, rate_limit_response::Code,
};
use hdrhistogram::{CreationError, Histogram};

use crate::answer::CallError;

/// The histogram's finest step: a microsecond, the unit of the reports.
const LATENCY_NANOS_MIN: u64 = 1_000;

/// A minute, longer than any run is allowed to wait for one call.
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;

/// Three digits: a percentile is read to 0.1 %, far below its spread between rounds.
const LATENCY_DIGITS: u8 = 3;

/// What a run saw.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Answers with overall code OK.
    pub ok: u64,
    /// Answers with overall code OVER_LIMIT.
    pub over: u64,
    /// Answers with any other code.
    pub other: u64,
    /// Calls without a good answer.
    pub failed: u64,
    /// What the first of them died of.
    pub first_failure: Option<String>,
    /// From the first call to the last answer.
    pub took: Duration,
    /// Nanoseconds per answered call.
    pub latency: Histogram<u64>,
}

impl Outcome {
    /// Answered calls.
    pub fn answered(&self) -> u64 {
        self.ok + self.over + self.other
    }

    /// Answered calls per second.
    pub fn per_second(&self) -> f64 {
        self.answered() as f64 / self.took.as_secs_f64()
    }
}

/// What one worker saw. Latencies are kept as they come and put into the histogram after the
/// run: a histogram a worker would be larger, one for all would need a lock.
#[derive(Default)]
pub(crate) struct Tally {
    ok: u64,
    over: u64,
    other: u64,
    failed: u64,
    first_failure: Option<String>,
    latencies: Vec<u64>,
}

impl Tally {
    pub(crate) fn count(&mut self, answer: &RateLimitResponse, took: Duration) {
        match answer.overall_code() {
            Code::Ok => self.ok += 1,
            Code::OverLimit => self.over += 1,
            Code::Unknown => self.other += 1,
        }
        self.latencies.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn fail(&mut self, error: &CallError) {
        self.failed += 1;
        if self.first_failure.is_none() {
            self.first_failure = Some(error.to_string());
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.over += other.over;
        self.other += other.other;
        self.failed += other.failed;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        self.latencies.extend(other.latencies);
    }

    pub(crate) fn into_outcome(self, took: Duration) -> Result<Outcome, CreationError> {
        let mut latency =
            Histogram::new_with_bounds(LATENCY_NANOS_MIN, LATENCY_NANOS_MAX, LATENCY_DIGITS)?;
        for nanos in self.latencies {
            latency.saturating_record(nanos);
        }
        Ok(Outcome {
            ok: self.ok,
            over: self.over,
            other: self.other,
            failed: self.failed,
            first_failure: self.first_failure,
            took,
            latency,
        })
    }
}
