//! The query of a request's target: names and values, percent-decoded, each known and given once.

use super::api::Refused;

/// The pairs of a query.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query whose names are all in `known`.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, Refused> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let both = decode(name).zip(decode(value));
            let (name, value) = both.ok_or_else(|| {
                Refused::bad_request(format!("`{part}` is not percent-encoded UTF-8"))
            })?;
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let message = format!("no parameter `{name}` here; there are: {known}");
                return Err(Refused::bad_request(message));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Refused::bad_request(format!("`{name}` is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of `name`; one that is empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A switch: absent is off.
    pub(super) fn switch(&self, name: &str) -> Result<bool, Refused> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => {
                Err(Refused::bad_request(format!("`{name}` is true or false, not `{other}`")))
            }
        }
    }

    /// A count from one to `max`.
    pub(super) fn count(&self, name: &str, default: usize, max: usize) -> Result<usize, Refused> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let count = text.parse().ok().filter(|count| (1..=max).contains(count));
        count.ok_or_else(|| {
            Refused::bad_request(format!("`{name}` is a number from 1 to {max}, not `{text}`"))
        })
    }
}

/// A query's value, encoded so that [`Query::parse`] reads it back.
pub(crate) fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                let both =
                    (char::from(digits[0]).to_digit(16)?, char::from(digits[1]).to_digit(16)?);
                bytes.push(u8::try_from(both.0 * 16 + both.1).ok()?);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        let value = "d user=a&b%+ä\n/…";
        let query =
            Query::parse(&format!("contains={}&over=true", encode(value)), &["contains", "over"]);
        let query = query.unwrap();
        assert_eq!(query.text("contains"), Some(value));
        assert!(query.switch("over").unwrap());
        assert_eq!(Query::parse("a=b+c", &["a"]).unwrap().text("a"), Some("b c"));
    }

    #[test]
    fn what_is_unknown_twice_or_broken_is_refused() {
        for text in ["x=1", "a=1&a=2", "a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(Query::parse(text, &["a"]).is_err(), "{text}");
        }
        let query = Query::parse("n=0&m=11&s=yes&e=", &["n", "m", "s", "e"]).unwrap();
        assert!(query.count("n", 5, 10).is_err() && query.count("m", 5, 10).is_err());
        assert!(query.switch("s").is_err());
        assert_eq!(query.count("e", 5, 10).unwrap(), 5);
    }
}
