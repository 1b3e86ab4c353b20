//! Every variable of envoyproxy/ratelimit, its default there, and what it does here.
//!
//! `docs/environment.md` shows the same to users; a test holds the two together.

use self::Effect::{Honoured, Ignored};

/// A variable that the reference service reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// The reference's default, as one would write it; empty for none.
    pub(crate) default: &'static str,
    /// What it does here.
    pub(crate) effect: Effect,
}

/// What a variable does here, with words about how, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What it does there.
    Honoured(&'static str),
    /// Nothing; a warning says so.
    Ignored(&'static str),
}

/// Parts of the names of variables whose values may hold a password or a token.
const SECRETS: [&str; 5] = ["AUTH", "PASSWORD", "_URL", "ADDITIONAL_HEADERS", "OTLP"];

impl Variable {
    /// Whether its value must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        // How clients show who they are, not what they show.
        let is_rule = self.name == "TOLLGATE_RLS_CLIENT_AUTH";
        !is_rule && SECRETS.iter().any(|part| self.name.contains(part))
    }
}

/// Every variable, in the order of the documentation.
pub(crate) fn variables() -> impl Iterator<Item = &'static Variable> {
    [LISTENERS, CONFIGURATION, ANSWERS, XDS, STATISTICS, BACKENDS].into_iter().flatten()
}

/// The one with this name, if there is one.
pub(crate) fn find(name: &str) -> Option<&'static Variable> {
    variables().find(|variable| variable.name == name)
}

const fn variable(name: &'static str, default: &'static str, effect: Effect) -> Variable {
    Variable { name, default, effect }
}

const NO_TRACING: Effect = Ignored("tracing is not here yet");
const NO_REDIS: Effect = Ignored("there is no Redis");
const NO_MEMCACHED: Effect = Ignored("there is no Memcached");

const LISTENERS: &[Variable] = &[
    variable(
        "HOST",
        "0.0.0.0",
        Honoured("address of the HTTP listener; every address, IPv6 too, unless set"),
    ),
    variable("PORT", "8080", Honoured("port of the HTTP listener")),
    variable(
        "GRPC_HOST",
        "0.0.0.0",
        Honoured("address of the gRPC listener; every address, IPv6 too, unless set"),
    ),
    variable("GRPC_PORT", "8081", Honoured("port of the gRPC listener")),
    variable(
        "DEBUG_HOST",
        "0.0.0.0",
        Honoured(
            "address of the admin listener; 127.0.0.1 unless set, as its figures take no credentials",
        ),
    ),
    variable("DEBUG_PORT", "6070", Honoured("port of the admin listener")),
    variable(
        "GRPC_UDS",
        "",
        Honoured("a Unix socket, mode 0660, served instead of the gRPC listener's port"),
    ),
    variable(
        "GRPC_MAX_CONNECTION_AGE",
        "24h",
        Honoured("a tenth more or less, by chance; then calls in flight are answered; 0: never"),
    ),
    variable(
        "GRPC_MAX_CONNECTION_AGE_GRACE",
        "1h",
        Honoured("how long those calls may take before the connection is closed; 0: for ever"),
    ),
    variable("GRPC_SERVER_USE_TLS", "false", Honoured("TLS on the gRPC listener")),
    variable(
        "GRPC_SERVER_TLS_CERT",
        "",
        Honoured("its certificate, with GRPC_SERVER_USE_TLS; a renewed one is taken over"),
    ),
    variable("GRPC_SERVER_TLS_KEY", "", Honoured("the certificate's key")),
    variable(
        "GRPC_CLIENT_TLS_CACERT",
        "",
        Honoured("callers must show a certificate of it; an error without GRPC_SERVER_USE_TLS"),
    ),
    variable(
        "GRPC_CLIENT_TLS_SAN",
        "",
        Honoured("a DNS name or URI that the certificate must have; not an IP address"),
    ),
    variable(
        "GRPC_SERVER_TLS_CA_CERT",
        "",
        Honoured("not read there; callers' certificates must be of it, and none is let in, too"),
    ),
    variable(
        "TOLLGATE_RLS_CLIENT_AUTH",
        "",
        Honoured("not known there; require or request a certificate, whichever CA is set"),
    ),
    variable(
        "TOLLGATE_DRAIN_NOTICE",
        "",
        Honoured("not known there; how long health checks are told of the end; 5s unless set"),
    ),
];

const CONFIGURATION: &[Variable] = &[
    variable(
        "LOG_LEVEL",
        "WARN",
        Honoured("panic, fatal, error, warn, info, debug or trace; info unless set"),
    ),
    variable("LOG_FORMAT", "text", Honoured("text or json")),
    variable(
        "CONFIG_TYPE",
        "FILE",
        Honoured("FILE, or GRPC_XDS_SOTW: the limits come from a server, see xds.md"),
    ),
    variable(
        "FORCE_START_WITHOUT_INITIAL_CONFIG",
        "false",
        Honoured("files: either way a start waits for none; xDS: unless true, health checks wait"),
    ),
    variable(
        "HEALTHY_WITH_AT_LEAST_ONE_CONFIG_LOADED",
        "false",
        Honoured("health checks fail until the limits were right once"),
    ),
    variable(
        "RUNTIME_ROOT",
        "/srv/runtime_data/current",
        Honoured("where the folder of rate-limit files begins; may be a link that is swapped"),
    ),
    variable("RUNTIME_SUBDIRECTORY", "", Honoured("the folder below RUNTIME_ROOT")),
    variable(
        "RUNTIME_APPDIRECTORY",
        "config",
        Honoured("the folder below that, of which every file counts"),
    ),
    variable(
        "RUNTIME_IGNOREDOTFILES",
        "false",
        Honoured("either way files whose name begins with a dot do not count"),
    ),
    variable(
        "RUNTIME_WATCH_ROOT",
        "true",
        Honoured("either way an edit in the folder and a swapped root are seen"),
    ),
    variable("MERGE_DOMAIN_CONFIG", "false", Honoured("files of one domain make one tree")),
];

const ANSWERS: &[Variable] = &[
    variable(
        "NEAR_LIMIT_RATIO",
        "0.8",
        Honoured("the part of a limit from which hits count as near it; above 0, at most 1"),
    ),
    variable("SHADOW_MODE", "false", Honoured("every request passes, whatever its limits say")),
    variable(
        "QUOTA_MODE",
        "false",
        Honoured("a limit denies only together with all others that its request meets"),
    ),
    variable("RESPONSE_DYNAMIC_METADATA", "false", Honoured("answers carry dynamic metadata")),
    variable(
        "LIMIT_RESPONSE_HEADERS_ENABLED",
        "false",
        Honoured("answers carry RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"),
    ),
    variable("LIMIT_LIMIT_HEADER", "RateLimit-Limit", Honoured("name of the first of them")),
    variable(
        "LIMIT_REMAINING_HEADER",
        "RateLimit-Remaining",
        Honoured("name of the second of them"),
    ),
    variable("LIMIT_RESET_HEADER", "RateLimit-Reset", Honoured("name of the third of them")),
];

const XDS: &[Variable] = &[
    variable(
        "CONFIG_GRPC_XDS_NODE_ID",
        "default",
        Honoured("what this node calls itself; the server chooses its limits by it"),
    ),
    variable(
        "CONFIG_GRPC_XDS_NODE_METADATA",
        "",
        Honoured("what else it says about itself: `name=value`, joined by commas"),
    ),
    variable(
        "CONFIG_GRPC_XDS_SERVER_URL",
        "localhost:18000",
        Honoured("`host:port` of the server; also `dns:///host:port`"),
    ),
    variable(
        "CONFIG_GRPC_XDS_SERVER_CONNECT_RETRY_INTERVAL",
        "3s",
        Ignored("XDS_CLIENT_BACKOFF_INITIAL_INTERVAL says it"),
    ),
    variable(
        "CONFIG_GRPC_XDS_CLIENT_ADDITIONAL_HEADERS",
        "",
        Honoured("sent with the call, never shown: `name:value`, joined by commas"),
    ),
    variable("CONFIG_GRPC_XDS_SERVER_USE_TLS", "false", Honoured("the server is spoken to in TLS")),
    variable(
        "CONFIG_GRPC_XDS_CLIENT_TLS_CERT",
        "",
        Honoured("the certificate that this node shows; read anew for each connection"),
    ),
    variable("CONFIG_GRPC_XDS_CLIENT_TLS_KEY", "", Honoured("its key")),
    variable(
        "CONFIG_GRPC_XDS_SERVER_TLS_CACERT",
        "",
        Honoured("the authorities that may vouch for the server; the system's unless set"),
    ),
    variable(
        "CONFIG_GRPC_XDS_SERVER_TLS_SAN",
        "",
        Honoured(
            "the name that the server's certificate must have; the host of its URL unless set",
        ),
    ),
    variable(
        "XDS_CLIENT_BACKOFF_INITIAL_INTERVAL",
        "10s",
        Honoured("the first wait before a new connection; it doubles; 100ms unless set"),
    ),
    variable(
        "XDS_CLIENT_BACKOFF_MAX_INTERVAL",
        "60s",
        Honoured("the longest such wait; 10s unless set"),
    ),
    variable(
        "XDS_CLIENT_BACKOFF_RANDOM_FACTOR",
        "0.5",
        Ignored("waits double, which this factor keeps them from"),
    ),
    variable(
        "XDS_CLIENT_BACKOFF_JITTER",
        "true",
        Honoured("a wait is anything from nothing to that"),
    ),
    variable(
        "XDS_CLIENT_MAX_MSG_SIZE_IN_BYTES",
        "",
        Honoured("bytes of a response; 64 MiB unless set, where the reference has 4"),
    ),
];

const STATISTICS: &[Variable] = &[
    variable(
        "USE_STATSD",
        "true",
        Honoured(
            "figures go to a statsd peer; unless set, only where neither USE_DOG_STATSD nor USE_PROMETHEUS is true",
        ),
    ),
    variable(
        "STATSD_HOST",
        "localhost",
        Honoured("the peer of statsd and dogstatsd, by name or address"),
    ),
    variable("STATSD_PORT", "8125", Honoured("its port")),
    variable("STATSD_PROTOCOL", "tcp", Honoured("tcp or udp; dogstatsd is always udp")),
    variable(
        "STATS_FLUSH_INTERVAL",
        "10s",
        Honoured("the time between two flushes to that peer, from 100ms to 1h"),
    ),
    variable(
        "EXTRA_TAGS",
        "",
        Honoured("tags of everything that goes to that peer, as key:value,key:value"),
    ),
    variable(
        "USE_DOG_STATSD",
        "false",
        Honoured("figures go to a dogstatsd peer; an error with USE_STATSD true"),
    ),
    variable(
        "USE_DOG_STATSD_MOGRIFIERS",
        "",
        Honoured("names of rules, each in DOG_STATSD_MOGRIFIER_NAME_PATTERN, _NAME and _TAGS"),
    ),
    variable(
        "DISABLE_STATS",
        "false",
        Honoured("no statsd and no listener for Prometheus; /metrics stays"),
    ),
    variable(
        "USE_PROMETHEUS",
        "false",
        Honoured(
            "a listener with the reference's names, and those of /metrics; goes with statsd, too",
        ),
    ),
    variable("PROMETHEUS_ADDR", ":9090", Honoured("its address, as HOST:PORT or :PORT")),
    variable("PROMETHEUS_PATH", "/metrics", Honoured("the path of its page")),
    variable(
        "PROMETHEUS_MAPPER_YAML",
        "",
        Ignored("names and labels are those of the reference's own mapping"),
    ),
    variable(
        "PROMETHEUS_RESPONSE_TIME_AS_MILLISECONDS",
        "false",
        Honoured("ratelimit_service_response_time_seconds is in milliseconds"),
    ),
    variable("TRACING_ENABLED", "false", NO_TRACING),
    variable("TRACING_SERVICE_NAME", "RateLimit", NO_TRACING),
    variable("TRACING_SERVICE_NAMESPACE", "", NO_TRACING),
    variable("TRACING_SERVICE_INSTANCE_ID", "", NO_TRACING),
    variable("TRACING_EXPORTER_PROTOCOL", "http", NO_TRACING),
    variable("TRACING_SAMPLING_RATE", "1", NO_TRACING),
    variable("OTEL_EXPORTER_OTLP_ENDPOINT", "", NO_TRACING),
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", NO_TRACING),
    variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "", NO_TRACING),
    variable("OTEL_EXPORTER_OTLP_HEADERS", "", NO_TRACING),
    variable("OTEL_EXPORTER_OTLP_TIMEOUT", "", NO_TRACING),
];

const BACKENDS: &[Variable] = &[
    variable("BACKEND_TYPE", "redis", Ignored("counters live in the memory of the process")),
    variable("EXPIRATION_JITTER_MAX_SECONDS", "300", Ignored("counters end with their window")),
    variable("LOCAL_CACHE_SIZE_IN_BYTES", "0", Ignored("every counter is local")),
    variable("CACHE_KEY_PREFIX", "", Ignored("nobody else shares the counters")),
    variable(
        "STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT",
        "false",
        Ignored("the algorithm says what a refused hit counts"),
    ),
    variable("REDIS_SOCKET_TYPE", "unix", NO_REDIS),
    variable("REDIS_TYPE", "SINGLE", NO_REDIS),
    variable("REDIS_URL", "/var/run/nutcracker/ratelimit.sock", NO_REDIS),
    variable("REDIS_POOL_SIZE", "10", NO_REDIS),
    variable("REDIS_AUTH", "", NO_REDIS),
    variable("REDIS_TLS", "false", NO_REDIS),
    variable("REDIS_SENTINEL_AUTH", "", NO_REDIS),
    variable("REDIS_PIPELINE_WINDOW", "0", NO_REDIS),
    variable("REDIS_PIPELINE_LIMIT", "0", NO_REDIS),
    variable("REDIS_USE_EXPLICIT_PIPELINE", "false", NO_REDIS),
    variable("REDIS_TIMEOUT", "10s", NO_REDIS),
    variable("REDIS_POOL_ON_EMPTY_BEHAVIOR", "WAIT", NO_REDIS),
    variable("REDIS_TLS_CLIENT_CERT", "", NO_REDIS),
    variable("REDIS_TLS_CLIENT_KEY", "", NO_REDIS),
    variable("REDIS_TLS_CACERT", "", NO_REDIS),
    variable("REDIS_TLS_SKIP_HOSTNAME_VERIFICATION", "false", NO_REDIS),
    variable("REDIS_HEALTH_CHECK_ACTIVE_CONNECTION", "false", NO_REDIS),
    variable("REDIS_PERSECOND", "false", NO_REDIS),
    variable("REDIS_PERSECOND_SOCKET_TYPE", "unix", NO_REDIS),
    variable("REDIS_PERSECOND_TYPE", "SINGLE", NO_REDIS),
    variable("REDIS_PERSECOND_URL", "/var/run/nutcracker/ratelimitpersecond.sock", NO_REDIS),
    variable("REDIS_PERSECOND_POOL_SIZE", "10", NO_REDIS),
    variable("REDIS_PERSECOND_AUTH", "", NO_REDIS),
    variable("REDIS_PERSECOND_TLS", "false", NO_REDIS),
    variable("REDIS_PERSECOND_SENTINEL_AUTH", "", NO_REDIS),
    variable("REDIS_PERSECOND_PIPELINE_WINDOW", "0", NO_REDIS),
    variable("REDIS_PERSECOND_PIPELINE_LIMIT", "0", NO_REDIS),
    variable("REDIS_PERSECOND_USE_EXPLICIT_PIPELINE", "false", NO_REDIS),
    variable("REDIS_PERSECOND_TIMEOUT", "10s", NO_REDIS),
    variable("REDIS_PERSECOND_POOL_ON_EMPTY_BEHAVIOR", "WAIT", NO_REDIS),
    variable("MEMCACHE_HOST_PORT", "", NO_MEMCACHED),
    variable("MEMCACHE_MAX_IDLE_CONNS", "2", NO_MEMCACHED),
    variable("MEMCACHE_SRV", "", NO_MEMCACHED),
    variable("MEMCACHE_SRV_REFRESH", "0", NO_MEMCACHED),
    variable("MEMCACHE_TLS", "false", NO_MEMCACHED),
    variable("MEMCACHE_TLS_CLIENT_CERT", "", NO_MEMCACHED),
    variable("MEMCACHE_TLS_CLIENT_KEY", "", NO_MEMCACHED),
    variable("MEMCACHE_TLS_CACERT", "", NO_MEMCACHED),
    variable("MEMCACHE_TLS_SKIP_HOSTNAME_VERIFICATION", "false", NO_MEMCACHED),
];
