//! Deciding in this process, by the client's own trait: the same messages through the same adapter
//! as over gRPC, without a connection.

use std::fmt;
use std::future::Future;

use tollgate_client::{
    Check, Decide, Decision, Error, Executed, Reason, Reservation, Settled, Ticket, wire,
};
use tollgate_proto::v1::CheckBatchRequest;

use crate::access::{ListenerPermissions, PermissionSet};
use crate::guard::guarded_future;
use crate::native::{Call, Failure, Native};

/// What `Authorization` failures are counted under; nobody shows any here.
const LISTENER: &str = "in_process";

/// Asks a decider of this process. A clone is another handle to it.
///
/// It answers as a node does, errors included, but for what only a connection can do: nothing is
/// retried, and no answer is made up where none can be given.
#[derive(Clone)]
pub struct InProcess {
    native: Native,
}

impl InProcess {
    /// One that decides with `native`, and may do what `permissions` says beside asking.
    ///
    /// Whoever owns `native` and its decider calls their `tick`s.
    #[must_use]
    pub fn new(native: &Native, permissions: PermissionSet) -> Self {
        let listener = ListenerPermissions { listener: LISTENER, everybody: permissions };
        Self { native: native.at(listener) }
    }
}

/// Waits for `answer`; a panic costs this call only.
async fn told<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
    Ok(guarded_future(answer, || Err(Failure::Internal)).await?)
}

/// Nothing is shown, and nothing but the client's own patience bounds the wait.
const CALL: Call<'_> = Call { authorization: None, deadline: None };

impl Decide for InProcess {
    async fn check(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::check_request(check, None);
        wire::decision(told(self.native.check(&message, CALL)).await?)
    }

    async fn check_batch(&self, checks: &[Check]) -> Result<Vec<Result<Decision, Error>>, Error> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let requests = checks.iter().map(|check| wire::check_request(check, None));
        let message = CheckBatchRequest { checks: requests.collect() };
        let answer = told(self.native.check_batch(&message, CALL)).await?;
        wire::results(answer, checks.len())
    }

    async fn peek(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::peek_request(check);
        wire::decision(told(self.native.peek(&message, CALL)).await?)
    }

    async fn reserve(&self, check: &Check) -> Result<Reservation<Self>, Error> {
        let message = wire::reserve_request(check);
        let answer = told(self.native.reserve(&message, CALL)).await?;
        let (decision, ticket) = wire::reserved(answer)?;
        Ok(Reservation::new(self.clone(), decision, ticket))
    }

    async fn commit(&self, ticket: &Ticket, hits: u64) -> Result<Settled, Error> {
        let message = wire::commit_request(ticket, hits);
        wire::committed(told(self.native.commit(&message, CALL)).await?)
    }

    async fn cancel(&self, ticket: &Ticket) -> Result<Settled, Error> {
        let message = wire::cancel_request(ticket);
        wire::cancelled(told(self.native.cancel(&message, CALL)).await?)
    }

    async fn refund(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::refund_request(check);
        wire::decision(told(self.native.refund(&message, CALL)).await?)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Refused {
            reason: Reason::of_word(failure.word()),
            message: failure.to_string(),
            executed: if failure.may_be_executed() { Executed::Maybe } else { Executed::No },
            retry_after: failure.retry_after(),
        }
    }
}

/// Without what it counts.
impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}
