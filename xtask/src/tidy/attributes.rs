//! How a file begins and what it may not say about lints.
//!
//! Every module begins with `//!`: what it is, why, and what it does not do. Lints are set once,
//! in the workspace's Cargo.toml; an exception is an `#[expect]` with a reason at one item, never
//! a blanket over a file, and warnings become errors in ci only, never in the source.

use super::Finding;
use super::code::{Attribute, Code};
use super::tree::{SourceFile, Tree};

/// Every missing header and every blanket.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, code) in tree.rust() {
        findings.extend(header(file));
        findings.extend(blankets(file, code));
    }
    findings
}

fn header(file: &SourceFile) -> Option<Finding> {
    let wants_one = file.path.split('/').rev().skip(1).any(|folder| folder == "src")
        || file.path.starts_with("tests/")
        || file.path.starts_with("benches/");
    (wants_one && !file.text.starts_with("//!")).then(|| {
        let message = "must start with `//!`: what this is, why, and what it does not do";
        Finding::new(&file.path, 1, message.into())
    })
}

fn blankets(file: &SourceFile, code: &Code) -> Vec<Finding> {
    let wrong = |Attribute { offset, is_inner, content, .. }: Attribute| {
        let message = if content.contains("deny(warnings") {
            "never deny(warnings) in source: `cargo xtask ci` makes warnings errors"
        } else if is_inner && sets(&content, "allow") {
            "no blanket allow: put `#[expect(lint, reason = ...)]` on the one item"
        } else {
            return None;
        };
        Some(Finding::new(&file.path, code.line(offset), message.into()))
    };
    code.attributes().filter_map(wrong).collect()
}

/// Whether an attribute sets lints to this level, itself or behind `cfg_attr`.
fn sets(content: &str, level: &str) -> bool {
    let call = format!("{level}(");
    content.starts_with(&call) || content.contains(&format!(",{call}"))
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
    fn modules_begin_with_what_they_are() {
        for path in ["core/src/a/b.rs", "tests/harness/lib.rs", "benches/rls/main.rs"] {
            assert_eq!(lines(path, "use a;\n"), [1], "{path}");
            assert!(lines(path, "//! A.\nuse a;\n").is_empty(), "{path}");
        }
        assert!(lines("core/build.rs", "fn main() {}").is_empty());
    }

    #[test]
    fn lints_are_not_silenced_for_a_whole_file() {
        let blanket = "//! A.\n#![allow(dead_code)]\n#![cfg_attr(test, allow(unused))]\n";
        assert_eq!(lines("core/src/a.rs", blanket), [2, 3]);
        let item = "//! A.\n#[allow(dead_code)]\nfn a() {}\n// #![allow(x)]\n";
        assert!(lines("core/src/a.rs", item).is_empty());
        assert_eq!(lines("core/src/a.rs", "//! A.\n#![deny(warnings)]\n"), [2]);
        assert!(lines("core/src/a.rs", "//! A.\n#![deny(missing_docs)]\n").is_empty());
    }
}
