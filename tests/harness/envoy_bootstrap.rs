//! The configuration that the suites give to Envoy, as plain JSON.
//!
//! One HTTP listener with the ratelimit filter in front of one upstream. What a test varies is a
//! field; what it does not vary is what a careful operator would write. Names and meaning of the
//! fields are Envoy's own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// The listener's name in Envoy's admin answers.
pub(crate) const LISTENER: &str = "edge";

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
    /// A Unix socket of the rate-limit service, instead of its address.
    pub decide_pipe: Option<PathBuf>,
    /// More nodes of the rate-limit service; with them, Envoy asks each for its health, often.
    pub more: Vec<SocketAddr>,
    /// TLS to the rate-limit service.
    pub tls: Option<ClientTls>,
    /// What is limited, first match first; anything else goes to the upstream unlimited.
    pub routes: Vec<Route>,
}

/// How Envoy speaks TLS to the rate-limit service; it never names the server (SNI).
#[derive(Debug, Clone, Default)]
pub struct ClientTls {
    /// The file with who vouches for the server.
    pub ca: PathBuf,
    /// The files of Envoy's own certificate and key, if it shows one.
    pub pair: Option<[PathBuf; 2]>,
    /// Whether it names HTTP/2 in the handshake (ALPN).
    pub alpn: bool,
}

/// The requests under one path prefix and the descriptors they are asked with.
#[derive(Debug, Clone)]
pub struct Route {
    prefix: String,
    rate_limits: Vec<Value>,
    answer_headers: Vec<Value>,
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
            decide_pipe: None,
            more: Vec::new(),
            tls: None,
            routes: Vec::new(),
        }
    }

    /// Adds a route.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Asks over a Unix socket.
    #[must_use]
    pub fn pipe(mut self, path: &Path) -> Self {
        self.decide_pipe = Some(path.to_owned());
        self
    }

    /// Adds a node of the rate-limit service.
    #[must_use]
    pub fn and(mut self, decide: SocketAddr) -> Self {
        self.more.push(decide);
        self
    }

    /// Asks over TLS.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
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
                    self.tollgate_cluster(),
                    cluster(
                        UPSTREAM_CLUSTER,
                        &[socket(self.upstream)],
                        &json!({"http_protocol_options": {}}),
                    ),
                ],
            },
        })
    }

    fn tollgate_cluster(&self) -> Value {
        let first = match &self.decide_pipe {
            Some(path) => json!({"pipe": {"path": path}}),
            None => socket(self.decide),
        };
        let more = self.more.iter().map(|address| socket(*address));
        let places: Vec<_> = [first].into_iter().chain(more).collect();
        let protocol = json!({"http2_protocol_options": {}});
        let mut cluster = cluster(TOLLGATE_CLUSTER, &places, &protocol);
        if !self.more.is_empty() {
            cluster["health_checks"] = json!([{
                "timeout": "1s",
                "interval": "0.1s",
                "no_traffic_interval": "0.1s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": "ratelimit"},
            }]);
        }
        if let Some(tls) = &self.tls {
            cluster["transport_socket"] = tls.json();
        }
        cluster
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
                    "http_filters": [self.ratelimit_filter(), {
                        "name": "envoy.filters.http.router",
                        "typed_config": {
                            "@type": "type.googleapis.com/\
                                envoy.extensions.filters.http.router.v3.Router",
                        },
                    }],
                },
            }]}],
        })
    }

    fn ratelimit_filter(&self) -> Value {
        json!({
            "name": "envoy.filters.http.ratelimit",
            "typed_config": {
                "@type":
                    "type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit",
                "domain": self.domain,
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
            })
        });
        let rest = json!({"match": {"prefix": "/"}, "route": {"cluster": UPSTREAM_CLUSTER}});
        limited.chain([rest]).collect()
    }
}

impl ClientTls {
    fn json(&self) -> Value {
        let mut context = json!({
            "validation_context": {"trusted_ca": {"filename": self.ca}},
        });
        if let Some([cert, key]) = &self.pair {
            context["tls_certificates"] = json!([{
                "certificate_chain": {"filename": cert},
                "private_key": {"filename": key},
            }]);
        }
        if self.alpn {
            context["alpn_protocols"] = json!(["h2"]);
        }
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/\
                    envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": context,
            },
        })
    }
}

impl Route {
    /// A route without descriptors: nothing is asked.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), rate_limits: Vec::new(), answer_headers: Vec::new() }
    }

    /// Adds a descriptor: one entry an action, in order. If an action has nothing to say about a
    /// request, Envoy leaves its descriptor out.
    #[must_use]
    pub fn descriptor(mut self, actions: &[Value]) -> Self {
        self.rate_limits.push(json!({"actions": actions}));
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

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(name: &str, places: &[Value], protocol: &Value) -> Value {
    let endpoints: Vec<_> =
        places.iter().map(|place| json!({"endpoint": {"address": place}})).collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.25s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/\
                    envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            },
        },
    })
}
