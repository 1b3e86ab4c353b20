//! A file of the rate-limit service: everything that is wrong with it, or rules that hold.

use std::str;

use tollgate_core::limit::{Node, Rules};
use tollgate_proto::rls::rate_limit_descriptor::Entry;
use tollgate_proto::rls::{RateLimitDescriptor, RateLimitRequest};
use tollgate_server::config::Domains;
use tollgate_server::config::ratelimit::{Options, parse};
use tollgate_server::decide::Answers;

use crate::rig::{Rig, STANDS, named};
use crate::{places, rounds};

/// Requests that are asked of the rules of one input.
const REQUESTS_MAX: usize = 8;

/// Panics if a file is refused without a place in it, if a second reading gives something else, or
/// if its rules admit more than they say.
pub fn ratelimit(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let options = Options { merge_domains: data.len().is_multiple_of(2) };
    let loaded = parse("fuzz.yaml", text, options, named());
    let again = parse("fuzz.yaml", text, options, named());
    match (loaded, again) {
        (Ok(loaded), Ok(again)) => {
            places::assert_issues(&loaded.notes, text);
            assert_eq!(format!("{loaded:?}"), format!("{again:?}"), "not the same rules");
            assert_rules_hold(&loaded.domains);
        }
        (Err(report), again) => {
            places::assert_report(&report, text);
            assert_eq!(Some(report), again.err(), "not the same report");
        }
        (Ok(_), Err(report)) => assert_eq!(report.to_string(), "", "right once, then wrong"),
    }
}

/// Asks for the ways that end at a limit.
pub(crate) fn assert_rules_hold(domains: &Domains) {
    let rigs = STANDS.map(|stand| Rig::new(domains, Answers::default(), stand));
    let mut requests = Vec::new();
    for (name, rules, _) in domains {
        let mut descriptors = Vec::new();
        ways(rules, &mut Vec::new(), &mut descriptors);
        requests.extend(descriptors.into_iter().map(|one| request(name, vec![one])));
    }
    for request in requests.into_iter().take(REQUESTS_MAX) {
        rounds::ask([&rigs[0], &rigs[1]], &request);
    }
}

/// The descriptors that end at a node with limits.
fn ways(rules: &Rules, entries: &mut Vec<Entry>, found: &mut Vec<RateLimitDescriptor>) {
    for node in rules.nodes() {
        if found.len() >= REQUESTS_MAX {
            return;
        }
        entries.push(entry(node));
        if !node.limits.is_empty() {
            found.push(RateLimitDescriptor { entries: entries.clone(), ..Default::default() });
        }
        ways(&node.rules, entries, found);
        entries.pop();
    }
}

fn entry(node: &Node) -> Entry {
    let value = if node.value.is_empty() { "any".to_owned() } else { node.value.replace('*', "x") };
    Entry { key: node.key.to_string(), value }
}

fn request(domain: &str, descriptors: Vec<RateLimitDescriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: domain.to_owned(), descriptors, hits_addend: 0 }
}
