//! The file with the tokens: JSON, mode 0600, replaced as a whole.
//!
//! What is written goes to a file beside it, is synced, and takes the old one's place by a rename:
//! whenever the machine stops, one of both is there, whole. A node reads it once, at its start.
//! Where the path is a link, what it leads to is replaced, and the link stays.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::role::{Permission, Role};
use super::token::{Digest, is_id};
use super::tokens::{NAME_BYTES_MAX, Record, TOKENS_MAX, is_name};
use crate::config::open_regular;

/// Only its owner may read and write it.
const MODE: u32 = 0o600;

/// Permissions that would let others hand themselves a role.
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// Bytes of a token in the file, with room for a person's spaces.
const RECORD_BYTES_MAX: usize = 1_024 + NAME_BYTES_MAX;

/// Bytes of the whole file.
const FILE_BYTES_MAX: usize = TOKENS_MAX * RECORD_BYTES_MAX;

/// What this version writes.
const VERSION: u32 = 1;

/// Why tokens could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[error("tokens file {}: {what}", path.display())]
pub struct TokensFileError {
    path: PathBuf,
    what: String,
}

impl TokensFileError {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where tokens are kept.
#[derive(Debug)]
pub(super) struct TokensFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    tokens: Vec<WrittenToken>,
}

/// Times are whole seconds since the UNIX epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    id: String,
    name: String,
    role: Option<Role>,
    permissions: Vec<Permission>,
    secret_sha256: String,
    created: u64,
    expires: Option<u64>,
}

impl TokensFile {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What it holds; nothing where there is none yet.
    pub(super) fn read(&self) -> Result<Vec<Record>, TokensFileError> {
        let unreadable = |error| self.wrong(format!("cannot be read: {error}"));
        let file = match open_regular(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Tokens that were kept elsewhere would be forgotten in silence.
                self.place().map_err(unreadable)?;
                return Ok(Vec::new());
            }
            Err(error) => return Err(unreadable(error)),
        };
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(self.wrong("is no regular file"));
        }
        let own = rustix::process::geteuid().as_raw();
        if let Some(what) = doubt(metadata.uid(), metadata.mode() & 0o7777, own) {
            return Err(self.wrong(what));
        }
        let mut bytes = Vec::new();
        let bound = FILE_BYTES_MAX as u64 + 1;
        file.take(bound).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(self.wrong(format!("is larger than {FILE_BYTES_MAX} bytes")));
        }
        parse(&bytes).map_err(|what| self.wrong(what))
    }

    /// Replaces what it holds.
    pub(super) fn write<'a>(
        &self,
        records: impl Iterator<Item = &'a Record>,
    ) -> Result<(), TokensFileError> {
        let tokens = records.map(WrittenToken::of).collect();
        let written = serde_json::to_vec_pretty(&Written { version: VERSION, tokens });
        let replaced = written.map_err(io::Error::from).and_then(|text| self.replace(&text));
        replaced.map_err(|error| self.wrong(format!("cannot be written: {error}")))
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let place = self.place()?;
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = place.with_file_name(name);
        // Opened before anything is done: what is not answered must not have been done.
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new(".")))?;
        // What a node left that ended while it wrote; a new file follows no link.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
        if let Err(error) = fill(file, text).and_then(|()| fs::rename(&beside, &place)) {
            // On a full disk a half would take the room that a revocation needs.
            drop(fs::remove_file(&beside));
            return Err(error);
        }
        // The rename itself is on the disk once the folder is.
        folder.sync_all()
    }

    /// Where it lies, behind all links.
    fn place(&self) -> io::Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
        match fs::symlink_metadata(&self.path) {
            Ok(_) => Err(io::Error::new(io::ErrorKind::NotFound, "it is a link to nothing")),
            Err(_) => Ok(self.path.clone()),
        }
    }

    fn wrong(&self, what: impl Into<String>) -> TokensFileError {
        TokensFileError { path: self.path.clone(), what: what.into() }
    }
}

/// Writes a new file whole, so that it is on the disk.
fn fill(mut file: File, text: &[u8]) -> io::Result<()> {
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Why somebody else could have put tokens into a file of this owner and mode; `own` is the user
/// that the node runs as. Root could do so anyway.
fn doubt(owner: u32, mode: u32, own: u32) -> Option<String> {
    if owner != own && owner != 0 {
        return Some(format!("belongs to the user {owner}, this node runs as {own}"));
    }
    let is_open = mode & WRITABLE_BY_OTHERS != 0;
    is_open.then(|| format!("everybody may write it (mode {mode:04o}): chmod 600"))
}

impl WrittenToken {
    fn of(record: &Record) -> Self {
        Self {
            id: record.id.to_string(),
            name: record.name.to_string(),
            role: record.role,
            permissions: record.permissions.iter().collect(),
            secret_sha256: record.digest.hex(),
            created: record.created,
            expires: record.expires,
        }
    }

    fn read(self) -> Result<Record, String> {
        if !is_id(&self.id) {
            return Err("`id` must be ten letters or digits".to_owned());
        }
        if !is_name(&self.name) {
            return Err(format!("the token {} has a wrong `name`", self.id));
        }
        let digest = Digest::parse_hex(&self.secret_sha256)
            .ok_or_else(|| format!("the token {} has a wrong `secret_sha256`", self.id))?;
        Ok(Record {
            id: Arc::from(self.id),
            name: Arc::from(self.name),
            role: self.role,
            permissions: self.permissions.into_iter().collect(),
            digest,
            created: self.created,
            expires: self.expires,
        })
    }
}

fn parse(bytes: &[u8]) -> Result<Vec<Record>, String> {
    let written: Written = serde_json::from_slice(bytes)
        .map_err(|error| format!("is not what a node writes: {error}"))?;
    if written.version != VERSION {
        return Err(format!("has version {}, this node knows {VERSION}", written.version));
    }
    if written.tokens.len() > TOKENS_MAX {
        return Err(format!("has {} tokens, at most {TOKENS_MAX} are kept", written.tokens.len()));
    }
    let records = written.tokens.into_iter().map(WrittenToken::read);
    let records: Vec<_> = records.collect::<Result<_, _>>()?;
    let mut ids: Vec<_> = records.iter().map(|record| &record.id).collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("has the token {} twice", pair[0])),
        None => Ok(records),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::access::token::Token;

    fn record(name: &str) -> Record {
        let token = Token::generate().unwrap();
        Record {
            id: token.id().into(),
            name: name.into(),
            role: Some(Role::Operator),
            permissions: [Permission::Refund].into_iter().collect(),
            digest: token.digest(),
            created: 1,
            expires: Some(2),
        }
    }

    fn file(folder: &Path) -> TokensFile {
        TokensFile::new(folder.join("tokens.json"))
    }

    #[test]
    fn what_is_written_is_read_back_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        assert!(file.read().unwrap().is_empty());
        let records = [record("a"), Record { role: None, expires: None, ..record("b") }];
        // A node that ended while it wrote leaves half a file beside it.
        fs::write(folder.path().join("tokens.json.new"), "{\"vers").unwrap();
        file.write(records.iter()).unwrap();
        let read = file.read().unwrap();
        assert_eq!(format!("{read:?}"), format!("{records:?}"));
        assert!(read.iter().zip(&records).all(|(a, b)| a.digest.is(&b.digest)));
        let mode = fs::metadata(&file.path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, MODE, "{mode:o}");
        assert!(!folder.path().join("tokens.json.new").exists());
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.write([record("a")].iter()).unwrap();
        // Nothing can be written where a folder stands.
        fs::create_dir(folder.path().join("tokens.json.new")).unwrap();
        let error = file.write([record("b")].iter()).unwrap_err().to_string();
        assert!(error.contains("tokens.json: cannot be written"), "{error}");
        assert_eq!(&*file.read().unwrap()[0].name, "a");
    }

    #[test]
    fn a_write_that_fails_leaves_no_half_beside() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        // No file takes the place of a folder, which is found out at the end.
        fs::create_dir(&file.path).unwrap();
        assert!(file.write([record("a")].iter()).is_err());
        assert!(!folder.path().join("tokens.json.new").exists());
    }

    #[test]
    fn what_no_node_wrote_is_refused_with_the_files_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.write([record("a")].iter()).unwrap();
        let right = fs::read_to_string(&file.path).unwrap();
        let token = &right[right.find('[').unwrap() + 1..right.rfind(']').unwrap()];
        for (text, expected) in [
            (String::new(), "is not what a node writes"),
            (right[..right.len() / 2].to_owned(), "is not what a node writes"),
            (right.replace("\"version\": 1", "\"version\": 2"), "has version 2"),
            (right.replace("\"created\"", "\"made\""), "is not what a node writes"),
            (right.replace(token, &format!("{token},{token}")), "twice"),
            (right.replace("\"a\"", "\"a\\nb\""), "a wrong `name`"),
            (right.replace("operator", "god"), "is not what a node writes"),
            (" ".repeat(FILE_BYTES_MAX + 1), "is larger than"),
        ] {
            fs::write(&file.path, text).unwrap();
            let error = file.read().unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("tokens.json"), "{error}");
        }
        fs::write(&file.path, &right).unwrap();
        fs::set_permissions(&file.path, fs::Permissions::from_mode(0o606)).unwrap();
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains("mode 0606"), "{error}");
        fs::remove_file(&file.path).unwrap();
        fs::create_dir(&file.path).unwrap();
        assert!(file.read().unwrap_err().to_string().contains("no regular file"));
    }

    #[test]
    fn what_a_link_leads_to_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        symlink("kept/real.json", &file.path).unwrap();
        // A link to nothing would lose what a disk holds that is not there yet.
        let error = file.read().unwrap_err().to_string();
        assert!(error.contains("a link to nothing"), "{error}");
        assert!(file.write([record("a")].iter()).is_err());
        TokensFile::new(kept.join("real.json")).write([record("a")].iter()).unwrap();
        file.write([record("b")].iter()).unwrap();
        assert!(fs::symlink_metadata(&file.path).unwrap().is_symlink());
        let real = TokensFile::new(kept.join("real.json"));
        for file in [&file, &real] {
            assert_eq!(&*file.read().unwrap()[0].name, "b");
        }
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_could_have_filled_is_doubted() {
        for (owner, mode, own, expected) in [
            (7, 0o600, 7, ""),
            (0, 0o644, 7, ""),
            (7, 0o660, 7, ""),
            (8, 0o600, 7, "belongs to the user 8"),
            (7, 0o600, 0, "belongs to the user 7"),
            (7, 0o602, 7, "mode 0602"),
        ] {
            let found = doubt(owner, mode, own).unwrap_or_default();
            assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
            assert!(found.contains(expected), "{found}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
