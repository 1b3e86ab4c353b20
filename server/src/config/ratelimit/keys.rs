//! The reference's first look at a file: its keys and the kinds of its values, wherever they stand.
//!
//! Keys are held against one flat list, so a key in the wrong place passes here; see `rules`.

use super::error_loading;
use super::leaf::{Leaf, printed};
use crate::config::document::{Document, Kind, Node, Trail};
use crate::config::report::{Issues, excerpt};
use crate::config::suggest::nearest;

/// Every key of the reference's.
const REFERENCE: [&str; 16] = [
    "domain",
    "key",
    "value",
    "descriptors",
    "rate_limit",
    "unit",
    "requests_per_unit",
    "unlimited",
    "shadow_mode",
    "quota_mode",
    "name",
    "replaces",
    "detailed_metric",
    "value_to_metric",
    "share_threshold",
    "metadata",
];

/// Keys that the reference does not have.
pub(super) const OWN: [&str; 11] = [
    "algorithm",
    "atomic",
    "burst",
    "limit",
    "max",
    "on_unavailable",
    "penalty",
    "rate_limits",
    "response_headers",
    "unit_multiplier",
    "window",
];

/// Adds what is wrong to `issues`.
pub(super) fn check(document: &Document, issues: &mut Issues) {
    let root = &document.root;
    if root.is_null() {
        return;
    }
    match &root.kind {
        Kind::Mapping(entries) => Check { document, issues }.mapping(entries, &Trail::Root),
        Kind::Scalar(_) | Kind::Sequence(_) => {
            let message = error_loading(&format!("expected a mapping, found {}", root.describe()));
            issues.push(document.issue(&Trail::Root, message));
        }
    }
}

struct Check<'a> {
    document: &'a Document,
    issues: &'a mut Issues,
}

impl Check<'_> {
    fn mapping(&mut self, entries: &[(Node, Node)], trail: &Trail<'_>) {
        for (key, value) in entries {
            let Some(name) = text(key) else {
                self.no_text(key, trail);
                continue;
            };
            let trail = trail.key(name);
            if !REFERENCE.contains(&name) && !OWN.contains(&name) {
                self.unknown(key, name, &trail);
            } else if name != "metadata" {
                self.value(value, key, &trail);
            }
        }
    }

    fn no_text(&mut self, key: &Node, trail: &Trail<'_>) {
        self.issues.push_with(|| {
            let message = format!("config error, key is not of type string: {}", printed(key));
            let trail = trail.key(key.as_text().unwrap_or("?"));
            self.document.issue_at(key.place, &trail, message)
        });
    }

    fn unknown(&mut self, key: &Node, name: &str, trail: &Trail<'_>) {
        self.issues.push_with(|| {
            let message = format!("config error, unknown key '{}'", excerpt(name));
            let issue = self.document.issue_at(key.place, trail, message);
            match nearest(name, REFERENCE.into_iter().chain(OWN)) {
                Some(meant) => issue.with_help(format!("did you mean `{meant}`?")),
                None => issue,
            }
        });
    }

    fn value(&mut self, value: &Node, key: &Node, trail: &Trail<'_>) {
        match &value.kind {
            Kind::Mapping(entries) => self.mapping(entries, trail),
            Kind::Sequence(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.element(element, &trail.index(index));
                }
            }
            Kind::Scalar(scalar) if Leaf::of(scalar) == Leaf::Number => {
                self.issues.push_with(|| {
                    let place = value.place_under(key);
                    let issue = self.document.issue_at(place, trail, "error checking config");
                    let found = excerpt(&scalar.text);
                    issue.with_help(format!(
                        "{found} is no whole number of 64 bits; quote it if it is meant as text"
                    ))
                });
            }
            Kind::Scalar(_) => {}
        }
    }

    fn element(&mut self, element: &Node, trail: &Trail<'_>) {
        if let Kind::Mapping(entries) = &element.kind {
            return self.mapping(entries, trail);
        }
        self.issues.push_with(|| {
            let message = format!(
                "config error, yaml file contains list of type other than map: {}",
                printed(element)
            );
            self.document.issue_at(element.place, trail, message)
        });
    }
}

/// A key that the reference takes for text.
fn text(key: &Node) -> Option<&str> {
    match &key.kind {
        Kind::Scalar(scalar) => match Leaf::of(scalar) {
            Leaf::Text(text) => Some(text),
            Leaf::Null | Leaf::Boolean(_) | Leaf::Integer(_) | Leaf::Number => None,
        },
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}
