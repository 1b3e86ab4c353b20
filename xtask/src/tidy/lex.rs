//! Tells Rust code from the text inside it: strings, characters and comments.
//!
//! The result has the length and the lines of the source, with every literal and comment blanked,
//! so that the checks can look for words and braces without being fooled by a brace in a string.
//! It is a scanner for source that compiles, not a parser: broken source gives a broken result,
//! but never a panic.

/// Source with its literals and comments blanked.
pub(crate) struct Blanked {
    /// Same length and line breaks as the source; spaces for all that is not code.
    pub(crate) text: String,
    /// The string literals, in order.
    pub(crate) literals: Vec<Literal>,
}

/// A string literal as it stands in the source, escapes unread.
#[derive(Debug, PartialEq)]
pub(crate) struct Literal {
    /// Where its first character (prefix or quote) stands in the source.
    pub(crate) offset: usize,
    /// Between the quotes.
    pub(crate) text: String,
}

/// Blanks what is not code.
pub(crate) fn blank(source: &str) -> Blanked {
    let mut scanner =
        Scanner { source, at: 0, text: String::with_capacity(source.len()), literals: Vec::new() };
    while scanner.at < source.len() {
        scanner.step();
    }
    Blanked { text: scanner.text, literals: scanner.literals }
}

/// Whether a character can stand inside a Rust name.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    text: String,
    literals: Vec<Literal>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        let rest = self.rest(self.at);
        let Some(first) = rest.chars().next() else {
            return;
        };
        match first {
            '/' if rest.starts_with("//") => self.blank_to(self.at + line_length(rest)),
            '/' if rest.starts_with("/*") => self.blank_to(self.at + block_comment_length(rest)),
            '"' => self.string(self.at),
            '\'' => self.quote(),
            c if is_word(c) => self.word(),
            c => self.copy(c.len_utf8()),
        }
    }

    /// A name, a number, or the prefix of a literal.
    fn word(&mut self) {
        let rest = self.rest(self.at);
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let hashes = after.len() - after.trim_start_matches('#').len();
        let is_quoted = after[hashes..].starts_with('"');
        match word {
            "r" | "br" | "cr" if is_quoted => self.raw_string(self.at + length, hashes),
            "b" | "c" if after.starts_with('"') => self.string(self.at + length),
            "b" if after.starts_with('\'') => {
                self.blank_to(self.at + length);
                self.quote();
            }
            "r" if hashes == 1 => {
                // A raw name: one word, and not the keyword that it looks like.
                self.text.push_str("r_");
                self.at += 2;
            }
            _ => self.copy(length),
        }
    }

    /// `open` is the offset of the quote, `self.at` that of the prefix.
    fn string(&mut self, open: usize) {
        let inside = self.rest(open + 1);
        let mut end = inside.len();
        let mut chars = inside.char_indices();
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => {
                    chars.next();
                }
                '"' => {
                    end = index;
                    break;
                }
                _ => {}
            }
        }
        self.literal(open + 1, open + 1 + end, 1);
    }

    /// `open` is the offset of the first hash, or of the quote if there is none.
    fn raw_string(&mut self, open: usize, hashes: usize) {
        let start = open + hashes + 1;
        let inside = self.rest(start);
        let closing = format!("\"{}", "#".repeat(hashes));
        let end = inside.find(&closing).unwrap_or(inside.len());
        self.literal(start, start + end, closing.len());
    }

    fn literal(&mut self, start: usize, end: usize, closing: usize) {
        let text = self.source.get(start..end).unwrap_or_default().to_owned();
        self.literals.push(Literal { offset: self.at, text });
        self.blank_to(end + closing);
    }

    /// A character in quotes is blanked; a lifetime or a label is code.
    fn quote(&mut self) {
        let mut chars = self.rest(self.at + 1).chars();
        match (chars.next(), chars.next()) {
            (Some('\\'), Some(escaped)) => {
                let start = self.at + 2 + escaped.len_utf8();
                let rest = self.rest(start);
                let end = rest.find('\'').map_or(rest.len(), |index| index + 1);
                self.blank_to(start + end);
            }
            (Some(c), Some('\'')) if c != '\'' => self.blank_to(self.at + 2 + c.len_utf8()),
            _ => self.copy(1),
        }
    }

    fn copy(&mut self, length: usize) {
        self.text.push_str(self.source.get(self.at..self.at + length).unwrap_or_default());
        self.at += length;
    }

    fn blank_to(&mut self, end: usize) {
        let end = end.min(self.source.len());
        let bytes = self.source.as_bytes().get(self.at..end).unwrap_or_default();
        self.text.extend(bytes.iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
        self.at = end;
    }

    fn rest(&self, from: usize) -> &str {
        self.source.get(from..).unwrap_or_default()
    }
}

fn line_length(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match rest.as_bytes().get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::blank;

    /// The code that is left, with every run of blanks as one space.
    fn code(source: &str) -> String {
        let blanked = blank(source);
        assert_eq!(blanked.text.len(), source.len(), "{source}");
        assert_eq!(blanked.text.matches('\n').count(), source.matches('\n').count(), "{source}");
        blanked.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn literals(source: &str) -> Vec<String> {
        blank(source).literals.into_iter().map(|literal| literal.text).collect()
    }

    #[test]
    fn blanks_comments_even_nested_ones() {
        assert_eq!(code("a // { \" '\nb"), "a b");
        assert_eq!(code("a /* { /* \" */ } */ b /**/ c"), "a b c");
        assert_eq!(code("a / b"), "a / b");
    }

    #[test]
    fn blanks_strings_of_every_kind() {
        assert_eq!(code(r#"f("a { \" // b", x)"#), "f( , x)");
        assert_eq!(code(r###"f(r#"a " { "#, br"\", cr##"x"# y"##)"###), "f( , , )");
        assert_eq!(code(r#"f(b"{", c"{", "\\")"#), "f( , , )");
        assert_eq!(code("f(\"a\n{\n\") + é"), "f( ) + é");
    }

    #[test]
    fn keeps_the_text_of_literals() {
        assert_eq!(literals(r##"a("x\"y", r#"z"w"#, b"q")"##), [r#"x\"y"#, "z\"w", "q"]);
        assert_eq!(blank("ab(br\"z\")").literals[0].offset, 3);
    }

    #[test]
    fn tells_characters_from_lifetimes() {
        assert_eq!(code("f('{', '\\'', b'\"', '\\u{7d}', '\\\\', 'é')"), "f( , , , , , )");
        assert_eq!(code("fn f<'a, 'b>(x: &'a str)"), "fn f<'a, 'b>(x: &'a str)");
        assert_eq!(code("'a: loop { break 'a; }"), "'a: loop { break 'a; }");
        assert_eq!(code("match c { 'a'..='z' => '\"' }"), "match c { ..= => }");
    }

    #[test]
    fn a_raw_name_is_not_its_keyword() {
        assert_eq!(code("let r#fn = r#mod;"), "let r_fn = r_mod;");
    }

    #[test]
    fn survives_source_that_ends_too_early() {
        for source in ["\"a", "r#\"a", "'", "'\\", "/* a", "b'", "r#", "'é", "\"\\"] {
            assert_eq!(blank(source).text.len(), source.len(), "{source}");
        }
    }
}
