//! What the tree of a file holds, where its parts are, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::config::report::Report;

fn document(text: &str) -> Document {
    parse("a.yaml", text).unwrap_or_else(|report| panic!("{report}"))
}

fn refusal(text: &str) -> String {
    parse("a.yaml", text).unwrap_err().to_string()
}

/// The tree on one line, without places.
fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(scalar) => scalar.text.to_string(),
        Kind::Sequence(elements) => {
            let elements: Vec<_> = elements.iter().map(shown).collect();
            format!("[{}]", elements.join(","))
        }
        Kind::Mapping(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", shown(key), shown(value)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn place(document: &Document, trail: &Trail<'_>) -> (u32, u32) {
    let Place { line, column } = document.locate(trail);
    (line, column)
}

const EXAMPLE: &str = "\
# comment
limits:
  login:
    by: [client, \"b\"]
    window: 60s

  empty:
list:
- a: 1
-   b: 2
";

#[test]
fn everything_knows_its_line_and_column() {
    let document = document(EXAMPLE);
    let root = Trail::Root;
    let limits = root.key("limits");
    let login = limits.key("login");
    assert_eq!(place(&document, &root), (2, 1));
    assert_eq!(place(&document, &limits), (2, 1));
    assert_eq!(place(&document, &login), (3, 3));
    assert_eq!(place(&document, &login.key("window")), (5, 13));
    let by = login.key("by");
    assert_eq!(place(&document, &by), (4, 5));
    assert_eq!(place(&document, &by.index(1)), (4, 18));
    let list = root.key("list");
    assert_eq!(place(&document, &list.index(1)), (10, 5));
}

#[test]
fn a_missing_part_is_where_it_would_have_to_be_added() {
    let document = document(EXAMPLE);
    let limits = Trail::Root.key("limits");
    assert_eq!(place(&document, &limits.key("login").key("shadow")), (3, 3));
    assert_eq!(place(&document, &limits.key("empty").key("by")), (7, 3));
    assert_eq!(place(&document, &limits.key("other").key("by").index(3)), (2, 1));
}

#[test]
fn columns_count_characters_and_a_byte_order_mark_is_none() {
    let document = document("\u{feff}ä: {ö: b}");
    assert_eq!(place(&document, &Trail::Root.key("ä").key("ö")), (1, 8));
}

#[test]
fn an_empty_file_is_nothing() {
    for text in ["", "\n", "# only a comment\n", "---\n", "--- ~\n...\n"] {
        assert!(document(text).root.is_null(), "{text:?}");
    }
}

#[test]
fn aliases_and_merge_keys_are_written_out() {
    let aliases = "a: &x [1, 2]\nb: *x\nc: {d: *x}\n";
    assert_eq!(shown(&document(aliases).root), "{a:[1,2],b:[1,2],c:{d:[1,2]}}");
    let merge = "\
a: &a {x: 1, y: 2}
b: &b {y: 3, z: 4}
one: {y: 9, <<: *a}
all: {<<: [*a, *b], w: 0}
";
    let shown = shown(&document(merge).root);
    assert!(shown.contains("one:{y:9,x:1}"), "{shown}");
    assert!(shown.contains("all:{w:0,x:1,y:2,z:4}"), "{shown}");
    assert_eq!(refusal("a: {<<: 5}"), "a.yaml:1:5: a: `<<` takes a mapping or a list of mappings");
}

#[test]
fn a_key_given_twice_is_refused_with_both_lines_and_all_of_them_are_told() {
    let text = "a:\n  x: 1\n  y: 2\n  x: 3\nb: 1\nb: 2\n";
    let expected = "\
a.yaml:4:3: a.x: the key is given twice: first on line 2
    help: keep one of the two
a.yaml:6:1: b: the key is given twice: first on line 5
    help: keep one of the two";
    assert_eq!(refusal(text), expected);
}

#[test]
fn a_mistake_in_the_syntax_has_its_place() {
    let refused = refusal("a: 1\nb: 'open\n");
    assert!(refused.starts_with("a.yaml:2:4: b: not valid YAML: "), "{refused}");
    let refused = refusal("a:\n\tb: 1\n");
    assert!(refused.starts_with("a.yaml:2:"), "{refused}");
    let refused = refusal("a: *nothing\n");
    assert!(refused.contains("unknown anchor"), "{refused}");
}

#[test]
fn what_a_reader_would_lose_without_a_word_is_refused() {
    assert_eq!(refusal("a: 1\n---\nb: 2\n"), "a.yaml:2:1: a second document; a file holds one");
    assert_eq!(
        refusal("a: 1\nb: x\0y\n"),
        "a.yaml:2:5: a NUL character, which YAML does not allow"
    );
    let tagged = refusal("a: !env SECRET\n");
    assert!(tagged.starts_with("a.yaml:1:4: a: the tag `!env` is not known here"), "{tagged}");
    assert_eq!(
        shown(&document("a: !!str 5\nb: !!map {}\nc: ! x\nd: !<tag:yaml.org,2002:int> 1\n").root),
        "{a:5,b:{},c:x,d:1}"
    );
}

#[test]
fn an_alias_inside_what_it_stands_for_is_refused() {
    assert_eq!(refusal("a: &x [1, *x]"), "a.yaml:1:11: a[1]: an alias inside what it stands for");
}

#[test]
fn a_file_of_aliases_cannot_multiply_without_end() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let refused = refusal(&laughs);
    assert!(refused.contains("more than 1000000 values, with every alias"), "{refused}");
}

#[test]
fn a_long_text_cannot_be_multiplied_by_aliases() {
    let text = format!("- &a {}\n{}", "x".repeat(1 << 20), "- *a\n".repeat(20));
    assert!(refusal(&text).contains("more than 16 MiB of text, with every alias"));
}

#[test]
fn a_chain_of_aliases_cannot_grow_deeper_than_a_file_may_be() {
    let mut chain = String::from("a0: &a0 x\n");
    for level in 1..200 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(refusal(&chain).contains("more than 64 lists and mappings inside each other"));
}

#[test]
fn a_file_is_as_deep_as_allowed_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    document(&nested(64));
    assert!(refusal(&nested(65)).contains("more than 64 lists"));
    assert!(refusal(&nested(100_000)).contains("more than 64 lists"));
    let blocks: String = (0..70).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(refusal(&blocks).contains("more than 64 lists"));
}

#[test]
fn a_long_list_is_bounded() {
    let text = format!("[{}]", "a,".repeat(1_100_000));
    assert!(refusal(&text).contains("more than 1000000 values"));
    assert_eq!(refusal(&" ".repeat(FILE_BYTES_MAX + 1)), "a.yaml: is larger than 4 MiB");
}

/// Text of the characters that mean something in YAML, and of some that do not.
fn yaml_like() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a", "b: ", "- ", "? ", ": ", "&x ", "*x", "<<: ", "[", "]", "{", "}", ", ", "'", "\"",
        "|", ">", "\n", "\n  ", "\n    ", "#", "!!str ", "!a ", "%TAG ", "---", "...", "\t", "ä",
        "\u{85}", "\u{2028}", "\\", "@", "`", "~", "0x1", "\r\n", "\u{feff}", "-1", "|+", ">-2",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

fn assert_places_are_inside(report: &Report, text: &str) {
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    for issue in report.issues() {
        assert!(issue.line >= 1 && issue.line as usize <= lines.len(), "{issue} in {text:?}");
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(issue.column >= 1 && issue.column as usize <= longest + 1, "{issue} in {text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = parse("a.yaml", &text);
    }

    #[test]
    fn nothing_that_looks_like_yaml_makes_the_reader_panic(text in yaml_like()) {
        if let Err(report) = parse("a.yaml", &text) {
            assert_places_are_inside(&report, &text);
        }
    }
}
