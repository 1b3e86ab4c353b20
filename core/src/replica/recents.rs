//! The answers to calls with an idempotency key, in parts that are copied when they are written while
//! a view holds them.

use std::hash::Hasher as _;
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::Misfit;
use super::applied::{Answered, weight};
use crate::command::{NotDone, Once};
use crate::idempotency::{self, Entry, IdempotencyKey, Recent, Unanswered};
use crate::time::{LogTime, Now};

/// Keys of a group: six thousand calls a second with one each.
pub const KEYS_MAX: usize = 65_536;

/// Bytes of their answers.
const BYTES_MAX: usize = 64 * 1_024 * 1_024;

/// Bytes of one answer at most: what must be free before its call is executed.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// Parts of the memory: a write beside a view copies one of them.
pub const PARTS: usize = 64;

/// Parts that a tick clears of what has ended, so that a view which is held meanwhile costs few
/// copies. Each call clears its own part a little, too.
const SWEPT_EACH_TICK: usize = 8;

/// Everything that is remembered. The parts bound nothing by themselves: whoever chooses keys may
/// choose parts, too.
#[derive(Clone, Debug)]
pub(super) struct Recents {
    parts: Vec<Arc<Recent<Answered>>>,
    keys: usize,
    bytes: usize,
    /// The next part that is swept.
    hand: usize,
}

impl Default for Recents {
    fn default() -> Self {
        let empty = Arc::new(Recent::new(bounds(), weight));
        Self { parts: vec![empty; PARTS], keys: 0, bytes: 0, hand: 0 }
    }
}

impl Recents {
    /// The answer to this call: the one that is remembered, or else that of `execute`.
    pub(super) fn once(
        &mut self,
        once: &Once,
        now: LogTime,
        execute: impl FnOnce() -> Result<Answered, NotDone>,
    ) -> Result<Answered, NotDone> {
        let key = IdempotencyKey::parse(&once.key).map_err(|_| NotDone::Malformed)?;
        if self.is_full() {
            (0..self.parts.len()).for_each(|at| self.sweep_part(at, now));
        }
        let is_full = self.is_full();
        let Some(part) = self.parts.get_mut(index(&once.key)) else { return execute() };
        let part = Arc::make_mut(part);
        let before = (part.len(), part.bytes());
        let executed = || if is_full { Err(NotDone::OnceFull) } else { execute() };
        let answer = part.once(key, once.fingerprint, now, executed);
        let after = (part.len(), part.bytes());
        self.count(before, after);
        answer.map_err(|unanswered| match unanswered {
            Unanswered::Conflict => NotDone::Conflict,
            Unanswered::Full => NotDone::OnceFull,
            Unanswered::Failed(not_done) => not_done,
        })
    }

    /// Drops what has ended in a few parts.
    pub(super) fn sweep(&mut self, now: Now) {
        for _ in 0..SWEPT_EACH_TICK {
            self.sweep_part(self.hand, now.log);
            self.hand = (self.hand + 1) % PARTS;
        }
    }

    /// How many keys are remembered, or ended and not dropped yet.
    pub(super) fn len(&self) -> usize {
        self.keys
    }

    /// The next part to be swept.
    pub(super) fn hand(&self) -> usize {
        self.hand
    }

    /// The latest time of a part, and what it remembers.
    pub(super) fn part(
        &self,
        at: usize,
    ) -> Option<(LogTime, impl Iterator<Item = Entry<Answered>>)> {
        self.parts.get(at).map(|part| (part.latest(), part.entries()))
    }

    /// The memory that these parts are of.
    pub(super) fn from_parts(
        all: Vec<(LogTime, Vec<Entry<Answered>>)>,
        hand: usize,
    ) -> Result<Self, Misfit> {
        if all.len() != PARTS || hand >= PARTS {
            return Err(Misfit::OnceParts { found: all.len() });
        }
        let mut recents = Self { parts: Vec::with_capacity(PARTS), keys: 0, bytes: 0, hand };
        for (latest, entries) in all {
            let at = recents.parts.len();
            if entries.iter().any(|entry| index(&entry.key) != at) {
                return Err(Misfit::OnceKey);
            }
            let part = Recent::from_entries(bounds(), weight, latest, entries);
            let part = part.ok_or(Misfit::OnceKey)?;
            recents.count((0, 0), (part.len(), part.bytes()));
            recents.parts.push(Arc::new(part));
        }
        Ok(recents)
    }

    fn is_full(&self) -> bool {
        self.keys >= KEYS_MAX || self.bytes.saturating_add(ANSWER_BYTES_MAX) > BYTES_MAX
    }

    fn sweep_part(&mut self, at: usize, now: LogTime) {
        let Some(part) = self.parts.get_mut(at) else { return };
        // A part in which nothing ended is not copied.
        if part.ends_next().is_some_and(|end| end <= now) {
            let part = Arc::make_mut(part);
            let before = (part.len(), part.bytes());
            part.sweep(now);
            let after = (part.len(), part.bytes());
            self.count(before, after);
        }
    }

    fn count(&mut self, before: (usize, usize), after: (usize, usize)) {
        self.keys = (self.keys + after.0).saturating_sub(before.0);
        self.bytes = (self.bytes + after.1).saturating_sub(before.1);
    }
}

fn bounds() -> idempotency::Bounds {
    let answer_bytes_max = ANSWER_BYTES_MAX;
    idempotency::Bounds { keys_max: KEYS_MAX, bytes_max: BYTES_MAX, answer_bytes_max }
}

/// The same on every node, so without a secret.
fn index(key: &str) -> usize {
    let mut hasher = SipHasher13::new();
    hasher.write(key.as_bytes());
    (hasher.finish() % PARTS as u64) as usize
}
