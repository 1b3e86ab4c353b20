//! Named limits: from what was written to rules.

use std::collections::BTreeSet;

use tollgate_core::limit::{Quota, Rules};

use super::Validator;
use crate::config::document::Trail;
use crate::config::named::{self, Says};
use crate::config::numbers::{Numbers, Part};
use crate::config::quantity::Length;
use crate::config::raw::{ENTRIES, RawAlgorithm, RawConfig, RawLimit};

/// Bytes of a limit's name: it is repeated in paths, statistics and every request.
const LIMIT_NAME_BYTES_MAX: usize = 64;

impl Validator<'_> {
    pub(super) fn limits(&mut self, raw: &RawConfig, entries_max: usize) -> Rules {
        let section = Trail::Root.key("limits");
        let mut rules = Rules::default();
        if self.is_too_long(&section, raw.limits.len()) {
            return rules;
        }
        for (name, limit) in &raw.limits {
            let trail = section.key(name);
            self.limit_name(&trail, name);
            let can_be_met = self.by(&trail.key("by"), &limit.by, entries_max);
            let quota = self.quota(&trail, limit).filter(|_| can_be_met);
            let Some(quota) = quota else {
                continue;
            };
            let says = Says {
                shadow: limit.shadow,
                on_unavailable: limit.on_unavailable.map(Into::into).unwrap_or_default(),
            };
            if named::add(&mut rules, name, &limit.by, quota, says).is_err() {
                let message = "another limit is met by the same descriptors";
                self.issues.push(self.document.issue(&trail, message));
            }
        }
        rules
    }

    fn limit_name(&mut self, trail: &Trail<'_>, name: &str) {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let fits = (1..=LIMIT_NAME_BYTES_MAX).contains(&name.len());
        if !fits || !name.bytes().all(allowed) {
            let message = "a limit's name is 1 to 64 characters of `a`-`z`, `0`-`9`, `_` and `-`";
            self.issues.push(self.document.issue(trail, message));
        }
    }

    /// Whether so many keys can stand in rules. Each is a rule inside the last one, and whoever
    /// walks or drops them recurses, so there are never more than a bound allows, even a wrong one.
    fn by(&mut self, trail: &Trail<'_>, keys: &[String], entries_max: usize) -> bool {
        let mut seen = BTreeSet::new();
        for (index, key) in keys.iter().enumerate() {
            let message = if key.is_empty() {
                "a key cannot be empty"
            } else if key.contains('*') {
                "a key cannot contain `*`, which would fit other keys, too"
            } else if !seen.insert(key) {
                "this key is listed twice"
            } else {
                continue;
            };
            self.issues.push(self.document.issue(&trail.index(index), message));
        }
        if keys.len() >= entries_max && !self.is_wrong_below("bounds") {
            let message = format!(
                "{} keys and the limit's name are more than the {entries_max} entries of \
                 `bounds.entries_max`, so no request could meet this limit",
                keys.len()
            );
            self.issues.push(self.document.issue(trail, message));
        }
        keys.len() < entries_max && keys.len() as u64 <= ENTRIES.max
    }

    /// The limit's numbers. Where one could not be decoded, it is not told that it is missing, too.
    fn quota(&mut self, limit: &Trail<'_>, raw: &RawLimit) -> Option<Quota> {
        let is_told = |name| self.is_wrong_below(&limit.key(name).to_string());
        let default =
            if raw.rate.is_some() { RawAlgorithm::TokenBucket } else { RawAlgorithm::FixedWindow };
        let algorithm = raw.algorithm.or_else(|| (!is_told("algorithm")).then_some(default));
        let (number, window) = match (raw.rate, raw.limit, raw.window) {
            (Some(rate), None, None) => (rate.hits, rate.per),
            (None, Some(number), Some(Length(window))) => (number, window),
            (rate, ..) => {
                if !["rate", "limit", "window"].into_iter().any(is_told) {
                    self.refuse_mixture(limit, rate.is_some(), raw);
                }
                return None;
            }
        };
        let numbers = Numbers {
            limit: number,
            window: Some(window),
            algorithm,
            burst: raw.burst,
            penalty_max: raw.penalty.map(|penalty| penalty.max.0),
        };
        let (number_key, window_key) =
            if raw.rate.is_some() { ("rate", "rate") } else { ("limit", "window") };
        numbers.quota(|part, message| {
            let penalty = limit.key("penalty");
            let trail = match part {
                Part::Limit => limit.key(number_key),
                Part::Window => limit.key(window_key),
                Part::Burst => limit.key("burst"),
                Part::Penalty => penalty.key("max"),
            };
            self.issues.push(self.document.issue(&trail, message));
        })
    }

    /// Neither `rate` alone nor `limit` and `window` were written.
    fn refuse_mixture(&mut self, limit: &Trail<'_>, has_rate: bool, raw: &RawLimit) {
        let (at, message) = match (raw.limit, raw.window) {
            (Some(_), _) if has_rate => ("limit", "`rate` and `limit` exclude each other"),
            (_, Some(_)) if has_rate => ("window", "`rate` and `window` exclude each other"),
            (Some(_), _) => ("window", "the key `window` is missing"),
            (_, Some(_)) => ("limit", "the key `limit` is missing"),
            _ => {
                let message = "neither `rate` nor `limit` and `window` are given";
                return self.issues.push(self.document.issue(limit, message));
            }
        };
        self.issues.push(self.document.issue(&limit.key(at), message));
    }
}
