//! Named limits as descriptor rules of one domain, so that every protocol meets the same buckets.
//!
//! Limit `login` by `[ip, route]` becomes `limit=login` → `ip` → `route`, with the limit at the
//! end: a request meets it with the descriptor `limit=login, ip=…, route=…`.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::limit::{Algorithm, Bound, DuplicateKey, Limit, Node, Quota, Rules, Window};

use super::raw::{RawAlgorithm, RawLimit};

/// The domain of named limits. No rate-limit file may have it.
pub const NAMED_LIMITS_DOMAIN: &str = "tollgate";

/// The key of the entry that holds a limit's name.
pub const LIMIT_NAME_KEY: &str = "limit";

/// The longest window: the protocol's year.
pub(super) const WINDOW_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Adds the limit `name` to the domain's rules.
///
/// # Errors
/// Another limit is met by the same descriptors.
pub(super) fn add(
    rules: &mut Rules,
    name: &str,
    raw: &RawLimit,
    window: Window,
) -> Result<(), DuplicateKey> {
    let algorithm = algorithm(raw.algorithm);
    let counts_refused = false;
    let quota = Quota { limit: raw.limit, window, algorithm, counts_refused, penalty_max: None };
    let mut path = format!("{NAMED_LIMITS_DOMAIN}.{LIMIT_NAME_KEY}_{name}");
    for key in &raw.by {
        path.push('.');
        path.push_str(key);
    }
    let limit = Limit {
        name: Some(name.into()),
        shadow: raw.shadow,
        ..Limit::new(Bound::Limited(quota), Arc::from(path))
    };
    let names = raw.by.iter().map(|key| (key.as_str(), ""));
    let way: Vec<_> = std::iter::once((LIMIT_NAME_KEY, name)).chain(names).collect();
    let mut limits: Box<[Limit]> = Box::new([limit]);
    let mut inner: Option<Node> = None;
    for (key, value) in way.into_iter().rev() {
        let mut node = Node {
            key: key.into(),
            value: value.into(),
            limits: std::mem::take(&mut limits),
            ..Node::default()
        };
        if let Some(inner) = inner.take() {
            node.rules.add(inner)?;
        }
        inner = Some(node);
    }
    inner.map_or(Ok(()), |node| rules.add(node))
}

fn algorithm(raw: RawAlgorithm) -> Algorithm {
    match raw {
        RawAlgorithm::FixedWindow => Algorithm::FixedWindow,
    }
}
