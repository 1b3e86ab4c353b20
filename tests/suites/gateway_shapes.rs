//! The shapes of descriptors that Envoy Gateway makes: limits over xDS on one side, routes of a
//! real Envoy on the other. Of each shape the allowed number passes and the next is denied.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tollgate_proto::xds::RateLimitDescriptor;
use tollgate_tests::ads::{Ads, Any};
use tollgate_tests::envoy::{self, Envoy};
use tollgate_tests::envoy_bootstrap::Bootstrap;
use tollgate_tests::envoy_route::Route;
use tollgate_tests::rls::{RateLimitServiceClient, hits, request};
use tollgate_tests::upstream::Upstream;
use tollgate_tests::wait::{self, Probe};
use tonic::transport::Endpoint;

use crate::xds_node::{BOUND, XdsNode, chain, resource};

/// The domain of a listener, and that of a policy whose rules are shared.
const DOMAIN: &str = "default/eg/http";
const SHARED: &str = "default/policy";

/// The key and value of the first level.
fn route_key(name: &str) -> String {
    format!("httproute/default/{name}/rule/0/match/0/example_com")
}

fn pair(key: &str) -> Value {
    json!({"generic_key": {"descriptor_key": key, "descriptor_value": key}})
}

fn header_match(key: &str, header: &str, text: &Value, expect: bool) -> Value {
    json!({"header_value_match": {
        "descriptor_key": key, "descriptor_value": key, "expect_match": expect,
        "headers": [{"name": header, "string_match": text}],
    }})
}

fn cidr(value: &str, prefix: &str, invert: bool) -> Value {
    json!({"remote_address_match": {
        "descriptor_key": "masked_remote_address", "descriptor_value": value,
        "address_matcher": {
            "ranges": [{"address_prefix": prefix, "prefix_len": 8}], "invert_match": invert,
        },
    }})
}

/// A rule of one route: the path `/name`, the actions below its first level, and the limit's chain
/// below it.
struct Shape {
    name: &'static str,
    actions: Vec<Value>,
    levels: Vec<String>,
    number: u32,
}

impl Shape {
    fn new(name: &'static str, actions: Vec<Value>, levels: &[&str]) -> Self {
        let levels = levels.iter().map(|level| (*level).to_owned()).collect();
        Self { name, actions, levels, number: 2 }
    }

    fn descriptor(&self) -> RateLimitDescriptor {
        let key = route_key(self.name);
        let mut levels = vec![format!("{key}={key}")];
        levels.extend(self.levels.iter().cloned());
        let levels: Vec<_> = levels.iter().map(String::as_str).collect();
        chain(&levels, self.number)
    }

    /// The actions, the first level included.
    fn entry(&self) -> Value {
        let mut actions = vec![pair(&route_key(self.name))];
        actions.extend(self.actions.iter().cloned());
        json!({"actions": actions})
    }

    fn route(&self) -> Route {
        Route::new(&format!("/{}", self.name)).rate_limit(self.entry())
    }
}

fn shapes() -> Vec<Shape> {
    let exact = json!({"exact": "one"});
    let method = json!({"safe_regex": {"regex": "GET|POST"}});
    let both = |key: &str| format!("{key}={key}");
    let header = both("rule-0-match-0");
    let (method_key, path_key) = (both("rule-0-method"), both("rule-0-path"));
    let anything = both("rule-0-match--1");
    let distinct =
        json!({"request_headers": {"header_name": "x-user", "descriptor_key": "rule-0-match-0"}});
    let query = json!({"query_parameter_value_match": {
        "descriptor_key": "rule-0-match-0", "descriptor_value": "rule-0-match-0",
        "query_parameters": [{"name": "q", "string_match": {"exact": "one"}}],
    }});
    let query_distinct = json!({"query_parameters": {
        "query_parameter_name": "q", "descriptor_key": "rule-0-match-0",
    }});
    let path = header_match("rule-0-path", ":path", &json!({"prefix": "/path/deep"}), true);
    vec![
        Shape::new(
            "header",
            vec![header_match("rule-0-match-0", "x-user", &exact, true)],
            &[&header],
        ),
        Shape::new(
            "inverted",
            vec![header_match("rule-0-match-0", "x-user", &exact, false)],
            &[&header],
        ),
        Shape::new("distinct", vec![distinct], &["rule-0-match-0"]),
        Shape::new(
            "method",
            vec![header_match("rule-0-method", ":method", &method, true)],
            &[&method_key],
        ),
        Shape::new("path", vec![path], &[&path_key]),
        Shape::new(
            "cidr",
            vec![cidr("127.0.0.0/8", "127.0.0.0", false)],
            &["masked_remote_address=127.0.0.0/8"],
        ),
        Shape::new(
            "outside",
            vec![cidr("invert:10.0.0.0/8", "10.0.0.0", true)],
            &["masked_remote_address=invert:10.0.0.0/8"],
        ),
        Shape::new(
            "each-client",
            vec![cidr("127.0.0.0/8", "127.0.0.0", false), json!({"remote_address": {}})],
            &["masked_remote_address=127.0.0.0/8", "remote_address"],
        ),
        Shape::new("query", vec![query], &[&header]),
        Shape::new("each-query", vec![query_distinct], &["rule-0-match-0"]),
        Shape::new("anything", vec![pair("rule-0-match--1")], &[&anything]),
    ]
}

/// Envoy in front of an upstream, asking a node that follows a server.
struct Gateway {
    envoy: Envoy,
    node: XdsNode,
    upstream: Upstream,
    _ads: Ads,
}

impl Gateway {
    /// Starts all of them; none where there is no Envoy.
    async fn start(
        name: &str,
        resources: Vec<Any>,
        arrange: impl FnOnce(Bootstrap) -> Bootstrap,
    ) -> anyhow::Result<Option<Self>> {
        let Some(binary) = envoy::binary_or_skip(name)? else { return Ok(None) };
        let ads = Ads::start("1", resources, None)?;
        let node = XdsNode::start(&ads, &[]).await?;
        node.expect_metric("tollgate_xds_responses_total{result=\"accepted\"} 1").await?;
        let upstream = Upstream::start().await?;
        // Refusing on failure: so a 200 is an answer, not the failure mode.
        let bootstrap = Bootstrap::new(node.decide, upstream.address(), DOMAIN).failure_mode_deny();
        let envoy = Envoy::start(&binary, &arrange(bootstrap)).await?;
        Ok(Some(Self { envoy, node, upstream, _ads: ads }))
    }
}

const ALLOWED_THEN_DENIED: [u16; 4] = [200, 200, 429, 429];

#[tokio::test]
async fn every_matcher_allows_its_number_and_denies_the_next() -> anyhow::Result<()> {
    let shapes = shapes();
    let limits = shapes.iter().map(Shape::descriptor).collect();
    let name = "gateway_shapes::every_matcher_allows_its_number_and_denies_the_next";
    let arrange =
        |bootstrap: Bootstrap| shapes.iter().map(Shape::route).fold(bootstrap, Bootstrap::route);
    let Some(gateway) = Gateway::start(name, vec![resource(DOMAIN, limits)], arrange).await? else {
        return Ok(());
    };
    let (one, two) = ([("x-user", "one")], [("x-user", "two")]);
    gateway.envoy.expect("/header", &one, &ALLOWED_THEN_DENIED).await?;
    gateway.envoy.expect("/header", &two, &[200; 4]).await?;
    gateway.envoy.expect("/inverted", &two, &ALLOWED_THEN_DENIED).await?;
    gateway.envoy.expect("/inverted", &one, &[200; 4]).await?;
    for user in [one, two] {
        gateway.envoy.expect("/distinct", &user, &ALLOWED_THEN_DENIED).await?;
    }
    gateway.envoy.expect("/distinct", &[], &[200; 4]).await?;
    gateway.envoy.expect("/method", &[], &ALLOWED_THEN_DENIED).await?;
    gateway.envoy.expect("/path/deep/er", &[], &ALLOWED_THEN_DENIED).await?;
    gateway.envoy.expect("/path/shallow", &[], &[200; 4]).await?;
    for path in ["/cidr", "/outside", "/each-client", "/query?q=one", "/anything"] {
        gateway.envoy.expect(path, &[], &ALLOWED_THEN_DENIED).await?;
    }
    gateway.envoy.expect("/query?q=two", &[], &[200; 4]).await?;
    for path in ["/each-query?q=one", "/each-query?q=two"] {
        gateway.envoy.expect(path, &[], &ALLOWED_THEN_DENIED).await?;
    }
    let (limited, free) = (13, 5);
    let arrived = gateway.upstream.arrived();
    ensure!(arrived == 2 * limited + 4 * free, "{arrived} requests arrived");
    gateway.node.stop().await
}

#[tokio::test]
async fn shared_rules_shadows_and_blocks_are_what_they_say() -> anyhow::Result<()> {
    let shared_key = format!("{SHARED}/rule/0");
    let levels = format!("{shared_key}={shared_key}");
    let shared = chain(&[&levels, "rule-0-match--1=rule-0-match--1"], 3);
    let shape = |name| {
        Shape::new(name, vec![pair("rule-0-match--1")], &["rule-0-match--1=rule-0-match--1"])
    };
    let (shadow, blocked) = (shape("shadow"), Shape { number: 0, ..shape("blocked") });
    let mut shadow_limit = shadow.descriptor();
    for level in &mut shadow_limit.descriptors {
        level.shadow_mode = true;
    }
    let resources = vec![
        resource(DOMAIN, vec![shadow_limit, blocked.descriptor()]),
        resource(SHARED, vec![shared]),
    ];
    let entry = || json!({"actions": [pair(&shared_key), pair("rule-0-match--1")]});
    let arrange = |bootstrap: Bootstrap| {
        let first = Route::new("/first").shared_rate_limit(SHARED, entry());
        let second = Route::new("/second").shared_rate_limit(SHARED, entry());
        let bootstrap = bootstrap.shared_domain(SHARED).route(first).route(second);
        bootstrap.route(shadow.route()).route(blocked.route())
    };
    let name = "gateway_shapes::shared_rules_shadows_and_blocks_are_what_they_say";
    let Some(gateway) = Gateway::start(name, resources, arrange).await? else { return Ok(()) };
    // Two routes, one counter.
    gateway.envoy.expect("/first", &[], &[200, 200]).await?;
    gateway.envoy.expect("/second", &[], &[200, 429]).await?;
    gateway.envoy.expect("/first", &[], &[429]).await?;
    gateway.envoy.expect("/shadow", &[], &[200; 5]).await?;
    gateway.envoy.expect("/blocked", &[], &[429; 2]).await?;
    ensure!(gateway.upstream.arrived() == 8, "{}", gateway.upstream.arrived());
    gateway.node.stop().await
}

#[tokio::test]
async fn a_cost_is_charged_at_the_request_or_after_the_response() -> anyhow::Result<()> {
    let shape = |name, number| Shape {
        number,
        ..Shape::new(name, vec![pair("rule-0-match--1")], &["rule-0-match--1=rule-0-match--1"])
    };
    let (before, after) = (shape("before", 7), shape("after", 10));
    let resources = vec![resource(DOMAIN, vec![before.descriptor(), after.descriptor()])];
    let costing = |shape: &Shape, number: u32, on_stream_done: bool| {
        let mut entry = shape.entry();
        entry["hits_addend"] = json!({"number": number});
        entry["apply_on_stream_done"] = json!(on_stream_done);
        entry
    };
    let arrange = |bootstrap: Bootstrap| {
        let asks = Route::new("/before").rate_limit(costing(&before, 3, false));
        let peeks = Route::new("/after").rate_limit(costing(&after, 0, false));
        bootstrap.route(asks).route(peeks.rate_limit(costing(&after, 5, true)))
    };
    let name = "gateway_shapes::a_cost_is_charged_at_the_request_or_after_the_response";
    let Some(gateway) = Gateway::start(name, resources, arrange).await? else { return Ok(()) };
    // Three each: nine are more than seven.
    gateway.envoy.expect("/before", &[], &[200, 200, 429]).await?;
    // A peek at what is spent exactly still passes; the response after it is what goes beyond.
    for spent in [5, 10, 15] {
        gateway.envoy.expect("/after", &[], &[200]).await?;
        expect_spent(&gateway.node, &after, spent).await?;
    }
    gateway.envoy.expect("/after", &[], &[429]).await?;
    gateway.node.stop().await
}

/// Waits until this much of the shape's limit is spent: Envoy tells after the response.
async fn expect_spent(node: &XdsNode, shape: &Shape, spent: u32) -> anyhow::Result<()> {
    let key = route_key(shape.name);
    let entries = [(&*key, &*key), ("rule-0-match--1", "rule-0-match--1")];
    let mut peek = request(DOMAIN, &entries);
    peek.descriptors.first_mut().context("no descriptor")?.hits_addend = Some(hits(0));
    let endpoint = Endpoint::from_shared(format!("http://{}", node.decide))?;
    let mut client = RateLimitServiceClient::new(endpoint.connect().await?);
    let (left, is_over) = (shape.number.saturating_sub(spent), spent > shape.number);
    wait::until("the cost of a response", BOUND, async || {
        match client.should_rate_limit(peek.clone()).await {
            Ok(answer) => {
                let status = &answer.get_ref().statuses[0];
                let over = status.code() == tollgate_tests::rls::Code::OverLimit;
                if status.limit_remaining == left && over == is_over {
                    return Probe::Holds(());
                }
                Probe::NotYet(format!("{status:?}"))
            }
            Err(error) => Probe::Never(format!("{error:?}")),
        }
    })
    .await
}
