//! The lookup held against the meaning that the reference gives it, spelled as simply as it can be:
//! every sibling's text is put together and compared, wildcards by the textbook.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::limit::Bound;

/// A rule as the tests write it.
#[derive(Clone, Debug)]
struct Plant {
    key: String,
    value: String,
    share: bool,
    below: Vec<Plant>,
}

fn text(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}_{value}") }
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| fits(rest, &text[skip..])),
        Some((c, rest)) => text.first() == Some(c) && fits(rest, &text[1..]),
    }
}

/// The path of the rule that a descriptor ends at, and each entry as the bucket's identity has it.
type Met = (String, Vec<(String, String)>);

fn naive(plants: &[Plant], entries: &[(String, String)], path: &str) -> Option<Met> {
    let ((key, value), rest) = entries.split_first()?;
    let full = format!("{key}_{value}");
    let texts: Vec<_> = plants.iter().map(|plant| text(&plant.key, &plant.value)).collect();
    let exact = texts.iter().position(|text| *text == full);
    let wildcard = || {
        texts.iter().position(|text| text.contains('*') && fits(text.as_bytes(), full.as_bytes()))
    };
    let plain = || texts.iter().position(|text| text == key);
    let at = exact.or_else(wildcard).or_else(plain)?;
    let Plant { value: pattern, share, below, .. } = &plants[at];
    let shown = if *share { pattern } else { value };
    let (path, mut identity) =
        (format!("{path}.{}", texts[at]), vec![(key.clone(), shown.clone())]);
    if rest.is_empty() {
        return Some((path, identity));
    }
    let (path, below) = naive(below, rest, &path)?;
    identity.extend(below);
    Some((path, identity))
}

/// The same rules as a tree; siblings of one text stay out of both.
fn grown(plants: &mut Vec<Plant>, path: &str) -> Rules {
    let mut rules = Rules::default();
    plants.retain_mut(|plant| {
        let path = format!("{path}.{}", text(&plant.key, &plant.value));
        let below = grown(&mut plant.below, &path);
        let node = Node {
            key: plant.key.as_str().into(),
            value: plant.value.as_str().into(),
            limits: Box::new([Limit::new(Bound::Unlimited, Arc::from(path))]),
            share_threshold: plant.share,
            rules: below,
            ..Node::default()
        };
        rules.add(node).is_ok()
    });
    rules
}

fn plant(below: impl Strategy<Value = Vec<Plant>>) -> impl Strategy<Value = Plant> {
    let has_star = |key: &str, value: &str| key.contains('*') || value.contains('*');
    ("[a_*]{1,3}", "[ab_*]{0,3}", any::<bool>(), below).prop_map(
        move |(key, value, share, below)| Plant {
            share: share && has_star(&key, &value),
            key,
            value,
            below,
        },
    )
}

fn plants() -> impl Strategy<Value = Vec<Plant>> {
    let leaves = proptest::collection::vec(plant(Just(Vec::new())), 0..6);
    proptest::collection::vec(plant(leaves), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Few letters, so that `a` with `b_c` meets `a_b` with `c`, patterns stand for themselves, and
    /// several siblings fit.
    #[test]
    fn the_tree_finds_what_the_plain_meaning_finds(
        mut plants in plants(),
        descriptors in proptest::collection::vec(
            proptest::collection::vec(("[a_*]{0,3}", "[ab_*]{0,3}"), 0..3), 1..12),
    ) {
        let rules = grown(&mut plants, "d");
        for descriptor in descriptors {
            let entries: Vec<_> =
                descriptor.iter().map(|(key, value)| Entry { key, value }).collect();
            let found = rules.find(&entries, |_| ()).map(|found| {
                let identity = entries.iter().enumerate().map(|(at, entry)| {
                    let Entry { key, value } = found.identity(at, *entry);
                    (key.to_owned(), value.to_owned())
                });
                (found.node.limits[0].path.to_string(), identity.collect())
            });
            prop_assert_eq!(found, naive(&plants, &descriptor, "d"));
        }
    }
}
