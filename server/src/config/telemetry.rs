//! What the node says about itself: valid.

use std::net::SocketAddr;

pub use super::raw::{LogFormat, LogLevel};
use crate::statistics::TimeUnit;
pub use crate::statistics::statsd::{Protocol, Statsd};

/// What the node says about itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The form of log lines.
    pub log_format: LogFormat,
    /// The least severe events that are logged.
    pub log_level: LogLevel,
    /// Where figures are pushed, if anywhere.
    pub statsd: Option<Statsd>,
    /// Where the reference's Prometheus names are served, if anywhere.
    pub ratelimit_prometheus: Option<RatelimitPrometheus>,
}

/// The listener of the reference's Prometheus names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatelimitPrometheus {
    /// Where it listens; overlaps no other listener.
    pub address: SocketAddr,
    /// The path of its one page; begins with a slash.
    pub path: String,
    /// The unit of times.
    pub unit: TimeUnit,
}
