//! The wire: protobuf types, their JSON form, and the only code that turns them into the core's
//! types and back.
//!
//! The native API's types are generated from `proto/tollgate/v1`; Envoy's come generated from
//! `envoy-types` (feature `envoy`). They stop here and in the thin adapters of server and client, so
//! that the core never learns the wire.

mod bounds;
#[cfg(feature = "envoy")]
pub mod json;
#[cfg(feature = "cluster")]
pub mod log;
#[cfg(feature = "cluster")]
pub mod peer;
#[cfg(feature = "envoy")]
pub mod ratelimit;
pub mod v1;
#[cfg(feature = "envoy")]
pub mod xds;

pub use bounds::Bounds;

/// Envoy's rate-limit service, version 3, as generated.
#[cfg(feature = "envoy")]
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
