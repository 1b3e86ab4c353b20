//! Calls that are never finished, over many connections: what they hold is bounded over the whole
//! node, calls beyond that are refused with a reason, and whoever asks in one piece is served.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tollgate_tests::http;
use tollgate_tests::raw_grpc::{CALL_BOUND, RawGrpc, framed};
use tollgate_tests::raw_h2::{
    END_HEADERS, END_STREAM, Kind, RawH2, call_head, frame, frames, setting,
};
use tollgate_tests::rls::{SHOULD_RATE_LIMIT, request};
use tollgate_tests::tollgate::{Builder, Tollgate};
use tollgate_tests::wait::{self, Probe};
use tonic::Code;

use crate::siege::Siege;

/// What the node may hold for calls in flight: 256 that wait.
const SMALL: &str = "bounds: {in_flight_bytes_max: 4MiB}";
/// That, and what a debug build needs for a thousand calls at work.
const GROWTH_MAX: u64 = 48 << 20;

/// Connections and calls of an attack: ten times what may wait.
const CONNECTIONS: u32 = 20;
const CALLS: u32 = 128;

const INITIAL_WINDOW: u16 = 4;

fn small() -> Builder {
    Tollgate::builder().sections(SMALL)
}

/// Calls 1, 3, 5, … of one connection: their heads, and `body` with `flags` as their first bytes.
fn calls(count: u32, flags: u8, body: &[u8]) -> Vec<u8> {
    let head = call_head(SHOULD_RATE_LIMIT);
    let call = |index: u32| {
        let stream = 2 * index + 1;
        let head = frame(Kind::Headers, END_HEADERS, stream, &head);
        [head, frame(Kind::Data, flags, stream, body)].concat()
    };
    (0..count).flat_map(call).collect()
}

/// Opens the connections, each with the same bytes.
async fn attack(
    siege: &mut Siege,
    connections: u32,
    settings: &[u8],
    bytes: &[u8],
) -> anyhow::Result<Vec<RawH2>> {
    let address = siege.decide();
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..connections {
            let mut connection = RawH2::connect(address, settings).await?;
            ensure!(connection.send(bytes).await, "the node takes no more");
            held.push(connection);
        }
        Ok(held)
    };
    siege.under(GROWTH_MAX, attack).await
}

/// Waits until the node has refused some calls for want of room.
async fn refused(siege: &Siege) -> anyhow::Result<()> {
    let refused = wait::until("refused calls", CALL_BOUND, async || {
        let metrics = siege.honest.tollgate.admin_get("/metrics").await;
        let name = "tollgate_calls_refused_total{reason=\"no_room\"} ";
        let count = metrics.map(|answer| {
            let text = answer.text();
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.parse::<u64>().ok())
        });
        match count {
            Ok(Some(1..)) => Probe::Holds(()),
            other => Probe::NotYet(format!("{other:?}")),
        }
    });
    refused.await
}

/// Whether a call is told that there is no room for it: of four on one connection whose messages come
/// in two pieces, the last.
async fn finds_no_room(siege: &Siege) -> anyhow::Result<bool> {
    let message = framed(&request("honest", &[("client", "other")]).encode_to_vec());
    let mut raw = RawGrpc::connect(siege.decide()).await?;
    let mut calls = Vec::new();
    for _ in 0..4 {
        let mut call = raw.open(SHOULD_RATE_LIMIT)?;
        call.send(message.slice(..7)).await?;
        calls.push(call);
    }
    // An answer to a later call: the first pieces have arrived.
    raw.call_unframed(SHOULD_RATE_LIMIT, message.clone()).await?;
    let mut last = None;
    for mut call in calls {
        call.send(message.slice(7..)).await?;
        let code = call.finish().await?.code;
        ensure!(matches!(code, Code::Ok | Code::ResourceExhausted), "{code:?}");
        last = Some(code);
    }
    Ok(last == Some(Code::ResourceExhausted))
}

#[tokio::test]
async fn messages_half_sent_over_many_connections() -> anyhow::Result<()> {
    let mut siege = Siege::start(small()).await?;
    ensure!(!finds_no_room(&siege).await?);
    // Half-sent messages end after ten seconds: on a slow machine before anybody has looked.
    let mut found = false;
    for _attempt in 0..3 {
        let half_sent = calls(CALLS, 0, &[0, 0, 0, 0xFF, 0xFF]);
        let held = attack(&mut siege, CONNECTIONS, &[], &half_sent).await?;
        refused(&siege).await?;
        found = finds_no_room(&siege).await?;
        drop(held);
        if found {
            break;
        }
    }
    ensure!(found, "whoever comes while the node is full finds room");
    // What they held is free again.
    let free = wait::until("room", CALL_BOUND, async || match finds_no_room(&siege).await {
        Ok(false) => Probe::Holds(()),
        other => Probe::NotYet(format!("{other:?}")),
    });
    free.await
}

#[tokio::test]
async fn long_messages_half_sent_over_many_connections() -> anyhow::Result<()> {
    let mut siege = Siege::start(small()).await?;
    // 16 KB of a message of 64 KiB, as often as a new connection may send them.
    let part = [vec![0, 0, 1, 0, 0], vec![b'x'; 16_000]].concat();
    let _held = attack(&mut siege, 10 * CONNECTIONS, &[], &calls(4, 0, &part)).await?;
    refused(&siege).await
}

#[tokio::test]
async fn answers_without_leave_to_send_them() -> anyhow::Result<()> {
    let mut siege = Siege::start(small()).await?;
    let message = framed(&request("honest", &[("client", "hostile")]).encode_to_vec());
    let no_window = setting(INITIAL_WINDOW, 0);
    let held =
        attack(&mut siege, CONNECTIONS, &no_window, &calls(CALLS, END_STREAM, &message)).await?;
    refused(&siege).await?;
    // Those that found no room were reset, so their connections could ask again.
    let mut resets = 0;
    for connection in held {
        let read = connection.finish().await?;
        resets += frames(&read).iter().filter(|(kind, ..)| *kind == 3).count();
    }
    ensure!(resets > 1_000, "{resets} resets");
    Ok(())
}

#[tokio::test]
async fn bodies_half_sent_over_http1() -> anyhow::Result<()> {
    let sections = "bounds: {in_flight_bytes_max: 1MiB}";
    let mut siege = Siege::start(Tollgate::builder().sections(sections)).await?;
    let address = siege.honest.tollgate.http_addr();
    let head = "POST /json HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n";
    let half = [head.as_bytes(), &vec![b' '; 100_000]].concat();
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(address).await?;
            // The node may refuse before it has read all.
            let _ = stream.write_all(&half).await;
            held.push(stream);
        }
        Ok(held)
    };
    let held = siege.under(GROWTH_MAX, attack).await?;
    refused(&siege).await?;
    let mut reading = JoinSet::new();
    for mut stream in held {
        reading.spawn(async move {
            let mut answer = vec![0; 4_096];
            let count = stream.read(&mut answer).await.unwrap_or(0);
            String::from_utf8_lossy(&answer[..count]).into_owned()
        });
    }
    // Ten of them fit; the others are refused at once, long before the ten are given up.
    for _ in 0..10 {
        let answer = tokio::time::timeout(CALL_BOUND, reading.join_next()).await;
        let answer = answer.context("no answer")?.context("no connection")??;
        ensure!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("no_room"), "{answer}");
    }
    let whole = r#"{"domain":"honest","descriptors":[{"entries":[{"key":"client","value":"x"}]}]}"#;
    let answer = http::post(address, "/json", &[], whole).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn heads_without_end_over_http1() -> anyhow::Result<()> {
    let mut siege = Siege::start(small()).await?;
    let address = siege.honest.tollgate.http_addr();
    let attack = async {
        for line in ["x: y\r\n".to_owned(), format!("x: {}", "y".repeat(1_000))] {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(b"POST /json HTTP/1.1\r\nhost: x\r\n").await?;
            let endless = async { while stream.write_all(line.as_bytes()).await.is_ok() {} };
            let refused = tokio::time::timeout(CALL_BOUND, endless).await;
            ensure!(refused.is_ok(), "the node reads a head of {line:?} without end");
        }
        Ok(())
    };
    siege.under(GROWTH_MAX, attack).await
}

#[tokio::test]
async fn a_message_that_drips_is_given_up() -> anyhow::Result<()> {
    let mut siege = Siege::start(small()).await?;
    let mut raw = RawGrpc::connect(siege.decide()).await?;
    let drips = async {
        let mut call = raw.open(SHOULD_RATE_LIMIT)?;
        call.send(framed(&[0; 10_000]).slice(..5)).await?;
        let mut pace = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..60 {
            pace.tick().await;
            call.send(bytes::Bytes::from_static(&[0])).await?;
        }
        call.finish().await
    };
    let answer = siege.under(GROWTH_MAX, drips).await?;
    ensure!(answer.code == Code::DeadlineExceeded, "{answer:?}");
    Ok(())
}
