//! Handshakes over memory, and files that change under a listener.

use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};
use tollgate_core::time::ManualClock;

use super::*;
use crate::budget::Budget;
use crate::tls::material::provider;
use crate::tls::{ClientAuth, Clients, Door, PairFiles, San};

fn budget() -> Budget {
    Budget::new(1 << 20)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::default())
}

type Authority = CertifiedIssuer<'static, KeyPair>;

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let files = Self { folder: tempfile::tempdir().unwrap(), authority };
        fs::write(files.path("ca.pem"), files.authority.pem()).unwrap();
        files.issue("node", "node.test");
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a certificate with a name, and its key.
    fn issue(&self, file: &str, name: &str) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.path(&format!("{file}.crt")), cert.pem()).unwrap();
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }

    fn pair(&self, file: &str) -> PairFiles {
        let path = |kind: &str| self.path(&format!("{file}.{kind}"));
        PairFiles { cert: path("crt"), key: path("key") }
    }

    fn tls(&self, auth: Option<ClientAuth>, names: &[&str]) -> Tls {
        let names = names.iter().map(|name| San::parse(name).unwrap()).collect();
        let clients = auth.map(|auth| Clients { ca: self.path("ca.pem"), auth, names });
        Tls { pair: self.pair("node"), clients }
    }

    fn renewal(&self) -> Renewal {
        Door::tls("decide", &self.tls(None, &[]), Protocol::H2, budget(), clock()).unwrap().1
    }

    /// A client that trusts the authority and, if it has a file, shows a certificate.
    fn client(&self, file: Option<&str>, alpn: &[&[u8]]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let PairFiles { cert, key } = self.pair(file);
                let cert = CertificateDer::from_pem_file(cert).unwrap();
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
        config
    }
}

/// Shakes hands in memory: the server's side afterwards, and the certificate that it showed.
fn shake(
    server: Arc<rustls::ServerConfig>,
    client: ClientConfig,
    asked: &str,
) -> Result<(ServerConnection, Vec<u8>), rustls::Error> {
    let mut server = ServerConnection::new(server)?;
    let name = ServerName::try_from(asked.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut sent = &bytes[..];
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut sent = &bytes[..];
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    let shown = client.peer_certificates().unwrap()[0].to_vec();
    Ok((server, shown))
}

fn shown(renewal: &Renewal, files: &Files, asked: &str) -> Vec<u8> {
    shake(renewal.guard.current.load_full(), files.client(None, &[]), asked).unwrap().1
}

fn der(path: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(path).unwrap().to_vec()
}

#[test]
fn every_client_is_shown_the_one_certificate_with_and_without_a_name_and_alpn() {
    let files = Files::new();
    let served = files.tls(None, &[]).load(&[b"h2"]).unwrap();
    for (sni, alpn, agreed) in [
        (true, &[][..], None),
        (false, &[][..], None),
        (false, &[&b"h2"[..]][..], Some(&b"h2"[..])),
        (true, &[&b"http/1.1"[..], b"h2"], Some(b"h2")),
    ] {
        let mut client = files.client(None, alpn);
        client.enable_sni = sni;
        let (server, shown) = shake(Arc::clone(&served.config), client, "node.test").unwrap();
        assert_eq!(server.alpn_protocol(), agreed);
        assert_eq!(shown, der(&files.path("node.crt")));
    }
    // Only the client minds that the name is not the certificate's.
    let other = shake(served.config, files.client(None, &[]), "other.test").unwrap_err();
    assert!(matches!(other, rustls::Error::InvalidCertificate(_)), "{other:?}");
}

#[test]
fn clients_are_let_in_by_their_certificates() {
    let files = Files::new();
    files.issue("envoy", "envoy.infra");
    files.issue("other", "other.infra");
    // Of an authority that nobody asked.
    let strangers = Files::new();
    strangers.issue("envoy", "envoy.infra");
    for kind in ["crt", "key"] {
        let name = |file: &str| format!("{file}.{kind}");
        fs::copy(strangers.path(&name("envoy")), files.path(&name("stranger"))).unwrap();
    }
    let named = &["envoy.infra"][..];
    for (auth, names, client, expected) in [
        (ClientAuth::Request, &[][..], None, true),
        (ClientAuth::Request, &[], Some("other"), true),
        (ClientAuth::Request, &[], Some("stranger"), false),
        (ClientAuth::Request, named, None, true),
        (ClientAuth::Request, named, Some("other"), false),
        (ClientAuth::Require, &[], None, false),
        (ClientAuth::Require, &[], Some("other"), true),
        (ClientAuth::Require, named, Some("envoy"), true),
        (ClientAuth::Require, named, Some("other"), false),
        (ClientAuth::Require, named, Some("stranger"), false),
    ] {
        let served = files.tls(Some(auth), names).load(&[b"h2"]).unwrap();
        let shaken = shake(served.config, files.client(client, &[]), "node.test");
        assert_eq!(shaken.is_ok(), expected, "{auth:?} {names:?} {client:?}: {shaken:?}");
        if let Ok((server, _)) = shaken {
            assert_eq!(server.peer_certificates().is_some(), client.is_some());
        }
    }
}

#[test]
fn a_renewed_certificate_is_shown_to_whoever_comes_next() {
    let files = Files::new();
    let mut renewal = files.renewal();
    let first = shown(&renewal, &files, "node.test");
    renewal.look();
    assert_eq!(shown(&renewal, &files, "node.test"), first);
    files.issue("node", "node.test");
    renewal.look();
    let second = shown(&renewal, &files, "node.test");
    assert_eq!(second, der(&files.path("node.crt")));
    assert_ne!(second, first);
}

#[test]
fn a_broken_pair_keeps_the_old_one_and_is_refused_once_it_stays() {
    let files = Files::new();
    let mut renewal = files.renewal();
    let first = shown(&renewal, &files, "node.test");
    let [cert, key] = ["node.crt", "node.key"].map(|name| fs::read(files.path(name)).unwrap());
    // The certificate without its key, half a file, no file.
    files.issue("next", "node.test");
    fs::copy(files.path("next.crt"), files.path("node.crt")).unwrap();
    renewal.look();
    assert_eq!((renewal.doubtful.is_some(), renewal.refused), (true, None));
    renewal.look();
    assert_eq!(renewal.refused, renewal.doubtful);
    let why = renewal.shown().now().refused.unwrap();
    assert!(why.contains("is not the key of"), "{why}");
    fs::write(files.path("node.crt"), &cert[..cert.len() / 2]).unwrap();
    renewal.look();
    fs::remove_file(files.path("node.crt")).unwrap();
    renewal.look();
    assert_eq!(shown(&renewal, &files, "node.test"), first);
    // What is served already is no news, and clears what was wrong.
    fs::write(files.path("node.crt"), cert).unwrap();
    fs::write(files.path("node.key"), key).unwrap();
    renewal.look();
    assert_eq!((renewal.doubtful, renewal.refused), (None, None));
    assert_eq!(renewal.shown().now().refused, None);
    // A pair that is written one file after the other is taken over when it is whole.
    fs::copy(files.path("next.key"), files.path("node.key")).unwrap();
    renewal.look();
    fs::copy(files.path("next.crt"), files.path("node.crt")).unwrap();
    renewal.look();
    assert_eq!(renewal.refused, None);
    assert_eq!(shown(&renewal, &files, "node.test"), der(&files.path("next.crt")));
}

#[test]
fn a_swapped_link_is_seen() {
    let files = Files::new();
    for (folder, name) in [("1", "a"), ("2", "b")] {
        fs::create_dir(files.path(folder)).unwrap();
        files.issue(name, "node.test");
        for kind in ["crt", "key"] {
            let from = files.path(&format!("{name}.{kind}"));
            fs::rename(from, files.path(&format!("{folder}/tls.{kind}"))).unwrap();
        }
    }
    std::os::unix::fs::symlink("1", files.path("..data")).unwrap();
    let pair = PairFiles { cert: files.path("..data/tls.crt"), key: files.path("..data/tls.key") };
    let tls = Tls { pair, clients: None };
    let mut renewal = Door::tls("decide", &tls, Protocol::H2, budget(), clock()).unwrap().1;
    assert_eq!(shown(&renewal, &files, "node.test"), der(&files.path("1/tls.crt")));
    std::os::unix::fs::symlink("2", files.path("next")).unwrap();
    fs::rename(files.path("next"), files.path("..data")).unwrap();
    renewal.look();
    assert_eq!(shown(&renewal, &files, "node.test"), der(&files.path("2/tls.crt")));
}
