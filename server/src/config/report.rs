//! What is wrong with a configuration: every issue with its place, and a report that holds them.
//!
//! A report never stops at the first issue, so that a file is corrected once. It is bounded, and
//! what it prints is one line an issue whatever the file contains. It knows nothing about what may
//! be wrong.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tollgate_core::plan::is_unprintable;

/// Issues that a report shows: more than a person corrects before trying again.
pub const ISSUES_MAX: usize = 100;

/// Issues that are kept while a configuration is read, so that the ones shown are the first in the
/// files and not the first to be found. Bounds what a hostile file can make us remember.
const ISSUES_KEPT_MAX: usize = 1_000;

/// Characters of a file's own text that a message repeats.
const EXCERPT_CHARS_MAX: usize = 60;

/// Bytes of a peer's words in a line about it: more than any name that a person gave.
const SHORT_BYTES_MAX: usize = 512;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The file, as it was named.
    pub source: Arc<str>,
    /// The line, from 1; zero if the issue is about the file as a whole.
    pub line: u32,
    /// The column in characters, from 1; zero with a line of zero.
    pub column: u32,
    /// Where in the document, such as `limits.login.window`; may be empty.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Issue {
    /// An issue with a file as a whole, such as that it cannot be read.
    pub(crate) fn with_file(source: &str, message: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            line: 0,
            column: 0,
            path: String::new(),
            message: message.into(),
            help: None,
        }
    }

    /// The same issue with a hint.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", OneLine(&self.source))?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", OneLine(&self.path))?;
        }
        write!(f, " {}", OneLine(&self.message))?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {}", OneLine(help)),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong: at least one issue, by file and position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    issues: Vec<Issue>,
    omitted: usize,
    is_partial: bool,
}

impl Report {
    /// The first [`ISSUES_MAX`] issues: files in the order in which they were read, then by
    /// position.
    pub fn issues(&self) -> &[Issue] {
        &self.issues
    }

    /// The issues themselves.
    pub(crate) fn into_issues(self) -> Vec<Issue> {
        self.issues
    }

    /// The same report with every issue changed.
    pub(crate) fn map(self, change: impl FnMut(Issue) -> Issue) -> Self {
        Self { issues: self.issues.into_iter().map(change).collect(), ..self }
    }

    /// How many more were found.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl From<Issue> for Report {
    fn from(issue: Issue) -> Self {
        Self { issues: vec![issue], omitted: 0, is_partial: false }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, issue) in self.issues.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{issue}")?;
        }
        match (self.omitted, self.is_partial) {
            (0, false) => Ok(()),
            (omitted, false) => write!(f, "\nand {omitted} more"),
            (0, true) => f.write_str("\nand more"),
            (omitted, true) => write!(f, "\nand at least {omitted} more"),
        }
    }
}

impl std::error::Error for Report {}

/// A report in the making; may be empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issues {
    kept: Vec<Issue>,
    omitted: usize,
    is_partial: bool,
}

impl Issues {
    pub(crate) fn push(&mut self, issue: Issue) {
        self.push_with(|| issue);
    }

    /// Adds an issue that is made only if it is kept: a hostile file may hold a million.
    pub(crate) fn push_with(&mut self, make: impl FnOnce() -> Issue) {
        if self.kept.len() < ISSUES_KEPT_MAX {
            self.kept.push(make());
        } else {
            self.omitted += 1;
        }
    }

    /// Says that the search for issues ended before the configuration did.
    pub(crate) fn end_early(&mut self) {
        self.is_partial = true;
    }

    /// Whether further issues are only counted.
    fn is_full(&self) -> bool {
        self.kept.len() >= ISSUES_KEPT_MAX
    }

    /// Adds an issue unless its place is known to be wrong already: what else is said about it
    /// would only follow from the first.
    pub(crate) fn push_unless_placed(&mut self, issue: Issue) {
        let same = |old: &Issue| {
            (old.line, old.column) == (issue.line, issue.column) && old.source == issue.source
        };
        // A full list is not searched: a hostile file would buy a search with each byte.
        if self.is_full() || !self.kept.iter().any(same) {
            self.push(issue);
        }
    }

    pub(crate) fn extend(&mut self, report: Report) {
        self.omitted += report.omitted;
        self.is_partial |= report.is_partial;
        for issue in report.issues {
            self.push(issue);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Issue] {
        &self.kept
    }

    /// `value` if nothing is wrong.
    pub(crate) fn or_else_value<T>(self, value: T) -> Result<T, Report> {
        match self.into_report() {
            None => Ok(value),
            Some(report) => Err(report),
        }
    }

    /// The report, if anything is wrong.
    pub(crate) fn into_report(self) -> Option<Report> {
        let Self { kept: mut issues, mut omitted, is_partial } = self;
        if issues.is_empty() {
            return None;
        }
        let mut rank_of = HashMap::new();
        for issue in &issues {
            let next = rank_of.len();
            rank_of.entry(Arc::clone(&issue.source)).or_insert(next);
        }
        issues.sort_by_key(|issue| (rank_of.get(&issue.source).copied(), issue.line, issue.column));
        omitted += issues.len().saturating_sub(ISSUES_MAX);
        issues.truncate(ISSUES_MAX);
        Some(Report { issues, omitted, is_partial })
    }
}

/// `text`, cut where it is too long to repeat in a message.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A peer's own words, cut where they are too long to stand in every line about it.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= SHORT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHORT_BYTES_MAX)])
}

/// Text of a file, in which no character breaks the line or commands the terminal.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split(is_unprintable).enumerate() {
            if index > 0 {
                f.write_str("\u{fffd}")?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(source: &str, line: u32, column: u32) -> Issue {
        Issue { line, column, ..Issue::with_file(source, format!("wrong at {line}:{column}")) }
    }

    fn report(all: impl IntoIterator<Item = Issue>) -> Report {
        let mut issues = Issues::default();
        for one in all {
            issues.push(one);
        }
        issues.into_report().unwrap()
    }

    #[test]
    fn an_issue_is_a_line_with_its_place_and_an_indented_hint() {
        let issue = Issue { path: "limits.login.window".to_owned(), ..issue("a.yaml", 3, 9) }
            .with_help("write `60s`");
        let expected = "a.yaml:3:9: limits.login.window: wrong at 3:9\n    help: write `60s`";
        assert_eq!(issue.to_string(), expected);
        assert_eq!(Issue::with_file("a.yaml", "is a folder").to_string(), "a.yaml: is a folder");
    }

    #[test]
    fn text_of_a_file_can_neither_break_the_line_nor_command_the_terminal() {
        let shown = Issue::with_file("a\u{1b}[2J", "found `x\ny`").to_string();
        assert_eq!(shown, "a\u{fffd}[2J: found `x\u{fffd}y`");
    }

    #[test]
    fn issues_stand_by_file_in_reading_order_then_by_position() {
        let all = [issue("b", 2, 1), issue("a", 1, 1), issue("b", 1, 5), issue("b", 1, 2)];
        let report = report(all);
        let places: Vec<_> =
            report.issues().iter().map(|i| (&*i.source, i.line, i.column)).collect();
        assert_eq!(places, [("b", 1, 2), ("b", 1, 5), ("b", 2, 1), ("a", 1, 1)]);
    }

    #[test]
    fn a_report_is_bounded_and_says_how_many_more_there_are() {
        let report = report((0..2_500).map(|line| issue("a", 2_500 - line, 1)));
        assert_eq!((report.issues().len(), report.omitted()), (100, 2_400));
        assert!(report.to_string().ends_with("\nand 2400 more"));
        let mut issues = Issues::default();
        issues.push(issue("a", 1, 1));
        issues.end_early();
        let report = issues.into_report().unwrap();
        assert_eq!(report.to_string(), "a:1:1: wrong at 1:1\nand more");
    }

    #[test]
    fn only_the_first_issue_of_a_place_is_kept_where_asked() {
        let mut issues = Issues::default();
        issues.push_unless_placed(issue("a", 1, 1));
        issues.push_unless_placed(issue("a", 1, 1));
        issues.push_unless_placed(issue("b", 1, 1));
        assert_eq!(issues.as_slice().len(), 2);
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        assert_eq!(excerpt(&"ä".repeat(61)), format!("{}…", "ä".repeat(60)));
        assert_eq!(shortened(&"ä".repeat(256)), "ä".repeat(256));
        assert_eq!(shortened(&format!("a{}", "ä".repeat(256))), format!("a{}…", "ä".repeat(255)));
    }
}
