//! The reference's own test files, each with the error that it documents for it.
//!
//! They are not part of this repository: where `TOLLGATE_VECTORS` does not name the folder that
//! holds them, the test says so and checks nothing.

use super::*;
use crate::vectors;

/// Files that load, alone.
const GOOD: [&str; 8] = [
    "basic_config.yaml",
    "duplicate_domain.yaml",
    "merge_domain_key1.yaml",
    "merge_domain_key2.yaml",
    "metadata.yaml",
    "shadowmode_config.yaml",
    "share_threshold.yaml",
    "wildcard.yaml",
];

/// Files that do not, each with the line and the text of its first error.
const BAD: [(&str, u32, &str); 12] = [
    ("bad_limit_unit.yaml", 6, "invalid rate limit unit 'foo'"),
    ("bad_yaml.yaml", 1, "error loading config file: not valid YAML: "),
    ("duplicate_key.yaml", 6, "duplicate descriptor composite key 'test-domain.key1_value1'"),
    ("empty_domain.yaml", 1, "config file cannot have empty domain"),
    ("empty_key.yaml", 3, "descriptor has empty key"),
    ("misspelled_key.yaml", 5, "config error, unknown key 'ratelimit'"),
    ("misspelled_key2.yaml", 7, "config error, unknown key 'requestsperunit'"),
    ("non_map_list.yaml", 3, "config error, yaml file contains list of type other than map: a"),
    ("non_string_key.yaml", 1, "config error, key is not of type string: 0.25"),
    ("replaces_empty.yaml", 10, "should not have an empty replaces entry"),
    ("replaces_self.yaml", 10, "replaces should not contain name of same descriptor"),
    ("unlimited_with_unit.yaml", 6, "should not specify rate limit unit when unlimited"),
];

#[test]
fn the_files_of_the_reference_are_accepted_and_refused_as_it_does() {
    let Some(folder) = vectors::folder("ratelimit-config", "ratelimit-config fixtures") else {
        return;
    };
    let file = |name: &str| folder.join(name);
    for name in GOOD {
        let loaded = load(&[file(name)], Options::default(), &Rules::default());
        let domains = loaded.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(domains.len(), 1, "{name}");
    }
    for (name, line, message) in BAD {
        let report = load(&[file(name)], Options::default(), &Rules::default()).unwrap_err();
        let first = &report.issues()[0];
        assert_eq!(first.line, line, "{report}");
        assert!(first.message.starts_with(message), "{report}");
    }
    let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let files = entries.filter(|name| Path::new(name).extension().is_some()).count();
    assert_eq!(files, GOOD.len() + BAD.len(), "a file is in neither list");

    let twice = [file("basic_config.yaml"), file("duplicate_domain.yaml")];
    let report = load(&twice, Options::default(), &Rules::default()).unwrap_err();
    assert_eq!(report.issues()[0].message, "duplicate domain 'test-domain' in config file");
    let merged = [file("merge_domain_key1.yaml"), file("merge_domain_key2.yaml")];
    let domains = load(&merged, Options { merge_domains: true }, &Rules::default()).unwrap();
    assert_eq!(domains.len(), 1);
    assert_eq!(domains[0].1.nodes().len(), 2);
}
