//! The harness itself, against a rate-limit service of a few lines: so that a failure of the other
//! suites is Tollgate's and not the harness's.

use std::collections::HashMap;
use std::sync::Mutex;

use anyhow::ensure;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::DescriptorStatus;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::RateLimit;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key, request_header};
use tollgate_tests::held_port::HeldPort;
use tollgate_tests::raw_grpc::RawGrpc;
use tollgate_tests::rls::{
    Code, RateLimitRequest, RateLimitResponse, RateLimitService, RateLimitServiceServer,
};
use tollgate_tests::upstream::Upstream;

/// Admits the first `LIMIT` requests of every set of entries.
const LIMIT: u32 = 2;

#[tokio::test]
async fn harness_envoy_talks_to_an_rls_service() -> anyhow::Result<()> {
    let name = "harness_envoy_talks_to_an_rls_service";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let service = Throwaway::start().await?;
    let upstream = Upstream::start().await?;
    let route = Route::new("/limited")
        .descriptor(&[generic_key("limited"), request_header("x-user", "user")]);
    let bootstrap = Bootstrap::new(service.address, upstream.address(), "throwaway").route(route);
    let envoy = Envoy::start(&binary, &bootstrap).await?;

    for (user, expected) in [("a", 200), ("b", 200), ("a", 200), ("a", 429), ("b", 200)] {
        let answer = envoy.get("/limited/x", &[("x-user", user)]).await?;
        ensure!(answer.status == expected, "{user}: {answer:?}");
        let denied = answer.header("x-envoy-ratelimited");
        ensure!(denied == (expected == 429).then_some("true"), "{user}: {answer:?}");
        ensure!(answer.header("x-ratelimit-limit") == Some("2, 2;w=3600"), "{user}: {answer:?}");
    }
    // Neither an action without its header nor another path is asked about.
    ensure!(envoy.get("/limited", &[]).await?.status == 200);
    ensure!(envoy.get("/free", &[("x-user", "a")]).await?.status == 200);
    ensure!(upstream.arrived() == 6, "{} arrived", upstream.arrived());
    ensure!(envoy.counter("cluster.upstream.ratelimit.over_limit").await? == 1);
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_is_what_envoys_failure_mode_decides() -> anyhow::Result<()> {
    let name = "a_refused_connection_is_what_envoys_failure_mode_decides";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let upstream = Upstream::start().await?;
    // A port that was a server's a moment ago.
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let held = HeldPort::hold(gone)?;
    let bootstrap = Bootstrap::new(gone, upstream.address(), "throwaway")
        .route(Route::new("/").descriptor(&[generic_key("any")]));
    let open = Envoy::start(&binary, &bootstrap).await?;
    ensure!(open.get("/", &[]).await?.status == 200);
    let closed = Envoy::start(&binary, &bootstrap.failure_mode_deny()).await?;
    ensure!(closed.get("/", &[]).await?.status == 500);
    ensure!(upstream.arrived() == 1);
    drop(held);
    Ok(())
}

#[tokio::test]
async fn a_raw_call_reads_both_kinds_of_status() -> anyhow::Result<()> {
    use tollgate_tests::rls::{SHOULD_RATE_LIMIT, request};
    let service = Throwaway::start().await?;
    let mut raw = RawGrpc::connect(service.address).await?;
    let message = prost::Message::encode_to_vec(&request("d", &[("k", "v")]));
    let answer = raw.call(SHOULD_RATE_LIMIT, &message).await?;
    ensure!(answer.code == tonic::Code::Ok && answer.body.len() > 5, "{answer:?}");
    // Without a message there are only trailers.
    let answer = raw.call("/no.such.Service/Method", &message).await?;
    ensure!(answer.code == tonic::Code::Unimplemented, "{answer:?}");
    Ok(())
}

/// A rate-limit service that counts in a map. Dropped, it ends.
struct Throwaway {
    address: std::net::SocketAddr,
    _serving: JoinSet<()>,
}

impl Throwaway {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = tonic::service::Routes::new(RateLimitServiceServer::new(Counts::default()));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _peer)) = listener.accept().await {
                let service = hyper_util::service::TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let serving = hyper::server::conn::http2::Builder::new(executor);
                    // A connection ends when its client goes.
                    let _ = serving.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, _serving: serving })
    }
}

#[derive(Default)]
struct Counts {
    hits: Mutex<HashMap<String, u32>>,
}

#[tonic::async_trait]
impl RateLimitService for Counts {
    async fn should_rate_limit(
        &self,
        request: tonic::Request<RateLimitRequest>,
    ) -> Result<tonic::Response<RateLimitResponse>, tonic::Status> {
        let key = format!("{:?}", request.into_inner());
        let mut hits = self.hits.lock().map_err(|_| tonic::Status::internal("poisoned"))?;
        let hits = hits.entry(key).or_default();
        *hits += 1;
        let code = if *hits > LIMIT { Code::OverLimit } else { Code::Ok } as i32;
        let limit =
            RateLimit { requests_per_unit: LIMIT, unit: Unit::Hour as i32, ..Default::default() };
        let status = DescriptorStatus {
            code,
            current_limit: Some(limit),
            limit_remaining: LIMIT.saturating_sub(*hits),
            ..Default::default()
        };
        let response =
            RateLimitResponse { overall_code: code, statuses: vec![status], ..Default::default() };
        Ok(tonic::Response::new(response))
    }
}
