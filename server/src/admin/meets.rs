//! From a counter back to the limit that leads to it.
//!
//! A counter keeps neither its limit nor its number, so that a reload keeps counts:
//! [`Active::met`] finds them anew.

use tollgate_core::bucket::{Bucket, FixedWindow, Kind, Outcome, Plain};
use tollgate_core::descriptor::Charge;
use tollgate_core::key::Key;
use tollgate_core::limit::{Quota, Unit};
use tollgate_core::plan::Label;
use tollgate_core::store::{FULL, Slot};
use tollgate_core::time::Now;

use super::view::{CounterRow, EntryView, LimitRow};
use super::{instant, limits};
use crate::decide::Active;

/// A counter as operators see it now; reservations hold `held` hits of it.
pub(super) fn row(active: &Active, slot: &Slot<'_>, held: u64, now: Now) -> CounterRow {
    let parsed = Label::parse(slot.text);
    let met = active.met(slot.key, slot.text, |operation| {
        let row: Option<LimitRow> = operation.limit.map(|limit| {
            let domain = parsed.as_ref().map_or("", |(domain, _)| domain);
            limits::row(domain, limit)
        });
        (row, peek(slot.bucket, &operation.quota, now))
    });
    let (limit, outcome) = met.map_or((None, None), |(limit, outcome)| (limit, Some(outcome)));
    let domain = parsed.as_ref().map(|(domain, _)| (*domain).to_owned());
    let by_tag = || active.limits.domains().find(|domain| domain.tag() == slot.domain);
    CounterRow {
        key: key_text(slot.key),
        label: Label::printable(slot.text),
        domain: domain.or_else(|| by_tag().map(|domain| domain.name().to_string())),
        entries: parsed.map(|(_, entries)| entries.into_iter().map(EntryView::from).collect()),
        limit,
        hits: outcome.map(|outcome| outcome.before),
        remaining: outcome.map(|outcome| {
            // What does not fit into 32 bits is more than any limit has.
            outcome.remaining.saturating_sub(u32::try_from(held).unwrap_or(u32::MAX))
        }),
        held,
        reset_after_seconds: outcome.map(|outcome| instant::seconds(outcome.reset_after)),
        fill_percent: percent(slot.fill),
    }
}

/// Hits that count now. A fixed window tells them without its limit, which spares a scan of many
/// the matching; other algorithms need the limit's numbers.
pub(super) fn hits(active: &Active, slot: &Slot<'_>, now: Now) -> Option<u64> {
    if let Bucket::Plain(Plain::Compact(compact)) = slot.bucket
        && compact.kind == Kind::FixedWindow
    {
        let any = Quota::per_unit(u32::MAX, Unit::Second);
        return Some(FixedWindow::from(*compact).charge(&any, Charge::Hits(0), now).before);
    }
    active.met(slot.key, slot.text, |operation| peek(slot.bucket, &operation.quota, now).before)
}

/// The key as 32 hexadecimal digits.
pub(super) fn key_text(key: Key) -> String {
    format!("{:016x}{:016x}", key.high(), key.low())
}

/// The key that 32 hexadecimal digits spell.
pub(crate) fn parse_key(text: &str) -> Option<Key> {
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (high, low) = text.split_at(16);
    let half = |text| u64::from_str_radix(text, 16).ok();
    Some(Key::from_halves(half(high)?, half(low)?))
}

fn peek(bucket: &Bucket, quota: &Quota, now: Now) -> Outcome {
    bucket.clone().charge(quota, Charge::Hits(0), now)
}

fn percent(fill: u8) -> u8 {
    if fill == FULL { 100 } else { u8::try_from(u16::from(fill) * 100 / 255).unwrap_or(99) }
}

impl From<tollgate_core::descriptor::Entry<'_>> for EntryView {
    fn from(entry: tollgate_core::descriptor::Entry<'_>) -> Self {
        Self { key: entry.key.to_owned(), value: entry.value.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_digits_and_nothing_else_is() {
        let key = Key::from_halves(0x1f, u64::MAX);
        assert_eq!(key_text(key), "000000000000001fffffffffffffffff");
        assert_eq!(parse_key(&key_text(key)), Some(key));
        for text in ["", "1f", "+00000000000001fffffffffffffffff", &"g".repeat(32)] {
            assert_eq!(parse_key(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_spent_limit_is_full() {
        assert_eq!((percent(0), percent(127), percent(254), percent(FULL)), (0, 49, 99, 100));
    }
}
