//! What responses make of the limits, domain by domain.

use tollgate_core::key::KeySecret;
use tollgate_proto::xds::{
    Any, DiscoveryResponse, RateLimitDescriptor, RateLimitPolicy, RateLimitUnit,
};

use super::*;
use crate::decide::Answers;

const SECRET: [u8; 16] = [7; 16];

/// A domain with one limit, good unless `key` is empty.
fn config(domain: &str, key: &str, number: u32) -> RateLimitConfig {
    let limit = RateLimitPolicy {
        unit: RateLimitUnit::Hour as i32,
        requests_per_unit: number,
        ..Default::default()
    };
    let leaf =
        RateLimitDescriptor { key: key.into(), rate_limit: Some(limit), ..Default::default() };
    RateLimitConfig { name: domain.into(), domain: domain.into(), descriptors: vec![leaf] }
}

fn any(config: &RateLimitConfig) -> Any {
    Any { type_url: RATE_LIMIT_CONFIG.into(), value: config.encode_to_vec() }
}

fn response(resources: Vec<Any>) -> Response {
    let response = DiscoveryResponse { resources, ..Default::default() };
    Response::read(&response.encode_to_vec()).unwrap()
}

/// What decides, and the contents it came from.
struct Node {
    active: Active,
    digests: Digests,
}

impl Node {
    fn new() -> Self {
        let active = Active::unloaded(Answers::default(), &KeySecret::new(SECRET));
        Self { active, digests: Digests::default() }
    }

    /// Takes a response over, whatever is wrong with it; gives what is.
    fn take(&mut self, resources: Vec<Any>) -> Vec<String> {
        self.take_with(resources, Options::default())
    }

    fn take_with(&mut self, resources: Vec<Any>, options: Options) -> Vec<String> {
        let mut built = build(response(resources), &self.active, &self.digests, options);
        let domains = std::mem::take(&mut built.domains);
        let active = Active::new(domains, Answers::default(), &KeySecret::new(SECRET));
        self.active = active.withholding(built.withheld);
        self.digests = built.digests;
        built.refused.iter().map(|(_, report)| report.to_string()).collect()
    }

    /// The domains, each with the number of its one limit.
    fn domains(&self) -> Vec<(String, u32)> {
        let number = |limit: &tollgate_core::limit::Limit| match limit.bound {
            tollgate_core::limit::Bound::Limited(quota) => quota.limit,
            tollgate_core::limit::Bound::Unlimited => 0,
        };
        let limits = self.active.limits.limits();
        limits.map(|(domain, limit)| (domain.name().to_string(), number(limit))).collect()
    }
}

fn pairs(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
    pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

#[test]
fn of_three_domains_one_bad_two_are_updated_and_the_third_keeps_its_last() {
    let mut node = Node::new();
    let all = |number, key| {
        vec![
            any(&config("a", "k", number)),
            any(&config("b", key, number)),
            any(&config("c", "k", number)),
        ]
    };
    assert_eq!(node.take(all(1, "k")), [""; 0]);
    let good = node.digests.hash();
    assert_eq!(node.take(all(2, "")), ["b: descriptors[0].key: descriptor has empty key"]);
    assert_eq!(node.domains(), pairs(&[("a", 2), ("b", 1), ("c", 2)]));
    assert!(node.active.decides("b"));
    let partial = node.digests.hash();
    // Once the third is what it was, all is what it was.
    assert_eq!(node.take(all(1, "")).len(), 1);
    assert_eq!(node.digests.hash(), good);
    assert_ne!(partial, good);
    assert_eq!(node.take(all(3, "k")), [""; 0]);
    assert_eq!(node.domains(), pairs(&[("a", 3), ("b", 3), ("c", 3)]));
}

#[test]
fn a_domain_that_is_not_in_the_response_is_gone_and_none_at_all_is_no_limit() {
    let mut node = Node::new();
    node.take(vec![any(&config("a", "k", 1)), any(&config("b", "k", 1))]);
    node.take(vec![any(&config("b", "k", 2))]);
    assert_eq!(node.domains(), pairs(&[("b", 2)]));
    assert_eq!(node.take(vec![]), [""; 0]);
    assert_eq!(node.domains(), []);
    assert!(node.active.decides("a") && node.active.decides("anything"));
}

#[test]
fn a_bad_domain_that_was_never_good_is_not_decided_and_the_others_are() {
    let mut node = Node::new();
    node.take(vec![any(&config("a", "k", 1)), any(&config("b", "", 1))]);
    assert!(node.active.decides("a") && node.active.decides("unknown"));
    assert!(!node.active.decides("b"));
    node.take(vec![any(&config("a", "k", 1)), any(&config("b", "k", 1))]);
    assert!(node.active.decides("b"));
}

#[test]
fn what_cannot_be_read_may_be_any_domain_that_is_missing() {
    let mut node = Node::new();
    node.take(vec![any(&config("a", "k", 1)), any(&config("b", "k", 1))]);
    let garbage = Any { type_url: RATE_LIMIT_CONFIG.into(), value: vec![0x0a, 9, b'x'] };
    let told = node.take(vec![any(&config("a", "k", 2)), garbage]);
    assert_eq!(told, ["resource 0: is no protobuf message, or one that was cut off"]);
    assert_eq!(node.domains(), pairs(&[("a", 2), ("b", 1)]));
    assert!(node.active.decides("a") && node.active.decides("b"));
    assert!(!node.active.decides("unknown"), "it may be the one that could not be read");
}

#[test]
fn where_domains_are_merged_what_cannot_be_read_may_be_a_part_of_any_domain() {
    let merged = Options { merge_domains: true };
    let garbage = || Any { type_url: RATE_LIMIT_CONFIG.into(), value: vec![0x0a, 9, b'x'] };
    let part = |name: &str, key, number| {
        any(&RateLimitConfig { name: name.into(), ..config("a", key, number) })
    };
    let mut node = Node::new();
    let both = vec![part("1", "j", 1), part("2", "k", 1)];
    assert_eq!(node.take_with(both, merged), [""; 0]);
    let before = node.digests.clone();
    node.take_with(vec![part("1", "j", 2), garbage(), any(&config("b", "k", 2))], merged);
    assert_eq!(node.domains(), pairs(&[("a", 1), ("a", 1)]), "a rule of `a` was lost");
    assert_eq!(node.digests, before);
    assert!(node.active.decides("a") && !node.active.decides("b"));
}

#[test]
fn a_resource_of_another_type_and_one_without_a_domain_are_refused() {
    let mut node = Node::new();
    let foreign = Any { type_url: "type.googleapis.com/a.B".into(), ..any(&config("a", "k", 1)) };
    let nameless = RateLimitConfig { name: "n".into(), ..config("", "k", 1) };
    let told = node.take(vec![foreign, any(&nameless)]);
    assert_eq!(
        told,
        [
            "a: is of type type.googleapis.com/a.B",
            "n: domain: config file cannot have empty domain"
        ]
    );
}

#[test]
fn a_bomb_is_refused_and_its_neighbour_is_not() {
    let mut deep = config("deep", "k", 1);
    for _ in 0..DEPTH_MAX {
        let inner = std::mem::take(&mut deep.descriptors);
        let key = "k".into();
        deep.descriptors =
            vec![RateLimitDescriptor { key, descriptors: inner, ..Default::default() }];
    }
    let mut wide = config("wide", "k", 1);
    wide.descriptors = vec![RateLimitDescriptor::default(); MESSAGES_MAX + 1];
    let mut node = Node::new();
    let told = node.take(vec![any(&deep), any(&config("good", "k", 1)), any(&wide)]);
    let expected = ["deep: has descriptors nested too deeply", "wide: has too many descriptors"];
    assert_eq!(told, expected);
    assert_eq!(node.domains(), pairs(&[("good", 1)]));
}

#[test]
fn the_deepest_tree_that_is_accepted_fits_a_small_stack() {
    let mut descriptors = config("d", "k", 1).descriptors;
    // The innermost has a limit in it, which is a level, too.
    for _ in 0..DEPTH_MAX - 2 {
        let key = "k".into();
        descriptors = vec![RateLimitDescriptor { key, descriptors, ..Default::default() }];
    }
    let deepest = RateLimitConfig { name: "d".into(), domain: "d".into(), descriptors };
    // As a thread for blocking work has it.
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let told = thread.spawn(move || Node::new().take(vec![any(&deepest)])).unwrap();
    assert_eq!(told.join().unwrap(), [""; 0]);
}

proptest::proptest! {
    /// Bytes that began as a good response and were spoilt anywhere: no panic, and no domain that
    /// nobody named is decided by.
    #[test]
    fn no_bytes_make_a_panic(
        spoilt in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<u8>()), 1..6),
    ) {
        let resources = vec![any(&config("a", "k", 1)), any(&config("b", "k", 2))];
        let mut bytes = DiscoveryResponse { resources, ..Default::default() }.encode_to_vec();
        for (at, byte) in spoilt {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(response) = Response::read(&bytes) {
            let node = Node::new();
            let built = build(response, &node.active, &node.digests, Options::default());
            proptest::prop_assert!(built.domains.len() == built.accepted);
            proptest::prop_assert!(built.accepted + built.refused.len() <= 4);
        }
    }
}
