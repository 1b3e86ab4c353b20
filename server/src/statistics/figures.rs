//! The figures of one limit, kept for as long as the process lives.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate_core::tally::Tally;

/// Hits of one limit since the process started, on cache lines of their own: cores that count for
/// different limits do not wait for each other.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Figures {
    total: AtomicU64,
    within: AtomicU64,
    near: AtomicU64,
    over: AtomicU64,
    shadow: AtomicU64,
    refunded: AtomicU64,
}

/// A limit with its name and its figures.
#[derive(Debug)]
pub(crate) struct LimitFigures {
    /// Its domain.
    pub(crate) domain: Box<str>,
    /// Its name: domain and levels, joined with dots.
    pub(crate) name: Box<str>,
    /// The levels of its name, which may hold dots themselves.
    pub(crate) levels: Box<[String]>,
    /// What was counted.
    pub(crate) figures: Figures,
}

impl Figures {
    /// Adds what one operation did. Nothing is read back together, so no order is asked for.
    pub(crate) fn add(&self, tally: &Tally) {
        let add = |counter: &AtomicU64, hits: u64| {
            if hits > 0 {
                counter.fetch_add(hits, Ordering::Relaxed);
            }
        };
        add(&self.total, tally.total);
        add(&self.within, tally.within);
        add(&self.near, tally.near);
        add(&self.over, tally.over);
        add(&self.shadow, tally.shadow);
        add(&self.refunded, tally.refunded);
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            total: read(&self.total),
            within: read(&self.within),
            near: read(&self.near),
            over: read(&self.over),
            shadow: read(&self.shadow),
            refunded: read(&self.refunded),
        }
    }
}
