//! What a client behind a real Envoy sees of Tollgate's decisions, and what its upstream is spared.

use anyhow::{Context as _, ensure};
use tollgate_tests::envoy;
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::{
    Route, generic_key, header_value_match, remote_address, request_header,
};
use tollgate_tests::http::Answer;

use crate::fronted::Fronted;

const LIMITS: &str = "
domain: edge
descriptors:
  - {key: generic_key, value: three, rate_limit: {unit: year, requests_per_unit: 3}}
  - {key: generic_key, value: hourly, rate_limit: {unit: hour, requests_per_unit: 3}}
  - key: generic_key
    value: named
    rate_limit: {name: burst-guard, unit: hour, requests_per_unit: 7}
  - key: generic_key
    value: nested
    rate_limit: {unit: year, requests_per_unit: 1}
    descriptors:
      - {key: user, rate_limit: {unit: year, requests_per_unit: 3}}
  - {key: user, rate_limit: {unit: year, requests_per_unit: 2}}
  - {key: header_match, value: debugging, rate_limit: {unit: year, requests_per_unit: 1}}
  - {key: remote_address, value: 127.0.0.1, rate_limit: {unit: year, requests_per_unit: 2}}
";

/// Starts a node with `LIMITS` behind an Envoy with the given routes; none where there is no Envoy.
async fn start(name: &str, routes: Vec<Route>) -> anyhow::Result<Option<Fronted>> {
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(None);
    };
    let arrange = |bootstrap: Bootstrap| routes.into_iter().fold(bootstrap, Bootstrap::route);
    Ok(Some(Fronted::start(&binary, LIMITS, arrange).await?))
}

fn header<'a>(answer: &'a Answer, name: &str) -> anyhow::Result<&'a str> {
    answer.header(name).with_context(|| format!("no {name} in {answer:?}"))
}

#[tokio::test]
async fn admits_the_limit_and_denies_the_next_before_the_upstream() -> anyhow::Result<()> {
    let routes = vec![Route::new("/three").descriptor(&[generic_key("three")])];
    let name = "through_envoy::admits_the_limit_and_denies_the_next_before_the_upstream";
    let Some(fronted) = start(name, routes).await? else {
        return Ok(());
    };
    for remaining in ["2", "1", "0"] {
        let answer = fronted.expect("/three", &[], 200).await?;
        ensure!(answer.text() == tollgate_tests::upstream::BODY, "{answer:?}");
        ensure!(answer.header("x-envoy-ratelimited").is_none(), "{answer:?}");
        ensure!(header(&answer, "x-ratelimit-remaining")? == remaining, "{answer:?}");
    }
    for _ in 0..2 {
        let answer = fronted.expect("/three", &[], 429).await?;
        ensure!(header(&answer, "x-envoy-ratelimited")? == "true", "{answer:?}");
        ensure!(header(&answer, "x-ratelimit-remaining")? == "0", "{answer:?}");
    }
    fronted.expect("/elsewhere", &[], 200).await?;
    fronted.expect_arrived(4)
}

#[tokio::test]
async fn limit_headers_carry_number_window_and_name() -> anyhow::Result<()> {
    let routes = vec![
        Route::new("/hourly").descriptor(&[generic_key("hourly")]),
        Route::new("/named").descriptor(&[generic_key("named")]),
    ];
    let name = "through_envoy::limit_headers_carry_number_window_and_name";
    let Some(fronted) = start(name, routes).await? else {
        return Ok(());
    };
    let hourly = fronted.expect("/hourly", &[], 200).await?;
    ensure!(header(&hourly, "x-ratelimit-limit")? == "3, 3;w=3600", "{hourly:?}");
    ensure!(header(&hourly, "x-ratelimit-remaining")? == "2", "{hourly:?}");
    let reset: u32 = header(&hourly, "x-ratelimit-reset")?.parse()?;
    ensure!((1..=3600).contains(&reset), "{hourly:?}");
    let named = fronted.expect("/named", &[], 200).await?;
    let limit = header(&named, "x-ratelimit-limit")?;
    ensure!(limit == "7, 7;w=3600;name=\"burst-guard\"", "{named:?}");
    Ok(())
}

#[tokio::test]
async fn an_unknown_domain_is_never_limited() -> anyhow::Result<()> {
    let name = "through_envoy::an_unknown_domain_is_never_limited";
    let Some(binary) = envoy::binary_or_skip(name)? else {
        return Ok(());
    };
    let fronted = Fronted::start(&binary, LIMITS, |bootstrap| {
        // Refusing on failure: so a 200 is an answer, not the failure mode.
        let bootstrap = Bootstrap { domain: "nobody".into(), ..bootstrap }.failure_mode_deny();
        bootstrap.route(Route::new("/").descriptor(&[generic_key("three")]))
    })
    .await?;
    for _ in 0..10 {
        let answer = fronted.expect("/", &[], 200).await?;
        ensure!(answer.header("x-ratelimit-limit").is_none(), "{answer:?}");
    }
    ensure!(fronted.envoy.counter("cluster.upstream.ratelimit.ok").await? == 10);
    fronted.expect_arrived(10)
}

#[tokio::test]
async fn a_nested_limit_counts_at_its_own_depth_only() -> anyhow::Result<()> {
    let user = || request_header("x-user", "user");
    let routes = vec![
        Route::new("/deep").descriptor(&[generic_key("nested"), user()]),
        Route::new("/shallow").descriptor(&[generic_key("nested")]),
    ];
    let name = "through_envoy::a_nested_limit_counts_at_its_own_depth_only";
    let Some(fronted) = start(name, routes).await? else {
        return Ok(());
    };
    // The shallower limit of 1 neither applies to the deeper descriptor nor is spent by it.
    for status in [200, 200, 200, 429] {
        fronted.expect("/deep", &[("x-user", "alice")], status).await?;
    }
    fronted.expect("/deep", &[("x-user", "bob")], 200).await?;
    for status in [200, 429] {
        fronted.expect("/shallow", &[], status).await?;
    }
    fronted.expect("/deep", &[("x-user", "bob")], 200).await?;
    fronted.expect_arrived(6)
}

#[tokio::test]
async fn a_key_without_a_value_counts_each_value_apart() -> anyhow::Result<()> {
    let routes = vec![Route::new("/").descriptor(&[request_header("x-user", "user")])];
    let name = "through_envoy::a_key_without_a_value_counts_each_value_apart";
    let Some(fronted) = start(name, routes).await? else {
        return Ok(());
    };
    for status in [200, 200, 429] {
        for user in ["alice", "bob", "käthe"] {
            fronted.expect("/", &[("x-user", user)], status).await?;
        }
    }
    // Without the header Envoy has nothing to ask about.
    fronted.expect("/", &[], 200).await?;
    fronted.expect_arrived(7)
}

#[tokio::test]
async fn one_exhausted_descriptor_of_several_denies() -> anyhow::Result<()> {
    let user = [request_header("x-user", "user")];
    let both = Route::new("/").descriptor(&[generic_key("named")]).descriptor(&user);
    let name = "through_envoy::one_exhausted_descriptor_of_several_denies";
    let Some(fronted) = start(name, vec![both]).await? else {
        return Ok(());
    };
    for (status, remaining) in [(200, "1"), (200, "0"), (429, "0")] {
        let answer = fronted.expect("/", &[("x-user", "alice")], status).await?;
        // Envoy shows the tighter limit first, and then all of them in the request's order.
        let limit = header(&answer, "x-ratelimit-limit")?;
        let all = "2, 7;w=3600;name=\"burst-guard\", 2;w=31536000";
        ensure!(limit == all, "{answer:?}");
        ensure!(header(&answer, "x-ratelimit-remaining")? == remaining, "{answer:?}");
    }
    fronted.expect_arrived(2)
}

#[tokio::test]
async fn header_match_and_client_address_are_limited_as_sent() -> anyhow::Result<()> {
    let routes = vec![
        Route::new("/match").descriptor(&[header_value_match("debugging", "x-debug", "on")]),
        Route::new("/address").descriptor(&[remote_address()]),
    ];
    let name = "through_envoy::header_match_and_client_address_are_limited_as_sent";
    let Some(fronted) = start(name, routes).await? else {
        return Ok(());
    };
    for status in [200, 429] {
        fronted.expect("/match", &[("x-debug", "on")], status).await?;
        fronted.expect("/match", &[("x-debug", "off")], 200).await?;
    }
    for status in [200, 200, 429] {
        fronted.expect("/address", &[], status).await?;
    }
    fronted.expect_arrived(5)
}
