//! The Prometheus text format, written so that no label can break it.

use std::fmt::Display;

/// A page that is being written.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Begins a metric; its samples follow.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One sample. The names are constants; values are anything.
    pub(crate) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            self.escaped(value);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.0.push_str(&format!(" {value}\n"));
    }

    /// The page as text.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    /// The format's three escapes; everything else may stand in a label as it is.
    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// One sample as a reader of the format sees it.
    pub(crate) type Sample = (String, BTreeMap<String, String>, String);

    /// Reads a page by the letter of the format; none if any line is broken.
    pub(crate) fn read(page: &str) -> Option<Vec<Sample>> {
        let lines = page.split_terminator('\n').filter(|line| !line.starts_with('#'));
        lines.map(read_sample).collect()
    }

    fn read_sample(line: &str) -> Option<Sample> {
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let mut labels = BTreeMap::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (label, behind) = rest.split_once("=\"")?;
                let (value, behind) = read_value(behind)?;
                if !label.chars().all(is_name) || labels.insert(label.to_owned(), value).is_some() {
                    return None;
                }
                rest = behind;
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}')?;
        }
        let value = rest.strip_prefix(' ')?;
        value.parse::<f64>().ok()?;
        name.chars().all(is_name).then(|| (name.to_owned(), labels, value.to_owned()))
    }

    fn read_value(text: &str) -> Option<(String, &str)> {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => return Some((value, &text[at + 1..])),
                '\\' => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                c => value.push(c),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn any_value_comes_back_as_it_was(values in prop::collection::vec("(?s).{0,24}", 0..4)) {
            let labels = ["a", "b", "c", "d"];
            let pairs: Vec<_> =
                labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            let mut page = Page::default();
            page.family("x_total", "counter", "X.");
            page.sample("x_total", &pairs, 7);
            page.sample("y", &[], 0.5);
            let read = read(&page.into_text()).unwrap();
            prop_assert_eq!(read.len(), 2);
            prop_assert_eq!(read[0].1.len(), pairs.len());
            for (label, value) in pairs {
                prop_assert_eq!(&read[0].1[label], value);
            }
        }

        #[test]
        fn hostile_values_come_back_too(value in "[\\\\\"\n\r{},= a]{0,12}") {
            let mut page = Page::default();
            page.sample("x", &[("l", &value)], 1);
            prop_assert_eq!(&read(&page.into_text()).unwrap()[0].1["l"], &value);
        }
    }
}
