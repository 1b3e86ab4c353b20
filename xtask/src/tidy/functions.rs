//! No function is longer than 70 lines, from its `fn` to its closing brace, comments included.
//!
//! clippy's `too_many_lines` counts code lines only; this counts what a reader scrolls through.

use super::Finding;
use super::code::Code;
use super::tree::Tree;

const LINES_MAX: usize = 70;

/// Every function that is too long.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, code) in tree.rust() {
        for Function { name, line, lines } in functions(code) {
            if lines > LINES_MAX {
                let message = format!(
                    "fn {name} has {lines} lines; at most {LINES_MAX}: name its parts as functions"
                );
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// Every function with a body, nested ones too.
fn functions(code: &Code) -> Vec<Function<'_>> {
    let mut functions = Vec::new();
    let mut words = code.words().peekable();
    while let Some((offset, word)) = words.next() {
        if word != "fn" {
            continue;
        }
        let after = code.skip_space(offset + word.len());
        // In a macro the name may be `$name`; the type `fn(u8)` has none.
        let Some((at, name)) = words.peek().copied().filter(|_| code.byte(after) != Some(b'('))
        else {
            continue;
        };
        if let Some(open) = body(code, at + name.len()) {
            let line = code.line(offset);
            functions.push(Function {
                name,
                line,
                lines: code.line(code.close_of(open)) - line + 1,
            });
        }
    }
    functions
}

/// The offset of the brace that opens the body, `None` for a declaration without one.
fn body(code: &Code, mut at: usize) -> Option<usize> {
    let mut angles = 0_usize;
    let mut before = b' ';
    while let Some(byte) = code.byte(at) {
        match byte {
            b'(' | b'[' => at = code.close_of(at),
            b'<' => angles += 1,
            b'>' if !matches!(before, b'-' | b'=') => angles = angles.saturating_sub(1),
            // A constant argument, as in `Ring<{ N + 1 }>`.
            b'{' if angles > 0 => at = code.close_of(at),
            b'{' => return Some(at),
            b';' | b'}' => return None,
            _ => {}
        }
        before = byte;
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{check, functions};
    use crate::tidy::code::Code;
    use crate::tidy::tree::{SourceFile, Tree};

    fn found(source: &str) -> Vec<(String, usize, usize)> {
        let code = Code::new(source);
        let functions = functions(&code);
        functions.iter().map(|found| (found.name.to_owned(), found.line, found.lines)).collect()
    }

    #[test]
    fn counts_from_the_keyword_to_the_closing_brace() {
        let source = "/// Doc.\n#[inline]\npub fn a(\n    x: u8,\n) -> u8 {\n    // }\n    x\n}\n";
        assert_eq!(found(source), [("a".to_owned(), 3, 6)]);
    }

    #[test]
    fn is_not_fooled_by_braces_that_are_no_body() {
        let source = "fn a<const N: usize>(f: fn(u8) -> u8) -> Ring<{ N + 1 }, fn() -> u8>\nwhere\n\
                      [u8; N]: Sized,\n{\n\"}\";\n'}';\n}\ntrait T { fn b(x: [u8; 2]); fn c() {} }";
        assert_eq!(found(source), [("a".to_owned(), 1, 7), ("c".to_owned(), 8, 1)]);
    }

    #[test]
    fn sees_functions_inside_functions_and_macros() {
        let source =
            "fn a() {\nasync fn b() {\n}\n}\nmacro_rules! m { ($n:ident) => { fn $n() {\n} } }";
        let expected = [("a", 1, 4), ("b", 2, 2), ("n", 5, 2)];
        assert_eq!(found(source), expected.map(|(name, at, lines)| (name.to_owned(), at, lines)));
    }

    #[test]
    fn only_more_than_seventy_lines_is_too_long() {
        let long = |lines: usize| format!("fn a() {{\n{}}}\n", "x;\n".repeat(lines - 2));
        let findings =
            |lines| check(&Tree { files: vec![SourceFile::new("a.rs", long(lines))] }).len();
        assert_eq!((findings(70), findings(71)), (0, 1));
    }
}
