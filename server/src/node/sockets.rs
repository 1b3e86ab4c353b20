//! The listening sockets of a node.

use std::net::SocketAddr;

use anyhow::Context as _;
use tollgate_runtime::listen;
use tollgate_runtime::stream::Listener;
use tollgate_runtime::unix::UnixSocket;

use crate::admin::{self, AdminSocket};
use crate::config::Config;

/// Who may connect to the decide listener's socket: its owner and the owner's group. A proxy in
/// another container shares the group (`fsGroup`), not the user.
const DECIDE_SOCKET_MODE: u32 = 0o660;

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// gRPC: an address, or a socket's path.
    pub decide: String,
    /// HTTP for callers.
    pub http: SocketAddr,
    /// HTTP for operators.
    pub admin: SocketAddr,
}

/// Bound, and not accepting yet.
pub(super) struct Sockets {
    pub(super) decide: Listener,
    pub(super) http: Listener,
    pub(super) admin: Listener,
    /// Absent where it could not be had: a second node on one machine goes on without.
    pub(super) admin_socket: Option<AdminSocket>,
    pub(super) addresses: Addresses,
}

impl Sockets {
    /// Binds every listener of the configuration; the error names the one that cannot be.
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let listeners = &config.listeners;
        let bind = |key: &str, address| {
            listen::tcp(address).with_context(|| format!("listeners.{key}.address"))
        };
        let decide = match &listeners.decide_socket {
            Some(path) => Listener::Unix(
                UnixSocket::bind(path, DECIDE_SOCKET_MODE).context("listeners.decide.socket")?,
            ),
            None => bind("decide", listeners.decide)?.into(),
        };
        let http = bind("http", listeners.http)?;
        let admin = bind("admin", listeners.admin)?;
        let addresses = Addresses {
            decide: decide.place()?,
            http: http.local_addr()?,
            admin: admin.local_addr()?,
        };
        let (http, admin) = (http.into(), admin.into());
        Ok(Self { decide, http, admin, admin_socket: admin_socket(), addresses })
    }
}

fn admin_socket() -> Option<AdminSocket> {
    let bound = AdminSocket::bind(&admin::default_path());
    match bound {
        Ok(socket) => {
            let address = socket.path().display();
            tracing::info!(event = "listening", listener = "admin_socket", %address);
            Some(socket)
        }
        Err(error) => {
            let advice = "the command line cannot reach this node; TOLLGATE_ADMIN_SOCKET names \
                          another path";
            tracing::warn!(event = "admin_socket_unavailable", %error, "{advice}");
            None
        }
    }
}
