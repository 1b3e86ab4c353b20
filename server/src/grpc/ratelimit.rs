//! `envoy.service.ratelimit.v3.RateLimitService`: a thin adapter around the decider.

use std::sync::Arc;

use tollgate_core::descriptor::Request;
use tollgate_proto::ratelimit::{self, Bounds};
use tollgate_proto::rls::rate_limit_service_server::RateLimitService;
use tollgate_proto::rls::{RateLimitRequest, RateLimitResponse};
use tonic::Status;

use crate::decide::Decider;
use crate::error::CallError;
use crate::guard::guarded;
use crate::metrics::Decisions;

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

    /// Answers one message, whatever wire it came over.
    ///
    /// # Errors
    /// [`CallError`] for a message that is refused or a decision that cannot be made.
    pub fn answer(&self, message: &RateLimitRequest) -> Result<RateLimitResponse, CallError> {
        let answer = self.decide(message);
        match &answer {
            Ok(response) => self.decisions.count(response),
            Err(error) => self.count_error(error),
        }
        answer
    }

    /// Counts a message that is refused before it is one.
    pub fn count_error(&self, error: &CallError) {
        self.decisions.count_error(error);
        self.decider.statistics().count_error(error);
    }

    fn decide(&self, message: &RateLimitRequest) -> Result<RateLimitResponse, CallError> {
        let entries = ratelimit::entries(message, &self.bounds)?;
        let descriptors = ratelimit::descriptors(message, &entries)?;
        let request = Request {
            domain: &message.domain,
            descriptors: &descriptors,
            hits_addend: message.hits_addend,
        };
        let active = self.decider.active();
        let checked = self.decider.check(&active, &request)?;
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
        guarded(
            || Ok(tonic::Response::new(self.answer(request.get_ref())?)),
            || Err(Status::internal("internal error")),
        )
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
