//! The listening sockets of a node.

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use tollgate_runtime::listen;

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
