//! Tests never sleep: they wait for an event or move a clock by hand.
//!
//! A wait that is a guess is slow when it is right and flaky when it is wrong. The one exception is
//! a poll of another process that is bounded by a deadline and says so on the line of the call. A
//! sleep by a paused clock is no wait, and says that.

use super::Finding;
use super::code::Code;
use super::reach::Reached;
use super::tree::{SourceFile, Tree};

/// Stands on the line of a sleep that is part of a bounded poll.
const POLL: &str = "// tidy: bounded poll";

/// Stands on the line of a sleep by a paused or simulated clock: it moves that clock, and nobody
/// waits.
const VIRTUAL: &str = "// tidy: virtual time";

/// Every sleep in code that only tests run.
pub(crate) fn check(tree: &Tree, reached: &Reached) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, code) in tree.rust() {
        let whole_file = is_test_file(&file.path) || reached.is_test_only(&file.path);
        findings.extend(sleeps(file, code, whole_file));
    }
    findings
}

fn is_test_file(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    parts.next().is_some_and(|name| name.ends_with("tests.rs")) || parts.any(|part| part == "tests")
}

fn sleeps(file: &SourceFile, code: &Code, whole_file: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut before = "";
    for (offset, word) in code.words() {
        let is_call = matches!(word, "sleep" | "sleep_until")
            && before != "fn"
            && code.byte(code.skip_space(offset + word.len())) == Some(b'(');
        before = word;
        if !is_call || !(whole_file || code.is_test(offset)) {
            continue;
        }
        let line = code.line(offset);
        let text = file.text.lines().nth(line - 1).unwrap_or_default();
        if !text.contains(POLL) && !text.contains(VIRTUAL) {
            let message = format!(
                "a test must not {word}: wait for an event or move the clock by hand; \
                 a poll with a deadline says `{POLL}` on this line, one that moves \
                 a paused clock `{VIRTUAL}`"
            );
            findings.push(Finding::new(&file.path, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{is_test_file, sleeps};
    use crate::tidy::tree::SourceFile;

    fn lines(text: &str, whole_file: bool) -> Vec<usize> {
        let file = SourceFile::new("a.rs", text.to_owned());
        let findings = sleeps(&file, file.code.as_ref().unwrap(), whole_file);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn finds_calls_by_any_path() {
        let text = "std::thread::sleep(d);\ntokio::time::sleep_until (i).await;\nsleep(d)\n\
                    fn sleep(d: Duration) {}\n// sleep(d)\n\"sleep(d)\";\nuse time::sleep;\n";
        assert_eq!(lines(text, true), [1, 2, 3]);
    }

    #[test]
    fn only_code_of_tests_counts() {
        let text = "fn a() { sleep(d) }\n#[cfg(test)]\nmod tests {\nfn b() { sleep(d) }\n}\n";
        assert_eq!(lines(text, false), [4]);
        assert!(is_test_file("tests/harness/lib.rs") && is_test_file("core/src/gcra_tests.rs"));
        assert!(!is_test_file("server/src/main.rs") && !is_test_file("core/src/latests/a.rs"));
    }

    #[test]
    fn a_bounded_poll_may_say_so() {
        let text = "sleep(step); // tidy: bounded poll\nsleep(step); // tidy: because\n";
        assert_eq!(lines(text, true), [2]);
        assert_eq!(lines("sleep(step); // tidy: virtual time\n", true), [0; 0]);
    }
}
