//! The xDS server in TLS 1.3 with client certificates, as Envoy Gateway has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;
use tollgate_tests::ads::Ads;
use tollgate_tests::launched::events;
use tollgate_tests::wait::{self, Probe};

use crate::xds_node::{BOUND, XdsNode, domain, text};

/// An authority with one certificate for the server and one for the client, in files.
pub(crate) struct Certificates {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // With the same name as what it issues, that would look as if it had issued itself.
        params.distinguished_name.push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        let made = Self { folder, issuer };
        fs::write(made.path("ca.crt"), made.issuer.pem())?;
        let key = KeyPair::generate()?;
        let client = CertificateParams::new(vec!["*.envoy-gateway-system".to_owned()])?;
        fs::write(made.path("tls.crt"), client.signed_by(&key, &made.issuer)?.pem())?;
        fs::write(made.path("tls.key"), key.serialize_pem())?;
        Ok(made)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a server of these names serves with: TLS 1.3 and nothing else, HTTP/2, and only for
    /// clients of this authority.
    pub(crate) fn server(&self, names: &[&str]) -> anyhow::Result<ServerConfig> {
        let key = KeyPair::generate()?;
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone())?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

/// Starts a node that speaks TLS with the files of `certificates`.
async fn start(
    ads: &Ads,
    certificates: &Certificates,
    more: &[(&str, &str)],
) -> anyhow::Result<XdsNode> {
    let [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map(|name| certificates.path(name));
    let url = format!("localhost:{}", ads.address().port());
    let mut variables = vec![
        ("CONFIG_GRPC_XDS_SERVER_URL", &*url),
        ("CONFIG_GRPC_XDS_SERVER_USE_TLS", "true"),
        ("CONFIG_GRPC_XDS_SERVER_TLS_CACERT", text(&ca)),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_CERT", text(&cert)),
        ("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", text(&key)),
        ("FORCE_START_WITHOUT_INITIAL_CONFIG", "true"),
    ];
    variables.extend(more);
    XdsNode::start_anywhere(&variables).await
}

/// Waits until a connection failed, and gives why.
async fn failure(node: &XdsNode) -> anyhow::Result<String> {
    wait::until("a failed connection", BOUND, async || {
        match events(&node.process, "xds_disconnected").first() {
            Some(event) => Probe::Holds(event["error"].as_str().unwrap_or_default().to_owned()),
            None => Probe::NotYet("none".into()),
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_wants_tls_1_3_and_a_certificate_is_followed() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let tls = certificates.server(&["localhost"])?;
    let ads = Ads::start("1", vec![domain("d", 5, true)], Some(tls))?;
    let node = start(&ads, &certificates, &[]).await?;
    node.expect("d", 5).await?;
    node.stop().await
}

#[tokio::test]
async fn the_name_of_the_server_is_that_of_the_url_or_the_one_that_is_set() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let tls = || certificates.server(&["envoy-gateway"]);
    let ads = Ads::start("1", vec![domain("d", 5, true)], Some(tls()?))?;
    let node = start(&ads, &certificates, &[]).await?;
    let why = failure(&node).await?;
    ensure!(why.contains("certificate not valid for name"), "{why}");
    node.stop().await?;
    let san = ("CONFIG_GRPC_XDS_SERVER_TLS_SAN", "envoy-gateway");
    let node = start(&ads, &certificates, &[san]).await?;
    node.expect("d", 5).await?;
    node.stop().await
}

#[tokio::test]
async fn a_strangers_server_is_not_believed_and_new_files_are_used_without_a_restart()
-> anyhow::Result<()> {
    let (ours, theirs) = (Certificates::new()?, Certificates::new()?);
    let tls = theirs.server(&["localhost"])?;
    let ads = Ads::start("1", vec![domain("d", 5, true)], Some(tls))?;
    let node = start(&ads, &ours, &[]).await?;
    let why = failure(&node).await?;
    ensure!(why.contains("invalid peer certificate"), "{why}");
    ensure!(ads.seen().is_empty());
    let refused = node.ask("d", &[("k", "v")]).await?.err().context("an answer")?;
    ensure!(refused.message() == "no rate limit configuration loaded", "{refused:?}");
    for name in ["tls.key", "tls.crt", "ca.crt"] {
        fs::copy(theirs.path(name), ours.path(name))?;
    }
    node.expect("d", 5).await?;
    node.stop().await
}
