//! How a command ends: every exit code, and which cause leads to which.
//!
//! The codes are API: scripts tell by them what to do next.

use std::process::ExitCode;

use http::StatusCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed, for a reason that no other code names.
    Failed,
    /// The call itself is wrong.
    Usage,
    /// The configuration is wrong.
    Configuration,
    /// Credentials are needed, or these do not suffice.
    Credentials,
    /// No node answers.
    Unreachable,
    /// The decision would be to deny.
    Denied,
    /// The node is there and takes no traffic.
    Unhealthy,
    /// Ended by the caller.
    Cancelled,
}

/// Why a command could not do what it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The words of the call, or the variables that stand in for some.
    Usage,
    /// A file of configuration, or the variables that stand in for it.
    Configuration,
    /// The node's answer.
    Answered(StatusCode),
    /// The socket is another user's, or the node does not take the certificate.
    NotAdmitted,
    /// No connection, no answer in time, or one that broke off.
    NoAnswer,
    /// The node does not take traffic, and the time to wait for it is over.
    NotReady,
    /// A signal, or no word where one was asked for.
    Cancelled,
    /// Anything else.
    Other,
}

impl Exit {
    /// Every way to end.
    pub(super) const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Configuration,
        Self::Credentials,
        Self::Unreachable,
        Self::Denied,
        Self::Unhealthy,
        Self::Cancelled,
    ];

    /// The number that the caller sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Credentials => 4,
            Self::Unreachable => 5,
            Self::Denied => 6,
            Self::Unhealthy => 10,
            Self::Cancelled => 130, // as a shell has it for SIGINT
        }
    }

    /// What it means, in the words of the help and of docs/cli.md.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong call",
            Self::Configuration => "configuration invalid",
            Self::Credentials => "credentials needed or refused",
            Self::Unreachable => "no node answers",
            Self::Denied => "the request would be denied (`explain --exit-code`)",
            Self::Unhealthy => "the node takes no traffic (`status --exit-code`, `status --wait`)",
            Self::Cancelled => "cancelled: SIGINT, or a question not answered with the word",
        }
    }
}

impl From<Cause> for Exit {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Usage => Self::Usage,
            Cause::Configuration => Self::Configuration,
            Cause::Answered(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            | Cause::NotAdmitted => Self::Credentials,
            Cause::NoAnswer => Self::Unreachable,
            Cause::NotReady => Self::Unhealthy,
            Cause::Cancelled => Self::Cancelled,
            Cause::Answered(_) | Cause::Other => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_code() {
        for (cause, code) in [
            (Cause::Other, 1),
            (Cause::Answered(StatusCode::NOT_FOUND), 1),
            (Cause::Answered(StatusCode::BAD_REQUEST), 1),
            (Cause::Answered(StatusCode::SERVICE_UNAVAILABLE), 1),
            (Cause::Answered(StatusCode::FOUND), 1),
            (Cause::Usage, 2),
            (Cause::Configuration, 3),
            (Cause::Answered(StatusCode::UNAUTHORIZED), 4),
            (Cause::Answered(StatusCode::FORBIDDEN), 4),
            (Cause::NotAdmitted, 4),
            (Cause::NoAnswer, 5),
            (Cause::NotReady, 10),
            (Cause::Cancelled, 130),
        ] {
            assert_eq!(Exit::from(cause).code(), code, "{cause:?}");
        }
    }

    #[test]
    fn no_two_ends_look_the_same() {
        let codes = Exit::ALL.map(Exit::code);
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
    }

    #[test]
    fn the_reference_lists_every_code() {
        let text = include_str!("../../../docs/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(text.contains(&row), "no row {row:?} in docs/cli.md");
        }
    }
}
