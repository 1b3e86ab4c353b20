//! What probes and scrapers see: gRPC health, the HTTP health path, liveness, readiness, metrics.

use std::net::SocketAddr;

use anyhow::ensure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tollgate_tests::http;
use tollgate_tests::raw_grpc::CALL_BOUND;
use tollgate_tests::rls::request;
use tollgate_tests::tollgate::Tollgate;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const LIMITS: &str = "
domain: health
descriptors:
  - {key: any, rate_limit: {unit: year, requests_per_unit: 5}}
";

async fn start() -> anyhow::Result<Tollgate> {
    Tollgate::builder().limits("health.yaml", LIMITS).start().await
}

#[tokio::test]
async fn grpc_health_knows_the_server_and_the_service() -> anyhow::Result<()> {
    let tollgate = start().await?;
    let mut health = HealthClient::new(tollgate.channel().await?);
    for service in ["", "ratelimit"] {
        let asked = HealthCheckRequest { service: service.into() };
        let status = health.check(asked).await?.into_inner().status();
        ensure!(status == ServingStatus::Serving, "{service:?}: {status:?}");
    }
    let asked = HealthCheckRequest { service: "no such service".into() };
    let refused = health.check(asked).await.err().map(|status| status.code());
    ensure!(refused == Some(tonic::Code::NotFound), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn http_health_says_ok() -> anyhow::Result<()> {
    let tollgate = start().await?;
    let answer = tollgate.http_get("/healthcheck").await?;
    ensure!(answer.status == 200 && answer.text() == "OK", "{answer:?}");
    ensure!(tollgate.http_get("/no/such/path").await?.status == 404);
    Ok(())
}

#[tokio::test]
async fn the_admin_listener_is_alive_ready_and_measured() -> anyhow::Result<()> {
    let tollgate = start().await?;
    for path in ["/livez", "/readyz"] {
        let answer = tollgate.admin_get(path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
    }
    tollgate.rls().await?.should_rate_limit(request("health", &[("any", "one")])).await?;
    let metrics = tollgate.admin_get("/metrics").await?;
    ensure!(metrics.status == 200, "{metrics:?}");
    ensure!(metrics.text().contains("tollgate_decisions_total"), "{}", metrics.text());
    Ok(())
}

#[tokio::test]
async fn malformed_requests_are_answered_and_change_nothing() -> anyhow::Result<()> {
    let mut tollgate = start().await?;
    let http = tollgate.http_addr();
    for body in ["", "{", "null", r#"{"domain":7}"#, r#"{"unknown":"field"}"#] {
        let answer = http::post(http, "/json", &[], body).await?;
        ensure!(answer.status.is_client_error(), "{body}: {answer:?}");
    }
    expect_too_large(http).await?;
    for address in [http, tollgate.admin_addr()] {
        for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01"]
        {
            send_and_close(address, garbage.as_bytes()).await?;
        }
    }
    ensure!(tollgate.http_get("/healthcheck").await?.status == 200);
    ensure!(tollgate.admin_get("/readyz").await?.status == 200);
    ensure!(tollgate.process().exited()?.is_none());
    Ok(())
}

/// A body above any bound gets a refusal, or the end of a connection that was not read to the end:
/// over HTTP/1.1 the client may lose the answer then.
async fn expect_too_large(address: SocketAddr) -> anyhow::Result<()> {
    let body = format!(r#"{{"domain":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    match http::post(address, "/json", &[], body).await {
        Ok(answer) => ensure!(answer.status.is_client_error(), "{answer:?}"),
        Err(error) => ensure!(error.chain().any(|cause| cause.is::<hyper::Error>()), "{error:?}"),
    }
    Ok(())
}

/// Sends bytes, ends the sending side and expects the other side to end as well.
async fn send_and_close(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    let mut rest = Vec::new();
    // A reset is an end too; only a connection that stays open is not.
    let ended = tokio::time::timeout(CALL_BOUND, stream.read_to_end(&mut rest)).await;
    ensure!(ended.is_ok(), "{address} holds on to a connection that sent {bytes:?}");
    Ok(())
}
