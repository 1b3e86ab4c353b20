//! What a replicated ledger is asked to do, whole.
//!
//! A command carries everything that its answer depends on beside the state and the time: the keys,
//! the numbers that judge them, how the outcomes combine. It names no configuration, so replicas whose
//! files differ still agree. The local ledger takes the same operations from a [`Plan`](crate::plan)
//! without owning them.

mod combining;
mod planned;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Outcome;
use crate::decision::Modes;
use crate::descriptor::Charge;
use crate::key::{DomainTag, Fingerprint, Key, ReservationId};
use crate::limit::Quota;
use crate::reservation::Reservation;
use crate::store::{Part, Settled};
use crate::time::Now;

/// Slots that keys are spread over; each belongs to one group.
pub const SLOTS: u16 = 4_096;

/// Which of the [`SLOTS`] a key is in: chosen by the domain and the first entry of its descriptor, so
/// that the limits of one principal meet in one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeySlot(pub u16);

/// One charge of one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Charging {
    /// Which bucket.
    pub key: Key,
    /// Where its group is found.
    pub slot: KeySlot,
    /// The numbers that judge it.
    pub quota: Quota,
    /// What to spend, look at or give back.
    pub charge: Charge,
    /// Whose share of the store a new bucket counts against.
    pub domain: DomainTag,
    /// The key's printable text.
    pub text: Box<str>,
    /// The limit's mode: see [`Limit::shadow`](crate::limit::Limit::shadow).
    pub shadow: bool,
    /// The limit's mode: see [`Limit::quota_mode`](crate::limit::Limit::quota_mode).
    pub quota_mode: bool,
}

/// A charge that is held until its cost is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    /// What is held; never a refund.
    pub charging: Charging,
    /// Its cost is what it holds, whatever the commit says.
    pub is_fixed: bool,
    /// The limit's name, if it has one.
    pub name: Option<Arc<str>>,
}

/// What stands for one descriptor of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// No rule, or only limits that others replace.
    Unmatched,
    /// A rule without bound.
    Unlimited,
    /// These charges of the command.
    Counted(Range<usize>),
}

/// How outcomes combine into one answer: may the request pass?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combining {
    /// One for each descriptor.
    pub items: Vec<Shown>,
    /// Modes of combining.
    pub modes: Modes,
}

/// What the charges of a request have to do with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: each counts by itself, in order. A store that is full ends it where it is.
    Each,
    /// All are charged whatever their outcomes are, or none if there is no room for one of them.
    All,
    /// All are charged if the request passes by this, else none.
    AllOrNone(Combining),
}

/// What is to be done. All keys of a command belong to the group that executes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Charges of a request; refunds too. Answered with [`Answer::Outcomes`].
    Charge {
        /// In the request's order.
        charges: Vec<Charging>,
        /// What they have to do with each other.
        rule: Rule,
    },
    /// What a [`Command::Charge`] would be answered, charging nothing: [`Answer::Previewed`].
    Preview {
        /// In the request's order.
        charges: Vec<Charging>,
        /// What they have to do with each other.
        rule: Rule,
    },
    /// Takes back what a charge spent that was admitted at `charged_at` and is not to count after
    /// all, as far as no window or bucket opens wider for it than without the charge. Answered with
    /// [`Answer::Done`].
    TakeBack {
        /// The charges as they were made.
        charges: Vec<Charging>,
        /// The time that their outcomes were told with.
        charged_at: Now,
    },
    /// Hits that a node refused from its memory of denials: they spend nothing, and count as one early
    /// hit of each penalised bucket. Answered with [`Answer::Done`].
    Impatient {
        /// The charges that were refused.
        charges: Vec<Charging>,
    },
    /// Holds the hits of all limits or of none: [`Answer::Held`].
    Hold {
        /// Chosen by whoever asks, and never twice.
        id: ReservationId,
        /// How long, from the time of execution.
        hold_for: Duration,
        /// In the request's order.
        holdings: Vec<Holding>,
        /// Whether the request passes.
        combining: Combining,
    },
    /// What a reservation holds: [`Answer::Described`].
    Describe {
        /// Its name.
        id: ReservationId,
    },
    /// Spends what a reservation needed and frees the rest: [`Answer::Settled`].
    Settle {
        /// Its name.
        id: ReservationId,
        /// What it needed.
        hits: u64,
        /// The numbers of now, where they are known, for its parts.
        quotas: Vec<(Key, Quota)>,
    },
    /// Frees all that a reservation held: [`Answer::Settled`].
    Release {
        /// Its name.
        id: ReservationId,
    },
    /// Forgets what was spent: [`Answer::Forgotten`].
    Forget {
        /// The buckets, each once.
        keys: Vec<Key>,
    },
    /// Bounds what a group may hold. The first command of every group; a later one changes the
    /// bounds and nothing else. Answered with [`Answer::Done`].
    Bound(Bounds),
    /// Nothing but time: ended buckets, holds and answers go. Answered with [`Answer::Done`].
    Tick,
}

/// What a group may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys.
    pub keys_max: usize,
    /// Bytes of keys.
    pub bytes_max: usize,
    /// Open reservations.
    pub reservations_max: usize,
}

/// By what a command is known when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller's word: see [`IdempotencyKey`](crate::idempotency::IdempotencyKey).
    pub key: Box<str>,
    /// Tells its request from others.
    pub fingerprint: Fingerprint,
}

/// A command as it stands in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Executed once for this key; always, without one.
    pub once: Option<Once>,
    /// What is to be done.
    pub command: Command,
}

/// What became of a command. Which one answers which stands with [`Command`]; every command can be
/// answered with [`Answer::NotDone`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// One for each charge, in order.
    Outcomes(Vec<Outcome>),
    /// What each charge found, and what it would have been told.
    Previewed {
        /// A peek at each bucket.
        found: Vec<Outcome>,
        /// What the charges would be told.
        outcomes: Vec<Outcome>,
    },
    /// One for each charge, in order.
    Held {
        /// The reservation's name: that of the first time, where the command came again.
        id: ReservationId,
        /// What each charge was told.
        outcomes: Vec<Outcome>,
        /// Whether the request passed; it holds nothing otherwise.
        is_held: bool,
    },
    /// What a reservation holds.
    Described(Vec<Part>),
    /// What a reservation spent, and the reservation, which is closed.
    Settled {
        /// What became of its hits.
        settled: Settled,
        /// To tell the statuses of its descriptors.
        reservation: Box<Reservation>,
    },
    /// The bucket of each key as it was, with its text; absent where there was none.
    Forgotten(Vec<Option<(crate::bucket::Bucket, Box<str>)>>),
    /// There is nothing to tell.
    Done,
    /// It was not executed.
    NotDone(NotDone),
}

/// Why a command was not executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// A bucket had no room; where each charge counts by itself, those before it were charged.
    #[error("the ledger is full")]
    Full,
    /// As many reservations are open as may be.
    #[error("as many reservations are open as may be")]
    ReservationsFull,
    /// There is no open reservation of this name.
    #[error("there is no open reservation of this name")]
    UnknownReservation,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    Conflict,
    /// No more idempotency keys can be remembered.
    #[error("no more idempotency keys can be remembered")]
    OnceFull,
    /// The group does not know its bounds yet.
    #[error("the group is not ready")]
    Unbounded,
    /// The command came again after its answer was forgotten.
    #[error("the answer is not remembered any more")]
    AnswerForgotten,
    /// The command cannot be read, or contradicts itself.
    #[error("the command makes no sense")]
    Malformed,
    /// The answers to the calls before it in its batch leave no room for its own. Asked again, it
    /// has the room of another batch.
    #[error("its batch has too long answers")]
    AnswersFull,
}
