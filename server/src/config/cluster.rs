//! The nodes that count as one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Listeners;

/// The cluster that a node belongs to, as its configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The node's own name, where the file says it.
    pub node: Option<String>,
    /// Three or five, by name.
    pub members: BTreeMap<String, Member>,
    /// What members show each other.
    pub secret: PeerSecret,
    /// Where the node listens for its peers; otherwise where its member's address says.
    pub listen: Option<SocketAddr>,
    /// Groups of counters that the first start of the cluster makes; not zero.
    pub groups: u32,
    /// How often a leader tells that it is there.
    pub heartbeat: Duration,
    /// The shortest time that followers wait for it; the longest is twice that.
    pub election: Duration,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where its peers reach it: `host:port`.
    pub address: String,
    /// Addresses of its listeners where they are not those of the file.
    pub listeners: MemberListeners,
}

/// Addresses of a member's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberListeners {
    /// gRPC.
    pub decide: Option<SocketAddr>,
    /// HTTP.
    pub http: Option<SocketAddr>,
    /// For operators.
    pub admin: Option<SocketAddr>,
}

/// What members of one cluster show each other.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerSecret(Arc<[u8]>);

impl PeerSecret {
    /// A secret of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Without the bytes.
impl fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerSecret(..)")
    }
}

/// A name that is no member's, or none where one is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAMember {
    /// Nothing says which member the node is.
    #[error("which member of the cluster is this node? One of: {0}")]
    Unnamed(String),
    /// There is no cluster to be a member of.
    #[error("`{0}` is no member: the configuration has no `cluster.members`")]
    NoCluster(String),
    /// There is no member of that name.
    #[error("`{name}` is no member of the cluster. One of: {members}")]
    Unknown {
        /// What was said.
        name: String,
        /// Who there is.
        members: String,
    },
}

impl Cluster {
    /// The member that the node is: `told` on its command line or by its environment, else the one
    /// that the file names.
    ///
    /// # Errors
    /// [`NotAMember`].
    pub fn own<'a>(&'a self, told: Option<&'a str>) -> Result<(&'a str, &'a Member), NotAMember> {
        let names = || self.members.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let name = told.or(self.node.as_deref()).ok_or_else(|| NotAMember::Unnamed(names()))?;
        let found = self.members.get_key_value(name);
        let (name, member) =
            found.ok_or_else(|| NotAMember::Unknown { name: name.to_owned(), members: names() })?;
        Ok((name, member))
    }
}

impl Member {
    /// The listeners of a node that is this member.
    pub fn listeners(&self, of_file: &Listeners) -> Listeners {
        let MemberListeners { decide, http, admin } = self.listeners;
        let of_file = of_file.clone();
        Listeners {
            decide: decide.unwrap_or(of_file.decide),
            http: http.unwrap_or(of_file.http),
            admin: admin.unwrap_or(of_file.admin),
            ..of_file
        }
    }

    /// Where its peers reach it, if that is an IP address and no name.
    pub fn ip_address(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// The port of its address.
    pub fn port(&self) -> u16 {
        let port = self.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.unwrap_or_default()
    }
}
