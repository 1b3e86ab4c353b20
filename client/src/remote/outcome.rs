//! What a failed attempt says: whether it was executed, whether it may be sent again, and whether
//! the endpoint is to be left in peace.
//!
//! The rule is narrow on purpose. Sent again is what surely was not executed: the connection was
//! never made; HTTP/2 says that the stream was not looked at (REFUSED_STREAM, or GOAWAY with a lower
//! last stream: RFC 9113, 6.8 and 8.7); the request never left its queue; or the node says so itself.
//! All else may have been executed, and is sent again only under an idempotency key.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use crate::error::{Error, Executed, Reason};

/// The domain of a node's own error details.
const DOMAIN: &str = "tollgate";

/// The most of a peer's message that an error carries, in bytes.
const MESSAGE_BYTES_MAX: usize = 512;

/// What hyper calls an error of a stream that has had no answer; one within an answer's body is
/// called otherwise. There is no other way to tell, and any other text is read as doubt.
const BEFORE_ANSWER: &str = "http2 error";

/// An attempt that gave no answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) again: Again,
    /// The endpoint itself is in trouble, whatever is asked.
    pub(super) is_endpoints_fault: bool,
    /// Nobody is there any more: connections are refused, and not only unanswered.
    pub(super) is_gone: bool,
}

/// Whether an attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// Nothing was executed.
    Safe,
    /// Only if the node would know the operation again.
    WithKey,
}

impl Failure {
    /// One that no repetition helps.
    pub(super) fn last(error: Error) -> Self {
        Self { error, again: Again::Never, is_endpoints_fault: false, is_gone: false }
    }

    /// What a call ended with.
    pub(super) fn of(status: &Status, address: &str, timeout: Duration) -> Self {
        match Evidence::of(status) {
            Evidence::Answered => answered(status, address, timeout),
            Evidence::TimedOut => timed_out(timeout),
            Evidence::NotConnected => {
                let is_gone = sources(status).any(is_refusal);
                Self { is_gone, ..unavailable(status, address, Executed::No, true) }
            }
            Evidence::NotExecuted => unavailable(status, address, Executed::No, false),
            Evidence::Broken => unavailable(status, address, Executed::Maybe, true),
        }
    }

    /// No answer in time: before the node forgot the call's key, or before the deadline, and how
    /// long that was is known to whoever asked.
    pub(super) fn late(is_forgotten: bool, address: &str) -> Self {
        if !is_forgotten {
            return timed_out(Duration::ZERO);
        }
        let status = Status::unavailable("no answer while the node knew the idempotency key");
        Self { again: Again::Never, ..unavailable(&status, address, Executed::Maybe, false) }
    }

    /// The same for something that never left.
    pub(super) fn unsent(mut self, address: &str) -> Self {
        if self.error.executed() == Executed::Maybe {
            let message = cut(&self.error.to_string());
            let (endpoint, executed) = (address.to_owned(), Executed::No);
            self.error = Error::Unavailable { endpoint, message, executed };
            self.again = Again::Safe;
        }
        self
    }

    /// The same where it may have been executed after all.
    pub(super) fn in_doubt(mut self, address: &str) -> Self {
        if self.error.executed() == Executed::No {
            let message = cut(&self.error.to_string());
            let (endpoint, executed) = (address.to_owned(), Executed::Maybe);
            self.error = Error::Unavailable { endpoint, message, executed };
        }
        if self.again == Again::Safe {
            self.again = Again::WithKey;
        }
        self
    }

    /// A stream that ended with answers owing.
    pub(super) fn ended(address: &str) -> Self {
        let status = Status::unavailable("the stream ended");
        unavailable(&status, address, Executed::Maybe, false)
    }
}

/// Where a status comes from.
enum Evidence {
    /// A node, or something between: nothing was wrong with the connection.
    Answered,
    TimedOut,
    NotConnected,
    /// There was a connection, and it says that nothing was done.
    NotExecuted,
    Broken,
}

impl Evidence {
    fn of(status: &Status) -> Self {
        // A status that came over the wire has no source.
        if status.source().is_none() {
            return Self::Answered;
        }
        let chain = || sources(status);
        if chain().any(<dyn StdError>::is::<TimeoutExpired>) {
            return Self::TimedOut;
        }
        if chain().any(<dyn StdError>::is::<ConnectError>) {
            return Self::NotConnected;
        }
        let h2 = chain().find_map(|error| error.downcast_ref::<h2::Error>());
        let hyper = chain().find_map(|error| error.downcast_ref::<hyper::Error>());
        if let Some(h2) = h2 {
            // A GOAWAY reaches only the streams above its last one; those below go on, and break with
            // the connection.
            let is_beyond_last = h2.is_go_away() && h2.is_remote();
            let is_refused =
                h2.is_reset() && h2.is_remote() && h2.reason() == Some(h2::Reason::REFUSED_STREAM);
            // A peer that has begun to answer has looked at the stream, whatever it says then.
            let is_unanswered = hyper.is_some_and(|hyper| hyper.to_string() == BEFORE_ANSWER);
            let is_untouched = is_unanswered && (is_beyond_last || is_refused);
            return if is_untouched { Self::NotExecuted } else { Self::Broken };
        }
        match hyper {
            // Its own word for a request that was still in the queue when the connection closed.
            Some(hyper) if hyper.is_canceled() => Self::NotExecuted,
            Some(_) => Self::Broken,
            // The wait for a connection is outside of what becomes a `ConnectError`; what breaks a
            // connection that exists always comes through hyper.
            None if chain().any(is_time_out) => Self::NotConnected,
            None => Self::Broken,
        }
    }
}

/// What a status came from, outermost first.
fn sources(status: &Status) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(status.source(), |&error| error.source())
}

/// The peer's machine says that nobody listens, or there is no such socket.
fn is_refusal(error: &(dyn StdError + 'static)) -> bool {
    let refusals = [io::ErrorKind::ConnectionRefused, io::ErrorKind::NotFound];
    error.downcast_ref::<io::Error>().is_some_and(|error| refusals.contains(&error.kind()))
}

fn is_time_out(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn answered(status: &Status, address: &str, timeout: Duration) -> Failure {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
    let Some(info) = info else { return without_details(status, address, timeout) };
    let said_no = info.metadata.get("executed").is_some_and(|word| word == "no");
    let executed = if said_no { Executed::No } else { Executed::Maybe };
    let reason = Reason::of_word(&cut(&info.reason));
    let again = match (status.code(), executed) {
        (Code::Unavailable | Code::ResourceExhausted, Executed::No) => Again::Safe,
        (Code::Unavailable | Code::ResourceExhausted, Executed::Maybe) => Again::WithKey,
        _ => Again::Never,
    };
    let retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
    let is_endpoints_fault = reason == Reason::NotLoaded;
    let message = cut(status.message());
    let error = Error::Refused { reason, message, executed, retry_after };
    Failure { error, again, is_endpoints_fault, is_gone: false }
}

/// A status of something that does not speak our details: a proxy, or the library on either side.
fn without_details(status: &Status, address: &str, timeout: Duration) -> Failure {
    let refused = |reason: Reason| {
        let message = cut(status.message());
        let executed = Executed::Maybe;
        Failure::last(Error::Refused { reason, message, executed, retry_after: None })
    };
    match status.code() {
        Code::Unavailable => unavailable(status, address, Executed::Maybe, true),
        Code::Cancelled | Code::Unknown => unavailable(status, address, Executed::Maybe, false),
        Code::DeadlineExceeded => timed_out(timeout),
        Code::Internal => refused(Reason::Internal),
        Code::InvalidArgument => refused(Reason::BadRequest),
        Code::Unauthenticated => refused(Reason::Unauthenticated),
        Code::PermissionDenied => refused(Reason::PermissionDenied),
        code => refused(Reason::Other(format!("{code:?}").to_ascii_lowercase())),
    }
}

fn timed_out(timeout: Duration) -> Failure {
    Failure::last(Error::DeadlineExceeded { timeout, executed: Executed::Maybe })
}

fn unavailable(
    status: &Status,
    address: &str,
    executed: Executed,
    is_endpoints_fault: bool,
) -> Failure {
    let mut message = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        message = error.to_string();
        source = error.source();
    }
    let (endpoint, message) = (address.to_owned(), cut(&message));
    let error = Error::Unavailable { endpoint, message, executed };
    let again = if executed == Executed::No { Again::Safe } else { Again::WithKey };
    Failure { error, again, is_endpoints_fault, is_gone: false }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(code: Code, reason: &str, domain: &str, executed: Option<&str>) -> Failure {
        let metadata: HashMap<_, _> =
            executed.map(|word| ("executed".to_owned(), word.to_owned())).into_iter().collect();
        let mut details = ErrorDetails::with_error_info(reason, domain, metadata);
        details.set_retry_info(Some(SECOND));
        let status = Status::with_error_details(code, "a sentence", details);
        Failure::of(&status, "http://node", SECOND)
    }

    #[test]
    fn a_nodes_own_word_that_nothing_was_done_makes_it_safe() {
        let failure = told(Code::Unavailable, "LEDGER_FULL", "tollgate", Some("no"));
        assert_eq!((failure.again, failure.error.executed()), (Again::Safe, Executed::No));
        assert_eq!(failure.error.word(), "ledger_full");
        assert_eq!(failure.error.retry_after(), Some(SECOND));
        assert!(told(Code::Unavailable, "NOT_LOADED", "tollgate", Some("no")).is_endpoints_fault);
    }

    #[test]
    fn without_that_word_or_with_anothers_it_needs_a_key() {
        for (domain, executed) in [("tollgate", None), ("tollgate", Some("yes")), ("x", Some("no"))]
        {
            let failure = told(Code::Unavailable, "LEDGER_FULL", domain, executed);
            assert_eq!(failure.again, Again::WithKey, "{domain} {executed:?}");
            assert_eq!(failure.error.executed(), Executed::Maybe);
        }
    }

    #[test]
    fn what_is_wrong_is_wrong_again() {
        for code in [Code::InvalidArgument, Code::NotFound, Code::PermissionDenied, Code::Internal]
        {
            assert_eq!(told(code, "X", "tollgate", Some("no")).again, Again::Never, "{code}");
            assert_eq!(Failure::of(&Status::new(code, ""), "", SECOND).again, Again::Never);
        }
    }

    #[test]
    fn only_evidence_of_a_connection_makes_a_bare_status_safe() {
        let unsent = Status::from_error(Box::new(ConnectError("refused".into())));
        let failure = Failure::of(&unsent, "http://node", SECOND);
        assert_eq!((failure.again, failure.is_endpoints_fault), (Again::Safe, true));
        for code in [Code::Unavailable, Code::Cancelled, Code::Unknown] {
            let failure = Failure::of(&Status::new(code, ""), "", SECOND);
            assert_eq!(failure.again, Again::WithKey, "{code}");
        }
        let broken = Status::from_error(Box::new(io::Error::from(io::ErrorKind::BrokenPipe)));
        assert_eq!(Failure::of(&broken, "", SECOND).again, Again::WithKey);
        let late = Status::from_error(Box::new(TimeoutExpired(())));
        assert_eq!(Failure::of(&late, "", SECOND).again, Again::Never);
    }

    #[test]
    fn a_peers_message_is_bounded() {
        let failure = Failure::of(&Status::internal("ä".repeat(10_000)), "", SECOND);
        assert!(failure.error.to_string().len() < MESSAGE_BYTES_MAX + 32);
    }
}
