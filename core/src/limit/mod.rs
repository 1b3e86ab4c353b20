//! What is configured: limits, and the descriptor tree that says which of them a request meets.
//!
//! Every value here is valid by construction; reading files and explaining what is wrong with them
//! belongs to the server's configuration.

mod pattern;
mod quota;
mod set;
mod tree;
mod unit;

use std::sync::Arc;

pub use pattern::Pattern;
pub use quota::{Algorithm, Quota, Window};
pub use set::{Domain, HeaderStyle, LimitSet, Options};
pub use tree::{DuplicateKey, Found, Node, Rules, level};
pub use unit::Unit;

use crate::descriptor::Entry;
use crate::metadata::Map;

/// One configured limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// How much is allowed.
    pub bound: Bound,
    /// The name that answers carry and that other limits may replace.
    pub name: Option<Arc<str>>,
    /// Where the limit stands: `domain.key_value.key`. Also its name in statistics.
    pub path: Arc<str>,
    /// Counted and reported, never enforced.
    pub shadow: bool,
    /// Denies only together with every other quota descriptor of the request.
    pub quota_mode: bool,
    /// Names of limits that do not count when this one is met.
    pub replaces: Box<[Arc<str>]>,
    /// What answers carry when this limit lets a request pass.
    pub metadata: Option<Arc<Map>>,
    /// What is answered where a replicated ledger is out of reach.
    pub on_unavailable: OnUnavailable,
    /// Counts in the buckets of a named limit instead of its own.
    pub named: Option<Named>,
    /// Its name in statistics depends on the request: see [`Rules::statistics_name`]. Given by the
    /// set.
    pub shows_request: bool,
    /// A number that is this limit's alone in its [`LimitSet`], from zero; given by the set.
    pub id: u32,
}

/// The domain of named limits.
pub const NAMED_DOMAIN: &str = "tollgate";

/// The key of the entry that holds a named limit's name.
pub const NAMED_KEY: &str = "limit";

/// Which named limit's buckets a rule counts in: those of the descriptor `limit=NAME` followed by
/// the entries of these keys, wherever the rule's own descriptor has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The limit's name.
    pub name: Arc<str>,
    /// The keys by which it counts, each of which every descriptor that meets the rule has.
    pub by: Box<[Arc<str>]>,
}

impl Named {
    /// The entries of the named limit's own descriptor. A key that the descriptor lacks counts as
    /// empty; the configuration refuses such rules.
    pub fn entries<'a>(
        &'a self,
        entries: &'a [Entry<'a>],
    ) -> impl Iterator<Item = Entry<'a>> + Clone + 'a {
        let value = |key: &str| entries.iter().find(|entry| entry.key == key);
        let by = self
            .by
            .iter()
            .map(move |key| Entry { key, value: value(key).map_or("", |entry| entry.value) });
        std::iter::once(Entry { key: NAMED_KEY, value: &self.name }).chain(by)
    }
}

impl Limit {
    /// A limit that is enforced, without a name.
    pub fn new(bound: Bound, path: Arc<str>) -> Self {
        Self {
            bound,
            name: None,
            path,
            shadow: false,
            quota_mode: false,
            replaces: Box::default(),
            metadata: None,
            on_unavailable: OnUnavailable::default(),
            named: None,
            shows_request: false,
            id: 0,
        }
    }
}

/// What a limit wants where a replicated ledger cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnUnavailable {
    /// An error, so that the caller's own failure mode decides.
    #[default]
    Error,
    /// Every hit is over.
    Deny,
    /// Every hit passes, uncounted.
    Allow,
    /// Each node decides alone, by its share: [`Quota::shared_by`].
    Local,
}

/// How much a limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Everything, uncounted.
    Unlimited,
    /// A number of hits in a window.
    Limited(Quota),
}
