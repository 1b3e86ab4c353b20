//! The body of `POST /json`: parsed, decided and answered as the http listener does.

use prost::Message as _;
use serde_json::{Map, Value, json};
use tollgate_proto::json::{parse_request, write_response};
use tollgate_proto::rls::rate_limit_descriptor::Entry;
use tollgate_proto::rls::rate_limit_response::Code;
use tollgate_proto::rls::{RateLimitDescriptor, RateLimitRequest, RateLimitResponse};

use crate::rig::{Rig, STANDS, message_bytes_max};
use crate::rounds;

/// Bytes of a sentence about what is wrong with a body.
const ERROR_BYTES_MAX: usize = 512;

/// Panics if a body is refused without its place, if it does not mean what its protobuf form means,
/// if its answer is no JSON that says what was decided, or if [`rls`](crate::rls) would.
pub fn json(data: &[u8]) {
    if data.len() > message_bytes_max() {
        return;
    }
    let request = match parse_request(data) {
        Ok(request) => request,
        Err(error) => {
            assert!(error.len() <= ERROR_BYTES_MAX, "{} bytes: {error}", error.len());
            assert!(error.contains(" at line "), "no place: {error}");
            return;
        }
    };
    let written = request_json(&request).to_string();
    assert_eq!(parse_request(written.as_bytes()).as_ref(), Ok(&request), "{written}");
    let wire = RateLimitRequest::decode(&*request.encode_to_vec());
    assert_eq!(wire.as_ref(), Ok(&request));

    let [one, other] = STANDS.map(Rig::rich);
    let mut by_json = rounds::ask([&one, &other], &request);
    let mut by_wire = Vec::new();
    if let Ok(wire) = wire {
        let [one, other] = STANDS.map(Rig::rich);
        by_wire = rounds::ask([&one, &other], &wire);
    }
    assert_eq!(by_json.pop(), by_wire.pop());
    if let Ok(response) = one.answer(&request) {
        assert_answer(&response);
    }
}

/// The request in the protocol's JSON form.
fn request_json(request: &RateLimitRequest) -> Value {
    let descriptors: Vec<Value> = request.descriptors.iter().map(descriptor_json).collect();
    json!({
        "domain": request.domain,
        "descriptors": descriptors,
        "hitsAddend": request.hits_addend,
    })
}

fn descriptor_json(descriptor: &RateLimitDescriptor) -> Value {
    let entry = |entry: &Entry| json!({ "key": entry.key, "value": entry.value });
    let entries: Vec<Value> = descriptor.entries.iter().map(entry).collect();
    let mut object = Map::new();
    object.insert("entries".to_owned(), entries.into());
    object.insert("is_negative_hits".to_owned(), descriptor.is_negative_hits.into());
    if let Some(limit) = &descriptor.limit {
        let limit = json!({ "requests_per_unit": limit.requests_per_unit, "unit": limit.unit });
        object.insert("limit".to_owned(), limit);
    }
    if let Some(hits) = &descriptor.hits_addend {
        object.insert("hits_addend".to_owned(), hits.value.to_string().into());
    }
    object.into()
}

/// The answer's JSON is JSON and says what the answer says.
fn assert_answer(response: &RateLimitResponse) {
    let written = write_response(response).unwrap_or_default();
    let read: Value = serde_json::from_slice(&written).unwrap_or_default();
    let code = |code: i32| match Code::try_from(code) {
        Ok(Code::Unknown) | Err(_) => Value::Null,
        Ok(code) => code.as_str_name().into(),
    };
    assert_eq!(read["overallCode"], code(response.overall_code));
    let none = Vec::new();
    let statuses = read["statuses"].as_array().unwrap_or(&none);
    assert_eq!(statuses.len(), response.statuses.len());
    for (json, status) in statuses.iter().zip(&response.statuses) {
        assert_eq!(json["code"], code(status.code));
        let remaining = json["limitRemaining"].as_u64().unwrap_or(0);
        assert_eq!(remaining, u64::from(status.limit_remaining));
        let limit = status.current_limit.as_ref().map_or(0, |limit| limit.requests_per_unit);
        let shown = json["currentLimit"]["requestsPerUnit"].as_u64().unwrap_or(0);
        assert_eq!(shown, u64::from(limit));
    }
    let headers = read["responseHeadersToAdd"].as_array().map_or(0, Vec::len);
    assert_eq!(headers, response.response_headers_to_add.len());
    assert_eq!(read["dynamicMetadata"].is_object(), response.dynamic_metadata.is_some());
}
