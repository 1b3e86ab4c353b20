//! The native API: each verb over gRPC and JSON, exactness whatever way is taken, resending, and the
//! end of streams.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tollgate_proto::v1::decisions_client::DecisionsClient;
use tollgate_proto::v1::subject::Kind;
use tollgate_proto::v1::{
    CancelRequest, CheckRequest, CheckStreamRequest, CommitRequest, NamedLimit, PeekRequest,
    RefundRequest, ReserveRequest, ResetRequest, Subject, Verdict,
};
use tollgate_tests::curl::Curl;
use tollgate_tests::http;
use tollgate_tests::process::Signal;
use tollgate_tests::raw_grpc::RawGrpc;
use tollgate_tests::rls::{SHOULD_RATE_LIMIT, admitted, request};
use tollgate_tests::tollgate::Tollgate;
use tonic::Code;
use tonic::transport::Channel;

const LIMITS: &str = "limits:\n  hundred: { by: [user], limit: 100, window: 365d }";
const ALL: &str = "permissions: [refund, reset, inline_limits]";
const CHECK: &str = "/tollgate.v1.Decisions/Check";

/// For one answer of a stream.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

type Client = DecisionsClient<Channel>;

async fn start() -> anyhow::Result<(Tollgate, Client)> {
    let tollgate = Tollgate::builder().sections(LIMITS).decide(ALL).http(ALL).start().await?;
    let client = DecisionsClient::new(tollgate.channel().await?);
    Ok((tollgate, client))
}

fn subject(user: &str) -> Option<Subject> {
    let values = [("user".to_owned(), user.to_owned())].into();
    Some(Subject { kind: Some(Kind::Limit(NamedLimit { name: "hundred".into(), values })) })
}

fn check(user: &str, hits: u64) -> CheckRequest {
    CheckRequest { subject: subject(user), hits: Some(hits), ..Default::default() }
}

fn named(user: &str) -> Value {
    json!({ "limit": { "name": "hundred", "values": { "user": user } } })
}

async fn post(tollgate: &Tollgate, path: &str, body: &Value) -> anyhow::Result<(u16, Value)> {
    let answer = http::post(tollgate.http_addr(), path, &[], body.to_string()).await?;
    let body = serde_json::from_slice(&answer.body).with_context(|| answer.text().to_string())?;
    Ok((answer.status.as_u16(), body))
}

async fn remaining(client: &mut Client, user: &str) -> anyhow::Result<u32> {
    let peek = PeekRequest { subject: subject(user), hits: Some(0) };
    Ok(client.peek(peek).await?.into_inner().statuses[0].remaining)
}

#[tokio::test]
async fn every_verb_over_grpc() -> anyhow::Result<()> {
    let (_tollgate, mut client) = start().await?;
    let allowed = client.check(check("u", 20)).await?.into_inner();
    ensure!(allowed.verdict() == Verdict::Allowed, "{allowed:?}");
    let reserve = ReserveRequest { subject: subject("u"), hits: Some(80), ..Default::default() };
    let reserved = client.reserve(reserve.clone()).await?.into_inner();
    ensure!(remaining(&mut client, "u").await? == 0);
    let reservation = reserved.reservation;
    let commit = CommitRequest { reservation: reservation.clone(), hits: 37, ..Default::default() };
    let committed = client.commit(commit).await?.into_inner();
    ensure!(committed.charged == 37 && remaining(&mut client, "u").await? == 43);
    let gone = CancelRequest { reservation, ..Default::default() };
    ensure!(client.cancel(gone).await.unwrap_err().code() == Code::NotFound);
    let small = ReserveRequest { hits: Some(3), ..reserve };
    let reservation = client.reserve(small).await?.into_inner().reservation;
    client.cancel(CancelRequest { reservation, ..Default::default() }).await?;
    let refund = RefundRequest { subject: subject("u"), hits: Some(7), ..Default::default() };
    ensure!(client.refund(refund).await?.into_inner().statuses[0].remaining == 50);
    ensure!(client.reset(ResetRequest { subject: subject("u") }).await?.into_inner().counters == 1);
    ensure!(remaining(&mut client, "u").await? == 100);
    Ok(())
}

#[tokio::test]
async fn every_verb_over_json() -> anyhow::Result<()> {
    let (tollgate, _) = start().await?;
    let body = json!({ "subject": named("u"), "hits": 20 });
    let (status, answer) = post(&tollgate, "/v1/check", &body).await?;
    ensure!(status == 200 && answer["verdict"] == "allowed", "{answer}");
    ensure!(answer["statuses"][0]["limit"]["name"] == "hundred", "{answer}");
    let body = json!({ "subject": named("u"), "hits": 80, "hold_for_seconds": 30.5 });
    let (status, answer) = post(&tollgate, "/v1/reserve", &body).await?;
    ensure!(status == 200 && answer["ends_after_seconds"] == 30.5, "{answer}");
    let id = answer["reservation"].clone();
    let denied = json!({ "subject": named("u") }).to_string();
    let denied = http::post(tollgate.http_addr(), "/v1/check", &[], denied).await?;
    ensure!(denied.status.as_u16() == 429, "{denied:?}");
    ensure!(denied.header("retry-after").is_some(), "{denied:?}");
    let left = denied.header("ratelimit").unwrap_or_default();
    ensure!(left.starts_with("\"hundred\";r=0;t="), "{denied:?}");
    let body = json!({ "reservation": id, "hits": 37 });
    let (_, answer) = post(&tollgate, "/v1/commit", &body).await?;
    ensure!(answer["charged"] == 37, "{answer}");
    let (status, answer) = post(&tollgate, "/v1/cancel", &json!({ "reservation": id })).await?;
    ensure!(status == 404 && answer["error"] == "unknown_reservation", "{answer}");
    let (_, answer) =
        post(&tollgate, "/v1/refund", &json!({ "subject": named("u"), "hits": 7 })).await?;
    ensure!(answer["statuses"][0]["remaining"] == 50, "{answer}");
    let batch = json!({ "checks": [{ "subject": named("u") }, { "subject": {} }] });
    let (status, answer) = post(&tollgate, "/v1/check/batch", &batch).await?;
    ensure!(status == 400 && answer["field"] == "checks[1].subject", "{answer}");
    let missing = json!({ "limit": { "name": "nobody" } });
    let batch = json!({ "checks": [{ "subject": named("u") }, { "subject": missing }] });
    let (status, answer) = post(&tollgate, "/v1/check/batch", &batch).await?;
    ensure!(status == 200, "{answer}");
    ensure!(answer["results"][0]["response"]["verdict"] == "allowed", "{answer}");
    ensure!(answer["results"][1]["error"]["error"] == "unknown_limit", "{answer}");
    let (_, answer) = post(&tollgate, "/v1/reset", &json!({ "subject": named("u") })).await?;
    ensure!(answer["counters"] == 1, "{answer}");
    let (_, answer) = post(&tollgate, "/v1/peek", &json!({ "subject": named("u") })).await?;
    ensure!(answer["verdict"] == "allowed", "{answer}");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_named() -> anyhow::Result<()> {
    let (tollgate, mut client) = start().await?;
    let key = "k".repeat(129);
    for (body, field) in [
        (json!({ "subject": named("u"), "idempotency_key": key }), "idempotency_key"),
        (json!({ "subject": named("u"), "hits": 1_000_000_001 }), "hits"),
        (json!({ "subject": named("u"), "timeout_seconds": -1 }), "timeout_seconds"),
        (json!({ "subject": named("u"), "nobody": 1 }), "nobody"),
        (json!({ "subject": { "limit": { "name": "hundred" } } }), "subject.limit.values"),
        (json!({}), "subject"),
    ] {
        let (status, answer) = post(&tollgate, "/v1/check", &body).await?;
        ensure!(status == 400 && answer["field"] == field, "{body}: {answer}");
        ensure!(answer["error"] == "bad_request", "{answer}");
    }
    for text in ["[]", "{\"subject\":{},\"subject\":{}}", &"[".repeat(10_000), "", "{\"hits\":NaN}"]
    {
        let answer = http::post(tollgate.http_addr(), "/v1/check", &[], text.to_owned()).await?;
        ensure!(answer.status.as_u16() == 400, "{text:.40}: {answer:?}");
    }
    let wrong = client.check(CheckRequest::default()).await.unwrap_err();
    ensure!(wrong.code() == Code::InvalidArgument && !wrong.details().is_empty(), "{wrong:?}");
    Ok(())
}

#[tokio::test]
async fn no_way_of_asking_gets_more_than_the_limit() -> anyhow::Result<()> {
    let (tollgate, client) = start().await?;
    let tollgate = Arc::new(tollgate);
    let channel = tollgate.rls().await?;
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let (mut client, mut rls) = (client.clone(), channel.clone());
        let tollgate = Arc::clone(&tollgate);
        callers.spawn(async move {
            let mut passed = 0;
            for _ in 0..4 {
                passed += u32::from(match number % 3 {
                    0 => {
                        client.check(check("u", 1)).await?.into_inner().verdict()
                            == Verdict::Allowed
                    }
                    1 => {
                        let asked = request("tollgate", &[("limit", "hundred"), ("user", "u")]);
                        admitted(&rls.should_rate_limit(asked).await?.into_inner())?
                    }
                    _ => {
                        let body = json!({ "subject": named("u") });
                        post(&tollgate, "/v1/check", &body).await?.0 == 200
                    }
                });
            }
            anyhow::Ok(passed)
        });
    }
    let mut passed = 0;
    while let Some(one) = callers.join_next().await {
        passed += one??;
    }
    ensure!(passed == 100, "{passed} passed");
    Ok(())
}

#[tokio::test]
async fn what_is_sent_again_counts_once_and_is_answered_alike() -> anyhow::Result<()> {
    let (tollgate, mut client) = start().await?;
    let keyed = CheckRequest { idempotency_key: "once".into(), ..check("u", 10) };
    let mut raw = RawGrpc::connect(tollgate.decide_addr()).await?;
    let first = raw.call(CHECK, &keyed.encode_to_vec()).await?;
    ensure!(first.code == Code::Ok, "{first:?}");
    let mut together = JoinSet::new();
    for _ in 0..8 {
        let (mut client, keyed) = (client.clone(), keyed.clone());
        together.spawn(async move { client.check(keyed).await });
    }
    while let Some(again) = together.join_next().await {
        let again = again??.into_inner().encode_to_vec();
        ensure!(again == first.body[5..], "{again:?}");
    }
    let body = json!({ "subject": named("u"), "hits": 10, "idempotency_key": "json" });
    let (one, two) =
        tokio::join!(post(&tollgate, "/v1/check", &body), post(&tollgate, "/v1/check", &body));
    ensure!(one? == two?);
    ensure!(remaining(&mut client, "u").await? == 80);
    let other = CheckRequest { hits: Some(1), ..keyed };
    ensure!(client.check(other).await.unwrap_err().code() == Code::AlreadyExists);
    Ok(())
}

#[tokio::test]
async fn a_call_whose_deadline_is_over_changes_nothing() -> anyhow::Result<()> {
    let (tollgate, mut client) = start().await?;
    let mut raw = RawGrpc::connect(tollgate.decide_addr()).await?;
    let mut late = raw.open_with(CHECK, &[("grpc-timeout", "1n")])?;
    late.send(tollgate_tests::raw_grpc::framed(&check("u", 10).encode_to_vec())).await?;
    let late = late.finish().await?;
    ensure!(late.code == Code::DeadlineExceeded, "{late:?}");
    ensure!(remaining(&mut client, "u").await? == 100);
    let metrics = tollgate.admin_get("/metrics").await?;
    let line = "tollgate_late_answers_total{api=\"native\"} 1";
    ensure!(metrics.text().contains(line), "{}", metrics.text());
    Ok(())
}

#[tokio::test]
async fn a_stream_is_answered_in_order_and_ends_with_the_drain() -> anyhow::Result<()> {
    let (mut tollgate, mut client) = start().await?;
    let (sender, mut checks) = mpsc::channel(8);
    let checks = futures(move |cx| checks.poll_recv(cx));
    for id in [3_u64, 1, 2] {
        sender.send(CheckStreamRequest { id, check: Some(check("u", 40)) }).await?;
    }
    let mut answers = client.check_stream(checks).await?.into_inner();
    let mut told = Vec::new();
    for _ in 0..3 {
        let answer = tokio::time::timeout(ANSWER_BOUND, answers.message()).await??;
        told.push(answer.context("an answer")?.id);
    }
    ensure!(told == [3, 1, 2], "{told:?}");
    tollgate.process().signal(Signal::Terminate)?;
    let end = tokio::time::timeout(ANSWER_BOUND, answers.message()).await?;
    ensure!(end.as_ref().is_err_and(|end| end.code() == Code::Unavailable), "{end:?}");
    drop((sender, answers, client));
    tollgate.ended_well().await
}

#[tokio::test]
async fn a_reservation_outlives_its_connection_only_until_its_end() -> anyhow::Result<()> {
    let (tollgate, mut client) = start().await?;
    let second = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let reserve = ReserveRequest {
        subject: subject("u"),
        hits: Some(100),
        hold_for: second,
        ..Default::default()
    };
    let mut other = DecisionsClient::new(tollgate.channel().await?);
    ensure!(!other.reserve(reserve).await?.into_inner().reservation.is_empty());
    drop(other);
    tollgate_tests::wait::until("the held hits to come back", ANSWER_BOUND, async || {
        match remaining(&mut client, "u").await {
            Ok(100) => tollgate_tests::wait::Probe::Holds(()),
            other => tollgate_tests::wait::Probe::NotYet(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test]
async fn rls_and_native_calls_share_a_connection() -> anyhow::Result<()> {
    let (tollgate, _) = start().await?;
    let mut raw = RawGrpc::connect(tollgate.decide_addr()).await?;
    let asked = request("tollgate", &[("limit", "hundred"), ("user", "u")]).encode_to_vec();
    ensure!(raw.call(SHOULD_RATE_LIMIT, &asked).await?.code == Code::Ok);
    ensure!(raw.call(CHECK, &check("u", 1).encode_to_vec()).await?.code == Code::Ok);
    let unknown = raw.call("/tollgate.v1.Decisions/Nothing", b"").await?;
    ensure!(unknown.code == Code::Unimplemented, "{unknown:?}");
    Ok(())
}

/// The lines of the document are run as they stand, but for the port and what a reservation is
/// called.
#[tokio::test]
async fn the_examples_of_the_document_work() -> anyhow::Result<()> {
    let (tollgate, _) = start().await?;
    let text = include_str!("../../docs/native-api.md");
    let (address, mut reservation, mut ran) = (tollgate.http_addr().to_string(), Value::Null, 0);
    for line in text.lines().filter(|line| line.starts_with("curl ")) {
        let line = line.replace("127.0.0.1:8080", &address);
        let line = line.replace("RESERVATION", reservation.as_str().unwrap_or_default());
        let answer = Curl::parse(&line)?.perform().await?;
        ensure!(answer.status.is_success(), "{line}: {}", answer.text());
        let body: Value = serde_json::from_slice(&answer.body)?;
        if let Some(named) = body.get("reservation") {
            reservation = named.clone();
        }
        ran += 1;
    }
    ensure!(ran == 9, "{ran} examples");
    Ok(())
}

/// A stream of what `poll` gives.
fn futures<T: Send + 'static>(
    poll: impl FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Send + Unpin + 'static,
) -> impl tonic::codegen::tokio_stream::Stream<Item = T> + Send + 'static {
    struct Polled<F>(F);
    impl<T, F> tonic::codegen::tokio_stream::Stream for Polled<F>
    where
        F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
    {
        type Item = T;

        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            (self.0)(cx)
        }
    }
    Polled(poll)
}

#[tokio::test]
async fn what_takes_a_permission_asks_strangers_for_credentials() -> anyhow::Result<()> {
    let tollgate = Tollgate::builder().sections(LIMITS).start().await?;
    let arguments = ["admin", "token", "create", "--name", "t", "--role", "viewer", "-o", "json"];
    let made = tollgate.command_line()?.args(arguments).output()?.stdout;
    let made: Value = serde_json::from_slice(&made)?;
    let viewer = format!("Bearer {}", made["token"].as_str().context("no token")?);
    let inline = json!({ "inline": { "name": "i", "limit": 1, "window_seconds": 60 } });
    for (path, subject) in
        [("/v1/refund", named("u")), ("/v1/reset", named("u")), ("/v1/check", inline)]
    {
        let body = json!({ "subject": subject }).to_string();
        let address = tollgate.http_addr();
        let answer = http::post(address, path, &[], body.clone()).await?;
        ensure!(answer.status.as_u16() == 401, "{path}: {answer:?}");
        ensure!(answer.header("www-authenticate") == Some("Bearer"), "{path}: {answer:?}");
        let known = [("authorization", &*viewer)];
        let answer = http::post(address, path, &known, body).await?;
        ensure!(answer.status.as_u16() == 403, "{path}: {answer:?}");
        ensure!(answer.header("www-authenticate").is_none(), "{path}: {answer:?}");
    }
    let mut client = DecisionsClient::new(tollgate.channel().await?);
    let reset = ResetRequest { subject: subject("u") };
    let nobody = client.reset(reset.clone()).await.unwrap_err();
    ensure!(nobody.code() == Code::Unauthenticated, "{nobody:?}");
    ensure!(nobody.metadata().get("www-authenticate").is_some_and(|asked| asked == "Bearer"));
    let mut known = tonic::Request::new(reset);
    known.metadata_mut().insert("authorization", viewer.parse()?);
    let known = client.reset(known).await.unwrap_err();
    ensure!(known.code() == Code::PermissionDenied, "{known:?}");
    Ok(())
}
