//! What a plan is as a command: whole, and without the configuration that it was made by.

use super::{Charging, Combining, Holding, KeySlot, Shown};
use crate::decision::Modes;
use crate::descriptor::{Entry, Request};
use crate::key::KeySecret;
use crate::limit::{NAMED_DOMAIN, NAMED_KEY, Quota};
use crate::plan::{Item, Operation, Plan};

impl Plan<'_> {
    /// The charges of a command. `secret` is the one that the plan's keys are hashed with.
    pub fn charges(&self, secret: &KeySecret) -> Vec<Charging> {
        self.operations.iter().map(|operation| operation.charging(secret)).collect()
    }

    /// The holdings of a command; `request` is what the plan was made of. Refused hits are not
    /// counted where hits are held.
    pub fn holdings(&self, request: &Request<'_>, secret: &KeySecret) -> Vec<Holding> {
        let holding = |(operation, is_fixed): (&Operation<'_>, bool)| {
            let mut charging = operation.charging(secret);
            charging.quota = Quota { counts_refused: false, ..charging.quota };
            let name = operation.limit.and_then(|limit| limit.name.clone());
            Holding { charging, is_fixed, name }
        };
        self.operations.iter().zip(self.fixed(request)).map(holding).collect()
    }

    /// How the outcomes of its operations combine.
    pub fn combining(&self, modes: Modes) -> Combining {
        Combining { items: self.items.iter().map(Shown::from).collect(), modes }
    }

    /// For each operation, in order: whether its cost is what its descriptor says, whatever a commit
    /// tells.
    pub(crate) fn fixed(&self, request: &Request<'_>) -> impl Iterator<Item = bool> {
        // A rule may have been given an unlimited limit behind others: those are nobody's to show.
        let mut fixed = vec![false; self.operations.len()];
        for (item, descriptor) in self.items.iter().zip(request.descriptors) {
            let Item::Counted(range) = item else { continue };
            let of_item = fixed.get_mut(range.clone()).unwrap_or_default();
            of_item.fill(descriptor.charge.is_some());
        }
        fixed.into_iter()
    }
}

impl Operation<'_> {
    /// The same with all that it borrows.
    pub fn charging(&self, secret: &KeySecret) -> Charging {
        Charging {
            key: self.key,
            slot: self.slot(secret),
            quota: self.quota,
            charge: self.charge,
            domain: self.domain,
            text: self.label.to_text(),
            shadow: self.limit.is_some_and(|limit| limit.shadow),
            quota_mode: self.limit.is_some_and(|limit| limit.quota_mode),
        }
    }

    /// Which slot its key is in. Whatever requests meet in one bucket, and whichever way they come
    /// to it, find it in the same slot: the slot is made of nothing that the key is not made of.
    pub fn slot(&self, secret: &KeySecret) -> KeySlot {
        let label = &self.label;
        if let Some(named) = label.named {
            return named_slot(named.entries(label.entries), secret);
        }
        if label.domain == NAMED_DOMAIN && label.entries.first().is_some_and(|e| e.key == NAMED_KEY)
        {
            return named_slot(label.entries.iter().copied(), secret);
        }
        let first = label.entries.first().map(|entry| match self.first_shared {
            Some(value) => Entry { key: entry.key, value },
            None => *entry,
        });
        secret.key_slot(label.domain, first)
    }
}

/// By the first of the keys that a named limit counts by, so that one client's counts meet, and by
/// its name only where there is none.
fn named_slot<'e>(mut entries: impl Iterator<Item = Entry<'e>>, secret: &KeySecret) -> KeySlot {
    let name = entries.next();
    secret.key_slot(NAMED_DOMAIN, entries.next().or(name))
}

impl From<&Item<'_>> for Shown {
    fn from(item: &Item<'_>) -> Self {
        match item {
            Item::Unmatched | Item::Replaced => Self::Unmatched,
            Item::Unlimited(_) => Self::Unlimited,
            Item::Counted(range) => Self::Counted(range.clone()),
        }
    }
}

#[cfg(test)]
#[path = "planned_tests.rs"]
mod tests;
