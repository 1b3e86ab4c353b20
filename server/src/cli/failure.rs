//! What went wrong, for a person: in words, with the next command to try.
//!
//! The type has no conversion from other errors on purpose: whoever meets one says what to try.

use std::borrow::Cow;
use std::fmt::Display;

use super::exit::{Cause, Exit};

/// Commands that several failures end with. A test holds each against the command line.
pub(super) mod next {
    /// Starts a node.
    pub(in crate::cli) const SERVE: &str = "tollgate serve --config FILE";
    /// Says how the node is.
    pub(in crate::cli) const STATUS: &str = "tollgate status";
    /// Prints what the node answered, as it is.
    pub(in crate::cli) const AS_IT_IS: &str = "tollgate status -o json";
    /// Lists counters.
    pub(in crate::cli) const COUNTERS: &str = "tollgate counters find";
    /// Lists tokens.
    pub(in crate::cli) const TOKENS: &str = "tollgate admin token list";
    /// Lists limits.
    pub(in crate::cli) const LIMITS: &str = "tollgate limits list";
    /// Brings credentials.
    pub(in crate::cli) const TOKEN: &str = "tollgate status --token-file FILE";
    /// Names authorities.
    pub(in crate::cli) const AUTHORITIES: &str =
        "tollgate status --endpoint https://HOST:PORT --ca-cert FILE";
    /// Shows a certificate.
    pub(in crate::cli) const CERTIFICATE: &str =
        "tollgate status --ca-cert FILE --client-cert FILE --client-key FILE";
    /// Names another place.
    pub(in crate::cli) const ENDPOINT: &str = "tollgate status --endpoint unix:/PATH";
    /// Says what is wrong with the environment.
    pub(in crate::cli) const CHECK_ENVIRONMENT: &str = "tollgate check --env";

    /// All of them.
    #[cfg(test)]
    pub(in crate::cli) const ALL: [&str; 11] = [
        SERVE,
        STATUS,
        AS_IT_IS,
        COUNTERS,
        TOKENS,
        LIMITS,
        TOKEN,
        AUTHORITIES,
        CERTIFICATE,
        ENDPOINT,
        CHECK_ENVIRONMENT,
    ];
}

/// Why a command did not do what it was to do, and what to try next.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    next: Cow<'static, str>,
}

impl Failure {
    /// A failure; `next` is a whole command line.
    pub(super) fn new(
        cause: Cause,
        what: impl Display,
        next: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { exit: cause.into(), what: what.to_string(), next: next.into() }
    }

    /// A failure of something that has an error with causes.
    pub(super) fn because(
        cause: Cause,
        error: &anyhow::Error,
        next: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(cause, causes(error), next)
    }

    /// How the process ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// What went wrong, without the command to try.
    pub(super) fn what(&self) -> &str {
        &self.what
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}\nnext: {}", self.what, self.next)
    }
}

/// What a command ended with.
pub(super) type Ended = Result<Exit, Failure>;

/// An error with its causes, each once: some repeat theirs in their own words.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_ends_with_the_next_command() {
        let failure = Failure::new(Cause::NoAnswer, "no node answers", next::SERVE);
        assert_eq!(failure.exit(), Exit::Unreachable);
        let expected = "error: no node answers\nnext: tollgate serve --config FILE";
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn a_cause_that_is_repeated_is_told_once() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = tollgate_runtime::listen::tcp(address).unwrap_err();
        let text = causes(&anyhow::Error::from(error).context("listeners.http.address"));
        let expected = format!("listeners.http.address: cannot listen on {address}: ");
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.matches("Address already in use").count(), 1, "{text}");
    }
}
