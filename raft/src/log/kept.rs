//! The entries that a log keeps, and which of them it may let go.

use std::collections::VecDeque;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use openraft::EntryPayload;
use tollgate_core::time::{Monotonic, Now};

use crate::types::{Entry, LogId};

/// Counted for each entry beside its data: its place here, and the shared buffer's own.
const ENTRY_OVERHEAD: usize = size_of::<Kept>() + 64;

/// Counted for each member that an entry names.
const MEMBER_OVERHEAD: usize = 256;

/// How much of its past a log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Younger entries stay, so that a follower that was away for less catches up by entries.
    pub age_min: Duration,
    /// Older entries go, however few they are.
    pub age_max: Duration,
    /// Up to this many bytes, only [`Retention::age_max`] lets entries go.
    pub bytes_min: usize,
    /// Beyond this many bytes even young entries go.
    pub bytes_max: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age_min: Duration::from_secs(5),
            age_max: Duration::from_secs(60),
            bytes_min: 32 << 20,
            bytes_max: 64 << 20,
        }
    }
}

/// The time that entries carry, and when it came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// What the leader wrote into the entry.
    pub at: Now,
    /// This process's clock when it appended the entry.
    pub received: Monotonic,
}

/// Why entries were not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {found} does not follow entry {last}: a log has no holes")]
pub struct Hole {
    /// The index of the entry that was to be appended.
    pub found: u64,
    /// The index of the last one.
    pub last: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    bytes: usize,
    received: Monotonic,
    at: Option<Now>,
}

/// Entries without holes, after those that were purged.
#[derive(Debug, Default)]
pub(super) struct Entries {
    kept: VecDeque<Kept>,
    bytes: usize,
    purged: Option<LogId>,
    /// The stamp of what is gone from the front, or of what a snapshot brought.
    before: Stamp,
}

impl Entries {
    pub(super) fn push(
        &mut self,
        entry: Entry,
        at: Option<Now>,
        received: Monotonic,
    ) -> Result<(), Hole> {
        let found = entry.log_id.index;
        if let Some(last) = self.last().map(|last| last.index)
            && last.checked_add(1) != Some(found)
        {
            return Err(Hole { found, last });
        }
        let bytes = bytes_of(&entry);
        self.bytes += bytes;
        self.kept.push_back(Kept { entry, bytes, received, at });
        Ok(())
    }

    /// Drops every entry after `last`; all without one.
    pub(super) fn truncate_after(&mut self, last: Option<u64>) {
        while let Some(kept) = self.kept.back()
            && last.is_none_or(|last| kept.entry.log_id.index > last)
        {
            self.bytes -= kept.bytes;
            self.kept.pop_back();
        }
    }

    /// Drops every entry up to `upto`, which may lie beyond the last one.
    pub(super) fn purge(&mut self, upto: LogId) {
        while let Some(kept) = self.kept.front()
            && kept.entry.log_id.index <= upto.index
        {
            self.bytes -= kept.bytes;
            if let Some(at) = kept.at {
                self.before = Stamp { at, received: kept.received };
            }
            self.kept.pop_front();
        }
        if self.purged.is_none_or(|purged| purged.index < upto.index) {
            self.purged = Some(upto);
        }
    }

    /// A snapshot brought what was stamped with `stamp`, without its entries.
    pub(super) fn installed(&mut self, stamp: Stamp) {
        if stamp.at.log > self.before.at.log {
            self.before = stamp;
        }
    }

    /// The newest stamp. Entries that another leader replaced are not in it: what they carried may
    /// lie further ahead than any entry that counts.
    pub(super) fn stamp(&self) -> Stamp {
        let newest = self.kept.iter().rev();
        let mut newest =
            newest.filter_map(|kept| kept.at.map(|at| Stamp { at, received: kept.received }));
        newest.next().unwrap_or(self.before)
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.kept.back().map(|kept| kept.entry.log_id).or(self.purged)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn range(&self, range: impl RangeBounds<u64>) -> Vec<Entry> {
        self.within(range).map(|kept| kept.entry.clone()).collect()
    }

    /// The first entries of `start..end`: at least one, if there is one, and then as many as are
    /// not beyond `bytes_max` together.
    pub(super) fn first_of(&self, start: u64, end: u64, bytes_max: usize) -> Vec<Entry> {
        let mut bytes = 0_usize;
        let fits = |kept: &&Kept| {
            let is_first = bytes == 0;
            bytes = bytes.saturating_add(kept.bytes);
            is_first || bytes <= bytes_max
        };
        self.within(start..end).take_while(fits).map(|kept| kept.entry.clone()).collect()
    }

    /// Up to where the log may be purged at `now`, once a snapshot covers it.
    pub(super) fn releasable(&self, retention: &Retention, now: Monotonic) -> Option<Releasable> {
        let mut left = self.bytes;
        let mut found = None;
        let mut is_overdue = false;
        for kept in &self.kept {
            let age = now.since(kept.received);
            let is_old = age > retention.age_max;
            let is_much = left > retention.bytes_max;
            if !(is_old || is_much || age > retention.age_min && left > retention.bytes_min) {
                break;
            }
            is_overdue |= is_old;
            left -= kept.bytes;
            found = Some(kept.entry.log_id.index);
        }
        let bytes = self.bytes - left;
        found.map(|upto| Releasable { upto, bytes, is_overdue })
    }

    fn within(&self, range: impl RangeBounds<u64>) -> impl Iterator<Item = &Kept> {
        let first = self.kept.front().map_or(0, |kept| kept.entry.log_id.index);
        let place = |index: u64| usize::try_from(index.saturating_sub(first)).unwrap_or(usize::MAX);
        let start = match range.start_bound() {
            Bound::Included(&start) => place(start),
            Bound::Excluded(&start) => place(start.saturating_add(1)),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&end) if end >= first => place(end).saturating_add(1),
            Bound::Included(_) => 0,
            Bound::Excluded(&end) => place(end),
            Bound::Unbounded => usize::MAX,
        };
        let end = end.min(self.kept.len());
        self.kept.range(start.min(end)..end)
    }
}

/// What a log may let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Releasable {
    /// The index of the last of it.
    pub upto: u64,
    /// Bytes that it is.
    pub bytes: usize,
    /// Some of it is older than anything may become.
    pub is_overdue: bool,
}

fn bytes_of(entry: &Entry) -> usize {
    let data = match &entry.payload {
        EntryPayload::Blank => 0,
        EntryPayload::Normal(data) => data.0.len(),
        EntryPayload::Membership(members) => {
            members.nodes().map(|(_, member)| MEMBER_OVERHEAD + member.name.len()).sum()
        }
    };
    ENTRY_OVERHEAD + data
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
