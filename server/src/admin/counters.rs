//! Finding, showing and forgetting live counters.
//!
//! A scan looks at every slot of the ledger, a shard at a time and under that shard's lock, so what
//! it does there is cheap: compare, and copy what may be shown. It keeps a bounded number of copies
//! (the first keys of a page, the greatest of a top list), and looks up limits only for those.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::LazyLock;

use tollgate_core::bucket::Bucket;
use tollgate_core::key::{DomainTag, Key};
use tollgate_core::plan::Label;
use tollgate_core::store::{FULL, Slot};
use tollgate_core::time::Now;

use super::meets;
use super::view::{CounterRow, Counters};
use crate::access::Who;
use crate::audit::{self, Action, Audit, NOTHING};
use crate::decide::{Active, Decider, Terms, Unavailable};

/// Rows of one page or top list.
pub(super) const ROWS_MAX: usize = 1_000;

/// Scans that one page may take. What the scan takes for spent may have recovered since its last
/// charge and is then left out; after this many scans a page is given out short.
const SCANS_MAX: usize = 8;

/// What to look for.
#[derive(Clone, Debug, Default)]
pub(super) struct Search {
    /// Only counters of this domain.
    pub(super) domain: Option<String>,
    /// Only counters whose label has this text.
    pub(super) contains: Option<String>,
    /// Only counters with nothing left.
    pub(super) over: bool,
    /// Only counters behind this key.
    pub(super) after: Option<Key>,
    /// Rows of the page.
    pub(super) limit: usize,
}

/// What a top list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// Hits that count now.
    Hits,
    /// The part of the limit that was spent after the last charge.
    Fill,
}

/// One page of the counters that fit, in the order of their keys.
pub(super) fn find(decider: &Decider, search: &Search) -> Counters {
    let (active, now) = (decider.active(), decider.now());
    let mut page = Counters { counters: Vec::new(), next: None };
    let mut after = search.after;
    for _ in 0..SCANS_MAX {
        let wanted = search.limit.saturating_sub(page.counters.len());
        let mut found = first_keys(decider, search, after, wanted + 1, now);
        let is_last = found.len() <= wanted;
        found.truncate(wanted);
        after = found.last().map(|copy| copy.key);
        let rows = found.iter().map(|copy| copy.row(decider, &active, now));
        page.counters.extend(rows.filter(|row| fits(row, search)));
        page.next = if is_last { None } else { after.map(meets::key_text) };
        if is_last || page.counters.len() >= search.limit {
            break;
        }
    }
    page
}

/// The `count` counters with the most of `by`, the greatest first.
pub(super) fn top(decider: &Decider, by: By, count: usize) -> Counters {
    let (active, now) = (decider.active(), decider.now());
    let mut kept = Kept::new(count);
    decider.ledger().visit(|slot| {
        if slot.bucket.is_expired(now) {
            return;
        }
        let measure = match by {
            By::Hits => meets::hits(&active, slot, now).unwrap_or(0),
            By::Fill => u64::from(slot.fill),
        };
        kept.offer((u64::MAX - measure, slot.key), slot);
    });
    let rows = kept.into_copies();
    let rows = rows.iter().map(|copy| copy.row(decider, &active, now));
    Counters { counters: rows.collect(), next: None }
}

/// One counter.
pub(super) fn show(decider: &Decider, key: Key) -> Option<CounterRow> {
    decider.ledger().bucket(key)?;
    let mut found = None;
    decider.ledger().visit(|slot| {
        if slot.key == key {
            found = Some(Copied::of(slot));
        }
    });
    Some(found?.row(decider, &decider.active(), decider.now()))
}

/// Forgets one counter and returns it as it was.
pub(super) async fn reset(
    decider: &Decider,
    key: Key,
    who: &Who,
) -> Result<Option<CounterRow>, Unavailable> {
    let Some(row) = show(decider, key) else { return Ok(None) };
    if decider.forget(key, Terms::default()).await?.is_none() {
        return Ok(None);
    }
    // Without a limit nobody knows how many hits there were.
    let before = row.hits.map_or_else(|| NOTHING.to_owned(), |hits| hits.to_string());
    let (action, target, label) = (Action::CounterReset, &row.key, &row.label);
    audit::write(&Audit { who, action, target, label, before: &before, after: &0 });
    Ok(Some(row))
}

/// The first `count` slots behind `after`, in the order of their keys, that a scan takes for fit.
fn first_keys(
    decider: &Decider,
    search: &Search,
    after: Option<Key>,
    count: usize,
    now: Now,
) -> Vec<Copied> {
    let tag = search.domain.as_ref().map(|domain| decider.secret().domain_tag(domain));
    let mut kept = Kept::new(count);
    decider.ledger().visit(|slot| {
        let rank = (0, slot.key);
        let may_fit = after.is_none_or(|after| slot.key > after)
            && kept.takes(rank)
            && tag.is_none_or(|tag| slot.domain == tag)
            && (!search.over || slot.fill == FULL)
            && !slot.bucket.is_expired(now)
            && search.contains.as_ref().is_none_or(|part| label_contains(slot.text, part));
        if may_fit {
            kept.offer(rank, slot);
        }
    });
    kept.into_copies()
}

/// What the scan did not decide for good: two domains may share a tag, and a full counter may have
/// something left by now.
fn fits(row: &CounterRow, search: &Search) -> bool {
    let is_over = row.remaining.map_or(row.fill_percent == 100, |remaining| remaining == 0);
    let in_domain = search.domain.is_none() || row.domain.is_none() || row.domain == search.domain;
    in_domain && (is_over || !search.over)
}

/// Whether the label has `part` in it as people see it, without making that text.
fn label_contains(label: &str, part: &str) -> bool {
    let same = |stored: &u8, wanted: &u8| SHOWN[usize::from(*stored)] == *wanted;
    let fits_at = |window: &[u8]| window.iter().zip(part.bytes()).all(|(a, b)| same(a, &b));
    part.is_empty() || label.as_bytes().windows(part.len()).any(fits_at)
}

/// How each byte of a label is shown; those of longer characters, and those shown as a longer one,
/// stand for themselves.
static SHOWN: LazyLock<[u8; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let byte = u8::try_from(byte).unwrap_or(0);
        let shown = byte.is_ascii().then(|| Label::printable(&char::from(byte).to_string()));
        match shown.as_deref().map(str::as_bytes) {
            Some(&[shown]) => shown,
            _ => byte,
        }
    })
});

/// Copies of the slots with the least ranks, at most a given number.
struct Kept {
    most: usize,
    heap: BinaryHeap<Ranked>,
}

/// What slots are ordered by: unique, because keys are.
type Rank = (u64, Key);

struct Ranked {
    rank: Rank,
    copy: Copied,
}

/// A slot outside its shard's lock.
struct Copied {
    key: Key,
    bucket: Bucket,
    text: Box<str>,
    domain: DomainTag,
    fill: u8,
}

impl Copied {
    fn of(slot: &Slot<'_>) -> Self {
        let Slot { key, bucket, text, domain, fill } = *slot;
        Self { key, bucket: bucket.clone(), text: text.into(), domain, fill }
    }

    fn row(&self, decider: &Decider, active: &Active, now: Now) -> CounterRow {
        meets::row(active, &self.slot(), decider.ledger().held(self.key, now), now)
    }

    fn slot(&self) -> Slot<'_> {
        let Self { key, bucket, text, domain, fill } = self;
        Slot { key: *key, bucket, text, domain: *domain, fill: *fill }
    }
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { most, heap: BinaryHeap::new() }
    }

    fn takes(&self, rank: Rank) -> bool {
        self.heap.len() < self.most || self.heap.peek().is_some_and(|worst| rank < worst.rank)
    }

    fn offer(&mut self, rank: Rank, slot: &Slot<'_>) {
        if !self.takes(rank) {
            return;
        }
        if self.heap.len() >= self.most {
            self.heap.pop();
        }
        self.heap.push(Ranked { rank, copy: Copied::of(slot) });
    }

    fn into_copies(self) -> Vec<Copied> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.copy).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
