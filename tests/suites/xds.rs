//! Limits from an xDS server: what a node does with every kind of server that there is.
//!
//! The waits of the protocol are tested with the server's state machine, in no time; here it is
//! seen that a process follows it.

use anyhow::{Context as _, ensure};
use prost::Message as _;
use tollgate_proto::xds::RateLimitConfig;
use tollgate_tests::ads::{Ads, Any, RATE_LIMIT_CONFIG};
use tollgate_tests::http;
use tollgate_tests::launched::events;
use tollgate_tests::process::Signal;
use tollgate_tests::wait::{self, Probe};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::xds_node::{BOUND, XdsNode, domain, requests};

const FORCED: (&str, &str) = ("FORCE_START_WITHOUT_INITIAL_CONFIG", "true");

#[tokio::test]
async fn a_content_is_acknowledged_after_it_decides_and_the_next_is_followed() -> anyhow::Result<()>
{
    let ads = Ads::start("1", vec![domain("d", 5, true)], None)?;
    let variables = [
        FORCED,
        ("CONFIG_GRPC_XDS_NODE_ID", "envoy-ratelimit"),
        ("CONFIG_GRPC_XDS_NODE_METADATA", "zone=a"),
        ("CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS", "authorization:Bearer hunter2"),
    ];
    let node = XdsNode::start(&ads, &variables).await?;
    let seen = requests(&ads, 2).await?;
    // Acknowledged: so it decides already.
    ensure!(node.limit("d").await? == Some(5));
    let [first, second] = &seen[..] else { anyhow::bail!("{seen:?}") };
    let (one, two) = (&first.request, &second.request);
    ensure!(one.version_info.is_empty() && one.response_nonce.is_empty(), "{one:?}");
    ensure!(one.resource_names.is_empty(), "{one:?}");
    let sent = one.node.as_ref().context("no node")?;
    ensure!(sent.id == "envoy-ratelimit", "{sent:?}");
    let metadata = sent.metadata.as_ref().context("no metadata")?;
    ensure!(metadata.fields.contains_key("zone"), "{metadata:?}");
    ensure!(first.metadata.get("authorization").is_some_and(|value| value == "Bearer hunter2"));
    ensure!(two.version_info == "1" && two.response_nonce == "0-1", "{two:?}");
    ensure!(two.error_detail.is_none(), "{two:?}");
    ensure!(!node.process.story().contains("hunter2"), "a secret in the log");

    ads.offer("2", vec![domain("d", 6, true), domain("e", 7, true)]);
    node.expect("d", 6).await?;
    node.expect("e", 7).await?;
    let status = http::get(node.admin, "/stats", &[]).await?.text().into_owned();
    ensure!(status.contains(&format!("xds {}", ads.address())), "{status}");
    node.expect_metric("tollgate_xds_connected 1").await?;
    node.expect_metric("tollgate_xds_responses_total{result=\"accepted\"} 2").await?;
    node.stop().await
}

#[tokio::test]
async fn equal_content_under_another_version_and_in_another_order_rebuilds_nothing()
-> anyhow::Result<()> {
    let both = [domain("a", 1_000, true), domain("b", 2_000, true)];
    let ads = Ads::start("1", both.to_vec(), None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("a", 1_000).await?;
    let swapped = vec![both[1].clone(), both[0].clone()];
    ads.offer("2", swapped);
    node.expect_metric("tollgate_xds_responses_total{result=\"unchanged\"} 1").await?;
    let seen = requests(&ads, 3).await?;
    ensure!(seen[2].request.version_info == "2", "{:?}", seen[2]);
    ensure!(seen[2].request.error_detail.is_none(), "{:?}", seen[2]);
    node.expect_metric("tollgate_config_loads_total{result=\"ok\"} 1").await?;
    ensure!(events(&node.process, "config_loaded").len() == 1);
    node.stop().await
}

#[tokio::test]
async fn of_three_domains_one_bad_two_are_updated_and_the_third_keeps_its_last()
-> anyhow::Result<()> {
    let all = |number, is_good| {
        vec![domain("a", number, true), domain("ns/b", number, is_good), domain("c", number, true)]
    };
    let ads = Ads::start("1", all(100, true), None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("ns/b", 100).await?;
    ads.offer("2", all(200, false));
    node.expect("a", 200).await?;
    node.expect("c", 200).await?;
    ensure!(node.limit("ns/b").await? == Some(100));
    let seen = requests(&ads, 3).await?;
    let refusal = seen[2].request.error_detail.as_ref().context("accepted")?;
    ensure!(refusal.code == 3, "{refusal:?}");
    let said = "ns/b: descriptors[1]: duplicate descriptor composite key 'ns/b.k'";
    ensure!(refusal.message == said, "{refusal:?}");
    ensure!(seen[2].request.version_info == "1", "{:?}", seen[2]);
    node.expect_metric("tollgate_xds_domain_refused{domain=\"ns/b\"} 1").await?;
    node.expect_metric("tollgate_config_last_reload_success 0").await?;
    let told = events(&node.process, "xds_domain_rejected");
    ensure!(told.len() == 1 && told[0]["domain"] == "ns/b", "{told:?}");
    ensure!(http::get(node.admin, "/rlconfig", &[]).await?.text().contains(said));
    ads.offer("3", all(300, true));
    node.expect("ns/b", 300).await?;
    node.expect_metric("tollgate_xds_domain_refused{domain=\"ns/b\"} 0").await?;
    node.expect_metric("tollgate_config_last_reload_success 1").await?;
    node.stop().await
}

#[tokio::test]
async fn a_server_that_resends_on_every_refusal_makes_no_loop() -> anyhow::Result<()> {
    let ads = Ads::start("1", vec![domain("d", 5, false)], None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    // The first request, the refusal at once, and those after 1 s and 2 s more.
    let seen = requests(&ads, 4).await?;
    for (at, seen) in seen.iter().enumerate().skip(1) {
        let request = &seen.request;
        ensure!(request.error_detail.is_some() && request.version_info.is_empty(), "{request:?}");
        ensure!(request.response_nonce == format!("0-{at}"), "{request:?}");
    }
    // It took waits to get here: a loop would have had thousands by now.
    ensure!(seen.len() <= 5, "{} requests", seen.len());
    ensure!(events(&node.process, "config_rejected").len() == 1);
    // A domain that was never right is not answered, an unknown one is neither before the first
    // content that is right.
    let refused = node.ask("d", &[("k", "v")]).await?.err().context("an answer")?;
    ensure!(refused.message() == "no rate limit configuration loaded", "{refused:?}");
    ads.offer("2", vec![domain("d", 6, true)]);
    node.expect("d", 6).await?;
    node.stop().await
}

#[tokio::test]
async fn a_restarted_server_with_the_same_version_and_other_content_is_followed()
-> anyhow::Result<()> {
    let mut ads = Ads::start("1", vec![domain("d", 5, true)], None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("d", 5).await?;
    ads.stop();
    node.expect_metric("tollgate_xds_connected 0").await?;
    let told = http::get(node.admin, "/rlconfig", &[]).await?;
    let lost = format!("# xds {}: not connected since ", ads.address());
    ensure!(told.text().starts_with(&lost), "{}", told.text());
    // What it had goes on.
    ensure!(node.limit("d").await? == Some(5));
    let ads = Ads::start_at(ads.address(), "1", vec![domain("d", 8, true)], None)?;
    node.expect("d", 8).await?;
    let told = http::get(node.admin, "/rlconfig", &[]).await?;
    ensure!(told.text().starts_with("d."), "{}", told.text());
    let seen = ads.seen();
    ensure!(seen[0].request.version_info.is_empty(), "{:?}", seen[0]);
    let lost = events(&node.process, "xds_disconnected");
    let first_wait = lost[0]["retry_in_ms"].as_u64().context("no wait")?;
    ensure!(first_wait <= 100, "{lost:?}");
    node.stop().await
}

#[tokio::test]
async fn streams_that_the_server_ends_are_opened_again_without_a_loop() -> anyhow::Result<()> {
    let ads = Ads::start("1", vec![domain("d", 5, true)], None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("d", 5).await?;
    for stream in 1..4 {
        requests(&ads, 2 * stream).await?;
        ads.end_streams();
        let what = "the next stream";
        wait::until(what, BOUND, async || match ads.seen().last() {
            Some(seen) if seen.stream == stream => Probe::Holds(()),
            seen => Probe::NotYet(format!("{seen:?}")),
        })
        .await?;
    }
    let waits: Vec<_> = events(&node.process, "xds_disconnected")
        .iter()
        .filter_map(|event| event["retry_in_ms"].as_u64())
        .collect();
    ensure!(waits.len() == 3, "{waits:?}");
    ensure!(waits[0] <= 100 && waits[1] <= 200 && waits[2] <= 400, "{waits:?}");
    ensure!(node.limit("d").await? == Some(5));
    node.expect_metric("tollgate_config_loads_total{result=\"ok\"} 1").await?;
    node.stop().await
}

#[tokio::test]
async fn no_domains_at_all_is_a_content_and_calls_pass() -> anyhow::Result<()> {
    let ads = Ads::start("1", vec![], None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    requests(&ads, 2).await?;
    ensure!(node.limit("d").await?.is_none());
    ensure!(http::get(node.admin, "/readyz", &[]).await?.status == 200);
    ads.offer("2", vec![domain("d", 5, true)]);
    node.expect("d", 5).await?;
    ads.offer("3", vec![]);
    wait::until("no limit", BOUND, async || match node.limit("d").await {
        Ok(None) => Probe::Holds(()),
        other => Probe::NotYet(format!("{other:?}")),
    })
    .await?;
    node.stop().await
}

#[tokio::test]
async fn a_silent_server_leaves_the_node_alive_and_without_an_answer() -> anyhow::Result<()> {
    let ads = Ads::start("", vec![], None)?;
    let forced = XdsNode::start(&ads, &[FORCED]).await?;
    let waiting = XdsNode::start(&ads, &[]).await?;
    requests(&ads, 2).await?;
    for (node, status, serving) in
        [(&forced, 200, ServingStatus::Serving), (&waiting, 500, ServingStatus::NotServing)]
    {
        ensure!(http::get(node.http, "/healthcheck", &[]).await?.status == status);
        ensure!(health(node).await? == serving);
        ensure!(http::get(node.admin, "/livez", &[]).await?.status == 200);
        ensure!(http::get(node.admin, "/readyz", &[]).await?.status == 503);
        let refused = node.ask("d", &[("k", "v")]).await?.err().context("an answer")?;
        ensure!(refused.code() == tonic::Code::Unknown, "{refused:?}");
        ensure!(refused.message() == "no rate limit configuration loaded", "{refused:?}");
    }
    ads.offer("1", vec![domain("d", 5, true)]);
    waiting.expect("d", 5).await?;
    wait::until("health", BOUND, async || match health(&waiting).await {
        Ok(ServingStatus::Serving) => Probe::Holds(()),
        other => Probe::NotYet(format!("{other:?}")),
    })
    .await?;
    ensure!(http::get(waiting.http, "/healthcheck", &[]).await?.status == 200);
    waiting.stop().await?;
    forced.stop().await
}

#[tokio::test]
async fn a_hangup_begins_a_new_stream() -> anyhow::Result<()> {
    let ads = Ads::start("1", vec![domain("d", 5, true)], None)?;
    let mut node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("d", 5).await?;
    node.process.signal(Signal::Hangup)?;
    let seen = requests(&ads, 4).await?;
    ensure!(seen[2].stream == 1 && seen[2].request.version_info.is_empty(), "{:?}", seen[2]);
    node.stop().await
}

#[tokio::test]
async fn resources_of_one_domain_make_one_tree_only_if_the_operator_says_so() -> anyhow::Result<()>
{
    let merged = ("MERGE_DOMAIN_CONFIG", "true");
    let two = |first, second| {
        use crate::xds_node::{chain, resource};
        vec![
            resource("d", vec![chain(&["k"], first)]),
            resource("d", vec![chain(&["other"], second)]),
        ]
    };
    let ads = Ads::start("1", two(5, 6), None)?;
    let node = XdsNode::start(&ads, &[FORCED, merged]).await?;
    node.expect("d", 5).await?;
    node.stop().await?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect_metric("tollgate_xds_domain_refused{domain=\"d\"} 1").await?;
    let told = events(&node.process, "xds_domain_rejected");
    ensure!(told[0]["first"] == "d: domain: duplicate domain 'd' in config file", "{told:?}");
    node.stop().await
}

#[tokio::test]
async fn a_response_beyond_the_bound_is_not_read_and_makes_no_loop() -> anyhow::Result<()> {
    let ads = Ads::start("1", vec![domain("d", 5, true)], None)?;
    let bound = ("XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES", "32");
    let node = XdsNode::start(&ads, &[FORCED, bound]).await?;
    let lost = wait::until("three tries", BOUND, async || {
        let lost = events(&node.process, "xds_disconnected");
        if lost.len() > 2 { Probe::Holds(lost) } else { Probe::NotYet(format!("{lost:?}")) }
    })
    .await?;
    let why = lost[0]["error"].as_str().context("no reason")?;
    ensure!(why.starts_with("OutOfRange: "), "{why}");
    ensure!(http::get(node.admin, "/readyz", &[]).await?.status == 503);
    node.stop().await
}

async fn health(node: &XdsNode) -> anyhow::Result<ServingStatus> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", node.decide))?;
    let mut client = HealthClient::new(endpoint.connect().await?);
    let asked = HealthCheckRequest { service: "ratelimit".into() };
    Ok(client.check(asked).await?.into_inner().status())
}

#[tokio::test]
async fn names_that_a_server_chooses_fill_neither_the_log_nor_the_metrics() -> anyhow::Result<()> {
    // Bytes of a line, and of a page; the name has more than both.
    const LINE_MAX: usize = 8 << 10;
    const PAGE_MAX: usize = 256 << 10;
    let endless = "x".repeat(1 << 20);
    let unreadable = Any { type_url: RATE_LIMIT_CONFIG.into(), value: named_garbage(&endless) };
    let all = vec![domain("d", 5_000, true), domain(&endless, 5, false), unreadable];
    let ads = Ads::start("1", all, None)?;
    let node = XdsNode::start(&ads, &[FORCED]).await?;
    node.expect("d", 5_000).await?;
    let seen = requests(&ads, 2).await?;
    ensure!(seen[1].request.error_detail.is_some(), "accepted");
    for page in ["/metrics", "/rlconfig", "/stats"] {
        let length = http::get(node.admin, page, &[]).await?.text().len();
        ensure!(length < PAGE_MAX, "{page} has {length} bytes");
    }
    ensure!(!events(&node.process, "xds_domain_rejected").is_empty());
    let longest = node.process.stderr().all().iter().map(String::len).max().unwrap_or_default();
    ensure!(longest < LINE_MAX, "a line of {longest} bytes");
    ensure!(node.limit("d").await? == Some(5_000));
    node.stop().await
}

#[tokio::test]
async fn names_that_a_server_chooses_break_no_line() -> anyhow::Result<()> {
    let (bad, good) = ("q\"} 1\nevil 2\r\u{1b}[2J", "ok\nevil: 1\nevil:1|c\n");
    let ads = Ads::start("1", vec![domain(good, 5_000, true), domain(bad, 5, false)], None)?;
    let node = XdsNode::start(&ads, &[FORCED, ("EXTRA_TAGS", "a:b")]).await?;
    node.expect(good, 5_000).await?;
    for page in ["/metrics", "/rlconfig", "/stats"] {
        let text = http::get(node.admin, page, &[]).await?.text().into_owned();
        ensure!(text.contains("evil"), "{page} says nothing of them");
        let broken = text.lines().find(|line| line.starts_with("evil"));
        ensure!(broken.is_none(), "{page} has a line of the server's: {text}");
    }
    // Each line of the log is an object of its own.
    let told = events(&node.process, "xds_domain_rejected");
    ensure!(told.len() == 1 && told[0]["domain"] == bad, "{told:?}");
    node.stop().await
}

/// A resource of this name that ends early.
fn named_garbage(name: &str) -> Vec<u8> {
    let config = RateLimitConfig { name: name.to_owned(), ..Default::default() };
    [config.encode_to_vec(), vec![0x1a, 9]].concat()
}
