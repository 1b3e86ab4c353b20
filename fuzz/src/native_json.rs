//! Bodies of the native API's paths, one a line: read, decided and answered as the http listener does.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tollgate_server::http::{Answer, Json};

use crate::native_rig::{NativeRig, at_once};
use crate::rig::message_bytes_max;

/// Calls of one input.
const CALLS_MAX: usize = 64;

/// What stands for the newest reservation, whose name nobody could guess.
const NEWEST: &str = "RESERVATION";

/// By the line's first digit.
const PATHS: [&str; 8] = [
    "/v1/check",
    "/v1/check/batch",
    "/v1/peek",
    "/v1/reserve",
    "/v1/commit",
    "/v1/cancel",
    "/v1/refund",
    "/v1/reset",
];

/// Panics if an answer is no JSON, a fault of the node, or an error without its words; or if more of
/// a limit is spent and held than there is. A line begins with the digit of its path; one that
/// begins with `8` lets as many seconds pass as it has bytes.
pub fn native_json(data: &[u8]) {
    if data.len() > message_bytes_max() {
        return;
    }
    let rig = NativeRig::new();
    let mut newest = String::new();
    for line in data.split(|byte| *byte == b'\n').take(CALLS_MAX) {
        let Some((first, body)) = line.split_first() else { continue };
        match PATHS.get(usize::from(first.wrapping_sub(b'0'))) {
            Some(path) => {
                let body = named(body, &newest);
                let answer =
                    at_once(Json(&rig.native).post(path, &HeaderMap::new(), &body)).flatten();
                assert!(answer.is_some(), "no {path}");
                let told = answer.map(told).unwrap_or_default();
                if let Some(name) = told["reservation"].as_str().filter(|name| !name.is_empty()) {
                    name.clone_into(&mut newest);
                }
            }
            None => rig.advance(Duration::from_secs(body.len() as u64)),
        }
        rig.assert_limits();
    }
}

fn named(body: &[u8], newest: &str) -> Vec<u8> {
    match std::str::from_utf8(body) {
        Ok(text) => text.replace(NEWEST, newest).into_bytes(),
        Err(_) => body.to_vec(),
    }
}

fn told(answer: Answer) -> Value {
    let (head, body) = answer.into_parts();
    let body = at_once(body.collect()).and_then(Result::ok);
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let read: Value = serde_json::from_slice(&body).unwrap_or_default();
    assert!(read.is_object(), "{} {body:?}", head.status);
    let is_decision = matches!(head.status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS);
    assert_ne!(head.status, StatusCode::INTERNAL_SERVER_ERROR, "{read}");
    assert!(is_decision || read["error"].is_string() && read["message"].is_string(), "{read}");
    read
}
