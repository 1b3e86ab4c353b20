//! What a listener needs to speak TLS, as configured, and the files turned into rustls's own form.

use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use siphasher::sip::SipHasher13;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::material::{self, MaterialError, PairFiles};
use super::san::{self, San};

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// What it shows to clients, whatever name they ask for.
    pub(crate) pair: PairFiles,
    /// Which clients it wants to know; `None` asks for no certificate.
    pub(crate) clients: Option<Clients>,
}

/// Clients that show certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clients {
    /// Who vouches for them.
    pub(crate) ca: PathBuf,
    /// Whether those are let in that show none.
    pub(crate) auth: ClientAuth,
    /// The names that are let in; an empty list lets in every one.
    pub(crate) names: Vec<San>,
}

/// What becomes of clients that show no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAuth {
    /// They are let in and counted.
    Request,
    /// They are refused.
    Require,
}

/// What the files hold, ready to serve.
pub(super) struct Served {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate ends, in seconds since the UNIX epoch.
    pub(super) not_after: i64,
}

impl Tls {
    /// Says what is wrong with the files.
    ///
    /// # Errors
    /// [`MaterialError`], for the file that is wrong.
    pub(crate) fn check(&self) -> Result<(), MaterialError> {
        self.load(&[]).map(drop)
    }

    /// Reads the files and makes of them what serves `protocols`.
    pub(super) fn load(&self, protocols: &[&[u8]]) -> Result<Served, MaterialError> {
        let identity = self.pair.load()?;
        let not_after = not_after(&self.pair.cert, identity.cert.first())?;
        let wrong = |path: &Path, error: &dyn std::fmt::Display| MaterialError {
            path: path.to_owned(),
            what: error.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(material::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&self.pair.cert, &error))?;
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(clients.verifier()?),
        };
        // One certificate for all: clients may ask for any name, or for none.
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        // Every connection shows its certificates anew: connections live long, so that nothing is
        // gained by sessions, and what was let in once would come back after a change.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Served { config: Arc::new(config), not_after })
    }

    /// What stands in the files, in short; a file that cannot be read is unlike every other.
    pub(super) fn fingerprint(&self) -> u64 {
        // Constant keys: the number tells contents apart over time, it guards nothing.
        let mut hasher = SipHasher13::new();
        let ca = self.clients.as_ref().map(|clients| &clients.ca);
        for path in [&self.pair.cert, &self.pair.key].into_iter().chain(ca) {
            match material::read(path) {
                Ok(bytes) => {
                    hasher.write(&bytes.len().to_le_bytes());
                    hasher.write(&bytes);
                }
                Err(error) => hasher.write(error.what.as_bytes()),
            }
        }
        hasher.finish()
    }
}

impl Clients {
    fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, MaterialError> {
        let roots = Arc::new(material::roots(&self.ca)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, material::provider());
        let builder = match self.auth {
            ClientAuth::Request => builder.allow_unauthenticated(),
            ClientAuth::Require => builder,
        };
        let built = builder.build();
        let inner = built
            .map_err(|error| MaterialError { path: self.ca.clone(), what: error.to_string() })?;
        if self.names.is_empty() {
            return Ok(inner);
        }
        Ok(Arc::new(Named { inner, names: self.names.clone() }))
    }
}

fn not_after(path: &Path, cert: Option<&CertificateDer<'_>>) -> Result<i64, MaterialError> {
    let parsed = cert.and_then(|cert| X509Certificate::from_der(cert).ok());
    let wrong = || MaterialError {
        path: path.to_owned(),
        what: "holds a certificate that cannot be read".to_owned(),
    };
    parsed.map(|(_, cert)| cert.validity().not_after.timestamp()).ok_or_else(wrong)
}

/// Lets in only certificates that have one of the names.
#[derive(Debug)]
struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: Vec<San>,
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        if san::admits(&self.names, end_entity) {
            return Ok(verified);
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
