//! Certificates made for a test, and a look at the one that a server shows.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
pub use rcgen::SanType;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For a connection and its handshake.
const HANDSHAKE_BOUND: Duration = Duration::from_secs(5);

/// Who vouches for certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
    der: CertificateDer<'static>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the same name as what it issues, that would look as if it had issued itself.
        params.distinguished_name.push(DnType::CommonName, "authority");
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate with this name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue(&self, name: &str) -> anyhow::Result<Issued> {
        self.issue_as(&[SanType::DnsName(name.try_into()?)], "*", false)
    }

    /// A certificate with these alternative names and this one in its subject (CN), which may have
    /// ended.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue_as(
        &self,
        names: &[SanType],
        common: &str,
        has_ended: bool,
    ) -> anyhow::Result<Issued> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name.push(DnType::CommonName, common);
        if has_ended {
            params.not_after = date_time_ymd(2001, 1, 1);
            params.not_before = date_time_ymd(2000, 1, 1);
        }
        let cert = params.signed_by(&key, &self.issuer)?;
        let der = cert.der().clone();
        Ok(Issued { cert: cert.pem(), key: key.serialize_pem(), der })
    }

    /// The certificate that the server at `address` shows to a client that asks for no name.
    ///
    /// # Errors
    /// When the handshake fails, or the certificate is not this authority's for `name`.
    pub async fn shown(&self, address: SocketAddr, name: &str) -> anyhow::Result<Vec<u8>> {
        let stream = self.connect(address, name).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        Ok(shown.context("no certificate")?.to_vec())
    }

    /// A connection to the server at `address` that asks for no name.
    ///
    /// # Errors
    /// When the handshake fails, or the certificate is not this authority's for `name`.
    pub async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        self.connect_as(address, name, None, &[]).await
    }

    /// As [`Authority::connect`], showing a certificate, and naming protocols (ALPN).
    ///
    /// # Errors
    /// As there.
    pub async fn connect_as(
        &self,
        address: SocketAddr,
        name: &str,
        client: Option<&Issued>,
        protocols: &[&[u8]],
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes())?;
                builder.with_client_auth_cert(vec![client.der.clone()], key)?
            }
        };
        config.enable_sni = false;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned())?;
        let shaken = async {
            let stream = TcpStream::connect(address).await?;
            TlsConnector::from(Arc::new(config)).connect(name, stream).await
        };
        let shaken = tokio::time::timeout(HANDSHAKE_BOUND, shaken).await;
        Ok(shaken.context("no handshake in time")??)
    }
}

impl Issued {
    /// Whether it is the certificate that was shown.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        *self.der == *shown
    }

    /// Writes both files as Kubernetes does: into a folder of their own, to which the link `..data`
    /// is swapped. `folder/NAME.crt` and `folder/NAME.key` lead there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn mount(&self, folder: &Path, name: &str, version: &str) -> anyhow::Result<()> {
        use std::os::unix::fs::symlink;

        let target = format!("..{version}");
        fs::create_dir(folder.join(&target))?;
        for (kind, text) in [("crt", &self.cert), ("key", &self.key)] {
            let file = format!("{name}.{kind}");
            fs::write(folder.join(&target).join(&file), text)?;
            if !folder.join(&file).is_symlink() {
                symlink(format!("..data/{file}"), folder.join(&file))?;
            }
        }
        let next = folder.join("..data_tmp");
        symlink(&target, &next)?;
        fs::rename(&next, folder.join("..data"))?;
        ensure!(folder.join(format!("{name}.crt")).is_file(), "the mount leads nowhere");
        Ok(())
    }
}
