//! The bytes of a gRPC message: decoded as the decide listener does, decided as its adapter does.

use prost::Message as _;
use tollgate_proto::rls::RateLimitRequest;
use tollgate_proto::rls::rate_limit_descriptor::Entry;
use tollgate_proto::rls::{RateLimitDescriptor, RateLimitResponse};

use crate::rig::{Rig, STANDS, message_bytes_max};
use crate::rounds;

/// A domain of the rules in which one honest client counts.
const HONEST: &str = "honest";

/// Panics if the message is answered with anything but a decision that its limits allow, or one of
/// the errors; if the decision depends on the time or the secret; or if it moves a counter of
/// another domain.
pub fn rls(data: &[u8]) {
    if data.len() > message_bytes_max() {
        return;
    }
    let Ok(request) = RateLimitRequest::decode(data) else {
        return;
    };
    let rigs = STANDS.map(Rig::rich);
    let before = honest_remaining(&rigs[0]);
    rounds::ask([&rigs[0], &rigs[1]], &request);
    if request.domain != HONEST {
        assert_eq!(honest_remaining(&rigs[0]) + 1, before, "another domain's counter moved");
    }
    if let Ok(response) = rigs[0].answer(&request) {
        let read = RateLimitResponse::decode(&*response.encode_to_vec());
        assert_eq!(read.as_ref(), Ok(&response));
    }
}

/// Spends one hit of the honest client and returns what is left.
fn honest_remaining(rig: &Rig) -> u32 {
    let entry = Entry { key: "client".to_owned(), value: "honest".to_owned() };
    let descriptor = RateLimitDescriptor { entries: vec![entry], ..Default::default() };
    let domain = HONEST.to_owned();
    let request = RateLimitRequest { domain, descriptors: vec![descriptor], hits_addend: 0 };
    let answer = rig.answer(&request);
    assert!(answer.is_ok(), "{answer:?}");
    answer
        .map(|answer| answer.statuses.first().map_or(0, |status| status.limit_remaining))
        .unwrap_or(0)
}
