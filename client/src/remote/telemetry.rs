//! What the client counts, through the `metrics` facade where the feature of that name is on:
//!
//! | metric | kind | labels | meaning |
//! |---|---|---|---|
//! | `tollgate_client_calls_total` | counter | `operation`, `outcome` | calls that ended; the outcome is `ok` or the error's word |
//! | `tollgate_client_retries_total` | counter | `operation` | calls sent again |
//! | `tollgate_client_call_seconds` | histogram | `operation` | from the call to its end, all attempts together |
//! | `tollgate_client_in_flight` | gauge | | calls in flight |
//! | `tollgate_client_unavailable_answers_total` | counter | `answer` | decisions that no node made: `allow` or `deny` |
//!
//! Words of errors that this version does not know are counted as `other`: no label comes from a
//! peer.

#[cfg(feature = "metrics")]
mod counted {
    use tokio::time::Instant;

    use crate::{Error, Reason, clock};

    /// A call from its start to its end.
    #[derive(Debug)]
    pub(crate) struct Call {
        operation: &'static str,
        since: Instant,
    }

    impl Call {
        pub(crate) fn start(operation: &'static str) -> Self {
            metrics::gauge!("tollgate_client_in_flight").increment(1.0);
            Self { operation, since: clock::now() }
        }

        pub(crate) fn retry(&self) {
            metrics::counter!("tollgate_client_retries_total", "operation" => self.operation)
                .increment(1);
        }

        pub(crate) fn end(self, error: Option<&Error>) {
            let outcome = error.map_or_else(|| "ok".to_owned(), word);
            metrics::counter!("tollgate_client_calls_total",
                "operation" => self.operation, "outcome" => outcome)
            .increment(1);
            let seconds = clock::now().saturating_duration_since(self.since).as_secs_f64();
            metrics::histogram!("tollgate_client_call_seconds", "operation" => self.operation)
                .record(seconds);
        }
    }

    /// Also for a call whose future was dropped.
    impl Drop for Call {
        fn drop(&mut self) {
            metrics::gauge!("tollgate_client_in_flight").decrement(1.0);
        }
    }

    fn word(error: &Error) -> String {
        match error {
            Error::Refused { reason: Reason::Other(_), .. } => "other".to_owned(),
            error => error.word().to_owned(),
        }
    }

    pub(crate) fn local_answer(allowed: bool) {
        let answer = if allowed { "allow" } else { "deny" };
        metrics::counter!("tollgate_client_unavailable_answers_total", "answer" => answer)
            .increment(1);
    }
}

#[cfg(not(feature = "metrics"))]
mod counted {
    use crate::Error;

    #[derive(Debug)]
    pub(crate) struct Call;

    impl Call {
        pub(crate) fn start(_: &'static str) -> Self {
            Self
        }

        pub(crate) fn retry(&self) {}

        pub(crate) fn end(self, _: Option<&Error>) {}
    }

    pub(crate) fn local_answer(_: bool) {}
}

pub(super) use counted::{Call, local_answer};
