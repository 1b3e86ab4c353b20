//! What the node says about itself, as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Range, range};
use crate::config::quantity::Length;

pub(crate) const STATSD_PORT: Range = range(1, 65_535);
/// In milliseconds.
pub(crate) const FLUSH_INTERVAL: Range = range(100, 3_600_000);

/// What the node says about itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawTelemetry {
    /// The form of log lines. Default: `text`.
    pub(crate) log_format: LogFormat,
    /// The least severe events that are logged. Default: `info`.
    pub(crate) log_level: LogLevel,
    /// The figures under the names of the reference rate-limit service, pushed to a statsd peer.
    pub(crate) statsd: RawStatsd,
    /// The same figures for Prometheus, on a listener of their own, with all of `/metrics` behind
    /// them.
    pub(crate) ratelimit_prometheus: RawRatelimitPrometheus,
}

/// Where figures are pushed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawStatsd {
    /// What is spoken. Default: `off`, nothing is pushed.
    pub(crate) protocol: RawStatsdProtocol,
    /// The peer's name or address. A name is looked up again for every connection, and for every
    /// flush of datagrams. Default: `localhost`.
    pub(crate) host: String,
    /// The peer's port. Default: 8125. Range: 1 to 65535.
    #[schemars(range(min = STATSD_PORT.min, max = STATSD_PORT.max))]
    pub(crate) port: u64,
    /// The time between two flushes. A flush that cannot be sent is added to the next. Default:
    /// 10s. Range: 100ms to 1h.
    pub(crate) flush_interval: Length,
    /// Tags of everything that is sent: tags of dogstatsd, `.__KEY=VALUE` behind the names of
    /// statsd. Default: none.
    pub(crate) tags: BTreeMap<String, String>,
    /// Rules that make another name and tags of a name, for dogstatsd only. The first whose pattern
    /// fits counts. Default: none.
    pub(crate) mogrifiers: Vec<RawMogrifier>,
}

impl Default for RawStatsd {
    fn default() -> Self {
        Self {
            protocol: RawStatsdProtocol::Off,
            host: "localhost".to_owned(),
            port: 8_125,
            flush_interval: Length(Duration::from_secs(10)),
            tags: BTreeMap::new(),
            mogrifiers: Vec::new(),
        }
    }
}

/// What is spoken with a statsd peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RawStatsdProtocol {
    /// Nothing.
    #[default]
    Off,
    /// statsd over a TCP connection.
    StatsdTcp,
    /// statsd in datagrams.
    StatsdUdp,
    /// dogstatsd in datagrams.
    Dogstatsd,
}

/// A rule that makes another name and tags of a name.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawMogrifier {
    /// A regular expression that takes the name apart.
    pub(crate) pattern: String,
    /// The new name; `$1`, `$2`, … are what the pattern's groups matched.
    pub(crate) name: String,
    /// The tags, in whose values the groups may stand, too. Default: none.
    #[serde(default)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// The reference's names for Prometheus.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct RawRatelimitPrometheus {
    /// An IP address and a port, such as `[::]:9090`. Port 0 lets the system choose one. Default:
    /// empty, no such listener.
    pub(crate) address: String,
    /// The path of the page. Default: `/metrics`.
    pub(crate) path: String,
    /// The unit of `ratelimit_service_response_time_seconds`, whatever its name says. Default:
    /// `seconds`.
    pub(crate) response_time: RawTimeUnit,
}

impl Default for RawRatelimitPrometheus {
    fn default() -> Self {
        Self {
            address: String::new(),
            path: "/metrics".to_owned(),
            response_time: RawTimeUnit::Seconds,
        }
    }
}

/// The unit of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum RawTimeUnit {
    /// Seconds.
    #[default]
    Seconds,
    /// Milliseconds: what older versions of the reference sent.
    Milliseconds,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How severe an event must be to be logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LogLevel {
    /// What went wrong for good.
    Error,
    /// What may go wrong.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}
