//! What a shard is depends on what it was asked and on nothing else: not on copies, not on memory.

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::super::rig::{self, Limit, at, key, operation};
use super::*;
use crate::bucket::Outcome;
use crate::descriptor::Charge;
use crate::key::KeySecret;
use crate::limit::{Algorithm, Quota};
use crate::store::{Part, charge_all_or_none, hold_all_or_none, release, settle};

/// So tight that most insertions must give something up.
const TIGHT: Bounds = Bounds { keys_max: 9, bytes_max: 1_500 };

const SECRET: KeySecret = KeySecret::new([1; 16]);

const NAMES: [&str; 24] = [
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "k",
    "l",
    "m",
    "n",
    "o",
    "p",
    "q",
    "r",
    "s",
    "t",
    "u",
    "v",
    "w",
    "a longer name, which takes more of the room for texts",
];

#[derive(Clone, Debug)]
enum Step {
    Charge { name: usize, hits: u64, domain: u32 },
    Refund { name: usize, hits: u64 },
    Both { names: [usize; 2], hits: u64 },
    Hold { names: [usize; 2], hits: u64, nanos: u64 },
    End { number: usize, hits: Option<u64> },
    TakeBack { name: usize, hits: u64, before: u64 },
    Reset { name: usize },
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step, bool)>> {
    let name = || 0..NAMES.len();
    let hits = || prop_oneof![Just(0), 1..4_u64, 1..30_u64];
    let step = prop_oneof![
        12 => (name(), hits(), 0..3_u32)
            .prop_map(|(name, hits, domain)| Step::Charge { name, hits, domain }),
        1 => (name(), hits()).prop_map(|(name, hits)| Step::Refund { name, hits }),
        3 => ([name(), name()], hits()).prop_map(|(names, hits)| Step::Both { names, hits }),
        3 => ([name(), name()], hits(), 1..3 * rig::LENGTH)
            .prop_map(|(names, hits, nanos)| Step::Hold { names, hits, nanos }),
        3 => (0..40_usize, proptest::option::of(hits()))
            .prop_map(|(number, hits)| Step::End { number, hits }),
        2 => (name(), hits(), 0..rig::LENGTH)
            .prop_map(|(name, hits, before)| Step::TakeBack { name, hits, before }),
        1 => name().prop_map(|name| Step::Reset { name }),
        1 => Just(Step::Sweep),
    ];
    let pause = prop_oneof![40 => Just(0), 20 => 0..rig::LENGTH / 100, 1 => 0..2 * rig::LENGTH];
    proptest::collection::vec((pause, step, any::<bool>()), 1..400)
}

/// Every kind of bucket, each name one.
fn limit(name: usize) -> Limit {
    let (limit, algorithm) = match name % 5 {
        0 => (3, Algorithm::FixedWindow),
        1 => (5, Algorithm::TokenBucket { burst: 5 }),
        // Two of five keep their hits on the heap, and grow and shrink there.
        2 | 3 => (12, Algorithm::SlidingWindow),
        _ => (200, Algorithm::SlidingWindow),
    };
    let penalty_max = (name % 7 == 3).then_some(Duration::from_nanos(rig::LENGTH));
    (NAMES[name], Quota { penalty_max, ..rig::quota(limit, algorithm) })
}

/// A shard with the reservations that are open in it.
struct Asked {
    shard: Shard,
    open: Vec<((LogTime, ReservationId), Vec<Part>)>,
}

fn passes(outcomes: &[Outcome]) -> bool {
    outcomes.iter().all(|outcome| !outcome.over)
}

impl Asked {
    fn new(bounds: Bounds) -> Self {
        Self { shard: Shard::new(bounds), open: Vec::new() }
    }

    /// Does the step, and tells whatever its asker would be told.
    fn ask(&mut self, number: usize, step: &Step, now: Now) -> String {
        let shard = &mut self.shard;
        match step {
            Step::Charge { name, hits, domain } => {
                let mut charge = operation(limit(*name), Charge::Hits(*hits));
                charge.domain = DomainTag(*domain);
                format!("{:?}", shard.charge(&charge, &[charge.key], now))
            }
            Step::Refund { name, hits } => {
                let charge = operation(limit(*name), Charge::Refund(*hits));
                format!("{:?}", shard.charge(&charge, &[charge.key], now))
            }
            Step::Both { names, hits } => {
                let all = names.map(|name| operation(limit(name), Charge::Hits(*hits)));
                format!("{:?}", charge_all_or_none(shard, &all, now, passes))
            }
            Step::Hold { names, hits, nanos } => {
                let all = names.map(|name| operation(limit(name), Charge::Hits(*hits)));
                let end = now.log.plus(Duration::from_nanos(*nanos));
                let of = (end, SECRET.reservation_id(number as u64));
                let outcomes = hold_all_or_none(shard, &all, of, now, passes);
                if outcomes.as_ref().is_ok_and(|outcomes| passes(outcomes)) && *hits > 0 {
                    self.open.push((of, all.iter().map(rig::part).collect()));
                }
                format!("{outcomes:?}")
            }
            Step::End { number, hits } => {
                let Some((of, parts)) = self.open.get(*number) else { return String::new() };
                let told = match hits {
                    Some(hits) => settle(shard, parts, *of, *hits, now),
                    None => release(shard, parts, *of, now),
                };
                self.open.remove(*number);
                format!("{told:?}")
            }
            Step::TakeBack { name, hits, before } => {
                let charge = operation(limit(*name), Charge::Hits(*hits));
                let charged_at = at(now.log.as_nanos().saturating_sub(*before));
                shard.take_back(&charge, charged_at, now);
                String::new()
            }
            Step::Reset { name } => format!("{:?}", shard.reset(key(limit(*name)))),
            Step::Sweep => {
                shard.sweep(5, now);
                String::new()
            }
        }
    }
}

/// Asks both the same; one is replaced by `again` of itself now and then. Returns the first.
fn both_stay_equal(steps: &[(u64, Step, bool)], again: impl Fn(&Shard) -> Shard) -> Shard {
    let (mut plain, mut copied) = (Asked::new(TIGHT), Asked::new(TIGHT));
    let mut nanos = 4 * rig::LENGTH;
    for (number, (pause, step, copies)) in steps.iter().enumerate() {
        nanos += pause;
        if *copies {
            copied.shard = again(&copied.shard);
        }
        let told = (plain.ask(number, step, at(nanos)), copied.ask(number, step, at(nanos)));
        assert_eq!(told.0, told.1, "{number}: {step:?}");
        let (plain, copied) = (&plain.shard, &copied.shard);
        assert_eq!(plain.image(), copied.image(), "{number}: {step:?}");
        assert_eq!(plain.bytes(), copied.bytes(), "{number}: {step:?}");
        let domains = |shard: &Shard| format!("{:?}", shard.domains);
        assert_eq!(domains(plain), domains(copied), "{number}: {step:?}");
    }
    plain.shard
}

fn from_image(shard: &Shard) -> Shard {
    let image = shard.image();
    let again = Shard::from_image(image.clone()).unwrap();
    assert_eq!(again.image(), image);
    again
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_copy_answers_as_the_original_would_and_gives_up_the_same(steps in steps()) {
        both_stay_equal(&steps, Shard::clone);
    }

    #[test]
    fn a_shard_made_of_an_image_answers_as_the_original_would(steps in steps()) {
        both_stay_equal(&steps, from_image);
    }
}

#[test]
fn the_steps_meet_every_way_to_leave_a_shard() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut sum = Stats::default();
    let mut held = 0;
    for _ in 0..50 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let shard = both_stay_equal(&steps, from_image);
        sum += shard.stats();
        held += shard.image().holds.len();
    }
    assert!(sum.expired > 100 && sum.evicted_live > 100 && sum.refused > 10, "{sum:?}");
    assert!(sum.evicted_over_limit > 0 && held > 10, "{sum:?} {held}");
}

#[test]
fn a_lowered_bound_gives_up_what_is_beyond_it_when_room_is_asked_for() {
    let mut asked = Asked::new(TIGHT);
    for name in (0..12).filter(|name| name % 5 < 2) {
        asked.ask(0, &Step::Charge { name, hits: 1, domain: 0 }, at(rig::LENGTH));
    }
    let keys = asked.shard.keys();
    asked.shard.set_bounds(Bounds { keys_max: 3, ..TIGHT });
    assert_eq!(asked.shard.keys(), keys);
    asked.ask(0, &Step::Charge { name: 15, hits: 1, domain: 0 }, at(rig::LENGTH));
    assert_eq!(asked.shard.keys(), 3);
}

#[test]
fn an_image_of_no_shard_is_refused() {
    let mut asked = Asked::new(TIGHT);
    for name in 0..6 {
        asked.ask(0, &Step::Charge { name, hits: 1, domain: 0 }, at(rig::LENGTH));
    }
    asked.ask(0, &Step::Reset { name: 2 }, at(rig::LENGTH));
    asked.ask(0, &Step::Hold { names: [0, 1], hits: 1, nanos: 9 }, at(rig::LENGTH));
    let good = asked.shard.image();
    assert!(Shard::from_image(good.clone()).is_ok());
    let refused = |change: &dyn Fn(&mut ShardImage)| {
        let mut image = good.clone();
        change(&mut image);
        Shard::from_image(image).unwrap_err()
    };
    let slot = |image: &mut ShardImage, change: &dyn Fn(&mut SlotImage)| {
        image.places[0].iter_mut().for_each(change);
    };
    assert_eq!(refused(&|image| image.hand = 6), BadImage::Hand(6, 6));
    assert_eq!(refused(&|image| image.free.clear()), BadImage::Free);
    assert_eq!(refused(&|image| image.free = vec![2, 2]), BadImage::Free);
    assert_eq!(refused(&|image| image.free = vec![0]), BadImage::Free);
    assert_eq!(refused(&|image| image.free = vec![2, 900]), BadImage::Free);
    assert_eq!(refused(&|image| image.places[1] = image.places[0].clone()), BadImage::Twice);
    assert_eq!(refused(&|image| image.domains.clear()), BadImage::Domain(0, 0));
    let long = |image: &mut ShardImage| slot(image, &|slot| slot.text = "x".repeat(1_025).into());
    assert_eq!(refused(&long), BadImage::Text(1_025));
    assert_eq!(refused(&|image| image.holds.reverse()), BadImage::Holds);
    assert_eq!(refused(&|image| image.holds[0].hits = 0), BadImage::Holds);
    let many = |image: &mut ShardImage| image.places = vec![None; SLOTS_MAX + 1];
    assert_eq!(refused(&many), BadImage::Places(SLOTS_MAX + 1));
    let domains = |image: &mut ShardImage| image.domains = vec![DomainTag(0); (1 << 16) + 1];
    assert_eq!(refused(&domains), BadImage::Domains((1 << 16) + 1));
    assert_eq!(Shard::new(TIGHT).image().places, []);
}
