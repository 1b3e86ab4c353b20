//! A response of an xDS server: limits that a file of the same content would have, domain by domain,
//! and what was right before where it is wrong now.

use std::collections::BTreeSet;

use prost::Message as _;
use tollgate_core::key::KeySecret;
use tollgate_core::limit::Rules;
use tollgate_proto::xds::{
    Any, DiscoveryResponse, Kind, RATE_LIMIT_CONFIG, RateLimitConfig, RateLimitDescriptor,
    RateLimitPolicy, RateLimitUnit, Room, Shape, Struct, Value,
};
use tollgate_server::config::ratelimit::{Options, parse};
use tollgate_server::decide::{Active, Answers};
use tollgate_server::xds::{Outcome, Rehearsal};

use crate::yaml;

/// More than any input that is tried can name.
const PLENTY: Room = Room { messages: 1 << 20, depth: 1 << 10 };
/// Bytes of a name and of a line of what is told: a server must not fill a log.
const NAME_BYTES_MAX: usize = 1 << 10;
const LINE_BYTES_MAX: usize = 4 << 10;
/// Hashes of keys play no part.
const SECRET: [u8; 16] = [9; 16];
/// Domains that stand before the input comes, beside those that it spoils.
const STANDING: [&str; 2] = ["first", "second"];

/// Panics if a response is read into more than was counted, if the same content is built twice, if a
/// domain that is refused loses what it had or one that is right differs from its file.
pub fn xds(data: &[u8]) {
    let options = Options { merge_domains: data.len().is_multiple_of(2) };
    let configs = configs(data);
    let mut node = Rehearsal::new(options);
    let outcome = node.take(data);
    assert_known(&mut node, data, &outcome);
    if let Outcome::Built { accepted, refused } = &outcome {
        let domains = node.active().limits.domains().len();
        assert_eq!(domains, *accepted, "domains that nobody accepted");
        assert!(!refused.is_empty() || decides_all(&node), "nothing is wrong, and it waits");
        for (name, why) in refused {
            assert_told(name, why);
        }
        assert_last_good_stays(data, refused, &node, options);
        assert_files_say_the_same(&node, &configs);
    }
}

/// The resources that can be read. Panics if reading one makes more of it than was counted.
fn configs(data: &[u8]) -> Vec<RateLimitConfig> {
    let mut room = PLENTY;
    if Shape::Response.admit(data, &mut room).is_err() {
        return Vec::new();
    }
    let Ok(response) = DiscoveryResponse::decode(data) else { return Vec::new() };
    assert_eq!(response.resources.len(), PLENTY.messages - room.messages);
    let mut configs = Vec::new();
    for resource in &response.resources {
        let mut room = PLENTY;
        let admitted = Shape::Config.admit(&resource.value, &mut room);
        let decoded = RateLimitConfig::decode(&*resource.value);
        if let (Ok(()), Ok(config)) = (admitted, decoded) {
            let held: usize = config.descriptors.iter().map(messages).sum();
            let counted = PLENTY.messages - room.messages;
            assert!(held <= counted, "{held} messages, of which {counted} were counted");
            configs.push(config);
        }
    }
    configs
}

/// The messages in memory of a descriptor, itself among them.
fn messages(descriptor: &RateLimitDescriptor) -> usize {
    let policy = descriptor.rate_limit.as_ref().map_or(0, |policy| 1 + policy.replaces.len());
    let below: usize = descriptor.descriptors.iter().map(messages).sum();
    1 + policy + below + descriptor.metadata.as_ref().map_or(0, |metadata| 1 + entries(metadata))
}

fn entries(metadata: &Struct) -> usize {
    metadata.fields.values().map(|value| 1 + inside(value)).sum()
}

fn inside(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(inner)) => 1 + entries(inner),
        Some(Kind::ListValue(list)) => 1 + list.values.iter().map(inside).sum::<usize>(),
        _ => 0,
    }
}

/// Panics if the same bytes are not known again, or change what decides.
fn assert_known(node: &mut Rehearsal, data: &[u8], outcome: &Outcome) {
    let hash = node.hash();
    let expected = match outcome {
        Outcome::Built { refused, .. } if refused.is_empty() => Outcome::Unchanged,
        Outcome::Built { .. } => Outcome::Repeated,
        other => other.clone(),
    };
    assert_eq!(node.take(data), expected, "the second time");
    assert_eq!(node.hash(), hash, "the same content, and another hash");
}

/// Whether calls are answered whatever their domain.
fn decides_all(node: &Rehearsal) -> bool {
    node.active().decides("a domain that nobody named")
}

/// Panics if what is told about a domain could fill or break a log.
fn assert_told(name: &str, why: &str) {
    assert!(name.len() <= NAME_BYTES_MAX, "a name of {} bytes", name.len());
    let longest = why.lines().map(str::len).max().unwrap_or_default();
    assert!(longest <= LINE_BYTES_MAX, "a line of {longest} bytes about {name}");
    assert!(!why.is_empty(), "refused without a word: {name}");
    let command = why.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(command, None, "{why:?}");
}

/// Lets other content decide first, also in the domains that the input spoils. `alone` has decided by
/// nothing but the input.
fn assert_last_good_stays(
    data: &[u8],
    refused: &[(String, String)],
    alone: &Rehearsal,
    options: Options,
) {
    let names: BTreeSet<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.into_iter().chain(STANDING).collect::<BTreeSet<_>>();
    let mut node = Rehearsal::new(options);
    node.take(&standing(&names));
    let before = rules_by_domain(&node);
    assert!(STANDING.iter().all(|name| before.iter().any(|(domain, _)| domain == name)));
    let Outcome::Built { refused: again, .. } = node.take(data) else {
        // The input is what stands.
        return;
    };
    assert_eq!(refused, again, "refused for what was there before");
    let after = rules_by_domain(&node);
    // A resource that could not be read may have been about any domain.
    let is_any_kept = !decides_all(&node);
    for (domain, rules) in &before {
        let is_refused = refused.iter().any(|(name, _)| name == domain);
        let now = after.iter().find(|(name, _)| name == domain);
        let is_kept = now.is_some_and(|(_, now)| now == rules);
        let is_named = alone.active().limits.domain(domain).is_some();
        let may_go = is_named || !(is_refused || is_any_kept);
        assert!(is_kept || may_go, "{domain} lost its last good rules");
    }
}

fn rules_by_domain(node: &Rehearsal) -> Vec<(String, String)> {
    let domains = node.active().limits.domains();
    domains.map(|domain| (domain.name().to_string(), shown(&domain.rules))).collect()
}

/// Rules without the numbers of their limits, which depend on what stands before them.
fn shown(rules: &Rules) -> String {
    let text = format!("{:?}", rules.nodes());
    let numberless = |part: &str| part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    text.split(" id: ").map(numberless).collect::<Vec<_>>().join(" id: ")
}

/// A response that is right, with a limit in each of the domains.
fn standing(names: &BTreeSet<&str>) -> Vec<u8> {
    let unit = RateLimitUnit::Year as i32;
    let limit = RateLimitPolicy { unit, requests_per_unit: 77_777, ..Default::default() };
    let node = RateLimitDescriptor {
        key: "standing".to_owned(),
        rate_limit: Some(limit),
        ..Default::default()
    };
    let any = |name: &&str| {
        let domain = (*name).to_owned();
        let config =
            RateLimitConfig { name: domain.clone(), domain, descriptors: vec![node.clone()] };
        Any { type_url: RATE_LIMIT_CONFIG.to_owned(), value: config.encode_to_vec() }
    };
    let resources = names.iter().map(any).collect();
    let type_url = RATE_LIMIT_CONFIG.to_owned();
    DiscoveryResponse { type_url, resources, ..Default::default() }.encode_to_vec()
}

/// Panics if a domain that one resource makes is not what a file of the same content makes.
fn assert_files_say_the_same(node: &Rehearsal, configs: &[RateLimitConfig]) {
    for config in configs {
        let of_domain = configs.iter().filter(|other| other.domain == config.domain).count();
        let Some(domain) = node.active().limits.domain(&config.domain) else { continue };
        if of_domain > 1 {
            continue;
        }
        let text = yaml::of(config);
        let loaded = parse(&config.name, &text, Options::default(), &Rules::default());
        let Ok(loaded) = loaded else {
            assert!(loaded.is_ok(), "no file: {loaded:?} in {text}");
            return;
        };
        let secret = KeySecret::new(SECRET);
        let file = Active::new(loaded.domains, Answers::default(), &secret);
        let of_file = file.limits.domain(&config.domain).map(|domain| shown(&domain.rules));
        assert_eq!(of_file, Some(shown(&domain.rules)), "another meaning than {text}");
    }
}
