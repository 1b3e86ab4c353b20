//! What was answered a moment ago: an operation that is sent twice counts once.
//!
//! A caller that does not know whether its operation was executed sends it again with the same key.
//! Within [`REMEMBERED`] it gets the first answer, and nothing is executed. Bounded in keys and
//! bytes: where no more can be remembered, an operation with a key is refused before it is executed,
//! because forgetting early would count it twice. What failed changed nothing and is not remembered.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::key::Fingerprint;
use crate::time::LogTime;

/// How long an answer is remembered, from its execution on.
pub const REMEMBERED: Duration = Duration::from_secs(10);

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 128;

/// What an answer costs beside its key's text and what the answer itself keeps on the heap: both
/// entries, and the tree's and allocator's share.
const FIXED_BYTES: usize = 160;

/// Ended answers that are dropped with each operation: more than the one that it may add, so that
/// the memory does not grow with what has ended, and few, so that none waits for all.
const DROPPED_EACH: usize = 4;

/// A word of the caller's by which a repeated operation is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey<'a>(&'a str);

/// A text that is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key is 1 to 128 printable ASCII characters")]
pub struct NotAKey;

impl<'a> IdempotencyKey<'a> {
    /// A key of 1 to [`KEY_BYTES_MAX`] printable ASCII characters (space to tilde).
    ///
    /// # Errors
    /// [`NotAKey`] for any other text.
    pub fn parse(text: &'a str) -> Result<Self, NotAKey> {
        let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let fits = (1..=KEY_BYTES_MAX).contains(&text.len());
        if fits && is_printable { Ok(Self(text)) } else { Err(NotAKey) }
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// How much may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Answers.
    pub keys_max: usize,
    /// Bytes of keys and answers.
    pub bytes_max: usize,
    /// Bytes that one answer takes at most beside its own size; so much must be free before its
    /// operation is executed.
    pub answer_bytes_max: usize,
}

/// Why an operation with a key has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered<E> {
    /// The key was used for another request within [`REMEMBERED`]. Nothing was executed.
    #[error("the idempotency key was used for another request in the last 10 seconds")]
    Conflict,
    /// No more can be remembered. Nothing was executed.
    #[error("no more idempotency keys can be remembered")]
    Full,
    /// The operation itself failed.
    #[error(transparent)]
    Failed(E),
}

/// The answers of the last [`REMEMBERED`].
#[derive(Clone, Debug)]
pub struct Recent<A> {
    by_key: BTreeMap<Arc<str>, Remembered<A>>,
    /// In the order of their ends.
    by_end: VecDeque<(LogTime, Arc<str>)>,
    bytes: usize,
    bounds: Bounds,
    weigh: fn(&A) -> usize,
    /// Threads read the clock before they wait their turn; what comes late is judged at the latest
    /// time, so that ends are in order.
    latest: LogTime,
}

#[derive(Clone, Debug)]
struct Remembered<A> {
    fingerprint: Fingerprint,
    end: LogTime,
    answer: A,
}

/// What a memory holds of one use of a key, to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<A> {
    /// The key.
    pub key: Arc<str>,
    /// When its answer is forgotten.
    pub end: LogTime,
    /// The request and its answer; absent where the key was used again since, which is an entry of
    /// its own. It has its turn in what is dropped with each operation, and so matters.
    pub answer: Option<(Fingerprint, A)>,
}

impl<A: Clone> Recent<A> {
    /// An empty memory. `weigh` tells the bytes that an answer keeps beside its own size.
    pub fn new(bounds: Bounds, weigh: fn(&A) -> usize) -> Self {
        let (by_key, by_end) = (BTreeMap::new(), VecDeque::new());
        Self { by_key, by_end, bytes: 0, bounds, weigh, latest: LogTime::default() }
    }

    /// The answer to this operation: the one that is remembered, or else that of `execute`, which is
    /// remembered from then on.
    ///
    /// # Errors
    /// [`Unanswered`]; nothing is remembered then.
    pub fn once<E>(
        &mut self,
        key: IdempotencyKey<'_>,
        fingerprint: Fingerprint,
        now: LogTime,
        execute: impl FnOnce() -> Result<A, E>,
    ) -> Result<A, Unanswered<E>> {
        self.latest = self.latest.max(now);
        self.drop_ended(DROPPED_EACH);
        if let Some(known) = self.by_key.get(key.0)
            && known.end > self.latest
        {
            let is_same = known.fingerprint == fingerprint;
            return if is_same { Ok(known.answer.clone()) } else { Err(Unanswered::Conflict) };
        }
        if !self.has_room(key) {
            self.drop_ended(usize::MAX);
        }
        if !self.has_room(key) {
            return Err(Unanswered::Full);
        }
        let answer = execute().map_err(Unanswered::Failed)?;
        self.remember(key, fingerprint, answer.clone());
        Ok(answer)
    }

    /// Drops every answer that has ended.
    pub fn sweep(&mut self, now: LogTime) {
        self.latest = self.latest.max(now);
        self.drop_ended(usize::MAX);
    }

    /// Answers that are remembered, and ended ones that were not dropped yet.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Bytes that they account for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first of the answers ends.
    pub fn ends_next(&self) -> Option<LogTime> {
        self.by_end.front().map(|(end, _)| *end)
    }

    /// The latest time that it was told.
    pub fn latest(&self) -> LogTime {
        self.latest
    }

    /// All that it holds, in the order of the ends.
    pub fn entries(&self) -> impl Iterator<Item = Entry<A>> {
        self.by_end.iter().map(|(end, key)| {
            let known = self.by_key.get(key).filter(|known| known.end == *end);
            let answer = known.map(|known| (known.fingerprint, known.answer.clone()));
            Entry { key: Arc::clone(key), end: *end, answer }
        })
    }

    /// The memory whose entries these are; `None` if they are nobody's: out of order, or of a key
    /// that has two answers or is none.
    pub fn from_entries(
        bounds: Bounds,
        weigh: fn(&A) -> usize,
        latest: LogTime,
        entries: impl IntoIterator<Item = Entry<A>>,
    ) -> Option<Self> {
        let mut recent = Self { latest, ..Self::new(bounds, weigh) };
        for Entry { key, end, answer } in entries {
            IdempotencyKey::parse(&key).ok()?;
            if recent.by_end.back().is_some_and(|(last, _)| *last > end) {
                return None;
            }
            recent.by_end.push_back((end, Arc::clone(&key)));
            if let Some((fingerprint, answer)) = answer {
                recent.bytes += recent.cost(&key, &answer);
                let known = Remembered { fingerprint, end, answer };
                if recent.by_key.insert(key, known).is_some() {
                    return None;
                }
            }
        }
        Some(recent)
    }

    fn has_room(&self, key: IdempotencyKey<'_>) -> bool {
        let wanted = FIXED_BYTES + size_of::<A>() + key.0.len() + self.bounds.answer_bytes_max;
        let fits = self.bytes.saturating_add(wanted) <= self.bounds.bytes_max;
        // The key itself may be there still, ended: it gives up its own place.
        fits && (self.by_key.len() < self.bounds.keys_max || self.by_key.contains_key(key.0))
    }

    fn remember(&mut self, key: IdempotencyKey<'_>, fingerprint: Fingerprint, answer: A) {
        self.forget(key.0);
        let end = self.latest.plus(REMEMBERED);
        self.bytes += self.cost(key.0, &answer);
        let text: Arc<str> = key.0.into();
        self.by_end.push_back((end, Arc::clone(&text)));
        self.by_key.insert(text, Remembered { fingerprint, end, answer });
    }

    fn forget(&mut self, key: &str) {
        if let Some(Remembered { answer, .. }) = self.by_key.remove(key) {
            self.bytes = self.bytes.saturating_sub(self.cost(key, &answer));
        }
    }

    fn drop_ended(&mut self, most: usize) {
        for _ in 0..most {
            let Some((end, _)) = self.by_end.front() else { break };
            if *end > self.latest {
                break;
            }
            let Some((end, key)) = self.by_end.pop_front() else { break };
            // One that was used again since lives on under its later end.
            if self.by_key.get(&key).is_some_and(|known| known.end == end) {
                self.forget(&key);
            }
        }
    }

    fn cost(&self, key: &str, answer: &A) -> usize {
        FIXED_BYTES + size_of::<A>() + key.len() + (self.weigh)(answer)
    }
}

#[cfg(test)]
#[path = "idempotency_tests.rs"]
mod tests;
