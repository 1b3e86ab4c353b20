//! Which files a target reaches, on small made-up trees.

use super::{Visit, check, follow, joined};
use crate::tidy::tree::{SourceFile, Tree};

const ROOT: &str = "a/src/lib.rs";

/// The files that are lost, and those that only tests reach, from `a/src/lib.rs`.
fn walk(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let files = files.iter().map(|(path, text)| SourceFile::new(path, (*text).to_owned()));
    let tree = Tree { files: files.collect() };
    let root = Visit { path: ROOT.into(), is_test: false, owns_folder: true };
    let reached = follow(vec![root], &tree);
    let lost = check(&tree, &reached).into_iter().map(|finding| finding.path).collect();
    let tests = reached.files.into_iter().filter_map(|(path, is_test)| is_test.then_some(path));
    (lost, tests.collect())
}

#[test]
fn follows_modules_into_files_and_folders() {
    let (lost, _) = walk(&[
        (ROOT, "mod b;\npub(crate) mod c;\nmod inline { mod e; }\n// mod f;\n"),
        ("a/src/b.rs", "mod d;"),
        ("a/src/b/d.rs", ""),
        ("a/src/c/mod.rs", "mod g;"),
        ("a/src/c/g.rs", ""),
        ("a/src/inline/e.rs", ""),
        ("a/src/f.rs", ""),
        ("a/src/d.rs", ""),
    ]);
    assert_eq!(lost, ["a/src/f.rs", "a/src/d.rs"]);
}

#[test]
fn follows_written_paths_and_includes() {
    let (lost, _) = walk(&[
        (ROOT, "mod before;\n#[cfg(test)]\n#[path = \"x/b_tests.rs\"]\nmod tests;\nmod b;\n"),
        ("a/src/before.rs", "include!(\"../made/c.rs\");"),
        ("a/src/x/b_tests.rs", "mod helper;"),
        ("a/src/x/helper.rs", ""),
        ("a/made/c.rs", ""),
        ("a/src/b.rs", ""),
    ]);
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn knows_what_only_tests_reach() {
    let (_, tests) = walk(&[
        (ROOT, "#[cfg(test)]\nmod t;\n#[cfg(test)]\n#[path = \"b.rs\"]\nmod again;\nmod b;"),
        ("a/src/t.rs", "mod u;"),
        ("a/src/t/u.rs", ""),
        ("a/src/b.rs", ""),
    ]);
    assert_eq!(tests, ["a/src/t.rs", "a/src/t/u.rs"]);
}

#[test]
fn joins_paths_as_the_tree_writes_them() {
    assert_eq!(joined("a/src", "../made/./c.rs"), "a/made/c.rs");
    assert_eq!(joined("", "b.rs"), "b.rs");
}
