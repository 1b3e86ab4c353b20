//! Whom a client trusts on `https://` endpoints, and who it is.

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Whom to trust, and who to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Tls(ClientTlsConfig);

impl Tls {
    /// Trusts whoever has a certificate of one of these authorities (PEM).
    pub fn trusting(authorities_pem: impl AsRef<[u8]>) -> Self {
        Self(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities_pem)))
    }

    /// Shows a certificate of its own: the chain and its key (PEM).
    pub fn identity(self, chain_pem: impl AsRef<[u8]>, key_pem: impl AsRef<[u8]>) -> Self {
        Self(self.0.identity(Identity::from_pem(chain_pem, key_pem)))
    }

    /// The name that the node's certificate has to have. Default: the endpoint's host.
    pub fn server_name(self, name: impl Into<String>) -> Self {
        Self(self.0.domain_name(name))
    }

    pub(super) fn config(&self) -> ClientTlsConfig {
        self.0.clone()
    }
}
