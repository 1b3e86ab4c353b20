//! Every metric that the server names is described in docs/metrics.md.
//!
//! Reads whole string literals that look like a metric name in server/src/metrics.rs and the folder
//! beside it; a name that is put together from parts is not seen.

use super::Finding;
use super::lex::is_word;
use super::tree::Tree;

const PREFIXES: [&str; 2] = ["tollgate_", "ratelimit_"];
const DOCUMENT: &str = "docs/metrics.md";

/// Every metric name that the document lacks.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let document = tree.find(DOCUMENT).map_or("", |file| file.text.as_str());
    let documented: Vec<&str> = document.split(|c| !is_word(c)).collect();
    let mut findings = Vec::new();
    for (file, code) in tree.rust().filter(|(file, _)| names_metrics(&file.path)) {
        for literal in &code.literals {
            let name = literal.text.as_str();
            if is_metric(name) && !documented.contains(&name) {
                let message = format!("metric {name} is not in {DOCUMENT}: describe it there");
                findings.push(Finding::new(&file.path, code.line(literal.offset), message));
            }
        }
    }
    findings
}

fn names_metrics(path: &str) -> bool {
    path == "server/src/metrics.rs" || path.starts_with("server/src/metrics/")
}

fn is_metric(name: &str) -> bool {
    let rest = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
    let is_plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_plain) && !rest.ends_with('_'))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{SourceFile, Tree};

    #[test]
    fn a_name_must_stand_whole_in_the_document() {
        let source = "const A: &str = \"tollgate_checks\";\nconst B: &str = \"tollgate_checks_total\";\n\
                      // \"tollgate_x\"\nconst C: &str = \"ratelimit_over\";\nlet d = \"tollgate_\";\n";
        let found = |path: &str, document: &str| -> Vec<usize> {
            let files = vec![
                SourceFile::new(path, source.to_owned()),
                SourceFile::new("docs/metrics.md", document.to_owned()),
            ];
            check(&Tree { files }).into_iter().map(|finding| finding.line).collect()
        };
        assert_eq!(found("server/src/metrics.rs", "`tollgate_checks_total`: all"), [1, 4]);
        assert_eq!(found("server/src/metrics/names.rs", "tollgate_checks ratelimit_over"), [2]);
        assert!(found("core/src/metrics.rs", "").is_empty());
    }
}
