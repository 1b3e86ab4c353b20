//! Folders inside the folder of files: the reference reads the files in them, too, and here they do
//! not count, so an operator must hear of them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that are named: enough to see what is meant.
const NAMED_MAX: usize = 10;

/// Entries that are looked at: beyond what a folder of files may hold.
const ENTRIES_MAX: usize = 2_000;

/// The folders in `folder`, but those whose name begins with a dot; neither follows links. A folder
/// that cannot be read has none: whoever loads its files says so.
pub(crate) fn inner_folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.take(ENTRIES_MAX).filter_map(Result::ok);
    let is_visible = |entry: &fs::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let folders = entries.filter(|entry| is_visible(entry) && is_folder(entry));
    let mut folders: Vec<_> = folders.take(NAMED_MAX).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_and_files_and_hidden_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["team", "..2026_07_01", "area"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("a.yaml"), "").unwrap();
        let expected = ["area", "team"].map(|name| folder.path().join(name));
        assert_eq!(inner_folders(folder.path()), expected);
        assert_eq!(inner_folders(&folder.path().join("missing")), [] as [PathBuf; 0]);
    }
}
