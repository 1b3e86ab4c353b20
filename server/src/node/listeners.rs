//! The cores behind each listener, and what they serve.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use tollgate_runtime::cores::{Cores, Options, Serve};
use tollgate_runtime::drain::Draining;

use super::sockets::Sockets;
use crate::admin::{self, Api, Served};
use crate::budget::Budget;
use crate::config::Config;
use crate::decide::Decider;
use crate::grpc::{Health, Http2Bounds, RateLimit, Router, ServeGrpc};
use crate::http::{Admin, Caller, DecideHttp, Http1Bounds, ServeHttp};
use crate::metrics;
use crate::reload::ConfigStatus;
use crate::state::State;

/// Connections on the decide listener. Envoys open a handful each; this bounds file descriptors.
const DECIDE_CONNECTIONS_MAX: usize = 10_000;

/// Connections on each of the others.
const HTTP_CONNECTIONS_MAX: usize = 1_000;

/// How long a drain waits for calls in flight. Far above any caller's deadline, below the 30 s
/// after which orchestrators kill.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// What the listeners serve with.
pub(super) struct Parts {
    pub(super) decider: Arc<Decider>,
    pub(super) health: Health,
    pub(super) metrics: PrometheusHandle,
    pub(super) state: State,
    pub(super) status: ConfigStatus,
    pub(super) draining: Draining,
}

/// The running cores of each listener.
pub(super) struct Listeners {
    decide: Cores,
    http: Cores,
    admin: Cores,
    /// Present from the first accept on, if there is a socket.
    admin_socket: Mutex<Option<Served>>,
    operators: ServeHttp<Admin>,
    draining: Draining,
}

impl Listeners {
    /// Starts the cores of every listener.
    pub(super) fn start(config: &Config, parts: Parts) -> std::io::Result<Self> {
        let Parts { decider, health, metrics, state, status, draining } = parts;
        let budget = Budget::new(config.bounds.in_flight_bytes_max);
        let body_bytes_max = config.bounds.message_bytes_max;
        let rate_limit =
            |api| RateLimit::new(Arc::clone(&decider), config.bounds.of_request(), api);
        let router = Router::new(rate_limit("rls"), health.service(), body_bytes_max);
        let grpc = ServeGrpc {
            service: router,
            bounds: Http2Bounds::default(),
            budget,
            draining: draining.clone(),
        };
        let bounds = Http1Bounds { body_bytes_max, ..Http1Bounds::default() };
        let callers = DecideHttp { rate_limit: rate_limit("json"), state: state.clone() };
        let callers = ServeHttp { handler: callers, bounds, budget, draining: draining.clone() };
        let api = Arc::new(Api::new(admin::Parts {
            bounds: config.bounds.of_request(),
            ledger: config.ledger,
            decider,
            state,
            config: status,
        }));
        let operators = Admin { api, metrics, caller: Caller::Anybody };
        let operators =
            ServeHttp { handler: operators, bounds, budget, draining: draining.clone() };
        Ok(Self {
            decide: start(workers(config), DECIDE_CONNECTIONS_MAX, &draining, grpc)?,
            http: start(1, HTTP_CONNECTIONS_MAX, &draining, callers)?,
            admin: start(1, HTTP_CONNECTIONS_MAX, &draining, operators.clone())?,
            admin_socket: Mutex::default(),
            operators,
            draining,
        })
    }

    /// Accepts on every socket until the drain starts.
    pub(super) async fn accept(&self, sockets: Sockets) -> std::io::Result<()> {
        let addresses = sockets.addresses()?;
        let listening = self.operators.handler.api.listening();
        listening.add("decide", addresses.decide.to_string());
        listening.add("http", addresses.http.to_string());
        listening.add("admin", addresses.admin.to_string());
        if let Some(socket) = sockets.admin_socket {
            listening.add("admin_socket", socket.path().display().to_string());
            let mut operators = self.operators.clone();
            operators.handler.caller = Caller::Owner;
            let served = Served::start(socket, operators, self.draining.clone())?;
            *self.admin_socket.lock() = Some(served);
        }
        tokio::try_join!(
            self.decide.accept(sockets.decide, self.draining.clone()),
            self.http.accept(sockets.http, self.draining.clone()),
            self.admin.accept(sockets.admin, self.draining.clone()),
        )?;
        Ok(())
    }

    /// Brings the counts of open connections up to date.
    pub(super) fn measure(&self) {
        let socket = self.admin_socket.lock().as_ref().map_or(0, Served::connections);
        let open = [
            ("decide", self.decide.connections()),
            ("http", self.http.connections()),
            ("admin", self.admin.connections()),
            ("admin_socket", socket),
        ];
        for (listener, connections) in open {
            metrics::set_connections(listener, connections);
            self.operators.handler.api.listening().set_connections(listener, connections);
        }
    }

    /// Waits for every core to end; call after the drain has started.
    pub(super) fn join(self) {
        self.decide.join();
        self.http.join();
        self.admin.join();
        if let Some(served) = self.admin_socket.into_inner() {
            served.join();
        }
    }
}

/// Starts `count` cores that serve with clones of `serve`.
fn start<S: Serve + Clone + Send + Sync>(
    count: usize,
    connections_max: usize,
    draining: &Draining,
    serve: S,
) -> std::io::Result<Cores> {
    let options = Options { count, connections_max, drain_max: DRAIN_MAX };
    Cores::start(options, draining, move |_| serve.clone())
}

/// Threads that decide: as configured, else one a core of the machine.
fn workers(config: &Config) -> usize {
    let machine = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.node.workers.map_or_else(machine, NonZeroUsize::get)
}
