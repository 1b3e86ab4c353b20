//! What an operator attached to a limit, for answers to carry: values as JSON has them.

use std::collections::BTreeMap;

/// Values by name.
pub type Map = BTreeMap<Box<str>, Value>;

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
    Text(Box<str>),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(Map),
}

/// Adds to `into` what it does not have yet: the first value of a name wins, and maps under one
/// name are merged in the same way.
pub fn merge(into: &mut Map, from: &Map) {
    for (name, value) in from {
        match (into.get_mut(name), value) {
            (None, _) => {
                into.insert(name.clone(), value.clone());
            }
            (Some(Value::Map(into)), Value::Map(from)) => merge(into, from),
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Map {
        entries.iter().map(|(name, value)| (Box::from(*name), value.clone())).collect()
    }

    #[test]
    fn the_first_value_wins_and_maps_are_merged() {
        let mut into =
            map(&[("a", Value::Number(1.0)), ("m", Value::Map(map(&[("x", Value::Null)])))]);
        let inner = map(&[("x", Value::Boolean(true)), ("y", Value::Boolean(true))]);
        let from = map(&[("a", Value::Number(2.0)), ("b", Value::Null), ("m", Value::Map(inner))]);
        merge(&mut into, &from);
        let merged = map(&[("x", Value::Null), ("y", Value::Boolean(true))]);
        let expected =
            map(&[("a", Value::Number(1.0)), ("b", Value::Null), ("m", Value::Map(merged))]);
        assert_eq!(into, expected);
        assert_eq!(from["a"], Value::Number(2.0), "what was merged from is left as it was");
    }
}
