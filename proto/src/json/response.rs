//! `RateLimitResponse` to JSON.

use serde::Serialize;
use serde_json::Value as Json;

use crate::rls;
use crate::rls::rate_limit_response as wire;
use crate::rls::value::Kind;

/// Writes an answer: lowerCamelCase names, enums by name, durations such as `37s`, default values
/// left out.
///
/// # Errors
/// Never in practice: the twins hold nothing that JSON cannot.
pub fn write_response(response: &rls::RateLimitResponse) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Response::of(response))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(skip_serializing_if = "is_unknown")]
    overall_code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Status<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    response_headers_to_add: Vec<Header<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dynamic_metadata: Option<Json>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    #[serde(skip_serializing_if = "is_unknown")]
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_limit: Option<Limit<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    limit_remaining: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_until_reset: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Limit<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    requests_per_unit: u32,
    #[serde(skip_serializing_if = "is_unknown")]
    unit: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
}

impl<'a> Response<'a> {
    fn of(response: &'a rls::RateLimitResponse) -> Self {
        let header =
            |header: &'a rls::HeaderValue| Header { key: &header.key, value: &header.value };
        Self {
            overall_code: response.overall_code().as_str_name(),
            statuses: response.statuses.iter().map(Status::of).collect(),
            response_headers_to_add: response.response_headers_to_add.iter().map(header).collect(),
            dynamic_metadata: response.dynamic_metadata.as_ref().map(object),
        }
    }
}

impl<'a> Status<'a> {
    fn of(status: &'a wire::DescriptorStatus) -> Self {
        let limit = |limit: &'a wire::RateLimit| Limit {
            requests_per_unit: limit.requests_per_unit,
            unit: limit.unit().as_str_name(),
            name: &limit.name,
        };
        let seconds = |duration: &rls::Duration| format!("{}s", duration.seconds);
        Self {
            code: status.code().as_str_name(),
            current_limit: status.current_limit.as_ref().map(limit),
            limit_remaining: status.limit_remaining,
            duration_until_reset: status.duration_until_reset.as_ref().map(seconds),
        }
    }
}

fn object(object: &rls::Struct) -> Json {
    object.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

fn json(value: &rls::Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::NumberValue(number)) => number_json(*number),
        Some(Kind::StringValue(text)) => text.as_str().into(),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(inner)) => object(inner),
    }
}

/// A whole number is written without a fraction, as far as a double names one whole number.
fn number_json(number: f64) -> Json {
    let is_whole = number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0;
    if is_whole { (number as i64).into() } else { number.into() }
}

/// The name of every enum's zero value here.
fn is_unknown(name: &str) -> bool {
    name == "UNKNOWN"
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_the_reference_writes_it() {
        let limit = wire::RateLimit {
            requests_per_unit: 1,
            unit: wire::rate_limit::Unit::Minute.into(),
            ..Default::default()
        };
        let status = wire::DescriptorStatus {
            code: wire::Code::OverLimit.into(),
            current_limit: Some(limit),
            duration_until_reset: Some(rls::Duration { seconds: 37, nanos: 0 }),
            ..Default::default()
        };
        let response = rls::RateLimitResponse {
            overall_code: wire::Code::OverLimit.into(),
            statuses: vec![status],
            ..Default::default()
        };
        let text = String::from_utf8(write_response(&response).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"overallCode":"OVER_LIMIT","statuses":[{"code":"OVER_LIMIT","currentLimit":{"requestsPerUnit":1,"unit":"MINUTE"},"durationUntilReset":"37s"}]}"#
        );
    }

    #[test]
    fn dynamic_metadata_is_plain_json() {
        let value = |kind| rls::Value { kind: Some(kind) };
        let list = rls::ListValue { values: vec![value(Kind::NumberValue(2.0))] };
        let fields = [
            ("n".to_owned(), value(Kind::NumberValue(0.5))),
            ("l".to_owned(), value(Kind::ListValue(list))),
        ];
        let metadata = rls::Struct { fields: fields.into_iter().collect() };
        let response =
            rls::RateLimitResponse { dynamic_metadata: Some(metadata), ..Default::default() };
        let text = String::from_utf8(write_response(&response).unwrap()).unwrap();
        assert_eq!(text, r#"{"dynamicMetadata":{"l":[2],"n":0.5}}"#);
    }

    #[test]
    fn default_values_are_left_out() {
        let text = write_response(&rls::RateLimitResponse::default()).unwrap();
        assert_eq!(text, b"{}");
    }
}
