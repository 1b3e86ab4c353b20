//! The native API (`proto/tollgate/v1`): one adapter that decides for gRPC and for JSON.
//!
//! A message is read within bounds, judged (who may, in time, sent before?), decided by the
//! [`Decider`], and written. Only what needs a permission looks at credentials.

mod failure;
mod grpc;
mod operations;
mod recent;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tollgate_core::descriptor::Request;
use tollgate_core::time::Monotonic;
use tollgate_proto::Bounds;
use tollgate_proto::v1::subject::Kind;
use tollgate_proto::v1::{
    self, Asked, CheckBatchRequest, CheckBatchResponse, CheckRequest, CheckResponse, CheckResult,
    PeekRequest, Subject, Verdict,
};

pub use self::failure::Failure;
pub(crate) use self::grpc::STREAM_IDLE_MAX;
pub use self::grpc::Service;
use self::recent::Recents;
use crate::access::{Access, Caller, ListenerPermissions, Permission};
use crate::decide::{Active, Decider, Unavailable};
use crate::error::CallError;
use crate::guard::guarded;
use crate::metrics::Decisions;

/// When a caller stops waiting for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(pub(crate) Monotonic);

/// What is known of a call beside its message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call<'a> {
    /// The header of that name.
    pub(crate) authorization: Option<&'a HeaderValue>,
    /// As the transport tells it.
    pub(crate) deadline: Option<Deadline>,
}

/// What the adapters of all listeners share.
#[derive(Clone)]
pub struct Parts {
    /// Decides.
    pub decider: Arc<Decider>,
    /// Knows who may do more than ask.
    pub access: Arc<Access>,
    /// The most that one request may hold.
    pub bounds: Bounds,
}

/// Answers the messages of the native API.
#[derive(Clone)]
pub struct Native {
    parts: Parts,
    recent: Arc<Recents>,
    decisions: Decisions,
    listener: ListenerPermissions,
}

impl Native {
    /// An adapter of one listener.
    pub fn new(parts: Parts, listener: ListenerPermissions) -> Self {
        let recent = Arc::new(Recents::default());
        Self { parts, recent, decisions: Decisions::of("native"), listener }
    }

    /// The same for another listener, which remembers the same answers.
    #[must_use]
    pub fn at(&self, listener: ListenerPermissions) -> Self {
        Self { listener, ..self.clone() }
    }

    /// `CheckRequest`.
    pub(crate) fn check(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        self.counted(self.checked(message, call), CheckResponse::verdict)
    }

    /// `CheckBatchRequest`: each check is decided by itself, in order.
    pub(crate) fn check_batch(
        &self,
        message: &CheckBatchRequest,
        call: Call<'_>,
    ) -> Result<CheckBatchResponse, Failure> {
        v1::batch(message).map_err(|malformed| self.count(malformed.into()))?;
        let began = self.parts.decider.clock().monotonic();
        let results = message.checks.iter().map(|check| self.result(check, call, began));
        Ok(CheckBatchResponse { results: results.collect() })
    }

    /// One check among several, whose own timeout runs from `began`.
    fn result(&self, message: &CheckRequest, call: Call<'_>, began: Monotonic) -> CheckResult {
        let timeout = v1::timeout(message.timeout.as_ref());
        let answered = || {
            let own = timeout.map_err(|malformed| self.count(malformed.into()))?;
            let own = own.map(|timeout| Deadline(began.plus(timeout)));
            let deadline = [call.deadline, own].into_iter().flatten().min();
            let answer = self.decided(message, Call { deadline, ..call });
            self.counted(answer, CheckResponse::verdict)
        };
        match guarded(answered, || Err(Failure::Internal)) {
            Ok(response) => {
                CheckResult { outcome: Some(v1::check_result::Outcome::Response(response)) }
            }
            Err(failure) => v1::batch_error(failure.of_several()),
        }
    }

    fn checked(&self, message: &CheckRequest, call: Call<'_>) -> Result<CheckResponse, Failure> {
        let own = v1::timeout(message.timeout.as_ref())?;
        let own = own.map(|timeout| self.after(timeout));
        let deadline = [call.deadline, own].into_iter().flatten().min();
        self.decided(message, Call { deadline, ..call })
    }

    fn decided(&self, message: &CheckRequest, call: Call<'_>) -> Result<CheckResponse, Failure> {
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        // A second try waits less long, and is the same request.
        let same = || CheckRequest { timeout: None, ..message.clone() };
        self.once(&message.idempotency_key, "check", same, || {
            self.ask(subject, message.hits, |active, request| {
                self.in_time(call)?;
                let checked = self.parts.decider.check(active, request).map_err(|error| {
                    // Where each limit counts by itself, some may have been charged already.
                    let domain = active.limits.domain(request.domain);
                    let by_itself = domain.is_some_and(|domain| !domain.options.atomic);
                    Failure::Unavailable {
                        error,
                        executed: by_itself && error == Unavailable::LedgerFull,
                    }
                })?;
                Ok(v1::response(&checked.decision, subject))
            })
        })
    }

    /// `PeekRequest`.
    pub(crate) fn peek(
        &self,
        message: &PeekRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let subject = message.subject.as_ref();
        let answer = self.expect_inline(subject, call).and_then(|()| {
            self.ask(subject, message.hits, |active, request| {
                self.in_time(call)?;
                if !active.decides(request.domain) {
                    return Err(Unavailable::NotLoaded.into());
                }
                let previewed = self.parts.decider.preview(active, request);
                Ok(v1::response(&previewed.decision, subject))
            })
        });
        answer.map_err(|failure| self.count(failure))
    }

    /// Reads what is asked about and hands it to `decide`.
    fn ask<T>(
        &self,
        subject: Option<&Subject>,
        hits: Option<u64>,
        decide: impl FnOnce(&Active, &Request<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let active = self.parts.decider.active();
        if !active.is_loaded() {
            // Of what is not known yet nobody is told that it does not exist.
            return Err(Unavailable::NotLoaded.into());
        }
        let asked = Asked::read(subject, hits, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        decide(&active, &asked.request(&descriptors))
    }

    fn expect_inline(&self, subject: Option<&Subject>, call: Call<'_>) -> Result<(), Failure> {
        match subject.and_then(|subject| subject.kind.as_ref()) {
            Some(Kind::Inline(_)) => self.expect(Permission::InlineLimits, call).map(drop),
            _ => Ok(()),
        }
    }

    fn expect(&self, permission: Permission, call: Call<'_>) -> Result<Caller, Failure> {
        Ok(self.parts.access.permitted(call.authorization, self.listener, permission)?)
    }

    fn after(&self, timeout: Duration) -> Deadline {
        Deadline(self.parts.decider.clock().monotonic().plus(timeout))
    }

    /// Refuses a call whose caller does not wait any more.
    fn in_time(&self, call: Call<'_>) -> Result<(), Failure> {
        match call.deadline {
            Some(Deadline(end)) if self.parts.decider.clock().monotonic() >= end => {
                Err(Failure::DeadlineExceeded)
            }
            _ => Ok(()),
        }
    }

    /// Counts a decision by its verdict, or why there is none.
    fn counted<T>(
        &self,
        answer: Result<T, Failure>,
        verdict: impl FnOnce(&T) -> Verdict,
    ) -> Result<T, Failure> {
        match &answer {
            Ok(response) => self.decisions.count_verdict(verdict(response) == Verdict::Allowed),
            Err(failure) => self.noted(failure),
        }
        answer
    }

    /// Counts a call without an answer.
    pub(crate) fn count(&self, failure: Failure) -> Failure {
        self.noted(&failure);
        failure
    }

    fn noted(&self, failure: &Failure) {
        self.decisions.count_failure(failure.word());
        if let Failure::Unavailable { error, .. } = failure {
            self.parts.decider.statistics().count_error(&CallError::Unavailable(*error));
        }
    }
}

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
