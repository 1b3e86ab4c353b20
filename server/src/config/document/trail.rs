//! The way from a document's root to a node, as messages write it: `descriptors[2].rate_limit.unit`.
//!
//! A trail lives on the stack of whoever walks the tree, so walking costs no allocation; it becomes
//! text only where something is wrong.

use std::fmt;

use crate::config::report::excerpt;

/// A way from the root; each step borrows the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trail<'a> {
    Root,
    Key(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    pub(crate) fn key<'a>(&'a self, name: &'a str) -> Trail<'a> {
        Trail::Key(self, name)
    }

    pub(crate) fn index(&self, index: usize) -> Trail<'_> {
        Trail::Index(self, index)
    }

    /// Every step, outermost first, without the root.
    pub(super) fn steps(&self) -> Vec<&Trail<'_>> {
        let mut steps = Vec::new();
        let mut step = self;
        while let Trail::Key(parent, _) | Trail::Index(parent, _) = step {
            steps.push(step);
            step = parent;
        }
        steps.reverse();
        steps
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        for step in self.steps() {
            match step {
                Trail::Root => {}
                Trail::Key(_, name) => push_key(&mut path, name),
                Trail::Index(_, index) => push_index(&mut path, *index),
            }
        }
        f.write_str(&path)
    }
}

/// Makes `path` lead to its key `name`.
pub(super) fn push_key(path: &mut String, name: &str) {
    if !is_simple(name) {
        path.push_str("[\"");
        path.push_str(&excerpt(name));
        path.push_str("\"]");
        return;
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Makes `path` lead to its element `index`.
pub(super) fn push_index(path: &mut String, index: usize) {
    path.push('[');
    path.push_str(&index.to_string());
    path.push(']');
}

/// Whether a key can stand between dots.
fn is_simple(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'<'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_written_with_dots_and_brackets() {
        let root = Trail::Root;
        let descriptors = root.key("descriptors");
        let third = descriptors.index(2);
        let rate_limit = third.key("rate_limit");
        assert_eq!(rate_limit.key("unit").to_string(), "descriptors[2].rate_limit.unit");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn a_key_that_is_no_word_is_quoted() {
        let limits = Trail::Root.key("limits");
        let odd = limits.key("a.b c");
        assert_eq!(odd.key("by").to_string(), "limits[\"a.b c\"].by");
    }
}
