//! Connections that their peers forget: over a socket, in the clear and through TLS.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;

use http::{Request, Response};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::LocalOptions;
use tokio_rustls::TlsConnector;
use tollgate_core::time::ManualClock;
use tollgate_runtime::drain::Drain;

use super::*;
use crate::tls::material::provider;
use crate::tls::{PairFiles, Protocol, Tls};

/// Far above every bound here: what takes this long has no end.
const FOR_EVER: Duration = Duration::from_secs(20);

const SHORT: Duration = Duration::from_millis(20);

/// The preface of HTTP/2, and settings with nothing in them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The head of a call that never ends: `POST http /`.
const CALL: &[u8] = b"\0\0\x03\x01\x04\0\0\0\x01\x83\x86\x84";

type Never = std::future::Pending<Result<Response<tonic::body::Body>, Infallible>>;

fn never(_: Request<Metered<Incoming>>) -> Never {
    std::future::pending()
}

fn run(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).unwrap().block_on(test);
}

/// Serves one connection, whose peer sends its first bytes and then neither reads nor writes.
async fn ends(bounds: Http2Bounds, age: Age, door: Door, peer: impl AsyncFnOnce(UnixStream)) {
    let drain = Drain::new();
    let service = tower::service_fn(never);
    let serve =
        ServeGrpc { service, bounds, budget: Budget::new(0), door, age, draining: drain.watch() };
    let (ours, theirs) = UnixStream::pair().unwrap();
    let served = serve.connection(Stream::Unix(ours), Peer::Local);
    let forgotten = async {
        peer(theirs).await;
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::select! {
            () = served => {}
            () = forgotten => {}
        }
    };
    tokio::time::timeout(FOR_EVER, ended).await.expect("the connection has no end");
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

/// A door with a certificate of its own, and what connects to it.
fn tls(folder: &std::path::Path, budget: Budget) -> (Door, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
    let pair = PairFiles { cert: folder.join("a.crt"), key: folder.join("a.key") };
    fs::write(&pair.cert, made.cert.pem()).unwrap();
    fs::write(&pair.key, made.signing_key.serialize_pem()).unwrap();
    let tls = Tls { pair, clients: None };
    let clock = Arc::new(ManualClock::default());
    let (door, _) = Door::tls("decide", &tls, Protocol::H2, budget, clock).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (door, TlsConnector::from(Arc::new(config)))
}

fn pinged() -> Http2Bounds {
    Http2Bounds { ping_after: SHORT, ping_timeout: SHORT, ..Http2Bounds::default() }
}

#[test]
fn a_peer_that_answers_no_ping_is_let_go() {
    run(async {
        let mut kept = None;
        ends(pinged(), Age::UNBOUNDED, Door::clear(), async |mut stream| {
            send(&mut stream, PREFACE).await;
            kept = Some(stream);
        })
        .await;
    });
}

#[test]
fn a_peer_that_answers_no_ping_is_let_go_through_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (door, connector) = tls(folder.path(), Budget::new(0));
        let mut kept = None;
        ends(pinged(), Age::UNBOUNDED, door, async |stream| {
            let name = ServerName::try_from("node").unwrap();
            let mut stream = connector.connect(name, stream).await.unwrap();
            send(&mut stream, PREFACE).await;
            kept = Some(stream);
        })
        .await;
        assert!(kept.is_some(), "the handshake failed");
    });
}

#[test]
fn a_connection_that_is_too_old_is_closed_after_the_grace_whatever_is_in_flight() {
    run(async {
        let age = Age { max: Some(SHORT), grace: Some(SHORT) };
        let mut kept = None;
        ends(Http2Bounds::default(), age, Door::clear(), async |mut stream| {
            send(&mut stream, &[PREFACE, CALL].concat()).await;
            kept = Some(stream);
        })
        .await;
    });
}

#[test]
fn whole_records_pass_through_tls_whatever_others_hold() {
    const BYTES: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (door, connector) = tls(folder.path(), Budget::new(0));
        let (ours, theirs) = UnixStream::pair().unwrap();
        let name = ServerName::try_from("node").unwrap();
        let entering = door.enter(Stream::Unix(ours), Peer::Local);
        let (connected, entered) = tokio::join!(connector.connect(name, theirs), entering);
        let (mut stream, mut wire) = (connected.unwrap(), entered.unwrap());
        let sends = async { send(&mut stream, &vec![7; BYTES]).await };
        let takes = async {
            let mut taken = vec![0; BYTES];
            wire.read_exact(&mut taken).await.unwrap();
            taken.iter().all(|byte| *byte == 7)
        };
        let both = async { tokio::join!(sends, takes) };
        let ((), is_whole) = tokio::time::timeout(FOR_EVER, both).await.unwrap();
        assert!(is_whole);
    });
}
