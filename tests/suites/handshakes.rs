//! Peers that begin TLS and never get on with it: what they hold is bounded over the whole node, and
//! whoever shakes hands as usual is let in beside them.

use std::fs;

use anyhow::ensure;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_tests::certificates::{Authority, Issued};
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::wait::{self, Probe};

use crate::siege::Siege;
use crate::xds_node::BOUND;

const NODE: &str = "node.test";

/// Below the number that the listener takes.
const CONNECTIONS: usize = 900;
/// What TLS has to keep of each until the rest comes, and what all of them may hold.
const HALF: usize = 60 << 10;
const SMALL: &str = "bounds: {in_flight_bytes_max: 4MiB}";
/// The four megabytes, and what a connection costs in a debug build. All that was sent is 53 MiB.
const GROWTH_MAX: u64 = 30 << 20;

/// The beginning of a greeting of nearly 64 KiB, in records (RFC 8446 §4 and §5.1).
fn half_a_greeting() -> Vec<u8> {
    const RECORD: usize = 16 << 10;
    let mut greeting = vec![1, 0, 0xff, 0xf0, 3, 3];
    greeting.resize(HALF, 0);
    let records = greeting.chunks(RECORD).flat_map(|part| {
        let [.., high, low] = part.len().to_be_bytes();
        [&[22, 3, 1, high, low], part].concat()
    });
    records.collect()
}

/// An authority with a certificate for the node, and the section `tls` that shows it.
struct World {
    authority: Authority,
    issued: Issued,
    tls: String,
    _folder: TempDir,
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
        let issued = authority.issue(NODE)?;
        let [cert, key] = ["node.crt", "node.key"].map(|name| folder.path().join(name));
        fs::write(&cert, &issued.cert)?;
        fs::write(&key, &issued.key)?;
        let tls = format!("tls: {{cert: {}, key: {}}}", cert.display(), key.display());
        Ok(Self { authority, issued, tls, _folder: folder })
    }
}

#[tokio::test]
async fn keys_that_are_renewed_without_end() -> anyhow::Result<()> {
    // Twice what is allowed before the peer says something.
    const RENEWALS: usize = 64;
    let world = World::new()?;
    let mut node = Tollgate::builder().http(&world.tls).start().await?;
    let mut stream = world.authority.connect(node.http_addr(), NODE).await?;
    let mut ended = false;
    for _ in 0..RENEWALS {
        stream.get_mut().1.refresh_traffic_keys()?;
        ended |= stream.flush().await.is_err();
    }
    let said = tokio::time::timeout(BOUND, stream.read(&mut [0; 64])).await?;
    ensure!(ended || !matches!(said, Ok(1..)), "{said:?}");
    // The others are not harmed.
    world.authority.shown(node.http_addr(), NODE).await?;
    node.stop().await
}

#[tokio::test]
async fn greetings_half_sent_over_many_connections() -> anyhow::Result<()> {
    let world = World::new()?;
    let mut siege = Siege::start(Tollgate::builder().sections(SMALL).http(&world.tls)).await?;
    let address = siege.honest.tollgate.http_addr();
    let half = half_a_greeting();
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut stream = TcpStream::connect(address).await?;
            // Whom the node has given up may fail to send the rest.
            let sent = stream.write_all(&half).await;
            held.push((stream, sent));
        }
        ensure!(world.issued.is(&world.authority.shown(address, NODE).await?));
        Ok(held)
    };
    let held = siege.under(GROWTH_MAX, attack).await?;
    wait::until("handshakes that found no room", BOUND, async || {
        let text = siege
            .honest
            .tollgate
            .admin_get("/metrics")
            .await
            .map(|answer| answer.text().into_owned());
        let name = "tollgate_tls_handshake_failures_total{listener=\"http\"} ";
        let count = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.and_then(|count| count.parse::<usize>().ok())
        };
        match text.map(count) {
            Ok(Some(count)) if count > CONNECTIONS / 2 => Probe::Holds(()),
            other => Probe::NotYet(format!("{other:?}")),
        }
    })
    .await?;
    // Those that are left hold up no end.
    siege.honest.tollgate.stop().await?;
    drop(held);
    Ok(())
}
