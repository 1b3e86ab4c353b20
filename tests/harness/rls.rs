//! Short ways to write rate-limit requests and to read their answers.
//!
//! Only the wire types: nothing here knows what an answer should be.

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::{
    Entry, RateLimitOverride,
};

use envoy_types::pb::google::protobuf::UInt64Value;

pub use envoy_types::pb::envoy::service::ratelimit::v3::{
    RateLimitRequest, RateLimitResponse, rate_limit_response::Code,
    rate_limit_service_client::RateLimitServiceClient, rate_limit_service_server::RateLimitService,
    rate_limit_service_server::RateLimitServiceServer,
};

/// The full method name of the one call of this protocol.
pub const SHOULD_RATE_LIMIT: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// A descriptor of the given entries.
#[must_use]
pub fn descriptor(entries: &[(&str, &str)]) -> RateLimitDescriptor {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).into(), value: (*value).into() };
    RateLimitDescriptor { entries: entries.iter().map(entry).collect(), ..Default::default() }
}

/// A request of one hit with one descriptor.
#[must_use]
pub fn request(domain: &str, entries: &[(&str, &str)]) -> RateLimitRequest {
    requests(domain, vec![descriptor(entries)])
}

/// A request of one hit with the given descriptors.
#[must_use]
pub fn requests(domain: &str, descriptors: Vec<RateLimitDescriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: domain.into(), descriptors, hits_addend: 0 }
}

/// Gives the request's first descriptor a limit of its own; `unit` is the bare enum number, so that
/// one which does not exist can be sent.
#[must_use]
pub fn overridden(mut request: RateLimitRequest, per_unit: u32, unit: i32) -> RateLimitRequest {
    if let Some(first) = request.descriptors.first_mut() {
        first.limit = Some(RateLimitOverride { requests_per_unit: per_unit, unit });
    }
    request
}

/// A descriptor's own number of hits.
#[must_use]
pub fn hits(value: u64) -> UInt64Value {
    UInt64Value { value }
}

/// Whether the answer admits the request. An answer that neither admits nor denies is an error, not
/// a denial.
///
/// # Errors
/// When the overall code is UNKNOWN or does not exist.
pub fn admitted(response: &RateLimitResponse) -> anyhow::Result<bool> {
    match response.overall_code() {
        Code::Ok => Ok(true),
        Code::OverLimit => Ok(false),
        Code::Unknown => anyhow::bail!("neither OK nor OVER_LIMIT: {response:?}"),
    }
}
