//! A check as the core's own plan.

use std::collections::BTreeMap;

use tollgate_core::descriptor::{Charge, Descriptor, Entry, HITS_ADDEND_MAX, Request};
use tollgate_core::key::{Key, KeySecret};
use tollgate_core::limit::{Bound, Limit, NAMED_DOMAIN, NAMED_KEY, Quota};
use tollgate_core::plan::{Item, Label, Operation, Plan};
use tollgate_proto::v1;
use tollgate_proto::v1::subject::Kind;

use super::ledger::Ledger;
use super::{bad_request, quota, wire};
use crate::{Algorithm, Check, Error, Reason};

/// The domain of limits that callers bring along: no domain that a test can name.
const INLINE_DOMAIN: &str = "\u{0}inline";

/// What a check asks, owned: the core's own types borrow from it.
pub(super) struct Question {
    domain: String,
    parts: Vec<Part>,
    hits: u64,
    pub(super) is_atomic: bool,
}

/// A descriptor: its entries, the limit that it meets, and hits of its own.
type Part = (Vec<(String, String)>, Option<(Limit, Quota)>, Option<u64>);

impl Question {
    pub(super) fn of(check: &Check, ledger: &Ledger) -> Result<Self, Error> {
        let hits = check.request.hits.unwrap_or(1);
        if hits > HITS_ADDEND_MAX {
            return Err(bad_request("hits: at most 1 000 000 000"));
        }
        let kind = check.request.subject.as_ref().and_then(|subject| subject.kind.as_ref());
        match kind.ok_or_else(|| bad_request("subject: is missing"))? {
            Kind::Limit(limit) => {
                let unknown = || Error::refused(Reason::UnknownLimit, limit.name.as_str());
                let quota = *ledger.limits.get(&limit.name).ok_or_else(unknown)?;
                let entries = entries(NAMED_KEY, &limit.name, &limit.values);
                Ok(Self::one(NAMED_DOMAIN, entries, (named(&limit.name, quota), quota), hits))
            }
            Kind::Inline(inline) => {
                let quota = inline_quota(inline)?;
                let entries = entries("inline", &inline.name, &inline.values);
                Ok(Self::one(INLINE_DOMAIN, entries, (named(&inline.name, quota), quota), hits))
            }
            Kind::Descriptors(all) => Ok(Self::descriptors(all, hits, ledger)),
        }
    }

    fn one(domain: &str, entries: Vec<(String, String)>, met: (Limit, Quota), hits: u64) -> Self {
        let parts = vec![(entries, Some(met), None)];
        Self { domain: domain.to_owned(), parts, hits, is_atomic: true }
    }

    fn descriptors(all: &v1::Descriptors, hits: u64, ledger: &Ledger) -> Self {
        let part = |descriptor: &v1::Descriptor| {
            let pair = |entry: &v1::Entry| (entry.key.clone(), entry.value.clone());
            let entries: Vec<_> = descriptor.entries.iter().map(pair).collect();
            let keys = entries.iter().map(|(key, _)| key.clone()).collect();
            let quota = ledger.rules.get(&(all.domain.clone(), keys)).copied();
            let met = quota.map(|quota| (Limit::new(Bound::Limited(quota), "rule".into()), quota));
            (entries, met, descriptor.hits.map(|hits| hits.min(HITS_ADDEND_MAX)))
        };
        let parts = all.descriptors.iter().map(part).collect();
        Self { domain: all.domain.clone(), parts, hits, is_atomic: false }
    }

    /// Shows it to `then` as a plan, each of whose operations does what `charge` makes of its hits.
    pub(super) fn planned<R>(
        &self,
        secret: &KeySecret,
        charge: fn(u64) -> Charge,
        then: impl FnOnce(&Plan<'_>, &Request<'_>) -> R,
    ) -> R {
        let entries: Vec<_> = self.parts.iter().map(|(entries, ..)| borrowed(entries)).collect();
        let descriptors: Vec<_> = self
            .parts
            .iter()
            .zip(&entries)
            .map(|((_, _, own), entries)| Descriptor {
                entries,
                limit_override: None,
                charge: own.map(charge),
            })
            .collect();
        let mut plan = Plan::default();
        for ((_, met, own), entries) in self.parts.iter().zip(&entries) {
            let Some((limit, quota)) = met else {
                plan.items.push(Item::Unmatched);
                continue;
            };
            let at = plan.operations.len();
            plan.items.push(Item::Counted(at..at + 1));
            plan.operations.push(Operation {
                key: self.key(secret, entries, quota),
                quota: *quota,
                charge: charge(own.unwrap_or(self.hits)),
                domain: secret.domain_tag(&self.domain),
                limit: Some(limit),
                label: Label { domain: &self.domain, entries, named: None },
                first_shared: None,
            });
        }
        let hits_addend = u32::try_from(self.hits).unwrap_or(u32::MAX);
        then(&plan, &Request { domain: &self.domain, descriptors: &descriptors, hits_addend })
    }

    fn key(&self, secret: &KeySecret, entries: &[Entry<'_>], quota: &Quota) -> Key {
        let mut key = secret.begin(&self.domain);
        entries.iter().for_each(|entry| key.entry(*entry));
        key.finish(quota.shape(0))
    }
}

fn borrowed(entries: &[(String, String)]) -> Vec<Entry<'_>> {
    entries.iter().map(|(key, value)| Entry { key, value }).collect()
}

fn named(name: &str, quota: Quota) -> Limit {
    Limit { name: Some(name.into()), ..Limit::new(Bound::Limited(quota), name.into()) }
}

/// The values in one order, behind the limit's own name.
fn entries(kind: &str, name: &str, values: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let values = values.iter().map(|(key, value)| (key.clone(), value.clone()));
    std::iter::once((kind.to_owned(), name.to_owned())).chain(values).collect()
}

fn inline_quota(inline: &v1::InlineLimit) -> Result<Quota, Error> {
    let window = wire::duration(inline.window);
    let window = window.filter(|window| *window >= super::WINDOW_MIN);
    let window = window.ok_or_else(|| bad_request("window: 1 ms to 365 days"))?;
    let algorithm = match inline.algorithm() {
        v1::Algorithm::Unspecified | v1::Algorithm::FixedWindow => Algorithm::FixedWindow,
        v1::Algorithm::SlidingWindow => Algorithm::SlidingWindow,
        v1::Algorithm::TokenBucket => Algorithm::TokenBucket,
    };
    Ok(quota(inline.limit, window, algorithm, inline.burst.unwrap_or(inline.limit)))
}
