//! What was wanted and what was found, in a configuration's words instead of serde's.

use serde::de::{Expected, Unexpected};

use crate::config::report::excerpt;

/// What was wanted.
pub(super) fn expected(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let whole = |least: i128, most: u128| format!("a whole number from {least} to {most}");
    match wanted.as_str() {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => whole(0, u64::MAX.into()),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "str" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a mapping".to_owned(),
        "field identifier" => "a key".to_owned(),
        other if other.starts_with("struct ") => "a mapping".to_owned(),
        _ => wanted,
    }
}

/// What was found.
pub(super) fn found(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => format!("{number:?}"),
        Unexpected::Str(text) => format!("text \"{}\"", excerpt(text)),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Other(other) => other.to_owned(),
        other => other.to_string(),
    }
}
