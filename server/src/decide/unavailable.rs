//! Why a decision cannot be made, whichever ledger was asked.

use tollgate_core::command::NotDone;
use tollgate_core::store::Refused;

use super::replicated::NotAnswered;

/// A decision could not be made; the caller's failure mode applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// The ledger holds as many keys or bytes as it may, and none may leave.
    #[error("the ledger is full: raise ledger.keys_max or ledger.bytes_max")]
    LedgerFull,
    /// No configuration was right yet. The text is the reference service's.
    #[error("no rate limit configuration loaded")]
    NotLoaded,
    /// As many calls wait for the replicated ledger as may. Nothing was executed.
    #[error("as many calls wait for the cluster as may")]
    Overloaded,
    /// Nobody leads the replicated ledger, or nobody that can be reached. Nothing was executed.
    #[error("the cluster has no leader")]
    NoLeader,
    /// The caller's time was over before the replicated ledger was asked. Nothing was executed.
    #[error("the deadline was over before the cluster was asked")]
    NotSent,
    /// The replicated ledger did not answer in time. It may have been executed.
    #[error("the cluster did not answer in time")]
    TimedOut,
    /// The idempotency key was used for another request. Nothing was executed.
    #[error("the idempotency key was used for another request in the last 10 seconds")]
    Conflict,
    /// No more idempotency keys can be remembered. Nothing was executed.
    #[error("as many idempotency keys are remembered as may be")]
    OnceFull,
    /// The replicated ledger cannot read what it was asked, or did not answer that: a defect.
    #[error("internal error")]
    Senseless,
}

impl Unavailable {
    /// Whether the replicated ledger is out of reach, so that limits say themselves what happens.
    pub(super) fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Overloaded | Self::NoLeader | Self::NotSent | Self::TimedOut)
    }

    /// Whether something may have been executed, as far as the error alone can tell.
    pub fn may_be_executed(self) -> bool {
        matches!(self, Self::TimedOut | Self::Senseless)
    }

    /// A word for metrics and JSON bodies; part of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::LedgerFull => "ledger_full",
            Self::NotLoaded => "not_loaded",
            Self::Overloaded => "overloaded",
            Self::NoLeader => "no_leader",
            Self::NotSent => "deadline_exceeded",
            Self::TimedOut => "timed_out",
            Self::Conflict => "idempotency_conflict",
            Self::OnceFull => "idempotency_full",
            Self::Senseless => "internal",
        }
    }
}

impl From<Refused> for Unavailable {
    fn from(_: Refused) -> Self {
        Self::LedgerFull
    }
}

impl From<NotAnswered> for Unavailable {
    fn from(error: NotAnswered) -> Self {
        match error {
            NotAnswered::Overloaded => Self::Overloaded,
            NotAnswered::NoLeader => Self::NoLeader,
            NotAnswered::NotSent => Self::NotSent,
            NotAnswered::TimedOut => Self::TimedOut,
            NotAnswered::NotDone(not_done) => not_done.into(),
        }
    }
}

impl From<NotDone> for Unavailable {
    fn from(not_done: NotDone) -> Self {
        match not_done {
            NotDone::Full => Self::LedgerFull,
            NotDone::Conflict => Self::Conflict,
            NotDone::OnceFull => Self::OnceFull,
            // A group that was just made: nothing is lost by asking again.
            NotDone::Unbounded => Self::NoLeader,
            NotDone::AnswerForgotten => Self::TimedOut,
            // It has the room of another batch when it is asked again.
            NotDone::AnswersFull => Self::Overloaded,
            NotDone::ReservationsFull | NotDone::UnknownReservation | NotDone::Malformed => {
                Self::Senseless
            }
        }
    }
}
