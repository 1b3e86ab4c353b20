//! Typed values from a document, with every error told at once.
//!
//! serde stops at the first error. So where decoding fails, the error is noted with its place, the
//! node that caused it is left out, and decoding starts again; what remains in the end is decoded
//! without the wrong parts, so that it can still be validated. Messages are in the words of the
//! person who wrote the file.

mod deserializer;
mod error;
mod found;

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use self::deserializer::NodeDeserializer;
use self::error::{DecodeError, Fault};
use super::document::{Document, Node, Place, Trail};
use super::report::{ISSUES_MAX, Issue, Issues};

/// Times that decoding starts: as many errors as a report shows.
const ROUNDS_MAX: usize = ISSUES_MAX;

/// Nodes looked at in all rounds together, so that a huge document is not decoded a hundred times:
/// about a second's work.
const NODES_VISITED_MAX: usize = 10_000_000;

/// Which nodes are left out. A document's nodes stay where they are while it is decoded, so an
/// address is enough to know one.
#[derive(Debug, Default)]
struct LeftOut(BTreeSet<usize>);

impl LeftOut {
    fn address(node: &Node) -> usize {
        std::ptr::from_ref(node).addr()
    }

    fn contains(&self, node: &Node) -> bool {
        self.0.contains(&Self::address(node))
    }
}

/// The value that `document` holds, without the parts that are wrong; each of those is added to
/// `issues`. `None` if the document as a whole is wrong.
pub(crate) fn decode<T: DeserializeOwned>(document: &Document, issues: &mut Issues) -> Option<T> {
    let mut left_out = LeftOut::default();
    let mut wrong_paths = BTreeSet::new();
    let rounds = (NODES_VISITED_MAX / document.nodes.max(1)).min(ROUNDS_MAX);
    for _ in 0..rounds {
        let root = NodeDeserializer {
            node: &document.root,
            place: document.root.place,
            trail: &Trail::Root,
            cause: &document.root,
            left_out: &left_out,
        };
        let Fault { message, help, is_missing, at } = match T::deserialize(root) {
            Ok(value) => return Some(value),
            Err(DecodeError(fault)) => *fault,
        };
        let at = at?;
        // A key that was left out because it is wrong is not missing, too.
        if !(is_missing && wrong_paths.contains(&at.path)) {
            let mut issue = document.issue_at(at.place, &Trail::Root, message);
            issue.path.clone_from(&at.path);
            issue.help = help;
            issues.push(issue);
        }
        wrong_paths.insert(at.path);
        if at.cause == LeftOut::address(&document.root) || !left_out.0.insert(at.cause) {
            return None;
        }
    }
    issues.end_early();
    None
}

/// The value of one node, which stands at `trail` and whose place is to be named as `place`.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn decode_node<T: DeserializeOwned>(
    document: &Document,
    (place, node): (Place, &Node),
    trail: &Trail<'_>,
) -> Result<T, Issue> {
    let left_out = LeftOut::default();
    let root = NodeDeserializer { node, place, trail, cause: node, left_out: &left_out };
    T::deserialize(root).map_err(|DecodeError(fault)| {
        let Fault { message, help, at, .. } = *fault;
        let mut issue = document.issue_at(place, trail, message);
        if let Some(at) = at {
            (issue.line, issue.column, issue.path) = (at.place.line, at.place.column, at.path);
        }
        Issue { help, ..issue }
    })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
