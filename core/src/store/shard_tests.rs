//! The store's bounds, expiry and eviction, against floods and a model.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::descriptor::Entry;
use crate::key::KeySecret;
use crate::limit::{Algorithm, Quota, Unit};
use crate::plan::{Label, Operation};
use crate::time::{LogTime, NANOS_PER_SECOND, Wall};

const SECRET: KeySecret = KeySecret::new([1; 16]);
const ROOMY: Bounds = Bounds { keys_max: usize::MAX, bytes_max: usize::MAX };

fn at_second(second: u64) -> Now {
    let nanos = second * NANOS_PER_SECOND;
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

struct Store {
    shard: Shard,
    quota: Quota,
}

impl Store {
    fn new(bounds: Bounds, limit: u32, unit: Unit) -> Self {
        Self { shard: Shard::new(bounds), quota: Quota::per_unit(limit, unit) }
    }

    fn charge(
        &mut self,
        domain: u32,
        name: &str,
        charge: Charge,
        now: Now,
    ) -> Result<Outcome, Refused> {
        let entries = [Entry { key: "k", value: name }];
        let mut key = SECRET.begin(&domain.to_string());
        key.entry(entries[0]);
        let operation = Operation {
            key: key.finish(self.quota.shape(0)),
            quota: self.quota,
            charge,
            domain: DomainTag(domain),
            limit: None,
            label: Label { domain: "d", entries: &entries, named: None },
            first_shared: None,
        };
        self.shard.charge(&operation, &[operation.key], now)
    }

    fn hit(&mut self, domain: u32, name: &str, now: Now) -> Result<Outcome, Refused> {
        self.charge(domain, name, Charge::Hits(1), now)
    }
}

#[test]
fn a_flood_of_keys_stays_within_the_bound_and_is_counted() {
    let mut store = Store::new(Bounds { keys_max: 100, ..ROOMY }, 10, Unit::Hour);
    for i in 0..10_000 {
        store.hit(1, &i.to_string(), at_second(0)).unwrap();
        assert!(store.shard.keys() <= 100);
    }
    assert_eq!(store.shard.stats().evicted_live, 9_900);
    assert_eq!(store.shard.stats().evicted_over_limit, 0);
}

#[test]
fn bytes_bound_the_store_as_keys_do() {
    let mut store = Store::new(Bounds { bytes_max: 20_000, ..ROOMY }, 10, Unit::Hour);
    for i in 0..1_000 {
        let name = format!("{i}-{}", "x".repeat(i % 300));
        store.hit(1, &name, at_second(0)).unwrap();
        assert!(store.shard.bytes() <= 20_000);
    }
    let counted: usize = store.shard.slots.iter().map(|slot| store.shard.cost(slot)).sum();
    assert_eq!(counted, store.shard.bytes());
}

#[test]
fn another_domains_buckets_survive_a_flood() {
    let mut store = Store::new(Bounds { keys_max: 100, ..ROOMY }, 10, Unit::Hour);
    for i in 0..20 {
        store.hit(2, &i.to_string(), at_second(0)).unwrap();
    }
    for i in 0..10_000 {
        store.hit(1, &i.to_string(), at_second(0)).unwrap();
    }
    for i in 0..20 {
        let outcome = store.hit(2, &i.to_string(), at_second(0)).unwrap();
        assert_eq!(outcome.before, 1, "bucket {i} of the quiet domain was lost");
    }
}

#[test]
fn a_bucket_whose_limit_is_spent_is_not_given_up_for_its_own_domain() {
    let mut store = Store::new(Bounds { keys_max: 100, ..ROOMY }, 2, Unit::Hour);
    store.hit(1, "spent", at_second(0)).unwrap();
    store.hit(1, "spent", at_second(0)).unwrap();
    for i in 0..10_000 {
        store.hit(1, &i.to_string(), at_second(0)).unwrap();
    }
    assert!(store.hit(1, "spent", at_second(0)).unwrap().over);
}

#[test]
fn when_every_bucket_is_spent_a_new_key_is_refused_and_nothing_is_charged() {
    let mut store = Store::new(Bounds { keys_max: 10, ..ROOMY }, 1, Unit::Hour);
    for i in 0..10 {
        store.hit(1, &i.to_string(), at_second(0)).unwrap();
    }
    assert_eq!(store.hit(1, "new", at_second(0)), Err(Refused));
    assert_eq!(store.shard.stats().refused, 1);
    assert_eq!(store.shard.keys(), 10);
}

#[test]
fn a_domain_below_its_share_gets_room_even_among_spent_buckets() {
    let mut store = Store::new(Bounds { keys_max: 10, ..ROOMY }, 1, Unit::Hour);
    for i in 0..10 {
        store.hit(1, &i.to_string(), at_second(0)).unwrap();
    }
    for i in 0..5 {
        store.hit(2, &i.to_string(), at_second(0)).unwrap();
    }
    assert_eq!(store.shard.stats().evicted_over_limit, 5);
    assert_eq!(store.hit(2, "sixth", at_second(0)), Err(Refused));
}

#[test]
fn ended_buckets_leave_in_small_steps_and_their_places_are_used_again() {
    let mut store = Store::new(ROOMY, 10, Unit::Second);
    for second in 0..200 {
        for i in 0..50 {
            store.hit(1, &format!("{second}-{i}"), at_second(second)).unwrap();
        }
    }
    assert!(store.shard.keys() <= 150, "{} keys are held", store.shard.keys());
    assert_eq!(store.shard.stats().evicted_live, 0);
    store.shard.sweep(u16::MAX, at_second(1_000));
    assert_eq!((store.shard.keys(), store.shard.bytes()), (0, 0));
}

#[test]
fn looking_and_refunding_make_no_bucket() {
    let mut store = Store::new(ROOMY, 10, Unit::Hour);
    let peek = store.charge(1, "a", Charge::Hits(0), at_second(0)).unwrap();
    let refund = store.charge(1, "a", Charge::Refund(3), at_second(0)).unwrap();
    assert_eq!((peek.remaining, refund.remaining), (10, 10));
    assert_eq!(store.shard.keys(), 0);
}

proptest! {
    /// With room for everything, the store is a map from key to hits in the current window.
    #[test]
    fn a_roomy_store_agrees_with_a_map(
        steps in proptest::collection::vec((0..8_u8, 0..3_u32, 0..4_u64, 0..40_u64), 1..200)
    ) {
        let mut store = Store::new(ROOMY, 5, Unit::Minute);
        let mut model: HashMap<(u8, u32), u64> = HashMap::new();
        let (mut second, mut window) = (0, 0);
        for (name, domain, hits, pause) in steps {
            second += pause;
            if second / 60 != window {
                window = second / 60;
                model.clear();
            }
            let count = model.entry((name, domain)).or_default();
            *count += hits;
            let outcome =
                store.charge(domain, &name.to_string(), Charge::Hits(hits), at_second(second)).unwrap();
            prop_assert_eq!(outcome.after, *count);
            prop_assert_eq!(outcome.over, *count > 5);
            prop_assert_eq!(outcome.reset_after, Duration::from_secs(60 - second % 60));
        }
    }

    /// Whatever comes, the bounds hold and the books balance, and no bucket admits more than its
    /// limit while it lives.
    #[test]
    fn a_tight_store_keeps_its_bounds(
        steps in proptest::collection::vec((0..60_u16, 0..4_u32, 1..4_u64, 0..3_u64), 1..300),
        algorithm in prop_oneof![Just(Algorithm::FixedWindow), Just(Algorithm::SlidingWindow)],
    ) {
        let bounds = Bounds { keys_max: 12, bytes_max: 1_400 };
        let mut store = Store::new(bounds, 9, Unit::Minute);
        store.quota.algorithm = algorithm;
        let mut second = 0;
        for (name, domain, hits, pause) in steps {
            second += pause;
            let _ = store.charge(domain, &name.to_string(), Charge::Hits(hits), at_second(second));
            prop_assert!(store.shard.keys() <= bounds.keys_max);
            prop_assert!(store.shard.bytes() <= bounds.bytes_max);
            let counted: usize =
                store.shard.slots.iter().map(|slot| store.shard.cost(slot)).sum();
            prop_assert_eq!(counted, store.shard.bytes());
            prop_assert_eq!(store.shard.slots().count(), store.shard.keys());
            let domains = || (0..4).filter_map(|tag| store.shard.domains.number(DomainTag(tag)));
            let keys: usize = domains().map(|number| store.shard.domains.keys(number)).sum();
            let bytes: usize = domains().map(|number| store.shard.domains.bytes(number)).sum();
            prop_assert_eq!((keys, bytes), (store.shard.keys(), store.shard.bytes()));
            for slot in store.shard.slots() {
                prop_assert!(store.shard.find(slot.key).is_some());
            }
        }
    }
}

fn sliding(bounds: Bounds, limit: u32) -> Store {
    let mut store = Store::new(bounds, limit, Unit::Hour);
    store.quota.algorithm = Algorithm::SlidingWindow;
    store
}

#[test]
fn a_bucket_that_grows_is_never_its_own_victim() {
    let mut store = sliding(Bounds { bytes_max: 700, ..ROOMY }, 100);
    let hits = |store: &mut Store| store.hit(1, "a", at_second(0));
    let admitted = (0..1_000).filter(|_| hits(&mut store).is_ok_and(|outcome| !outcome.over));
    assert!(admitted.count() <= 100);
    assert_eq!(store.shard.stats().evicted_live, 0);
}

#[test]
fn a_tenants_bytes_are_its_own_problem() {
    let mut store = sliding(Bounds { bytes_max: 100_000, keys_max: 4_000 }, 128);
    let mut spent = 0;
    // Domain 1 fills the shard with spent windows, each with 128 remembered hits.
    for name in 0..200 {
        for second in 0..128 {
            spent += u32::from(store.hit(1, &name.to_string(), at_second(second)).is_ok());
        }
    }
    assert!(spent > 1_000);
    assert!(store.shard.bytes() <= 100_000);
    for name in 0..5 {
        let outcome = store.hit(2, &format!("new-{name}"), at_second(200)).unwrap();
        assert!(!outcome.over);
        assert_eq!(store.hit(2, &format!("new-{name}"), at_second(200)).unwrap().before, 1);
    }
    // What exists and need not grow is answered, whatever the bound says.
    let known: Vec<_> = (0..200).map(|name| name.to_string()).collect();
    for name in &known {
        assert!(store.charge(1, name, Charge::Hits(0), at_second(200)).is_ok());
    }
}

#[test]
fn buckets_of_the_same_request_are_not_given_up_for_each_other() {
    let mut store = Store::new(Bounds { keys_max: 1, ..ROOMY }, 10, Unit::Hour);
    store.hit(1, "a", at_second(0)).unwrap();
    let a = store.shard.slots().next().unwrap().key;
    let entries = [Entry { key: "k", value: "b" }];
    let operation = Operation {
        key: SECRET.begin("b").finish(store.quota.shape(0)),
        quota: store.quota,
        charge: Charge::Hits(1),
        domain: DomainTag(1),
        limit: None,
        label: Label { domain: "d", entries: &entries, named: None },
        first_shared: None,
    };
    let both = [a, operation.key];
    assert_eq!(store.shard.charge(&operation, &both, at_second(0)), Err(Refused));
    assert_eq!(store.hit(1, "a", at_second(0)).unwrap().before, 1);
}
