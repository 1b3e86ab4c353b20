//! `RateLimitRequest` to the core's borrowed request.

use tollgate_core::descriptor::{Charge, Descriptor, Entry, Override};
use tollgate_core::limit::Unit;

use crate::Bounds;
use crate::rls::{RateLimitDescriptor, RateLimitRequest};

/// Why a request is not answered.
///
/// The first two have the reference service's texts, which its clients may match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No domain.
    #[error("rate limit domain must not be empty")]
    EmptyDomain,
    /// No descriptors.
    #[error("rate limit descriptor list must not be empty")]
    NoDescriptors,
    /// More of something than is allowed.
    #[error("{what}: {found} is more than the {max} that this server allows")]
    TooMany {
        /// What there is too much of, with its place in the message.
        what: String,
        /// How much the request has.
        found: usize,
        /// How much is allowed.
        max: usize,
    },
    /// An override with a unit that does not exist.
    #[error("descriptors[{descriptor}].limit.unit: {unit} is not a unit")]
    UnknownUnit {
        /// Which descriptor.
        descriptor: usize,
        /// The number that was sent.
        unit: i32,
    },
}

impl Refusal {
    fn unless_at_most(max: usize, found: usize, what: impl FnOnce() -> String) -> Result<(), Self> {
        if found > max { Err(Self::TooMany { what: what(), found, max }) } else { Ok(()) }
    }
}

/// All entries of all descriptors, one after another, once the whole request is within `bounds`.
///
/// # Errors
/// The first [`Refusal`] that holds, in the order: domain empty, no descriptors, sizes.
pub fn entries<'a>(
    request: &'a RateLimitRequest,
    bounds: &Bounds,
) -> Result<Vec<Entry<'a>>, Refusal> {
    if request.domain.is_empty() {
        return Err(Refusal::EmptyDomain);
    }
    if request.descriptors.is_empty() {
        return Err(Refusal::NoDescriptors);
    }
    let domain = request.domain.len();
    Refusal::unless_at_most(bounds.domain_bytes_max, domain, || "bytes in domain".to_owned())?;
    let count = request.descriptors.len();
    Refusal::unless_at_most(bounds.descriptors_max, count, || "descriptors".to_owned())?;
    let total = request.descriptors.iter().map(|descriptor| descriptor.entries.len()).sum();
    let mut all = Vec::with_capacity(std::cmp::min(total, count * bounds.entries_max));
    for (index, descriptor) in request.descriptors.iter().enumerate() {
        read_entries(index, descriptor, bounds, &mut all)?;
    }
    Ok(all)
}

/// The descriptors of `request`, over the entries that [`entries`] returned for it.
///
/// # Errors
/// [`Refusal::UnknownUnit`] for an override whose unit is no unit.
pub fn descriptors<'a>(
    request: &RateLimitRequest,
    mut entries: &'a [Entry<'a>],
) -> Result<Vec<Descriptor<'a>>, Refusal> {
    let mut all = Vec::with_capacity(request.descriptors.len());
    for (index, wire) in request.descriptors.iter().enumerate() {
        let (own, rest) = entries.split_at(wire.entries.len().min(entries.len()));
        entries = rest;
        let limit_override = read_override(index, wire)?;
        all.push(Descriptor { entries: own, limit_override, charge: read_charge(request, wire) });
    }
    Ok(all)
}

fn read_entries<'a>(
    index: usize,
    descriptor: &'a RateLimitDescriptor,
    bounds: &Bounds,
    all: &mut Vec<Entry<'a>>,
) -> Result<(), Refusal> {
    let count = descriptor.entries.len();
    Refusal::unless_at_most(bounds.entries_max, count, || format!("descriptors[{index}].entries"))?;
    for (at, entry) in descriptor.entries.iter().enumerate() {
        let place = |part| move || format!("bytes in descriptors[{index}].entries[{at}].{part}");
        Refusal::unless_at_most(bounds.key_bytes_max, entry.key.len(), place("key"))?;
        Refusal::unless_at_most(bounds.value_bytes_max, entry.value.len(), place("value"))?;
        all.push(Entry { key: &entry.key, value: &entry.value });
    }
    Ok(())
}

fn read_override(index: usize, wire: &RateLimitDescriptor) -> Result<Option<Override>, Refusal> {
    let Some(limit) = &wire.limit else {
        return Ok(None);
    };
    let unit =
        unit(limit.unit).ok_or(Refusal::UnknownUnit { descriptor: index, unit: limit.unit })?;
    Ok(Some(Override::PerUnit { requests_per_unit: limit.requests_per_unit, unit }))
}

/// The unit of this number. An override's own enum has no week, but week's number is taken: it is
/// the same in the answer's enum, and the reference service takes it too.
fn unit(number: i32) -> Option<Unit> {
    match number {
        1 => Some(Unit::Second),
        2 => Some(Unit::Minute),
        3 => Some(Unit::Hour),
        4 => Some(Unit::Day),
        5 => Some(Unit::Month),
        6 => Some(Unit::Year),
        7 => Some(Unit::Week),
        _ => None,
    }
}

/// The descriptor's own charge. A refund without a number gives back what a charge would take.
fn read_charge(request: &RateLimitRequest, wire: &RateLimitDescriptor) -> Option<Charge> {
    let hits = wire.hits_addend.as_ref().map(|addend| addend.value);
    if wire.is_negative_hits {
        let asked = u64::from(request.hits_addend.max(1));
        return Some(Charge::Refund(hits.unwrap_or(asked)));
    }
    hits.map(Charge::Hits)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
