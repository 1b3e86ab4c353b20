//! A file's text, read with a bound.
//!
//! The bound holds whatever the file system says about the length: the file may be a pipe, or grow
//! while it is read. What a node reads again and again must be a regular file: a pipe gives its
//! text once, and opening one waits for whoever writes to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{FILE_BYTES_MAX, Place};
use crate::config::report::Issue;

/// `O_NONBLOCK` of Linux: should a pipe take the file's place while it is opened, nobody waits.
const OPEN_AT_ONCE: i32 = 0o4000;

/// The text of the file at `path`, which may be a pipe.
///
/// # Errors
/// The file cannot be read, is larger than [`FILE_BYTES_MAX`], or is not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String, Issue> {
    read_from(path, File::open(path))
}

/// As [`read`], for what is read again later.
///
/// # Errors
/// As for [`read`], and what is no regular file is refused without opening it.
pub(crate) fn read_regular(path: &Path) -> Result<String, Issue> {
    read_from(path, open_regular(path))
}

/// Opens the file at `path` if it is a regular one, and never waits for it. A folder opens, too, as
/// the system lets it.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let refused = |metadata: std::fs::Metadata| {
        let message = "it is no regular file; a node reads its file again, so it cannot be a pipe";
        let is_right = metadata.is_file() || metadata.is_dir();
        (!is_right).then(|| io::Error::new(io::ErrorKind::InvalidInput, message))
    };
    if let Some(error) = refused(path.metadata()?) {
        return Err(error);
    }
    let file = OpenOptions::new().read(true).custom_flags(OPEN_AT_ONCE).open(path)?;
    refused(file.metadata()?).map_or(Ok(file), Err)
}

fn read_from(path: &Path, opened: io::Result<File>) -> Result<String, Issue> {
    let source = path.display().to_string();
    let bytes = read_bytes(opened).map_err(|message| Issue::with_file(&source, message))?;
    String::from_utf8(bytes).map_err(|error| not_utf8(&source, error))
}

fn read_bytes(opened: io::Result<File>) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    let file = opened.map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err("is a folder, not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let bound = FILE_BYTES_MAX as u64 + 1;
    file.take(bound).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(format!("is larger than {} MiB", FILE_BYTES_MAX >> 20));
    }
    Ok(bytes)
}

fn not_utf8(source: &str, error: std::string::FromUtf8Error) -> Issue {
    let end = error.utf8_error().valid_up_to();
    let mut valid = error.into_bytes();
    valid.truncate(end);
    // Nothing is lost: what is left is valid.
    let valid = String::from_utf8_lossy(&valid);
    let Place { line, column } = Place::behind(&valid);
    Issue { line, column, ..Issue::with_file(source, "is not UTF-8 from here on") }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn message_for(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, bytes).unwrap();
        let issue = read(&path).unwrap_err();
        assert_eq!(*issue.source, *path.display().to_string());
        format!("{}:{} {}", issue.line, issue.column, issue.message)
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let fits = vec![b' '; FILE_BYTES_MAX];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, &fits).unwrap();
        assert_eq!(read(&path).unwrap().len(), FILE_BYTES_MAX);
        assert_eq!(message_for(&[fits, vec![b' ']].concat()), "0:0 is larger than 4 MiB");
    }

    #[test]
    fn the_place_of_a_wrong_byte_is_named() {
        assert_eq!(message_for(b"a: b\n\xc3\xa4\xff"), "2:2 is not UTF-8 from here on");
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_writer_where_it_would_be_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let error = read_regular(&path).unwrap_err().to_string();
        assert!(error.contains("a node reads its file again, so it cannot be a pipe"), "{error}");
        assert!(read_regular(Path::new("/dev/null")).is_err());
        let writer = std::thread::spawn({
            let path = path.clone();
            move || fs::write(path, "domain: d")
        });
        assert_eq!(read(&path).unwrap(), "domain: d");
        writer.join().unwrap().unwrap();
    }

    #[test]
    fn a_folder_and_a_missing_file_are_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        for read in [read, read_regular] {
            assert_eq!(read(folder.path()).unwrap_err().message, "is a folder, not a file");
        }
        let missing = read(&folder.path().join("none")).unwrap_err();
        assert!(missing.message.starts_with("cannot be read: "), "{}", missing.message);
    }
}
