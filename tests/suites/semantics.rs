//! Modes, replacement, metadata, refunds and headers as Envoy and its clients see them.
//!
//! Envoy 1.40 cannot send a refund (`is_negative_hits`), so the refund comes from a gRPC client to
//! the node that Envoy asks, and Envoy's next request shows it.

use anyhow::{Context as _, ensure};
use tollgate_tests::envoy;
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{Route, generic_key, request_header};
use tollgate_tests::http::Answer;
use tollgate_tests::rls;
use tollgate_tests::tollgate::Tollgate;
use tollgate_tests::upstream::Upstream;

use crate::fronted::{DOMAIN, Fronted};

const SETTINGS: &str = "ratelimit: {dynamic_metadata: true, response_headers: draft-11}";

const LIMITS: &str = "
domain: edge
descriptors:
  - key: generic_key
    value: shadowed
    shadow_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
  - key: generic_key
    value: quota-a
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 1}
    metadata: {plan: burst}
  - key: generic_key
    value: quota-b
    quota_mode: true
    rate_limit: {unit: year, requests_per_unit: 2}
    metadata: {plan: steady, region: {name: eu}}
  - key: generic_key
    value: base
    rate_limit: {unit: year, requests_per_unit: 1, name: base}
  - key: generic_key
    value: premium
    rate_limit: {unit: year, requests_per_unit: 3, name: premium, replaces: [{name: base}]}
  - key: generic_key
    value: free
    rate_limit: {unlimited: true, replaces: [{name: base}]}
  - key: user
    detailed_metric: true
    rate_limit: {unit: year, requests_per_unit: 2}
  - key: generic_key
    value: sliding
    rate_limit: {requests_per_unit: 2, window: 1h, algorithm: sliding_window, name: slide}
  - key: generic_key
    value: bucket
    rate_limit: {requests_per_unit: 1, unit: hour, algorithm: token_bucket, burst: 3}
  - key: generic_key
    value: several
    rate_limits:
      - {unit: second, requests_per_unit: 1000}
      - {unit: year, requests_per_unit: 2, name: yearly}
";

/// Starts all three with these routes; none where there is no Envoy.
async fn start(name: &str, routes: Vec<Route>) -> anyhow::Result<Option<Fronted>> {
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(None);
    };
    let node = Tollgate::builder().sections(SETTINGS).limits("edge.yaml", LIMITS);
    let tollgate = node.start().await?;
    let upstream = Upstream::start().await?;
    let bootstrap = Bootstrap::new(tollgate.decide_addr(), upstream.address(), DOMAIN);
    let bootstrap = routes.into_iter().fold(bootstrap, Bootstrap::route);
    let envoy = envoy::Envoy::start(&binary, &bootstrap).await?;
    Ok(Some(Fronted { envoy, tollgate, upstream }))
}

fn header<'a>(answer: &'a Answer, name: &str) -> anyhow::Result<&'a str> {
    answer.header(name).with_context(|| format!("no {name} in {answer:?}"))
}

#[tokio::test]
async fn a_shadowed_limit_lets_everything_pass() -> anyhow::Result<()> {
    let routes = vec![Route::new("/s").descriptor(&[generic_key("shadowed")])];
    let name = "semantics::a_shadowed_limit_lets_everything_pass";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    for remaining in ["0", "0", "0"] {
        let answer = fronted.expect("/s", &[], 200).await?;
        ensure!(header(&answer, "x-ratelimit-remaining")? == remaining, "{answer:?}");
    }
    let metrics = fronted.tollgate.admin_get("/metrics").await?.text().into_owned();
    let shadowed = "limit=\"edge.generic_key_shadowed\",outcome=\"shadow_over\"} 2";
    ensure!(metrics.contains(shadowed), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn quota_limits_deny_together_and_envoy_sees_the_metadata_of_those_left() -> anyhow::Result<()>
{
    let namespace = "%DYNAMIC_METADATA(envoy.filters.http.ratelimit";
    let routes = vec![
        Route::new("/q")
            .descriptor(&[generic_key("quota-a")])
            .descriptor(&[generic_key("quota-b")])
            .answer_header("x-plan", &format!("{namespace}:metadata:plan)%"))
            .answer_header("x-region", &format!("{namespace}:metadata:region:name)%"))
            .answer_header("x-asked", &format!("{namespace}:domain)%")),
    ];
    let name = "semantics::quota_limits_deny_together_and_envoy_sees_the_metadata_of_those_left";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    for plan in ["burst", "steady"] {
        let answer = fronted.expect("/q", &[], 200).await?;
        ensure!(header(&answer, "x-plan")? == plan, "{answer:?}");
        ensure!(header(&answer, "x-region")? == "eu", "{answer:?}");
        ensure!(header(&answer, "x-asked")? == DOMAIN, "{answer:?}");
    }
    fronted.expect("/q", &[], 429).await?;
    fronted.expect_arrived(2)
}

#[tokio::test]
async fn a_limit_that_replaces_another_counts_instead_of_it() -> anyhow::Result<()> {
    let both = |name| Route::new(name).descriptor(&[generic_key("base")]);
    let routes = vec![
        both("/premium").descriptor(&[generic_key("premium")]),
        both("/free").descriptor(&[generic_key("free")]),
        both("/base"),
    ];
    let name = "semantics::a_limit_that_replaces_another_counts_instead_of_it";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    for _ in 0..5 {
        fronted.expect("/free", &[], 200).await?;
    }
    for _ in 0..3 {
        fronted.expect("/premium", &[], 200).await?;
    }
    fronted.expect("/premium", &[], 429).await?;
    fronted.expect("/base", &[], 200).await?;
    fronted.expect("/base", &[], 429).await?;
    Ok(())
}

#[tokio::test]
async fn a_detailed_metric_shows_who_met_the_limit() -> anyhow::Result<()> {
    let routes = vec![Route::new("/u").descriptor(&[request_header("x-user", "user")])];
    let name = "semantics::a_detailed_metric_shows_who_met_the_limit";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    for (user, status) in [("ann", 200), ("ann", 200), ("ann", 429), ("bob", 200)] {
        fronted.expect("/u", &[("x-user", user)], status).await?;
    }
    let metrics = fronted.tollgate.admin_get("/metrics").await?.text().into_owned();
    for line in [
        "limit=\"edge.user_ann\",outcome=\"within\"} 2",
        "limit=\"edge.user_ann\",outcome=\"over\"} 1",
        "limit=\"edge.user_bob\",outcome=\"within\"} 1",
    ] {
        ensure!(metrics.contains(line), "{line} is not in {metrics}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refund_makes_room_for_envoys_next_request() -> anyhow::Result<()> {
    let routes = vec![Route::new("/u").descriptor(&[request_header("x-user", "user")])];
    let name = "semantics::a_refund_makes_room_for_envoys_next_request";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    let ann = [("x-user", "ann")];
    for status in [200, 200, 429] {
        fronted.expect("/u", &ann, status).await?;
    }
    let mut refund = rls::request(DOMAIN, &[("user", "ann")]);
    refund.descriptors[0].is_negative_hits = true;
    refund.descriptors[0].hits_addend = Some(rls::hits(2));
    let answer = fronted.tollgate.rls().await?.should_rate_limit(refund).await?.into_inner();
    ensure!(rls::admitted(&answer)?, "{answer:?}");
    // Three were counted, the refused one included: two of them are back.
    ensure!(answer.statuses[0].limit_remaining == 1, "{answer:?}");
    fronted.expect("/u", &ann, 200).await?;
    fronted.expect("/u", &ann, 429).await?;
    Ok(())
}

#[tokio::test]
async fn clients_get_the_headers_of_the_current_draft_and_when_to_come_back() -> anyhow::Result<()>
{
    let routes = vec![
        Route::new("/slide").descriptor(&[generic_key("sliding")]),
        Route::new("/bucket").descriptor(&[generic_key("bucket")]),
    ];
    let name = "semantics::clients_get_the_headers_of_the_current_draft_and_when_to_come_back";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    let first = fronted.expect("/slide", &[], 200).await?;
    ensure!(header(&first, "ratelimit-policy")? == "\"slide\";q=2;w=3600", "{first:?}");
    ensure!(header(&first, "ratelimit")?.starts_with("\"slide\";r=1;t="), "{first:?}");
    ensure!(first.header("retry-after").is_none(), "{first:?}");
    fronted.expect("/slide", &[], 200).await?;
    let denied = fronted.expect("/slide", &[], 429).await?;
    let wait: u32 = header(&denied, "retry-after")?.parse()?;
    ensure!((3_500..=3_600).contains(&wait), "{denied:?}");
    for _ in 0..3 {
        fronted.expect("/bucket", &[], 200).await?;
    }
    let denied = fronted.expect("/bucket", &[], 429).await?;
    let wait: u32 = header(&denied, "retry-after")?.parse()?;
    ensure!((3_500..=3_600).contains(&wait), "{denied:?}");
    Ok(())
}

#[tokio::test]
async fn several_limits_of_one_rule_all_count() -> anyhow::Result<()> {
    let routes = vec![Route::new("/several").descriptor(&[generic_key("several")])];
    let name = "semantics::several_limits_of_one_rule_all_count";
    let Some(fronted) = start(name, routes).await? else { return Ok(()) };
    for status in [200, 200, 429] {
        let answer = fronted.expect("/several", &[], status).await?;
        let limit = header(&answer, "x-ratelimit-limit")?;
        ensure!(limit.contains("name=\"yearly\""), "the tightest of both is shown: {answer:?}");
    }
    Ok(())
}
