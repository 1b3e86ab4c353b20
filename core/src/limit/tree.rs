//! The descriptor tree: which rule a descriptor meets.
//!
//! A level maps `key` or `key_value` to a node. Each entry of a descriptor goes one level down, to
//! the first of: the node of exactly `key_value`; the first wildcard, in the order in which the
//! file has them, that fits the whole of `key_value`; the node of plain `key`. There is no way
//! back: once a node is taken its siblings are out, even if its subtree then fails. A rule counts
//! only for descriptors that end at its depth.
//!
//! Source of these rules: the reference rate-limit service of Envoy.

use std::hash::Hasher as _;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use super::{Limit, Pattern};
use crate::descriptor::Entry;

/// One level of the tree: sibling nodes in the order in which the file has them.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    nodes: Vec<Node>,
    by_text: HashTable<(Box<str>, usize)>,
    wildcards: Vec<(Pattern, usize)>,
}

/// A node: what a file's descriptor says, and the level below it.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The entry's key.
    pub key: Box<str>,
    /// The entry's value; empty where the node stands for every value.
    pub value: Box<str>,
    /// The limits met by a descriptor that ends here; all of them count.
    pub limits: Box<[Limit]>,
    /// All values that fit this node's wildcard share one bucket.
    pub share_threshold: bool,
    /// Statistics show the request's own key and value at every level.
    pub detailed_metric: bool,
    /// Statistics show the request's own value at this level.
    pub value_to_metric: bool,
    /// The level below.
    pub rules: Rules,
}

impl Node {
    /// The text that the node is found by: `key`, or `key_value`.
    pub fn text(&self) -> String {
        level(&self.key, &self.value)
    }
}

/// Two nodes of one level have the same `key_value` text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("two rules of one level are both found by `{text}`")]
pub struct DuplicateKey {
    /// The text that both are found by.
    pub text: String,
}

/// The node that a descriptor ended at.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The node; it may have no limit.
    pub node: &'a Node,
    /// Entries whose value is replaced by a shared pattern in the bucket's identity.
    shared: Vec<(usize, &'a str)>,
}

impl<'a> Found<'a> {
    /// The entry as the bucket's identity has it.
    pub fn identity<'e>(&self, index: usize, entry: Entry<'e>) -> Entry<'e>
    where
        'a: 'e,
    {
        match self.shared(index) {
            Some(value) => Entry { key: entry.key, value },
            None => entry,
        }
    }

    /// The pattern that stands for the value of this entry in the bucket's identity, if any does.
    pub fn shared(&self, index: usize) -> Option<&'a str> {
        self.shared.iter().find(|(at, _)| *at == index).map(|(_, pattern)| *pattern)
    }
}

impl Rules {
    /// The name in statistics of the limits that a descriptor of these entries ends at, if it ends
    /// anywhere: `domain.key_value.key`, with the request's own values at the levels that ask for
    /// it (`value_to_metric`), or at every level (`detailed_metric` of the last one). A value that a
    /// shared bucket stands for is always shown as the pattern. Limits that ask for neither have
    /// their path as their name.
    pub fn statistics_name(&self, domain: &str, entries: &[Entry<'_>]) -> Option<String> {
        let levels = self.statistics_levels(entries)?;
        Some(levels.iter().fold(domain.to_owned(), |name, level| name + "." + level))
    }

    /// The levels of that name, outermost first, without the domain: what stands between the dots,
    /// which may hold dots itself.
    pub fn statistics_levels(&self, entries: &[Entry<'_>]) -> Option<Vec<String>> {
        let mut way = Vec::with_capacity(entries.len());
        self.find(entries, |node| way.push(node))?;
        let detailed = way.last().is_some_and(|node| node.detailed_metric);
        let level = |(node, entry): (&&Node, &Entry<'_>)| {
            let shows_request = !node.share_threshold && (detailed || node.value_to_metric);
            let shown = if shows_request { entry.value } else { &*node.value };
            let key = if detailed { entry.key } else { &*node.key };
            level(key, shown)
        };
        Some(way.iter().zip(entries).map(level).collect())
    }

    /// Adds a node behind its siblings.
    ///
    /// # Errors
    /// [`DuplicateKey`] if a sibling is found by the same text; the level is left as it was.
    pub fn add(&mut self, node: Node) -> Result<(), DuplicateKey> {
        let text = node.text();
        if self.contains(&text) {
            return Err(DuplicateKey { text });
        }
        let index = self.nodes.len();
        if let Some(pattern) = Pattern::parse(&text) {
            self.wildcards.push((pattern, index));
        }
        self.nodes.push(node);
        let (hash, text) = (Hash::of(&text).finish(), text.into_boxed_str());
        self.by_text.insert_unique(hash, (text, index), |(text, _)| Hash::of(text).finish());
        Ok(())
    }

    /// Whether a node is found by exactly this text.
    pub fn contains(&self, text: &str) -> bool {
        self.exact(Hash::of(text), &[text]).is_some()
    }

    /// The nodes in the order in which they were added.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes, to be changed in what they are not found by.
    pub(super) fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    /// The node at which a descriptor of these entries ends, if it ends at one. `step` is told each
    /// node on the way, including those of a walk that fails later.
    pub fn find<'a>(
        &'a self,
        entries: &[Entry<'_>],
        mut step: impl FnMut(&'a Node),
    ) -> Option<Found<'a>> {
        let mut level = self;
        let mut shared = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let node = level.next(*entry)?;
            step(node);
            if node.share_threshold {
                shared.push((index, &*node.value));
            }
            if index + 1 == entries.len() {
                return Some(Found { node, shared });
            }
            level = &node.rules;
        }
        None
    }

    fn next(&self, entry: Entry<'_>) -> Option<&Node> {
        if self.nodes.is_empty() {
            return None;
        }
        let of_key = Hash::of(entry.key);
        let parts = [entry.key, "_", entry.value];
        if let Some(node) = self.exact(of_key.and("_").and(entry.value), &parts) {
            return Some(node);
        }
        // Most descriptors fit no wildcard, and then nothing is put together.
        let begins = |(pattern, _): &&(Pattern, usize)| pattern.begins(&parts);
        let mut wildcards = self.wildcards.iter().filter(begins).peekable();
        if wildcards.peek().is_some() {
            let text = parts.concat();
            if let Some((_, at)) = wildcards.find(|(pattern, _)| pattern.matches(&text)) {
                return Some(&self.nodes[*at]);
            }
        }
        self.exact(of_key, &[entry.key])
    }

    /// The node whose text is the concatenation of `parts`, of which `hash` is, without building it.
    fn exact(&self, hash: Hash, parts: &[&str]) -> Option<&Node> {
        let same = |(text, _): &(Box<str>, usize)| is_concatenation(text, parts);
        self.by_text.find(hash.finish(), same).map(|&(_, at)| &self.nodes[at])
    }
}

/// A level of a name in statistics: `key`, or `key_value`.
pub fn level(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}_{value}") }
}

/// The hash of a text that may go on. Its key is public: what is stored comes from the operator's
/// files, and a lookup of a hostile text costs the same as any other.
#[derive(Clone, Copy)]
struct Hash(SipHasher13);

impl Hash {
    fn of(text: &str) -> Self {
        Self(SipHasher13::new()).and(text)
    }

    fn and(mut self, text: &str) -> Self {
        self.0.write(text.as_bytes());
        self
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

fn is_concatenation(text: &str, parts: &[&str]) -> bool {
    let mut rest = Some(text);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(part));
    }
    rest == Some("")
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "matching_tests.rs"]
mod matching_tests;
