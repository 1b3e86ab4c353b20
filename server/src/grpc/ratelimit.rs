//! `envoy.service.ratelimit.v3.RateLimitService`: a thin adapter around the decider.

use std::sync::Arc;

use tollgate_core::descriptor::Request;
use tollgate_core::time::Monotonic;
use tollgate_proto::ratelimit::{self, Bounds};
use tollgate_proto::rls::rate_limit_service_server::RateLimitService;
use tollgate_proto::rls::{RateLimitRequest, RateLimitResponse};
use tonic::Status;

use crate::decide::{Decider, Terms};
use crate::error::CallError;
use crate::guard::guarded_future;
use crate::metrics::Decisions;
use crate::native::Deadline;

/// Answers rate-limit requests.
#[derive(Clone)]
pub struct RateLimit {
    decider: Arc<Decider>,
    bounds: Bounds,
    decisions: Decisions,
}

impl RateLimit {
    /// An adapter that counts its answers under `api`.
    pub fn new(decider: Arc<Decider>, bounds: Bounds, api: &'static str) -> Self {
        Self { decider, bounds, decisions: Decisions::of(api) }
    }

    /// Answers one message, whatever wire it came over. Where the ledger is this node's own it is
    /// ready at once; else it waits, until `deadline` if there is one.
    ///
    /// # Errors
    /// [`CallError`] for a message that is refused or a decision that cannot be made.
    pub async fn answer(
        &self,
        message: &RateLimitRequest,
        deadline: Option<Monotonic>,
    ) -> Result<RateLimitResponse, CallError> {
        let answer = self.decide(message, deadline).await;
        match &answer {
            Ok(response) => self.decisions.count(response),
            Err(error) => self.count_error(error),
        }
        answer
    }

    /// Whether an answer may have to wait for other nodes.
    pub(super) fn waits(&self) -> bool {
        self.decider.ledger().is_replicated()
    }

    /// Counts a message that is refused before it is one.
    pub fn count_error(&self, error: &CallError) {
        self.decisions.count_error(error);
        self.decider.statistics().count_error(error);
    }

    async fn decide(
        &self,
        message: &RateLimitRequest,
        deadline: Option<Monotonic>,
    ) -> Result<RateLimitResponse, CallError> {
        let entries = ratelimit::entries(message, &self.bounds)?;
        let descriptors = ratelimit::descriptors(message, &entries)?;
        let request = Request {
            domain: &message.domain,
            descriptors: &descriptors,
            hits_addend: message.hits_addend,
        };
        let active = self.decider.active();
        let terms = Terms { deadline, once: None };
        let checked = self.decider.check(&active, &request, terms).await?;
        let mut response = ratelimit::response(&checked.decision);
        if let Some(domain) = checked.plan.domain {
            let style = (active.headers(domain), &active.answers.header_names);
            ratelimit::add_headers(&mut response, &checked.decision, style, checked.now);
        }
        if active.answers.dynamic_metadata {
            let metadata = ratelimit::dynamic_metadata(message, &checked.plan, &checked.decision);
            response.dynamic_metadata = Some(metadata);
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl RateLimitService for RateLimit {
    async fn should_rate_limit(
        &self,
        request: tonic::Request<RateLimitRequest>,
    ) -> Result<tonic::Response<RateLimitResponse>, Status> {
        let deadline = request.extensions().get().map(|Deadline(end)| *end);
        let answer =
            async { Ok(tonic::Response::new(self.answer(request.get_ref(), deadline).await?)) };
        guarded_future(answer, || Err(Status::internal("internal error"))).await
    }
}

#[cfg(test)]
#[path = "recorded_tests.rs"]
mod recorded_tests;
#[cfg(test)]
#[path = "testing.rs"]
mod testing;
#[cfg(test)]
#[path = "vector_tests.rs"]
mod vector_tests;
