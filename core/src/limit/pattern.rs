//! Wildcards in a rule's `key_value`: `*` stands for any number of characters, none included.

/// A compiled wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    prefix: Box<str>,
    middles: Box<[Box<str>]>,
    suffix: Box<str>,
}

impl Pattern {
    /// The pattern that `text` spells, or `None` if it has no `*` and so stands for itself.
    pub fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once('*')?;
        let mut literals: Vec<&str> = rest.split('*').collect();
        let suffix = literals.pop().unwrap_or_default();
        let middles = literals.into_iter().filter(|part| !part.is_empty()).map(Box::from).collect();
        Some(Self { prefix: prefix.into(), middles, suffix: suffix.into() })
    }

    /// Whether the text that `parts` make together begins with the pattern's first literal; one that
    /// does not cannot fit.
    pub fn begins(&self, parts: &[&str]) -> bool {
        let mut wanted = self.prefix.as_bytes();
        for part in parts {
            let compared = wanted.len().min(part.len());
            if wanted[..compared] != part.as_bytes()[..compared] {
                return false;
            }
            wanted = &wanted[compared..];
        }
        wanted.is_empty()
    }

    /// Whether the whole of `text` fits: the first literal is a prefix, the last a suffix, the
    /// others follow in order between them, and none overlaps another.
    ///
    /// Each middle takes its leftmost place, which leaves the most room for the rest, so one pass
    /// decides and no pattern can make it slow: at most `len(text) × literals` steps.
    pub fn matches(&self, text: &str) -> bool {
        let Some(rest) = text.strip_prefix(&*self.prefix) else {
            return false;
        };
        let Some(mut rest) = rest.strip_suffix(&*self.suffix) else {
            return false;
        };
        for middle in &self.middles {
            let Some(at) = rest.find(&**middle) else {
                return false;
            };
            rest = &rest[at + middle.len()..];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text)
    }

    #[test]
    fn text_without_a_star_is_no_pattern() {
        assert_eq!(Pattern::parse("a_b"), None);
    }

    #[test]
    fn a_star_stands_for_any_number_of_characters() {
        assert!(fits("k_v*", "k_v"));
        assert!(fits("k_v*", "k_vx"));
        assert!(!fits("k_v*", "k_"));
        assert!(fits("k_*/b", "k_a/b"));
        assert!(!fits("k_*/b", "k_a/b/c"));
        assert!(fits("*", ""));
    }

    #[test]
    fn literals_follow_in_order_without_overlap() {
        assert!(fits("a*b*c", "abc"));
        assert!(!fits("a*b*c", "acb"));
        assert!(!fits("aa*aa", "aaa"));
        assert!(fits("aa*aa", "aaaa"));
        assert!(!fits("a*bb*bb", "abbb"));
    }

    /// The textbook matcher: exponential, obviously right.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((c, rest)) => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_textbook_matcher(pattern in "[ab*]{0,6}\\*[ab*]{0,6}", text in "[ab]{0,10}") {
            let (p, t): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(fits(&pattern, &text), naive(&p, &t));
        }

        #[test]
        fn what_fits_begins_as_the_pattern_does_wherever_it_is_split(
            pattern in "[ab_]{0,4}\\*[ab_]{0,3}", key in "[ab]{0,4}", value in "[ab]{0,4}",
        ) {
            let (text, parts) = (format!("{key}_{value}"), [&*key, "_", &*value]);
            let begins = Pattern::parse(&pattern).unwrap().begins(&parts);
            let (prefix, _) = pattern.split_once('*').unwrap();
            prop_assert_eq!(begins, text.starts_with(prefix));
            prop_assert!(begins || !fits(&pattern, &text));
        }
    }
}
