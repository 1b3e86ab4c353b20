//! Why there is no decision. A denial is none of these: it is an answer.

use std::time::Duration;

/// Why there is no decision.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node answered that it will not or cannot decide.
    #[error("{}: {message}", reason.word())]
    Refused {
        /// Its reason.
        reason: Reason,
        /// A sentence for people.
        message: String,
        /// Whether it may have counted something.
        executed: Executed,
        /// When to come back, where that is known.
        retry_after: Option<Duration>,
    },
    /// No node could be asked, or the connection broke before the answer.
    #[error("no answer from {endpoint}: {message}")]
    Unavailable {
        /// Who was asked last.
        endpoint: String,
        /// What the connection said.
        message: String,
        /// Whether it may have counted something.
        executed: Executed,
    },
    /// The time to wait for an answer was over.
    #[error("no answer within {timeout:?}")]
    DeadlineExceeded {
        /// The time that all attempts had together.
        timeout: Duration,
        /// Whether it may have counted something.
        executed: Executed,
    },
    /// As many calls are in flight as may be; nothing was sent.
    #[error("{in_flight_max} calls are in flight, and no more may be")]
    Overloaded {
        /// The bound that was met.
        in_flight_max: usize,
    },
    /// An answer that is none: without a verdict, with one that does not exist, or for something
    /// else than was asked. Never read as allowed.
    #[error("an answer that is none: {what}")]
    BadAnswer {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The client was told something that cannot be: an address, a token, a number.
    #[error("{what}: {why}")]
    Misconfigured {
        /// What it was told.
        what: String,
        /// Why it cannot be.
        why: String,
    },
}

impl Error {
    /// The reason as one word, as the protocol and the JSON API have it.
    pub fn word(&self) -> &str {
        match self {
            Self::Refused { reason, .. } => reason.word(),
            Self::Unavailable { .. } => "unavailable",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::Overloaded { .. } => "overloaded",
            Self::BadAnswer { .. } => "bad_answer",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    /// Whether the call may have counted something.
    pub fn executed(&self) -> Executed {
        match self {
            Self::Refused { executed, .. }
            | Self::Unavailable { executed, .. }
            | Self::DeadlineExceeded { executed, .. } => *executed,
            Self::Overloaded { .. } | Self::Misconfigured { .. } => Executed::No,
            Self::BadAnswer { .. } => Executed::Maybe,
        }
    }

    /// When to come back, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether nobody could decide just now, as opposed to a question that is wrong or not
    /// permitted. `on_unavailable` answers these, and no others.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Refused { reason, .. } => reason.is_unavailable(),
            Self::Unavailable { .. } | Self::DeadlineExceeded { .. } | Self::Overloaded { .. } => {
                true
            }
            Self::BadAnswer { .. } | Self::Misconfigured { .. } => false,
        }
    }

    pub(crate) fn refused(reason: Reason, message: impl Into<String>) -> Self {
        let (message, executed) = (message.into(), Executed::No);
        Self::Refused { reason, message, executed, retry_after: None }
    }
}

/// Whether a call that has no answer may have counted something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Executed {
    /// Surely not: it may be sent again.
    No,
    /// It may have.
    Maybe,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $upper:literal;)*) => {
        /// A node's reason for having no decision.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// One that this version of the client does not know.
            Other(String),
        }

        impl Reason {
            /// The reason as one word: `unknown_limit`.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(word) => word,
                }
            }

            /// The reason of a word in either spelling: `UNKNOWN_LIMIT`, `unknown_limit`.
            pub fn of_word(word: &str) -> Self {
                match word {
                    $($word | $upper => Self::$name,)*
                    other => Self::Other(other.to_ascii_lowercase()),
                }
            }
        }
    };
}

reasons! {
    /// Malformed, or beyond a bound of the node.
    BadRequest = "bad_request", "BAD_REQUEST";
    /// There is no named limit of this name.
    UnknownLimit = "unknown_limit", "UNKNOWN_LIMIT";
    /// Never made, ended, committed or cancelled.
    UnknownReservation = "unknown_reservation", "UNKNOWN_RESERVATION";
    /// Credentials are needed, or those given are wrong.
    Unauthenticated = "unauthenticated", "UNAUTHENTICATED";
    /// The caller is known and may not do this.
    PermissionDenied = "permission_denied", "PERMISSION_DENIED";
    /// The key was used for another request in the last 10 seconds.
    IdempotencyConflict = "idempotency_conflict", "IDEMPOTENCY_CONFLICT";
    /// The deadline was over before it was decided.
    DeadlineExceeded = "deadline_exceeded", "DEADLINE_EXCEEDED";
    /// The node remembers as many keys as it may.
    IdempotencyFull = "idempotency_full", "IDEMPOTENCY_FULL";
    /// The node holds as many reservations as it may.
    ReservationsFull = "reservations_full", "RESERVATIONS_FULL";
    /// Calls in flight hold as much of the node's memory as they may.
    NoRoom = "no_room", "NO_ROOM";
    /// The node counts as many keys as it may.
    LedgerFull = "ledger_full", "LEDGER_FULL";
    /// As many calls wait for the node's cluster as may.
    Overloaded = "overloaded", "OVERLOADED";
    /// The node's cluster has no leader that can be reached.
    NoLeader = "no_leader", "NO_LEADER";
    /// The node's cluster did not answer in time.
    TimedOut = "timed_out", "TIMED_OUT";
    /// The node has no right configuration yet.
    NotLoaded = "not_loaded", "NOT_LOADED";
    /// A fault of the node.
    Internal = "internal", "INTERNAL";
}

impl Reason {
    fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::DeadlineExceeded
                | Self::IdempotencyFull
                | Self::ReservationsFull
                | Self::NoRoom
                | Self::LedgerFull
                | Self::Overloaded
                | Self::NoLeader
                | Self::TimedOut
                | Self::NotLoaded
                | Self::Internal
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_in_either_spelling() {
        assert_eq!(Reason::of_word("UNKNOWN_LIMIT"), Reason::UnknownLimit);
        assert_eq!(Reason::of_word("unknown_limit"), Reason::UnknownLimit);
        assert_eq!(Reason::of_word("FROM_THE_FUTURE").word(), "from_the_future");
    }

    #[test]
    fn only_what_passes_by_itself_counts_as_unavailable() {
        for reason in [Reason::BadRequest, Reason::UnknownLimit, Reason::Other("x".into())] {
            assert!(!Error::refused(reason, "").is_unavailable());
        }
        assert!(Error::refused(Reason::NotLoaded, "").is_unavailable());
        assert!(!Error::BadAnswer { what: "" }.is_unavailable());
        assert!(Error::Overloaded { in_flight_max: 1 }.is_unavailable());
    }
}
