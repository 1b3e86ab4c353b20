//! The configuration that the suites give to Envoy, as plain JSON.
//!
//! One HTTP listener with the ratelimit filter in front of one upstream. What a test varies is a
//! field; what it does not vary is what a careful operator would write. Names and meaning of the
//! fields are Envoy's own.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The listener's name in Envoy's admin answers.
pub(crate) const LISTENER: &str = "edge";

const RATELIMIT_FILTER: &str = "envoy.filters.http.ratelimit";
const TOLLGATE_CLUSTER: &str = "tollgate";
const UPSTREAM_CLUSTER: &str = "upstream";

/// Everything a test may vary.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The rate-limit service.
    pub decide: SocketAddr,
    /// The protected service.
    pub upstream: SocketAddr,
    /// The domain that Envoy asks in.
    pub domain: String,
    /// Whether requests are refused while the rate-limit service does not answer.
    pub failure_mode_deny: bool,
    /// How long Envoy waits for a decision. Long beside a decision and beside Envoy's own 20 ms: a
    /// slow test machine must not look like a failed service.
    pub timeout: Duration,
    /// Domains that a route may be asked about beside that one, each by a filter of its own.
    pub shared_domains: Vec<String>,
    /// What is limited, first match first; anything else goes to the upstream unlimited.
    pub routes: Vec<Route>,
}

/// The requests under one path prefix and the descriptors they are asked with.
#[derive(Debug, Clone)]
pub struct Route {
    prefix: String,
    rate_limits: Vec<Value>,
    answer_headers: Vec<Value>,
    per_filter: Map<String, Value>,
}

impl Bootstrap {
    /// Envoy's defaults, with a generous wait for the decision, and no limited route.
    #[must_use]
    pub fn new(decide: SocketAddr, upstream: SocketAddr, domain: &str) -> Self {
        Self {
            decide,
            upstream,
            domain: domain.to_owned(),
            failure_mode_deny: false,
            timeout: Duration::from_millis(250),
            shared_domains: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// Adds a filter that asks in this domain, for the routes that say so.
    #[must_use]
    pub fn shared_domain(mut self, domain: &str) -> Self {
        self.shared_domains.push(domain.to_owned());
        self
    }

    /// Adds a route.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Refuses requests while the rate-limit service does not answer.
    #[must_use]
    pub fn failure_mode_deny(mut self) -> Self {
        self.failure_mode_deny = true;
        self
    }

    /// The whole bootstrap; Envoy takes JSON where it takes YAML.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "node": {"id": "tollgate-tests", "cluster": "tollgate-tests"},
            "admin": {"address": socket(SocketAddr::from(([127, 0, 0, 1], 0)))},
            "static_resources": {
                "listeners": [self.listener()],
                "clusters": [
                    cluster(TOLLGATE_CLUSTER, self.decide, &json!({"http2_protocol_options": {}})),
                    cluster(UPSTREAM_CLUSTER, self.upstream, &json!({"http_protocol_options": {}})),
                ],
            },
        })
    }

    fn listener(&self) -> Value {
        json!({
            "name": LISTENER,
            "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.\
                        http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": LISTENER,
                    // The client's address, which `remote_address` sends, is the connection's.
                    "use_remote_address": true,
                    "route_config": {"virtual_hosts": [{
                        "name": "all", "domains": ["*"], "routes": self.routes(),
                    }]},
                    "http_filters": self.http_filters(),
                },
            }]}],
        })
    }

    fn http_filters(&self) -> Vec<Value> {
        let own = self.ratelimit_filter(RATELIMIT_FILTER, &self.domain);
        let shared = self.shared_domains.iter();
        let shared = shared.map(|domain| self.ratelimit_filter(&shared_filter(domain), domain));
        let router = json!({
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        });
        std::iter::once(own).chain(shared).chain([router]).collect()
    }

    fn ratelimit_filter(&self, name: &str, domain: &str) -> Value {
        json!({
            "name": name,
            "typed_config": {
                "@type":
                    "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
                "domain": domain,
                "failure_mode_deny": self.failure_mode_deny,
                "timeout": format!("{}s", self.timeout.as_secs_f64()),
                "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
                "rate_limit_service": {
                    "transport_api_version": "V3",
                    "grpc_service": {"envoy_grpc": {"cluster_name": TOLLGATE_CLUSTER}},
                },
            },
        })
    }

    fn routes(&self) -> Vec<Value> {
        let limited = self.routes.iter().map(|route| {
            json!({
                "match": {"prefix": route.prefix},
                "route": {"cluster": UPSTREAM_CLUSTER, "rate_limits": route.rate_limits},
                "response_headers_to_add": route.answer_headers,
                "typed_per_filter_config": route.per_filter,
            })
        });
        let rest = json!({"match": {"prefix": "/"}, "route": {"cluster": UPSTREAM_CLUSTER}});
        limited.chain([rest]).collect()
    }
}

impl Route {
    /// A route without descriptors: nothing is asked.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            rate_limits: Vec::new(),
            answer_headers: Vec::new(),
            per_filter: Map::new(),
        }
    }

    /// Adds a descriptor: one entry an action, in order. If an action has nothing to say about a
    /// request, Envoy leaves its descriptor out.
    #[must_use]
    pub fn descriptor(mut self, actions: &[Value]) -> Self {
        self.rate_limits.push(json!({"actions": actions}));
        self
    }

    /// Adds a whole `RateLimit` of Envoy's, as the filter's own configuration for this route: only
    /// there Envoy heeds `hits_addend` and `apply_on_stream_done`.
    #[must_use]
    pub fn rate_limit(self, entry: Value) -> Self {
        self.filter_rate_limit(RATELIMIT_FILTER.to_owned(), entry)
    }

    /// Has this route asked about in a shared domain, by one `RateLimit`.
    #[must_use]
    pub fn shared_rate_limit(self, domain: &str, entry: Value) -> Self {
        self.filter_rate_limit(shared_filter(domain), entry)
    }

    fn filter_rate_limit(mut self, filter: String, entry: Value) -> Self {
        let new = || {
            json!({
                "@type": "type.googleapis.com/\
                    envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
                "rate_limits": [],
            })
        };
        let config = self.per_filter.entry(filter).or_insert_with(new);
        if let Some(entries) = config["rate_limits"].as_array_mut() {
            entries.push(entry);
        }
        self
    }
}

impl Route {
    /// Has Envoy answer with a header that tells what it knows: `format` is one of its format
    /// strings, such as `%DYNAMIC_METADATA(namespace:key)%`.
    #[must_use]
    pub fn answer_header(mut self, name: &str, format: &str) -> Self {
        self.answer_headers.push(json!({"header": {"key": name, "value": format}}));
        self
    }
}

/// The entry `generic_key = value`.
#[must_use]
pub fn generic_key(value: &str) -> Value {
    json!({"generic_key": {"descriptor_value": value}})
}

/// The entry `key =` the header's value.
#[must_use]
pub fn request_header(header: &str, key: &str) -> Value {
    json!({"request_headers": {"header_name": header, "descriptor_key": key}})
}

/// The entry `header_match = value`, if the header has exactly the text.
#[must_use]
pub fn header_value_match(value: &str, header: &str, exact: &str) -> Value {
    json!({"header_value_match": {
        "descriptor_value": value,
        "headers": [{"name": header, "string_match": {"exact": exact}}],
    }})
}

/// The entry `remote_address =` the client's address.
#[must_use]
pub fn remote_address() -> Value {
    json!({"remote_address": {}})
}

/// The filter that asks in a shared domain, as Envoy Gateway names it.
fn shared_filter(domain: &str) -> String {
    format!("{RATELIMIT_FILTER}/{domain}")
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(name: &str, address: SocketAddr, protocol: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.25s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": socket(address)}},
        ]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/\
                    envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            },
        },
    })
}
