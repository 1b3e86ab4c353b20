//! Numbers with units as a configuration writes them: `1m30s`, `512MiB` and `600/m`.
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

/// Units of a rate, shortest first.
const RATE_UNITS: [(&str, u64); 5] =
    [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)];

/// A number of hits in a length of time: `600/m` or `100/15s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) hits: u32,
    pub(crate) per: Duration,
}

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

impl Rate {
    /// The rate that `text` spells; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (hits, per) = split_number(text)?;
        let hits = u32::try_from(hits).ok()?;
        let per = per.strip_prefix('/')?;
        let unit = RATE_UNITS.into_iter().find(|(name, _)| *name == per);
        let per = match unit {
            Some((_, seconds)) => Duration::from_secs(seconds),
            None => Length::parse(per)?.0,
        };
        Some(Self { hits, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_unit = |(_, seconds): &(&str, u64)| Duration::from_secs(*seconds) == self.per;
        match RATE_UNITS.into_iter().find(is_unit) {
            Some((name, _)) => write!(f, "{}/{name}", self.hits),
            None => write!(f, "{}/{}", self.hits, Length(self.per)),
        }
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

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Rate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate such as `600/m`, `50000/s` or `100/15s`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
                Rate::parse(text).ok_or_else(wrong)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let units: Vec<_> = RATE_UNITS.iter().map(|(name, _)| *name).collect();
        let lengths: Vec<_> = DURATION_UNITS.iter().map(|(name, _)| *name).collect();
        let (units, lengths) = (units.join("|"), lengths.join("|"));
        json_schema!({
            "type": "string",
            "pattern": format!("^[0-9]+/({units}|([0-9]+({lengths}))+)$"),
            "examples": ["600/m", "50000/s", "100/15s"],
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
#[path = "quantity_tests.rs"]
mod tests;
