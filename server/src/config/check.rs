//! What `tollgate check` finds in files: everything that is wrong, or what they hold.
//!
//! A file's content tells what it is, not its name. Files are judged each by itself, as a folder's
//! are judged together; nothing is started and nothing is changed.

use std::fmt;
use std::path::{Path, PathBuf};

use tollgate_core::limit::Rules;

use super::document::Trail;
use super::ratelimit::{self, Loaded, Options};
use super::report::{Issue, Report};
use super::{document, validate};

/// What a file turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A node's configuration, with the files that it names.
    Tollgate,
    /// A file of the rate-limit service.
    Ratelimit,
    /// A folder of such files.
    RatelimitFolder,
}

/// What is in a file that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the file is.
    pub kind: FileKind,
    /// Domains, that of the named limits included.
    pub domains: usize,
    /// Limits in all domains.
    pub limits: usize,
    /// What is no error but does nothing.
    pub notes: Vec<Issue>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FileKind::Tollgate => "tollgate configuration",
            FileKind::Ratelimit => "ratelimit file",
            FileKind::RatelimitFolder => "folder of ratelimit files",
        };
        let plural = |count| if count == 1 { "" } else { "s" };
        let Self { domains, limits, .. } = *self;
        write!(f, "{kind}: {domains} domain{}, {limits} limit{}", plural(domains), plural(limits))
    }
}

/// Judges each of `paths`. A configuration says itself how its files are taken together; `options` are
/// for files and folders that are named here. Those know no named limits.
pub fn check(paths: &[PathBuf], options: Options) -> Vec<(PathBuf, Result<Summary, Report>)> {
    paths.iter().map(|path| (path.clone(), check_one(path, options))).collect()
}

fn check_one(path: &Path, options: Options) -> Result<Summary, Report> {
    if path.is_dir() {
        let loaded = ratelimit::read(&[path.to_owned()], options, None)?;
        return Ok(summary(FileKind::RatelimitFolder, loaded));
    }
    let text = document::read(path)?;
    let document = document::parse(&path.display().to_string(), &text)?;
    if ratelimit::is_one(&document) {
        let loaded = ratelimit::read_document(&document, options)?;
        return Ok(summary(FileKind::Ratelimit, loaded));
    }
    let config = validate::config(&document, path.parent().unwrap_or(Path::new("")))?;
    let mut loaded =
        ratelimit::read(&config.ratelimit_files, config.file_options(), Some(&config.limits))?;
    loaded.domains.extend(config.named_domain());
    loaded.notes.extend(config.listeners.warning().map(|warning| {
        let trail = Trail::Root;
        document.issue(&trail.key("listeners").key("admin").key("address"), warning)
    }));
    Ok(summary(FileKind::Tollgate, loaded))
}

fn summary(kind: FileKind, loaded: Loaded) -> Summary {
    let limits = loaded.domains.iter().map(|(_, rules, _)| limits(rules)).sum();
    Summary { kind, domains: loaded.domains.len(), limits, notes: loaded.notes }
}

fn limits(rules: &Rules) -> usize {
    rules.nodes().iter().map(|node| node.limits.len() + limits(&node.rules)).sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn checked(files: &[(&str, &str)], path: &str) -> Result<Summary, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let path = folder.path().join(path);
        let mut results = check(std::slice::from_ref(&path), Options::default());
        let (named, result) = results.pop().unwrap();
        assert_eq!(named, path);
        let prefix = format!("{}/", folder.path().display());
        result.map_err(|report| report.to_string().replace(&prefix, ""))
    }

    const RATELIMIT: &str = "
domain: d
descriptors:
- {key: a, shadow_mode: true, rate_limit: {unit: day, shadow_mode: true}}
- {key: b, descriptors: [{key: c, rate_limit: {unlimited: true}}]}
";

    #[test]
    fn an_admin_listener_that_others_reach_without_tls_is_a_note() {
        let text = "listeners: {admin: {address: '[::]:6070'}}";
        let summary = checked(&[("t.yaml", text)], "t.yaml").unwrap();
        let [note] = &summary.notes[..] else { panic!("{:?}", summary.notes) };
        assert_eq!(note.path, "listeners.admin.address");
        assert!(note.message.contains("without TLS"), "{note}");
    }

    #[test]
    fn a_file_is_known_by_its_content() {
        let summary = checked(&[("a.yaml", RATELIMIT)], "a.yaml").unwrap();
        assert_eq!((summary.kind, summary.domains, summary.limits), (FileKind::Ratelimit, 1, 2));
        assert_eq!(summary.to_string(), "ratelimit file: 1 domain, 2 limits");
        let summary = checked(&[("a.yaml", "node: {workers: 1}")], "a.yaml").unwrap();
        assert_eq!(summary.to_string(), "tollgate configuration: 0 domains, 0 limits");
    }

    #[test]
    fn a_key_that_does_nothing_is_noted() {
        let summary = checked(&[("a.yaml", RATELIMIT)], "a.yaml").unwrap();
        let [note] = &summary.notes[..] else { panic!("{:?}", summary.notes) };
        assert_eq!((note.line, note.column), (4, 55));
        assert_eq!(note.path, "descriptors[0].rate_limit.shadow_mode");
        assert_eq!(note.message, "`shadow_mode` does nothing here");
    }

    #[test]
    fn a_configuration_is_checked_with_the_files_that_it_names() {
        let config = "\
ratelimit_files: [rules]
limits: {demo: {by: [], limit: 1, window: 1s}}
";
        let files = [("tollgate.yaml", config), ("rules/a.yaml", RATELIMIT)];
        let summary = checked(&files, "tollgate.yaml").unwrap();
        assert_eq!(summary.to_string(), "tollgate configuration: 2 domains, 3 limits");
        let files = [("tollgate.yaml", config), ("rules/a.yaml", "descriptors:\n")];
        let expected = "rules/a.yaml:1:1: domain: config file cannot have empty domain";
        assert_eq!(checked(&files, "tollgate.yaml").unwrap_err(), expected);
    }

    #[test]
    fn a_configuration_says_how_its_files_are_taken_together_and_what_they_may_count_in() {
        let config = "\
ratelimit_files: [rules]
ratelimit: {merge_domains: true}
limits: {demo: {by: [a], limit: 1, window: 1s}}
";
        let leaf = "domain: d\ndescriptors: [{key: a, value: x, limit: demo}]";
        let files =
            [("tollgate.yaml", config), ("rules/a.yaml", leaf), ("rules/b.yaml", RATELIMIT)];
        let summary = checked(&files, "tollgate.yaml").unwrap();
        assert_eq!(summary.to_string(), "tollgate configuration: 2 domains, 4 limits");
        let places = summary.notes.iter().map(|note| note.path.as_str()).collect::<Vec<_>>();
        assert_eq!(places, ["descriptors[0].rate_limit.shadow_mode"]);
        let alone = checked(&files, "rules/a.yaml").unwrap();
        assert_eq!((alone.limits, alone.notes.len()), (0, 1));
        assert!(alone.notes[0].message.starts_with("named limits are known only when"));
        let error = checked(&files, "rules").unwrap_err();
        assert_eq!(error, "rules/b.yaml:2:9: domain: duplicate domain 'd' in config file");
    }

    #[test]
    fn a_folder_is_judged_as_one_set() {
        let files = [("rules/a.yaml", RATELIMIT), ("rules/b.yaml", "domain: e")];
        let summary = checked(&files, "rules").unwrap();
        assert_eq!(summary.to_string(), "folder of ratelimit files: 2 domains, 2 limits");
        let files = [("rules/a.yaml", RATELIMIT), ("rules/b.yaml", RATELIMIT)];
        let expected = "rules/b.yaml:2:9: domain: duplicate domain 'd' in config file";
        assert_eq!(checked(&files, "rules").unwrap_err(), expected);
    }

    #[test]
    fn a_missing_file_says_so() {
        let error = checked(&[], "none.yaml").unwrap_err();
        assert!(error.starts_with("none.yaml: cannot be read: "), "{error}");
    }
}
