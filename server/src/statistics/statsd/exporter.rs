//! Sends changes to a statsd peer, flush by flush.
//!
//! One task, owned by the node. A decision never waits for it: it reads figures and awaits only its
//! own socket, within bounds.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::Statsd;
use super::changes::{Change, Told};
use super::lines::Lines;
use super::transport::{Transport, Unsent, chunk_bytes_max};
use crate::metrics::{count_statsd_flush, statsd_awaited};
use crate::reload::ConfigStatus;
use crate::statistics::{LimitFigures, Statistics};

/// Bytes of one flush; what is beyond has its turn with the next.
const FLUSH_BYTES_MAX: usize = 1 << 20;

/// The longest pause between two attempts to reach a peer that is away.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// For the flush at the end of a drain.
const LAST_FLUSH_MAX: Duration = Duration::from_secs(1);

/// Tells a peer what changes.
pub(crate) struct Exporter {
    settings: Statsd,
    statistics: Arc<Statistics>,
    status: ConfigStatus,
    lines: Lines,
    told: Told,
    transport: Option<Transport>,
    /// The limit that is looked at first.
    next: usize,
    /// Flushes in a row that did not go through.
    failures: u32,
}

impl Exporter {
    /// An exporter that has told nothing yet.
    pub(crate) fn new(settings: Statsd, statistics: Arc<Statistics>, status: ConfigStatus) -> Self {
        statsd_awaited();
        let lines = Lines::new(settings.clone());
        let told = Told::default();
        let transport = None;
        Self { settings, statistics, status, lines, told, transport, next: 0, failures: 0 }
    }

    /// Flushes until it is dropped.
    pub(crate) async fn run(&mut self) {
        let mut interval = tokio::time::interval(self.settings.flush_interval);
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // The first tick is now, when there is nothing to tell.
        interval.tick().await;
        loop {
            for _ in 0..self.ticks_to_wait() {
                interval.tick().await;
            }
            let flushed = self.flush().await;
            self.tell(flushed);
        }
    }

    /// One more flush, within a second, before the process ends.
    pub(crate) async fn last(&mut self) {
        let flushed = tokio::time::timeout(LAST_FLUSH_MAX, self.flush()).await;
        let flushed = flushed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        self.tell(flushed);
    }

    /// One, and twice as many with each failure in a row.
    fn ticks_to_wait(&self) -> u32 {
        let pause =
            self.settings.flush_interval.saturating_mul(2_u32.saturating_pow(self.failures));
        let most = PAUSE_MAX.max(self.settings.flush_interval);
        let ticks = pause.min(most).as_nanos() / self.settings.flush_interval.as_nanos().max(1);
        u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
    }

    /// An outage is one line at its beginning and one at its end.
    fn tell(&mut self, flushed: io::Result<()>) {
        count_statsd_flush(flushed.is_ok());
        let Statsd { host, port, .. } = &self.settings;
        match flushed {
            Ok(()) if self.failures > 0 => {
                tracing::info!(event = "statsd_reached", host, port);
                self.failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                let advice = "what is not sent is added to the next flush";
                if self.failures == 0 && self.settings.is_asked_for {
                    tracing::warn!(event = "statsd_unreachable", host, port, %error, "{advice}");
                } else if self.failures == 0 {
                    tracing::info!(event = "statsd_unreachable", host, port, %error, "{advice}");
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.transport = self.transport.take().filter(Transport::lasts);
        // What is sent is remembered chunk by chunk, so that an error costs one chunk at most.
        let mut chunk = Chunk::new(chunk_bytes_max(self.settings.protocol));
        let mut bytes = 0;
        let loads = self.status.snapshot().loads();
        for change in self.told.others(&self.lines, &self.statistics, loads) {
            bytes += change.line.len();
            self.push(&mut chunk, change).await?;
        }
        let limits = self.statistics.limits.in_order();
        let first = if self.next < limits.len() { self.next } else { 0 };
        for step in 0..limits.len() {
            let place = (first + step) % limits.len();
            let limit: &LimitFigures = &limits[place];
            for change in self.told.limit(&self.lines, place, limit) {
                bytes += change.line.len();
                self.push(&mut chunk, change).await?;
            }
            self.next = place + 1;
            if bytes >= FLUSH_BYTES_MAX {
                break;
            }
        }
        self.send(&mut chunk).await
    }

    async fn push(&mut self, chunk: &mut Chunk, change: Change) -> io::Result<()> {
        if !chunk.has_room(&change) {
            self.send(chunk).await?;
        }
        chunk.push(change);
        Ok(())
    }

    async fn send(&mut self, chunk: &mut Chunk) -> io::Result<()> {
        if chunk.changes.is_empty() {
            return Ok(());
        }
        let open = self.transport.take().filter(Transport::is_open);
        let transport = match open {
            Some(transport) => transport,
            None => Transport::open(&self.settings).await?,
        };
        let sent = transport.send(chunk.text.as_bytes()).await;
        let perhaps_sent = match &sent {
            Ok(_) => true,
            // Rather lost than told twice.
            Err(Unsent { perhaps_in_part, .. }) => *perhaps_in_part,
        };
        if perhaps_sent {
            chunk.changes.drain(..).for_each(|change| self.told.remember(change));
        }
        chunk.clear();
        self.transport = Some(sent.map_err(|unsent| unsent.error)?);
        // Datagrams never wait: others on this thread have their turn between them.
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// Lines that are sent together.
#[derive(Debug)]
struct Chunk {
    text: String,
    changes: Vec<Change>,
    bytes_max: usize,
}

impl Chunk {
    fn new(bytes_max: usize) -> Self {
        Self { text: String::with_capacity(bytes_max), changes: Vec::new(), bytes_max }
    }

    /// A line that is longer than a chunk has one of its own.
    fn has_room(&self, change: &Change) -> bool {
        self.text.is_empty() || self.text.len() + change.line.len() <= self.bytes_max
    }

    fn push(&mut self, change: Change) {
        self.text.push_str(&change.line);
        self.changes.push(change);
    }

    fn clear(&mut self) {
        self.text.clear();
        self.changes.clear();
    }
}

#[cfg(test)]
#[path = "exporter_tests.rs"]
mod tests;
