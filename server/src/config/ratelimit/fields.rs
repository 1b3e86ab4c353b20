//! Typed reading of a mapping's keys, as the reference's parser does it: a key that is absent or
//! empty has its type's zero, and any scalar serves as text. Keys of our own that hold more than a
//! number or a truth value are read as in `tollgate.yaml`.

use serde::de::DeserializeOwned;

use super::error_loading;
use super::leaf::Leaf;
use super::rules::File;
use crate::config::decode::decode_node;
use crate::config::document::{Kind, Node, Place, Trail};

/// What is wrong with a value is among the issues.
pub(super) struct Told;

impl File<'_> {
    /// The text of the key `name`; empty if there is none.
    pub(super) fn text<'n>(&mut self, node: &'n Node, trail: &Trail<'_>, name: &str) -> &'n str {
        let Some((place, value)) = node.entry(name) else {
            return "";
        };
        match &value.kind {
            Kind::Scalar(scalar) => match Leaf::of(scalar) {
                Leaf::Null => "",
                _ => &scalar.text,
            },
            Kind::Sequence(_) | Kind::Mapping(_) => {
                self.unexpected(place, &trail.key(name), "text", value);
                ""
            }
        }
    }

    /// The truth of the key `name`; false if there is none.
    pub(super) fn boolean(&mut self, node: &Node, trail: &Trail<'_>, name: &str) -> bool {
        let Some((place, value)) = node.entry(name) else {
            return false;
        };
        match leaf(value) {
            Some(Leaf::Boolean(value)) => value,
            Some(Leaf::Null) => false,
            _ => {
                self.unexpected(place, &trail.key(name), "true or false", value);
                false
            }
        }
    }

    /// The number of the key `name`; zero if there is none.
    pub(super) fn number(&mut self, node: &Node, trail: &Trail<'_>, name: &str) -> u32 {
        let Some((place, value)) = node.entry(name) else {
            return 0;
        };
        let number = match leaf(value) {
            Some(Leaf::Integer(number)) => u32::try_from(number).ok(),
            Some(Leaf::Null) => Some(0),
            _ => None,
        };
        number.unwrap_or_else(|| {
            let wanted = format!("a whole number from 0 to {}", u32::MAX);
            self.unexpected(place, &trail.key(name), &wanted, value);
            0
        })
    }

    /// The value of one of our own keys, read as in `tollgate.yaml`; `None` if there is none.
    pub(super) fn own<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        trail: &Trail<'_>,
        name: &str,
    ) -> Result<Option<T>, Told> {
        let Some(given) = node.given(name) else {
            return Ok(None);
        };
        decode_node(self.document, given, &trail.key(name)).map(Some).map_err(|issue| {
            self.findings.issues.push_unless_placed(issue);
            Told
        })
    }

    /// The elements of a list; `None` if it is something else or nothing.
    pub(super) fn list<'n>(
        &mut self,
        place: Place,
        node: &'n Node,
        trail: &Trail<'_>,
    ) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Sequence(elements) => Some(elements),
            Kind::Scalar(_) | Kind::Mapping(_) => {
                if !node.is_null() {
                    self.unexpected(place, trail, "a list", node);
                }
                None
            }
        }
    }

    /// A value of the wrong kind.
    pub(super) fn unexpected(
        &mut self,
        place: Place,
        trail: &Trail<'_>,
        wanted: &str,
        found: &Node,
    ) {
        let message = format!("expected {wanted}, found {}", found.describe());
        self.wrong(place, trail, error_loading(&message));
    }

    /// Something wrong at `trail`.
    pub(super) fn wrong(&mut self, place: Place, trail: &Trail<'_>, message: impl Into<String>) {
        let issue = self.document.issue_at(place, trail, message);
        self.findings.issues.push_unless_placed(issue);
    }

    /// Something wrong with the key `name` of `node`.
    pub(super) fn wrong_entry(
        &mut self,
        node: &Node,
        trail: &Trail<'_>,
        name: &str,
        message: impl Into<String>,
    ) {
        let place = node.entry(name).map_or(node.place, |(place, _)| place);
        self.wrong(place, &trail.key(name), message);
    }
}

fn leaf(node: &Node) -> Option<Leaf<'_>> {
    match &node.kind {
        Kind::Scalar(scalar) => Some(Leaf::of(scalar)),
        Kind::Sequence(_) | Kind::Mapping(_) => None,
    }
}
