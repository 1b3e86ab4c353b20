//! Hostile input on the decide listener: each gets a prompt and well-formed refusal, the next
//! honest call is answered, nobody else's counts move, and the process lives on.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_tests::http;
use tollgate_tests::raw_grpc::{CALL_BOUND, RawAnswer, RawGrpc, framed};
use tollgate_tests::rls::{
    self, RateLimitRequest, SHOULD_RATE_LIMIT, descriptor, request, requests,
};
use tollgate_tests::seed::Seed;
use tollgate_tests::tollgate::Tollgate;
use tonic::Code;

use crate::honest::Honest;

const MEGABYTE: usize = 1024 * 1024;

/// The start of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a refusal of bytes that are no sensible request may be called.
const REFUSALS: [Code; 6] = [
    Code::InvalidArgument,
    Code::ResourceExhausted,
    Code::OutOfRange,
    Code::Unknown,
    Code::Internal,
    Code::Unimplemented, // of a compression
];

/// A node, and what is thrown at it.
struct Target {
    honest: Honest,
}

impl Target {
    async fn start() -> anyhow::Result<Self> {
        Ok(Self { honest: Honest::start(Tollgate::builder()).await? })
    }

    fn address(&self) -> SocketAddr {
        self.honest.tollgate.decide_addr()
    }

    async fn raw(&self) -> anyhow::Result<RawGrpc> {
        RawGrpc::connect(self.address()).await
    }

    /// Sends one message on a connection of its own and expects a refusal.
    async fn expect_refused(&mut self, what: &str, message: &[u8]) -> anyhow::Result<RawAnswer> {
        let answer = self.raw().await?.call(SHOULD_RATE_LIMIT, message).await;
        let answer = answer.with_context(|| what.to_owned())?;
        ensure!(REFUSALS.contains(&answer.code), "{what}: {answer:?}");
        self.honest.ask().await.with_context(|| format!("after {what}"))?;
        Ok(answer)
    }
}

#[tokio::test]
async fn random_bytes_are_refused() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let mut seed = Seed::printed()?;
    let mut raw = target.raw().await?;
    for round in 0..500 {
        let bytes = seed.bytes(300);
        let answer = raw.call(SHOULD_RATE_LIMIT, &bytes).await;
        let answer = answer.with_context(|| format!("round {round}: {bytes:?}"))?;
        // By chance the bytes may be a request; then any answer will do.
        let sensible = RateLimitRequest::decode(&*bytes)
            .is_ok_and(|request| !request.domain.is_empty() && !request.descriptors.is_empty());
        let refused = REFUSALS.contains(&answer.code);
        ensure!(refused || sensible, "round {round}: {bytes:?}: {answer:?}");
    }
    target.honest.ask().await
}

#[tokio::test]
async fn honest_requests_with_flipped_bytes_are_answered() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let mut seed = Seed::printed()?;
    let mut raw = target.raw().await?;
    // Another client than the honest one: a flipped byte may well leave a request that counts.
    let model = request("honest", &[("client", "a-hostile-one"), ("path", "/some/where")]);
    let model = rls::overridden(model, 10, 2).encode_to_vec();
    for round in 0..500 {
        let mut bytes = model.clone();
        for _ in 0..=seed.below(3) {
            let place = seed.below(bytes.len());
            bytes[place] = seed.number().to_le_bytes()[0];
        }
        bytes.truncate(bytes.len() - seed.below(4));
        let answer = raw.call(SHOULD_RATE_LIMIT, &bytes).await;
        let answer = answer.with_context(|| format!("round {round}: {bytes:?}"))?;
        let malformed = RateLimitRequest::decode(&*bytes).is_err();
        ensure!(
            !malformed || REFUSALS.contains(&answer.code),
            "round {round}: {bytes:?}: {answer:?}"
        );
    }
    target.honest.ask().await
}

#[tokio::test]
async fn an_undefined_unit_is_an_invalid_argument() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    for unit in [99, 0, -1, i32::MAX] {
        let asked = rls::overridden(request("honest", &[("client", "hostile")]), 10, unit);
        let answer = target.expect_refused(&format!("unit {unit}"), &asked.encode_to_vec()).await?;
        ensure!(answer.code == Code::InvalidArgument, "unit {unit}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn requests_without_domain_or_descriptors_are_refused() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    target.expect_refused("no domain", &request("", &[("client", "x")]).encode_to_vec()).await?;
    target.expect_refused("no descriptors", &requests("honest", vec![]).encode_to_vec()).await?;
    target.expect_refused("no bytes", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn oversized_requests_are_refused() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let many = vec![descriptor(&[("client", "hostile")]); 10_000];
    target.expect_refused("10 000 descriptors", &requests("honest", many).encode_to_vec()).await?;
    let long = "x".repeat(MEGABYTE);
    for (what, asked) in [
        ("a domain of 1 MB", request(&long, &[("client", "hostile")])),
        ("a key of 1 MB", request("honest", &[(&long, "hostile")])),
        ("a value of 1 MB", request("honest", &[("client", &long)])),
        ("1 MB of empty entries", request("honest", &vec![("", ""); MEGABYTE / 2])),
        ("1 MB of empty descriptors", requests("honest", vec![descriptor(&[]); MEGABYTE / 2])),
    ] {
        target.expect_refused(what, &asked.encode_to_vec()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn frames_that_lie_are_refused() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let honest = request("honest", &[("client", "hostile")]).encode_to_vec();
    let with = |flag: u8, length: u32| {
        let mut frame = vec![flag];
        frame.extend(length.to_be_bytes());
        frame.extend(&honest);
        Bytes::from(frame)
    };
    let length = u32::try_from(honest.len())?;
    for (what, frame) in [
        ("an empty body", Bytes::new()),
        ("half a prefix", Bytes::from_static(&[0, 0])),
        ("a message of 4 GB", with(0, u32::MAX)),
        ("a message cut short", with(0, length + 1)),
        ("a compressed message without a compression", with(1, length)),
        ("a flag that does not exist", with(0xEE, length)),
    ] {
        let answer = target.raw().await?.call_unframed(SHOULD_RATE_LIMIT, frame).await;
        let answer = answer.with_context(|| what.to_owned())?;
        ensure!(REFUSALS.contains(&answer.code), "{what}: {answer:?}");
        target.honest.ask().await.with_context(|| format!("after {what}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn json_that_cannot_be_read_is_refused_and_counted() -> anyhow::Result<()> {
    let tollgate = Tollgate::builder().start().await?;
    for body in ["", "{", "[]", "{\"domain\": 1}", "{\"dominion\": \"x\"}"] {
        let answer = http::post(tollgate.http_addr(), "/json", &[], body.to_owned()).await?;
        ensure!(answer.status == 400, "{body}: {answer:?}");
    }
    let metrics = tollgate.admin_get("/metrics").await?;
    let line = "tollgate_decision_errors_total{api=\"json\",reason=\"bad_request\"} 5";
    ensure!(metrics.text().contains(line), "{}", metrics.text());
    Ok(())
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    for method in ["/", "/x", "/envoy.service.ratelimit.v3.RateLimitService/Nothing"] {
        let answer = target.raw().await?.call(method, &[]).await.with_context(|| method)?;
        ensure!(answer.code == Code::Unimplemented, "{method}: {answer:?}");
    }
    target.honest.ask().await
}

#[tokio::test]
async fn bytes_that_are_not_http2_end_the_connection() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let mut seed = Seed::printed()?;
    // Longer than the preface: a shorter beginning may still become one.
    let mut all: Vec<Vec<u8>> =
        (0..20).map(|_| [vec![0xFF; 32], seed.bytes(900)].concat()).collect();
    all.push(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_vec());
    all.push([b"\x16\x03\x01\x02\x00\x01".as_slice(), &[0; 64]].concat());
    // A frame of 16 MB right after the preface.
    all.push([PREFACE, &[0xFF; 64]].concat());
    for bytes in all {
        let mut stream = TcpStream::connect(target.address()).await?;
        // The node may refuse before it has read all.
        let _ = stream.write_all(&bytes).await;
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(CALL_BOUND, stream.read_to_end(&mut rest)).await;
        ensure!(ended.is_ok(), "the connection stays open after {bytes:?}");
    }
    target.honest.ask().await
}

#[tokio::test]
async fn half_open_connections_hold_up_nobody() -> anyhow::Result<()> {
    let mut target = Target::start().await?;
    let mut held = Vec::new();
    for bytes in [&PREFACE[..0], &PREFACE[..10], PREFACE] {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(target.address()).await?;
            stream.write_all(bytes).await?;
            held.push(stream);
        }
    }
    target.honest.ask().await?;

    let message = framed(&request("honest", &[("client", "hostile")]).encode_to_vec());
    let mut raw = target.raw().await?;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut call = raw.open(SHOULD_RATE_LIMIT)?;
        call.send(message.slice(..message.len() / 2)).await?;
        stalled.push(call);
    }
    target.honest.ask().await?;
    // The same connection still serves others, and each stalled call can still end well.
    ensure!(raw.call(SHOULD_RATE_LIMIT, &message[5..]).await?.code == Code::Ok);
    for mut call in stalled {
        call.send(message.slice(message.len() / 2..)).await?;
        let answer = call.finish().await?;
        ensure!(answer.code == Code::Ok, "{answer:?}");
    }
    drop(held);
    target.honest.ask().await
}
