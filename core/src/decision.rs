//! The answer: a status for each descriptor and one code for the request.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Outcome;
use crate::command::Shown;
use crate::limit::{Limit, Quota};
use crate::plan::{Item, Operation, Plan};

/// May it pass?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// It may.
    Ok,
    /// A limit says no.
    OverLimit,
}

/// What one descriptor was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status<'a> {
    /// The descriptor's own code. A shadowed limit says [`Code::Ok`] even when it is over.
    pub code: Code,
    /// The limit that was counted; absent where none was.
    pub current: Option<Current<'a>>,
    /// Hits left in the window; `u32::MAX` for an unlimited rule.
    pub remaining: u32,
    /// Does not reject by itself.
    pub quota_mode: bool,
}

/// The limit behind a status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Current<'a> {
    /// Its numbers.
    pub quota: Quota,
    /// Its name, if it has one.
    pub name: Option<&'a Arc<str>>,
    /// Time until nothing is spent any more; for a denied request, until it would pass.
    pub reset_after: Duration,
}

/// Modes that change how every descriptor is combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// The whole request passes whatever its descriptors say.
    pub shadow: bool,
    /// Every descriptor is a quota descriptor, and one without a limit counts as passing.
    pub quota: bool,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// One code for the request.
    pub overall: Code,
    /// The request was over and passes only because [`Modes::shadow`] is on.
    pub shadowed: bool,
    /// One status a descriptor, in the request's order.
    pub statuses: Vec<Status<'a>>,
    /// When the request would pass if it is left alone: the longest wait of the limits that are
    /// enforced and over. Absent where none is.
    pub retry_after: Option<Duration>,
}

impl<'a> Decision<'a> {
    /// Combines what the ledger answered. `outcomes` belong to the plan's operations, in order; an
    /// operation without an outcome counts as over, so that a fault never reads as allowed.
    pub fn of(plan: &Plan<'a>, outcomes: &[Outcome], modes: Modes) -> Self {
        let behind = |range: Range<usize>| {
            plan.operations.get(range).unwrap_or_default().iter().map(Behind::from)
        };
        let status = |item: &Item<'a>| status(&item.into(), behind, outcomes, modes);
        let statuses: Vec<_> = plan.items.iter().map(status).collect();
        let over = is_over(statuses.iter().copied());
        let overall = if over && !modes.shadow { Code::OverLimit } else { Code::Ok };
        let enforced =
            |operation: &Operation<'_>| operation.limit.is_none_or(|limit| !limit.shadow);
        let over_and_enforced = plan.operations.iter().zip(outcomes).filter(|(op, _)| enforced(op));
        let retry_after = over_and_enforced.filter_map(|(_, outcome)| outcome.retry_after).max();
        Self { overall, shadowed: over && modes.shadow, statuses, retry_after }
    }
}

impl<'a> Decision<'a> {
    /// The status that headers describe: the last one that rejects by itself, else the one with the
    /// least left; only statuses with a limit count.
    pub fn tightest(&self) -> Option<&Status<'a>> {
        let counted = || self.statuses.iter().filter(|status| status.current.is_some());
        let rejects = |status: &&Status<'_>| status.code == Code::OverLimit && !status.quota_mode;
        counted().rfind(rejects).or_else(|| counted().min_by_key(|status| status.remaining))
    }
}

impl Status<'_> {
    fn wait(&self) -> Duration {
        self.current.as_ref().map_or(Duration::ZERO, |current| current.reset_after)
    }

    fn without_limit(quota_mode: bool) -> Self {
        Self { code: Code::Ok, current: None, remaining: 0, quota_mode }
    }
}

/// What a status tells of the limit behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind<'a> {
    pub(crate) quota: Quota,
    pub(crate) name: Option<&'a Arc<str>>,
    pub(crate) shadow: bool,
    pub(crate) quota_mode: bool,
}

impl<'a> From<&Operation<'a>> for Behind<'a> {
    fn from(operation: &Operation<'a>) -> Self {
        let limit: Option<&'a Limit> = operation.limit;
        Self {
            quota: operation.quota,
            name: limit.and_then(|limit| limit.name.as_ref()),
            shadow: limit.is_some_and(|limit| limit.shadow),
            quota_mode: limit.is_some_and(|limit| limit.quota_mode),
        }
    }
}

/// The status of the descriptor that `shown` stands for; `behind` knows the limits of a range.
pub(crate) fn status<'a, I: Iterator<Item = Behind<'a>>>(
    shown: &Shown,
    behind: impl FnOnce(Range<usize>) -> I,
    outcomes: &[Outcome],
    modes: Modes,
) -> Status<'a> {
    match shown {
        Shown::Unmatched => Status::without_limit(modes.quota),
        Shown::Unlimited => Status { remaining: u32::MAX, ..Status::without_limit(false) },
        Shown::Counted(range) => {
            let outcomes = outcomes.get(range.clone()).unwrap_or_default();
            tightest(behind(range.clone()), outcomes, modes)
        }
    }
}

/// The status of a descriptor with one or several limits: of those that are over the one with the
/// longest wait, else the one with the least left.
fn tightest<'a>(
    limits: impl Iterator<Item = Behind<'a>>,
    outcomes: &[Outcome],
    modes: Modes,
) -> Status<'a> {
    let mut tightest: Option<Status<'a>> = None;
    for (index, limit) in limits.enumerate() {
        let status = status_of(limit, outcomes.get(index), modes);
        let is_tighter = tightest.as_ref().is_none_or(|so_far| match (so_far.code, status.code) {
            (Code::Ok, Code::OverLimit) => true,
            (Code::OverLimit, Code::Ok) => false,
            (Code::OverLimit, Code::OverLimit) => status.wait() > so_far.wait(),
            (Code::Ok, Code::Ok) => status.remaining < so_far.remaining,
        });
        if is_tighter {
            tightest = Some(status);
        }
    }
    tightest.unwrap_or(Status { code: Code::OverLimit, ..Status::without_limit(false) })
}

fn status_of<'a>(limit: Behind<'a>, outcome: Option<&Outcome>, modes: Modes) -> Status<'a> {
    let Behind { quota, name, shadow, quota_mode } = limit;
    let over = outcome.is_none_or(|outcome| outcome.over);
    let reset_after = outcome
        .map_or(Duration::ZERO, |outcome| outcome.retry_after.unwrap_or(outcome.reset_after));
    Status {
        code: if over && !shadow { Code::OverLimit } else { Code::Ok },
        current: Some(Current { quota, name, reset_after }),
        remaining: if over { 0 } else { outcome.map_or(0, |outcome| outcome.remaining) },
        quota_mode: modes.quota || quota_mode,
    }
}

/// Over if a normal descriptor is over, or if there are quota descriptors and all of them are over.
pub(crate) fn is_over<'a>(statuses: impl IntoIterator<Item = Status<'a>>) -> bool {
    let (mut quotas, mut quotas_over) = (0, 0);
    for status in statuses {
        let over = status.code == Code::OverLimit;
        if !status.quota_mode && over {
            return true;
        }
        quotas += usize::from(status.quota_mode);
        quotas_over += usize::from(status.quota_mode && over);
    }
    quotas > 0 && quotas == quotas_over
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
