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

use arc_swap::Guard;
use futures_util::future::join_all;
use http::HeaderValue;
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
use crate::decide::{Active, Decider, Terms, Unavailable};
use crate::error::CallError;
use crate::guard::guarded_future;
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

impl Call<'_> {
    /// How long the ledger may take.
    fn terms(&self) -> Terms {
        Terms { deadline: self.deadline.map(|Deadline(end)| end), once: None }
    }
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
    pub(crate) async fn check(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        self.counted(self.checked(message, call).await, CheckResponse::verdict)
    }

    /// `CheckBatchRequest`: each check is decided by itself, in order; those that have to wait, wait
    /// together.
    pub(crate) async fn check_batch(
        &self,
        message: &CheckBatchRequest,
        call: Call<'_>,
    ) -> Result<CheckBatchResponse, Failure> {
        v1::batch(message).map_err(|malformed| self.count(malformed.into()))?;
        let began = self.parts.decider.clock().monotonic();
        if self.waits() {
            let results = message.checks.iter().map(|check| self.result(check, call, began));
            return Ok(CheckBatchResponse { results: join_all(results).await });
        }
        let mut results = Vec::with_capacity(message.checks.len());
        for check in &message.checks {
            results.push(self.result(check, call, began).await);
        }
        Ok(CheckBatchResponse { results })
    }

    /// Whether an answer may have to wait for other nodes.
    fn waits(&self) -> bool {
        self.parts.decider.ledger().is_replicated()
    }

    /// One check among several, whose own timeout runs from `began`.
    async fn result(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
        began: Monotonic,
    ) -> CheckResult {
        let timeout = v1::timeout(message.timeout.as_ref());
        let answered = async {
            let own = timeout.map_err(|malformed| self.count(malformed.into()))?;
            let own = own.map(|timeout| Deadline(began.plus(timeout)));
            let deadline = [call.deadline, own].into_iter().flatten().min();
            let answer = self.decided(message, Call { deadline, ..call }).await;
            self.counted(answer, CheckResponse::verdict)
        };
        match guarded_future(answered, || Err(Failure::Internal)).await {
            Ok(response) => {
                CheckResult { outcome: Some(v1::check_result::Outcome::Response(response)) }
            }
            Err(failure) => v1::batch_error(failure.of_several()),
        }
    }

    async fn checked(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let own = v1::timeout(message.timeout.as_ref())?;
        let own = own.map(|timeout| self.after(timeout));
        let deadline = [call.deadline, own].into_iter().flatten().min();
        self.decided(message, Call { deadline, ..call }).await
    }

    async fn decided(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        // A second try waits less long, and is the same request.
        let same = || CheckRequest { timeout: None, ..message.clone() };
        let execute = |terms| self.charged(message, call, terms);
        self.once((&message.idempotency_key, "check"), call, same, execute).await
    }

    async fn charged(
        &self,
        message: &CheckRequest,
        call: Call<'_>,
        terms: Terms,
    ) -> Result<CheckResponse, Failure> {
        let (subject, active) = (message.subject.as_ref(), self.active()?);
        let asked = Asked::read(subject, message.hits, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        self.in_time(call)?;
        let checked = self.parts.decider.check(&active, &request, terms).await;
        let checked = checked.map_err(|error| {
            // Where each limit counts by itself, some may have been charged already.
            let domain = active.limits.domain(request.domain);
            let by_itself = domain.is_some_and(|domain| !domain.options.atomic);
            match error {
                Unavailable::LedgerFull => Failure::Unavailable { error, executed: by_itself },
                error => error.into(),
            }
        })?;
        Ok(v1::response(&checked.decision, subject))
    }

    /// `PeekRequest`.
    pub(crate) async fn peek(
        &self,
        message: &PeekRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        self.looked(message, call).await.map_err(|failure| self.count(failure))
    }

    async fn looked(
        &self,
        message: &PeekRequest,
        call: Call<'_>,
    ) -> Result<CheckResponse, Failure> {
        let subject = message.subject.as_ref();
        self.expect_inline(subject, call)?;
        let active = self.active()?;
        let asked = Asked::read(subject, message.hits, &self.parts.bounds, &active.limits)?;
        let descriptors = asked.descriptors();
        let request = asked.request(&descriptors);
        self.in_time(call)?;
        if !active.decides(request.domain) {
            return Err(Unavailable::NotLoaded.into());
        }
        let terms = call.terms();
        let previewed = self.parts.decider.preview(&active, &request, terms).await;
        let previewed = previewed.map_err(|error| match error.into() {
            // Looking changes nothing.
            Failure::Unavailable { error, .. } => Failure::Unavailable { error, executed: false },
            failure => failure,
        })?;
        Ok(v1::response(&previewed.decision, subject))
    }

    /// What decides now, once there is something: of what is not known yet nobody is told that it
    /// does not exist.
    fn active(&self) -> Result<Guard<Arc<Active>>, Failure> {
        let active = self.parts.decider.active();
        if active.is_loaded() { Ok(active) } else { Err(Unavailable::NotLoaded.into()) }
    }

    fn expect_inline(&self, subject: Option<&Subject>, call: Call<'_>) -> Result<(), Failure> {
        match subject.and_then(|subject| subject.kind.as_ref()) {
            Some(Kind::Inline(_)) => self.expect(Permission::InlineLimits, call).map(drop),
            _ => Ok(()),
        }
    }

    fn expect(&self, permission: Permission, call: Call<'_>) -> Result<Caller, Failure> {
        Ok(self.parts.access.permitted(permission, call.authorization, self.listener)?)
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
#[path = "both_tests.rs"]
mod both_tests;

#[cfg(test)]
#[path = "native_tests.rs"]
mod tests;
