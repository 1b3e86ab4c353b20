//! Types from text: what is accepted, and that every error is told at once in plain words.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::config::document;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Root {
    text: String,
    number: u32,
    small: u8,
    flag: bool,
    maybe: Option<u64>,
    color: Color,
    section: Section,
    list: Vec<u16>,
    named: BTreeMap<String, Strict>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Color {
    #[default]
    Red,
    DarkGreen,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Section {
    depth: u32,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    limit: u32,
    window: String,
}

fn decoded(text: &str) -> (Option<Root>, String) {
    let document = document::parse("a.yaml", text).unwrap();
    let mut issues = Issues::default();
    let value = decode(&document, &mut issues);
    let report = issues.into_report().map(|report| report.to_string()).unwrap_or_default();
    (value, report)
}

fn right(text: &str) -> Root {
    let (value, report) = decoded(text);
    assert_eq!(report, "");
    value.unwrap()
}

fn wrong(text: &str) -> String {
    decoded(text).1
}

#[test]
fn a_plain_scalar_serves_as_what_is_wanted() {
    let root =
        right("text: 5\nnumber: 0x10\nflag: true\nmaybe: 7\ncolor: dark_green\nlist: [1, 2]");
    assert_eq!(root.text, "5");
    assert_eq!((root.number, root.flag, root.maybe), (16, true, Some(7)));
    assert_eq!((root.color, root.list), (Color::DarkGreen, vec![1, 2]));
    assert_eq!(right("text: true").text, "true");
}

#[test]
fn what_is_empty_stands_for_an_empty_section_list_or_option() {
    assert_eq!(right("section:\nlist:\nnamed:\nmaybe:\n"), Root::default());
    assert_eq!(right(""), Root::default());
}

#[test]
fn a_wrong_type_is_told_in_plain_words() {
    for (text, message) in [
        ("number: ten", "expected a whole number from 0 to 4294967295, found text \"ten\""),
        ("number: -1", "expected a whole number from 0 to 4294967295, found -1"),
        ("number: 4294967296", "expected a whole number from 0 to 4294967295, found 4294967296"),
        (
            "number: 99999999999999999999",
            "expected a whole number from 0 to 4294967295, found 99999999999999999999",
        ),
        ("number: 1.0", "expected a whole number from 0 to 4294967295, found 1.0"),
        ("number:", "expected a whole number from 0 to 4294967295, found nothing"),
        ("number: [1]", "expected a whole number from 0 to 4294967295, found a list"),
        ("small: 256", "expected a whole number from 0 to 255, found 256"),
        ("flag: 1", "expected true or false, found 1"),
        ("text: {a: b}", "expected text, found a mapping"),
        ("text:", "expected text, found nothing"),
        ("section: [1]", "expected a mapping, found a list"),
        ("section: x", "expected a mapping, found text \"x\""),
        ("list: 5", "expected a list, found 5"),
        ("color: [red]", "expected `red` or `dark_green`, found a list"),
    ] {
        let shown = wrong(text);
        let shown = shown.split_once(": ").unwrap().1.split_once(": ").unwrap().1;
        assert_eq!(shown, message, "{text}");
    }
}

#[test]
fn what_only_quotes_make_wrong_says_so() {
    assert!(wrong("number: \"5\"").ends_with("\n    help: write 5 without quotes"));
    assert!(wrong("flag: 'true'").ends_with("\n    help: write true without quotes"));
}

#[test]
fn an_unknown_word_names_the_nearest_one_and_all_that_are_known() {
    assert_eq!(
        wrong("section: {dpeth: 5}"),
        "a.yaml:1:11: section.dpeth: unknown key `dpeth`\n    help: did you mean `depth`? (known keys: depth)"
    );
    assert_eq!(
        wrong("color: darkgreen"),
        "a.yaml:1:8: color: expected `red` or `dark_green`, found text \"darkgreen\"\n    help: did you mean `dark_green`?"
    );
}

#[test]
fn all_errors_are_told_at_once_and_the_rest_is_decoded() {
    let text = "\
number: ten
text: kept
list: [1, x, 3, -4]
named:
  a: {limit: 1, window: 60s}
  b: {limit: many, window: 60s}
  c: {window: 60s, size: 1}
extra: 1
";
    let (root, report) = decoded(text);
    let lines: Vec<_> = report.lines().filter(|line| line.starts_with("a.yaml")).collect();
    let expected = [
        "a.yaml:1:9: number: expected a whole number from 0 to 4294967295, found text \"ten\"",
        "a.yaml:3:11: list[1]: expected a whole number from 0 to 65535, found text \"x\"",
        "a.yaml:3:17: list[3]: expected a whole number from 0 to 65535, found -4",
        "a.yaml:6:14: named.b.limit: expected a whole number from 0 to 4294967295, found text \"many\"",
        "a.yaml:7:3: named.c.limit: the key `limit` is missing",
        "a.yaml:7:20: named.c.size: unknown key `size`",
        "a.yaml:8:1: extra: unknown key `extra`",
    ];
    assert_eq!(lines, expected);
    let root = root.unwrap();
    assert_eq!((root.text.as_str(), root.list), ("kept", vec![1, 3]));
    assert_eq!(root.named.keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_document_that_is_no_mapping_is_one_error() {
    assert_eq!(wrong("- a"), "a.yaml:1:1: expected a mapping, found a list");
    assert_eq!(decoded("- a").0, None);
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    assert_eq!(
        wrong("named: {[a]: {limit: 1, window: x}}"),
        "a.yaml:1:9: named[\"?\"]: expected text, found a list"
    );
    assert_eq!(wrong("~: 1"), "a.yaml:1:1: [\"~\"]: expected a key, found nothing");
}

#[test]
fn the_number_of_tries_is_bounded() {
    let text: String = (0..500).map(|i| format!("key{i}: x\n")).collect();
    let (value, report) = decoded(&text);
    assert_eq!(value, None);
    assert!(report.ends_with("\nand more"), "{report}");
    assert_eq!(report.lines().filter(|line| line.starts_with("a.yaml")).count(), 100);
}
