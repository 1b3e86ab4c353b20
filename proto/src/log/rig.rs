//! Any batch, at random: for tests.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate_core::command::{
    Bounds, Call, Charging, Combining, Command, Holding, KeySlot, Once, Rule, SLOTS, Shown,
};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;
use tollgate_core::key::{DomainTag, Fingerprint, Key, ReservationId};
use tollgate_core::limit::{Algorithm, Quota, Window};
use tollgate_core::replica::{Batch, Session};
use tollgate_core::time::{LogTime, Now, Wall};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const BOUNDS: Bounds =
    Bounds { keys_max: 1_000, bytes_max: 1 << 20, reservations_max: 20 };

/// Both clocks at so many nanoseconds.
pub(super) fn at(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

pub(super) fn call(command: Command) -> Call {
    Call { once: None, command }
}

pub(super) fn batch(nanos: u64, calls: Vec<Call>) -> Batch {
    Batch { at: at(nanos), session: None, calls }
}

/// One hit of a key that is this number's.
pub(super) fn charging(number: u64, quota: Quota) -> Charging {
    Charging {
        key: Key::from_halves(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), number),
        slot: KeySlot(u16::try_from(number % u64::from(SLOTS)).unwrap()),
        quota,
        charge: Charge::Hits(1),
        domain: DomainTag(0xdead_beef),
        text: format!("edge\u{1e}client\u{1f}{number:026}").into(),
        shadow: false,
        quota_mode: false,
    }
}

pub(super) fn hit(charging: Charging) -> Call {
    call(Command::Charge { charges: vec![charging], rule: Rule::Each })
}

fn now() -> impl Strategy<Value = Now> {
    (any::<u64>(), any::<u64>()).prop_map(|(log, epoch)| Now {
        log: LogTime::from_nanos(log),
        epoch: Wall::from_nanos(epoch),
    })
}

/// Few keys, so that they meet; several algorithms, each of its own keys.
pub(super) fn any_charging() -> impl Strategy<Value = Charging> {
    let numbers = (0..9_u64, 0..40_u64, 0..300_u32);
    (numbers, any::<(u32, u16, bool, bool, bool)>(), "\\PC{0,20}").prop_map(
        |((number, hits, limit), (domain, slot, refund, shadow, quota_mode), text)| {
            let algorithm = match number % 3 {
                0 => Algorithm::FixedWindow,
                1 => Algorithm::SlidingWindow,
                _ => Algorithm::TokenBucket { burst: limit / 2 },
            };
            let quota = Quota {
                limit,
                window: Window::of_length(Duration::from_millis(700)).unwrap(),
                algorithm,
                counts_refused: shadow,
                penalty_max: (number > 5).then_some(Duration::from_secs(9)),
            };
            let charge = if refund && shadow { Charge::Refund(hits) } else { Charge::Hits(hits) };
            let slot = KeySlot(slot % SLOTS);
            let domain = DomainTag(domain % 3);
            let text = text.into();
            Charging { charge, domain, slot, text, shadow, quota_mode, ..charging(number, quota) }
        },
    )
}

fn charges() -> impl Strategy<Value = Vec<Charging>> {
    vec(any_charging(), 0..4)
}

fn combining() -> impl Strategy<Value = Combining> {
    let shown = prop_oneof![
        Just(Shown::Unmatched),
        Just(Shown::Unlimited),
        (0..3_usize, 0..4_usize).prop_map(|(start, end)| Shown::Counted(start..end)),
    ];
    (vec(shown, 0..4), any::<(bool, bool)>())
        .prop_map(|(items, (shadow, quota))| Combining { items, modes: Modes { shadow, quota } })
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![Just(Rule::Each), Just(Rule::All), combining().prop_map(Rule::AllOrNone)]
}

fn id() -> impl Strategy<Value = ReservationId> {
    (0..6_u64).prop_map(|number| ReservationId::from_halves(number << 60 | number, number))
}

fn holding() -> impl Strategy<Value = Holding> {
    let name = prop_oneof![Just(None), "[a-z]{0,9}".prop_map(Some)];
    (any_charging(), any::<bool>(), name).prop_map(|(charging, is_fixed, name)| Holding {
        charging,
        is_fixed,
        name: name.map(|name| name.into()),
    })
}

fn command() -> impl Strategy<Value = Command> {
    let quotas = vec(any_charging().prop_map(|one| (one.key, one.quota)), 0..3);
    let hold = (id(), 0..5 * SECOND, vec(holding(), 0..3), combining());
    prop_oneof![
        6 => (charges(), rule()).prop_map(|(charges, rule)| Command::Charge { charges, rule }),
        1 => (charges(), rule()).prop_map(|(charges, rule)| Command::Preview { charges, rule }),
        1 => (charges(), now())
            .prop_map(|(charges, charged_at)| Command::TakeBack { charges, charged_at }),
        1 => charges().prop_map(|charges| Command::Impatient { charges }),
        4 => hold.prop_map(|(id, nanos, holdings, combining)| {
            let hold_for = Duration::from_nanos(nanos);
            Command::Hold { id, hold_for, holdings, combining }
        }),
        1 => id().prop_map(|id| Command::Describe { id }),
        1 => (id(), 0..50_u64, quotas)
            .prop_map(|(id, hits, quotas)| Command::Settle { id, hits, quotas }),
        1 => id().prop_map(|id| Command::Release { id }),
        1 => charges().prop_map(|all| {
            Command::Forget { keys: all.into_iter().map(|one| one.key).collect() }
        }),
        1 => (1..2_000_usize, 0..20_usize).prop_map(|(keys_max, reservations_max)| {
            Command::Bound(Bounds { keys_max, reservations_max, ..BOUNDS })
        }),
        1 => Just(Command::Tick),
    ]
}

pub(super) fn any_call() -> impl Strategy<Value = Call> {
    let once = ("[ -~]{1,3}", 0..2_u64).prop_map(|(key, of)| Once {
        key: key.into(),
        fingerprint: Fingerprint::from_halves(of, !of),
    });
    let once = prop_oneof![3 => Just(None), 1 => once.prop_map(Some)];
    (once, command()).prop_map(|(once, command)| Call { once, command })
}

pub(super) fn any_batch() -> impl Strategy<Value = Batch> {
    let session = (0..3_u64, any::<u64>()).prop_map(|(node, seq)| Session { node, seq });
    let session = prop_oneof![Just(None), session.prop_map(Some)];
    (now(), session, vec(any_call(), 0..5)).prop_map(|(at, session, calls)| Batch {
        at,
        session,
        calls,
    })
}
