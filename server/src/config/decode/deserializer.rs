//! serde's view of a document's node: scalars typed on demand, errors with their place.

use std::slice;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use super::LeftOut;
use super::error::DecodeError;
use crate::config::document::{Kind, Node, Place, Resolved, Trail};
use crate::config::report::excerpt;

/// A node with what an error about it needs.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'a> {
    pub(super) node: &'a Node,
    /// The place to name.
    pub(super) place: Place,
    pub(super) trail: &'a Trail<'a>,
    /// The node to leave out if this one is wrong: itself, or the key of the entry.
    pub(super) cause: &'a Node,
    pub(super) left_out: &'a LeftOut,
}

impl NodeDeserializer<'_> {
    fn located<T>(&self, result: Result<T, DecodeError>) -> Result<T, DecodeError> {
        result.map_err(|error| error.at(self.trail, self.place, self.cause))
    }

    fn visit<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.kind {
            Kind::Sequence(elements) => {
                visitor.visit_seq(Elements { parent: *self, rest: elements.iter().enumerate() })
            }
            Kind::Mapping(entries) => {
                visitor.visit_map(Entries { parent: *self, rest: entries.iter(), current: None })
            }
            Kind::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => visitor.visit_unit(),
                Resolved::Boolean(value) => visitor.visit_bool(value),
                Resolved::Integer(number) => visit_integer(number, visitor),
                Resolved::Float(number) => visitor.visit_f64(number),
                Resolved::Text(text) => visitor.visit_str(text),
            },
        }
    }
}

/// The smallest of serde's integers that holds the number, so that its own bounds check applies.
fn visit_integer<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, DecodeError> {
    if let Ok(number) = u64::try_from(number) {
        visitor.visit_u64(number)
    } else if let Ok(number) = i64::try_from(number) {
        visitor.visit_i64(number)
    } else {
        let digits = excerpt(&number.to_string());
        Err(DecodeError::invalid_value(Unexpected::Other(&digits), &visitor))
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.located(self.visit(visitor))
    }

    /// Any scalar serves as text, except nothing.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = self.node.as_text().filter(|_| !self.node.is_null());
        self.located(match text {
            Some(text) => visitor.visit_str(text),
            None => self.visit(visitor),
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    /// A list whose elements are all commented out is empty.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            let none = Elements { parent: self, rest: [].iter().enumerate() };
            return self.located(visitor.visit_seq(none));
        }
        self.deserialize_any(visitor)
    }

    /// A section whose keys are all commented out is empty.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.node.is_null() {
            let none = Entries { parent: self, rest: [].iter(), current: None };
            return self.located(visitor.visit_map(none));
        }
        self.deserialize_any(visitor)
    }

    /// Only a mapping: serde would also take a list, by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if let Kind::Sequence(_) = self.node.kind {
            let error = DecodeError::invalid_type(Unexpected::Seq, &visitor);
            return self.located(Err(error));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let text = self.node.as_text().filter(|_| !self.node.is_null());
        self.located(match text {
            Some(text) => {
                let name: StrDeserializer<'_, DecodeError> = text.into_deserializer();
                visitor.visit_enum(name)
            }
            None => Err(DecodeError::none_of(variants, &self.node.describe())),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct
    }
}

/// The elements of a list that are not left out.
struct Elements<'a> {
    parent: NodeDeserializer<'a>,
    rest: std::iter::Enumerate<slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let left_out = self.parent.left_out;
        let Some((index, node)) = self.rest.find(|(_, node)| !left_out.contains(node)) else {
            return Ok(None);
        };
        let trail = self.parent.trail.index(index);
        let element =
            NodeDeserializer { node, place: node.place, trail: &trail, cause: node, left_out };
        seed.deserialize(element).map_err(|error| error.at(&trail, node.place, node)).map(Some)
    }
}

/// The entries of a mapping that are not left out.
struct Entries<'a> {
    parent: NodeDeserializer<'a>,
    rest: slice::Iter<'a, (Node, Node)>,
    current: Option<&'a (Node, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let left_out = self.parent.left_out;
        self.current = self.rest.find(|(key, _)| !left_out.contains(key));
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        let name = key.as_text().unwrap_or("?");
        let trail = self.parent.trail.key(name);
        let node =
            NodeDeserializer { node: key, place: key.place, trail: &trail, cause: key, left_out };
        seed.deserialize(node).map_err(|error| error.at(&trail, key.place, key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, value)) = self.current else {
            return Err(DecodeError::custom("a value was asked for before its key"));
        };
        let trail = self.parent.trail.key(key.as_text().unwrap_or("?"));
        let place = value.place_under(key);
        let left_out = self.parent.left_out;
        let node = NodeDeserializer { node: value, place, trail: &trail, cause: key, left_out };
        seed.deserialize(node).map_err(|error| error.at(&trail, place, key))
    }
}
