//! What a response makes of the limits: its good domains as they are, its bad ones as they were.
//!
//! The reference refuses a whole set for one bad descriptor, so one team's mistake freezes all
//! others. Here each domain is judged by itself. Nothing is decided for want of a rule that somebody
//! wrote: a bad domain that was never good is withheld, which is no decision, so that the proxy's
//! failure mode applies.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;
use std::sync::Arc;

use prost::Message as _;
use siphasher::sip::SipHasher13;
use tollgate_proto::xds::{Malformed, RATE_LIMIT_CONFIG, RateLimitConfig, Room, Shape};

use super::wire::{Named, Response};
use crate::config::ratelimit::{self, Judged, Options};
use crate::config::{Domains, Issue, Report, excerpt, shortened};
use crate::decide::{Active, Withheld};

/// Descriptors, limits and their parts in all resources of a response: what bounds the memory that
/// its bytes may become. A rule of Envoy Gateway has about five.
const MESSAGES_MAX: usize = 250_000;

/// Messages inside each other. As for files, more levels than anyone writes, and few enough for
/// functions that call themselves.
const DEPTH_MAX: usize = 32;

/// What would decide after a response.
#[derive(Debug)]
pub(super) struct Built {
    /// The domains, those that keep what they had included.
    pub(super) domains: Domains,
    /// What is not decided.
    pub(super) withheld: Withheld,
    /// The content of each domain.
    pub(super) digests: Digests,
    /// What is wrong, by domain; by resource where a resource does not tell its domain. Long names
    /// are cut.
    pub(super) refused: Vec<(String, Report)>,
    /// Domains that are as the response has them.
    pub(super) accepted: usize,
}

/// The content of each domain that decides, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digests(BTreeMap<Arc<str>, u64>);

impl Digests {
    /// All of it in one number, the same on every node with the same limits.
    pub(super) fn hash(&self) -> u64 {
        let mut hasher = SipHasher13::new();
        for (domain, digest) in &self.0 {
            hasher.write(&(domain.len() as u64).to_le_bytes());
            hasher.write(domain.as_bytes());
            hasher.write(&digest.to_le_bytes());
        }
        hasher.finish()
    }
}

/// Builds what `response` asks for. `active` decides at the moment, by domains whose contents are
/// `before`.
pub(super) fn build(
    response: Response,
    active: &Active,
    before: &Digests,
    options: Options,
) -> Built {
    let mut built = Built {
        domains: Domains::new(),
        withheld: Withheld::default(),
        digests: Digests::default(),
        refused: Vec::new(),
        accepted: 0,
    };
    let (configs, digests) = built.read(response.resources);
    let judged = ratelimit::judge(&configs, options);
    // Where resources of one domain make one tree, any tree may lack what could not be read.
    let is_lacking = built.withheld.others || judged.iter().any(|one| one.domain.is_empty());
    let may_lack = options.merge_domains && is_lacking;
    let mut named = BTreeSet::new();
    for Judged { domain, result } in judged {
        match result {
            Ok(_) if may_lack => {
                built.keep(&domain, active, before);
            }
            Ok((rules, options)) => {
                let digest = digests.get(&*domain).copied().unwrap_or_default();
                built.digests.0.insert(Arc::clone(&domain), digest);
                built.domains.push((Arc::clone(&domain), rules, options));
                built.accepted += 1;
            }
            Err(report) if domain.is_empty() => built.unreadable("a domain without a name", report),
            Err(report) => {
                built.refused.push((shortened(&domain), report));
                if !built.keep(&domain, active, before) {
                    built.withheld.domains.insert(Arc::clone(&domain));
                }
            }
        }
        named.insert(domain);
    }
    if built.withheld.others {
        // Any domain that is missing may be the one that could not be read.
        let missing = active.limits.domains().filter(|domain| !named.contains(domain.name()));
        for domain in missing {
            built.keep(domain.name(), active, before);
        }
    }
    built
}

impl Built {
    /// Decodes the resources, and reckons what each domain's are. A resource that cannot be read is
    /// among what is refused.
    fn read(&mut self, resources: Vec<Named>) -> (Vec<RateLimitConfig>, BTreeMap<String, u64>) {
        let mut room = Room { messages: MESSAGES_MAX, depth: DEPTH_MAX };
        let mut configs = Vec::with_capacity(resources.len());
        let mut hashers: BTreeMap<String, SipHasher13> = BTreeMap::new();
        for (at, resource) in resources.into_iter().enumerate() {
            match decode(&resource, &mut room) {
                Ok(config) => {
                    let hasher = hashers.entry(config.domain.clone()).or_default();
                    hasher.write(&(resource.bytes.len() as u64).to_le_bytes());
                    hasher.write(&resource.bytes);
                    configs.push(config);
                }
                Err(message) => {
                    let name = match &*resource.name {
                        "" => format!("resource {at}"),
                        name => shortened(name),
                    };
                    let issue = Issue::with_file(&name, message);
                    self.unreadable(&name, issue.into());
                }
            }
        }
        let digests = hashers.into_iter().map(|(domain, hasher)| (domain, hasher.finish()));
        (configs, digests.collect())
    }

    fn unreadable(&mut self, name: &str, report: Report) {
        self.refused.push((name.to_owned(), report));
        self.withheld.others = true;
    }

    /// Leaves a domain as it is; false if it is none yet.
    fn keep(&mut self, name: &Arc<str>, active: &Active, before: &Digests) -> bool {
        let Some(domain) = active.limits.domain(name) else { return false };
        self.domains.push((Arc::clone(name), domain.rules.clone(), domain.options));
        let digest = before.0.get(name).copied().unwrap_or_default();
        self.digests.0.insert(Arc::clone(name), digest);
        true
    }
}

fn decode(resource: &Named, room: &mut Room) -> Result<RateLimitConfig, String> {
    if resource.type_url != RATE_LIMIT_CONFIG {
        return Err(format!("is of type {}", excerpt(&resource.type_url)));
    }
    // A resource that is refused gives back the room that it took.
    let mut rest = *room;
    Shape::Config.admit(&resource.bytes, &mut rest).map_err(|malformed| malformed.to_string())?;
    *room = rest;
    RateLimitConfig::decode(&*resource.bytes).map_err(|_| Malformed::Bytes.to_string())
}

#[cfg(test)]
#[path = "build_tests.rs"]
mod tests;
