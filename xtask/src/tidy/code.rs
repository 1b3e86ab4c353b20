//! One Rust file, scanned: its words, its brackets, its lines, and which parts of it are tests.

use std::ops::Range;

use super::lex::{Blanked, Literal, blank, is_word};

/// A Rust file without its literals and comments, and with what the checks ask about it.
pub(crate) struct Code {
    /// As long as the source; spaces for literals and comments.
    pub(crate) text: String,
    pub(crate) literals: Vec<Literal>,
    line_starts: Vec<usize>,
    tests: Vec<Range<usize>>,
}

/// An attribute, outer or inner.
pub(crate) struct Attribute {
    pub(crate) offset: usize,
    /// The offset after the closing bracket.
    pub(crate) end: usize,
    pub(crate) is_inner: bool,
    /// Between the brackets, without white space and literals.
    pub(crate) content: String,
}

impl Code {
    pub(crate) fn new(source: &str) -> Self {
        let Blanked { text, literals } = blank(source);
        let breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        let mut code = Self { text, literals, line_starts, tests: Vec::new() };
        code.tests = code.test_items();
        code
    }

    /// The line, from 1, that an offset is on.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Whether an offset is inside an item that only test builds have.
    pub(crate) fn is_test(&self, offset: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&offset))
    }

    /// Names, keywords and numbers, each with its offset.
    pub(crate) fn words(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            at += self.text[at..].find(is_word)?;
            let rest = &self.text[at..];
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            let offset = at;
            at += word.len();
            Some((offset, word))
        })
    }

    /// The offset of the bracket that closes the one at `open`, the end if there is none.
    pub(crate) fn close_of(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (index, byte) in self.text.bytes().enumerate().skip(open) {
            match byte {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return index;
                    }
                }
                _ => {}
            }
        }
        self.text.len()
    }

    /// The first offset from `at` on that is not white space.
    pub(crate) fn skip_space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + (rest.len() - rest.trim_start().len())
    }

    pub(crate) fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    pub(crate) fn attributes(&self) -> impl Iterator<Item = Attribute> {
        self.text.match_indices('#').filter_map(|(offset, _)| {
            let is_inner = self.byte(offset + 1) == Some(b'!');
            let open = offset + 1 + usize::from(is_inner);
            if self.byte(open) != Some(b'[') {
                return None;
            }
            let close = self.close_of(open);
            let inside = self.text.get(open + 1..close).unwrap_or_default();
            let content = inside.split_whitespace().collect();
            Some(Attribute { offset, end: close + 1, is_inner, content })
        })
    }

    fn test_items(&self) -> Vec<Range<usize>> {
        let tests = self.attributes().filter(|attribute| is_test_only(&attribute.content));
        let ranges = tests.map(|attribute| {
            let whole_file = attribute.is_inner;
            if whole_file {
                0..self.text.len()
            } else {
                attribute.offset..self.item_end(attribute.end)
            }
        });
        ranges.collect()
    }

    /// Where the item ends whose attributes end at `at`: after its `;` or its closing brace.
    fn item_end(&self, mut at: usize) -> usize {
        while let Some(byte) = self.byte(at) {
            match byte {
                b'(' | b'[' => at = self.close_of(at),
                b'{' => return self.close_of(at) + 1,
                b'}' | b';' => return at + 1,
                _ => {}
            }
            at += 1;
        }
        self.text.len()
    }
}

/// `cfg(test)` and what holds only beside it, not `cfg(not(test))` or `cfg(any(test, …))`.
fn is_test_only(attribute: &str) -> bool {
    attribute == "cfg(test)" || attribute.starts_with("cfg(all(test,")
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn finds_words_with_their_lines() {
        let code = Code::new("mod a;\n// mod b;\nlet x = \"mod c\";");
        let words: Vec<_> = code.words().map(|(at, word)| (code.line(at), word)).collect();
        assert_eq!(words, [(1, "mod"), (1, "a"), (3, "let"), (3, "x")]);
    }

    #[test]
    fn brackets_close_across_strings() {
        let code = Code::new("{ a(\"}\", '}'); [{}] } b");
        assert_eq!(code.close_of(0), 20);
        assert_eq!(Code::new("{ a").close_of(0), 3);
    }

    #[test]
    fn knows_which_items_are_tests() {
        let source = "fn a() { x }\n#[cfg(test)]\n#[path = \"t.rs\"]\nmod t { fn b() { y } }\n\
                      #[cfg(all(test, unix))]\nuse z;\n#[cfg(not(test))]\nfn c() { w }";
        let code = Code::new(source);
        let at = |word: &str| code.is_test(source.find(word).unwrap());
        assert_eq!(["x", "y", "z", "w"].map(at), [false, true, true, false]);
    }

    #[test]
    fn an_inner_attribute_makes_the_whole_file_a_test() {
        assert!(Code::new("//! A.\n#![cfg(test)]\nfn a() {}").is_test(27));
    }
}
