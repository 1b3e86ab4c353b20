//! The listening sockets of a node.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use tollgate_runtime::listen;

use crate::admin::{self, AdminSocket};
use crate::config::Config;

/// Where a node listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// gRPC.
    pub decide: SocketAddr,
    /// HTTP for callers.
    pub http: SocketAddr,
    /// HTTP for operators.
    pub admin: SocketAddr,
}

/// Bound, and not accepting yet.
pub(super) struct Sockets {
    pub(super) decide: TcpListener,
    pub(super) http: TcpListener,
    pub(super) admin: TcpListener,
    /// Absent where it could not be had: a second node on one machine goes on without.
    pub(super) admin_socket: Option<AdminSocket>,
}

impl Sockets {
    /// Binds every listener of the configuration; the error names the one that cannot be.
    pub(super) fn bind(config: &Config) -> anyhow::Result<Self> {
        let listeners = &config.listeners;
        let bind = |key: &str, address| {
            listen::tcp(address).with_context(|| format!("listeners.{key}.address"))
        };
        Ok(Self {
            decide: bind("decide", listeners.decide)?,
            http: bind("http", listeners.http)?,
            admin: bind("admin", listeners.admin)?,
            admin_socket: admin_socket(),
        })
    }

    /// Where they listen, with the ports that the system chose.
    pub(super) fn addresses(&self) -> std::io::Result<Addresses> {
        Ok(Addresses {
            decide: self.decide.local_addr()?,
            http: self.http.local_addr()?,
            admin: self.admin.local_addr()?,
        })
    }
}

fn admin_socket() -> Option<AdminSocket> {
    let bound = admin::default_path().and_then(|path| AdminSocket::bind(&path));
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
