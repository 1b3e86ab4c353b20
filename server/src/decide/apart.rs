//! What decides while a replicated ledger is out of reach: each limit says what it wants then.
//!
//! It applies to charges alone. What is held, given back or forgotten has to be everybody's, or it
//! is not done at all.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tollgate_core::bucket::Outcome;
use tollgate_core::decision::{Code, Decision, Modes};
use tollgate_core::descriptor::Charge;
use tollgate_core::limit::OnUnavailable;
use tollgate_core::plan::{Operation, Plan};
use tollgate_core::store::{Bounds, Refused};
use tollgate_core::time::{Clock, Monotonic, Now};

use super::{Active, Charged, Decider, LocalLedger, NotAnswered, Unavailable, is_atomic};
use crate::metrics;

/// What whoever is refused without being counted is told to wait: a leader is found sooner.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long every call has to be answered until the ledger is said to be in reach again, so that one
/// that answers every second call is no news each time.
const STEADY: Duration = Duration::from_secs(1);

/// Counters of this node alone, and whether the others are in reach.
pub(super) struct Apart {
    bounds: Bounds,
    /// Made when it is needed first.
    ledger: OnceLock<LocalLedger>,
    is_lost: AtomicBool,
    /// When a call was not answered the last time, in nanoseconds of the monotonic clock.
    lost_at: AtomicU64,
}

impl Apart {
    /// Counters that hold at most `bounds`.
    pub(super) fn new(bounds: Bounds) -> Self {
        let (is_lost, lost_at) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { bounds, ledger: OnceLock::new(), is_lost, lost_at }
    }

    /// Frees ended buckets.
    pub(super) fn sweep(&self, now: Now) {
        if let Some(ledger) = self.ledger.get() {
            ledger.sweep(now);
        }
    }

    /// Notes whether the ledger answered, and tells it where that is news.
    pub(super) fn note(&self, answered: Result<(), &NotAnswered>, clock: &dyn Clock) {
        let lost = answered.err().map(|error| Unavailable::from(*error));
        match lost.filter(|error| error.is_out_of_reach()) {
            Some(error) => {
                self.lost_at.store(clock.monotonic().as_nanos(), Ordering::Relaxed);
                if !self.is_lost.swap(true, Ordering::Relaxed) {
                    tracing::warn!(event = "ledger_out_of_reach", reason = error.word());
                }
            }
            None if self.is_lost.load(Ordering::Relaxed) => {
                let lost_at = Monotonic::from_nanos(self.lost_at.load(Ordering::Relaxed));
                let is_steady = clock.monotonic().since(lost_at) >= STEADY;
                if is_steady && self.is_lost.swap(false, Ordering::Relaxed) {
                    tracing::warn!(event = "ledger_in_reach");
                }
            }
            None => {}
        }
    }

    fn ledger(&self) -> &LocalLedger {
        self.ledger.get_or_init(|| LocalLedger::new(self.bounds))
    }
}

impl Decider {
    /// Decides a plan by what its limits want where the replicated ledger could not answer for
    /// `error`. Where one of them wants an error, that is the answer.
    pub(super) fn charge_apart<'a>(
        &self,
        plan: &Plan<'a>,
        active: &Active,
        voters: u32,
        error: Unavailable,
    ) -> Result<Charged<'a>, Unavailable> {
        let modes = active.answers.modes;
        let wanted: Vec<_> = plan.operations.iter().map(|one| wanted(one, modes)).collect();
        if wanted.contains(&OnUnavailable::Error) {
            metrics::count_unavailable_answer(OnUnavailable::Error);
            return Err(error);
        }
        let now = self.own_now();
        let own: Vec<_> = std::iter::zip(&plan.operations, &wanted)
            .filter(|(_, wanted)| **wanted == OnUnavailable::Local)
            .map(|(one, _)| Operation { quota: one.quota.shared_by(voters), ..*one })
            .collect();
        let told = |own: &[Outcome]| told(plan, &wanted, own);
        let passes = |own: &[Outcome]| Decision::of(plan, &told(own), modes).overall == Code::Ok;
        let own = self.charge_own(&own, is_atomic(plan), now, passes)?;
        wanted.iter().copied().for_each(metrics::count_unavailable_answer);
        let outcomes = told(&own);
        let decision = Decision::of(plan, &outcomes, modes);
        Ok(Charged { outcomes, decision, now })
    }

    fn charge_own(
        &self,
        own: &[Operation<'_>],
        is_atomic: bool,
        now: Now,
        passes: impl FnOnce(&[Outcome]) -> bool,
    ) -> Result<Vec<Outcome>, Refused> {
        match own {
            [] => Ok(Vec::new()),
            _ if is_atomic => self.apart.ledger().charge_all_or_none(own, now, passes),
            _ => own.iter().map(|one| self.apart.ledger().charge(one, now)).collect(),
        }
    }
}

/// What the limit of an operation wants. One that refuses nothing has no say in whether there is an
/// answer, and one that the caller brought has said nothing.
fn wanted(operation: &Operation<'_>, modes: Modes) -> OnUnavailable {
    let Some(limit) = operation.limit else { return OnUnavailable::Error };
    match (limit.on_unavailable, operation.charge) {
        (OnUnavailable::Error, _) if limit.shadow || modes.shadow => OnUnavailable::Allow,
        // Nothing that is given back is too much.
        (OnUnavailable::Deny, Charge::Refund(_)) => OnUnavailable::Allow,
        (wanted, _) => wanted,
    }
}

/// The outcome of each operation; `own` are those that this node counted, in order. One that is
/// missing is over.
fn told(plan: &Plan<'_>, wanted: &[OnUnavailable], own: &[Outcome]) -> Vec<Outcome> {
    let mut own = own.iter().copied();
    let over = Outcome {
        over: true,
        before: 0,
        after: 0,
        remaining: 0,
        reset_after: RETRY_AFTER,
        retry_after: Some(RETRY_AFTER),
    };
    let told = |(operation, wanted): (&Operation<'_>, &OnUnavailable)| match wanted {
        OnUnavailable::Error | OnUnavailable::Deny => over,
        OnUnavailable::Allow => Outcome {
            over: false,
            remaining: operation.quota.burst(),
            reset_after: Duration::ZERO,
            retry_after: None,
            ..over
        },
        OnUnavailable::Local => own.next().unwrap_or(over),
    };
    std::iter::zip(&plan.operations, wanted).map(told).collect()
}

#[cfg(test)]
#[path = "apart_tests.rs"]
mod tests;
