//! Every Rust file belongs to some target: a file that nothing compiles is a file nobody checks.
//!
//! Starts at the root files that cargo names and follows `mod x;`, `#[path]` and `include!`. Also
//! learns on the way which files only test builds have.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Finding;
use super::code::Code;
use super::tree::Tree;
use crate::workspace::Workspace;

/// The files that some target compiles.
pub(crate) struct Reached {
    /// By path; `true` if only test builds reach it.
    files: BTreeMap<String, bool>,
}

impl Reached {
    pub(crate) fn is_test_only(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|is_test| *is_test)
    }
}

/// Every Rust file that no target reaches.
pub(crate) fn check(tree: &Tree, reached: &Reached) -> Vec<Finding> {
    let lost = tree.rust().filter(|(file, _)| !reached.files.contains_key(&file.path));
    let finding = |path: &String| {
        let message = "no target reaches this file: declare it with `mod`, or remove it";
        Finding::new(path, 1, message.into())
    };
    lost.map(|(file, _)| finding(&file.path)).collect()
}

/// Follows modules from the root file of every target, those of nested workspaces too.
pub(crate) fn reached_files(workspace: &Workspace, tree: &Tree) -> Result<Reached> {
    let members = workspace.packages.iter();
    let mut known: Vec<String> = members.map(|p| workspace.relative(&p.manifest)).collect();
    known.push("Cargo.toml".into());
    let mut roots = root_files(workspace, workspace);
    for file in tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        if !known.contains(&file.path) {
            let nested = Workspace::around(&workspace.root.join(&file.path))?;
            known.extend(nested.packages.iter().map(|p| workspace.relative(&p.manifest)));
            roots.extend(root_files(workspace, &nested));
        }
    }
    Ok(follow(roots, tree))
}

fn root_files(ours: &Workspace, of: &Workspace) -> Vec<Visit> {
    let targets = of.packages.iter().flat_map(|package| &package.targets);
    let root = |file: &std::path::PathBuf| Visit {
        path: ours.relative(file),
        is_test: false,
        owns_folder: true,
    };
    targets.map(|target| root(&target.file)).collect()
}

struct Visit {
    path: String,
    is_test: bool,
    /// Its modules lie beside it (a root file, `mod.rs`), not in a folder of its name.
    owns_folder: bool,
}

fn follow(mut open: Vec<Visit>, tree: &Tree) -> Reached {
    let mut files: BTreeMap<String, bool> = BTreeMap::new();
    while let Some(visit) = open.pop() {
        let Some(code) = tree.find(&visit.path).and_then(|file| file.code.as_ref()) else {
            continue;
        };
        // A file once seen as a test is looked at again when shipped code reaches it too.
        if files.get(&visit.path).is_some_and(|was_test| !was_test || visit.is_test) {
            continue;
        }
        open.extend(children(&visit, code, tree));
        files.insert(visit.path, visit.is_test);
    }
    Reached { files }
}

fn children(parent: &Visit, code: &Code, tree: &Tree) -> Vec<Visit> {
    let folder = parent.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let own = if parent.owns_folder { folder } else { parent.path.trim_end_matches(".rs") };
    let mut visits = Vec::new();
    let mut visit = |path: String, offset: usize, owns_folder: bool| {
        if tree.find(&path).is_some() {
            let is_test = parent.is_test || code.is_test(offset);
            visits.push(Visit { path, is_test, owns_folder });
        }
    };
    for Module { name, offset, inside, written } in modules(code) {
        let base = inside.iter().fold(own.to_owned(), |base, part| joined(&base, part));
        if let Some(written) = written {
            let base = if inside.is_empty() { folder } else { &base };
            visit(joined(base, &written), offset, true);
            continue;
        }
        visit(joined(&base, &format!("{name}.rs")), offset, false);
        visit(joined(&base, &format!("{name}/mod.rs")), offset, true);
    }
    for (offset, written) in included(code) {
        visit(joined(folder, written), offset, parent.owns_folder);
    }
    visits
}

struct Module<'a> {
    name: &'a str,
    offset: usize,
    /// The modules with a body that it is declared in, outermost first.
    inside: Vec<&'a str>,
    /// What `#[path]` says.
    written: Option<String>,
}

/// Every `mod name;`.
fn modules(code: &Code) -> Vec<Module<'_>> {
    let mut modules = Vec::new();
    let mut bodies: Vec<(usize, &str)> = Vec::new();
    let mut words = code.words().peekable();
    while let Some((offset, word)) = words.next() {
        if word != "mod" {
            continue;
        }
        let Some((at, name)) = words.peek().copied() else {
            break;
        };
        let after = code.skip_space(at + name.len());
        bodies.retain(|(end, _)| *end > offset);
        match code.byte(after) {
            Some(b'{') => bodies.push((code.close_of(after), name)),
            Some(b';') => {
                let inside = bodies.iter().map(|(_, name)| *name).collect();
                modules.push(Module { name, offset, inside, written: written_path(code, offset) });
            }
            _ => {}
        }
    }
    modules
}

/// The `#[path = "…"]` among the attributes right before an item.
fn written_path(code: &Code, item: usize) -> Option<String> {
    let attributes: Vec<_> = code.attributes().filter(|attribute| attribute.end <= item).collect();
    let mut next = item;
    for attribute in attributes.iter().rev() {
        let between = code.text.get(attribute.end..next).unwrap_or_default();
        if between.contains([';', '{', '}']) {
            return None;
        }
        if attribute.content == "path=" {
            let range = attribute.offset..attribute.end;
            let literal = code.literals.iter().find(|literal| range.contains(&literal.offset))?;
            return Some(literal.text.clone());
        }
        next = attribute.offset;
    }
    None
}

/// What `include!("…")` names, with the offset of the macro.
fn included(code: &Code) -> Vec<(usize, &str)> {
    let macros = code.words().filter(|(_, word)| *word == "include");
    let written = macros.filter_map(|(offset, word)| {
        let bang = offset + word.len();
        if code.byte(bang) != Some(b'!') {
            return None;
        }
        let range = bang..code.close_of(bang + 1);
        let literal = code.literals.iter().find(|literal| range.contains(&literal.offset))?;
        Some((offset, literal.text.as_str()))
    });
    written.collect()
}

/// `folder/path` with `.` and `..` resolved, as the tree writes paths.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
