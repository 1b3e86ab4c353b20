//! Nothing in the tree names a folder of one machine: a clone works wherever it is.

use super::Finding;
use super::tree::Tree;

/// Split so that this file does not break its own rule.
const PREFIXES: [&str; 4] =
    [concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/"), concat!("/", "Users/")];

/// Written by cargo, full of the names of others.
const EXEMPT: &str = "Cargo.lock";

/// Every absolute path into somebody's folders.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(EXEMPT)) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(prefix) = PREFIXES.iter().find(|prefix| has_path(line, prefix)) {
                let message = format!(
                    "a path under {prefix} exists on one machine only: make it relative or \
                     take it from the environment"
                );
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    findings
}

/// Whether the prefix stands where a path begins, not in the middle of a longer or relative one.
fn has_path(line: &str, prefix: &str) -> bool {
    line.match_indices(prefix).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default().chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~)}>*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{SourceFile, Tree};

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let findings = check(&Tree { files: vec![SourceFile::new(path, text.to_owned())] });
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn finds_paths_of_one_machine_in_any_text() {
        let text = concat!("a\n\"/", "home/me\"\nx=/", "root/x\nfile:///", "Users/me\n");
        assert_eq!(lines("docs/a.md", text), [2, 3, 4]);
        assert!(lines("Cargo.lock", text).is_empty());
    }

    #[test]
    fn relative_paths_and_longer_ones_are_fine() {
        let text =
            concat!("docs/", "work/a\n~/", "work/\n${DIR}/", "home/\n../", "root/x\n/works/");
        assert!(lines("docs/a.md", text).is_empty());
    }
}
