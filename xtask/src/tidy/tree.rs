//! The files that the house rules are about: what git tracks, and what it would track.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::code::Code;
use crate::process;
use crate::workspace::Workspace;

/// Every text file of the source tree.
pub(crate) struct Tree {
    pub(crate) files: Vec<SourceFile>,
}

/// One text file; `code` is there for Rust.
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) code: Option<Code>,
}

impl Tree {
    /// Links, files that are not UTF-8 text, and tracked files that are gone are not part of it.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-co", "--exclude-standard", "-z"]).current_dir(&workspace.root);
        let listed = process::output(&mut git).context("tidy reads the files that git knows")?;
        let mut files = Vec::new();
        for path in listed.split_terminator('\0') {
            let full = workspace.root.join(path);
            let Ok(kind) = fs::symlink_metadata(&full) else {
                continue;
            };
            if !kind.is_file() {
                continue;
            }
            let bytes =
                fs::read(&full).with_context(|| format!("cannot read {}", full.display()))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(SourceFile::new(path, text));
            }
        }
        Ok(Self { files })
    }

    /// The Rust files, each with its scanned code.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&SourceFile, &Code)> {
        self.files.iter().filter_map(|file| Some((file, file.code.as_ref()?)))
    }

    pub(crate) fn find(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: String) -> Self {
        // Generated code has the shape that its generator gives it; a test keeps it fresh.
        let is_ours = path.ends_with(".rs") && !path.contains("/src/generated/");
        let code = is_ours.then(|| Code::new(&text));
        Self { path: path.to_owned(), text, code }
    }
}
