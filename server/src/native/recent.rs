//! The answers of the last ten seconds, by idempotency key: the core's memory in parts, each behind
//! a lock of its own. A replicated ledger has such a memory itself, and this one is empty then.
//!
//! A part stays locked while its operation runs, which awaits nothing, so that of two at once the
//! second gets the first one's answer. Its lock is taken before those of the ledger, never after.

use std::future::Future;

use bytes::Bytes;
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use prost::Message;
use tollgate_core::command::Once;
use tollgate_core::descriptor::Entry;
use tollgate_core::idempotency::{Bounds, IdempotencyKey, Recent, Unanswered};
use tollgate_core::key::{Fingerprint, KeySecret, Shape};
use tollgate_core::time::LogTime;

use super::{Call, Deadline, Failure, Native};
use crate::decide::Terms;

/// Parts: so many that cores rarely wait for each other.
const PARTS: usize = 64;

/// Keys of the whole node: ten thousand operations a second with a key each.
const KEYS_MAX: usize = 100_000;

/// Bytes of their answers.
const BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// Bytes of one answer at most: a request's hundred descriptors, each with a name.
const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// Everything that is remembered. An answer is kept as it goes over gRPC.
#[derive(Debug)]
pub(super) struct Recents {
    parts: Box<[Mutex<Recent<Bytes>>]>,
}

impl Default for Recents {
    fn default() -> Self {
        Self::new(Bounds {
            keys_max: KEYS_MAX,
            bytes_max: BYTES_MAX,
            answer_bytes_max: ANSWER_BYTES_MAX,
        })
    }
}

impl Recents {
    fn new(bounds: Bounds) -> Self {
        let part = Bounds {
            keys_max: bounds.keys_max.div_ceil(PARTS),
            bytes_max: bounds.bytes_max.div_ceil(PARTS),
            ..bounds
        };
        Self { parts: (0..PARTS).map(|_| Mutex::new(Recent::new(part, Bytes::len))).collect() }
    }

    /// Who chooses keys does not choose parts.
    fn of(&self, key: IdempotencyKey<'_>, secret: &KeySecret) -> Option<&Mutex<Recent<Bytes>>> {
        let mut hasher = secret.begin("");
        hasher.entry(Entry { key: "idempotency", value: key.as_str() });
        let hash = hasher.finish(Shape { algorithm: 0, window_nanos: 0, index: 0 }).low();
        self.parts.get(hash as usize % self.parts.len())
    }

    /// Drops what has ended; to be called now and then.
    pub(super) fn sweep(&self, now: LogTime) {
        self.parts.iter().for_each(|part| part.lock().sweep(now));
    }
}

impl Native {
    /// Executes an operation, or tells again what it was told the last time. `same` is what makes it
    /// the same request; `verb` is a part of that. A replicated ledger remembers by itself, for
    /// whichever node is asked again; what it is told with is handed to `execute`.
    pub(super) async fn once<T, M, F>(
        &self,
        (key, verb): (&str, &str),
        call: Call<'_>,
        same: impl FnOnce() -> M,
        execute: impl FnOnce(Terms) -> F,
    ) -> Result<T, Failure>
    where
        T: Message + Default,
        M: Message,
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = call.deadline.map(|Deadline(end)| end);
        let key = tollgate_proto::v1::idempotency_key(key)?;
        let Some(key) = key else { return execute(Terms { deadline, once: None }).await };
        let key = IdempotencyKey::parse(key).map_err(|_| Failure::Internal)?;
        let decider = &self.parts.decider;
        let mut bytes = verb.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(same().encode_to_vec());
        let fingerprint = decider.secret().fingerprint(&bytes);
        if decider.ledger().is_replicated() {
            let once = Some(Once { key: key.as_str().into(), fingerprint });
            return execute(Terms { deadline, once }).await;
        }
        self.once_here(key, fingerprint, || execute(Terms { deadline, once: None }))
    }

    /// What this node's own ledger is asked is answered at once, so the lock outlives no wait.
    fn once_here<T, F>(
        &self,
        key: IdempotencyKey<'_>,
        fingerprint: Fingerprint,
        execute: impl FnOnce() -> F,
    ) -> Result<T, Failure>
    where
        T: Message + Default,
        F: Future<Output = Result<T, Failure>>,
    {
        let decider = &self.parts.decider;
        let part = self.recent.of(key, decider.secret()).ok_or(Failure::Internal)?;
        let mut part = part.lock();
        let answer = part.once(key, fingerprint, decider.now().log, || {
            let answer = execute().now_or_never().unwrap_or(Err(Failure::Internal));
            answer.map(|answer| Bytes::from(answer.encode_to_vec()))
        });
        drop(part);
        match answer {
            Ok(answer) => T::decode(answer).map_err(|_| Failure::Internal),
            Err(Unanswered::Conflict) => Err(Failure::IdempotencyConflict),
            Err(Unanswered::Full) => Err(Failure::IdempotencyFull),
            Err(Unanswered::Failed(failure)) => Err(failure),
        }
    }

    /// Forgets answers that have ended. To be called about once a second by one owner.
    pub fn tick(&self) {
        self.recent.sweep(self.parts.decider.now().log);
    }
}
