//! Configuration: `tollgate.yaml` and the rate-limit service's files, turned into valid types.
//!
//! A file is read into a tree that knows its places (`document`), decoded into serde twins
//! (`raw`) and validated into [`Config`]; everything wrong is told at once, as
//! `FILE:LINE:COLUMN: KEY.PATH: what is wrong`. Nothing here applies a configuration or watches a
//! file for changes.

mod check;
pub mod cluster;
mod decode;
mod document;
mod named;
mod numbers;
mod quantity;
pub mod ratelimit;
mod raw;
mod report;
mod schema;
mod suggest;
pub mod telemetry;
mod validate;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tollgate_core::limit::{NAMED_DOMAIN, Options, Rules};

pub use self::check::{FileKind, Summary, check};
pub use self::cluster::Cluster;
pub(crate) use self::document::open_regular;
pub(crate) use self::quantity::Length;
pub use self::report::{ISSUES_MAX, Issue, Report};
pub(crate) use self::report::{Issues, excerpt, shortened};
pub use self::schema::schema;
pub use self::telemetry::{LogFormat, LogLevel, RatelimitPrometheus, Statsd, Telemetry};
pub(crate) use self::validate::{is_header_name, overlap};
use crate::access::{CertificateRole, ListenerPermissions, PermissionSet};
use crate::decide::Answers;
use crate::drained::Age;
use crate::tls::Tls;

/// The name under which errors in the embedded configuration would appear.
const EMBEDDED_SOURCE: &str = "embedded.yaml";

/// Domains, each with its rules and how it answers.
pub type Domains = Vec<(Arc<str>, Rules, Options)>;

/// A valid configuration of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the process takes of the machine.
    pub node: Node,
    /// Where the node listens.
    pub listeners: Listeners,
    /// The cluster that the node belongs to.
    pub cluster: Option<Cluster>,
    /// What one request may bring.
    pub bounds: Bounds,
    /// How many buckets are kept.
    pub ledger: Ledger,
    /// What the node says about itself.
    pub telemetry: Telemetry,
    /// Files and folders of the rate-limit service; each existed when the configuration was read,
    /// unless the environment names them.
    pub ratelimit_files: Vec<PathBuf>,
    /// Files of one domain make one tree.
    pub merge_domains: bool,
    /// How rate-limit requests are answered.
    pub answers: Answers,
    /// The named limits: the rules of domain [`NAMED_DOMAIN`].
    pub limits: Rules,
}

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Threads that answer requests; `None` is one per core.
    pub workers: Option<NonZeroUsize>,
    /// How long a node that is told to end serves on while health checks are told.
    pub drain_notice: Duration,
}

/// Where the node listens. No two addresses overlap; a port of zero is chosen by the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// gRPC.
    pub decide: SocketAddr,
    /// A Unix socket that is served instead of `decide`.
    pub decide_socket: Option<PathBuf>,
    /// TLS of the gRPC listener.
    pub(crate) decide_tls: Option<Tls>,
    /// How old connections of the gRPC listener may become.
    pub decide_age: Age,
    /// What everybody may do on the gRPC listener beside asking for decisions.
    pub decide_permissions: PermissionSet,
    /// HTTP.
    pub http: SocketAddr,
    /// TLS of the HTTP listener.
    pub(crate) http_tls: Option<Tls>,
    /// What everybody may do on the HTTP listener beside asking for decisions.
    pub http_permissions: PermissionSet,
    /// For operators.
    pub admin: SocketAddr,
    /// TLS of the operators' listener.
    pub(crate) admin_tls: Option<Tls>,
    /// Roles that certificates give there.
    pub(crate) admin_roles: Vec<CertificateRole>,
    /// Where tokens are kept; without it they end with the node.
    pub tokens_file: Option<PathBuf>,
}

impl Listeners {
    /// What everybody may do on the decide listener, as [`crate::access::Access::caller`] takes it.
    pub const fn decide_access(&self) -> ListenerPermissions {
        ListenerPermissions { listener: "decide", everybody: self.decide_permissions }
    }

    /// What everybody may do on the http listener, likewise.
    pub const fn http_access(&self) -> ListenerPermissions {
        ListenerPermissions { listener: "http", everybody: self.http_permissions }
    }

    /// What is no error, but lets others see or take what is an operator's.
    pub fn warning(&self) -> Option<String> {
        let is_open = !self.admin.ip().to_canonical().is_loopback() && self.admin_tls.is_none();
        is_open.then(|| {
            format!(
                "the admin listener ({}) is reachable from other machines without TLS: tokens \
                 travel in the clear; set listeners.admin.tls, or keep it on 127.0.0.1",
                self.admin
            )
        })
    }
}

/// What one request may bring; none of these is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Descriptors in a request.
    pub descriptors_max: usize,
    /// Entries in a descriptor.
    pub entries_max: usize,
    /// Bytes of an entry's key.
    pub key_bytes_max: usize,
    /// Bytes of an entry's value.
    pub value_bytes_max: usize,
    /// Bytes of a domain's name.
    pub domain_bytes_max: usize,
    /// Bytes of a request before it is decoded.
    pub message_bytes_max: usize,
    /// Bytes that calls in flight hold over the whole process; at least `message_bytes_max`.
    pub in_flight_bytes_max: usize,
}

/// How many buckets and reservations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// Buckets; not zero.
    pub keys_max: usize,
    /// Bytes that buckets and their printable names take; not zero.
    pub bytes_max: usize,
    /// Open reservations; with zero none can be made.
    pub reservations_max: usize,
}

impl Bounds {
    /// The part of them that holds for a decoded rate-limit request.
    pub fn of_request(&self) -> tollgate_proto::ratelimit::Bounds {
        tollgate_proto::ratelimit::Bounds {
            descriptors_max: self.descriptors_max,
            entries_max: self.entries_max,
            domain_bytes_max: self.domain_bytes_max,
            key_bytes_max: self.key_bytes_max,
            value_bytes_max: self.value_bytes_max,
        }
    }
}

impl Config {
    /// The configuration in the file at `path`.
    ///
    /// # Errors
    /// The file is no regular one or cannot be read, or everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Self, Report> {
        let text = document::read_regular(path)?;
        let base_dir = path.parent().unwrap_or(Path::new(""));
        Self::parse(&path.display().to_string(), &text, base_dir)
    }

    /// The configuration that `text` spells. Errors name `source`; relative paths in it start at
    /// `base_dir`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(source: &str, text: &str, base_dir: &Path) -> Result<Self, Report> {
        let document = document::parse(source, text)?;
        validate::config(&document, base_dir)
    }

    /// Every default and no limit: what an empty file says.
    #[expect(clippy::expect_used, reason = "constant text; a test proves that it is valid")]
    pub fn bare() -> Self {
        Self::parse("empty.yaml", "", Path::new("")).expect("an empty file is valid")
    }

    /// The configuration of a node that was started without one.
    #[expect(clippy::expect_used, reason = "constant text; a test proves that it is valid")]
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED_SOURCE, include_str!("embedded.yaml"), Path::new(""))
            .expect("the embedded configuration is valid")
    }

    /// Every domain with its rules: that of the named limits, if there are any, and those of the
    /// rate-limit service's files, which are read now.
    ///
    /// # Errors
    /// Everything that is wrong in the files, at once.
    pub fn domains(&self) -> Result<Domains, Report> {
        let options = self.file_options();
        let mut domains = ratelimit::load(&self.ratelimit_files, options, &self.limits)?;
        domains.extend(self.named_domain());
        Ok(domains)
    }

    fn file_options(&self) -> ratelimit::Options {
        ratelimit::Options { merge_domains: self.merge_domains }
    }

    /// The domain of the named limits, if there are any.
    fn named_domain(&self) -> Option<(Arc<str>, Rules, Options)> {
        let options = Options { atomic: true, headers: None };
        let rules = &self.limits;
        (!rules.nodes().is_empty()).then(|| (NAMED_DOMAIN.into(), rules.clone(), options))
    }
}

#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod listeners_tests;
#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
