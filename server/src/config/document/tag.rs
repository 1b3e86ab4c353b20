//! The tags that a file may have: YAML's own, written short (`!!str`) or in full.

use saphyr_parser::Tag as RawTag;

use super::Tag;

/// The scalar tag that `raw` stands for.
pub(super) fn of_scalar(raw: &RawTag) -> Option<Tag> {
    if is_non_specific(raw) {
        return Some(Tag::Text);
    }
    match core_name(raw)? {
        "str" => Some(Tag::Text),
        "int" => Some(Tag::Integer),
        "float" => Some(Tag::Float),
        "bool" => Some(Tag::Boolean),
        "null" => Some(Tag::Null),
        _ => None,
    }
}

/// Whether `raw` is the collection tag of this name.
pub(super) fn names(raw: &RawTag, name: &str) -> bool {
    is_non_specific(raw) || core_name(raw) == Some(name)
}

fn core_name(raw: &RawTag) -> Option<&str> {
    if raw.is_yaml_core_schema() {
        return Some(&raw.suffix);
    }
    let full = raw.handle.is_empty().then_some(&raw.suffix)?;
    full.strip_prefix("tag:yaml.org,2002:")
}

/// `!` alone: the value as it stands.
fn is_non_specific(raw: &RawTag) -> bool {
    matches!((&*raw.handle, &*raw.suffix), ("", "!") | ("!", ""))
}
