//! Scalars as the reference reads them: YAML 1.1 in the dialect of its parser.
//!
//! There `yes` and `on` are true, `010` is eight, and `1_000` a number. Anything serves as text,
//! though, so this matters only where a number or a truth value is wanted, and for refusing what
//! the reference refuses.

use crate::config::document::{Kind, Node, Scalar, Tag};

/// What a scalar is to the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    /// A number that is no 64-bit integer.
    Number,
    Text(&'a str),
}

impl<'a> Leaf<'a> {
    pub(super) fn of(scalar: &'a Scalar) -> Self {
        let text = &*scalar.text;
        let is_typed = scalar.plain && scalar.tag.is_none();
        match scalar.tag {
            Some(Tag::Text) => Self::Text(text),
            None if !is_typed => Self::Text(text),
            _ => Self::plain(text),
        }
    }

    fn plain(text: &'a str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                return Self::Boolean(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => return Self::Boolean(false),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
            | "-.INF" | ".nan" | ".NaN" | ".NAN" => return Self::Number,
            _ => {}
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
            return Self::Text(text);
        }
        let digits = text.replace('_', "");
        match integer(&digits) {
            Some(number) => i64::try_from(number).map_or(Self::Number, Self::Integer),
            None if is_float(&digits) => Self::Number,
            None => Self::Text(text),
        }
    }
}

/// A whole number with an optional sign and prefix; a leading zero is octal.
fn integer(text: &str) -> Option<i128> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (&*lower, 10)
    };
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    let number = all_digits.then(|| i128::from_str_radix(digits, radix).ok()).flatten()?;
    Some(if text.starts_with('-') { -number } else { number })
}

/// Digits with at most one point, and an optional exponent.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_fits = digits(whole) && digits(part) && (whole.len() + part.len() > 0);
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

/// A node as the reference would print it in a message, cut where it gets long.
pub(super) fn printed(node: &Node) -> String {
    let mut text = String::new();
    print(node, &mut text);
    crate::config::report::excerpt(&text)
}

/// Stops once there is more than a message takes.
fn print(node: &Node, text: &mut String) {
    const ENOUGH_BYTES: usize = 512;
    match &node.kind {
        Kind::Scalar(scalar) => match Leaf::of(scalar) {
            Leaf::Null => text.push_str("<nil>"),
            Leaf::Boolean(value) => text.push_str(if value { "true" } else { "false" }),
            Leaf::Integer(_) | Leaf::Number | Leaf::Text(_) => text.push_str(&scalar.text),
        },
        Kind::Sequence(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if text.len() > ENOUGH_BYTES {
                    return;
                }
                text.push_str(if index > 0 { " " } else { "" });
                print(element, text);
            }
            text.push(']');
        }
        Kind::Mapping(entries) => {
            text.push_str("map[");
            for (index, (key, value)) in entries.iter().enumerate() {
                if text.len() > ENOUGH_BYTES {
                    return;
                }
                text.push_str(if index > 0 { " " } else { "" });
                print(key, text);
                text.push(':');
                print(value, text);
            }
            text.push(']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_typed_as_the_reference_does() {
        for (text, leaf) in [
            ("", Leaf::Null),
            ("~", Leaf::Null),
            ("yes", Leaf::Boolean(true)),
            ("Off", Leaf::Boolean(false)),
            ("5", Leaf::Integer(5)),
            ("-5", Leaf::Integer(-5)),
            ("010", Leaf::Integer(8)),
            ("0x1F", Leaf::Integer(31)),
            ("0b11", Leaf::Integer(3)),
            ("1_000", Leaf::Integer(1_000)),
            ("0", Leaf::Integer(0)),
            ("1.5", Leaf::Number),
            (".5", Leaf::Number),
            ("5.", Leaf::Number),
            ("1e3", Leaf::Number),
            ("-.INF", Leaf::Number),
            ("18446744073709551615", Leaf::Number),
            ("09", Leaf::Number),
        ] {
            assert_eq!(Leaf::plain(text), leaf, "{text}");
        }
    }

    #[test]
    fn other_text_is_text() {
        for text in ["a", "1.2.3", "2001-01-01", "_1", "-", ".", "+", "e3", "1e", "0x", "10.0.0.1"]
        {
            assert_eq!(Leaf::plain(text), Leaf::Text(text), "{text}");
        }
        let quoted = Scalar { text: "5".into(), plain: false, tag: None };
        assert_eq!(Leaf::of(&quoted), Leaf::Text("5"));
    }
}
