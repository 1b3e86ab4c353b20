//! Entries against a naive model: a list of everything that is still there.

use bytes::Bytes;
use proptest::prelude::*;
use tollgate_core::time::{LogTime, Wall};

use super::*;
use crate::types::{Data, log_id};

#[derive(Clone, Debug)]
enum Step {
    /// Entries of a new term.
    Append(usize, usize),
    TruncateTo(u64),
    PurgeTo(u64),
    Install(u64),
}

#[derive(Default)]
struct Model {
    entries: Vec<(u64, u64, Option<Now>, Monotonic)>,
    purged: Option<u64>,
    before: Stamp,
}

impl Model {
    fn last(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.0).or(self.purged)
    }

    fn stamp(&self) -> Stamp {
        let stamped = self.entries.iter().rev();
        let mut stamped =
            stamped.filter_map(|&(_, _, at, received)| at.map(|at| Stamp { at, received }));
        stamped.next().unwrap_or(self.before)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..6_usize, 0..40_usize).prop_map(|(entries, bytes)| Step::Append(entries, bytes)),
        1 => (0..60_u64).prop_map(Step::TruncateTo),
        1 => (0..60_u64).prop_map(Step::PurgeTo),
        1 => (0..200_u64).prop_map(Step::Install),
    ];
    proptest::collection::vec(step, 1..40)
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let data = Data(Bytes::from(vec![0; bytes]));
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(data) }
}

fn now(nanos: u64) -> Now {
    Now { log: LogTime::from_nanos(nanos), epoch: Wall::from_nanos(nanos) }
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

proptest! {
    #[test]
    fn entries_are_what_a_list_of_them_would_be(steps in steps(), start in 0..70_u64, len in 0..20_u64) {
        let mut entries = Entries::default();
        let mut model = Model::default();
        for (term, step) in (1..).zip(steps) {
            let received = Monotonic::from_nanos(term * 10);
            match step {
                Step::Append(count, bytes) => {
                    for _ in 0..count {
                        let index = model.last().map_or(0, |last| last + 1);
                        let at = (bytes % 3 != 0).then(|| now(term * 100 + index));
                        entries.push(entry(term, index, bytes), at, received).expect("no hole");
                        model.entries.push((index, term, at, received));
                    }
                }
                Step::TruncateTo(last) => {
                    entries.truncate_after(Some(last));
                    model.entries.retain(|entry| entry.0 <= last);
                }
                Step::PurgeTo(upto) => {
                    entries.purge(log_id(term, upto));
                    let mut gone = model.entries.iter().filter(|entry| entry.0 <= upto);
                    if let Some(&(_, _, Some(at), received)) =
                        gone.rfind(|entry| entry.2.is_some())
                    {
                        model.before = Stamp { at, received };
                    }
                    model.entries.retain(|entry| entry.0 > upto);
                    model.purged = model.purged.max(Some(upto));
                    // What is purged beyond the last entry leaves a log that goes on after it.
                    prop_assert!(entries.purged().is_some());
                }
                Step::Install(at) => {
                    entries.installed(Stamp { at: now(at), received });
                    if at > model.before.at.log.as_nanos() {
                        model.before = Stamp { at: now(at), received };
                    }
                }
            }
            let expected: Vec<u64> = model.entries.iter().map(|entry| entry.0).collect();
            prop_assert_eq!(indexes(&entries.range(..)), expected.clone());
            prop_assert_eq!(entries.last().map(|last| last.index), model.last());
            prop_assert_eq!(entries.stamp(), model.stamp());
            prop_assert_eq!(entries.len(), expected.len());
            let bytes: usize = entries.kept.iter().map(|kept| kept.bytes).sum();
            prop_assert_eq!(entries.bytes(), bytes);
            let in_range = |index: &&u64| (start..start + len).contains(*index);
            let within: Vec<u64> = expected.iter().filter(in_range).copied().collect();
            prop_assert_eq!(indexes(&entries.range(start..start + len)), within.clone());
            if len > 0 {
                prop_assert_eq!(indexes(&entries.range(start..=start + len - 1)), within.clone());
            }
            let first = entries.first_of(start, start + len, 3 * ENTRY_OVERHEAD);
            prop_assert!(within.starts_with(&indexes(&first)));
            prop_assert_eq!(first.is_empty(), within.is_empty());
            prop_assert!(first.len() <= 3);
        }
    }
}

#[test]
fn a_hole_is_refused() {
    let mut entries = Entries::default();
    entries.push(entry(1, 4, 0), None, Monotonic::default()).expect("the first one");
    let refused = entries.push(entry(1, 6, 0), None, Monotonic::default());
    assert_eq!(refused, Err(Hole { found: 6, last: 4 }));
    let refused = entries.push(entry(2, 4, 0), None, Monotonic::default());
    assert_eq!(refused, Err(Hole { found: 4, last: 4 }));
}

#[test]
fn the_stamp_of_replaced_entries_does_not_count() {
    let mut entries = Entries::default();
    entries.push(entry(1, 0, 0), Some(now(10)), Monotonic::from_nanos(1)).expect("appended");
    entries.push(entry(1, 1, 0), Some(now(90)), Monotonic::from_nanos(2)).expect("appended");
    entries.truncate_after(Some(0));
    assert_eq!(entries.stamp(), Stamp { at: now(10), received: Monotonic::from_nanos(1) });
}

/// Entries of 1,000 bytes, one a second from second zero.
fn one_a_second(count: u64) -> Entries {
    let mut entries = Entries::default();
    for index in 0..count {
        let received = Monotonic::default().plus(Duration::from_secs(index));
        let entry = entry(1, index, 1_000 - ENTRY_OVERHEAD);
        entries.push(entry, None, received).expect("appended");
    }
    entries
}

#[test]
fn a_log_lets_go_what_is_old_and_what_is_too_much() {
    let retention = Retention {
        age_min: Duration::from_secs(5),
        age_max: Duration::from_secs(60),
        bytes_min: 10_000,
        bytes_max: 20_000,
    };
    let at = |seconds| Monotonic::default().plus(Duration::from_secs(seconds));
    let upto = |entries: &Entries, seconds| {
        entries.releasable(&retention, at(seconds)).map(|releasable| releasable.upto)
    };
    // Few and young enough: all stay until they are a minute old.
    let few = one_a_second(10);
    assert_eq!(upto(&few, 9), None);
    assert_eq!(upto(&few, 60), None);
    assert_eq!(upto(&few, 63), Some(2));
    assert!(few.releasable(&retention, at(63)).expect("some").is_overdue);
    // More than the least: what is older than five seconds goes until the least is left.
    let more = one_a_second(16);
    let expected = Releasable { upto: 5, bytes: 6_000, is_overdue: false };
    assert_eq!(more.releasable(&retention, at(15)), Some(expected));
    // Nothing is older than five seconds, but it is too much.
    let mut burst = one_a_second(1);
    for index in 1..30 {
        burst.push(entry(1, index, 1_000 - ENTRY_OVERHEAD), None, at(1)).expect("appended");
    }
    assert_eq!(upto(&burst, 1), Some(9));
}
