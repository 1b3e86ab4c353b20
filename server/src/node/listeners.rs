//! The cores behind each listener, and what they serve.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tollgate_runtime::cores::{Acceptor, Cores, Options, Serve};
use tollgate_runtime::drain::Draining;

use super::files::Shares;
use super::sockets::Addresses;
use super::telemetry;
use crate::access::Access;
use crate::admin::{self, AdminSocket, Api, Served, ShowCluster};
use crate::budget::Budget;
use crate::config::Config;
use crate::decide::Decider;
use crate::grpc::{Health, Http2Bounds, RateLimit, Router, ServeGrpc, Stopwatches};
use crate::http::{
    Admin, CERTIFICATE_AGE, DecideHttp, Http1Bounds, NativeHttp, ServeAdmin, ServeHttp,
};
use crate::metrics;
use crate::native::{self, Native};
use crate::reload::ConfigStatus;
use crate::state::State;
use crate::tls::{Door, Protocol, Renewal, Tls};

/// How long a drain waits for calls in flight. Far above any caller's deadline; with the notice
/// before it below the 30 s after which orchestrators kill.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Runtimes beside those that decide: http, admin, the admin socket, the page of the reference's
/// figures, and the one that accepts.
const RUNTIMES_BESIDE: usize = 5;

/// What the listeners serve with.
pub(super) struct Parts {
    pub(super) decider: Arc<Decider>,
    pub(super) health: Health,
    pub(super) metrics: PrometheusHandle,
    pub(super) state: State,
    pub(super) status: ConfigStatus,
    /// Who may do more than ask for decisions; for every listener.
    pub(super) access: Arc<Access>,
    pub(super) shares: Shares,
    pub(super) budget: Budget,
    /// Shows the cluster, where there is one.
    pub(super) cluster: Option<ShowCluster>,
    /// The listener of the reference's figures, which telemetry runs.
    pub(super) page: Option<(SocketAddr, Arc<Acceptor>)>,
    /// Ends decide and http.
    pub(super) callers: Draining,
    /// Ends admin and its socket, which tell of the end of the others.
    pub(super) operators: Draining,
}

/// The running cores of each listener.
pub(super) struct Listeners {
    pub(super) callers: Callers,
    pub(super) operators: Operators,
    pub(super) open: Open,
    /// What keeps certificates in step with their files.
    pub(super) renewals: Vec<Renewal>,
}

/// The cores of those who ask for decisions.
pub(super) struct Callers {
    decide: Cores,
    http: Cores,
}

/// The cores of those who look after the node.
pub(super) struct Operators {
    admin: Cores,
    socket: Option<Served>,
}

/// What gives connections to the listeners, and knows how many there are.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) decide: Arc<Acceptor>,
    pub(super) http: Arc<Acceptor>,
    pub(super) admin: Arc<Acceptor>,
    socket: Option<admin::SocketConnections>,
    page: Option<Arc<Acceptor>>,
    api: Arc<Api>,
    native: Native,
}

impl Listeners {
    /// Starts the cores of every listener; nothing is accepted yet, but on the admin socket.
    pub(super) fn start(
        config: &Config,
        parts: Parts,
        addresses: &Addresses,
        socket: Option<AdminSocket>,
    ) -> anyhow::Result<Self> {
        let Parts { decider, health, metrics, state, status, access, .. } = parts;
        let (shares, budget, page) = (parts.shares, parts.budget, parts.page);
        let (callers, operators) = (parts.callers, parts.operators);
        let body_bytes_max = config.bounds.message_bytes_max;
        let (clock, mut renewals) = (Arc::clone(decider.clock()), Vec::new());
        let mut door = |name, tls: &Option<Tls>, protocol| -> anyhow::Result<Door> {
            let Some(tls) = tls else { return Ok(Door::clear()) };
            let made = Door::tls(name, tls, protocol, budget, Arc::clone(&clock));
            let (door, renewal) = made.with_context(|| format!("listeners.{name}.tls"))?;
            renewals.push(renewal);
            Ok(door)
        };
        let at = &config.listeners;
        let door_of_decide = door("decide", &at.decide_tls, Protocol::H2)?;
        let native = native(config, &decider, &access);
        let answering = Answering { health, native: native.clone(), budget };
        let decide = decide(config, &decider, answering, door_of_decide, callers.clone());
        let bounds = Http1Bounds { body_bytes_max, ..Http1Bounds::default() };
        let http = ServeHttp {
            handler: decide_http(config, &decider, native.at(at.http_access()), state.clone()),
            bounds,
            budget,
            door: door("http", &at.http_tls, Protocol::Http1)?,
            draining: callers,
        };
        let api = Arc::new(Api::new(admin::Parts {
            cluster: parts.cluster,
            bounds: config.bounds.of_request(),
            ledger: config.ledger,
            decider,
            state,
            config: status,
            access: Arc::clone(&access),
        }));
        let handler = Admin { api: Arc::clone(&api), metrics, access };
        let door = door("admin", &at.admin_tls, Protocol::Either)?;
        let (certificate_age, draining) = (CERTIFICATE_AGE, operators.clone());
        let admin = ServeAdmin { handler, http1: bounds, budget, door, certificate_age, draining };
        let page_address = page.as_ref().map(|(address, _)| *address);
        tell(&api, addresses, socket.as_ref(), page_address, shares, &renewals);
        let socket = socket.map(|socket| Served::start(socket, admin.clone(), operators));
        let callers = Callers {
            decide: Cores::start(options(workers(config), shares.decide), decide)?,
            http: start(1, shares.http, http)?,
        };
        let operators =
            Operators { admin: start(1, shares.admin, admin)?, socket: socket.transpose()? };
        let open = Open {
            page: page.map(|(_, acceptor)| acceptor),
            decide: callers.decide.acceptor(),
            http: callers.http.acceptor(),
            admin: operators.admin.acceptor(),
            socket: operators.socket.as_ref().map(Served::connections),
            api,
            native,
        };
        Ok(Self { callers, operators, open, renewals })
    }
}

impl Callers {
    /// Waits for every core to end; call after their drain has started and the accepting has ended.
    pub(super) fn join(self) {
        self.decide.join();
        self.http.join();
    }
}

impl Operators {
    /// As of [`Callers`].
    pub(super) fn join(self) {
        self.admin.join();
        if let Some(served) = self.socket {
            served.join();
        }
    }
}

impl Open {
    /// Connections of those who ask for decisions.
    pub(super) fn callers(&self) -> usize {
        self.decide.connections() + self.http.connections()
    }

    /// Brings the counts of open connections up to date, and forgets answers that have ended.
    pub(super) fn measure(&self) {
        self.native.tick();
        let socket = self.socket.as_ref().map_or(0, admin::SocketConnections::count);
        let page = self.page.as_ref().map(|page| (telemetry::LISTENER, page.connections()));
        let open = [
            ("decide", self.decide.connections()),
            ("http", self.http.connections()),
            ("admin", self.admin.connections()),
            ("admin_socket", socket),
        ];
        for (listener, connections) in open.into_iter().chain(page) {
            metrics::set_connections(listener, connections);
            self.api.listening().set_connections(listener, connections);
        }
    }
}

/// Tells operators of the listeners: the admin API and the metrics.
fn tell(
    api: &Api,
    addresses: &Addresses,
    socket: Option<&AdminSocket>,
    page: Option<SocketAddr>,
    shares: Shares,
    renewals: &[Renewal],
) {
    let add = |name, address, connections_max| {
        metrics::set_connections_max(name, connections_max);
        let renewal = renewals.iter().find(|renewal| renewal.listener() == name);
        let tls = renewal.map(Renewal::shown);
        api.listening().add(admin::Listener {
            name,
            address,
            connections_max,
            tls,
            connections: 0,
        });
    };
    add("decide", addresses.decide.clone(), shares.decide);
    add("http", addresses.http.to_string(), shares.http);
    add("admin", addresses.admin.to_string(), shares.admin);
    if let Some(socket) = socket {
        add("admin_socket", socket.path().display().to_string(), admin::SOCKET_CONNECTIONS_MAX);
    }
    if let Some(page) = page {
        add(telemetry::LISTENER, page.to_string(), telemetry::CONNECTIONS_MAX);
    }
}

fn rate_limit(config: &Config, decider: &Arc<Decider>, api: &'static str) -> RateLimit {
    RateLimit::new(Arc::clone(decider), config.bounds.of_request(), api)
}

/// The adapter of the decide listener.
fn native(config: &Config, decider: &Arc<Decider>, access: &Arc<Access>) -> Native {
    let (decider, access) = (Arc::clone(decider), Arc::clone(access));
    let parts = native::Parts { decider, access, bounds: config.bounds.of_request() };
    Native::new(parts, config.listeners.decide_access())
}

/// What the http listener answers with.
fn decide_http(
    config: &Config,
    decider: &Arc<Decider>,
    native: Native,
    state: State,
) -> DecideHttp {
    let (statistics, clock) = (decider.statistics(), decider.clock());
    DecideHttp {
        rate_limit: rate_limit(config, decider, "json"),
        stopwatch: statistics.json.stopwatch(Arc::clone(clock)),
        native: NativeHttp::new(native, statistics.native.stopwatch(Arc::clone(clock))),
        state,
    }
}

/// What the cores that decide answer with.
struct Answering {
    health: Health,
    native: Native,
    budget: Budget,
}

/// Makes what each core that decides serves its connections with.
fn decide(
    config: &Config,
    decider: &Arc<Decider>,
    Answering { health, native, budget }: Answering,
    door: Door,
    draining: Draining,
) -> impl Fn(usize) -> ServeGrpc<Router> + Send + Sync + 'static {
    let (age, body_bytes_max) = (config.listeners.decide_age, config.bounds.message_bytes_max);
    let (rate_limit, health) = (rate_limit(config, decider, "rls"), health.service());
    let (statistics, clock) = (Arc::clone(decider.statistics()), Arc::clone(decider.clock()));
    move |_| {
        let stopwatches = Stopwatches {
            rls: statistics.rls.stopwatch(Arc::clone(&clock)),
            native: statistics.native.stopwatch(Arc::clone(&clock)),
        };
        let (rate_limit, native, health) = (rate_limit.clone(), native.clone(), health.clone());
        let (draining, door) = (draining.clone(), door.clone());
        let service =
            Router::new(rate_limit, native, health, body_bytes_max, draining.clone(), stopwatches);
        ServeGrpc { service, bounds: Http2Bounds::default(), budget, door, age, draining }
    }
}

/// Starts `count` cores that serve with clones of `serve`.
fn start<S: Serve + Clone + Send + Sync>(
    count: usize,
    connections_max: usize,
    serve: S,
) -> std::io::Result<Cores> {
    Cores::start(options(count, connections_max), move |_| serve.clone())
}

const fn options(count: usize, connections_max: usize) -> Options {
    Options { count, connections_max, drain_max: DRAIN_MAX }
}

/// How many runtimes a node with this configuration has.
pub(super) fn runtimes(config: &Config) -> usize {
    workers(config) + RUNTIMES_BESIDE
}

/// Threads that decide: as configured, else one a core of the machine.
fn workers(config: &Config) -> usize {
    let machine = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.node.workers.map_or_else(machine, NonZeroUsize::get)
}
