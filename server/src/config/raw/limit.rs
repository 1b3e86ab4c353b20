//! Named limits as they are written, and the parts of a limit that rate-limit files write alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tollgate_core::limit::OnUnavailable;

use crate::config::quantity::{Length, Rate};

/// A named limit: either `rate`, or `limit` and `window`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline, extend("oneOf" = [
    { "required": ["rate"], "properties": { "limit": false, "window": false } },
    { "required": ["limit", "window"], "properties": { "rate": false } },
]))]
pub(crate) struct RawLimit {
    /// Keys of the entries that tell buckets apart: every combination of their values has its own.
    /// An empty list is one bucket for all. No key may stand twice or contain `*`. Default: none.
    #[serde(default)]
    pub(crate) by: Vec<String>,
    /// Hits allowed in a length of time: a number, `/`, and `s`, `m`, `h`, `d`, `w` or a duration,
    /// such as `600/m` or `100/15s`. Zero refuses every hit. Excludes `limit` and `window`. Range:
    /// 0 to 4294967295 hits in 1ms to 365d; a token bucket refills at 1000000000 a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Rate")]
    pub(crate) rate: Option<Rate>,
    /// Hits allowed in one window. Zero refuses every hit. Goes with `window`. Range: 0 to
    /// 4294967295.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 0, max = u32::MAX))]
    pub(crate) limit: Option<u32>,
    /// The window's length, such as `15s`, `500ms`, `1m30s`, `1h` or `7d`. Goes with `limit`.
    /// Range: 1ms to 365d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Length")]
    pub(crate) window: Option<Length>,
    /// How hits are counted. Default: `token_bucket` with `rate`, `fixed_window` with `limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RawAlgorithm")]
    pub(crate) algorithm: Option<RawAlgorithm>,
    /// Hits that may pass at once, of a token bucket only. Default: the number of the rate. Range:
    /// 1 to 4294967295, and no more than 100 years of the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1, max = u32::MAX))]
    pub(crate) burst: Option<u32>,
    /// Lets whoever comes back before the time it was told wait longer each time. Default: no wait
    /// grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RawPenalty")]
    pub(crate) penalty: Option<RawPenalty>,
    /// Counts and reports, but refuses nothing. Default: false.
    #[serde(default)]
    pub(crate) shadow: bool,
    /// What is answered while the nodes of a cluster cannot agree. It applies to checks; what else
    /// there is fails then. Without a cluster it means nothing: a full ledger is always an error.
    /// Default: `error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RawOnUnavailable")]
    pub(crate) on_unavailable: Option<RawOnUnavailable>,
}

/// What is answered while the nodes of a cluster cannot agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RawOnUnavailable {
    /// An error for the whole request, so that its caller's own failure mode decides.
    Error,
    /// Every hit is refused.
    Deny,
    /// Every hit passes, uncounted.
    Allow,
    /// Each node counts alone, by its share: the limit divided by the number of nodes, rounded down,
    /// but at least 1 (and 0 of a limit of 0). It begins with an empty count.
    Local,
}

impl From<RawOnUnavailable> for OnUnavailable {
    fn from(raw: RawOnUnavailable) -> Self {
        match raw {
            RawOnUnavailable::Error => Self::Error,
            RawOnUnavailable::Deny => Self::Deny,
            RawOnUnavailable::Allow => Self::Allow,
            RawOnUnavailable::Local => Self::Local,
        }
    }
}

/// How hits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RawAlgorithm {
    /// A count that starts again with every window. Windows start at multiples of their length
    /// since the UNIX epoch.
    FixedWindow,
    /// At most the limit in any window, wherever it starts.
    SlidingWindow,
    /// A bucket of `burst` hits that refills at the rate.
    TokenBucket,
}

/// Lets whoever comes back before the time it was told wait longer each time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawPenalty {
    /// The longest wait. Each hit before the time that was told doubles the wait up to this; a
    /// window without any hit takes one doubling back. Required. Range: 1s to 365d.
    pub(crate) max: Length,
}
