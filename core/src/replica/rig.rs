//! Commands over a few limits, at random and in words: for tests.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{Answered, Batch, Head, Replica, Session, SessionImage, Totals};
use crate::command::{
    Answer, Bounds, Call, Charging, Combining, Command, Holding, KeySlot, Once, Rule, Shown,
};
use crate::decision::Modes;
use crate::descriptor::Charge;
use crate::idempotency::Entry;
use crate::key::{DomainTag, Fingerprint, Key, ReservationId};
use crate::limit::{Algorithm, Quota, Unit, Window};
use crate::reservation::Reservation;
use crate::store::{Shard, ShardImage};
use crate::time::{LogTime, Now, Wall};

/// The window of every limit, in nanoseconds.
pub(super) const LENGTH: u64 = 60_000_000;
pub(super) const BOUNDS: Bounds =
    Bounds { keys_max: 10_000, bytes_max: 16 << 20, reservations_max: 8 };
/// How many limits there are.
pub(super) const LIMITS: u64 = 7;

/// Both clocks at so many nanoseconds.
pub(super) fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

pub(super) fn quota(limit: u64) -> Quota {
    let window = Window::of_length(Duration::from_nanos(LENGTH)).unwrap();
    let (number, algorithm) = match limit {
        0 => (3, Algorithm::FixedWindow),
        1 => (3, Algorithm::SlidingWindow),
        2 => (3, Algorithm::TokenBucket { burst: 4 }),
        3 => (200, Algorithm::SlidingWindow),
        4 => (2, Algorithm::FixedWindow),
        _ => (5, Algorithm::TokenBucket { burst: 2 }),
    };
    let penalty_max = (limit == 4).then(|| Duration::from_nanos(20 * LENGTH));
    let counts_refused = limit == 0;
    Quota { limit: number, window, algorithm, counts_refused, penalty_max }
        .with_unit_of(Unit::Second)
}

impl Quota {
    /// Says in words what the window's own unit is.
    fn with_unit_of(self, unit: Unit) -> Self {
        assert_eq!(self.window.unit(), unit);
        self
    }
}

pub(super) fn key(limit: u64) -> Key {
    Key::from_halves(limit.wrapping_mul(0x9e37_79b9_7f4a_7c15), limit + 1)
}

pub(super) fn id(number: u64) -> ReservationId {
    ReservationId::from_halves(number.wrapping_mul(0x2545_f491_4f6c_dd1d), number)
}

pub(super) fn charging(limit: u64, charge: Charge) -> Charging {
    Charging {
        key: key(limit),
        slot: KeySlot(0),
        quota: quota(limit),
        charge,
        domain: DomainTag(limit as u32 % 2),
        text: format!("text of {limit}").into(),
        shadow: limit == 5,
        quota_mode: limit == 6,
    }
}

/// One descriptor for each charge.
pub(super) fn combining(charges: usize) -> Combining {
    let items = (0..charges).map(|at| Shown::Counted(at..at + 1)).collect();
    Combining { items, modes: Modes::default() }
}

pub(super) fn call(command: Command) -> Call {
    Call { once: None, command }
}

pub(super) fn hit(limit: u64, hits: u64) -> Call {
    let charges = vec![charging(limit, Charge::Hits(hits))];
    call(Command::Charge { charges, rule: Rule::Each })
}

pub(super) fn once(key: &str, request: u64, call: Call) -> Call {
    let fingerprint = Fingerprint::from_halves(request, 0);
    Call { once: Some(Once { key: key.into(), fingerprint }), ..call }
}

pub(super) fn hold(number: u64, limit: u64, hits: u64, hold_for: Duration) -> Call {
    let charging = charging(limit, Charge::Hits(hits));
    let holdings = vec![Holding { charging, is_fixed: false, name: Some("name".into()) }];
    call(Command::Hold { id: id(number), hold_for, holdings, combining: combining(1) })
}

pub(super) fn batch(nanos: u64, calls: Vec<Call>) -> Batch {
    Batch { at: at(nanos), session: None, calls }
}

pub(super) fn sent(node: u64, seq: u64, nanos: u64, calls: Vec<Call>) -> Batch {
    Batch { session: Some(Session { node, seq }), ..batch(nanos, calls) }
}

/// A replica that knows its bounds.
pub(super) fn bounded() -> Replica {
    let mut replica = Replica::new();
    replica.apply(&batch(0, vec![call(Command::Bound(BOUNDS))]));
    replica
}

/// Whether a charge passed; it must have been answered with one outcome.
pub(super) fn passed(answered: &Answered) -> bool {
    match &answered.answer {
        Answer::Outcomes(outcomes) => !outcomes[0].over,
        other => panic!("{other:?}"),
    }
}

/// All that later behaviour depends on, to be compared.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    head: Head,
    totals: Totals,
    shards: Vec<ShardImage>,
    reservations: Vec<Reservation>,
    once: Vec<(LogTime, Vec<Entry<Answered>>)>,
    sessions: Vec<SessionImage>,
}

pub(super) fn picture(replica: &Replica) -> Picture {
    let view = replica.view();
    let once = (0..).map_while(|part| view.once_of(part));
    let once = once.map(|(latest, entries)| (latest, entries.collect()));
    Picture {
        head: view.head(),
        totals: view.totals(),
        shards: (0..).map_while(|place| view.shard_image(place)).collect(),
        reservations: (0..super::RESERVATION_PARTS)
            .flat_map(|part| view.reservations_of(part).cloned())
            .collect(),
        once: once.collect(),
        sessions: view.sessions().collect(),
    }
}

/// The same replica, put together again from its pieces.
pub(super) fn rebuilt(replica: &Replica) -> Replica {
    let Picture { head, shards, reservations, once, sessions, .. } = picture(replica);
    let shards = shards.into_iter().map(|image| Arc::new(Shard::from_image(image).unwrap()));
    let shards = shards.collect();
    let image = super::Image { head, shards, reservations, once, sessions };
    Replica::from_image(image).unwrap()
}

fn charges() -> impl Strategy<Value = Vec<Charging>> {
    let one = (0..LIMITS, 0..4_u64, 0..8_u8).prop_map(|(limit, hits, kind)| {
        charging(limit, if kind == 0 { Charge::Refund(hits) } else { Charge::Hits(hits) })
    });
    proptest::collection::vec(one, 1..4)
}

fn rule(charges: usize) -> impl Strategy<Value = Rule> {
    prop_oneof![Just(Rule::Each), Just(Rule::All), Just(Rule::AllOrNone(combining(charges))),]
}

fn with_rule() -> impl Strategy<Value = (Vec<Charging>, Rule)> {
    charges().prop_flat_map(|charges| (Just(charges.clone()), rule(charges.len())))
}

fn holding() -> impl Strategy<Value = Command> {
    let number = 0..16_u64;
    (number, charges(), any::<bool>(), 0..4_000_u64).prop_map(|(number, all, is_fixed, millis)| {
        let combining = combining(all.len());
        let holdings = all.into_iter().map(|charging| Holding { charging, is_fixed, name: None });
        let (id, hold_for) = (id(number), Duration::from_millis(millis));
        Command::Hold { id, hold_for, holdings: holdings.collect(), combining }
    })
}

/// Any command that a group may be given after its bounds.
pub(super) fn command() -> impl Strategy<Value = Command> {
    let numbers = 0..16_u64;
    let quotas = proptest::collection::vec((0..LIMITS, 0..6_u32), 0..3);
    let settle = (numbers.clone(), 0..5_u64, quotas).prop_map(|(number, hits, quotas)| {
        let changed = |(limit, of): (u64, u32)| (key(limit), Quota { limit: of, ..quota(limit) });
        Command::Settle { id: id(number), hits, quotas: quotas.into_iter().map(changed).collect() }
    });
    let bound = (1..400_usize, 0..8_usize).prop_map(|(keys_max, reservations_max)| {
        Command::Bound(Bounds { keys_max, reservations_max, ..BOUNDS })
    });
    prop_oneof![
        8 => with_rule().prop_map(|(charges, rule)| Command::Charge { charges, rule }),
        2 => with_rule().prop_map(|(charges, rule)| Command::Preview { charges, rule }),
        2 => (charges(), 0..4_000_000_000_u64)
            .prop_map(|(charges, time)| Command::TakeBack { charges, charged_at: at(time) }),
        1 => charges().prop_map(|charges| Command::Impatient { charges }),
        4 => holding(),
        1 => numbers.clone().prop_map(|number| Command::Describe { id: id(number) }),
        2 => settle,
        1 => numbers.prop_map(|number| Command::Release { id: id(number) }),
        1 => proptest::collection::vec(0..LIMITS, 1..3)
            .prop_map(|limits| Command::Forget { keys: limits.into_iter().map(key).collect() }),
        1 => bound,
        2 => Just(Command::Tick),
    ]
}

/// A command that may be sent twice.
pub(super) fn any_call() -> impl Strategy<Value = Call> {
    (command(), prop_oneof![4 => Just(None), 1 => (0..6_u64).prop_map(Some)]).prop_map(
        |(command, word)| match word {
            None => call(command),
            Some(word) => once(&format!("word {word}"), word % 2, call(command)),
        },
    )
}

/// How long nothing happens: mostly less than a window, seldom as long as a reservation.
pub(super) fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0), 4 => 0..LENGTH, 1 => 0..4_000_000_000_u64]
}
