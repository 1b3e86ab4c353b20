//! A descriptor's `metadata`: any value, kept as it is for the answers of the service.
//!
//! The enum is neutral: the wire has a message of its own for it, which this knows nothing of.

use crate::config::document::{Document, Kind, Node, Resolved, Trail};
use crate::config::report::Issue;

/// A value as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Boolean(bool),
    /// A finite number; whole ones beyond 53 bits lose digits, as on the wire.
    Number(f64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in the order of the file.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// The value of a descriptor's metadata, which is a mapping.
    ///
    /// # Errors
    /// The first part that has no such value.
    pub(super) fn of(document: &Document, node: &Node, trail: &Trail<'_>) -> Result<Self, Issue> {
        match &node.kind {
            Kind::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => Ok(Self::Null),
                Resolved::Boolean(value) => Ok(Self::Boolean(value)),
                Resolved::Integer(number) => Ok(Self::Number(number as f64)),
                Resolved::Float(number) if number.is_finite() => Ok(Self::Number(number)),
                Resolved::Float(_) => {
                    let message =
                        format!("error parsing metadata: not a finite number: {}", node.describe());
                    Err(document.issue_at(node.place, trail, message))
                }
                Resolved::Text(text) => Ok(Self::Text(text.to_owned())),
            },
            Kind::Sequence(elements) => {
                let values = elements.iter().enumerate();
                let values = values.map(|(at, node)| Self::of(document, node, &trail.index(at)));
                Ok(Self::List(values.collect::<Result<_, _>>()?))
            }
            Kind::Mapping(entries) => {
                let values = entries.iter().map(|(key, value)| {
                    let Some(name) = key.as_text() else {
                        let message = "error parsing metadata: a key is no text";
                        return Err(document.issue_at(key.place, trail, message));
                    };
                    Ok((name.to_owned(), Self::of(document, value, &trail.key(name))?))
                });
                Ok(Self::Struct(values.collect::<Result<_, _>>()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;

    fn value(text: &str) -> Result<Value, Issue> {
        let document = document::parse("a.yaml", text).unwrap();
        Value::of(&document, &document.root, &Trail::Root)
    }

    #[test]
    fn every_kind_of_value_is_kept() {
        let text = "{a: null, b: true, c: 1, d: 1.5, e: x, f: [1, {g: '2'}], 7: y}";
        let inner = Value::Struct(vec![("g".to_owned(), Value::Text("2".to_owned()))]);
        let expected = [
            ("a", Value::Null),
            ("b", Value::Boolean(true)),
            ("c", Value::Number(1.0)),
            ("d", Value::Number(1.5)),
            ("e", Value::Text("x".to_owned())),
            ("f", Value::List(vec![Value::Number(1.0), inner])),
            ("7", Value::Text("y".to_owned())),
        ];
        let expected = expected.into_iter().map(|(name, value)| (name.to_owned(), value));
        assert_eq!(value(text).unwrap(), Value::Struct(expected.collect()));
    }

    #[test]
    fn what_the_wire_has_no_value_for_is_refused_with_its_place() {
        let issue = value("{a: [1, .inf]}").unwrap_err();
        let expected = "a.yaml:1:9: a[1]: error parsing metadata: not a finite number: .inf";
        assert_eq!(issue.to_string(), expected);
        let issue = value("{[a]: 1}").unwrap_err();
        assert_eq!(issue.to_string(), "a.yaml:1:2: error parsing metadata: a key is no text");
    }
}
