//! All limits of a node, by domain: what one load of the configuration yields.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Rules;
use crate::key::{DomainTag, KeyHasher, KeySecret};

/// A scope of rules.
#[derive(Clone, Debug)]
pub struct Domain {
    name: Arc<str>,
    tag: DomainTag,
    key: KeyHasher,
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
#[derive(Clone, Debug, Default)]
pub struct LimitSet {
    domains: BTreeMap<Arc<str>, Domain>,
}

impl LimitSet {
    /// A set of named trees, with the secret that their buckets' keys are hashed with.
    pub fn new(domains: impl IntoIterator<Item = (Arc<str>, Rules)>, secret: &KeySecret) -> Self {
        let with_key = |(name, rules): (Arc<str>, Rules)| {
            let (tag, key) = (secret.domain_tag(&name), secret.begin(&name));
            (Arc::clone(&name), Domain { name, tag, key, rules })
        };
        Self { domains: domains.into_iter().map(with_key).collect() }
    }

    /// The domain of this name.
    pub fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.get(name)
    }

    /// All domains, by name.
    pub fn domains(&self) -> impl ExactSizeIterator<Item = &Domain> {
        self.domains.values()
    }
}
