//! TLS towards a server that this node connects to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::material::{MaterialError, PairFiles, provider, roots};

/// Where systems keep the authorities that they trust, as Go looks for them.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// HTTP/2, which is all that gRPC speaks.
const ALPN_H2: &[u8] = b"h2";

/// How to speak TLS to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientTls {
    /// What this node shows, if it shows anything.
    pub(crate) identity: Option<PairFiles>,
    /// The authorities that may vouch for the server; those of the system unless set.
    pub(crate) roots: Option<PathBuf>,
}

impl ClientTls {
    /// Reads the files as they stand now.
    ///
    /// # Errors
    /// [`MaterialError`], for the file that is wrong.
    pub(crate) fn load(&self) -> Result<Arc<ClientConfig>, MaterialError> {
        let roots = roots(self.roots.as_deref().unwrap_or_else(|| system_roots()))?;
        let wrong = |error: rustls::Error| MaterialError {
            path: self.roots.clone().unwrap_or_default(),
            what: error.to_string(),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(pair) => {
                let identity = CertifiedKey::clone(&*pair.load()?);
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Arc::new(config))
    }
}

fn system_roots() -> &'static Path {
    let mut paths = SYSTEM_ROOTS.into_iter().map(Path::new);
    // The first one stands for all in the message that there is none.
    let first = Path::new(SYSTEM_ROOTS[0]);
    paths.find(|path| path.is_file()).unwrap_or(first)
}
