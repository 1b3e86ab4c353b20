//! Reload: watches the configuration and replaces what decides.
//!
//! Events of the file system, SIGHUP, and a look every 30 seconds lead to one reload: everything is
//! read anew on a thread beside those that decide, and replaces what decides as a whole or not at
//! all. Counts are untouched: a bucket's identity is independent of the configuration. What the
//! process was built around (listeners, bounds, ledger, telemetry) changes with a restart only.

mod load;
mod reloader;
mod restart;
mod schedule;
mod sight;
mod sources;
mod status;
mod watch;

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tollgate_core::time::Clock;

pub(crate) use self::load::{HealthRule, Origin, Source};
pub use self::load::{Loaded, load};
use self::reloader::{Reloaded, Reloader, Started};
use self::schedule::{Due, Schedule};
use self::sight::Sight;
pub use self::status::{ConfigStatus, FailedLoad, ServerState, StatusSnapshot};
use self::watch::{Changes, Watch};
use crate::config::{Config, ratelimit};
use crate::decide::Decider;
use crate::{metrics, xds};

impl Origin {
    /// Says that it decides from now on, or why it does not, and gives what is told about it.
    fn announce(&self, decider: &Decider, clock: &dyn Clock) -> ConfigStatus {
        let source = self.source.to_string();
        if let Some(report) = &self.failure {
            let (issues, text) = (report.issues().len() + report.omitted(), report.to_string());
            reloader::announce_refusal(issues, &text, false);
            metrics::config_rejected();
            return ConfigStatus::unloaded(source, &text, clock.wall());
        }
        if let Source::Xds(_) = self.source {
            return ConfigStatus::waiting(source);
        }
        let active = decider.active();
        let (domains, limits) = (active.limits.domains().len(), active.limits.limit_count());
        reloader::announce(self.content, domains, limits);
        let now = clock.wall();
        metrics::config_accepted(now);
        ConfigStatus::new(source, self.content.hash(), now)
    }
}

/// Keeps what decides in step with its files; nothing to do for a configuration without one.
pub(crate) struct Reload {
    status: ConfigStatus,
    keeper: Option<Keeper>,
    /// In place of a keeper, where a server has the limits.
    client: Option<(xds::Client, Signal)>,
}

struct Keeper {
    desk: Desk,
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
    hangup: Signal,
}

impl Reload {
    /// Prepares it, for a node that was started with `config`. To be called in a runtime.
    ///
    /// # Errors
    /// If the process cannot install a handler for SIGHUP.
    pub(crate) fn prepare(
        origin: Origin,
        config: &Config,
        decider: &Arc<Decider>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let status = origin.announce(decider, &*clock);
        if origin.source == Source::Embedded {
            return Ok(Self { status, keeper: None, client: None });
        }
        let hangup = signal(SignalKind::hangup())?;
        if let Source::Xds(settings) = origin.source {
            let client = xds::Client::new(xds::Parts {
                settings: *settings,
                options: ratelimit::Options { merge_domains: config.merge_domains },
                answers: config.answers.clone(),
                decider: Arc::clone(decider),
                clock,
                status: status.clone(),
            });
            return Ok(Self { status, keeper: None, client: Some((client, hangup)) });
        }
        let changes = Arc::<Changes>::default();
        let watch = Watch::new(Arc::clone(&changes), Arc::clone(&clock));
        let reloader = Reloader::new(Started {
            config: config.clone(),
            content: (origin.is_settled && origin.is_loaded()).then_some(origin.content),
            refused: origin.failure.map(|report| (origin.content, report.to_string())),
            source: origin.source,
            decider: Arc::clone(decider),
            clock: Arc::clone(&clock),
            status: status.clone(),
        });
        let desk = Desk { reloader, watch, sight: Sight::default() };
        let keeper = Some(Keeper { desk, changes, clock, hangup });
        Ok(Self { status, keeper, client: None })
    }

    /// What is told about the configuration.
    pub(crate) fn status(&self) -> ConfigStatus {
        self.status.clone()
    }

    /// Reloads for as long as it is polled; never ends.
    pub(crate) async fn run(self) {
        if let Some((client, hangup)) = self.client {
            client.run(hangup).await;
        }
        if let Some(keeper) = self.keeper
            && let Err(error) = keeper.run().await
        {
            tracing::error!(event = "reload_ended", %error, "what decides now stays");
        }
        std::future::pending::<()>().await;
    }
}

impl Keeper {
    async fn run(self) -> Result<(), tokio::task::JoinError> {
        let Self { mut desk, changes, clock, mut hangup } = self;
        let mut schedule = Schedule::new(clock.monotonic());
        // Nothing was watched since the files were read.
        schedule.ask();
        loop {
            tokio::select! {
                // While a burst lasts, its newest change is asked for when it may be over: events
                // of a busy folder must not keep the thread busy that accepts connections.
                () = changes.arrived(), if !schedule.is_settling() => {}
                Some(()) = hangup.recv() => schedule.ask(),
                () = tokio::time::sleep(schedule.wait(clock.monotonic())) => {}
            }
            schedule.note(changes.newest());
            let Some(due) = schedule.take(clock.monotonic()) else { continue };
            let reloaded = tokio::task::spawn_blocking(move || {
                let reloaded = desk.attend(due);
                (desk, reloaded)
            });
            let (returned, reloaded) = reloaded.await?;
            desk = returned;
            if reloaded == Reloaded::Unsettled {
                schedule.note(clock.monotonic());
            }
        }
    }
}

/// What a reload works with; it lies on the blocking thread while that works.
struct Desk {
    reloader: Reloader,
    watch: Watch,
    sight: Sight,
}

impl Desk {
    fn attend(&mut self, due: Due) -> Reloaded {
        // Watched first and read then: what changes in between is noticed.
        let is_new = self.follow(due == Due::Look);
        let sight = Sight::of(self.reloader.file(), self.reloader.listed());
        let is_seen = sight == self.sight && !is_new && !self.reloader.is_refused();
        self.sight = sight;
        if due == Due::Look && is_seen {
            return Reloaded::Settled;
        }
        let reloaded = self.reloader.reload();
        // The new configuration may list other files, which nobody has watched yet.
        if self.follow(false) { Reloaded::Unsettled } else { reloaded }
    }

    fn follow(&mut self, retry: bool) -> bool {
        self.watch.follow(self.reloader.file(), self.reloader.listed(), retry)
    }
}
