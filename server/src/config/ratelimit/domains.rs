//! The domains of a set of files: their rules, and how each answers as its files say together.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tollgate_core::limit::{self, HeaderStyle, Rules};

use super::rules::File;
use crate::config::document::{Node, Trail};
use crate::config::raw::RawHeaderStyle;
use crate::config::report::excerpt;

/// Domains with their rules, in the order of the files.
#[derive(Default)]
pub(super) struct Domains {
    list: Vec<(Arc<str>, Draft)>,
    index_by_name: BTreeMap<Arc<str>, usize>,
}

/// A domain in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) rules: Rules,
    atomic: Option<Statement<bool>>,
    headers: Option<Statement<HeaderStyle>>,
}

/// What a file says about its domain.
struct Statement<T> {
    value: T,
    text: String,
    source: Arc<str>,
    line: u32,
}

impl Domains {
    pub(super) fn contains(&self, domain: &str) -> bool {
        self.index_by_name.contains_key(domain)
    }

    /// What earlier files of this domain made, to be added to and put back.
    pub(super) fn take(&mut self, domain: &str) -> Option<Draft> {
        let at = self.index_by_name.get(domain)?;
        self.list.get_mut(*at).map(|(_, draft)| std::mem::take(draft))
    }

    pub(super) fn put(&mut self, domain: &Arc<str>, draft: Draft) {
        let next = self.list.len();
        let at = *self.index_by_name.entry(Arc::clone(domain)).or_insert(next);
        match self.list.get_mut(at) {
            Some((_, old)) => *old = draft,
            None => self.list.push((Arc::clone(domain), draft)),
        }
    }

    pub(super) fn finish(self) -> crate::config::Domains {
        let domain = |(name, draft): (Arc<str>, Draft)| {
            let options = limit::Options {
                atomic: draft.atomic.is_some_and(|statement| statement.value),
                headers: draft.headers.map(|statement| statement.value),
            };
            (name, draft.rules, options)
        };
        self.list.into_iter().map(domain).collect()
    }
}

impl File<'_> {
    /// Takes over what the file says about how its domain answers. Files of one domain may repeat
    /// each other there, not contradict.
    pub(super) fn options(&mut self, root: &Node, draft: &mut Draft) {
        let atomic = root.given("atomic").map(|_| self.boolean(root, &Trail::Root, "atomic"));
        self.state(root, "atomic", atomic, &mut draft.atomic);
        let headers: Option<RawHeaderStyle> =
            self.own(root, &Trail::Root, "response_headers").ok().flatten();
        self.state(root, "response_headers", headers.map(HeaderStyle::from), &mut draft.headers);
    }

    fn state<T: PartialEq>(
        &mut self,
        root: &Node,
        name: &str,
        value: Option<T>,
        known: &mut Option<Statement<T>>,
    ) {
        let (Some(value), Some((place, node))) = (value, root.given(name)) else {
            return;
        };
        let statement = Statement {
            value,
            text: format!("{name}: {}", excerpt(node.as_text().unwrap_or_default())),
            source: Arc::clone(&self.document.source),
            line: place.line,
        };
        match known {
            None => *known = Some(statement),
            Some(earlier) if earlier.value == statement.value => {}
            Some(earlier) => {
                let message = format!("`{}` contradicts {earlier}", statement.text);
                self.wrong(place, &Trail::Root.key(name), message);
            }
        }
    }
}

impl<T> fmt::Display for Statement<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, source, line, .. } = self;
        write!(f, "`{text}` of {source}:{line}, a file of the same domain")
    }
}
