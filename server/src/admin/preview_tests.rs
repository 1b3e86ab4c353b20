//! What a preview says is what the decision right after it does, and a preview spends nothing:
//! generated rules, generated requests, one clock that the test moves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tollgate_core::bucket::Bucket;
use tollgate_core::decision::Code;
use tollgate_core::descriptor::{Charge, Descriptor, Entry, Override, Request};
use tollgate_core::key::{Key, KeySecret};
use tollgate_core::limit::{
    Algorithm, Bound, Limit, NAMED_DOMAIN, NAMED_KEY, Named, Node, Options, Quota, Rules, Unit,
    Window,
};
use tollgate_core::reservation::ReservationId;
use tollgate_core::store::Bounds;
use tollgate_core::time::{Clock, ManualClock, NANOS_PER_SECOND, Wall};

use crate::config::Domains;
use crate::decide::double::{On, on_both};
use crate::decide::{Active, Answers, Decider, Terms};
use crate::done::Done as _;

const RULE_SETS: u64 = 50;
const REQUESTS: usize = 200;
const SECRET: KeySecret = KeySecret::new([9; 16]);
const ROOMY: Bounds = Bounds { keys_max: 1_000_000, bytes_max: 1 << 30 };
const KEYS: [&str; 3] = ["a", "b", "c"];
const VALUES: [&str; 5] = ["x", "xy", "xz", "y", ""];

fn a_preview_says_what_the_decision_does_and_spends_nothing(on: On) {
    let mut met = Met::default();
    for seed in 0..RULE_SETS {
        let mut random = Random(seed);
        let wall = Wall::from_nanos(1_700_000_003 * NANOS_PER_SECOND);
        let clock = Arc::new(ManualClock::starting_at(wall));
        let active = Active::new(domains(&mut random), Answers::default(), &SECRET);
        let decider = on.decider(active, SECRET, ROOMY, Arc::clone(&clock) as Arc<dyn Clock>);
        let mut open = Vec::new();
        for number in 0..REQUESTS {
            clock.advance(Duration::from_millis(random.below(150)));
            let place = format!("seed {seed}, request {number}");
            met.held += reserve_or_settle(&decider, &mut random, &mut open);
            met.add(expect_agreement(&decider, &mut random, &place));
        }
    }
    // The rules and requests are worth something only if they meet.
    let Met { counted, denied, denied_whole, shadowed, held } = met;
    assert!(counted > 4_000 && denied > 1_500, "{met:?}");
    assert!(denied_whole > 800 && shadowed > 300 && held > 300, "{met:?}");
}

/// How many requests were of which kind.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    /// Some limit counted.
    counted: u32,
    /// Over.
    denied: u32,
    /// Over in a domain that charges all or none, with several limits.
    denied_whole: u32,
    /// A shadowed limit had nothing left.
    shadowed: u32,
    /// Reservations held hits beside it.
    held: u32,
}

impl Met {
    fn add(&mut self, other: Self) {
        self.counted += other.counted;
        self.denied += other.denied;
        self.denied_whole += other.denied_whole;
        self.shadowed += other.shadowed;
        self.held += other.held;
    }
}

/// Now and then makes a reservation, commits one, or lets one be; how many were made.
fn reserve_or_settle(decider: &Decider, random: &mut Random, open: &mut Vec<ReservationId>) -> u32 {
    match random.below(10) {
        0 | 1 => {
            let asked = Asked::new(random);
            let entries: Vec<Vec<Entry<'_>>> = asked.entries();
            let descriptors: Vec<_> = asked.descriptors(&entries);
            let (domain, hits_addend) = (asked.domain, asked.hits_addend);
            let request = Request { domain, descriptors: &descriptors, hits_addend };
            let hold_for = Duration::from_secs(1 + random.below(20));
            let active = decider.active();
            let reserved =
                decider.reserve(&active, &request, hold_for, Terms::default()).done().unwrap();
            let counts = !reserved.checked.plan.operations.is_empty();
            open.extend(reserved.id);
            u32::from(counts && reserved.id.is_some())
        }
        2 => {
            // One that has ended is an error, and no matter here.
            drop(open.pop().map(|id| decider.commit(id, random.below(4), Terms::default()).done()));
            0
        }
        _ => 0,
    }
}

fn expect_agreement(decider: &Decider, random: &mut Random, place: &str) -> Met {
    let asked = Asked::new(random);
    let entries: Vec<Vec<Entry<'_>>> = asked.entries();
    let descriptors: Vec<_> = asked.descriptors(&entries);
    let request =
        Request { domain: asked.domain, descriptors: &descriptors, hits_addend: asked.hits_addend };
    let active = decider.active();
    let before = (decider.totals(), buckets(decider));
    let previewed = decider.preview(&active, &request, Terms::default()).done().unwrap();
    assert_eq!((decider.totals(), buckets(decider)), before, "{place}: a preview left a trace");
    let checked = decider.check(&active, &request, Terms::default()).done().unwrap();
    // All of it: codes, what remains, when it resets, which limit is told.
    assert_eq!(previewed.decision, checked.decision, "{place}: {request:?}");
    let operations = &checked.plan.operations;
    let is_denied = checked.decision.overall == Code::OverLimit;
    let is_atomic = checked.plan.domain.is_some_and(|domain| domain.options.atomic);
    let is_shadow = |limit: &Limit| limit.shadow;
    let spent = previewed.found.iter().map(|found| found.remaining == 0);
    let shadowed = operations.iter().zip(spent);
    let shadowed = shadowed.filter(|(o, spent)| *spent && o.limit.is_some_and(is_shadow)).count();
    Met {
        counted: u32::from(!operations.is_empty()),
        denied: u32::from(is_denied),
        denied_whole: u32::from(is_denied && is_atomic && operations.len() > 1),
        shadowed: u32::from(shadowed > 0),
        held: 0,
    }
}

/// Everything that the ledger holds.
fn buckets(decider: &Decider) -> BTreeMap<Key, (Bucket, u8)> {
    let mut all = BTreeMap::new();
    decider.ledger().visit(|slot| {
        all.insert(slot.key, (slot.bucket.clone(), slot.fill));
    });
    all
}

/// A request's owned parts.
struct Asked {
    domain: &'static str,
    hits_addend: u32,
    descriptors: Vec<(Pairs, Option<Override>, Option<Charge>)>,
}

type Pairs = Vec<(&'static str, &'static str)>;

impl Asked {
    fn new(random: &mut Random) -> Self {
        let descriptor = |random: &mut Random| {
            let pair = |random: &mut Random| (random.of(KEYS), random.of(VALUES));
            let length = 1 + random.below(3).min(random.below(3));
            let entries = (0..length).map(|_| pair(random)).collect();
            let brought = Override::PerUnit { requests_per_unit: 2, unit: Unit::Minute };
            let charge = match random.below(8) {
                0 => Some(Charge::Hits(0)),
                1 => Some(Charge::Refund(1)),
                2 => Some(Charge::Hits(3)),
                _ => None,
            };
            (entries, (random.below(10) == 0).then_some(brought), charge)
        };
        let count = 1 + random.below(4);
        Self {
            domain: random.of(["each", "all", "all", NAMED_DOMAIN, "unknown"]),
            hits_addend: u32::try_from(random.below(3)).unwrap(),
            descriptors: (0..count).map(|_| descriptor(random)).collect(),
        }
    }

    fn entries(&self) -> Vec<Vec<Entry<'_>>> {
        let named = (self.domain == NAMED_DOMAIN).then_some((NAMED_KEY, "shared"));
        let all = |entries: &Pairs| {
            let all = named.into_iter().chain(entries.iter().copied());
            all.map(|(key, value)| Entry { key, value }).collect()
        };
        self.descriptors.iter().map(|(entries, ..)| all(entries)).collect()
    }

    fn descriptors<'a>(&self, entries: &'a [Vec<Entry<'a>>]) -> Vec<Descriptor<'a>> {
        let parts = entries.iter().zip(&self.descriptors);
        parts
            .map(|(entries, (_, limit_override, charge))| Descriptor {
                entries,
                limit_override: *limit_override,
                charge: *charge,
            })
            .collect()
    }
}

/// Two domains of generated rules, one charging each limit by itself and one all or none, and the
/// domain of a named limit that both count in.
fn domains(random: &mut Random) -> Domains {
    let atomic = Options { atomic: true, headers: None };
    let mut named = Rules::default();
    let mut leaf = node(NAMED_KEY, "shared", Vec::new());
    let shared = vec![Limit::new(Bound::Limited(quota(random)), "tollgate.limit_shared.a".into())];
    leaf.rules.add(node("a", "", shared)).unwrap();
    named.add(leaf).unwrap();
    vec![
        ("each".into(), rules(random, 3), Options::default()),
        ("all".into(), rules(random, 3), atomic),
        (NAMED_DOMAIN.into(), named, atomic),
    ]
}

fn rules(random: &mut Random, depth: u64) -> Rules {
    let mut rules = Rules::default();
    for _ in 0..3 + random.below(4) {
        let (key, value) = (random.of(KEYS), random.of(["", "x", "x*", "*", "y"]));
        let count = random.below(4);
        let limits = (0..count).map(|_| limit(random, key)).collect();
        let mut node = node(key, value, limits);
        node.share_threshold = value.contains('*') && random.below(2) == 0;
        if depth > 1 {
            node.rules = self::rules(random, depth - 1);
        }
        // A twin is refused, and the level stays as it was.
        drop(rules.add(node));
    }
    rules
}

fn node(key: &str, value: &str, limits: Vec<Limit>) -> Node {
    Node { key: key.into(), value: value.into(), limits: limits.into(), ..Node::default() }
}

fn limit(random: &mut Random, key: &str) -> Limit {
    let bound = match random.below(12) {
        0 => Bound::Unlimited,
        _ => Bound::Limited(quota(random)),
    };
    let names = ["one", "two", "three"];
    let named = Named { name: "shared".into(), by: Box::new(["a".into()]) };
    let is_named = key == "a" && random.below(4) == 0;
    Limit {
        name: Some(random.of(names).into()),
        shadow: random.below(5) == 0,
        quota_mode: random.below(5) == 0,
        replaces: (random.below(10) == 0).then(|| random.of(names).into()).into_iter().collect(),
        named: is_named.then_some(named),
        ..Limit::new(bound, "path".into())
    }
}

fn quota(random: &mut Random) -> Quota {
    let algorithm = match random.below(4) {
        0 => Algorithm::SlidingWindow,
        1 => Algorithm::TokenBucket { burst: 2 },
        _ => Algorithm::FixedWindow,
    };
    let seconds = random.of([1, 2, 10, 60]);
    let window = Window::of_length(Duration::from_secs(seconds)).unwrap();
    Quota {
        limit: u32::try_from(random.below(6)).unwrap(),
        window,
        algorithm,
        counts_refused: random.below(2) == 0,
        penalty_max: (random.below(4) == 0).then_some(Duration::from_secs(30)),
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::try_from(self.below(N as u64)).unwrap()]
    }
}

on_both!(a_preview_says_what_the_decision_does_and_spends_nothing);
