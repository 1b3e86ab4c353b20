//! A group's log, in memory: its vote and the entries that a snapshot does not cover yet.
//!
//! It forgets everything with its process. That is safe because a process that starts again is
//! another node: see [`NodeId`](crate::types::NodeId).

mod kept;

use std::fmt;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::EntryPayload;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use tollgate_core::time::{Clock, Now};

use self::kept::Entries;
pub use self::kept::{Hole, Releasable, Retention, Stamp};
use crate::types::{Entry, LogId, RaftVote, Types};

/// Bytes of entries that one message to a follower carries; a single larger one goes alone.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Reads the time that an entry's data carries, without reading the rest.
pub type ReadStamp = fn(&[u8]) -> Option<Now>;

/// A log in memory; its clones are the same log.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    read_stamp: ReadStamp,
}

#[derive(Default)]
struct State {
    vote: Option<RaftVote>,
    entries: Entries,
}

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogFigures {
    /// The last entry, if there ever was one.
    pub last: Option<LogId>,
    /// The last entry that is gone from the front.
    pub purged: Option<LogId>,
    /// Entries.
    pub entries: usize,
    /// Bytes of them, with what keeping them costs.
    pub bytes: usize,
}

impl MemoryLog {
    /// An empty log that notes with `clock` when its entries came.
    pub fn new(clock: Arc<dyn Clock>, read_stamp: ReadStamp) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), clock, read_stamp }) }
    }

    /// The newest time that an entry of this log carries, and when it came; the time of the
    /// snapshot that was installed after all of them; zeros, if there was neither.
    pub fn last_stamp(&self) -> Stamp {
        self.shared.state.lock().entries.stamp()
    }

    /// Notes that a snapshot was installed whose state was last changed at `at`.
    pub fn installed(&self, at: Now) {
        let stamp = Stamp { at, received: self.shared.clock.monotonic() };
        self.shared.state.lock().entries.installed(stamp);
    }

    /// What the log holds.
    pub fn figures(&self) -> LogFigures {
        let state = self.shared.state.lock();
        let entries = &state.entries;
        LogFigures {
            last: entries.last(),
            purged: entries.purged(),
            entries: entries.len(),
            bytes: entries.bytes(),
        }
    }

    /// Up to where the log may be purged by now, once a snapshot covers it.
    pub fn releasable(&self, retention: &Retention) -> Option<Releasable> {
        let now = self.shared.clock.monotonic();
        self.shared.state.lock().entries.releasable(retention, now)
    }

    fn push(&self, entries: impl IntoIterator<Item = Entry>) -> Result<(), Hole> {
        let received = self.shared.clock.monotonic();
        for entry in entries {
            let at = match &entry.payload {
                EntryPayload::Normal(data) => (self.shared.read_stamp)(&data.0),
                EntryPayload::Blank | EntryPayload::Membership(_) => None,
            };
            self.shared.state.lock().entries.push(entry, at, received)?;
        }
        Ok(())
    }
}

impl RaftLogReader<Types> for MemoryLog {
    async fn try_get_log_entries<R>(&mut self, range: R) -> io::Result<Vec<Entry>>
    where
        R: RangeBounds<u64> + Clone + fmt::Debug + Send,
    {
        Ok(self.shared.state.lock().entries.range(range))
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        Ok(self.shared.state.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        Ok(self.shared.state.lock().entries.first_of(start, end, MESSAGE_BYTES_MAX))
    }
}

impl RaftLogStorage<Types> for MemoryLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let figures = self.figures();
        Ok(LogState { last_purged_log_id: figures.purged, last_log_id: figures.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        self.shared.state.lock().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        self.push(entries).map_err(io::Error::other)?;
        // Memory is all the durability there is, so an entry that is here is where it belongs.
        flushed.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        self.shared.state.lock().entries.truncate_after(last.map(|last| last.index));
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.shared.state.lock().entries.purge(upto);
        Ok(())
    }
}
