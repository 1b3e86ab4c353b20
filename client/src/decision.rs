//! The answer: may it pass, and what is left?

use std::time::Duration;

use crate::{Algorithm, Error};

/// The answer to a check.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Decision {
    pub(crate) allowed: bool,
    pub(crate) statuses: Vec<Status>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) shadowed: bool,
    pub(crate) local: Option<Error>,
}

impl Decision {
    /// Whether it may pass.
    pub fn allowed(&self) -> bool {
        self.allowed
    }

    /// When the same check would pass if it is left alone. Absent where it passes, and where no
    /// node was asked.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What each descriptor was told, in the order of the check; one for a named or inline limit.
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// Hits left now of the limit that has the fewest; absent where nothing was counted.
    pub fn remaining(&self) -> Option<u32> {
        let counted = self.statuses.iter().filter(|status| status.limit.is_some());
        counted.map(|status| status.remaining).min()
    }

    /// Whether it passes only because the node enforces nothing (shadow mode).
    pub fn is_shadowed(&self) -> bool {
        self.shadowed
    }

    /// Whether no node decided this: the client answered by itself, as `on_unavailable` says.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// Why no node decided this, where that is so.
    pub fn unavailable(&self) -> Option<&Error> {
        self.local.as_ref()
    }

    /// What the client answers by itself.
    pub(crate) fn local(allowed: bool, error: Error) -> Self {
        let retry_after = error.retry_after().filter(|_| !allowed);
        Self { allowed, statuses: Vec::new(), retry_after, shadowed: false, local: Some(error) }
    }
}

/// What one descriptor was told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Whether it passes by itself.
    pub allowed: bool,
    /// The limit that was counted; absent where no rule was met or the rule has no bound.
    pub limit: Option<CountedLimit>,
    /// Hits left now.
    pub remaining: u32,
    /// Until nothing is spent any more; where it is denied, until it would pass.
    pub reset_after: Duration,
    /// Denies only together with every other quota descriptor of its request.
    pub quota_mode: bool,
}

/// The numbers of a limit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CountedLimit {
    /// Its name; empty where it has none.
    pub name: String,
    /// Hits in each window.
    pub limit: u32,
    /// The window's length.
    pub window: Duration,
    /// How hits are counted; absent where this version of the client does not know it.
    pub algorithm: Option<Algorithm>,
    /// Hits that can pass at once.
    pub burst: u32,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settled {
    /// Hits that were spent.
    pub charged: u64,
    /// Hits that were needed beyond that and found no room: more than was reserved, or a limit that
    /// was lowered since. Never spent, so that no limit is ever exceeded.
    pub uncharged: u64,
    /// What each descriptor would be told now.
    pub statuses: Vec<Status>,
}
