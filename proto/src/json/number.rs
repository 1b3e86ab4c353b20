//! Numbers as ProtoJSON takes them: `5`, `5.0`, `5e0` and `"5"` are the same number.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};

/// A whole number from zero to the greatest `T`.
pub(super) struct Whole<T>(pub(super) T);

impl<'de, T: TryFrom<u64>> de::Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(WholeVisitor)?;
        T::try_from(number)
            .map(Self)
            .map_err(|_| de::Error::custom(format!("{number} is too large for this field")))
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number that is not negative")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        // Beyond 2^53 a double does not name one whole number.
        let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
        if whole {
            Ok(number as u64)
        } else {
            Err(E::invalid_value(de::Unexpected::Float(number), &self))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}
