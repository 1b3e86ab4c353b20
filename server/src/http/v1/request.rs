//! Requests: twins of the messages, with durations in seconds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_core::descriptor::HITS_ADDEND_MAX;
use tollgate_proto::v1::{self, Fault, Malformed, subject::Kind, to_duration};

use super::object::{Object, Values};

/// What is asked about: exactly one of three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = one_of(["limit", "descriptors", "inline"])))]
pub(crate) struct Subject {
    /// A limit of tollgate.yaml by its name.
    limit: Option<Object<NamedLimit>>,
    /// Descriptors of a domain, as a rate-limit file has them. Whether all of them or none are
    /// charged is the domain's own option.
    descriptors: Option<Object<Descriptors>>,
    /// A limit that the caller brings along. Needs the permission `inline_limits`.
    inline: Option<Object<InlineLimit>>,
}

/// A limit of tollgate.yaml.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NamedLimit {
    /// Its name.
    #[schemars(length(min = 1))]
    name: String,
    /// A value for each key that the limit counts by (`by`), and no other.
    #[serde(default)]
    values: Values,
}

/// Descriptors of one domain.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Descriptors {
    /// The scope in which they are looked up.
    #[schemars(length(min = 1))]
    domain: String,
    /// At least one.
    #[schemars(length(min = 1))]
    descriptors: Vec<Object<Descriptor>>,
}

/// An ordered list of entries that is matched as a whole.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Descriptor {
    /// The entries, outermost first.
    entries: Vec<Object<Entry>>,
    /// Hits of this descriptor. Default: those of the request. At most 1 000 000 000.
    #[schemars(range(max = HITS_ADDEND_MAX))]
    hits: Option<u64>,
}

/// One key and its value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The key.
    key: String,
    /// The value.
    #[serde(default)]
    value: String,
}

/// A limit that the caller brings along.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InlineLimit {
    /// 1 to 64 of a-z, 0-9, _ and -. It never meets a named limit's counters.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,64}$"))]
    name: String,
    /// What it counts by; each combination has a counter of its own.
    #[serde(default)]
    values: Values,
    /// Hits in each window. 0 denies every hit.
    limit: u32,
    /// The window's length: 0.001 to 31 536 000.
    #[schemars(range(min = 0.001, max = 31_536_000))]
    window_seconds: f64,
    /// Default: `fixed_window`.
    algorithm: Option<Algorithm>,
    /// Hits that a token bucket holds. Default: the limit.
    burst: Option<u32>,
}

/// How hits are counted.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Algorithm {
    /// Windows aligned with the UNIX epoch.
    FixedWindow,
    /// At most the limit in any window, wherever it starts.
    SlidingWindow,
    /// A bucket that refills at the limit's rate.
    TokenBucket,
}

/// Spends hits if every limit allows them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CheckRequest")]
pub(crate) struct Check {
    /// What is asked about.
    subject: Object<Subject>,
    /// Default: 1. 0 looks without spending. At most 1 000 000 000.
    #[schemars(range(max = HITS_ADDEND_MAX))]
    hits: Option<u64>,
    /// 1 to 128 printable ASCII characters, chosen anew for each operation. The same request with
    /// the same key within 10 seconds counts once and is answered the same.
    #[serde(default)]
    #[schemars(regex(pattern = "^[ -~]{0,128}$"))]
    idempotency_key: String,
    /// How long the caller waits for this answer, from when the node has the request.
    #[schemars(range(min = 0))]
    timeout_seconds: Option<f64>,
}

/// Several checks, each decided by itself, in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CheckBatchRequest")]
pub(crate) struct Batch {
    /// 1 to 1000.
    #[schemars(length(min = 1, max = v1::BATCH_MAX))]
    checks: Vec<Object<Check>>,
}

/// What a check would be told now.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PeekRequest")]
pub(crate) struct Peek {
    /// What is asked about.
    subject: Object<Subject>,
    /// As of a check.
    #[schemars(range(max = HITS_ADDEND_MAX))]
    hits: Option<u64>,
}

/// Holds hits until the cost is known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReserveRequest")]
pub(crate) struct Reserve {
    /// What is asked about.
    subject: Object<Subject>,
    /// What may be needed at most. Default: 1. 1 to 1 000 000 000.
    #[schemars(range(min = 1, max = HITS_ADDEND_MAX))]
    hits: Option<u64>,
    /// When the reservation ends by itself: 1 to 3600. Default: 60.
    #[schemars(range(min = 1, max = 3_600))]
    hold_for_seconds: Option<f64>,
    /// As of a check.
    #[serde(default)]
    #[schemars(regex(pattern = "^[ -~]{0,128}$"))]
    idempotency_key: String,
}

/// Spends what was really needed and gives the rest back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CommitRequest")]
pub(crate) struct Commit {
    /// The reservation's name: 32 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    reservation: String,
    /// What was really needed; may be more than was reserved. At most 1 000 000 000.
    #[schemars(range(max = HITS_ADDEND_MAX))]
    hits: u64,
    /// As of a check.
    #[serde(default)]
    #[schemars(regex(pattern = "^[ -~]{0,128}$"))]
    idempotency_key: String,
}

/// Gives all of a reservation back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CancelRequest")]
pub(crate) struct Cancel {
    /// The reservation's name: 32 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    reservation: String,
    /// As of a check.
    #[serde(default)]
    #[schemars(regex(pattern = "^[ -~]{0,128}$"))]
    idempotency_key: String,
}

/// Gives hits back that were spent. Needs the permission `refund`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RefundRequest")]
pub(crate) struct Refund {
    /// What is asked about.
    subject: Object<Subject>,
    /// What is given back. Default: 1. At most 1 000 000 000.
    #[schemars(range(max = HITS_ADDEND_MAX))]
    hits: Option<u64>,
    /// As of a check.
    #[serde(default)]
    #[schemars(regex(pattern = "^[ -~]{0,128}$"))]
    idempotency_key: String,
}

/// Forgets what was spent. Needs the permission `reset`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResetRequest")]
pub(crate) struct Reset {
    /// What is asked about.
    subject: Object<Subject>,
}

impl Check {
    pub(super) fn into_wire(self) -> Result<v1::CheckRequest, Malformed> {
        Ok(v1::CheckRequest {
            subject: Some(self.subject.0.into_wire()?),
            hits: self.hits,
            idempotency_key: self.idempotency_key,
            timeout: self.timeout_seconds.map(|length| wire(length, "timeout")).transpose()?,
        })
    }
}

impl Batch {
    pub(super) fn into_wire(self) -> Result<v1::CheckBatchRequest, Malformed> {
        let one = |(at, Object(check)): (usize, Object<Check>)| {
            check
                .into_wire()
                .map_err(|Malformed { field, fault }| fault.at(format!("checks[{at}].{field}")))
        };
        let checks: Result<_, _> = self.checks.into_iter().enumerate().map(one).collect();
        Ok(v1::CheckBatchRequest { checks: checks? })
    }
}

impl Peek {
    pub(super) fn into_wire(self) -> Result<v1::PeekRequest, Malformed> {
        Ok(v1::PeekRequest { subject: Some(self.subject.0.into_wire()?), hits: self.hits })
    }
}

impl Reserve {
    pub(super) fn into_wire(self) -> Result<v1::ReserveRequest, Malformed> {
        Ok(v1::ReserveRequest {
            subject: Some(self.subject.0.into_wire()?),
            hits: self.hits,
            hold_for: self.hold_for_seconds.map(|length| wire(length, "hold_for")).transpose()?,
            idempotency_key: self.idempotency_key,
        })
    }
}

impl Commit {
    pub(super) fn into_wire(self) -> v1::CommitRequest {
        let Self { reservation, hits, idempotency_key } = self;
        v1::CommitRequest { reservation, hits, idempotency_key }
    }
}

impl Cancel {
    pub(super) fn into_wire(self) -> v1::CancelRequest {
        let Self { reservation, idempotency_key } = self;
        v1::CancelRequest { reservation, idempotency_key }
    }
}

impl Refund {
    pub(super) fn into_wire(self) -> Result<v1::RefundRequest, Malformed> {
        Ok(v1::RefundRequest {
            subject: Some(self.subject.0.into_wire()?),
            hits: self.hits,
            idempotency_key: self.idempotency_key,
        })
    }
}

impl Reset {
    pub(super) fn into_wire(self) -> Result<v1::ResetRequest, Malformed> {
        Ok(v1::ResetRequest { subject: Some(self.subject.0.into_wire()?) })
    }
}

impl Subject {
    fn into_wire(self) -> Result<v1::Subject, Malformed> {
        let kind = match (self.limit, self.descriptors, self.inline) {
            (Some(Object(NamedLimit { name, values })), None, None) => {
                Kind::Limit(v1::NamedLimit { name, values: values.0 })
            }
            (None, Some(Object(all)), None) => Kind::Descriptors(all.into_wire()),
            (None, None, Some(Object(limit))) => Kind::Inline(limit.into_wire()?),
            _ => return Err(Fault::NotOne.at("subject")),
        };
        Ok(v1::Subject { kind: Some(kind) })
    }
}

impl Descriptors {
    fn into_wire(self) -> v1::Descriptors {
        let entry = |Object(Entry { key, value }): Object<Entry>| v1::Entry { key, value };
        let one = |Object(one): Object<Descriptor>| v1::Descriptor {
            entries: one.entries.into_iter().map(entry).collect(),
            hits: one.hits,
        };
        v1::Descriptors {
            domain: self.domain,
            descriptors: self.descriptors.into_iter().map(one).collect(),
        }
    }
}

impl InlineLimit {
    fn into_wire(self) -> Result<v1::InlineLimit, Malformed> {
        let algorithm = match self.algorithm {
            None => v1::Algorithm::Unspecified,
            Some(Algorithm::FixedWindow) => v1::Algorithm::FixedWindow,
            Some(Algorithm::SlidingWindow) => v1::Algorithm::SlidingWindow,
            Some(Algorithm::TokenBucket) => v1::Algorithm::TokenBucket,
        };
        Ok(v1::InlineLimit {
            name: self.name,
            values: self.values.0,
            limit: self.limit,
            window: Some(wire(self.window_seconds, "subject.inline.window")?),
            algorithm: algorithm.into(),
            burst: self.burst,
        })
    }
}

/// The schema of "exactly one of these, and `null` is none".
fn one_of<const N: usize>(names: [&str; N]) -> Vec<Value> {
    let one = |name: &str| json!({ "required": [name], "properties": { name: { "not": { "type": "null" } } } });
    names.into_iter().map(one).collect()
}

fn wire(seconds: f64, field: &str) -> Result<prost_types::Duration, Malformed> {
    let duration = Duration::try_from_secs_f64(seconds);
    duration.map(to_duration).map_err(|_| Fault::NotADuration.at(field))
}
