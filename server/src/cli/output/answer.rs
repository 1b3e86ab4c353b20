//! A result in a form for programs: the JSON that is API, and the same as YAML.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cli::exit::Cause;
use crate::cli::failure::{Failure, next};

/// A result, as JSON: what the admin API answered, or what a command found itself.
#[derive(Debug)]
pub(in crate::cli) struct Answered(Bytes);

impl Answered {
    /// What came over the wire.
    pub(in crate::cli) fn from_wire(body: Bytes) -> Self {
        Self(body)
    }

    /// A result of the command itself.
    pub(in crate::cli) fn of(value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(value);
        body.map(|body| Self(body.into())).map_err(|error| unreadable(&error))
    }

    /// Reads it.
    ///
    /// # Errors
    /// If this version does not know its form.
    pub(in crate::cli) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.0).map_err(|error| unreadable(&error))
    }

    /// As it came.
    pub(super) fn json(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The same fields in the same order, as YAML.
    pub(super) fn yaml(&self) -> Result<String, Failure> {
        let any: Any = self.read()?;
        let mut options = serde_saphyr::SerializerOptions::default();
        options.prefer_block_scalars = false; // a client's text stays on one line
        serde_saphyr::to_string_with_options(&any, options).map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &impl fmt::Display) -> Failure {
    let what = format!("the node answers in a form that this version does not know: {error}");
    Failure::new(Cause::Other, what, next::AS_IT_IS)
}

/// Any JSON, with the order of its fields; unknown ones of a newer node included.
#[derive(Debug, PartialEq)]
enum Any {
    Null,
    Switch(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Any>),
    Fields(Vec<(String, Any)>),
}

impl Serialize for Any {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Switch(value) => to.serialize_bool(*value),
            Self::Number(value) => value.serialize(to),
            Self::Text(value) => to.serialize_str(value),
            Self::List(items) => to.collect_seq(items),
            Self::Fields(fields) => to.collect_map(fields.iter().map(|(name, any)| (name, any))),
        }
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyVisitor)
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Switch(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(Any::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Any::Null, Any::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Any::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Any, A::Error> {
        let mut found = Vec::new();
        while let Some(field) = fields.next_entry()? {
            found.push(field);
        }
        Ok(Any::Fields(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_has_every_field_in_the_nodes_order() {
        let body = r#"{"z":1,"a":[{"b":null},2.5,true,-3],"new":"x"}"#;
        let yaml = Answered::from_wire(Bytes::from_static(body.as_bytes())).yaml().unwrap();
        assert_eq!(yaml, "z: 1\na:\n- b: null\n- 2.5\n- true\n- -3\nnew: x\n");
    }

    #[test]
    fn a_clients_text_stays_text_and_drives_no_terminal() {
        for (text, expected) in [
            ("no", "- \"no\"\n"),
            ("12", "- \"12\"\n"),
            ("a: b", "- \"a: b\"\n"),
            ("\u{1b}[31mred", "- \"\\e[31mred\"\n"),
            ("two\nlines", "- \"two\\nlines\"\n"),
            ("", "- \"\"\n"),
            ("- x", "- \"- x\"\n"),
            ("# c", "- \"# c\"\n"),
        ] {
            assert_eq!(Answered::of(&[text]).unwrap().yaml().unwrap(), expected);
        }
    }

    #[test]
    fn an_unknown_form_is_told_with_what_to_try() {
        let failure = Answered::from_wire(Bytes::from_static(b"{")).read::<u8>().unwrap_err();
        assert!(failure.to_string().ends_with("next: tollgate status -o json"), "{failure}");
    }
}
