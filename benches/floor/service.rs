//! The service that decides nothing.
//!
//! Its answers are as long as real ones: each status carries a limit, what remains and the time
//! to the reset, so that both sides encode and send the same amount.

use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{
    Code, DescriptorStatus, RateLimit,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::RateLimitService;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::Duration;
use tonic::{Request, Response, Status};

/// The limit every status tells of: the one of the bench's cases.
const REQUESTS_PER_UNIT: u32 = 4_000_000_000;

/// A remainder that takes as many bytes as a real one.
const REMAINING: u32 = REQUESTS_PER_UNIT - 1;

/// Half an hour, as a real answer gives on average under an hourly limit.
const RESET_SECONDS: i64 = 1800;

/// Answers OK to everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoDecision;

#[tonic::async_trait]
impl RateLimitService for NoDecision {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        let statuses = request.get_ref().descriptors.iter().map(|_| status()).collect();
        Ok(Response::new(RateLimitResponse {
            overall_code: Code::Ok.into(),
            statuses,
            ..RateLimitResponse::default()
        }))
    }
}

fn status() -> DescriptorStatus {
    DescriptorStatus {
        code: Code::Ok.into(),
        current_limit: Some(RateLimit {
            requests_per_unit: REQUESTS_PER_UNIT,
            unit: Unit::Hour.into(),
            ..RateLimit::default()
        }),
        limit_remaining: REMAINING,
        duration_until_reset: Some(Duration { seconds: RESET_SECONDS, nanos: 0 }),
        ..DescriptorStatus::default()
    }
}
