//! What holds for a mapping as a whole: no key twice, and `<<` brings in the keys of others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Node, Place};

/// The key whose value is merged.
const MERGE: &str = "<<";

/// Keys that are there already, each with the place of the first. Keys that are no scalars are not
/// compared: no configuration has any.
pub(super) fn duplicates(entries: &[(Node, Node)]) -> Vec<(&Node, Place)> {
    let mut first_by_text = BTreeMap::new();
    let mut twice = Vec::new();
    for (key, _) in entries {
        let Some(text) = key.as_text() else { continue };
        match first_by_text.get(text) {
            Some(first) => twice.push((key, *first)),
            None => {
                first_by_text.insert(text, key.place);
            }
        }
    }
    twice
}

/// The entries with those of `<<` behind them: a key of the mapping itself wins over a merged one,
/// and an earlier mapping of a list over a later one.
///
/// # Errors
/// The place of a `<<` that is neither a mapping nor a list of mappings.
pub(super) fn resolve(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Place> {
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let mut own = Vec::new();
    let mut merged = Vec::new();
    for (key, value) in entries {
        if is_merge(&key) {
            merged.extend(mappings(value).ok_or(key.place)?);
        } else {
            own.push((key, value));
        }
    }
    let mut seen: BTreeSet<String> =
        own.iter().filter_map(|(key, _)| key.as_text().map(str::to_owned)).collect();
    merged.retain(|(key, _)| key.as_text().is_none_or(|text| seen.insert(text.to_owned())));
    own.append(&mut merged);
    Ok(own)
}

fn is_merge(key: &Node) -> bool {
    match &key.kind {
        Kind::Scalar(scalar) => scalar.plain && scalar.tag.is_none() && &*scalar.text == MERGE,
        Kind::Sequence(_) | Kind::Mapping(_) => false,
    }
}

/// The entries of a mapping, or of every mapping in a list.
fn mappings(value: Node) -> Option<Vec<(Node, Node)>> {
    match value.kind {
        Kind::Mapping(entries) => Some(entries),
        Kind::Sequence(elements) => {
            let mut all = Vec::new();
            for element in elements {
                let Kind::Mapping(entries) = element.kind else {
                    return None;
                };
                all.extend(entries);
            }
            Some(all)
        }
        Kind::Scalar(_) => None,
    }
}
