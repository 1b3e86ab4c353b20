//! No limit lets in more than it allows, over true time: what the log let in is counted again by the
//! plainest rules there are.
//!
//! A hit counts when its leader stamped it. The ledger's time may be faster than true time by as much
//! as clocks drift and epoch time is corrected; a window is shortened by that.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate_core::command::{Answer, Call, Charging, Command, Rule};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::limit::{Algorithm, Quota};
use tollgate_core::time::saturating_nanos;

use super::super::history::Broken;
use super::broke;
use super::replayed::{Entry, Replayed};

const WHAT: &str = "limits";

/// By this part the ledger's time may be faster than true time.
const FASTER_PART: u64 = 400;

/// What happened to a bucket.
#[derive(Clone, Copy, Debug)]
enum Event {
    Admitted(u64),
    GivenBack(u64),
    Forgotten,
}

struct Told {
    event: Event,
    true_nanos: u64,
    epoch_nanos: u64,
    quota: Option<Quota>,
}

pub(super) fn check(replayed: &Replayed, broken: &mut Vec<Broken>) {
    let mut buckets: BTreeMap<Key, Vec<Told>> = BTreeMap::new();
    let mut once = BTreeMap::new();
    for entry in replayed.entries.values().filter(|entry| entry.is_first) {
        for (call, answered) in entry.batch.calls.iter().zip(entry.answers.iter()) {
            if let Some(key) = &call.once {
                let key = (entry.group, key.key.clone());
                if once.insert(key, answered.at) == Some(answered.at) {
                    // Answered from memory.
                    continue;
                }
            }
            add(&mut buckets, entry, call, &answered.answer);
        }
    }
    for (key, events) in &buckets {
        let Some(quota) = events.iter().find_map(|told| told.quota) else { continue };
        for part in events.split(|told| matches!(told.event, Event::Forgotten)) {
            if let Err(how) = check_bucket(&quota, part) {
                broke(broken, WHAT, format!("key {}: {how}", key.low()));
            }
        }
    }
}

fn add(buckets: &mut BTreeMap<Key, Vec<Told>>, entry: &Entry, call: &Call, answer: &Answer) {
    let mut tell = |key: Key, event, quota| {
        let true_nanos = saturating_nanos(entry.stamped);
        let epoch_nanos = entry.at.epoch.as_nanos();
        buckets.entry(key).or_default().push(Told { event, true_nanos, epoch_nanos, quota });
    };
    match (&call.command, answer) {
        (Command::Charge { charges, rule }, Answer::Outcomes(outcomes)) => {
            let is_charged = match rule {
                Rule::AllOrNone(combining) => combining.passes(charges, outcomes),
                Rule::Each | Rule::All => true,
            };
            let of_charge = |charging: &Charging| match charging.charge {
                Charge::Hits(hits) => Event::Admitted(hits),
                Charge::Refund(hits) => Event::GivenBack(hits),
            };
            for (charging, outcome) in charges.iter().zip(outcomes) {
                if is_charged && !outcome.over {
                    tell(charging.key, of_charge(charging), Some(charging.quota));
                }
            }
        }
        (Command::TakeBack { charges, .. }, Answer::Done) => {
            for charging in charges {
                if let Charge::Hits(hits) = charging.charge {
                    tell(charging.key, Event::GivenBack(hits), None);
                }
            }
        }
        (Command::Settle { .. }, Answer::Settled { settled, reservation }) => {
            for (part, outcome) in reservation.parts.iter().zip(&settled.outcomes) {
                let hits = outcome.after.saturating_sub(outcome.before);
                tell(part.key, Event::Admitted(hits), Some(part.quota));
            }
        }
        (Command::Forget { keys }, Answer::Forgotten(_)) => {
            keys.iter().for_each(|key| tell(*key, Event::Forgotten, None));
        }
        _ => {}
    }
}

fn check_bucket(quota: &Quota, events: &[Told]) -> Result<(), String> {
    let window = quota.window.nanos();
    let shorter = window - window / FASTER_PART;
    match quota.algorithm {
        Algorithm::SlidingWindow => check_spans(events, |_| shorter, |_| u64::from(quota.limit)),
        Algorithm::FixedWindow => {
            let mut windows: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
            for told in events {
                let of = windows.entry(told.epoch_nanos / window).or_default();
                match told.event {
                    Event::Admitted(hits) => of.0 += hits,
                    Event::GivenBack(hits) => of.1 += hits,
                    Event::Forgotten => {}
                }
                if of.0 > u64::from(quota.limit) + of.1 {
                    return Err(format!("{} of {} in a window", of.0 - of.1, quota.limit));
                }
            }
            // No more windows begin than there is time for.
            check_spans(events, |n| shorter * n, |n| u64::from(quota.limit) * (n + 1))
        }
        Algorithm::TokenBucket { burst } => check_tokens(quota, u64::from(burst), events),
    }
}

/// In every time of a few lengths, at most so many hits.
fn check_spans(
    events: &[Told],
    length: impl Fn(u64) -> u64,
    most: impl Fn(u64) -> u64,
) -> Result<(), String> {
    for (at, first) in events.iter().enumerate() {
        for count in 1..=4 {
            let end = first.true_nanos.saturating_add(length(count));
            let (mut admitted, mut given_back) = (0_u64, 0_u64);
            for told in events.iter().skip(at).take_while(|told| told.true_nanos < end) {
                match told.event {
                    Event::Admitted(hits) => admitted += hits,
                    Event::GivenBack(hits) => given_back += hits,
                    Event::Forgotten => {}
                }
                if admitted > most(count) + given_back {
                    let at = Duration::from_nanos(first.true_nanos);
                    let most = most(count);
                    return Err(format!(
                        "{admitted} of {most} from {at:?} on, {given_back} given back"
                    ));
                }
            }
            if length(1) == length(2) {
                break;
            }
        }
    }
    Ok(())
}

/// In every time, at most a full bucket and what flows in meanwhile.
fn check_tokens(quota: &Quota, burst: u64, events: &[Told]) -> Result<(), String> {
    for (at, first) in events.iter().enumerate() {
        let (mut admitted, mut given_back) = (0_u64, 0_u64);
        for told in events.iter().skip(at) {
            match told.event {
                Event::Admitted(hits) => admitted += hits,
                Event::GivenBack(hits) => given_back += hits,
                Event::Forgotten => {}
            }
            let elapsed = told.true_nanos.saturating_sub(first.true_nanos);
            let elapsed = u128::from(elapsed + elapsed / FASTER_PART);
            let flowed = elapsed * u128::from(quota.limit) / u128::from(quota.window.nanos());
            if u128::from(admitted) > u128::from(burst + given_back) + flowed + 1 {
                return Err(format!("{admitted} of a bucket of {burst} and {flowed} more"));
            }
        }
    }
    Ok(())
}
