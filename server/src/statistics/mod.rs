//! What the node counts of its work, once, and the forms in which it tells: `/metrics`, the
//! reference service's Prometheus names, statsd, `/stats`.
//!
//! Counting allocates nothing and takes no lock, except for names that requests choose. Figures
//! live as long as the process and never go back, whatever a reload changes. Nothing here decides.

mod calls;
mod exposition;
mod figures;
mod histogram;
mod names;
mod own;
mod ratelimit_prometheus;
mod reference_names;
pub(crate) mod statsd;
mod unknown_domains;

use std::sync::atomic::{AtomicU64, Ordering};

pub use self::calls::Stopwatch;
pub(crate) use self::calls::{CallTotals, Calls, Measured};
use self::exposition::Page;
pub(crate) use self::figures::LimitFigures;
pub(crate) use self::names::{Names, Origin};
pub use self::ratelimit_prometheus::TimeUnit;
pub(crate) use self::reference_names::Loads;
use self::unknown_domains::UnknownDomains;
use crate::decide::Unavailable;
use crate::error::CallError;

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Hits, by limit.
    pub(crate) limits: Names,
    /// Descriptors in domains that are not configured.
    pub(crate) unknown_domains: UnknownDomains,
    /// Calls over gRPC.
    pub(crate) rls: Calls,
    /// Calls over HTTP.
    pub(crate) json: Calls,
    /// Calls of the native API, over gRPC and HTTP.
    pub(crate) native: Calls,
    shadowed: AtomicU64,
    service_errors: AtomicU64,
    store_errors: AtomicU64,
}

impl Statistics {
    /// What `/metrics` says beside what the process's recorder renders.
    pub(crate) fn metrics(&self) -> String {
        let mut page = Page::default();
        own::write(&mut page, self);
        page.into_text()
    }

    /// The reference service's Prometheus names.
    pub(crate) fn ratelimit_metrics(&self, loads: Loads, unit: TimeUnit) -> String {
        let mut page = Page::default();
        ratelimit_prometheus::write(&mut page, self, loads, unit);
        page.into_text()
    }

    /// The reference service's counters, as lines `name: value`.
    pub(crate) fn lines(&self, loads: Loads) -> String {
        let mut text = String::new();
        for (name, count) in reference_names::others(self, loads) {
            text.push_str(&format!("{name}: {count}\n"));
        }
        for limit in self.limits.all() {
            let prefix = reference_names::prefix_of(&limit);
            for (last, count) in reference_names::counters_of(&limit) {
                text.push_str(&format!("{prefix}.{last}: {count}\n"));
            }
        }
        text
    }

    /// Counts a request that was over and passes only because the whole node is in shadow mode.
    pub(crate) fn count_shadowed(&self) {
        self.shadowed.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests that passed only because the whole node is in shadow mode.
    pub(crate) fn shadowed(&self) -> u64 {
        self.shadowed.load(Ordering::Relaxed)
    }

    /// Counts a call without a decision.
    pub(crate) fn count_error(&self, error: &CallError) {
        let counter = match error {
            CallError::Unreadable(_)
            | CallError::Refused(_)
            | CallError::NoRoom(_)
            | CallError::Unavailable(Unavailable::NotLoaded) => &self.service_errors,
            CallError::Unavailable(_) => &self.store_errors,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls without a decision because of what was asked, or for want of a configuration or of
    /// memory for what was sent.
    pub(crate) fn service_errors(&self) -> u64 {
        self.service_errors.load(Ordering::Relaxed)
    }

    /// Calls without a decision because the ledger was full or out of reach: the reference's errors of
    /// its backend.
    pub(crate) fn store_errors(&self) -> u64 {
        self.store_errors.load(Ordering::Relaxed)
    }
}
