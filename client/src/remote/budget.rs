//! How much may be sent again: a part of what was asked for, so that a fleet in trouble is not
//! asked several times as much as a healthy one.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one retry costs.
const RETRY: u64 = 100;

/// Retries that can be saved up, and that a new client has: the reserve of one that rarely calls.
const SAVED_RETRIES_MAX: u64 = 10;

/// Each call pays in a percentage of a retry, each retry takes one out.
#[derive(Debug)]
pub(super) struct Budget {
    percent: u64,
    saved: AtomicU64,
}

impl Budget {
    pub(super) fn new(percent: u32) -> Self {
        let saved = if percent == 0 { 0 } else { SAVED_RETRIES_MAX * RETRY };
        Self { percent: percent.into(), saved: AtomicU64::new(saved) }
    }

    /// For a call that is sent the first time.
    pub(super) fn pay_in(&self) {
        let paid = |saved: u64| Some((saved + self.percent).min(SAVED_RETRIES_MAX * RETRY));
        let _always_some = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }

    /// Whether a call may be sent again.
    pub(super) fn take(&self) -> bool {
        let taken = |saved: u64| saved.checked_sub(RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_part_of_the_calls_and_a_reserve() {
        let budget = Budget::new(10);
        let mut retries = 0;
        for _ in 0..1000 {
            budget.pay_in();
            retries += u32::from(budget.take()) + u32::from(budget.take());
        }
        // The first call finds the reserve full and pays in nothing.
        assert_eq!(retries, (10 * 100 + 999 * 10) / 100);
    }

    #[test]
    fn a_budget_of_nothing_sends_nothing_again() {
        let budget = Budget::new(0);
        budget.pay_in();
        assert!(!budget.take());
    }

    #[test]
    fn what_is_saved_is_bounded() {
        let budget = Budget::new(100);
        (0..1000).for_each(|_| budget.pay_in());
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 10);
    }
}
