//! What is said about a file names places that are in it, in lines that a terminal can show.

use tollgate_server::config::{ISSUES_MAX, Issue, Report};

/// Panics if the report is empty, unbounded, points outside `text`, or breaks its lines.
pub(crate) fn assert_report(report: &Report, text: &str) {
    let issues = report.issues();
    assert!((1..=ISSUES_MAX).contains(&issues.len()), "{} issues", issues.len());
    let lines = lines(text);
    for issue in issues {
        assert_issue(issue, &lines);
    }
    let shown = report.to_string();
    let helps = issues.iter().filter(|issue| issue.help.is_some()).count();
    let most = issues.len() + helps + 1;
    assert!(shown.split('\n').count() <= most, "more than a line an issue: {shown:?}");
}

/// Panics if the issue points outside the file or says nothing.
pub(crate) fn assert_issues(issues: &[Issue], text: &str) {
    let lines = lines(text);
    for issue in issues {
        assert_issue(issue, &lines);
    }
}

fn assert_issue(issue: &Issue, lines: &[usize]) {
    assert!(!issue.message.is_empty(), "{issue:?}");
    assert_eq!(issue.line == 0, issue.column == 0, "{issue:?}");
    if issue.line > 0 {
        let line = usize::try_from(issue.line).unwrap_or(usize::MAX);
        let length = lines.get(line - 1);
        let fits = length.is_some_and(|length| issue.column as usize <= length + 1);
        assert!(fits, "outside the file, whose line has {length:?} characters: {issue:?}");
    }
    let shown = issue.to_string();
    let command = shown.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(command, None, "{issue:?}");
}

/// The characters of each line.
fn lines(text: &str) -> Vec<usize> {
    let text = text.replace("\r\n", "\n");
    text.split(['\n', '\r']).map(|line| line.chars().count()).collect()
}
