//! The files of Envoy's reference rate-limit service: what it accepts is accepted, and what it
//! refuses is refused with its own words, behind the place and the key that they are about.
//!
//! The reference stops at its first error; here all errors of all files are told at once. Two
//! things differ on purpose: a key given twice in a mapping and a second document in a file are
//! errors, because the reference drops one of them without a word.

mod fields;
mod keys;
mod leaf;
mod metadata;
mod rules;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tollgate_core::limit::Rules;

pub use self::metadata::Value;
use super::document::{self, Document};
use super::report::{Issue, Issues, Report};

/// How files are taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Files of one domain make one tree, in the order of the files. Otherwise a domain may stand
    /// in one file only.
    pub merge_domains: bool,
}

/// What a set of files holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Every domain with its rules, in the order of the files.
    pub domains: Vec<(Arc<str>, Rules)>,
    /// The metadata of descriptors, each with the path of its descriptor:
    /// `domain.key_value.key`.
    pub metadata: Vec<(Arc<str>, Value)>,
    /// What is no error but does nothing, such as a key in the wrong place.
    pub notes: Vec<Issue>,
}

/// The rules in `sources`: files, and folders whose files are taken in the order of their names.
///
/// Of a folder every file counts, whatever its extension, but none whose name begins with a dot;
/// folders inside it do not count. Symbolic links are followed, so the mounts of Kubernetes work.
///
/// # Errors
/// Everything that is wrong, by file and position.
pub fn load(sources: &[PathBuf], options: Options) -> Result<Vec<(Arc<str>, Rules)>, Report> {
    read(sources, options).map(|loaded| loaded.domains)
}

/// All that [`load`] finds, not only the rules.
///
/// # Errors
/// As for [`load`].
pub fn read(sources: &[PathBuf], options: Options) -> Result<Loaded, Report> {
    let mut loader = Loader::new(options);
    for path in sources::files(sources, &mut loader.findings.issues) {
        loader.add_file(&path);
    }
    loader.finish()
}

/// What one document holds that was read already.
pub(super) fn read_document(document: &Document, options: Options) -> Result<Loaded, Report> {
    let mut loader = Loader::new(options);
    loader.add(document);
    loader.finish()
}

/// Whether a document is one of these files rather than a `tollgate.yaml`.
pub(super) fn is_one(document: &Document) -> bool {
    ["domain", "descriptors"].iter().any(|key| document.root.entry(key).is_some())
}

/// A set of files in the making.
#[derive(Default)]
struct Loader {
    options: Options,
    domains: Domains,
    findings: Findings,
}

/// Domains with their rules, in the order of the files.
#[derive(Default)]
struct Domains {
    list: Vec<(Arc<str>, Rules)>,
    index_by_name: BTreeMap<Arc<str>, usize>,
}

/// What is found on the way.
#[derive(Default)]
struct Findings {
    /// Bytes of all descriptors' paths so far.
    path_bytes: usize,
    metadata: Vec<(Arc<str>, Value)>,
    notes: Issues,
    issues: Issues,
}

impl Loader {
    fn new(options: Options) -> Self {
        Self { options, ..Self::default() }
    }

    fn add_file(&mut self, path: &Path) {
        let parsed = document::read(path)
            .map_err(Report::from)
            .and_then(|text| document::parse(&path.display().to_string(), &text));
        match parsed {
            Ok(document) => self.add(&document),
            Err(report) => self.findings.issues.extend(report.map(not_loaded)),
        }
    }

    fn add(&mut self, document: &Document) {
        keys::check(document, &mut self.findings.issues);
        rules::add(document, self.options, &mut self.domains, &mut self.findings);
    }

    fn finish(self) -> Result<Loaded, Report> {
        let Findings { metadata, notes, issues, .. } = self.findings;
        let notes = notes.into_report().map(Report::into_issues).unwrap_or_default();
        issues.or_else_value(Loaded { domains: self.domains.list, metadata, notes })
    }
}

impl Domains {
    fn contains(&self, domain: &str) -> bool {
        self.index_by_name.contains_key(domain)
    }

    /// The rules of an earlier file of this domain, to be added to and put back.
    fn take(&mut self, domain: &str) -> Option<Rules> {
        let at = self.index_by_name.get(domain)?;
        self.list.get_mut(*at).map(|(_, rules)| std::mem::take(rules))
    }

    fn put(&mut self, domain: &Arc<str>, rules: Rules) {
        let next = self.list.len();
        let at = *self.index_by_name.entry(Arc::clone(domain)).or_insert(next);
        match self.list.get_mut(at) {
            Some((_, old)) => *old = rules,
            None => self.list.push((Arc::clone(domain), rules)),
        }
    }
}

/// An issue of a file that could not even be read as YAML, in the reference's words.
fn not_loaded(issue: Issue) -> Issue {
    Issue { message: error_loading(&issue.message), ..issue }
}

fn error_loading(what: &str) -> String {
    format!("error loading config file: {what}")
}

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
#[path = "ratelimit_tests.rs"]
mod tests;
