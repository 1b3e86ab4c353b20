//! How a request is split over groups, and what its parts make together. Pure.

use tollgate_core::bucket::Outcome;
use tollgate_core::command::{Charging, Combining, KeySlot, Shown};
use tollgate_core::decision::Modes;
use tollgate_core::descriptor::Charge;

use super::groups::GroupId;
use crate::meta;

/// Groups that a reservation's name has room for.
pub const GROUPS_MAX: usize = meta::GROUPS_MAX as usize;

/// What a part's items have behind those of the request: see [`part_of`].
pub(super) const EXTRA_ITEMS: usize = 2;

/// The part of a request that belongs to one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) group: GroupId,
    /// Which of the request's charges, in their order.
    pub(super) places: Vec<usize>,
}

/// The group of a slot.
pub(super) fn group_of(slot: KeySlot, groups: usize) -> GroupId {
    meta::group_of(slot, u32::try_from(groups.clamp(1, GROUPS_MAX)).unwrap_or(1))
}

/// The one group of all slots, if it is one. Of nothing, it is the first.
pub(super) fn one_group(
    mut slots: impl Iterator<Item = KeySlot>,
    groups: usize,
) -> Option<GroupId> {
    let Some(first) = slots.next() else { return Some(1) };
    let group = group_of(first, groups);
    slots.all(|slot| group_of(slot, groups) == group).then_some(group)
}

/// A part for each group that a slot is in, in the order of groups.
pub(super) fn split(slots: impl Iterator<Item = KeySlot>, groups: usize) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (place, slot) in slots.enumerate() {
        let group = group_of(slot, groups);
        match parts.binary_search_by_key(&group, |part| part.group) {
            Ok(at) => parts.get_mut(at).into_iter().for_each(|part| part.places.push(place)),
            Err(at) => parts.insert(at, Part { group, places: vec![place] }),
        }
    }
    parts
}

/// Puts what belongs to the places of parts in the request's order; `None` if something is missing.
pub(super) fn in_order<T: Clone>(
    count: usize,
    parts: impl IntoIterator<Item = (usize, T)>,
) -> Option<Vec<T>> {
    let mut all: Vec<Option<T>> = vec![None; count];
    for (place, one) in parts {
        *all.get_mut(place)? = Some(one);
    }
    all.into_iter().collect()
}

/// By what a part of a request is judged where it is executed. It has an item for each of the
/// request's, so that a reservation can be put together again, and two more.
///
/// A part must not refuse what the whole might let pass, because then nothing of it is charged. A
/// normal descriptor that is over refuses both. Quota descriptors refuse only together, so where there
/// are any the part passes whatever they say, by a quota descriptor more that is not over: the first
/// extra item. The second tells whether quota mode is only the part's.
pub(super) fn part_of<C: AsRef<Charging>>(
    combining: &Combining,
    charges: &[C],
    places: &[usize],
) -> Combining {
    let Modes { shadow, quota } = combining.modes;
    let has_quotas = quota || charges.iter().any(|charge| charge.as_ref().quota_mode);
    let place_of = |wanted: usize| places.partition_point(|place| *place < wanted);
    let item = |item: &Shown| match item {
        Shown::Counted(range) => {
            let here = place_of(range.start)..place_of(range.end);
            // One without any charge is denied, wherever it is judged.
            if here.is_empty() && !range.is_empty() {
                Shown::Unmatched
            } else {
                Shown::Counted(here)
            }
        }
        Shown::Unmatched | Shown::Unlimited => item.clone(),
    };
    let mut items: Vec<_> = combining.items.iter().map(item).collect();
    items.push(Shown::Unmatched);
    items.push(if has_quotas && !quota { Shown::Unlimited } else { Shown::Unmatched });
    Combining { items, modes: Modes { shadow, quota: has_quotas } }
}

/// What a charge that was taken back is told: what is there without it.
pub(super) fn without(charging: &Charging, outcome: &Outcome) -> Outcome {
    if outcome.over {
        return *outcome;
    }
    let hits = match charging.charge {
        Charge::Hits(hits) => hits,
        Charge::Refund(_) => 0,
    };
    let remaining = u64::from(outcome.remaining).saturating_add(hits);
    let remaining = remaining.min(u64::from(charging.quota.burst()));
    Outcome {
        after: outcome.before,
        remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        ..*outcome
    }
}

/// The charges that spent something.
pub(super) fn spent<'a>(
    charges: &'a [Charging],
    outcomes: &'a [Outcome],
) -> impl Iterator<Item = &'a Charging> {
    let pairs = charges.iter().zip(outcomes);
    let spent = |(charging, outcome): &(&Charging, &Outcome)| {
        !outcome.over && matches!(charging.charge, Charge::Hits(1..))
    };
    pairs.filter(spent).map(|(charging, _)| charging)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
