//! What a decider asks of a ledger that several nodes keep together.
//!
//! The ledger waits; everything else about it is told from what this node knows. It answers with
//! outcomes, never with decisions: those are made here, by the code that a lone node makes them by.

use futures_util::future::BoxFuture;
use tollgate_core::bucket::Bucket;
use tollgate_core::command::{Answer, Call, KeySlot, NotDone};
use tollgate_core::key::{Key, ReservationId};
use tollgate_core::store::Slot;
use tollgate_core::time::{Monotonic, Now};

use super::Totals;

/// A ledger that several nodes keep together.
pub trait Replicated: Send + Sync {
    /// Executes `call` once it is agreed on. It waits until `deadline` at most, or for as long as it
    /// finds right where there is none. A call that is no longer waited for may still be executed.
    fn ask(
        &self,
        call: Call,
        deadline: Option<Monotonic>,
    ) -> BoxFuture<'static, Result<Answered, NotAnswered>>;

    /// A name for a reservation of buckets in these slots; never the same twice.
    fn reservation_id(&self, slots: &[KeySlot]) -> ReservationId;

    /// How many nodes decide together: what a limit is divided by where each decides alone.
    fn voters(&self) -> u32;

    /// The ledger's time, as far as this node knows it.
    fn now(&self) -> Now;

    /// What this node knows to be held.
    fn totals(&self) -> Totals;

    /// A copy of a bucket, as this node knows it.
    fn bucket(&self, key: Key) -> Option<Bucket>;

    /// Hits that reservations hold of a key, as far as this node knows.
    fn held(&self, key: Key, now: Now) -> u64;

    /// Shows every slot that this node knows to `visit`, in a fixed order of shards.
    fn visit(&self, visit: &mut dyn FnMut(&Slot<'_>));
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// The time that it was executed at.
    pub at: Now,
}

/// Why there is no answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// As many calls wait as may. Nothing was executed.
    #[error("as many calls wait as may")]
    Overloaded,
    /// There is no leader that can be reached. Nothing was executed.
    #[error("there is no leader")]
    NoLeader,
    /// Its time was over before it was sent to whoever leads. Nothing was executed.
    #[error("not sent in time")]
    NotSent,
    /// No answer came in time. It may have been executed.
    #[error("no answer in time")]
    TimedOut,
    /// It was refused.
    #[error(transparent)]
    NotDone(#[from] NotDone),
}
