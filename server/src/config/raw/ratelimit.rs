//! The section `ratelimit` as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tollgate_core::limit::HeaderStyle;
use tollgate_proto::ratelimit::HeaderNames;

/// How rate-limit requests are answered.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawRatelimit {
    /// Every request passes, whatever its limits say; they count and are reported. Default: false.
    pub(crate) shadow_mode: bool,
    /// Every limit denies only together with all others that its request meets, and a descriptor
    /// without a limit counts as passing. Default: false.
    pub(crate) quota_mode: bool,
    /// Files of one domain make one tree, in the order of the files. Otherwise a domain may stand
    /// in one file only. Default: false.
    pub(crate) merge_domains: bool,
    /// Which headers tell a client of its limits, for domains whose files do not say. Default:
    /// `off`.
    pub(crate) response_headers: RawHeaderStyle,
    /// What the headers of `ratelimit` above are called.
    pub(crate) header_names: RawHeaderNames,
    /// Answers carry the domain, the descriptors and the metadata of the limits that they met.
    /// Default: false.
    pub(crate) dynamic_metadata: bool,
    /// The part of a limit from which hits count as near it, in statistics. Default: 0.8. Range:
    /// above 0, to 1.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub(crate) near_limit_ratio: f64,
}

impl Default for RawRatelimit {
    fn default() -> Self {
        Self {
            shadow_mode: false,
            quota_mode: false,
            merge_domains: false,
            response_headers: RawHeaderStyle::Off,
            header_names: RawHeaderNames::default(),
            dynamic_metadata: false,
            near_limit_ratio: 0.8,
        }
    }
}

/// What the headers of style `ratelimit` are called: names of HTTP headers, of at most 128 bytes.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawHeaderNames {
    /// The limit's number. Default: `RateLimit-Limit`.
    pub(crate) limit: String,
    /// What remains of it. Default: `RateLimit-Remaining`.
    pub(crate) remaining: String,
    /// Seconds until it is whole again. Default: `RateLimit-Reset`.
    pub(crate) reset: String,
}

impl Default for RawHeaderNames {
    fn default() -> Self {
        let HeaderNames { limit, remaining, reset } = HeaderNames::default();
        Self {
            limit: limit.to_string(),
            remaining: remaining.to_string(),
            reset: reset.to_string(),
        }
    }
}

/// Which headers tell a client of its limits.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum RawHeaderStyle {
    /// None.
    #[serde(rename = "off")]
    Off,
    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` in seconds, as the reference
    /// service has them.
    #[serde(rename = "ratelimit")]
    RateLimit,
    /// `X-RateLimit-…` with the reset in seconds from now.
    #[serde(rename = "x-ratelimit")]
    XRateLimit,
    /// `X-RateLimit-…` with the reset in seconds since the UNIX epoch.
    #[serde(rename = "x-ratelimit-epoch")]
    XRateLimitEpoch,
    /// `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-11.
    #[serde(rename = "draft-11")]
    Draft11,
}

impl From<RawHeaderStyle> for HeaderStyle {
    fn from(raw: RawHeaderStyle) -> Self {
        match raw {
            RawHeaderStyle::Off => Self::Off,
            RawHeaderStyle::RateLimit => Self::RateLimit,
            RawHeaderStyle::XRateLimit => Self::XRateLimit,
            RawHeaderStyle::XRateLimitEpoch => Self::XRateLimitEpoch,
            RawHeaderStyle::Draft11 => Self::Draft11,
        }
    }
}
