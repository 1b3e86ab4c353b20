//! What a request will be charged against: one item a descriptor, and the operations behind them.
//!
//! Planning spends nothing and knows no time, so `explain` and the decision share it.

use std::ops::Range;
use std::sync::Arc;

use crate::descriptor::{Charge, Descriptor, Entry, INLINE_DOMAIN, Override, Request};
use crate::key::{DomainTag, Key};
use crate::limit::{Bound, Domain, Found, Limit, LimitSet, NAMED_DOMAIN, Named, Quota};

/// The most bytes of a key's printable text that are kept.
pub const LABEL_BYTES_MAX: usize = 256;

/// What labels of inline limits say instead of a domain.
pub const INLINE_LABEL: &str = "(inline)";

/// One charge of one bucket.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Which bucket.
    pub key: Key,
    /// The numbers that judge it.
    pub quota: Quota,
    /// What to spend, look at or give back.
    pub charge: Charge,
    /// Whose share of the store a new bucket counts against.
    pub domain: DomainTag,
    /// The configured limit; absent where the caller brought its own.
    pub limit: Option<&'a Limit>,
    /// What the key stands for.
    pub label: Label<'a>,
    /// The pattern that stands for the value of the first entry in the key, if buckets share one.
    pub first_shared: Option<&'a str>,
}

/// What a key stands for; turned into text only when a bucket is made.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// The domain.
    pub domain: &'a str,
    /// The entries as the caller sent them.
    pub entries: &'a [Entry<'a>],
    /// The named limit whose bucket it is; its own descriptor is then what is told.
    pub named: Option<&'a Named>,
}

/// Stands before each entry of a label's text.
const ENTRY: char = '\u{1e}';
/// Stands between an entry's key and value.
const VALUE: char = '\u{1f}';
/// Ends a text that does not say all of its label.
const CUT: char = '\u{18}';

impl<'a> Label<'a> {
    /// A text of at most [`LABEL_BYTES_MAX`] bytes, from which [`Label::parse`] reads the label.
    /// One that is longer, or that holds the separators itself, is cut or marked, and is then only
    /// good to look at.
    pub fn to_text(&self) -> Box<str> {
        let mut text = String::with_capacity(64);
        let entries = match self.named {
            None => {
                text.push_str(self.domain);
                push_entries(&mut text, self.entries.iter().copied())
            }
            Some(named) => {
                text.push_str(NAMED_DOMAIN);
                push_entries(&mut text, named.entries(self.entries))
            }
        };
        let separators = text.bytes().filter(|byte| matches!(byte, 0x18 | 0x1e | 0x1f)).count();
        let is_whole = text.len() < LABEL_BYTES_MAX && separators == 2 * entries;
        if !is_whole {
            text.truncate(text.floor_char_boundary(LABEL_BYTES_MAX - CUT.len_utf8()));
            text.push(CUT);
        }
        text.into_boxed_str()
    }

    /// Domain and entries of a text that says all of its label.
    pub fn parse(text: &'a str) -> Option<(&'a str, Vec<Entry<'a>>)> {
        if text.ends_with(CUT) {
            return None;
        }
        let mut parts = text.split(ENTRY);
        let domain = parts.next()?;
        let entry = |part: &'a str| {
            let (key, value) = part.split_once(VALUE)?;
            Some(Entry { key, value })
        };
        Some((domain, parts.map(entry).collect::<Option<Vec<_>>>()?))
    }

    /// A label's text for people: `domain key=value key=value`, with `…` where something is cut.
    pub fn printable(text: &str) -> String {
        let shown = |c: char| match c {
            ENTRY => ' ',
            VALUE => '=',
            CUT => '…',
            c if is_unprintable(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        text.chars().map(shown).collect()
    }
}

/// A character that a terminal may obey instead of showing it: control characters, those that end a
/// line, and those that turn the direction of what follows.
pub fn is_unprintable(c: char) -> bool {
    let turns = matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || turns
}

/// Adds entries until the text is full; returns how many it added.
fn push_entries<'e>(text: &mut String, entries: impl Iterator<Item = Entry<'e>>) -> usize {
    let mut count = 0;
    for entry in entries {
        if text.len() >= LABEL_BYTES_MAX {
            break;
        }
        text.push(ENTRY);
        text.push_str(entry.key);
        text.push(VALUE);
        text.push_str(entry.value);
        count += 1;
    }
    count
}

/// What one descriptor meets.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// No rule: it passes, uncounted.
    Unmatched,
    /// A rule without bound.
    Unlimited(&'a Limit),
    /// Only limits that another limit of this request replaces.
    Replaced,
    /// These operations of the plan.
    Counted(Range<usize>),
}

/// What a request will be charged against.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// The domain, if it is known.
    pub domain: Option<&'a Domain>,
    /// One item a descriptor, in the request's order.
    pub items: Vec<Item<'a>>,
    /// What to charge, in the request's order.
    pub operations: Vec<Operation<'a>>,
}

impl<'a> Plan<'a> {
    /// Looks up every descriptor of `request`.
    pub fn of(set: &'a LimitSet, request: &Request<'a>) -> Self {
        if request.domain == INLINE_DOMAIN {
            return Self::inline(set, request);
        }
        let Some(domain) = set.domain(request.domain) else {
            let items = vec![Item::Unmatched; request.descriptors.len()];
            return Self { domain: None, items, operations: Vec::new() };
        };
        let count = request.descriptors.len();
        let mut plan = Self {
            domain: Some(domain),
            items: Vec::with_capacity(count),
            operations: Vec::with_capacity(count),
        };
        let mut replaced = Vec::new();
        for descriptor in request.descriptors {
            let item = plan.look_up(set, domain, request, descriptor, &mut replaced);
            plan.items.push(item);
        }
        if !replaced.is_empty() {
            plan.drop_replaced(&replaced);
        }
        plan
    }

    /// Every descriptor meets the limit that it brings along; one that brings none is denied.
    fn inline(set: &LimitSet, request: &Request<'a>) -> Self {
        let mut plan = Self::default();
        for descriptor in request.descriptors {
            let at = plan.operations.len();
            let Some(Override::Inline(quota)) = descriptor.limit_override else {
                plan.items.push(Item::Counted(at..at));
                continue;
            };
            let quota = Quota { counts_refused: false, ..quota };
            let (mut key, domain) = set.begin_inline_key();
            descriptor.entries.iter().for_each(|entry| key.entry(*entry));
            let key = key.finish(quota.shape(0));
            let charge = request.charge_of(descriptor);
            let label = Label { domain: INLINE_LABEL, entries: descriptor.entries, named: None };
            let (limit, first_shared) = (None, None);
            let operation = Operation { key, quota, charge, domain, limit, label, first_shared };
            plan.operations.push(operation);
            plan.items.push(Item::Counted(at..at + 1));
        }
        plan
    }

    fn look_up(
        &mut self,
        set: &LimitSet,
        domain: &'a Domain,
        request: &Request<'a>,
        descriptor: &'a Descriptor<'a>,
        replaced: &mut Vec<&'a Arc<str>>,
    ) -> Item<'a> {
        let entries = descriptor.entries;
        let charge = request.charge_of(descriptor);
        let label = Label { domain: request.domain, entries, named: None };
        let tag = domain.tag();
        let start = self.operations.len();
        if let Some(Override::PerUnit { requests_per_unit, unit }) = descriptor.limit_override {
            let quota = Quota::per_unit(requests_per_unit, unit);
            let quota = Quota { counts_refused: !domain.options.atomic, ..quota };
            let key = bucket_key(domain, entries, None, &quota, 0);
            let (domain, limit, first_shared) = (tag, None, None);
            let operation = Operation { key, quota, charge, domain, limit, label, first_shared };
            self.operations.push(operation);
            return Item::Counted(start..start + 1);
        }
        let Some(found) = domain.rules.find(entries, |_| ()) else {
            return Item::Unmatched;
        };
        for (index, limit) in found.node.limits.iter().enumerate() {
            replaced.extend(limit.replaces.iter());
            let Bound::Limited(quota) = limit.bound else { return Item::Unlimited(limit) };
            let quota = Quota { counts_refused: !domain.options.atomic, ..quota };
            let (key, domain, label, first_shared) = match &limit.named {
                None => {
                    let key = bucket_key(domain, entries, Some(&found), &quota, index as u8);
                    (key, tag, label, found.shared(0))
                }
                Some(named) => {
                    let (mut key, tag) = set.begin_named_key();
                    named.entries(entries).for_each(|entry| key.entry(entry));
                    let key = key.finish(quota.shape(0));
                    (key, tag, Label { named: Some(named), ..label }, None)
                }
            };
            let limit = Some(limit);
            let operation = Operation { key, quota, charge, domain, limit, label, first_shared };
            self.operations.push(operation);
        }
        if start == self.operations.len() {
            return Item::Unmatched;
        }
        Item::Counted(start..self.operations.len())
    }

    /// Takes out every operation whose limit's name is in `names`. Unlimited rules stay: the
    /// reference answers the same for them, replaced or not.
    fn drop_replaced(&mut self, names: &[&Arc<str>]) {
        let is_replaced = |limit: Option<&Limit>| {
            limit.and_then(|limit| limit.name.as_ref()).is_some_and(|name| names.contains(&name))
        };
        let mut kept = Vec::with_capacity(self.operations.len());
        for item in &mut self.items {
            match item {
                Item::Counted(range) => {
                    let start = kept.len();
                    let all = &self.operations[range.clone()];
                    kept.extend(all.iter().filter(|operation| !is_replaced(operation.limit)));
                    *item = if kept.len() == start {
                        Item::Replaced
                    } else {
                        Item::Counted(start..kept.len())
                    };
                }
                Item::Unmatched | Item::Unlimited(_) | Item::Replaced => {}
            }
        }
        self.operations = kept;
    }
}

fn bucket_key(
    domain: &Domain,
    entries: &[Entry<'_>],
    found: Option<&Found<'_>>,
    quota: &Quota,
    index: u8,
) -> Key {
    let mut key = domain.begin_key();
    for (at, entry) in entries.iter().enumerate() {
        key.entry(found.map_or(*entry, |found| found.identity(at, *entry)));
    }
    key.finish(quota.shape(index))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
