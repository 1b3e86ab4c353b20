//! What metrics show about refused domains, within a bound.

use std::collections::BTreeSet;

use crate::metrics;

/// Domains that are shown by name; what a server sends must not make metrics without end.
const SHOWN_MAX: usize = 100;

/// The domains that were ever shown.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    shown: BTreeSet<String>,
}

impl Refusals {
    /// These are refused now, and no others.
    pub(super) fn set<'a>(&mut self, refused: impl Iterator<Item = &'a str>) {
        let refused: BTreeSet<_> = refused.collect();
        for domain in self.shown.iter().filter(|domain| !refused.contains(domain.as_str())) {
            metrics::set_xds_domain_refused(domain, 0);
        }
        let mut others = 0;
        for domain in refused {
            if !self.shown.contains(domain) && self.shown.len() >= SHOWN_MAX {
                others += 1;
                continue;
            }
            self.shown.insert(domain.to_owned());
            metrics::set_xds_domain_refused(domain, 1);
        }
        metrics::set_xds_domain_refused("_other", others);
    }
}
