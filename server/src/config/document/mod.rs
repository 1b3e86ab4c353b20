//! A YAML file as a tree in which everything knows its line and column.
//!
//! Configuration is read through this tree instead of straight into types, so that every error can
//! name its place and all of them can be told at once. A file is treated as hostile: its size, its
//! nodes (with every alias written out) and its depth are bounded, and nothing in it makes the
//! reader panic. What the keys mean is not known here.

mod build;
mod merge;
mod read;
mod scalar;
mod tag;
mod trail;

use std::sync::Arc;

pub(crate) use build::parse;
pub(crate) use read::{open_regular, read, read_regular};
pub(crate) use scalar::{Resolved, Scalar, Tag};
pub(crate) use trail::Trail;

use super::report::Issue;

/// Bytes of one file. A thousand descriptors take about 100 KiB.
pub(crate) const FILE_BYTES_MAX: usize = 4 << 20;

/// Nodes of one file, with every alias and merge written out: what a file full of aliases would
/// otherwise multiply without end.
const NODES_MAX: usize = 1_000_000;

/// Bytes of all scalars of one file, with every alias written out: whoever takes the texts over
/// copies them.
const TEXT_BYTES_MAX: usize = 4 * FILE_BYTES_MAX;

/// Collections inside each other, the root included. Keeps every walk that recurses within a small
/// part of a thread's stack; enough for 31 levels of descriptors.
const DEPTH_MAX: usize = 64;

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The file's name, as it was given.
    pub(crate) source: Arc<str>,
    pub(crate) root: Node,
    /// At least as many nodes as the tree has.
    pub(crate) nodes: usize,
}

/// A value with its place. What an alias stands for keeps the place where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file, those from merge keys behind the others.
    Mapping(Vec<(Node, Node)>),
}

/// A position in a file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The place of what follows `text` in a file.
    fn behind(text: &str) -> Self {
        // The parser ends a line at a lone carriage return, too.
        let breaks = |text: &str| {
            let pairs = text.matches("\r\n").count();
            text.matches(['\n', '\r']).count() - pairs
        };
        let line = breaks(text) + 1;
        let column = text.rsplit(['\n', '\r']).next().unwrap_or_default().chars().count() + 1;
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column) }
    }
}

impl Document {
    /// The place to name for what is wrong at `trail`: that of the deepest part that exists.
    pub(crate) fn locate(&self, trail: &Trail<'_>) -> Place {
        let mut node = &self.root;
        let mut place = node.place;
        for step in trail.steps() {
            let next = match *step {
                Trail::Root => None,
                Trail::Key(_, name) => node.entry(name),
                Trail::Index(_, index) => node.element(index),
            };
            let Some(next) = next else { break };
            (place, node) = next;
        }
        place
    }

    /// An issue at `trail`.
    pub(crate) fn issue(&self, trail: &Trail<'_>, message: impl Into<String>) -> Issue {
        self.issue_at(self.locate(trail), trail, message)
    }

    /// An issue at `trail` whose place is known already.
    pub(crate) fn issue_at(
        &self,
        place: Place,
        trail: &Trail<'_>,
        message: impl Into<String>,
    ) -> Issue {
        Issue {
            source: Arc::clone(&self.source),
            line: place.line,
            column: place.column,
            path: trail.to_string(),
            message: message.into(),
            help: None,
        }
    }
}

impl Node {
    /// The value of the key `name`, with the place to name for it.
    pub(crate) fn entry(&self, name: &str) -> Option<(Place, &Self)> {
        let Kind::Mapping(entries) = &self.kind else {
            return None;
        };
        let named = |(key, _): &&(Self, Self)| key.as_text() == Some(name);
        entries.iter().find(named).map(|(key, value)| (value.place_under(key), value))
    }

    /// As [`Self::entry`], but a key without a value counts as absent.
    pub(crate) fn given(&self, name: &str) -> Option<(Place, &Self)> {
        self.entry(name).filter(|(_, node)| !node.is_null())
    }

    fn element(&self, index: usize) -> Option<(Place, &Self)> {
        let Kind::Sequence(elements) = &self.kind else {
            return None;
        };
        elements.get(index).map(|element| (element.place, element))
    }

    /// The place to name for the value of `key`: its own if it stands in one line, else that of the
    /// key, because a block's own place is that of its first line.
    pub(crate) fn place_under(&self, key: &Self) -> Place {
        match self.kind {
            Kind::Scalar(_) => self.place,
            Kind::Sequence(_) | Kind::Mapping(_) => key.place,
        }
    }

    /// A scalar's text, whatever its type.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(&scalar.text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// Nothing at all: an empty value, `null` or `~`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.resolve() == Resolved::Null)
    }

    /// What this is, in a message's words.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar(scalar) => scalar.describe(),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
