//! No Rust file is longer than 400 lines, but for those listed with an allowance that only shrinks.
//!
//! The list is xtask/tidy-exceptions.txt: a path and an allowed number of lines on each line. An
//! allowance that is more than its file needs is itself a finding, so the list cannot rot.

use super::Finding;
use super::tree::{SourceFile, Tree};

/// What a file may have without being listed.
const LINES_MAX: usize = 400;

/// What no file may have, listed or not.
const LINES_MAX_LISTED: usize = 800;

/// How far an allowance may stay above its file before it has to be lowered.
const SLACK_MAX: usize = 20;

const LIST: &str = "xtask/tidy-exceptions.txt";

struct Exception<'a> {
    path: &'a str,
    allowed: usize,
    /// In the list itself.
    line: usize,
}

/// Every file that is too long, and every line of the list that is wrong or too generous.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let list = tree.find(LIST).map_or("", |file| file.text.as_str());
    let (exceptions, mut findings) = parse(list);
    for (file, _) in tree.rust() {
        let exception = exceptions.iter().find(|exception| exception.path == file.path);
        let allowed = exception.map_or(LINES_MAX, |exception| exception.allowed);
        let lines = file.text.lines().count();
        if lines > allowed {
            let message = format!("{lines} lines, at most {allowed}: split it by what it is about");
            findings.push(Finding::new(&file.path, allowed + 1, message));
        }
    }
    let files = |path: &str| tree.find(path);
    findings.extend(
        exceptions.iter().filter_map(|exception| too_generous(exception, files(exception.path))),
    );
    findings
}

fn too_generous(exception: &Exception<'_>, file: Option<&SourceFile>) -> Option<Finding> {
    let Exception { path, allowed, line } = exception;
    let lines = file.map_or(0, |file| file.text.lines().count());
    let message = if lines <= LINES_MAX {
        format!("{path} needs no exception any more: remove this line")
    } else if *allowed > lines + SLACK_MAX {
        format!("{path} is down to {lines} lines: lower {allowed} to {lines}")
    } else {
        return None;
    };
    Some(Finding::new(LIST, *line, message))
}

fn parse(list: &str) -> (Vec<Exception<'_>>, Vec<Finding>) {
    let (mut exceptions, mut findings) = (Vec::new(), Vec::new());
    for (index, entry) in list.lines().enumerate() {
        let entry = entry.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let line = index + 1;
        let parsed = entry.split_once(' ').and_then(|(path, allowed)| {
            Some(Exception { path, allowed: allowed.trim().parse().ok()?, line })
        });
        match parsed {
            Some(exception) if exception.allowed <= LINES_MAX_LISTED => exceptions.push(exception),
            Some(exception) => {
                let allowed = exception.allowed;
                let message =
                    format!("{allowed} lines is past the stop: at most {LINES_MAX_LISTED}");
                findings.push(Finding::new(LIST, line, message));
            }
            None => {
                let message = "expected a path, a space, and a number of lines".to_owned();
                findings.push(Finding::new(LIST, line, message));
            }
        }
    }
    (exceptions, findings)
}

#[cfg(test)]
mod tests {
    use super::{LIST, check};
    use crate::tidy::tree::{SourceFile, Tree};

    /// Where findings are, for one file of so many lines and a list.
    fn found(lines: usize, list: &str) -> Vec<(String, usize)> {
        let files = vec![
            SourceFile::new("a.rs", "x\n".repeat(lines)),
            SourceFile::new(LIST, list.to_owned()),
        ];
        let findings = check(&Tree { files });
        findings.into_iter().map(|finding| (finding.path, finding.line)).collect()
    }

    #[test]
    fn four_hundred_lines_pass_and_one_more_does_not() {
        assert!(found(400, "").is_empty());
        assert_eq!(found(401, ""), [("a.rs".to_owned(), 401)]);
    }

    #[test]
    fn a_listed_file_may_be_as_long_as_listed() {
        assert!(found(500, "# why\na.rs 500\n").is_empty());
        assert_eq!(found(501, "a.rs 500"), [("a.rs".to_owned(), 501)]);
    }

    #[test]
    fn an_allowance_shrinks_with_its_file() {
        assert!(found(480, "a.rs 500").is_empty());
        assert_eq!(found(479, "a.rs 500"), [(LIST.to_owned(), 1)]);
        assert_eq!(found(399, "a.rs 410"), [(LIST.to_owned(), 1)]);
        assert_eq!(found(1, "gone.rs 410"), [(LIST.to_owned(), 1)]);
    }

    #[test]
    fn nothing_is_allowed_past_the_stop() {
        let at = |path: &str, line| (path.to_owned(), line);
        assert_eq!(found(801, "\na.rs 801"), [at(LIST, 2), at("a.rs", 401)]);
        assert_eq!(found(1, "a.rs many"), [at(LIST, 1)]);
    }
}
