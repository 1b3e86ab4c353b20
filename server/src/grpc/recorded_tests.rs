//! Answers of the reference service, recorded, and ours beside them: codes, limits, what remains,
//! headers (but the reset, which is a matter of the moment) and dynamic metadata.

use serde::Deserialize;
use serde_json::Value as Json;
use tollgate_core::limit::HeaderStyle;
use tollgate_core::time::{NANOS_PER_SECOND, Wall};
use tollgate_proto::rls::value::Kind;
use tollgate_proto::rls::{RateLimitResponse, Struct, Value};

use super::*;
use crate::decide::Answers;
use crate::decide::double::{On, on_both};
use crate::done::Done as _;
use crate::vectors;

#[derive(Deserialize)]
struct Case {
    file: String,
    yaml: String,
    requests: Vec<Json>,
    answers: Vec<Json>,
}

/// A window is never near its end while the cases run.
const NOON: Wall =
    Wall::from_nanos((1_700_000_000 - 1_700_000_000 % 86_400 + 43_201) * NANOS_PER_SECOND);

fn service(on: On, cases: &[Case]) -> RateLimit {
    let answers =
        Answers { headers: HeaderStyle::RateLimit, dynamic_metadata: true, ..Answers::default() };
    let files = cases.iter().map(|case| (case.file.as_str(), case.yaml.as_str()));
    testing::service(on, files, answers, NOON)
}

/// An answer in the recording's own form.
fn recorded_form(answer: &RateLimitResponse) -> Json {
    let status = |status: &tollgate_proto::rls::rate_limit_response::DescriptorStatus| {
        let mut json = serde_json::json!({
            "code": status.code, "remaining": status.limit_remaining,
        });
        if let Some(limit) = &status.current_limit {
            json["limit"] = serde_json::json!([limit.requests_per_unit, limit.unit, limit.name]);
            json["reset_ok"] = (status.duration_until_reset.is_some()).into();
        }
        json
    };
    let headers: Vec<_> = answer
        .response_headers_to_add
        .iter()
        .map(|header| (header.key.to_lowercase(), header.value.clone()))
        .filter(|(key, _)| key != "ratelimit-reset" && key != "retry-after")
        .collect();
    serde_json::json!({
        "overall": answer.overall_code,
        "statuses": answer.statuses.iter().map(status).collect::<Vec<_>>(),
        "headers": headers,
        "metadata": answer.dynamic_metadata.as_ref().map(|metadata| {
            let mut metadata = object(metadata);
            // What the reference does not say.
            if let Some(fields) = metadata.as_object_mut() {
                fields.remove("deniedBy");
            }
            metadata
        }),
    })
}

fn object(object: &Struct) -> Json {
    object.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

fn json(value: &Value) -> Json {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(value)) => (*value).into(),
        Some(Kind::NumberValue(value)) => (*value).into(),
        Some(Kind::StringValue(value)) => value.clone().into(),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(inner)) => object(inner),
    }
}

fn every_recorded_answer_of_the_reference_is_ours_too(on: On) {
    let Some(folder) = vectors::folder("ratelimit-recorded", "recorded answers") else { return };
    let text = std::fs::read_to_string(folder.join("cases.jsonl")).unwrap();
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let service = service(on, &cases);
    let (mut equal, mut different) = (0, Vec::new());
    for case in &cases {
        for (index, (request, recorded)) in case.requests.iter().zip(&case.answers).enumerate() {
            let message =
                tollgate_proto::json::parse_request(request.to_string().as_bytes()).unwrap();
            let ours = recorded_form(&service.answer(&message, None).done().unwrap());
            if ours == *recorded {
                equal += 1;
            } else {
                different
                    .push(format!("{} #{index}\n  {request}\n  {recorded}\n  {ours}", case.file));
            }
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert_eq!(equal, 960);
}

on_both! {
    every_recorded_answer_of_the_reference_is_ours_too,
}
