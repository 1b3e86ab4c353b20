//! A running node: listeners bound, cores started, served until a signal, drained.

mod banner;
mod ending;
mod files;
mod listeners;
mod sockets;
mod telemetry;

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tollgate_core::key::KeySecret;
use tollgate_core::store::Bounds;
use tollgate_core::time::Clock;
use tollgate_runtime::clock::SystemClock;
use tollgate_runtime::drain::Signals;

use self::ending::Ending;
use self::files::Shares;
use self::listeners::{Listeners, Open, Parts};
pub use self::sockets::Addresses;
use self::sockets::Sockets;
use self::telemetry::Telemetry;
use crate::access::Access;
use crate::budget::Budget;
use crate::cluster::{Joined, ReplicatedLedger};
use crate::config::{self, Config};
use crate::decide::{Active, Decider};
use crate::grpc::Health;
use crate::metrics;
use crate::reload::{HealthRule, Loaded, Reload};
use crate::state::State;
use crate::tls;

/// How often time is disciplined and ended buckets are freed.
const TICK: Duration = Duration::from_secs(1);

/// How long the end waits for a file that is being read.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// How a node introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// For a person at a terminal, on standard output: what listens where, what to try.
    Banner,
    /// Log events only.
    Quiet,
}

/// Serves until SIGINT or SIGTERM, then drains: see `ending.rs`. A second signal ends the
/// process at once.
///
/// # Errors
/// If an address cannot be bound or the operating system refuses a thread or a handler.
pub fn run(loaded: Loaded, greeting: Greeting) -> anyhow::Result<()> {
    let Loaded { config: file, domains, origin, health, member } = loaded;
    let config = of_member(&file, member.as_deref());
    let metrics = metrics::install();
    let clock = Arc::new(SystemClock::start());
    let joined = Joined::join(&config, member.as_deref(), &(Arc::clone(&clock) as _))?;
    let secret = joined.as_ref().map_or_else(fresh_secret, |joined| Ok(joined.key_secret()))?;
    let active = if origin.is_loaded() {
        Active::new(domains, config.answers.clone(), &secret)
    } else {
        Active::unloaded(config.answers.clone(), &secret)
    };
    let decider = Arc::new(decider(&config, active, secret, joined.as_ref(), &clock));
    let access = open_access(&config, decider.clock())?;
    let shares = Shares::take(listeners::runtimes(&config));
    let sockets = Sockets::bind(&config)?;
    let page = telemetry::bind(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reload = {
        let _entered = runtime.enter();
        Reload::prepare(origin, &file, &decider, clock)?
    };
    let cluster = joined.as_ref().map(Joined::ledger);
    let start = Start { greeting, health, shares, page, access, cluster };
    let ended = runtime.block_on(live(&config, start, sockets, decider, metrics, reload));
    // A read of a file that hangs must not keep the process.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    // Its callers were answered.
    joined.into_iter().for_each(Joined::leave);
    ended
}

/// The file's configuration with the listeners that it gives this member.
fn of_member(file: &Config, member: Option<&str>) -> Config {
    let own = file.cluster.as_ref().and_then(|cluster| cluster.own(member).ok());
    match own {
        Some((_, member)) => {
            Config { listeners: member.listeners(&file.listeners), ..file.clone() }
        }
        None => file.clone(),
    }
}

/// Random bytes for the keys of a node that counts alone.
fn fresh_secret() -> anyhow::Result<KeySecret> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).context("no random bytes for the hash key")?;
    Ok(KeySecret::new(secret))
}

/// Decides by the cluster's counters, or by the node's own.
fn decider(
    config: &Config,
    active: Active,
    secret: KeySecret,
    joined: Option<&Joined>,
    clock: &Arc<SystemClock>,
) -> Decider {
    let config::Ledger { keys_max, bytes_max, reservations_max } = config.ledger;
    let (bounds, clock) = (Bounds { keys_max, bytes_max }, Arc::clone(clock) as _);
    match joined {
        Some(joined) => Decider::replicated(active, secret, joined.ledger(), bounds, clock),
        None => {
            let decider = Decider::new(active, secret, bounds, clock);
            decider.with_reservations_max(reservations_max)
        }
    }
}

/// How a node comes up.
struct Start {
    greeting: Greeting,
    health: HealthRule,
    shares: Shares,
    /// For the reference's Prometheus names.
    page: Option<TcpListener>,
    access: Arc<Access>,
    /// The cluster's counters, where there is one.
    cluster: Option<Arc<ReplicatedLedger>>,
}

/// Knows who may do what, before anything listens: a file of tokens that is wrong starts nothing.
fn open_access(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<Access>> {
    let at = &config.listeners;
    if let Some(warning) = at.warning() {
        tracing::warn!(event = "admin_without_tls", "{warning}");
    }
    let access = Access::open(at.tokens_file.clone(), at.admin_roles.clone(), Arc::clone(clock));
    Ok(Arc::new(access.context("listeners.admin.tokens_file")?))
}

async fn live(
    config: &Config,
    start: Start,
    sockets: Sockets,
    decider: Arc<Decider>,
    metrics: PrometheusHandle,
    reload: Reload,
) -> anyhow::Result<()> {
    // Before anything is said to be ready: a signal that comes early is not lost.
    let mut signals = Signals::listen()?;
    let ending = Ending::default();
    let state = State::starting(ending.told.watch());
    let health = first_health(start.health, &decider, &state).await;
    let Sockets { decide, http, admin, admin_socket, addresses } = sockets;
    let budget = Budget::new(config.bounds.in_flight_bytes_max);
    let telemetry = telemetry::Parts {
        decider: Arc::clone(&decider),
        metrics: metrics.clone(),
        status: reload.status(),
        budget,
        draining: ending.operators.watch(),
    };
    let telemetry = Telemetry::start(config, start.page, telemetry)?;
    let parts = Parts {
        decider: Arc::clone(&decider),
        health: health.clone(),
        metrics,
        state: state.clone(),
        status: reload.status(),
        access: start.access,
        shares: start.shares,
        budget,
        page: telemetry.page(),
        cluster: start.cluster.as_ref().map(ReplicatedLedger::show),
        callers: ending.callers.watch(),
        operators: ending.operators.watch(),
    };
    let listeners = Listeners::start(config, parts, &addresses, admin_socket)?;
    let Listeners { callers, operators, open, renewals } = listeners;
    state.set_ready();
    announce(&addresses, start.greeting);
    let accepting = async {
        tokio::try_join!(
            open.decide.accept(decide, ending.callers.watch()),
            open.http.accept(http, ending.callers.watch()),
        )?;
        anyhow::Ok(())
    };
    let ended = async {
        let notice = config.node.drain_notice;
        tokio::try_join!(accepting, ending.lead(&mut signals, &health, notice, &open))?;
        ending::join(&mut signals, || callers.join()).await
    };
    tokio::select! {
        ended = ended => ended?,
        ended = open.admin.accept(admin, ending.operators.watch()) => ended?,
        () = tick(&decider, start.cluster.as_deref(), &open, &health, &state) => {}
        () = reload.run() => {}
        ended = tls::renew(renewals) => ended?,
        ended = telemetry.run() => ended?,
    }
    // The others have ended, and everybody could ask until now.
    ending.operators.start();
    ending::join(&mut signals, || operators.join()).await?;
    ending::wait(&mut signals, telemetry.finish()).await?;
    tracing::info!(event = "drained");
    Ok(())
}

/// What health checks are told first.
async fn first_health(rule: HealthRule, decider: &Decider, state: &State) -> Health {
    if rule == HealthRule::OnceLoaded && !decider.active().is_loaded() {
        state.hold_back(true);
        return Health::held_back().await;
    }
    Health::serving().await
}

async fn tick(
    decider: &Decider,
    cluster: Option<&ReplicatedLedger>,
    open: &Open,
    health: &Health,
    state: &State,
) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        decider.tick();
        open.measure();
        cluster.into_iter().for_each(ReplicatedLedger::measure);
        if state.is_draining() {
            continue;
        }
        if state.is_held_back() && decider.active().is_loaded() {
            state.hold_back(false);
            health.resume().await;
        }
    }
}

fn announce(addresses: &Addresses, greeting: Greeting) {
    let Addresses { decide, http, admin } = addresses;
    let all: [(_, &dyn std::fmt::Display); 3] =
        [("decide", decide), ("http", http), ("admin", admin)];
    for (listener, address) in all {
        tracing::info!(event = "listening", listener, %address);
    }
    tracing::info!(event = "ready", version = env!("CARGO_PKG_VERSION"));
    if greeting == Greeting::Banner {
        // Whoever closed standard output does not want the banner.
        let _ = std::io::stdout().write_all(banner::text(addresses).as_bytes());
    }
}
