//! Numbers with units as a configuration writes them: `1m30s` and `512MiB`.
//!
//! Each form has one reader and one writer here. Ranges are the business of the fields.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units of a duration, longest first: the order in which they may follow each other.
const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of a size, largest first.
const SIZE_UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A length of time: whole numbers with the units `d`, `h`, `m`, `s` and `ms`, longest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length(pub(crate) Duration);

/// A number of bytes: a whole number, alone or with `B`, `KiB`, `MiB`, `GiB` or `TiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Length {
    /// The length that `text` spells; `None` for any other text and beyond 500 million years.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut units = DURATION_UNITS.iter();
        let mut millis = 0_u64;
        while !rest.is_empty() {
            let (number, behind) = split_number(rest)?;
            let end = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
            let (unit, behind) = behind.split_at(end);
            // Units that were passed are gone: each may stand once, a longer one before a shorter.
            let (_, length) = units.find(|(name, _)| *name == unit)?;
            millis = millis.checked_add(number.checked_mul(*length)?)?;
            rest = behind;
        }
        (!text.is_empty()).then_some(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (name, length) in DURATION_UNITS {
            if rest >= length {
                write!(f, "{}{name}", rest / length)?;
                rest %= length;
            }
        }
        Ok(())
    }
}

impl Size {
    /// The size that `text` spells; `None` for any other text and beyond 64 bits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_number(text)?;
        let (_, bytes) = SIZE_UNITS.into_iter().find(|(name, _)| *name == unit.trim_start())?;
        number.checked_mul(bytes).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, bytes): &(&str, u64)| self.0.is_multiple_of(*bytes);
        match SIZE_UNITS.into_iter().find(whole) {
            Some((name, bytes)) if self.0 > 0 && bytes > 1 => {
                write!(f, "{}{name}", self.0 / bytes)
            }
            _ => write!(f, "{}", self.0),
        }
    }
}

/// The digits at the start of `text`, and what stands behind them.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `15s`, `500ms`, `1m30s`, `1h` or `7d`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
                let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
                Length::parse(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Length {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units: Vec<_> = DURATION_UNITS.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "type": "string",
            // Looser than the reader, which also wants longer units first.
            "pattern": format!("^([0-9]+({}))+$", units.join("|")),
            "examples": ["15s", "500ms", "1m30s", "1h", "7d"],
        })
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(1 << 10) && self.0 > 0 {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes such as 65536, `64KiB`, `512MiB` or `2GiB`")
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
                Size::parse(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units: Vec<_> = SIZE_UNITS.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "type": ["integer", "string"],
            "minimum": 0,
            "pattern": format!("^[0-9]+ *({})$", units.join("|")),
            "examples": [65536, "64KiB", "512MiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, millis) in [
            ("15s", 15_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("7d", 604_800_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            let length = Length::parse(text).unwrap();
            assert_eq!(length, Length(Duration::from_millis(millis)), "{text}");
            assert_eq!(length.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "15",
            "s",
            "1.5s",
            "-1s",
            "+1s",
            "1 s",
            "1S",
            "30s1m",
            "1s1s",
            "1m 30s",
            "1w",
            "1µs",
            "99999999999999999999s",
            "213503982335d",
            "1ms1s",
        ] {
            assert_eq!(Length::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, bytes) in
            [("512MiB", 512 << 20), ("64KiB", 65_536), ("2GiB", 2 << 30), ("1TiB", 1 << 40)]
        {
            assert_eq!(Size::parse(text), Some(Size(bytes)), "{text}");
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Size::parse("100B"), Some(Size(100)));
        assert_eq!(Size::parse("8 KiB"), Some(Size(8_192)));
        assert_eq!((Size(0).to_string(), Size(1_000).to_string()), ("0".into(), "1000".into()));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "512", "512MB", "1.5GiB", "-1B", "512mib", "99999999999TiB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number in any::<u64>()) {
            let length = Length(Duration::from_millis(number));
            prop_assert_eq!(Length::parse(&length.to_string()), Some(length));
            let size = Size(number);
            let text = size.to_string();
            let read = Size::parse(&text).or_else(|| text.parse().ok().map(Size));
            prop_assert_eq!(read, Some(size));
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "\\PC{0,20}") {
            let _ = (Length::parse(&text), Size::parse(&text));
        }
    }
}
