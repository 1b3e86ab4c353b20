//! What a node tells of its work: to a scraper, to statsd peers, and through Envoy's access log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use prost::Message as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key};
use tollgate_tests::http;
use tollgate_tests::raw_grpc::{RawGrpc, framed};
use tollgate_tests::rls::{
    Code, RateLimitRequest, RateLimitResponse, RateLimitService, RateLimitServiceServer,
    SHOULD_RATE_LIMIT, admitted, request,
};
use tollgate_tests::tollgate::{Builder, Tollgate};
use tollgate_tests::upstream::Upstream;
use tollgate_tests::wait::{self, Probe};
use tonic::transport::server::TcpIncoming;

const BOUND: Duration = Duration::from_secs(20);

const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: three, rate_limit: {unit: year, requests_per_unit: 3, name: guard}}
  - key: user
    detailed_metric: true
    rate_limit: {unit: year, requests_per_unit: 1000}
  - {key: ip, rate_limit: {unit: year, requests_per_unit: 10}}
";

fn node() -> Builder {
    Tollgate::builder().limits("edge.yaml", LIMITS)
}

/// Asks one hit after another and expects these answers.
async fn ask(node: &Tollgate, entry: (&str, &str), admits: &[bool]) -> anyhow::Result<()> {
    let mut client = node.rls().await?;
    for expected in admits {
        let answer = client.should_rate_limit(request("edge", &[entry])).await?.into_inner();
        ensure!(admitted(&answer)? == *expected, "{entry:?}: {answer:?}");
    }
    Ok(())
}

fn page_address(node: &Tollgate) -> anyhow::Result<SocketAddr> {
    let log = node.log();
    let mut events = log.iter().filter(|event| event["event"] == "listening");
    let event = events.find(|event| event["listener"] == "ratelimit_prometheus");
    Ok(event.context("no such listener")?["address"].as_str().context("no address")?.parse()?)
}

/// Adds up the counters of statsd lines by name.
fn add_up(text: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let value = rest.split_once("|c").and_then(|(value, _)| value.parse::<u64>().ok());
        *sums.entry(name.to_owned()).or_default() += value.unwrap_or_default();
    }
    sums
}

#[tokio::test]
async fn a_scraper_sees_what_passed_through_a_real_envoy_under_the_reference_s_names()
-> anyhow::Result<()> {
    let name = "statistics::a_scraper_sees_what_passed_through_a_real_envoy";
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let page = "ratelimit_prometheus: {address: '127.0.0.1:0', path: /stats/prometheus}";
    let node =
        node().telemetry(page).sections("ratelimit: {dynamic_metadata: true}").start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap {
        access_log: Some(
            "%RESPONSE_CODE% %DYNAMIC_METADATA(envoy.filters.http.ratelimit:deniedBy)%".into(),
        ),
        ..Bootstrap::new(node.decide_addr(), upstream.address(), "edge")
    };
    let bootstrap = bootstrap.route(Route::new("/").descriptor(&[generic_key("three")]));
    let envoy = Envoy::start(&binary, &bootstrap).await?;
    for status in [200, 200, 200, 429, 429] {
        let answer = envoy.get("/", &[]).await?;
        ensure!(answer.status == status, "{answer:?}");
    }
    let answer = http::get(page_address(&node)?, "/stats/prometheus", &[]).await?;
    let text = answer.text();
    let labels = "{domain=\"edge\",key1=\"generic_key_three\"}";
    for (metric, count) in
        [("total_hits", 5), ("within_limit", 3), ("near_limit", 1), ("over_limit", 2)]
    {
        let line = format!("ratelimit_service_rate_limit_{metric}{labels} {count}");
        ensure!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    let method = "{grpc_method=\"ShouldRateLimit\"} 5";
    for line in [
        format!("ratelimit_service_total_requests{method}"),
        format!("ratelimit_service_response_time_seconds_count{method}"),
        "ratelimit_service_config_load_success 1".to_owned(),
        "tollgate_answer_seconds_count{api=\"rls\"} 5".to_owned(),
        "tollgate_late_answers_total{api=\"rls\"} 0".to_owned(),
    ] {
        ensure!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    ensure!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    ensure!(http::get(page_address(&node)?, "/metrics", &[]).await?.status == 404);
    let bound = "tollgate_connections_max{listener=\"ratelimit_prometheus\"} 100";
    ensure!(text.lines().any(|found| found == bound), "{text}");
    let stats = node.admin_get("/stats").await?;
    ensure!(stats.text().contains("\nconnections_ratelimit_prometheus: "), "{}", stats.text());
    let line = "ratelimit.service.rate_limit.edge.generic_key_three.over_limit: 2";
    ensure!(stats.text().lines().any(|found| found == line), "{}", stats.text());
    // Which limit fired, in Envoy's own words.
    let expected = ["200 -", "200 -", "200 -", "429 guard", "429 guard"];
    wait::until("the access log", BOUND, async || match envoy.access_log() {
        lines if lines == expected => Probe::Holds(()),
        lines => Probe::NotYet(format!("{lines:?}")),
    })
    .await
}

#[tokio::test]
async fn a_statsd_peer_receives_every_hit_once() -> anyhow::Result<()> {
    let peer = TcpListener::bind("127.0.0.1:0").await?;
    let port = peer.local_addr()?.port();
    let statsd = format!(
        "statsd: {{protocol: statsd_tcp, host: 127.0.0.1, port: {port}, flush_interval: 100ms, \
         tags: {{env: a.b}}}}"
    );
    let mut node = node().telemetry(&statsd).start().await?;
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut text = String::new();
        let (mut stream, _) = peer.accept().await?;
        stream.read_to_string(&mut text).await?;
        anyhow::Ok(text)
    });
    ask(&node, ("generic_key", "three"), &[true, true, true, false]).await?;
    ask(&node, ("ip", "10.0.0.1"), &[true]).await?;
    ask(&node, ("user", "a:b|c\n10.0.0.1"), &[true, true]).await?;
    // Its end flushes what is left, and closes.
    node.stop().await?;
    let read = tokio::time::timeout(BOUND, reading.join_next()).await?;
    let text = read.context("no reader")???;
    let sums = add_up(&text);
    let prefix = "ratelimit.service.rate_limit.edge";
    for (name, count) in [
        ("generic_key_three.total_hits", 4),
        ("generic_key_three.within_limit", 3),
        ("generic_key_three.near_limit", 1),
        ("generic_key_three.over_limit", 1),
        ("ip.total_hits", 1),
        ("user_a_b_c_10_0_0_1.within_limit", 2),
    ] {
        let found = sums.get(&format!("{prefix}.{name}.__env=a_b"));
        ensure!(found == Some(&count), "{name}: {found:?} in\n{text}");
    }
    let calls = sums.get("ratelimit_server.ShouldRateLimit.total_requests.__env=a_b");
    ensure!(calls == Some(&7), "{text}");
    let samples = text.lines().filter(|line| line.contains("response_time")).map(|line| {
        let rate = line.split_once("|@").map_or(Ok(1.0), |(_, rate)| rate.parse::<f64>());
        rate.map(|rate| (1.0 / rate) as u64)
    });
    ensure!(samples.sum::<Result<u64, _>>()? == 7, "{text}");
    Ok(())
}

#[tokio::test]
async fn a_dogstatsd_peer_receives_tags() -> anyhow::Result<()> {
    let peer = UdpSocket::bind("127.0.0.1:0").await?;
    let port = peer.local_addr()?.port();
    let statsd = format!(
        "statsd: {{protocol: dogstatsd, host: 127.0.0.1, port: {port}, flush_interval: 100ms, \
         tags: {{env: prod}}, mogrifiers: [{{pattern: \
         '^ratelimit\\.service\\.rate_limit\\.([^.]+)\\.(.*)\\.([^.]+)$', name: \
         ratelimit.service.rate_limit.$3, tags: {{domain: $1, descriptor: $2}}}}]}}"
    );
    let mut node = node().telemetry(&statsd).start().await?;
    ask(&node, ("generic_key", "three"), &[true, true, true, false, false]).await?;
    node.stop().await?;
    let wanted = "|c|#env:prod,descriptor:generic_key_three,domain:edge";
    let (mut total, mut over) = (0, 0);
    let receiving = async {
        while (total, over) != (5, 2) {
            let mut datagram = [0; 2_048];
            let bytes = peer.recv(&mut datagram).await?;
            for line in std::str::from_utf8(&datagram[..bytes])?.lines() {
                let Some(counter) = line.strip_suffix(wanted) else { continue };
                let (name, value) = counter.split_once(':').context("no value")?;
                match name {
                    "ratelimit.service.rate_limit.total_hits" => total += value.parse::<u64>()?,
                    "ratelimit.service.rate_limit.over_limit" => over += value.parse::<u64>()?,
                    _ => {}
                }
            }
            ensure!(total <= 5 && over <= 2, "{total} {over}");
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(BOUND, receiving).await.context("too few hits")?
}

#[tokio::test]
async fn a_statsd_peer_that_never_reads_holds_up_neither_decisions_nor_the_end()
-> anyhow::Result<()> {
    let peer = TcpListener::bind("127.0.0.1:0").await?;
    let port = peer.local_addr()?.port();
    let statsd = format!(
        "statsd: {{protocol: statsd_tcp, host: 127.0.0.1, port: {port}, flush_interval: 100ms}}"
    );
    let mut node = node().telemetry(&statsd).start().await?;
    let mut client = node.rls().await?;
    for user in 0..3_000 {
        let user = format!("{user:0>900}");
        let asked = request("edge", &[("user", &user)]);
        ensure!(admitted(&client.should_rate_limit(asked).await?.into_inner())?);
    }
    let (_unread, _) = tokio::time::timeout(BOUND, peer.accept()).await??;
    node.stop().await
}

#[tokio::test]
async fn ten_thousand_values_are_two_thousand_names_and_no_hit_is_lost() -> anyhow::Result<()> {
    let node = node().start().await?;
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let mut rls = node.rls().await?;
        clients.spawn(async move {
            for user in 0..2_500 {
                let user = format!("{client}-{user}\"\\\n");
                rls.should_rate_limit(request("edge", &[("user", &user)])).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    let answer = node.admin_get("/metrics").await?;
    let text = answer.text();
    let within = |line: &&str| {
        line.starts_with("tollgate_limit_hits_total{") && line.contains("outcome=\"within\"")
    };
    let series: Vec<_> = text.lines().filter(within).collect();
    let hits = series.iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    ensure!((series.len(), hits.sum::<u64>()) == (2_001, 10_000), "{}", series.len());
    let line = "tollgate_limit_names_overflown_total 8000";
    ensure!(text.lines().any(|found| found == line), "no {line}");
    Ok(())
}

#[tokio::test]
async fn an_answer_after_the_caller_s_deadline_is_counted() -> anyhow::Result<()> {
    let node = node().start().await?;
    let mut client = RawGrpc::connect(node.decide_addr()).await?;
    let message = framed(&request("edge", &[("ip", "a")]).encode_to_vec());
    // An hour is enough and a nanosecond is not; nonsense is no deadline.
    for timeout in ["1H", "1n", "1n", "soon"] {
        let headers = [("grpc-timeout", timeout)];
        let mut call = client.open_with(SHOULD_RATE_LIMIT, &headers)?;
        call.send(message.clone()).await?;
        ensure!(call.finish().await?.code == tonic::Code::Ok);
    }
    // A caller that goes away before its message is there.
    let unsent = client.open_with(SHOULD_RATE_LIMIT, &[])?;
    drop(unsent);
    drop(client);
    wait::until("the counts", BOUND, async || match node.admin_get("/metrics").await {
        Ok(answer) => {
            let text = answer.text();
            let late = text.contains("\ntollgate_late_answers_total{api=\"rls\"} 2\n");
            let timed = text.contains("\ntollgate_answer_seconds_count{api=\"rls\"} 4\n");
            if late && timed { Probe::Holds(()) } else { Probe::NotYet(text.into_owned()) }
        }
        Err(error) => Probe::Never(format!("{error:#}")),
    })
    .await
}

/// A rate-limit service that admits everything and keeps what callers say of their deadline.
struct Recorder(tokio::sync::mpsc::UnboundedSender<Option<String>>);

#[tonic::async_trait]
impl RateLimitService for Recorder {
    async fn should_rate_limit(
        &self,
        request: tonic::Request<RateLimitRequest>,
    ) -> Result<tonic::Response<RateLimitResponse>, tonic::Status> {
        let timeout = request.metadata().get("grpc-timeout");
        let timeout = timeout.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        // The test is over if nobody listens.
        let _ = self.0.send(timeout);
        let overall_code = Code::Ok.into();
        Ok(tonic::Response::new(RateLimitResponse { overall_code, ..Default::default() }))
    }
}

#[tokio::test]
async fn envoy_sends_its_filter_s_timeout_as_the_deadline() -> anyhow::Result<()> {
    let name = "statistics::envoy_sends_its_filter_s_timeout_as_the_deadline";
    let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(()) };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let service = RateLimitServiceServer::new(Recorder(sender));
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let router = tonic::transport::Server::builder().add_service(service);
        router.serve_with_incoming(TcpIncoming::from(listener)).await
    });
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap {
        timeout: Duration::from_millis(730),
        ..Bootstrap::new(address, upstream.address(), "edge")
    };
    let bootstrap = bootstrap.route(Route::new("/").descriptor(&[generic_key("three")]));
    let envoy = Envoy::start(&binary, &bootstrap).await?;
    envoy.get("/", &[]).await?;
    let timeout = tokio::time::timeout(BOUND, heard.recv()).await?.context("nothing asked")?;
    ensure!(timeout.as_deref() == Some("730m"), "{timeout:?}");
    Ok(())
}
