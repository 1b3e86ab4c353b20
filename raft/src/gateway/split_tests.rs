//! Parts of requests against the whole.

use std::time::Duration;

use proptest::prelude::*;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::limit::{Quota, Unit};

use super::*;

fn charging(slot: u16, shadow: bool, quota_mode: bool) -> Charging {
    Charging {
        key: Key::from_halves(u64::from(slot), 1),
        slot: KeySlot(slot),
        quota: Quota::per_unit(10, Unit::Minute),
        charge: Charge::Hits(2),
        domain: DomainTag(1),
        text: "d".into(),
        shadow,
        quota_mode,
    }
}

fn outcome(over: bool, wait: u64) -> Outcome {
    let retry_after = over.then(|| Duration::from_secs(1 + wait));
    let (after, remaining) = if over { (4, 0) } else { (6, 4) };
    Outcome { over, before: 4, after, remaining, reset_after: Duration::ZERO, retry_after }
}

#[test]
fn every_slot_has_one_group_and_parts_keep_the_order() {
    let slots = [0, 1, 2, 3, 4_095, 0].map(KeySlot);
    let parts = split(slots.into_iter(), 3);
    let expected = [(1, vec![0, 3, 4, 5]), (2, vec![1]), (3, vec![2])];
    let expected = expected.map(|(group, places)| Part { group, places });
    assert_eq!(parts, expected);
    assert_eq!(one_group(slots.into_iter(), 3), None);
    assert_eq!(one_group(slots.into_iter(), 1), Some(1));
    assert_eq!(one_group([3, 6].map(KeySlot).into_iter(), 3), Some(1));
    assert_eq!(one_group([].into_iter(), 3), Some(1));
}

#[test]
fn what_is_missing_or_beyond_is_noticed() {
    assert_eq!(in_order(2, [(1, 'b'), (0, 'a')]), Some(vec!['a', 'b']));
    assert_eq!(in_order(2, [(1, 'b')]), None);
    assert_eq!(in_order(1, [(0, 'a'), (1, 'b')]), None);
}

#[test]
fn a_charge_that_was_taken_back_is_told_what_is_there_without_it() {
    let told = without(&charging(0, false, false), &outcome(false, 0));
    assert_eq!((told.before, told.after, told.remaining), (4, 4, 6));
    assert_eq!(without(&charging(0, false, false), &outcome(true, 0)), outcome(true, 0));
}

type Request = (Vec<Charging>, Combining, Vec<Outcome>);

/// Requests of items with up to three charges each, in any modes, and what they are told.
fn requests() -> impl Strategy<Value = Request> {
    let charge = (0_u16..6, any::<bool>(), any::<bool>(), any::<bool>(), 0_u64..5);
    let item = prop_oneof![Just(None), prop::collection::vec(charge, 0..4).prop_map(Some),];
    let items = prop::collection::vec(item, 0..5);
    (items, any::<bool>(), any::<bool>()).prop_map(|(items, shadow, quota)| {
        let (mut charges, mut outcomes, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            let Some(item) = item else {
                shown.push(Shown::Unmatched);
                continue;
            };
            let start = charges.len();
            for (slot, shadow, quota_mode, over, wait) in item {
                charges.push(charging(slot, shadow, quota_mode));
                outcomes.push(outcome(over, wait));
            }
            shown.push(Shown::Counted(start..charges.len()));
        }
        let combining = Combining { items: shown, modes: Modes { shadow, quota } };
        (charges, combining, outcomes)
    })
}

proptest! {
    /// Of a request that passes every part is charged.
    #[test]
    fn no_part_refuses_what_the_whole_lets_pass((charges, combining, outcomes) in requests()) {
        prop_assume!(combining.passes(&charges, &outcomes));
        for part in split(charges.iter().map(|charging| charging.slot), 3) {
            let of = |place: &usize| (charges[*place].clone(), outcomes[*place]);
            let (charges_here, outcomes_here): (Vec<_>, Vec<_>) = part.places.iter().map(of).unzip();
            let here = part_of(&combining, &charges, &part.places);
            prop_assert_eq!(here.items.len(), combining.items.len() + EXTRA_ITEMS);
            prop_assert!(here.passes(&charges_here, &outcomes_here), "{:?} {:?}", part, here);
        }
    }
}
