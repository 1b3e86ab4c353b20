//! Deciders for tests: on a ledger of their own, and on one that is replicated by a single replica.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tollgate_core::bucket::Bucket;
use tollgate_core::command::{self, Answer, Call, Command, KeySlot};
use tollgate_core::key::{Key, KeySecret, ReservationId};
use tollgate_core::replica::{Batch, Replica};
use tollgate_core::store::{self, Slot};
use tollgate_core::time::{Clock, LogClock, Monotonic, Now};

use super::*;
use crate::done::Done as _;

/// Groups that a reservation's name has a bit for.
const ALL_GROUPS: u8 = 0b111;

/// Ticks in which a sweep comes round everything.
const TICKS: u32 = 30;

/// Which ledger a decider is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Its own.
    Own,
    /// A double's, whose every answer has to be waited for.
    Replicated,
}

impl On {
    /// A decider with an empty ledger.
    pub(crate) fn decider(
        self,
        active: Active,
        secret: KeySecret,
        bounds: store::Bounds,
        clock: Arc<dyn Clock>,
    ) -> Decider {
        match self {
            Self::Own => Decider::new(active, secret, bounds, clock),
            Self::Replicated => {
                Double::new(bounds, RESERVATIONS_MAX, &clock).decider(active, secret, clock)
            }
        }
    }
}

/// The decider with room for so many open reservations.
pub(crate) fn with_reservations_max(decider: Decider, most: usize) -> Decider {
    let Ledger::Replicated(ledger) = decider.ledger() else {
        return decider.with_reservations_max(most);
    };
    let (keys_max, bytes_max) = (1 << 20, 1 << 30);
    let bounds = command::Bounds { keys_max, bytes_max, reservations_max: most };
    let call = Call { once: None, command: Command::Bound(bounds) };
    assert_eq!(ledger.ask(call, None).done().unwrap().answer, Answer::Done);
    decider
}

/// Runs each of the named functions as a test, once on each kind of ledger.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_a_ledger_of_its_own {
            $(#[test] fn $name() { super::$name(crate::decide::double::On::Own) })+
        }
        mod on_a_replicated_ledger {
            $(#[test] fn $name() { super::$name(crate::decide::double::On::Replicated) })+
        }
    };
}
pub(crate) use on_both;

/// A ledger of a single replica, which answers after a wait and, where it is told so, not at all.
pub(crate) struct Double {
    replica: Arc<Mutex<Replica>>,
    time: Arc<LogClock>,
    clock: Arc<dyn Clock>,
    names: KeySecret,
    made: AtomicU64,
    /// What the next calls are answered instead of being executed.
    failures: Arc<Mutex<VecDeque<NotAnswered>>>,
}

impl Double {
    pub(crate) fn new(
        bounds: store::Bounds,
        reservations_max: usize,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Self> {
        let time = LogClock::new(clock.monotonic(), clock.wall());
        let double = Self {
            replica: Arc::default(),
            time: Arc::new(time),
            clock: Arc::clone(clock),
            names: KeySecret::new([77; 16]),
            made: AtomicU64::new(0),
            failures: Arc::default(),
        };
        let store::Bounds { keys_max, bytes_max } = bounds;
        let bounds = command::Bounds { keys_max, bytes_max, reservations_max };
        let told = double.execute(Call { once: None, command: Command::Bound(bounds) });
        assert_eq!(told.answer, Answer::Done);
        Arc::new(double)
    }

    pub(crate) fn decider(
        self: Arc<Self>,
        active: Active,
        secret: KeySecret,
        clock: Arc<dyn Clock>,
    ) -> Decider {
        let apart = store::Bounds { keys_max: 1_000, bytes_max: 1 << 20 };
        Decider::replicated(active, secret, self, apart, clock)
    }

    /// Fails the next call so.
    pub(crate) fn fail(&self, failure: NotAnswered) {
        self.failures.lock().push_back(failure);
    }

    fn execute(&self, call: Call) -> Answered {
        execute(&self.replica, self.now(), call)
    }
}

fn execute(replica: &Mutex<Replica>, at: Now, call: Call) -> Answered {
    let answered = replica.lock().apply(&Batch { at, session: None, calls: vec![call] });
    let one = &answered[0];
    Answered { answer: one.answer.clone(), at: one.at }
}

impl Replicated for Double {
    fn ask(
        &self,
        call: Call,
        _: Option<Monotonic>,
    ) -> BoxFuture<'static, Result<Answered, NotAnswered>> {
        let failure = self.failures.lock().pop_front();
        let (replica, time) = (Arc::clone(&self.replica), Arc::clone(&self.time));
        let clock = Arc::clone(&self.clock);
        let answered = async move {
            // Whoever asks first is answered first, as in a queue; and nobody at once.
            let answered = match failure {
                Some(failure) => Err(failure),
                None => Ok(execute(&replica, time.now(clock.monotonic()), call)),
            };
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            answered
        };
        answered.boxed()
    }

    fn reservation_id(&self, _: &[KeySlot]) -> ReservationId {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.names.replicated_reservation_id(1, number, ALL_GROUPS)
    }

    fn voters(&self) -> u32 {
        3
    }

    fn now(&self) -> Now {
        self.time.now(self.clock.monotonic())
    }

    fn totals(&self) -> Totals {
        // As whoever leads does once a second, until the sweep has come round.
        for _ in 0..TICKS {
            self.execute(Call { once: None, command: Command::Tick });
        }
        let mut totals = Totals::default();
        totals += self.replica.lock().totals();
        totals
    }

    fn bucket(&self, key: Key) -> Option<Bucket> {
        self.replica.lock().bucket(key)
    }

    fn held(&self, key: Key, _: Now) -> u64 {
        self.replica.lock().held(key).total()
    }

    fn visit(&self, visit: &mut dyn FnMut(&Slot<'_>)) {
        self.replica.lock().slots().for_each(|slot| visit(&slot));
    }
}
