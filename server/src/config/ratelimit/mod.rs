//! The files of Envoy's reference rate-limit service: what it accepts is accepted, and what it
//! refuses is refused with its own words, behind the place and the key that they are about.
//!
//! The reference stops at its first error; here all errors of all files are told at once. Two
//! things differ on purpose: a key given twice in a mapping and a second document in a file are
//! errors, because the reference drops one of them without a word.
//!
//! Files may also hold keys of our own, such as `algorithm` and `rate_limits`; a file without them
//! means what it means to the reference.

mod domains;
mod fields;
mod keys;
mod leaf;
mod metadata;
mod named_limit;
mod rate_limit;
mod resource;
mod rules;
mod sources;

use std::path::{Path, PathBuf};

use tollgate_core::limit::Rules;

use self::domains::Domains;
pub(crate) use self::resource::{Judged, judge};
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
    /// Every domain with its rules and how it answers, in the order of the files.
    pub domains: super::Domains,
    /// What is no error but does nothing, such as a key in the wrong place.
    pub notes: Vec<Issue>,
}

/// The domains in `sources`: files, and folders whose files are taken in the order of their names.
/// They may count in the limits of `named`, the rules of
/// [`NAMED_DOMAIN`](tollgate_core::limit::NAMED_DOMAIN).
///
/// Of a folder every file counts, whatever its extension, but none whose name begins with a dot;
/// folders inside it do not count. Symbolic links are followed, so the mounts of Kubernetes work.
///
/// # Errors
/// Everything that is wrong, by file and position.
pub fn load(
    sources: &[PathBuf],
    options: Options,
    named: &Rules,
) -> Result<super::Domains, Report> {
    read(sources, options, Some(named)).map(|loaded| loaded.domains)
}

/// As [`load`], of one file whose text is in memory; `source` names it in what is said about it.
///
/// # Errors
/// As for [`load`].
pub fn parse(source: &str, text: &str, options: Options, named: &Rules) -> Result<Loaded, Report> {
    let mut loader = Loader::new(options, Some(named));
    loader.add_parsed(document::parse(source, text));
    loader.finish()
}

/// The files that `sources` stands for, in the order in which they are read; what cannot be listed
/// is left out.
pub(crate) fn files(sources: &[PathBuf]) -> Vec<PathBuf> {
    sources::files(sources, &mut Issues::default())
}

/// All that [`load`] finds, not only the domains. Where the named limits are not known, what counts
/// in them is left out with a note: good for judging files, not for serving them.
///
/// # Errors
/// As for [`load`].
pub(super) fn read(
    sources: &[PathBuf],
    options: Options,
    named: Option<&Rules>,
) -> Result<Loaded, Report> {
    let mut loader = Loader::new(options, named);
    for path in sources::files(sources, &mut loader.findings.issues) {
        loader.add_file(&path);
    }
    loader.finish()
}

/// What one document holds that was read already; named limits are not known.
pub(super) fn read_document(document: &Document, options: Options) -> Result<Loaded, Report> {
    let mut loader = Loader::new(options, None);
    loader.add(document);
    loader.finish()
}

/// Whether a document is one of these files rather than a `tollgate.yaml`.
pub(super) fn is_one(document: &Document) -> bool {
    ["domain", "descriptors"].iter().any(|key| document.root.entry(key).is_some())
}

/// A set of files in the making.
struct Loader<'a> {
    options: Options,
    named: Option<&'a Rules>,
    domains: Domains,
    findings: Findings,
}

/// What is found on the way.
#[derive(Default)]
struct Findings {
    /// Bytes of all descriptors' paths so far.
    path_bytes: usize,
    notes: Issues,
    issues: Issues,
}

impl<'a> Loader<'a> {
    fn new(options: Options, named: Option<&'a Rules>) -> Self {
        Self { options, named, domains: Domains::default(), findings: Findings::default() }
    }

    fn add_file(&mut self, path: &Path) {
        let parsed = document::read_regular(path)
            .map_err(Report::from)
            .and_then(|text| document::parse(&path.display().to_string(), &text));
        self.add_parsed(parsed);
    }

    fn add_parsed(&mut self, parsed: Result<Document, Report>) {
        match parsed {
            Ok(document) => self.add(&document),
            Err(report) => self.findings.issues.extend(report.map(not_loaded)),
        }
    }

    fn add(&mut self, document: &Document) {
        keys::check(document, &mut self.findings.issues);
        rules::add(document, self.options, self.named, &mut self.domains, &mut self.findings);
    }

    fn finish(self) -> Result<Loaded, Report> {
        let Findings { notes, issues, .. } = self.findings;
        let notes = notes.into_report().map(Report::into_issues).unwrap_or_default();
        issues.or_else_value(Loaded { domains: self.domains.finish(), notes })
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
mod own_tests;
#[cfg(test)]
#[path = "ratelimit_tests.rs"]
mod tests;
