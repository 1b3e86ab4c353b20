//! `tollgate.yaml` as it is written: serde twins of the validated types in [`super`].
//!
//! The doc comments here are the reference that users read, through the JSON Schema: each says the
//! unit, the default, the range and what zero means. Nothing here is valid yet beyond its type.

mod cluster;
mod limit;
mod listeners;
mod ratelimit;
mod telemetry;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use self::cluster::{ELECTION, GROUPS, HEARTBEAT, RawCluster, RawMember, SECRET_BYTES};
pub(super) use self::limit::{RawAlgorithm, RawLimit, RawOnUnavailable, RawPenalty};
pub(super) use self::listeners::{RawAdminListener, RawClientAuth, RawListeners, RawTls};
pub(super) use self::ratelimit::{RawHeaderNames, RawHeaderStyle, RawRatelimit};
pub(super) use self::telemetry::{
    FLUSH_INTERVAL, RawRatelimitPrometheus, RawStatsd, RawStatsdProtocol, RawTelemetry,
    RawTimeUnit, STATSD_PORT,
};
pub use self::telemetry::{LogFormat, LogLevel};
use super::quantity::{Length, Size};

/// The least and the greatest value of a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) min: u64,
    pub(super) max: u64,
}

const fn range(min: u64, max: u64) -> Range {
    Range { min, max }
}

pub(super) const WORKERS: Range = range(0, 1_024);
pub(super) const DESCRIPTORS: Range = range(1, 10_000);
pub(super) const ENTRIES: Range = range(1, 256);
pub(super) const KEY_BYTES: Range = range(1, 64 << 10);
pub(super) const VALUE_BYTES: Range = range(1, 1 << 20);
pub(super) const DOMAIN_BYTES: Range = range(1, 64 << 10);
pub(super) const MESSAGE_BYTES: Range = range(1 << 10, 64 << 20);
pub(super) const IN_FLIGHT_BYTES: Range = range(1 << 20, 1 << 40);
pub(super) const LEDGER_KEYS: Range = range(1_000, 1_000_000_000);
pub(super) const CLIENT_SANS_MAX: usize = 1_000;
pub(super) const ROLES_MAX: usize = 1_000;
pub(super) const DRAIN_NOTICE_MAX: Duration = Duration::from_secs(10 * 60);
pub(super) const CONNECTION_AGE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);
pub(super) const LEDGER_BYTES: Range = range(1 << 20, 1 << 40);
pub(super) const RESERVATIONS: Range = range(0, 10_000_000);

/// Configuration of a Tollgate node. Every key is optional: an empty file is a working node without
/// limits. Unknown keys are errors.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "tollgate.yaml")]
pub(super) struct RawConfig {
    /// What the process takes of the machine.
    pub(super) node: RawNode,
    /// Where the node listens. No two listeners may share an address.
    pub(super) listeners: RawListeners,
    /// What one request may bring. A request beyond a bound is refused, never cut.
    pub(super) bounds: RawBounds,
    /// The nodes that count as one. Default: none.
    pub(super) cluster: RawCluster,
    /// How many buckets are kept. Where the ledger is full, ended buckets go first, then the
    /// emptiest ones of the domain that holds the most. In a cluster, its first start decides.
    pub(super) ledger: RawLedger,
    /// Files of the reference rate-limit service (`domain`, `descriptors`), or folders of them,
    /// relative to the folder of this file. Of a folder every file counts but those whose name
    /// begins with a dot; folders inside it do not. Default: none.
    pub(super) ratelimit_files: Vec<String>,
    /// How rate-limit requests are answered.
    pub(super) ratelimit: RawRatelimit,
    /// Named limits, in domain `tollgate`. A request meets one with a descriptor of the entry
    /// `limit=NAME` and one entry for each key of `by`, in order. Names are 1 to 64 of `a`-`z`,
    /// `0`-`9`, `_` and `-`. Default: none.
    pub(super) limits: BTreeMap<String, RawLimit>,
    /// What the node says about itself.
    pub(super) telemetry: RawTelemetry,
}

/// What the process takes of the machine.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawNode {
    /// Threads that answer requests, each with a runtime of its own. Default: 0, one per core.
    /// Range: 0 to 1024.
    #[schemars(range(min = WORKERS.min, max = WORKERS.max))]
    pub(super) workers: u64,
    /// How long a node that is told to end goes on as before, while health checks are told that it
    /// goes: whoever looks after the traffic sends it elsewhere meanwhile. Default: 5s. Range: 0s to
    /// 10m.
    pub(super) drain_notice: Length,
}

impl Default for RawNode {
    fn default() -> Self {
        Self { workers: 0, drain_notice: Length(Duration::from_secs(5)) }
    }
}

/// What one request may bring.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawBounds {
    /// Descriptors in a request. Each is a bucket to charge, so this bounds what one call costs;
    /// proxies send a few. Default: 100. Range: 1 to 10000.
    #[schemars(range(min = DESCRIPTORS.min, max = DESCRIPTORS.max))]
    pub(super) descriptors_max: u64,
    /// Entries in a descriptor: as deep as a file's descriptors can stand inside each other.
    /// Default: 32. Range: 1 to 256.
    #[schemars(range(min = ENTRIES.min, max = ENTRIES.max))]
    pub(super) entries_max: u64,
    /// Bytes of an entry's key. Default: 256. Range: 1 to 64KiB.
    #[schemars(range(min = KEY_BYTES.min, max = KEY_BYTES.max))]
    pub(super) key_bytes_max: Size,
    /// Bytes of an entry's value: enough for a header or a path. Default: 8KiB. Range: 1 to 1MiB.
    #[schemars(range(min = VALUE_BYTES.min, max = VALUE_BYTES.max))]
    pub(super) value_bytes_max: Size,
    /// Bytes of a domain's name. Default: 256. Range: 1 to 64KiB.
    #[schemars(range(min = DOMAIN_BYTES.min, max = DOMAIN_BYTES.max))]
    pub(super) domain_bytes_max: Size,
    /// Bytes of a request as it comes in, before it is decoded. Default: 256KiB. Range: 1KiB to
    /// 64MiB.
    #[schemars(range(min = MESSAGE_BYTES.min, max = MESSAGE_BYTES.max))]
    pub(super) message_bytes_max: Size,
    /// Bytes that calls in flight may hold over all connections: 16 KiB for each gRPC call that has
    /// to wait, and of each body that is still arriving what is there (over gRPC the length that it
    /// declares), beyond 4 KiB. A call beyond that is refused at once with RESOURCE_EXHAUSTED or 503;
    /// one that arrives whole and the first two of a connection are not counted. At least
    /// `message_bytes_max`. Default: 128MiB. Range: 1MiB to 1TiB.
    #[schemars(range(min = IN_FLIGHT_BYTES.min, max = IN_FLIGHT_BYTES.max))]
    pub(super) in_flight_bytes_max: Size,
}

impl Default for RawBounds {
    fn default() -> Self {
        Self {
            descriptors_max: 100,
            entries_max: 32,
            key_bytes_max: Size(256),
            value_bytes_max: Size(8 << 10),
            domain_bytes_max: Size(256),
            message_bytes_max: Size(256 << 10),
            in_flight_bytes_max: Size(128 << 20),
        }
    }
}

/// How many buckets are kept.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawLedger {
    /// Buckets. Default: 1000000. Range: 1000 to 1000000000.
    #[schemars(range(min = LEDGER_KEYS.min, max = LEDGER_KEYS.max))]
    pub(super) keys_max: u64,
    /// Bytes that buckets and their printable names take. Default: 512MiB. Range: 1MiB to 1TiB.
    #[schemars(range(min = LEDGER_BYTES.min, max = LEDGER_BYTES.max))]
    pub(super) bytes_max: Size,
    /// Reservations that are open at once, with four limits each on average; more are refused. 0:
    /// none can be made. Default: 100000. Range: 0 to 10000000.
    #[schemars(range(min = RESERVATIONS.min, max = RESERVATIONS.max))]
    pub(super) reservations_max: u64,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self { keys_max: 1_000_000, bytes_max: Size(512 << 20), reservations_max: 100_000 }
    }
}
