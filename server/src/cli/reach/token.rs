//! The token in a file: what it says, and whether others can read it.

use std::fmt;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use http::HeaderValue;

use crate::config::open_regular;

/// Bytes of a file with one token: far more than any has.
const FILE_BYTES_MAX: u64 = 4_096;

/// Permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A token as a call carries it.
#[derive(Clone)]
pub(super) struct Token {
    /// The whole header; never shown.
    pub(super) header: HeaderValue,
    /// What is to be said about its file.
    pub(super) warning: Option<String>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Reads a token.
///
/// # Errors
/// A sentence that names the file, and never has a part of the token.
pub(super) fn read(path: &Path) -> Result<Token, String> {
    let shown = path.display();
    let file = open_regular(path).map_err(|error| format!("{shown}: {error}"))?;
    let mode = file.metadata().map_err(|error| format!("{shown}: {error}"))?.mode();
    let mut bytes = Vec::new();
    let limited = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    limited.map_err(|error| format!("{shown}: {error}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown}: a token has less than {FILE_BYTES_MAX} bytes"));
    }
    let token = bytes.trim_ascii();
    if token.is_empty() {
        return Err(format!("{shown}: there is no token in it"));
    }
    if !token.iter().all(u8::is_ascii_graphic) {
        return Err(format!("{shown}: a token is one word of printable ASCII"));
    }
    let header = [b"Bearer ", token].concat();
    let mut header = HeaderValue::from_bytes(&header)
        .map_err(|_| format!("{shown}: a token is one word of printable ASCII"))?;
    header.set_sensitive(true);
    let warning = (mode & OTHERS != 0).then(|| {
        let mode = mode & 0o7777;
        format!("warning: others can use the token in {shown} (mode {mode:04o}): chmod 600 it")
    });
    Ok(Token { header, warning })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_one_word_and_its_file_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let written = |text: &[u8], mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path)
        };
        let token = written(b" tollgate_a_b \n", 0o600).unwrap();
        assert_eq!(token.header, "Bearer tollgate_a_b");
        assert!(token.warning.is_none() && token.header.is_sensitive());
        assert!(!format!("{token:?}").contains("tollgate_a"));
        for mode in [0o640, 0o604, 0o622] {
            let warning = written(b"secret", mode).unwrap().warning.unwrap();
            assert!(warning.contains(&format!("mode {mode:04o}")), "{warning}");
            assert!(!warning.contains("secret"), "{warning}");
        }
        let long = [b's'; 5_000];
        for wrong in [&b""[..], b"\n", b"two words", b"secret\nsecret", b"s\xffcret", &long] {
            let message = written(wrong, 0o600).unwrap_err();
            assert!(message.starts_with(&path.display().to_string()), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
        assert!(read(&folder.path().join("none")).is_err());
        assert!(read(folder.path()).is_err());
    }
}
