//! Which files a list of files and folders stands for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::report::{Issue, Issues};

/// Files of one folder: far beyond what anyone mounts, and it bounds what a folder named by mistake
/// makes us read.
const FILES_MAX: usize = 1_000;

/// The files in order. What cannot be listed is added to `issues`.
pub(super) fn files(sources: &[PathBuf], issues: &mut Issues) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for source in sources {
        if !source.is_dir() {
            files.push(source.clone());
            continue;
        }
        match list(source) {
            Ok(mut listed) => files.append(&mut listed),
            Err(message) => {
                issues.push(Issue::with_file(&source.display().to_string(), message));
            }
        }
    }
    files
}

/// The files of a folder, by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = folder.join(name);
        // A link that leads nowhere counts, so that reading it says so.
        if path.metadata().map_or(true, |metadata| metadata.is_file()) {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(format!("holds more than {FILES_MAX} files"));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut issues = Issues::default();
        let files = files(&[folder.to_owned()], &mut issues);
        assert_eq!(issues.as_slice(), []);
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(name).collect()
    }

    #[test]
    fn every_file_of_a_folder_counts_by_name_but_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.txt", "c", ".hidden.yaml"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("inner")).unwrap();
        fs::write(folder.path().join("inner").join("d.yaml"), "").unwrap();
        assert_eq!(names(folder.path()), ["a.txt", "b.yaml", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn the_links_of_a_kubernetes_mount_are_followed_once() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("..2026_07_01");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("x.yaml"), "").unwrap();
        symlink("..2026_07_01", folder.path().join("..data")).unwrap();
        symlink("..data/x.yaml", folder.path().join("x.yaml")).unwrap();
        assert_eq!(names(folder.path()), ["x.yaml"]);
        symlink("nowhere", folder.path().join("broken.yaml")).unwrap();
        assert_eq!(names(folder.path()), ["broken.yaml", "x.yaml"]);
    }

    #[test]
    fn a_folder_of_too_many_files_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=FILES_MAX {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(list(folder.path()).unwrap_err(), "holds more than 1000 files");
    }
}
