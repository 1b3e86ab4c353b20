//! A running node: listeners bound, cores started, served until a signal, drained.

mod banner;
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
use tollgate_runtime::clock::SystemClock;
use tollgate_runtime::drain::{Drain, signalled};

use self::listeners::{Listeners, Parts};
pub use self::sockets::Addresses;
use self::sockets::Sockets;
use self::telemetry::Telemetry;
use crate::config::{self, Config};
use crate::decide::{Active, Decider};
use crate::grpc::Health;
use crate::metrics;
use crate::reload::{HealthRule, Loaded, Reload};
use crate::state::State;

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

/// Serves until SIGINT or SIGTERM, then drains. A second signal ends the process at once.
///
/// # Errors
/// If an address cannot be bound or the operating system refuses a thread or a handler.
pub fn run(loaded: Loaded, greeting: Greeting) -> anyhow::Result<()> {
    let Loaded { config, domains, origin, health } = loaded;
    let metrics = metrics::install();
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).context("no random bytes for the hash key")?;
    let secret = KeySecret::new(secret);
    let active = if origin.is_loaded() {
        Active::new(domains, config.answers, &secret)
    } else {
        Active::unloaded(config.answers, &secret)
    };
    let config::Ledger { keys_max, bytes_max } = config.ledger;
    let clock = Arc::new(SystemClock::start());
    let bounds = Bounds { keys_max, bytes_max };
    let decider = Arc::new(Decider::new(active, secret, bounds, Arc::clone(&clock) as _));
    let sockets = Sockets::bind(&config)?;
    let page = telemetry::bind(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reload = {
        let _entered = runtime.enter();
        Reload::prepare(origin, &config, &decider, clock)?
    };
    let start = Start { greeting, health, page };
    let ended = runtime.block_on(live(&config, start, sockets, decider, metrics, reload));
    // A read of a file that hangs must not keep the process.
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended
}

/// How a node comes up.
struct Start {
    greeting: Greeting,
    health: HealthRule,
    page: Option<TcpListener>,
}

async fn live(
    config: &Config,
    start: Start,
    sockets: Sockets,
    decider: Arc<Decider>,
    metrics: PrometheusHandle,
    reload: Reload,
) -> anyhow::Result<()> {
    let drain = Drain::new();
    let state = State::starting(drain.watch());
    let health = first_health(start.health, &decider, &state).await;
    let addresses = sockets.addresses()?;
    let telemetry = telemetry::Parts {
        decider: Arc::clone(&decider),
        metrics: metrics.clone(),
        status: reload.status(),
        draining: drain.watch(),
    };
    let telemetry = Telemetry::start(config, start.page, telemetry)?;
    let parts = Parts {
        decider: Arc::clone(&decider),
        health: health.clone(),
        metrics,
        state: state.clone(),
        status: reload.status(),
        draining: drain.watch(),
    };
    let listeners = Listeners::start(config, parts)?;
    state.set_ready();
    announce(&addresses, start.greeting);
    let signal = tokio::select! {
        ended = listeners.accept(sockets) => {
            ended?;
            "none"
        }
        ended = telemetry.run() => {
            ended?;
            "none"
        }
        () = tick(&decider, &listeners, &health, &state) => "none",
        () = reload.run() => "none",
        signal = signalled() => signal?,
    };
    tracing::info!(event = "draining", signal, "finishing calls in flight");
    health.stop().await;
    drain.start();
    finish(listeners, telemetry).await
}

/// What health checks are told first.
async fn first_health(rule: HealthRule, decider: &Decider, state: &State) -> Health {
    if rule == HealthRule::OnceLoaded && !decider.active().is_loaded() {
        state.hold_back(true);
        return Health::held_back().await;
    }
    Health::serving().await
}

async fn tick(decider: &Decider, listeners: &Listeners, health: &Health, state: &State) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        decider.tick();
        listeners.measure();
        if state.is_held_back() && decider.active().is_loaded() {
            state.hold_back(false);
            health.resume().await;
        }
    }
}

/// Waits for the cores and tells of their last calls, unless a second signal says not to.
async fn finish(listeners: Listeners, telemetry: Telemetry) -> anyhow::Result<()> {
    let ended = async {
        tokio::task::spawn_blocking(move || listeners.join()).await?;
        telemetry.finish().await
    };
    tokio::select! {
        ended = ended => ended?,
        signal = signalled() => {
            tracing::warn!(event = "drain_cut_off", signal = signal?, "second signal");
            std::process::exit(130);
        }
    }
    tracing::info!(event = "drained");
    Ok(())
}

fn announce(addresses: &Addresses, greeting: Greeting) {
    let all = [("decide", addresses.decide), ("http", addresses.http), ("admin", addresses.admin)];
    for (listener, address) in all {
        tracing::info!(event = "listening", listener, %address);
    }
    tracing::info!(event = "ready", version = env!("CARGO_PKG_VERSION"));
    if greeting == Greeting::Banner {
        // Whoever closed standard output does not want the banner.
        let _ = std::io::stdout().write_all(banner::text(addresses).as_bytes());
    }
}
