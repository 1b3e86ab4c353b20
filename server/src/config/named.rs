//! Named limits as descriptor rules of one domain, so that every protocol meets the same buckets.
//!
//! Limit `login` by `[ip, route]` becomes `limit=login` → `ip` → `route`, with the limit at the
//! end: a request meets it with the descriptor `limit=login, ip=…, route=…`.

use std::sync::Arc;

use tollgate_core::descriptor::Entry;
use tollgate_core::limit::{
    Bound, DuplicateKey, Limit, NAMED_DOMAIN, NAMED_KEY, Named, Node, OnUnavailable, Quota, Rules,
};

/// What a named limit says beside its numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Says {
    pub(super) shadow: bool,
    pub(super) on_unavailable: OnUnavailable,
}

/// Adds the limit `name`, which counts by the keys `by`, to the domain's rules.
///
/// # Errors
/// Another limit is met by the same descriptors.
pub(super) fn add(
    rules: &mut Rules,
    name: &str,
    by: &[String],
    quota: Quota,
    Says { shadow, on_unavailable }: Says,
) -> Result<(), DuplicateKey> {
    let mut path = format!("{NAMED_DOMAIN}.{NAMED_KEY}_{name}");
    for key in by {
        path.push('.');
        path.push_str(key);
    }
    let limit = Limit {
        name: Some(name.into()),
        shadow,
        on_unavailable,
        ..Limit::new(Bound::Limited(quota), Arc::from(path))
    };
    let keys = by.iter().map(|key| (key.as_str(), ""));
    let way: Vec<_> = std::iter::once((NAMED_KEY, name)).chain(keys).collect();
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

/// The limit `name` of these rules, with the keys that it counts by.
pub(super) fn find<'a>(rules: &'a Rules, name: &str) -> Option<(&'a Limit, Named)> {
    let entry = Entry { key: NAMED_KEY, value: name };
    let mut node = rules.find(&[entry], |_| ())?.node;
    let mut by = Vec::new();
    while node.limits.is_empty() {
        node = node.rules.nodes().first()?;
        by.push(Arc::from(&*node.key));
    }
    let limit = node.limits.first()?;
    Some((limit, Named { name: name.into(), by: by.into() }))
}

/// The names of all limits of these rules.
pub(super) fn names(rules: &Rules) -> impl Iterator<Item = &str> {
    rules.nodes().iter().map(|node| &*node.value)
}
