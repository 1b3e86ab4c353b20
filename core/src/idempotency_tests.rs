//! Once, and the same answer, for ten seconds; and never more memory than was said.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::key::KeySecret;
use crate::time::NANOS_PER_SECOND;

const ROOMY: Bounds = Bounds { keys_max: 1_000, bytes_max: 1 << 20, answer_bytes_max: 100 };
const TEN: u64 = 10 * NANOS_PER_SECOND;

fn at(nanos: u64) -> LogTime {
    LogTime::from_nanos(nanos)
}

fn of(request: &str) -> Fingerprint {
    KeySecret::new([1; 16]).fingerprint(request.as_bytes())
}

fn key(text: &str) -> IdempotencyKey<'_> {
    IdempotencyKey::parse(text).unwrap()
}

/// Executes by counting, and answers the count.
struct Counting {
    recent: Recent<String>,
    executed: u32,
}

impl Counting {
    fn new(bounds: Bounds) -> Self {
        Self { recent: Recent::new(bounds, String::len), executed: 0 }
    }

    fn ask(&mut self, name: &str, request: &str, now: u64) -> Result<String, Unanswered<()>> {
        let Self { recent, executed } = self;
        recent.once(key(name), of(request), at(now), || {
            *executed += 1;
            Ok(executed.to_string())
        })
    }
}

#[test]
fn the_same_key_gets_the_same_answer_and_counts_once() {
    let mut counting = Counting::new(ROOMY);
    for nanos in [0, 1, TEN / 2, TEN - 1] {
        assert_eq!(counting.ask("a", "r", nanos), Ok("1".into()));
    }
    assert_eq!(counting.ask("b", "r", TEN - 1), Ok("2".into()));
    assert_eq!(counting.executed, 2);
}

#[test]
fn the_same_key_for_another_request_is_a_conflict_and_executes_nothing() {
    let mut counting = Counting::new(ROOMY);
    assert_eq!(counting.ask("a", "r", 0), Ok("1".into()));
    assert_eq!(counting.ask("a", "other", 1), Err(Unanswered::Conflict));
    assert_eq!(counting.ask("a", "r", 2), Ok("1".into()));
    assert_eq!(counting.executed, 1);
}

#[test]
fn an_answer_is_remembered_to_the_last_nanosecond_of_ten_seconds() {
    let mut counting = Counting::new(ROOMY);
    assert_eq!(counting.ask("a", "r", 7), Ok("1".into()));
    assert_eq!(counting.ask("a", "other", 7 + TEN - 1), Err(Unanswered::Conflict));
    assert_eq!(counting.ask("a", "other", 7 + TEN), Ok("2".into()));
    // And from then on for ten more, and for whoever read the clock before.
    assert_eq!(counting.ask("a", "other", 7), Ok("2".into()));
    assert_eq!(counting.ask("a", "other", 7 + 2 * TEN - 1), Ok("2".into()));
    assert_eq!(counting.ask("a", "other", 7 + 2 * TEN), Ok("3".into()));
}

#[test]
fn what_failed_is_not_remembered() {
    let mut counting = Counting::new(ROOMY);
    let failed = counting.recent.once(key("a"), of("r"), at(0), || Err("no"));
    assert_eq!(failed, Err(Unanswered::Failed("no")));
    assert!(counting.recent.is_empty());
    assert_eq!(counting.ask("a", "other", 1), Ok("1".into()));
}

#[test]
fn a_full_memory_refuses_before_it_executes_and_forgets_nobody() {
    let mut counting = Counting::new(Bounds { keys_max: 3, ..ROOMY });
    for name in ["a", "b", "c"] {
        counting.ask(name, "r", 5).unwrap();
    }
    assert_eq!(counting.ask("d", "r", TEN + 4), Err(Unanswered::Full));
    assert_eq!(counting.executed, 3);
    assert_eq!(counting.ask("a", "r", TEN + 4), Ok("1".into()));
    assert_eq!(counting.ask("d", "r", TEN + 5), Ok("4".into()));
}

#[test]
fn bytes_bound_it_as_keys_do() {
    let bounds = Bounds { bytes_max: 2_000, ..ROOMY };
    let mut counting = Counting::new(bounds);
    let asked = (0..100).map(|i| counting.ask(&i.to_string(), "r", 0));
    let full = asked.filter(|answer| *answer == Err(Unanswered::Full)).count();
    assert!((80..100).contains(&full), "{full}");
    assert!(counting.recent.bytes() <= 2_000);
    counting.recent.sweep(at(TEN));
    assert_eq!((counting.recent.len(), counting.recent.bytes()), (0, 0));
}

#[test]
fn what_has_ended_leaves_as_others_come() {
    let mut counting = Counting::new(ROOMY);
    for i in 0..100 {
        counting.ask(&i.to_string(), "r", 0).unwrap();
    }
    for i in 100..150 {
        counting.ask(&i.to_string(), "r", TEN).unwrap();
    }
    assert_eq!(counting.recent.len(), 50);
}

#[test]
fn a_key_is_1_to_128_printable_ascii_characters() {
    for right in ["a", " ", "~", &"x".repeat(128)] {
        assert_eq!(IdempotencyKey::parse(right).map(IdempotencyKey::as_str), Ok(right));
    }
    for wrong in ["", "\u{7f}", "a\nb", "é", "\0", &"x".repeat(129)] {
        assert_eq!(IdempotencyKey::parse(wrong), Err(NotAKey), "{wrong:?}");
    }
}

proptest! {
    /// Against a map of everything that was ever answered, with times a little out of order.
    #[test]
    fn agrees_with_a_map_of_all_answers(
        steps in proptest::collection::vec(
            (0..6_u8, 0..2_u8, 0..4 * NANOS_PER_SECOND, 0..NANOS_PER_SECOND, any::<bool>()), 1..200),
        keys_max in 1..5_usize,
    ) {
        let mut counting = Counting::new(Bounds { keys_max, ..ROOMY });
        let mut model: BTreeMap<String, (u64, u8, String)> = BTreeMap::new();
        let (mut clock, mut latest) = (NANOS_PER_SECOND, 0);
        for (name, request, pause, behind, sweeps) in steps {
            clock += pause;
            latest = latest.max(clock - behind);
            if sweeps {
                counting.recent.sweep(at(clock - behind));
                continue;
            }
            let name = name.to_string();
            model.retain(|_, (end, ..)| *end > latest);
            let expected = match model.get(&name) {
                Some((_, known, answer)) if *known == request => Ok(answer.clone()),
                Some(_) => Err(Unanswered::Conflict),
                None if model.len() == keys_max => Err(Unanswered::Full),
                None => {
                    let answer = (counting.executed + 1).to_string();
                    model.insert(name.clone(), (latest + TEN, request, answer.clone()));
                    Ok(answer)
                }
            };
            let answer = counting.ask(&name, &request.to_string(), clock - behind);
            prop_assert_eq!(answer, expected);
            let costs = counting.recent.by_key.iter();
            let counted: usize =
                costs.map(|(key, known)| counting.recent.cost(key, &known.answer)).sum();
            prop_assert_eq!(counted, counting.recent.bytes());
        }
    }
}
