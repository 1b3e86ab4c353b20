//! All limits of a node, by domain: what one load of the configuration yields.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Limit, NAMED_DOMAIN, NAMED_KEY, Node, Rules};
use crate::descriptor::{Entry, INLINE_DOMAIN};
use crate::key::{DomainTag, KeyHasher, KeySecret};

/// How a domain answers, beside its rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A request charges all of its limits or, if it is denied, none; otherwise each limit counts
    /// by itself, as the reference service does.
    pub atomic: bool,
    /// Which headers answers carry; the node's default where it is absent.
    pub headers: Option<HeaderStyle>,
}

/// Which headers tell a client of its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderStyle {
    /// None.
    #[default]
    Off,
    /// `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` in seconds: the reference
    /// service's, after early drafts of the IETF.
    RateLimit,
    /// `X-RateLimit-…` with the reset in seconds from now.
    XRateLimit,
    /// `X-RateLimit-…` with the reset in seconds since the UNIX epoch.
    XRateLimitEpoch,
    /// `RateLimit-Policy` and `RateLimit` as structured fields
    /// (draft-ietf-httpapi-ratelimit-headers-11).
    Draft11,
}

/// A scope of rules.
#[derive(Clone, Debug)]
pub struct Domain {
    name: Arc<str>,
    tag: DomainTag,
    key: KeyHasher,
    /// How it answers.
    pub options: Options,
    /// The first level of the descriptor tree.
    pub rules: Rules,
}

impl Domain {
    /// The domain's name; never empty.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which share of the store the domain's buckets count against.
    pub fn tag(&self) -> DomainTag {
        self.tag
    }

    /// A bucket key that has the domain in it already.
    pub fn begin_key(&self) -> KeyHasher {
        self.key.clone()
    }
}

/// Every domain of one loaded configuration.
#[derive(Clone, Debug)]
pub struct LimitSet {
    domains: BTreeMap<Arc<str>, Domain>,
    named_key: KeyHasher,
    named_tag: DomainTag,
    inline_key: KeyHasher,
    inline_tag: DomainTag,
    limits: u32,
}

impl LimitSet {
    /// A set of named trees, with the secret that their buckets' keys are hashed with.
    pub fn new(
        domains: impl IntoIterator<Item = (Arc<str>, Rules, Options)>,
        secret: &KeySecret,
    ) -> Self {
        let mut set = Self {
            domains: BTreeMap::new(),
            named_key: secret.begin(NAMED_DOMAIN),
            named_tag: secret.domain_tag(NAMED_DOMAIN),
            inline_key: secret.begin_inline(),
            inline_tag: secret.domain_tag(INLINE_DOMAIN),
            limits: 0,
        };
        for (name, mut rules, options) in domains {
            number(&mut rules, &mut set.limits, false);
            let (tag, key) = (secret.domain_tag(&name), secret.begin(&name));
            let domain = Domain { name: Arc::clone(&name), tag, key, options, rules };
            set.domains.insert(name, domain);
        }
        set
    }

    /// The domain of this name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.get(name)
    }

    /// A bucket key, and the share it counts against, in the domain of named limits.
    pub fn begin_named_key(&self) -> (KeyHasher, DomainTag) {
        (self.named_key.clone(), self.named_tag)
    }

    /// The same for inline limits, whose keys no domain's ever equal.
    pub fn begin_inline_key(&self) -> (KeyHasher, DomainTag) {
        (self.inline_key.clone(), self.inline_tag)
    }

    /// The keys by which the named limit of this name counts, in their order.
    pub fn named(&self, name: &str) -> Option<Vec<&str>> {
        let entry = Entry { key: NAMED_KEY, value: name };
        let mut node = self.domain(NAMED_DOMAIN)?.rules.find(&[entry], |_| ())?.node;
        let mut by = Vec::new();
        while node.limits.is_empty() {
            node = node.rules.nodes().first()?;
            by.push(&*node.key);
        }
        Some(by)
    }

    /// All domains, by name.
    pub fn domains(&self) -> impl ExactSizeIterator<Item = &Domain> {
        self.domains.values()
    }

    /// All limits with their domains, by domain and then in the order of the files. The numbers of
    /// the limits count up in this order only within a domain.
    pub fn limits(&self) -> impl Iterator<Item = (&Domain, &Limit)> {
        self.domains.values().flat_map(|domain| {
            let mut all = Vec::new();
            collect(&domain.rules, &mut all);
            all.into_iter().map(move |limit| (domain, limit))
        })
    }

    /// How many limits there are; each [`Limit::id`] is below it.
    pub fn limit_count(&self) -> usize {
        self.limits as usize
    }
}

/// Gives every limit its number, and tells those whose name in statistics shows the request.
fn number(rules: &mut Rules, next: &mut u32, above_shows_value: bool) {
    for node in rules.nodes_mut() {
        let shows_value = above_shows_value || node.value_to_metric;
        for limit in &mut node.limits {
            limit.id = *next;
            limit.shows_request = shows_value || node.detailed_metric;
            *next = next.saturating_add(1);
        }
        number(&mut node.rules, next, shows_value);
    }
}

fn collect<'a>(rules: &'a Rules, all: &mut Vec<&'a Limit>) {
    for Node { limits, rules, .. } in rules.nodes() {
        all.extend(limits);
        collect(rules, all);
    }
}
