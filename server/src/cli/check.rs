//! `tollgate check`: what is wrong with files, or what they hold.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::exit::{Cause, Exit};
use super::failure::{Ended, Failure};
use super::output::{self, Answered, Output, Style, Tone, clean};
use crate::config::{FileKind, Issue, Report, Summary, check, ratelimit};

/// What was found in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checked {
    /// In the order in which they were named.
    pub(super) files: Vec<FileView>,
}

/// What was found in one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileView {
    /// As it was named.
    pub(super) path: String,
    /// Whether nothing is wrong.
    pub(super) ok: bool,
    /// `tollgate`, `ratelimit` or `ratelimit_folder`; absent where something is wrong.
    pub(super) kind: Option<String>,
    /// Domains; absent where something is wrong.
    pub(super) domains: Option<usize>,
    /// Limits; absent where something is wrong.
    pub(super) limits: Option<usize>,
    /// The same in a sentence.
    pub(super) summary: Option<String>,
    /// What is no error but does nothing.
    pub(super) notes: Vec<IssueView>,
    /// What is wrong.
    pub(super) issues: Vec<IssueView>,
    /// How many more are.
    pub(super) omitted: usize,
}

/// One thing to say about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IssueView {
    /// The file.
    pub(super) source: String,
    /// The line, from 1; 0 for the file as a whole.
    pub(super) line: u32,
    /// The column in characters, from 1; 0 for the file as a whole.
    pub(super) column: u32,
    /// Where in the document, such as `limits.login.window`.
    pub(super) path: String,
    /// What it is.
    pub(super) message: String,
    /// What would be right.
    pub(super) help: Option<String>,
}

impl From<&Issue> for IssueView {
    fn from(issue: &Issue) -> Self {
        Self {
            source: issue.source.to_string(),
            line: issue.line,
            column: issue.column,
            path: issue.path.clone(),
            message: issue.message.clone(),
            help: issue.help.clone(),
        }
    }
}

/// Says of each file what it holds or all that is wrong with it.
///
/// # Errors
/// If something is wrong with one, or standard output takes nothing more.
pub(super) fn run(files: &[PathBuf], output: Output) -> Ended {
    let results = check(files, ratelimit::Options::default());
    if output.is_for_people() {
        for (path, result) in &results {
            told(&path.display().to_string(), result, &output.style())?;
        }
    } else {
        let files = results.iter().map(|(path, result)| view(path.display().to_string(), result));
        let answered = Answered::of(&Checked { files: files.collect() })?;
        output.print(&answered, names, |_: &Checked, _| String::new())?;
    }
    let wrong = results.iter().filter(|(_, result)| result.is_err()).count();
    if wrong == 0 {
        return Ok(Exit::Done);
    }
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let what = format!("{wrong} of {} not right: edit, and check again", results.len());
    let next = clean(&format!("tollgate check {}", names.join(" ")));
    Err(Failure::new(Cause::Configuration, what, next))
}

fn told(path: &str, result: &Result<Summary, Report>, style: &Style) -> Result<(), Failure> {
    match result {
        Ok(summary) => {
            for note in &summary.notes {
                output::words(&note.to_string());
            }
            let ok = style.tone(Tone::Good, "ok");
            output::result(&format!("{}: {ok}, {summary}\n", clean(path)))
        }
        Err(report) => {
            output::words(&report.to_string());
            Ok(())
        }
    }
}

/// The files that are not right.
fn names(checked: &Checked) -> Vec<String> {
    checked.files.iter().filter(|file| !file.ok).map(|file| file.path.clone()).collect()
}

fn view(path: String, result: &Result<Summary, Report>) -> FileView {
    let mut view = FileView {
        path,
        ok: result.is_ok(),
        kind: None,
        domains: None,
        limits: None,
        summary: None,
        notes: Vec::new(),
        issues: Vec::new(),
        omitted: 0,
    };
    match result {
        Ok(summary) => {
            let kind = match summary.kind {
                FileKind::Tollgate => "tollgate",
                FileKind::Ratelimit => "ratelimit",
                FileKind::RatelimitFolder => "ratelimit_folder",
            };
            view.kind = Some(kind.to_owned());
            view.domains = Some(summary.domains);
            view.limits = Some(summary.limits);
            view.summary = Some(summary.to_string());
            view.notes = summary.notes.iter().map(IssueView::from).collect();
        }
        Err(report) => {
            view.issues = report.issues().iter().map(IssueView::from).collect();
            view.omitted = report.omitted();
        }
    }
    view
}
