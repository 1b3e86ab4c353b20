//! Requests to the core's borrowed ones.

use std::collections::BTreeMap;
use std::time::Duration;

use tollgate_core::descriptor::{
    Charge, Descriptor, Entry, HITS_ADDEND_MAX, INLINE_DOMAIN, Override, Request,
};
use tollgate_core::limit::{Algorithm as CoreAlgorithm, LimitSet, NAMED_DOMAIN, NAMED_KEY};
use tollgate_core::limit::{Quota, Window};

use super::subject::Kind;
use super::{Algorithm, CheckBatchRequest, Descriptors, InlineLimit, NamedLimit, Subject};
use super::{Fault, Malformed, Refused, duration};
use crate::Bounds;

/// Checks in one batch.
pub const BATCH_MAX: usize = 1_000;

/// Characters of an inline limit's name.
const NAME_MAX: usize = 64;

/// The key of the entry that holds an inline limit's name.
const INLINE_KEY: &str = "inline";

/// The windows of inline limits.
const WINDOW: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(365 * 24 * 3_600));

/// How long a reservation may be held, and is where nothing is said.
const HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));
const HOLD_DEFAULT: Duration = Duration::from_secs(60);

/// Characters of an idempotency key.
const IDEMPOTENCY_KEY_MAX: usize = 128;

/// What is asked about, as the core wants it: [`Asked::descriptors`], then [`Asked::request`].
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    domain: &'a str,
    /// Of all descriptors, one after another.
    entries: Vec<Entry<'a>>,
    /// Of each descriptor: how many entries are its own, and its own hits.
    parts: Vec<(usize, Option<u64>)>,
    inline: Option<Quota>,
    hits: u64,
}

impl<'a> Asked<'a> {
    /// What `subject` asks about, for `hits` (one where it is absent). `set` knows the named limits.
    ///
    /// # Errors
    /// [`Refused`] with the first field that is wrong.
    pub fn read(
        subject: Option<&'a Subject>,
        hits: Option<u64>,
        bounds: &Bounds,
        set: &'a LimitSet,
    ) -> Result<Self, Refused> {
        let hits = read_hits(hits, "hits")?.unwrap_or(1);
        let subject = subject.ok_or_else(|| Fault::Missing.at("subject"))?;
        let nothing = Self {
            domain: INLINE_DOMAIN,
            entries: Vec::new(),
            parts: Vec::new(),
            inline: None,
            hits,
        };
        match &subject.kind {
            None => Err(Fault::Missing.at("subject.kind").into()),
            Some(Kind::Limit(limit)) => nothing.named(limit, bounds, set),
            Some(Kind::Descriptors(all)) => Ok(nothing.described(all, bounds)?),
            Some(Kind::Inline(limit)) => Ok(nothing.inline(limit, bounds)?),
        }
    }

    /// Its descriptors.
    pub fn descriptors(&self) -> Vec<Descriptor<'_>> {
        let mut rest = &self.entries[..];
        let limit_override = self.inline.map(Override::Inline);
        let mut next = |&(count, own): &(usize, Option<u64>)| {
            let (entries, others) = rest.split_at(count.min(rest.len()));
            rest = others;
            // A number that is told later, by a commit, is the request's and not a descriptor's.
            let hits = own.or((self.hits == 0).then_some(0));
            Descriptor { entries, limit_override, charge: hits.map(Charge::Hits) }
        };
        self.parts.iter().map(&mut next).collect()
    }

    /// The request of these descriptors.
    pub fn request<'d>(&'d self, descriptors: &'d [Descriptor<'d>]) -> Request<'d> {
        // At most a thousand millions, so within u32.
        let hits_addend = u32::try_from(self.hits).unwrap_or(u32::MAX);
        Request { domain: self.domain, descriptors, hits_addend }
    }

    fn named(
        mut self,
        limit: &'a NamedLimit,
        bounds: &Bounds,
        set: &'a LimitSet,
    ) -> Result<Self, Refused> {
        const VALUES: &str = "subject.limit.values";
        let NamedLimit { name, values } = limit;
        if name.is_empty() {
            return Err(Fault::Missing.at("subject.limit.name").into());
        }
        let by = set.named(name).ok_or_else(|| Refused::unknown_limit(name))?;
        self.domain = NAMED_DOMAIN;
        self.entries.push(Entry { key: NAMED_KEY, value: name });
        for key in &by {
            let value = values.get(*key);
            let value = value.ok_or_else(|| Fault::key_missing(key).at(VALUES))?;
            Fault::unless_as_long(bounds.value_bytes_max, value.len())
                .map_err(|fault| fault.at(value_at(VALUES, key)))?;
            self.entries.push(Entry { key, value });
        }
        if let Some(key) = values.keys().find(|key| !by.contains(&key.as_str())) {
            return Err(Fault::key_unknown(key).at(VALUES).into());
        }
        self.parts.push((self.entries.len(), None));
        Ok(self)
    }

    fn described(mut self, all: &'a Descriptors, bounds: &Bounds) -> Result<Self, Malformed> {
        const DOMAIN: &str = "subject.descriptors.domain";
        const ALL: &str = "subject.descriptors.descriptors";
        let Descriptors { domain, descriptors } = all;
        if domain.is_empty() {
            return Err(Fault::Missing.at(DOMAIN));
        }
        Fault::unless_as_long(bounds.domain_bytes_max, domain.len())
            .map_err(|fault| fault.at(DOMAIN))?;
        if descriptors.is_empty() {
            return Err(Fault::Missing.at(ALL));
        }
        Fault::unless_at_most(bounds.descriptors_max, descriptors.len())
            .map_err(|fault| fault.at(ALL))?;
        self.domain = domain;
        for (index, descriptor) in descriptors.iter().enumerate() {
            let count = descriptor.entries.len();
            Fault::unless_at_most(bounds.entries_max, count)
                .map_err(|fault| fault.at(format!("{ALL}[{index}].entries")))?;
            for (at, entry) in descriptor.entries.iter().enumerate() {
                let place = |part| format!("{ALL}[{index}].entries[{at}].{part}");
                Fault::unless_as_long(bounds.key_bytes_max, entry.key.len())
                    .map_err(|fault| fault.at(place("key")))?;
                Fault::unless_as_long(bounds.value_bytes_max, entry.value.len())
                    .map_err(|fault| fault.at(place("value")))?;
                self.entries.push(Entry { key: &entry.key, value: &entry.value });
            }
            let own = match descriptor.hits {
                None => None,
                hits => read_hits(hits, &format!("{ALL}[{index}].hits"))?,
            };
            self.parts.push((count, own));
        }
        Ok(self)
    }

    fn inline(mut self, limit: &'a InlineLimit, bounds: &Bounds) -> Result<Self, Malformed> {
        let is_name = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let name = &limit.name;
        if !(1..=NAME_MAX).contains(&name.len()) || !name.bytes().all(is_name) {
            return Err(Fault::NotAName.at("subject.inline.name"));
        }
        self.entries.push(Entry { key: INLINE_KEY, value: name });
        self.inline_values(&limit.values, bounds)?;
        self.parts.push((self.entries.len(), None));
        self.inline = Some(read_quota(limit)?);
        Ok(self)
    }

    fn inline_values(
        &mut self,
        values: &'a BTreeMap<String, String>,
        bounds: &Bounds,
    ) -> Result<(), Malformed> {
        const VALUES: &str = "subject.inline.values";
        Fault::unless_at_most(bounds.entries_max, values.len())
            .map_err(|fault| fault.at(VALUES))?;
        for (key, value) in values {
            Fault::unless_as_long(bounds.key_bytes_max, key.len())
                .map_err(|fault| fault.at(VALUES))?;
            Fault::unless_as_long(bounds.value_bytes_max, value.len())
                .map_err(|fault| fault.at(value_at(VALUES, key)))?;
            self.entries.push(Entry { key, value });
        }
        Ok(())
    }
}

/// Whether a batch has as many checks as it may.
///
/// # Errors
/// [`Malformed`] for none and for more than [`BATCH_MAX`].
pub fn batch(batch: &CheckBatchRequest) -> Result<(), Malformed> {
    match batch.checks.len() {
        0 => Err(Fault::Missing.at("checks")),
        found => Fault::unless_at_most(BATCH_MAX, found).map_err(|fault| fault.at("checks")),
    }
}

/// How long a reservation is to be held.
///
/// # Errors
/// [`Malformed`] for less than a second or more than an hour.
pub fn hold_for(wire: Option<&prost_types::Duration>) -> Result<Duration, Malformed> {
    const FIELD: &str = "hold_for";
    let Some(wire) = wire else { return Ok(HOLD_DEFAULT) };
    let hold_for = duration(wire).map_err(|fault| fault.at(FIELD))?;
    within(hold_for, HOLD).map_err(|fault| fault.at(FIELD))
}

/// How long the caller waits, if it says so.
///
/// # Errors
/// [`Malformed`] for what is no duration.
pub fn timeout(wire: Option<&prost_types::Duration>) -> Result<Option<Duration>, Malformed> {
    wire.map(|wire| duration(wire).map_err(|fault| fault.at("timeout"))).transpose()
}

/// The idempotency key, if there is one.
///
/// # Errors
/// [`Malformed`] for what is none.
pub fn idempotency_key(text: &str) -> Result<Option<&str>, Malformed> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_key = text.len() <= IDEMPOTENCY_KEY_MAX && is_printable;
    if is_key { Ok(Some(text)) } else { Err(Fault::NotAKey.at("idempotency_key")) }
}

/// The name of a reservation.
///
/// # Errors
/// [`Malformed`] for what is none.
pub fn reservation(text: &str) -> Result<&str, Malformed> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_name = text.len() == 32 && text.bytes().all(is_digit);
    if is_name { Ok(text) } else { Err(Fault::NotAReservation.at("reservation")) }
}

fn read_hits(hits: Option<u64>, field: &str) -> Result<Option<u64>, Malformed> {
    match hits {
        Some(found) if found > HITS_ADDEND_MAX => {
            Err(Fault::OutOfRange { found, min: 0, max: HITS_ADDEND_MAX }.at(field))
        }
        hits => Ok(hits),
    }
}

fn read_quota(limit: &InlineLimit) -> Result<Quota, Malformed> {
    const WINDOW_FIELD: &str = "subject.inline.window";
    const ALGORITHM: &str = "subject.inline.algorithm";
    const BURST: &str = "subject.inline.burst";
    let window = limit.window.as_ref().ok_or_else(|| Fault::Missing.at(WINDOW_FIELD))?;
    let window = duration(window).and_then(|window| within(window, WINDOW));
    let window = window.map_err(|fault| fault.at(WINDOW_FIELD))?;
    let window = Window::of_length(window).ok_or_else(|| Fault::NotADuration.at(WINDOW_FIELD))?;
    let algorithm = Algorithm::try_from(limit.algorithm)
        .map_err(|_| Fault::UnknownAlgorithm(limit.algorithm).at(ALGORITHM))?;
    let algorithm = match algorithm {
        Algorithm::Unspecified | Algorithm::FixedWindow => CoreAlgorithm::FixedWindow,
        Algorithm::SlidingWindow => CoreAlgorithm::SlidingWindow,
        Algorithm::TokenBucket => {
            CoreAlgorithm::TokenBucket { burst: limit.burst.unwrap_or(limit.limit) }
        }
    };
    let is_bucket = matches!(algorithm, CoreAlgorithm::TokenBucket { .. });
    if limit.burst.is_some() && !is_bucket {
        return Err(Fault::NoBurst.at(BURST));
    }
    Ok(Quota { limit: limit.limit, window, algorithm, counts_refused: false, penalty_max: None })
}

fn within(found: Duration, (min, max): (Duration, Duration)) -> Result<Duration, Fault> {
    let fits = (min..=max).contains(&found);
    if fits { Ok(found) } else { Err(Fault::DurationOutOfRange { found, min, max }) }
}

/// The field of one of a map's values.
fn value_at(values: &str, key: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-');
    let is_shown = key.len() <= NAME_MAX && key.bytes().all(is_plain);
    if is_shown { format!("{values}.{key}") } else { values.to_owned() }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
