//! What files mean, how they are taken together, and that nothing in them makes us panic.

use std::fs;

use proptest::prelude::*;
use tollgate_core::descriptor::Entry;
use tollgate_core::limit::{Bound, Limit, Quota, Unit};
use tollgate_core::metadata::{Map, Value};

use super::*;

pub(super) fn read_text(text: &str) -> Result<Loaded, String> {
    read_all(&[text], Options::default())
}

/// Reads texts as files `0.yaml`, `1.yaml`, ….
pub(super) fn read_all(texts: &[&str], options: Options) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    for (index, text) in texts.iter().enumerate() {
        fs::write(folder.path().join(format!("{index}.yaml")), text).unwrap();
    }
    let prefix = format!("{}/", folder.path().display());
    read(&[folder.path().to_owned()], options, None)
        .map_err(|report| report.to_string().replace(&prefix, ""))
}

/// The issues' lines, without hints and without the file.
pub(super) fn wrong(text: &str) -> Vec<String> {
    let report = read_text(text).unwrap_err();
    let lines = report.lines().filter_map(|line| line.strip_prefix("0.yaml:"));
    lines.map(str::to_owned).collect()
}

pub(super) fn found<'a>(
    loaded: &'a Loaded,
    domain: &str,
    entries: &[(&str, &str)],
) -> Option<&'a Limit> {
    let entries: Vec<_> = entries.iter().map(|&(key, value)| Entry { key, value }).collect();
    let (_, rules, _) = loaded.domains.iter().find(|(name, ..)| &**name == domain)?;
    rules.find(&entries, |_| ())?.node.limits.first()
}

fn per_unit(limit: &Limit) -> (u32, Unit) {
    match limit.bound {
        Bound::Limited(quota) => (quota.limit, quota.window.unit()),
        Bound::Unlimited => panic!("{limit:?} is unlimited"),
    }
}

const EVERYTHING: &str = r#"
domain: d
descriptors:
  - key: a
    value: x
    shadow_mode: true
    detailed_metric: true
    rate_limit: {unit: Minute, requests_per_unit: 5, name: first, replaces: [{name: second}]}
    descriptors:
      - {key: b, quota_mode: true, rate_limit: {unit: DAY}, metadata: {tier: [1, two]}}
  - key: files
    value: files/*
    share_threshold: true
    value_to_metric: yes
    rate_limit: {unlimited: true, unit: fortnight}
  - key: allowed
  - {key: n, value: 5, rate_limit: {unit: second, requests_per_unit: 0x10}}
"#;

#[test]
fn every_field_means_what_it_does_in_the_reference() {
    let loaded = read_text(EVERYTHING).unwrap();
    let a = found(&loaded, "d", &[("a", "x")]).unwrap();
    assert_eq!(a.bound, Bound::Limited(Quota::per_unit(5, Unit::Minute)));
    assert_eq!((a.name.as_deref(), &*a.path), (Some("first"), "d.a_x"));
    assert_eq!((a.shadow, a.quota_mode), (true, false));
    assert_eq!(a.replaces.iter().map(|name| &**name).collect::<Vec<_>>(), ["second"]);
    let b = found(&loaded, "d", &[("a", "x"), ("b", "any")]).unwrap();
    assert_eq!(per_unit(b), (0, Unit::Day));
    assert_eq!(
        (&*b.path, b.shadow, b.quota_mode, b.name.is_none()),
        ("d.a_x.b", false, true, true)
    );
    let files = found(&loaded, "d", &[("files", "files/1")]).unwrap();
    assert_eq!((files.bound, &*files.path), (Bound::Unlimited, "d.files_files/*"));
    assert_eq!(found(&loaded, "d", &[("allowed", "x")]), None);
    assert_eq!(per_unit(found(&loaded, "d", &[("n", "5")]).unwrap()), (16, Unit::Second));
    let (_, rules, _) = &loaded.domains[0];
    let flags: Vec<_> = rules
        .nodes()
        .iter()
        .map(|node| (node.detailed_metric, node.value_to_metric, node.share_threshold))
        .collect();
    let none = (false, false, false);
    assert_eq!(flags, [(true, false, false), (false, true, true), none, none]);
}

#[test]
fn metadata_is_kept_with_the_limits_of_its_descriptor() {
    let loaded = read_text(EVERYTHING).unwrap();
    let tier = Value::List(vec![Value::Number(1.0), Value::Text("two".into())]);
    let b = found(&loaded, "d", &[("a", "x"), ("b", "any")]).unwrap();
    assert_eq!(b.metadata.as_deref(), Some(&Map::from([("tier".into(), tier)])));
    assert_eq!(found(&loaded, "d", &[("a", "x")]).unwrap().metadata, None);
}

/// A file of one descriptor with these keys.
pub(super) fn descriptor(keys: &str) -> String {
    format!("domain: d\ndescriptors:\n- {keys}\n")
}

#[test]
fn what_the_reference_leaves_alone_is_left_alone() {
    for keys in [
        "{key: a, rate_limit: }",
        "{key: a, rate_limit: {unlimited: yes, unit: fortnight, requests_per_unit: 3}}",
        "{key: a, descriptors: }",
        "{key: a, metadata: {7: {1.5: .5}}}",
        "{key: 5, value: true}",
        "{key: a, value: 2001-01-01}",
        "{key: a, unit: day}",
        "{key: a, rate_limit: {unit: week, requests_per_unit: , shadow_mode: off, name: ~}}",
    ] {
        read_text(&descriptor(keys)).unwrap_or_else(|report| panic!("{keys}: {report}"));
    }
    assert_eq!(read(&[], Options::default(), None).unwrap().domains.len(), 0);
}

#[test]
fn files_of_one_domain_are_merged_where_asked_in_the_order_of_their_names() {
    let rule = |value: &str, number: u32| {
        descriptor(&format!(
            "{{key: k, value: {value}, rate_limit: {{unit: day, requests_per_unit: {number}}}}}"
        ))
    };
    let merge = Options { merge_domains: true };
    let (first, second) = (rule("a*", 1), rule("ab*", 2));
    let loaded = read_all(&[&first, "domain: other", &second], merge).unwrap();
    let names: Vec<_> = loaded.domains.iter().map(|(name, ..)| &**name).collect();
    assert_eq!(names, ["d", "other"]);
    assert_eq!(per_unit(found(&loaded, "d", &[("k", "abc")]).unwrap()), (1, Unit::Day));
    let report = read_all(&[&first, &first], merge).unwrap_err();
    assert_eq!(report, "1.yaml:3:3: descriptors[0]: duplicate descriptor composite key 'd.k_a*'");
    let report = read_all(&[&first, &second], Options::default()).unwrap_err();
    assert_eq!(report, "1.yaml:1:9: domain: duplicate domain 'd' in config file");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let report = load(&["nowhere.yaml".into()], Options::default(), &Rules::default()).unwrap_err();
    let [issue] = report.issues() else { panic!("{report}") };
    assert_eq!((&*issue.source, issue.line), ("nowhere.yaml", 0));
    assert!(issue.message.starts_with("error loading config file: cannot be read: "), "{issue}");
}

#[test]
fn a_long_key_cannot_be_multiplied_by_the_descriptors_below_it() {
    let below = (0..100).map(|i| format!("{{key: a{i}}}, ")).collect::<String>();
    let long = "x".repeat(1 << 20);
    let text = descriptor(&format!("{{key: {long}, descriptors: [{below}]}}"));
    let [line] = &wrong(&text)[..] else { panic!() };
    assert!(line.ends_with(": the paths of all descriptors are longer than 64 MiB"), "{line}");
}

fn never_panics(text: &str) -> Result<(), Report> {
    let document = document::parse("a.yaml", text)?;
    read_document(&document, Options::default()).map(|_| ())
}

fn assert_places_are_inside(report: &Report, text: &str) {
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    for issue in report.issues() {
        assert!(issue.line >= 1 && issue.line as usize <= lines.len(), "{issue} in {text:?}");
        assert!(issue.column >= 1 && issue.column as usize <= longest + 1, "{issue} in {text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "(domain: d\ndescriptors:\n)?\\PC{0,60}") {
        let _ = never_panics(&text);
    }

    #[test]
    fn a_changed_file_is_right_or_wrong_inside_itself(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[a-z:\\-{}\\[\\]'\"*&!#,. \n0-9]{0,8}"), 1..5)
    ) {
        let mut text = EVERYTHING.to_owned();
        for (at, length, new) in changes {
            let start = text.floor_char_boundary(at.index(text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, &new);
        }
        if let Err(report) = never_panics(&text) {
            assert_places_are_inside(&report, &text);
        }
    }
}
