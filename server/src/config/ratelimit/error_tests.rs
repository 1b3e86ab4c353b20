//! Every error text of the reference, behind our places and paths.

use super::tests::{descriptor, read_all, read_text, wrong};
use super::*;

/// Whole files, each with its one error.
const FILES: &str = r#"
0.25: x => 1:1: ["0.25"]: config error, key is not of type string: 0.25
true: x => 1:1: true: config error, key is not of type string: true
[a, 1]: x => 1:1: ["?"]: config error, key is not of type string: [a 1]
descriptors: => 1:1: domain: config file cannot have empty domain
domain: '' => 1:9: domain: config file cannot have empty domain
domain: tollgate => 1:9: domain: domain 'tollgate' is reserved for the limits of tollgate.yaml
domain: {key: a} => 1:1: domain: error loading config file: expected text, found a mapping
- a => 1:1: error loading config file: expected a mapping, found a list
{domain: d, descriptors: {key: a}} => 1:13: descriptors: error loading config file: expected a list, found a mapping
{domain: d, descriptors: [{key: a, value: b}, {key: a_b}]} => 1:47: descriptors[1]: duplicate descriptor composite key 'd.a_b'
"#;

/// The first descriptor of a file, each with its one error.
const DESCRIPTORS: &str = "
a => 3:3: descriptors[0]: config error, yaml file contains list of type other than map: a
[b, c] => 3:3: descriptors[0]: config error, yaml file contains list of type other than map: [b c]
~ => 3:3: descriptors[0]: config error, yaml file contains list of type other than map: <nil>
{key: a, ratelimit: 1} => 3:12: descriptors[0].ratelimit: config error, unknown key 'ratelimit'
{key: a, value: 0.5} => 3:19: descriptors[0].value: error checking config
value: x => 3:3: descriptors[0].key: descriptor has empty key
{value: x, key: ''} => 3:19: descriptors[0].key: descriptor has empty key
{key: a, descriptors: [key: b, key: b]} => 3:34: descriptors[0].descriptors[1]: duplicate descriptor composite key 'd.a.b'
{key: a, rate_limit: {unit: foo}} => 3:31: descriptors[0].rate_limit.unit: invalid rate limit unit 'foo'
{key: a, rate_limit: {name: n}} => 3:12: descriptors[0].rate_limit.unit: invalid rate limit unit ''
{key: a, rate_limit: {unlimited: true, unit: Day}} => 3:48: descriptors[0].rate_limit.unit: should not specify rate limit unit when unlimited
{key: a, rate_limit: {unit: day, replaces: [{name: }]}} => 3:47: descriptors[0].rate_limit.replaces[0]: should not have an empty replaces entry
{key: a, rate_limit: {unit: day, name: n, replaces: [{name: n}]}} => 3:63: descriptors[0].rate_limit.replaces[0].name: replaces should not contain name of same descriptor
{key: a, value: b, share_threshold: true} => 3:39: descriptors[0].share_threshold: share_threshold can only be used with wildcard values (containing '*'), but found key 'a_b'
{key: a, metadata: {x: .nan}} => 3:26: descriptors[0].metadata.x: error parsing metadata: not a finite number: .nan
{key: a, metadata: x} => 3:22: descriptors[0].metadata: error loading config file: expected a mapping, found text \"x\"
{key: a, shadow_mode: 1} => 3:25: descriptors[0].shadow_mode: error loading config file: expected true or false, found 1
{key: a, rate_limit: {unit: day, requests_per_unit: -1}} => 3:55: descriptors[0].rate_limit.requests_per_unit: error loading config file: expected a whole number from 0 to 4294967295, found -1
{key: a, rate_limit: 5} => 3:24: descriptors[0].rate_limit: error loading config file: expected a mapping, found 5
";

fn cases(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().skip(1).map(|line| line.split_once(" => ").unwrap())
}

#[test]
fn every_error_is_told_in_the_words_of_the_reference() {
    for (text, expected) in cases(FILES) {
        assert_eq!(wrong(text), [expected], "{text}");
    }
    for (keys, expected) in cases(DESCRIPTORS) {
        assert_eq!(wrong(&descriptor(keys)), [expected], "{keys}");
    }
}

#[test]
fn a_mistake_in_the_syntax_is_told_in_the_words_of_the_reference() {
    let [line] = &wrong("'''\n")[..] else { panic!() };
    assert!(line.contains(": error loading config file: not valid YAML: "), "{line}");
    let expected =
        "2:1: domain: error loading config file: the key is given twice: first on line 1";
    assert_eq!(wrong("domain: a\ndomain: b\n"), [expected]);
}

#[test]
fn a_mistyped_word_is_told_with_the_one_that_was_meant() {
    let report = read_text(&descriptor("{key: a, ratelimit: 1}")).unwrap_err();
    assert!(report.ends_with("\n    help: did you mean `rate_limit`?"), "{report}");
    let report = read_text(&descriptor("{key: a, rate_limit: {unit: minutes}}")).unwrap_err();
    assert!(report.ends_with("\n    help: did you mean `minute`?"), "{report}");
}

#[test]
fn all_errors_of_all_files_are_told_by_file_and_position() {
    let first = "domain: d\ndescriptors:\n- {key: a, rate_limit: {unit: foo}}\n- {valeu: b}\n- c\n";
    let second = "domain: d\ndescriptors: [{value: x, shadow_mode: maybe}]\n";
    let report = read_all(&[first, second, "'"], Options::default()).unwrap_err();
    let lines: Vec<_> = report.lines().filter(|line| !line.starts_with(' ')).collect();
    let places: Vec<_> = lines.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "0.yaml:3:31",
        "0.yaml:4:3",
        "0.yaml:4:4",
        "0.yaml:5:3",
        "1.yaml:1:9",
        "1.yaml:2:15",
        "1.yaml:2:39",
        "2.yaml:1:1",
    ];
    assert_eq!(places, expected, "{report}");
    assert_eq!(lines[4], "1.yaml:1:9: domain: duplicate domain 'd' in config file");
}
