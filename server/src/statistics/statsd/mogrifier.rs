//! Rewriting names: what the reference calls mogrifiers. A pattern takes a name apart, and a new
//! name and tags are made of the parts.

use regex::{Captures, Regex, RegexBuilder};

/// Bytes that a compiled pattern may take. Patterns are the operator's, and short.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A rule that turns a name into another and tags.
#[derive(Clone, Debug)]
pub(crate) struct Mogrifier {
    pattern: Regex,
    name: String,
    tags: Vec<(String, String)>,
}

/// Why there is no such rule.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MogrifierError {
    /// The pattern cannot be compiled.
    #[error("the pattern is not a regular expression: {0}")]
    Pattern(String),
    /// Something is empty.
    #[error("{0} cannot be empty")]
    Empty(&'static str),
}

impl Mogrifier {
    /// A rule; `$0`, `$1`, … in the name and in values of tags stand for what the pattern matched.
    ///
    /// # Errors
    /// [`MogrifierError`] for anything empty and a pattern that cannot be compiled.
    pub(crate) fn new(
        pattern: &str,
        name: &str,
        tags: Vec<(String, String)>,
    ) -> Result<Self, MogrifierError> {
        let is_empty = |(key, value): &(String, String)| key.is_empty() || value.is_empty();
        for (what, wrong) in [
            ("the pattern", pattern.is_empty()),
            ("the name", name.is_empty()),
            ("a tag", tags.iter().any(is_empty)),
        ] {
            if wrong {
                return Err(MogrifierError::Empty(what));
            }
        }
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
        // The library's text draws the place over several lines; the last one says what is wrong.
        let last = |error: regex::Error| {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim().to_owned()
        };
        let pattern = compiled.map_err(|error| MogrifierError::Pattern(last(error)))?;
        Ok(Self { pattern, name: name.to_owned(), tags })
    }

    /// The new name and tags, if the pattern fits.
    fn apply(&self, name: &str) -> Option<(String, Vec<(String, String)>)> {
        let found = self.pattern.captures(name)?;
        let tag = |(key, value): &(String, String)| (key.clone(), expand(value, &found));
        Some((expand(&self.name, &found), self.tags.iter().map(tag).collect()))
    }
}

impl PartialEq for Mogrifier {
    fn eq(&self, other: &Self) -> bool {
        let pattern = self.pattern.as_str() == other.pattern.as_str();
        pattern && self.name == other.name && self.tags == other.tags
    }
}

/// What the first rule that fits makes of a name.
pub(super) fn mogrify(rules: &[Mogrifier], name: String) -> (String, Vec<(String, String)>) {
    rules.iter().find_map(|rule| rule.apply(&name)).unwrap_or((name, Vec::new()))
}

/// A group that took no part is empty; a number beyond the groups stays as it is.
fn expand(template: &str, found: &Captures<'_>) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (before, behind) = rest.split_at(at);
        text.push_str(before);
        let digits = behind[1..].bytes().take_while(u8::is_ascii_digit).count();
        let (reference, behind) = behind.split_at(1 + digits);
        let group = reference[1..].parse::<usize>().ok().filter(|group| *group < found.len());
        text.push_str(match group {
            Some(group) => found.get(group).map_or("", |group| group.as_str()),
            None => reference,
        });
        rest = behind;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const HITS: &str = r"^ratelimit\.service\.rate_limit\.(.*)\.(.*)\.(.*)$";

    fn rule(pattern: &str, name: &str, tags: &[(&str, &str)]) -> Mogrifier {
        let tags = tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Mogrifier::new(pattern, name, tags).unwrap()
    }

    fn shown(rules: &[Mogrifier], name: &str) -> String {
        let (name, tags) = mogrify(rules, name.to_owned());
        let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!("{name}#{}", tags.join(","))
    }

    #[test]
    fn names_are_rewritten_as_the_reference_s_own_cases_say() {
        let within = "ratelimit.service.rate_limit.mongo_cps.database_users.within_limit";
        let name = "ratelimit.service.rate_limit.$3";
        let both = [("domain", "$1"), ("descriptor", "$2")];
        let tagged = "ratelimit.service.rate_limit.within_limit#domain:mongo_cps,descriptor:";
        let hits = rule(HITS, name, &both);
        assert_eq!(shown(std::slice::from_ref(&hits), within), format!("{tagged}database_users"));
        let beyond = rule(HITS, name, &[("domain", "$1"), ("descriptor", "$5")]);
        assert_eq!(shown(&[beyond], within), format!("{tagged}$5"));
        let fixed = rule(HITS, name, &[("domain", "mongo_cps"), ("descriptor", "database_users")]);
        assert_eq!(shown(&[fixed], within), format!("{tagged}database_users"));
        assert_eq!(
            shown(std::slice::from_ref(&hits), "some.unmatched.metric"),
            "some.unmatched.metric#"
        );
        let foo = rule(r"^ratelimit\.service\.rate_limit\.(.*)\.(.*)\.foo$", "custom.foo", &both);
        let rules = [foo, hits];
        assert_eq!(
            shown(&rules, "ratelimit.service.rate_limit.mongo_cps.database_users.foo"),
            "custom.foo#domain:mongo_cps,descriptor:database_users"
        );
        assert_eq!(shown(&rules, within), format!("{tagged}database_users"));
        assert_eq!(shown(&[], within), format!("{within}#"));
    }

    #[test]
    fn numbers_of_groups_are_read_whole_and_other_dollars_stay() {
        let one = rule("^(a)(x)?(b)$", "$0-$1-$2-$3-$12-$-$a-$99999999999999999999$", &[]);
        assert_eq!(shown(&[one], "ab"), "ab-a--b-$12-$-$a-$99999999999999999999$#");
    }

    #[test]
    fn nothing_empty_and_no_broken_pattern_is_taken() {
        let tags = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        for (pattern, name, tags) in [
            ("", "n", vec![]),
            ("p", "", vec![]),
            ("p", "n", tags("", "v")),
            ("p", "n", tags("k", "")),
            ("(", "n", vec![]),
            (r"(\w{1000}){1000}", "n", vec![]),
        ] {
            assert!(Mogrifier::new(pattern, name, tags).is_err(), "{pattern:?} {name:?}");
        }
    }
}
