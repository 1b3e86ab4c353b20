//! Deciding in this process, by the client's own trait: the same messages through the same adapter
//! as over gRPC, without a connection.

use std::fmt;

use tollgate_client::{
    Check, Decide, Decision, Error, Executed, Reason, Reservation, Settled, Ticket, wire,
};
use tollgate_proto::v1::CheckBatchRequest;

use crate::access::{ListenerPermissions, PermissionSet};
use crate::guard::guarded;
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

    /// Runs `answer`; a panic costs this call only.
    fn ask<T>(
        &self,
        answer: impl FnOnce(&Native, Call<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let answer = || answer(&self.native, Call::default());
        Ok(guarded(answer, || Err(Failure::Internal))?)
    }
}

impl Decide for InProcess {
    async fn check(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::check_request(check, None);
        wire::decision(self.ask(|native, call| native.check(&message, call))?)
    }

    async fn check_batch(&self, checks: &[Check]) -> Result<Vec<Result<Decision, Error>>, Error> {
        if checks.is_empty() {
            return Ok(Vec::new());
        }
        let requests = checks.iter().map(|check| wire::check_request(check, None));
        let message = CheckBatchRequest { checks: requests.collect() };
        let answer = self.ask(|native, call| native.check_batch(&message, call))?;
        wire::results(answer, checks.len())
    }

    async fn peek(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::peek_request(check);
        wire::decision(self.ask(|native, call| native.peek(&message, call))?)
    }

    async fn reserve(&self, check: &Check) -> Result<Reservation<Self>, Error> {
        let message = wire::reserve_request(check);
        let answer = self.ask(|native, call| native.reserve(&message, call))?;
        let (decision, ticket) = wire::reserved(answer)?;
        Ok(Reservation::new(self.clone(), decision, ticket))
    }

    async fn commit(&self, ticket: &Ticket, hits: u64) -> Result<Settled, Error> {
        let message = wire::commit_request(ticket, hits);
        wire::committed(self.ask(|native, call| native.commit(&message, call))?)
    }

    async fn cancel(&self, ticket: &Ticket) -> Result<Settled, Error> {
        let message = wire::cancel_request(ticket);
        wire::cancelled(self.ask(|native, call| native.cancel(&message, call))?)
    }

    async fn refund(&self, check: &Check) -> Result<Decision, Error> {
        let message = wire::refund_request(check);
        wire::decision(self.ask(|native, call| native.refund(&message, call))?)
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
