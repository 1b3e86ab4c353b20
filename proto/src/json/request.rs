//! `RateLimitRequest` from JSON.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::number::Whole;
use super::object::Object;
use crate::rls;
use crate::rls::rate_limit_descriptor::{Entry, RateLimitOverride};
use crate::rls::rate_limit_response::rate_limit::Unit;

/// Bytes of a sentence about what is wrong: it repeats names and values of the text.
const ERROR_BYTES_MAX: usize = 512;

/// Reads a request. The caller bounds the text's length.
///
/// # Errors
/// A sentence of at most 512 bytes with line and column, for text that is no JSON or no
/// `RateLimitRequest`.
pub fn parse_request(text: &[u8]) -> Result<rls::RateLimitRequest, String> {
    match serde_json::from_slice(text) {
        Ok(Object(request)) => Ok(Request::into_wire(request)),
        Err(error) => Err(sentence(&error)),
    }
}

/// What is wrong, cut before its place where it is long.
fn sentence(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if text.len() > ERROR_BYTES_MAX {
        let place = format!("… at line {} column {}", error.line(), error.column());
        text.truncate(text.floor_char_boundary(ERROR_BYTES_MAX - place.len()));
        text.push_str(&place);
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    domain: Option<String>,
    descriptors: Option<Vec<Object<Descriptor>>>,
    #[serde(alias = "hitsAddend")]
    hits_addend: Option<Whole<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Descriptor {
    entries: Option<Vec<Object<Pair>>>,
    limit: Option<Object<Limit>>,
    #[serde(alias = "hitsAddend")]
    hits_addend: Option<Whole<u64>>,
    #[serde(alias = "isNegativeHits")]
    is_negative_hits: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(alias = "requestsPerUnit")]
    requests_per_unit: Option<Whole<u32>>,
    unit: Option<UnitNumber>,
}

/// A unit by name or by number; any number is kept, to be judged with the rest of the message.
struct UnitNumber(i32);

impl<'de> Deserialize<'de> for UnitNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnitVisitor).map(Self)
    }
}

struct UnitVisitor;

impl Visitor<'_> for UnitVisitor {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a unit: SECOND, MINUTE, HOUR, DAY, WEEK, MONTH or YEAR")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<i32, E> {
        Unit::from_str_name(name)
            .map(i32::from)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i32, E> {
        i32::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i32, E> {
        i32::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }
}

impl Request {
    fn into_wire(self) -> rls::RateLimitRequest {
        let descriptors = self.descriptors.unwrap_or_default();
        rls::RateLimitRequest {
            domain: self.domain.unwrap_or_default(),
            descriptors: descriptors.into_iter().map(|Object(one)| one.into_wire()).collect(),
            hits_addend: self.hits_addend.map_or(0, |hits| hits.0),
        }
    }
}

impl Descriptor {
    fn into_wire(self) -> rls::RateLimitDescriptor {
        let entries = self.entries.unwrap_or_default();
        let entry = |Object(pair): Object<Pair>| Entry {
            key: pair.key.unwrap_or_default(),
            value: pair.value.unwrap_or_default(),
        };
        let limit = |Object(limit): Object<Limit>| RateLimitOverride {
            requests_per_unit: limit.requests_per_unit.map_or(0, |number| number.0),
            unit: limit.unit.map_or(0, |unit| unit.0),
        };
        rls::RateLimitDescriptor {
            entries: entries.into_iter().map(entry).collect(),
            limit: self.limit.map(limit),
            hits_addend: self.hits_addend.map(|hits| rls::UInt64Value { value: hits.0 }),
            is_negative_hits: self.is_negative_hits.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<rls::RateLimitRequest, String> {
        parse_request(text.as_bytes())
    }

    #[test]
    fn both_spellings_of_a_name_and_all_forms_of_a_number_are_read() {
        let camel = r#"{"domain":"d","hitsAddend":"2","descriptors":[{"entries":[{"key":"a","value":"b"}],
            "limit":{"requestsPerUnit":5.0,"unit":"MINUTE"},"hitsAddend":3,"isNegativeHits":true}]}"#;
        let snake = r#"{"domain":"d","hits_addend":2,"descriptors":[{"entries":[{"key":"a","value":"b"}],
            "limit":{"requests_per_unit":"5","unit":2},"hits_addend":"3","is_negative_hits":true}]}"#;
        let read = parse(camel).unwrap();
        assert_eq!(read, parse(snake).unwrap());
        assert_eq!(read.hits_addend, 2);
        let descriptor = &read.descriptors[0];
        assert_eq!(descriptor.limit, Some(RateLimitOverride { requests_per_unit: 5, unit: 2 }));
        assert_eq!(descriptor.hits_addend, Some(rls::UInt64Value { value: 3 }));
        assert!(descriptor.is_negative_hits);
    }

    #[test]
    fn null_is_absent() {
        let read = parse(r#"{"domain":"d","descriptors":null,"hitsAddend":null}"#).unwrap();
        assert_eq!(read, rls::RateLimitRequest { domain: "d".into(), ..Default::default() });
    }

    #[test]
    fn a_list_is_no_message() {
        for text in [
            r#"["d"]"#,
            r#"{"descriptors":[[[{"key":"a"}]]]}"#,
            r#"{"descriptors":[{"entries":[["a","b"]]}]}"#,
            r#"{"descriptors":[{"limit":[5,"MINUTE"]}]}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("sequence, expected an object at line 1"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_briefly() {
        let long = "ä".repeat(450_000);
        for text in [format!(r#"{{"{long}":1}}"#), format!(r#"{{"hitsAddend":"{long}"}}"#)] {
            let error = parse(&text).unwrap_err();
            assert!((500..=512).contains(&error.len()), "{}", error.len());
            assert!(error.contains("… at line 1 column 90"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, part) in [
            ("", "line 1 column 0"),
            (r#"{"domian":"d"}"#, "unknown field `domian`"),
            (r#"{"hitsAddend":-1}"#, "a whole number that is not negative"),
            (r#"{"hitsAddend":4294967296}"#, "too large"),
            (r#"{"hitsAddend":1.5}"#, "a whole number"),
            (r#"{"domain":"d","domain":"e"}"#, "duplicate field"),
            (r#"{"descriptors":[{"limit":{"unit":"FORTNIGHT"}}]}"#, "a unit: SECOND"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
