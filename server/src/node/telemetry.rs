//! The ways in which a node tells of its work unasked or in the reference's words: the statsd peer
//! and the listener of the reference's Prometheus names.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Mutex;
use tollgate_runtime::cores::{Acceptor, Cores, Options};
use tollgate_runtime::drain::Draining;
use tollgate_runtime::listen;
use tollgate_runtime::stream::Listener;

use crate::budget::Budget;
use crate::config::Config;
use crate::decide::Decider;
use crate::http::{Http1Bounds, RatelimitPage, ServeHttp};
use crate::reload::ConfigStatus;
use crate::statistics::statsd::Exporter;
use crate::tls::Door;

/// Connections of scrapers.
pub(super) const CONNECTIONS_MAX: usize = 100;

/// How long a drain waits for a page in flight.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// The listener's name in logs and in the state of the node.
pub(super) const LISTENER: &str = "ratelimit_prometheus";

/// Binds the listener of the reference's Prometheus names, if there is to be one.
pub(super) fn bind(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(page) = &config.telemetry.ratelimit_prometheus else { return Ok(None) };
    let listener = listen::tcp(page.address);
    listener.map(Some).context("telemetry.ratelimit_prometheus.address")
}

/// What telemetry tells of.
pub(super) struct Parts {
    pub(super) decider: Arc<Decider>,
    pub(super) metrics: PrometheusHandle,
    pub(super) status: ConfigStatus,
    pub(super) budget: Budget,
    pub(super) draining: Draining,
}

/// Both ways, each if it is configured.
pub(super) struct Telemetry {
    /// Whoever drives it holds the lock: the node's run first, its end afterwards.
    exporter: Option<Mutex<Exporter>>,
    page: Option<Page>,
    draining: Draining,
}

struct Page {
    listener: TcpListener,
    address: SocketAddr,
    cores: Cores,
}

impl Telemetry {
    /// Starts the core of the listener.
    pub(super) fn start(
        config: &Config,
        listener: Option<TcpListener>,
        parts: Parts,
    ) -> std::io::Result<Self> {
        let Parts { decider, metrics, status, budget, draining } = parts;
        let statsd = config.telemetry.statsd.clone();
        let exporter = statsd.map(|settings| {
            let statistics = Arc::clone(decider.statistics());
            Mutex::new(Exporter::new(settings, statistics, status.clone()))
        });
        let page = match (listener, &config.telemetry.ratelimit_prometheus) {
            (Some(listener), Some(settings)) => {
                let (path, unit) = (settings.path.as_str().into(), settings.unit);
                let handler = RatelimitPage { decider, metrics, status, path, unit };
                let bounds = Http1Bounds::default();
                let door = Door::clear();
                let serve = ServeHttp { handler, bounds, budget, door, draining: draining.clone() };
                let options =
                    Options { count: 1, connections_max: CONNECTIONS_MAX, drain_max: DRAIN_MAX };
                let cores = Cores::start(options, move |_| serve.clone())?;
                let address = listener.local_addr()?;
                tracing::info!(event = "listening", listener = LISTENER, %address);
                Some(Page { listener, address, cores })
            }
            _ => None,
        };
        Ok(Self { exporter, page, draining })
    }

    /// Where the listener is and who gives it connections, if there is one.
    pub(super) fn page(&self) -> Option<(SocketAddr, Arc<Acceptor>)> {
        self.page.as_ref().map(|page| (page.address, page.cores.acceptor()))
    }

    /// Serves and flushes until the drain starts.
    pub(super) async fn run(&self) -> std::io::Result<()> {
        tokio::try_join!(self.accept(), self.flush())?;
        Ok(())
    }

    /// Tells the statsd peer of the last calls and waits for the listener's core; call after the
    /// drain, when nothing counts any more.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        if let Some(exporter) = self.exporter {
            exporter.into_inner().last().await;
        }
        if let Some(page) = self.page {
            tokio::task::spawn_blocking(move || page.cores.join()).await?;
        }
        Ok(())
    }

    async fn accept(&self) -> std::io::Result<()> {
        match &self.page {
            Some(page) => {
                let listener = Listener::Tcp(page.listener.try_clone()?);
                page.cores.acceptor().accept(listener, self.draining.clone()).await
            }
            None => std::future::pending().await,
        }
    }

    async fn flush(&self) -> std::io::Result<()> {
        if let Some(exporter) = &self.exporter {
            exporter.lock().await.run().await;
        }
        std::future::pending().await
    }
}
