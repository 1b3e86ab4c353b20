//! What a caller is told, by the answer or by why there is none: over real connections.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use super::*;
use crate::cli::exit::Exit;

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
