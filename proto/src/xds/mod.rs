//! Limits over xDS: the resources of `ratelimit.config.ratelimit.v3`, and the discovery messages
//! that carry them.
//!
//! `envoy-types` has no such resources, so they are written out here. Field numbers are those of
//! `ratelimit/config/ratelimit/v3/rls_conf.proto` in envoyproxy/go-control-plane.

mod bound;

use prost::{Enumeration, Message};

pub use self::bound::{Malformed, Room, Shape};

pub use envoy_types::pb::envoy::config::core::v3::Node;
pub use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
pub use envoy_types::pb::google::protobuf::{Any, ListValue, Struct, Value, value::Kind};
pub use envoy_types::pb::google::rpc::Status;

/// What a resource of limits calls itself.
pub const RATE_LIMIT_CONFIG: &str =
    "type.googleapis.com/ratelimit.config.ratelimit.v3.RateLimitConfig";

/// The full method name of the aggregated stream, state of the world.
pub const STREAM_AGGREGATED_RESOURCES: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

/// A response of the server, without what is not read of it (who it is, errors by resource): that
/// may hold messages inside of messages in any number, and what is not a field here is skipped.
#[derive(Clone, PartialEq, Message)]
pub struct DiscoveryResponse {
    /// What the server calls this content.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// The content.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Any>,
    /// What its resources call themselves.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// What an answer names it by.
    #[prost(string, tag = "5")]
    pub nonce: String,
}

/// The limits of one domain.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitConfig {
    /// The resource's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The domain.
    #[prost(string, tag = "2")]
    pub domain: String,
    /// The first level of its tree.
    #[prost(message, repeated, tag = "3")]
    pub descriptors: Vec<RateLimitDescriptor>,
}

/// A node of a domain's tree.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitDescriptor {
    /// The entry's key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The entry's value; empty for every value.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Its limit.
    #[prost(message, optional, tag = "3")]
    pub rate_limit: Option<RateLimitPolicy>,
    /// The level below.
    #[prost(message, repeated, tag = "4")]
    pub descriptors: Vec<RateLimitDescriptor>,
    /// Counted, not enforced.
    #[prost(bool, tag = "5")]
    pub shadow_mode: bool,
    /// Statistics show the request's own keys and values.
    #[prost(bool, tag = "6")]
    pub detailed_metric: bool,
    /// Denies only together with every other such limit.
    #[prost(bool, tag = "7")]
    pub quota_mode: bool,
    /// What answers carry.
    #[prost(message, optional, tag = "8")]
    pub metadata: Option<Struct>,
}

/// A limit.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitPolicy {
    /// The window.
    #[prost(enumeration = "RateLimitUnit", tag = "1")]
    pub unit: i32,
    /// Hits in it; zero blocks.
    #[prost(uint32, tag = "2")]
    pub requests_per_unit: u32,
    /// No limit at all.
    #[prost(bool, tag = "3")]
    pub unlimited: bool,
    /// Its name.
    #[prost(string, tag = "4")]
    pub name: String,
    /// Limits that do not count where this one is met.
    #[prost(message, repeated, tag = "5")]
    pub replaces: Vec<RateLimitReplace>,
}

/// The name of a limit.
#[derive(Clone, PartialEq, Message)]
pub struct RateLimitReplace {
    /// It.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Units, with the numbers of the rate-limit service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum RateLimitUnit {
    /// None.
    Unknown = 0,
    /// A second.
    Second = 1,
    /// A minute.
    Minute = 2,
    /// An hour.
    Hour = 3,
    /// A day.
    Day = 4,
    /// 30 days.
    Month = 5,
    /// 365 days.
    Year = 6,
    /// Seven days.
    Week = 7,
}

impl RateLimitUnit {
    /// What the protocol calls the unit with this number; the number itself if there is none.
    pub fn name_of(number: i32) -> String {
        let name = match Self::try_from(number) {
            Ok(Self::Unknown) => "UNKNOWN",
            Ok(Self::Second) => "SECOND",
            Ok(Self::Minute) => "MINUTE",
            Ok(Self::Hour) => "HOUR",
            Ok(Self::Day) => "DAY",
            Ok(Self::Month) => "MONTH",
            Ok(Self::Year) => "YEAR",
            Ok(Self::Week) => "WEEK",
            Err(_) => return number.to_string(),
        };
        name.to_owned()
    }
}

/// The name of a resource alone, to be read without the rest.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceName {
    /// It.
    #[prost(string, tag = "1")]
    pub name: String,
}
