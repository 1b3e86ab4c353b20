//! What a caller is told, by the answer or by why there is none: over real connections.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::cli::exit::Exit;
use crate::tls;

/// A node that knows one answer, for one connection; what it was sent comes back.
fn answering(answer: &'static str) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut part = [0; 4_096];
        while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut part).unwrap();
            seen.extend_from_slice(&part[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(seen).unwrap()
    });
    (url, served)
}

/// An answer over TLS, from a node that wants a certificate or none.
fn answering_over_tls(folder: &Path, wants_certificate: bool) -> (String, thread::JoinHandle<()>) {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("node.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("node.key"), made.signing_key.serialize_pem()).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("node.key")).unwrap();
    let provider = tls::material::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = if wants_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let config = builder.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut part = [0; 4_096];
        // A caller that is not let in sees the alert before the connection ends.
        if stream.read(&mut part).is_ok_and(|read| read > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7").unwrap();
        }
        drop(stream.flush());
    });
    (format!("https://localhost:{port}"), served)
}

fn tls_of(folder: &Path, roots: &str) -> Option<Arc<ClientConfig>> {
    let roots = Some(folder.join(roots));
    Some(tls::ClientTls { identity: None, roots }.load().unwrap())
}

#[test]
fn https_is_spoken_with_the_named_authorities_only() {
    let folder = tempfile::tempdir().unwrap();
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.path().join("other.crt"), other.cert.pem()).unwrap();
    for (wants_certificate, roots, expected) in [
        (false, "node.crt", None),
        (false, "other.crt", Some(Exit::Unreachable)),
        (true, "node.crt", Some(Exit::Credentials)),
    ] {
        let (url, served) = answering_over_tls(folder.path(), wants_certificate);
        let (endpoint, tls) = (Endpoint::parse(&url).unwrap(), tls_of(folder.path(), roots));
        let mut node = Node::new(Way { endpoint, token: None, tls }).unwrap();
        let answered = node.ask(Method::GET, "/v1/x", "");
        served.join().unwrap();
        let exit = answered.as_ref().err().map(Failure::exit);
        assert_eq!(exit, expected, "{wants_certificate} {roots}: {answered:?}");
    }
}

fn asked(url: &str, target: &str) -> Result<Answered, Failure> {
    Node::new(Way { endpoint: Endpoint::parse(url).unwrap(), token: None, tls: None })?.ask(
        Method::GET,
        target,
        "",
    )
}

#[test]
fn an_answer_comes_over_tcp_and_the_token_goes_with_the_question() {
    let (url, served) = answering("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret").unwrap();
    let token = Some(token::read(&file).unwrap());
    let way = Way { endpoint: Endpoint::parse(&url).unwrap(), token, tls: None };
    let answered = Node::new(way).unwrap().ask(Method::GET, "/v1/x", "").unwrap();
    assert_eq!(answered.read::<u8>().unwrap(), 7);
    let seen = served.join().unwrap().to_lowercase();
    assert!(seen.starts_with("get /v1/x http/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nauthorization: bearer secret\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("\r\nhost: {}\r\n", url.trim_start_matches("http://"))),
        "{seen}"
    );
}

#[test]
fn what_the_node_refuses_ends_with_what_to_try() {
    let body = Bytes::from_static(br#"{"error":"word","message":"no \u001bsuch"}"#);
    for (status, target, exit, next) in [
        (401, "/v1/status", Exit::Credentials, next::TOKEN),
        (403, "/v1/counters/1", Exit::Credentials, next::TOKEN),
        (404, "/v1/counters/1", Exit::Failed, next::COUNTERS),
        (404, "/v1/limits?path=a", Exit::Failed, next::LIMITS),
        (404, "/v1/tokens/1", Exit::Failed, next::TOKENS),
        (404, "/v1/other", Exit::Failed, next::STATUS),
        (400, "/v1/explain", Exit::Failed, next::STATUS),
        (503, "/v1/explain", Exit::Failed, next::STATUS),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let failure = judged(status, body.clone(), target).unwrap_err();
        assert_eq!(failure.exit(), exit, "{status}");
        let expected = format!("error: no \u{fffd}such\nnext: {next}");
        assert_eq!(failure.to_string(), expected, "{status} {target}");
        let bare = judged(status, Bytes::new(), target).unwrap_err();
        assert!(bare.what().starts_with(&format!("the node answered {}", status.as_u16())));
    }
}

#[test]
fn a_node_that_is_not_there_is_told_with_how_to_start_one() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", held.local_addr().unwrap());
    drop(held);
    let folder = tempfile::tempdir().unwrap();
    let none = format!("unix:{}", folder.path().join("none").display());
    let dead = folder.path().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    for url in [url, none, format!("unix:{}", dead.display())] {
        let failure = asked(&url, "/v1/status").unwrap_err();
        assert_eq!(failure.exit(), Exit::Unreachable, "{failure}");
        assert!(failure.to_string().ends_with(&format!("next: {}", next::SERVE)), "{failure}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "SSH-2.0-x\r\n\r\n"] {
        let (url, served) = answering(answer);
        let failure = asked(&url, "/v1/status").unwrap_err();
        served.join().unwrap();
        assert_eq!(failure.exit(), Exit::Unreachable, "{failure}");
        assert!(failure.what().contains("broke off"), "{failure}");
    }
}

#[test]
fn every_broken_exchange_has_its_code() {
    let endpoint = Endpoint::parse("unix:/a").unwrap();
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    for (broken, exit) in [
        (Broken::Connect(denied), Exit::Credentials),
        (Broken::Connect(io::Error::other("x")), Exit::Unreachable),
        (Broken::Handshake("x".to_owned()), Exit::Unreachable),
        (Broken::NotAdmitted("x".to_owned()), Exit::Credentials),
        (Broken::Late(Duration::from_secs(1)), Exit::Unreachable),
        (Broken::Off("x".to_owned()), Exit::Unreachable),
    ] {
        let failure = unanswered(&endpoint, broken);
        assert_eq!(failure.exit(), exit, "{failure}");
    }
}
