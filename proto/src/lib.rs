//! The wire: Envoy's protobuf types, their JSON form, and the only code that turns them into the
//! core's types and back.
//!
//! The protobuf types come generated from `envoy-types`; they stop here and in the server's thin
//! adapters, so that the core never learns the wire.

pub mod json;
pub mod ratelimit;
pub mod xds;

/// Envoy's rate-limit service, version 3, as generated.
pub mod rls {
    pub use envoy_types::pb::envoy::config::core::v3::HeaderValue;
    pub use envoy_types::pb::envoy::extensions::common::ratelimit::v3::{
        RateLimitDescriptor, rate_limit_descriptor,
    };
    pub use envoy_types::pb::envoy::service::ratelimit::v3::{
        RateLimitRequest, RateLimitResponse, rate_limit_response, rate_limit_service_server,
    };
    pub use envoy_types::pb::envoy::r#type::v3::RateLimitUnit;
    pub use envoy_types::pb::google::protobuf::{
        Duration, ListValue, Struct, UInt64Value, Value, value,
    };
}
