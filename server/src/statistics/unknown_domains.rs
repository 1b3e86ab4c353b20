//! Domains that were asked for and are not configured: mostly a spelling that an operator wants to
//! see, so they are shown by name, but only so many of them.

use std::collections::HashMap;

use parking_lot::Mutex;
use tollgate_core::descriptor::INLINE_DOMAIN;

use super::names::OTHER;

/// Domains with a count of their own; whatever comes later shares one.
const DOMAINS_MAX: usize = 100;

/// How often descriptors named a domain that is not configured.
#[derive(Debug, Default)]
pub(crate) struct UnknownDomains {
    counts: Mutex<HashMap<Box<str>, u64>>,
}

impl UnknownDomains {
    /// Counts the descriptors of one request; those of inline limits are of no domain.
    pub(crate) fn count(&self, domain: &str, descriptors: u64) {
        if domain == INLINE_DOMAIN {
            return;
        }
        let mut counts = self.counts.lock();
        let is_full = counts.len() >= DOMAINS_MAX;
        let domain = if is_full && !counts.contains_key(domain) { OTHER } else { domain };
        match counts.get_mut(domain) {
            Some(count) => *count = count.saturating_add(descriptors),
            None => {
                counts.insert(domain.into(), descriptors);
            }
        }
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<(Box<str>, u64)> {
        let counts = self.counts.lock();
        let mut all: Vec<_> = counts.iter().map(|(name, count)| (name.clone(), *count)).collect();
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_domains_are_told_apart() {
        let domains = UnknownDomains::default();
        for number in 0..150_u64 {
            domains.count(&format!("d{number}"), 2);
        }
        domains.count("d0", 1);
        let all = domains.all();
        assert_eq!(all.len(), DOMAINS_MAX + 1);
        let of = |name: &str| all.iter().find(|(found, _)| &**found == name).map(|(_, n)| *n);
        assert_eq!(
            (of("d0"), of("d99"), of("d100"), of(OTHER)),
            (Some(3), Some(2), None, Some(100))
        );
    }
}
