//! A descriptor's `metadata`: any value, kept as it is for the answers of the service.

use tollgate_core::metadata::{Map, Value};

use crate::config::document::{Document, Kind, Node, Resolved, Trail};
use crate::config::report::Issue;

/// The values of a mapping's entries.
///
/// # Errors
/// The first part that has no such value.
pub(super) fn map(
    document: &Document,
    entries: &[(Node, Node)],
    trail: &Trail<'_>,
) -> Result<Map, Issue> {
    let values = entries.iter().map(|(key, node)| {
        let Some(name) = key.as_text() else {
            let message = "error parsing metadata: a key is no text";
            return Err(document.issue_at(key.place, trail, message));
        };
        Ok((name.into(), value(document, node, &trail.key(name))?))
    });
    values.collect()
}

fn value(document: &Document, node: &Node, trail: &Trail<'_>) -> Result<Value, Issue> {
    match &node.kind {
        Kind::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Ok(Value::Null),
            Resolved::Boolean(value) => Ok(Value::Boolean(value)),
            Resolved::Integer(number) => Ok(Value::Number(number as f64)),
            Resolved::Float(number) if number.is_finite() => Ok(Value::Number(number)),
            Resolved::Float(_) => {
                let message =
                    format!("error parsing metadata: not a finite number: {}", node.describe());
                Err(document.issue_at(node.place, trail, message))
            }
            Resolved::Text(text) => Ok(Value::Text(text.into())),
        },
        Kind::Sequence(elements) => {
            let values = elements.iter().enumerate();
            let values = values.map(|(at, node)| value(document, node, &trail.index(at)));
            Ok(Value::List(values.collect::<Result<_, _>>()?))
        }
        Kind::Mapping(entries) => map(document, entries, trail).map(Value::Map),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;

    fn read(text: &str) -> Result<Value, Issue> {
        let document = document::parse("a.yaml", text).unwrap();
        value(&document, &document.root, &Trail::Root)
    }

    #[test]
    fn every_kind_of_value_is_kept() {
        let text = "{a: null, b: true, c: 1, d: 1.5, e: x, f: [1, {g: '2'}], 7: y}";
        let inner = Value::Map(Map::from([("g".into(), Value::Text("2".into()))]));
        let expected = [
            ("a", Value::Null),
            ("b", Value::Boolean(true)),
            ("c", Value::Number(1.0)),
            ("d", Value::Number(1.5)),
            ("e", Value::Text("x".into())),
            ("f", Value::List(vec![Value::Number(1.0), inner])),
            ("7", Value::Text("y".into())),
        ];
        let expected = expected.into_iter().map(|(name, value)| (name.into(), value));
        assert_eq!(read(text).unwrap(), Value::Map(expected.collect()));
    }

    #[test]
    fn what_the_wire_has_no_value_for_is_refused_with_its_place() {
        let issue = read("{a: [1, .inf]}").unwrap_err();
        let expected = "a.yaml:1:9: a[1]: error parsing metadata: not a finite number: .inf";
        assert_eq!(issue.to_string(), expected);
        let issue = read("{[a]: 1}").unwrap_err();
        assert_eq!(issue.to_string(), "a.yaml:1:2: error parsing metadata: a key is no text");
    }
}
