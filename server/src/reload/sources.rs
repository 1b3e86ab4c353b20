//! Which files the configuration's list of files and folders stands for, and what they hold in
//! short.
//!
//! Nothing here is an error: whether the files are right is for those who read them.

use std::hash::Hasher as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use siphasher::sip::SipHasher13;

use crate::config::{open_regular, ratelimit};

/// Bytes of one file that are told apart; more than are accepted.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// What stands in the configuration's files, in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// `tollgate.yaml` itself; the same for every configuration that is in no file.
    config: u64,
    /// The files that it lists, in their order, with their names.
    listed: u64,
}

impl Content {
    /// What stands in the file at `config`, if there is one, and in everything in `listed` now.
    pub(super) fn of(config: Option<&Path>, listed: &[PathBuf]) -> Self {
        let files = ratelimit::files(listed);
        let config: Vec<_> = config.map(ToOwned::to_owned).into_iter().collect();
        Self { config: hash(&config), listed: hash(&files) }
    }

    /// What `text`, which is no file, holds.
    pub(super) fn of_text(text: &str) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(text.as_bytes());
        Self { config: hasher.finish(), listed: hash(&[]) }
    }

    /// Whether the configuration itself is the same, whatever it lists.
    pub(super) fn is_same_config(self, other: Self) -> bool {
        self.config == other.config
    }

    /// All of it in one number.
    pub(super) fn hash(self) -> u64 {
        let mut hasher = SipHasher13::new();
        write_number(&mut hasher, self.config);
        write_number(&mut hasher, self.listed);
        hasher.finish()
    }
}

/// The names and bytes of `files`, in their order. The folders they lie in do not count, so that
/// nodes with other mounts agree.
fn hash(files: &[PathBuf]) -> u64 {
    // Constant keys: the number compares contents over time and between nodes, it guards nothing.
    let mut hasher = SipHasher13::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    for path in files {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        write_number(&mut hasher, name.len() as u64);
        hasher.write(name);
        let length = write_file(&mut hasher, path, &mut chunk);
        // What cannot be read is unlike every file.
        write_number(&mut hasher, length.unwrap_or(u64::MAX));
    }
    hasher.finish()
}

fn write_file(hasher: &mut SipHasher13, path: &Path, chunk: &mut [u8]) -> std::io::Result<u64> {
    let mut file = open_regular(path)?.take(FILE_BYTES_MAX);
    let mut length = 0;
    loop {
        let read = file.read(chunk)?;
        if read == 0 {
            return Ok(length);
        }
        hasher.write(chunk.get(..read).unwrap_or_default());
        length += read as u64;
    }
}

fn write_number(hasher: &mut SipHasher13, number: u64) {
    hasher.write(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                folder.write(name, text);
            }
            folder
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn content(&self) -> Content {
            Content::of(Some(&self.0.path().join("t.yaml")), &[self.0.path().join("limits")])
        }
    }

    const FILES: [(&str, &str); 3] =
        [("t.yaml", "t"), ("limits/b.yaml", "b"), ("limits/a.yaml", "a")];

    #[test]
    fn the_same_bytes_under_the_same_names_are_the_same_wherever_they_lie() {
        let (one, other) = (Files::new(&FILES), Files::new(&FILES));
        assert_eq!(one.content(), other.content());
        // Operators compare it between nodes, whose versions may differ.
        assert_eq!(one.content().hash(), 1_131_777_386_614_206_691);
    }

    #[test]
    fn other_bytes_and_other_names_are_another_content() {
        let base = Files::new(&FILES);
        let before = base.content();
        let edits: [(&str, &str); 4] = [
            ("limits/a.yaml", "A"),
            ("limits/a.yaml", "ab"),
            ("limits/c.yaml", ""),
            ("t.yaml", "tt"),
        ];
        for (name, text) in edits {
            let files = Files::new(&FILES);
            files.write(name, text);
            let after = files.content();
            assert_ne!(after.hash(), before.hash(), "{name}");
            assert_eq!(after.is_same_config(before), name != "t.yaml");
        }
        // Bytes that move from one file to the next.
        let moved = Files::new(&[("t.yaml", "t"), ("limits/a.yaml", ""), ("limits/b.yaml", "ab")]);
        assert_ne!(moved.content(), before);
    }

    #[test]
    fn what_does_not_count_changes_nothing() {
        let files = Files::new(&FILES);
        let before = files.content();
        files.write("limits/.a.yaml.swp", "x");
        files.write("limits/inner/d.yaml", "x");
        files.write("beside.yaml", "x");
        assert_eq!(files.content(), before);
    }

    #[test]
    fn a_pipe_is_like_a_file_that_cannot_be_read_and_nobody_waits_for_it() {
        let files = Files::new(&[("limits/a.yaml", "a")]);
        let missing = files.content();
        let pipe = files.0.path().join("t.yaml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(files.content(), missing);
    }

    #[test]
    fn a_missing_file_is_unlike_an_empty_one() {
        let files = Files::new(&[("limits/a.yaml", "a")]);
        let missing = files.content();
        files.write("t.yaml", "");
        assert_ne!(files.content(), missing);
        fs::remove_file(files.0.path().join("t.yaml")).unwrap();
        assert_eq!(files.content(), missing);
    }
}
