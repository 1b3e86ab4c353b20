//! A resource means what a file of the same content means, and is wrong in the same words.

use proptest::prelude::*;
use tollgate_core::limit::{Bound, Unit, Window};
use tollgate_core::metadata::Value as MetadataValue;
use tollgate_proto::xds::RateLimitReplace;

use super::*;

fn policy(unit: i32, number: u32) -> RateLimitPolicy {
    RateLimitPolicy { unit, requests_per_unit: number, ..Default::default() }
}

fn leaf(key: &str, value: &str, limit: RateLimitPolicy) -> RateLimitDescriptor {
    let (key, value) = (key.into(), value.into());
    RateLimitDescriptor { key, value, rate_limit: Some(limit), ..Default::default() }
}

fn config(domain: &str, descriptors: Vec<RateLimitDescriptor>) -> RateLimitConfig {
    RateLimitConfig { name: format!("{domain}-name"), domain: domain.into(), descriptors }
}

fn one(config: RateLimitConfig) -> Result<Rules, String> {
    let mut judged = judge(&[config], Options::default());
    assert_eq!(judged.len(), 1);
    let result = judged.pop().unwrap().result;
    result.map(|(rules, _)| rules).map_err(|report| report.to_string())
}

#[test]
fn a_tree_as_envoy_gateway_makes_it_is_taken_over() {
    let below = leaf("rule-0-match-0", "rule-0-match-0", policy(2, 3));
    let below = RateLimitDescriptor { shadow_mode: true, ..below };
    let route = RateLimitDescriptor {
        key: "route".into(),
        value: "route".into(),
        descriptors: vec![below],
        ..Default::default()
    };
    let rules = one(config("default/eg/http", vec![route])).unwrap();
    let node = &rules.nodes()[0].rules.nodes()[0];
    let limit = &node.limits[0];
    assert_eq!(&*limit.path, "default/eg/http.route_route.rule-0-match-0_rule-0-match-0");
    assert!(limit.shadow && !limit.quota_mode);
    let Bound::Limited(quota) = limit.bound else { panic!("{limit:?}") };
    assert_eq!((quota.limit, quota.window), (3, Window::of_unit(Unit::Minute)));
}

#[test]
fn every_unit_has_its_length() {
    let units = [
        (1, Unit::Second),
        (2, Unit::Minute),
        (3, Unit::Hour),
        (4, Unit::Day),
        (5, Unit::Month),
        (6, Unit::Year),
        (7, Unit::Week),
    ];
    for (number, unit) in units {
        let rules = one(config("d", vec![leaf("a", "", policy(number, 1))])).unwrap();
        let Bound::Limited(quota) = rules.nodes()[0].limits[0].bound else { panic!("{unit}") };
        assert_eq!(quota.window, Window::of_unit(unit));
    }
}

#[test]
fn everything_that_is_wrong_is_told_in_the_words_for_files() {
    let replaces = vec![RateLimitReplace::default(), RateLimitReplace { name: "me".into() }];
    let replacing = RateLimitPolicy { name: "me".into(), replaces, ..policy(1, 1) };
    let unlimited = RateLimitPolicy { unlimited: true, ..policy(1, 0) };
    let descriptors = vec![
        leaf("", "", policy(1, 1)),
        leaf("a", "b", policy(0, 1)),
        leaf("a_b", "", policy(99, 1)),
        leaf("c", "", replacing),
        leaf("d", "", unlimited),
    ];
    let expected = "\
d-name: descriptors[0].key: descriptor has empty key
d-name: descriptors[1].rate_limit.unit: invalid rate limit unit 'UNKNOWN'
    help: one of second, minute, hour, day, week, month, year
d-name: descriptors[2].rate_limit.unit: invalid rate limit unit '99'
    help: one of second, minute, hour, day, week, month, year
d-name: descriptors[2]: duplicate descriptor composite key 'd.a_b'
d-name: descriptors[3].rate_limit.replaces[0]: should not have an empty replaces entry
d-name: descriptors[3].rate_limit.replaces[1].name: replaces should not contain name of same \
        descriptor
d-name: descriptors[4].rate_limit.unit: should not specify rate limit unit when unlimited";
    let told = one(config("d", descriptors)).unwrap_err();
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&told), sorted(expected), "{told}");
}

#[test]
fn an_empty_and_a_reserved_domain_are_refused() {
    let told = one(config("", vec![])).unwrap_err();
    assert_eq!(told, "-name: domain: config file cannot have empty domain");
    let told = one(config("tollgate", vec![])).unwrap_err();
    assert!(told.contains("domain 'tollgate' is reserved"), "{told}");
}

#[test]
fn a_second_resource_of_a_domain_is_an_error_of_that_domain_only() {
    let a = |key: &str| config("a", vec![leaf(key, "", policy(1, 1))]);
    let all = [a("x"), config("b", vec![]), a("y")];
    let judged = judge(&all, Options::default());
    assert_eq!(judged.iter().map(|one| &*one.domain).collect::<Vec<_>>(), ["a", "b"]);
    let told = judged[0].result.as_ref().unwrap_err().to_string();
    assert_eq!(told, "a-name: domain: duplicate domain 'a' in config file");
    assert!(judged[1].result.is_ok());
    let judged = judge(&all, Options { merge_domains: true });
    let (rules, _) = judged[0].result.as_ref().unwrap();
    assert_eq!(rules.nodes().iter().map(|node| &*node.key).collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn metadata_is_kept_and_what_it_cannot_say_is_told() {
    let number = |number| Value { kind: Some(WireKind::NumberValue(number)) };
    let with = |fields: Vec<(&str, Value)>| {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let metadata = Some(Struct { fields });
        config("d", vec![RateLimitDescriptor { metadata, ..leaf("a", "", policy(1, 1)) }])
    };
    let text = Value { kind: Some(WireKind::StringValue("1".into())) };
    let fields = vec![("n", number(1.5)), ("big", number(1e300)), ("t", text)];
    let rules = one(with(fields)).unwrap();
    let metadata = rules.nodes()[0].limits[0].metadata.clone().unwrap();
    assert_eq!(metadata["n"], MetadataValue::Number(1.5));
    assert_eq!(metadata["big"], MetadataValue::Number(1e300));
    assert_eq!(metadata["t"], MetadataValue::Text("1".into()));
    let told = one(with(vec![("n", number(f64::NAN))])).unwrap_err();
    assert!(told.ends_with("error parsing metadata: not a finite number: .nan"), "{told}");
}

fn any_descriptor() -> impl Strategy<Value = RateLimitDescriptor> {
    let policy = (0..9_i32, any::<u32>(), any::<bool>(), "[ab]{0,2}");
    let policy = policy.prop_map(|(unit, requests_per_unit, unlimited, name)| RateLimitPolicy {
        unit,
        requests_per_unit,
        unlimited,
        name,
        replaces: vec![RateLimitReplace { name: "b".into() }],
    });
    let leaf = ("[ab_*]{0,3}", "[ab_*]{0,3}", proptest::option::of(policy), any::<bool>());
    let leaf = leaf.prop_map(|(key, value, rate_limit, shadow_mode)| RateLimitDescriptor {
        key,
        value,
        rate_limit,
        shadow_mode,
        ..Default::default()
    });
    leaf.prop_recursive(4, 20, 4, |inner| {
        (inner.clone(), proptest::collection::vec(inner, 0..4))
            .prop_map(|(node, descriptors)| RateLimitDescriptor { descriptors, ..node })
    })
}

/// The same as YAML, for the files' own reader.
fn yaml(descriptors: &[RateLimitDescriptor]) -> String {
    let policy = |policy: &RateLimitPolicy| {
        format!(
            "{{unit: '{}', requests_per_unit: {}, unlimited: {}, name: '{}', \
             replaces: [{{name: '{}'}}]}}",
            RateLimitUnit::name_of(policy.unit),
            policy.requests_per_unit,
            policy.unlimited,
            policy.name,
            policy.replaces[0].name,
        )
    };
    let one = |node: &RateLimitDescriptor| {
        let limit =
            node.rate_limit.as_ref().map(|limit| format!(", rate_limit: {}", policy(limit)));
        format!(
            "{{key: '{}', value: '{}', shadow_mode: {}{}, descriptors: {}}}",
            node.key,
            node.value,
            node.shadow_mode,
            limit.unwrap_or_default(),
            yaml(&node.descriptors),
        )
    };
    format!("[{}]", descriptors.iter().map(one).collect::<Vec<_>>().join(", "))
}

proptest! {
    #[test]
    fn a_resource_and_a_file_of_the_same_content_mean_the_same(
        descriptors in proptest::collection::vec(any_descriptor(), 0..4),
    ) {
        let file = format!("domain: d\ndescriptors: {}", yaml(&descriptors));
        let file = crate::config::document::parse("d-name", &file).unwrap();
        let mut loader = Loader::new(Options::default(), None);
        loader.add(&file);
        let of_file = loader.finish();
        let of_resource = judge(&[config("d", descriptors)], Options::default()).pop().unwrap();
        let messages = |report: &Report| {
            let told = report.issues().iter().map(|issue| (issue.path.clone(), issue.message.clone()));
            let mut told: Vec<_> = told.collect();
            told.sort();
            told
        };
        match (of_file, of_resource.result) {
            (Ok(file), Ok((rules, _))) => {
                prop_assert_eq!(format!("{:?}", file.domains[0].1), format!("{rules:?}"));
            }
            (Err(file), Err(resource)) => prop_assert_eq!(messages(&file), messages(&resource)),
            (file, resource) => prop_assert!(false, "{file:?} is not {resource:?}"),
        }
    }
}
