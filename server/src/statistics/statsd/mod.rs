//! statsd and dogstatsd: every so often, what was added since the last time.
//!
//! What could not be sent is not kept: the figures themselves are, and the next flush sends the
//! larger difference. So a peer that is away or does not read costs no memory, and no hit is lost.

mod changes;
mod exporter;
mod lines;
mod mogrifier;
mod transport;

use std::time::Duration;

pub(crate) use self::exporter::Exporter;
pub(crate) use self::mogrifier::Mogrifier;

/// Where figures are sent, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Statsd {
    /// What is spoken.
    pub protocol: Protocol,
    /// The peer's name or address.
    pub host: String,
    /// The peer's port.
    pub port: u16,
    /// The time between two flushes; never zero.
    pub flush_interval: Duration,
    /// Tags of every line, by name.
    pub tags: Vec<(String, String)>,
    /// Rewrites names into names and tags; the first that fits counts. Dogstatsd only.
    pub(crate) mogrifiers: Vec<Mogrifier>,
    /// Somebody asked for it: a peer that is missing deserves a warning.
    pub is_asked_for: bool,
}

/// What is spoken with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Lines over a TCP connection, as the reference sends them.
    StatsdTcp,
    /// The same in datagrams.
    StatsdUdp,
    /// Datagrams with tags.
    Dogstatsd,
}
