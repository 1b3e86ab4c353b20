//! Scalars: text as it was written, and what a plain one stands for in YAML 1.2's core schema.
//!
//! A scalar is given a type only when someone asks, so that `5` serves as text where text is
//! wanted. Quoted text is never a number.

use std::sync::Arc;

use crate::config::report::excerpt;

/// A scalar as it was written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Shared: aliases of a long text do not repeat it.
    pub(crate) text: Arc<str>,
    /// Neither quoted nor a block.
    pub(crate) plain: bool,
    pub(crate) tag: Option<Tag>,
}

/// A tag of YAML's own; others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Text,
    Integer,
    Float,
    Boolean,
    Null,
}

/// What a scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resolved<'a> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl Scalar {
    /// The scalar's value.
    pub(crate) fn resolve(&self) -> Resolved<'_> {
        let text = &*self.text;
        let plain = match self.tag {
            None if self.plain => resolve_plain(text),
            None | Some(Tag::Text) => Resolved::Text(text),
            Some(_) => resolve_plain(text),
        };
        match (self.tag, plain) {
            (Some(Tag::Float), Resolved::Integer(number)) => Resolved::Float(number as f64),
            _ => plain,
        }
    }

    /// The value in a message's words.
    pub(crate) fn describe(&self) -> String {
        match self.resolve() {
            Resolved::Null => "nothing".to_owned(),
            Resolved::Text(text) => format!("text \"{}\"", excerpt(text)),
            Resolved::Boolean(_) | Resolved::Integer(_) | Resolved::Float(_) => excerpt(&self.text),
        }
    }
}

fn resolve_plain(text: &str) -> Resolved<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Boolean(true),
        "false" | "False" | "FALSE" => return Resolved::Boolean(false),
        _ => {}
    }
    if let Some(number) = integer(text) {
        return Resolved::Integer(number);
    }
    float(text).map_or(Resolved::Text(text), Resolved::Float)
}

fn integer(text: &str) -> Option<i128> {
    if let Some(digits) = text.strip_prefix("0x") {
        return unsigned(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return unsigned(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = unsigned(digits, 10)?;
    Some(if text.starts_with('-') { -number } else { number })
}

fn unsigned(digits: &str, radix: u32) -> Option<i128> {
    // The standard parser would take a sign, too.
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
            return Some(f64::INFINITY.copysign(sign));
        }
        ".nan" | ".NaN" | ".NAN" => return (unsigned == text).then_some(f64::NAN),
        _ => {}
    }
    // The standard parser also takes words such as `inf` and `nan`, which are text in YAML.
    let digits_only =
        unsigned.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let has_digit = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    (digits_only && has_digit).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.into(), plain: true, tag: None }
    }

    #[test]
    fn plain_text_is_typed_as_the_core_schema_says() {
        for (text, value) in [
            ("", Resolved::Null),
            ("~", Resolved::Null),
            ("True", Resolved::Boolean(true)),
            ("5", Resolved::Integer(5)),
            ("-5", Resolved::Integer(-5)),
            ("+5", Resolved::Integer(5)),
            ("010", Resolved::Integer(10)),
            ("0x1F", Resolved::Integer(31)),
            ("0o17", Resolved::Integer(15)),
            ("0.5", Resolved::Float(0.5)),
            (".5", Resolved::Float(0.5)),
            ("1e3", Resolved::Float(1_000.0)),
            ("-.inf", Resolved::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(plain(text).resolve(), value, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_text() {
        for text in [
            "ten", "1.2.3", "0x", "0xg", "--5", "+-5", "inf", "nan", "1_000", "yes", "e5", "-", ".",
        ] {
            assert_eq!(plain(text).resolve(), Resolved::Text(text), "{text}");
        }
    }

    #[test]
    fn quotes_and_tags_decide_over_looks() {
        let quoted = Scalar { plain: false, ..plain("5") };
        assert_eq!(quoted.resolve(), Resolved::Text("5"));
        let text = Scalar { tag: Some(Tag::Text), ..plain("5") };
        assert_eq!(text.resolve(), Resolved::Text("5"));
        let number = Scalar { tag: Some(Tag::Integer), ..quoted.clone() };
        assert_eq!(number.resolve(), Resolved::Integer(5));
        let float = Scalar { tag: Some(Tag::Float), ..quoted };
        assert_eq!(float.resolve(), Resolved::Float(5.0));
    }

    #[test]
    fn numbers_beyond_every_type_do_not_overflow() {
        let digits = "9".repeat(400);
        assert_eq!(plain(&digits).resolve(), Resolved::Float(f64::INFINITY));
        assert!(plain(&digits).describe().ends_with('…'));
    }
}
