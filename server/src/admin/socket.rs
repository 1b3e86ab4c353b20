//! The admin socket: where it lies, who may use it, and that it is nobody else's.
//!
//! Whoever can connect may do all, so it lies in a folder of the user's own, has mode 0600, and
//! every connection's peer must be the same user (or root).

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use tollgate_runtime::unix::{SocketFile, UnixError, UnixSocket};

/// The variable that names the socket, for nodes and for the command line.
const PATH_VARIABLE: &str = "TOLLGATE_ADMIN_SOCKET";

/// The variable of the XDG base directory specification that names the user's own folder.
const RUNTIME_FOLDER_VARIABLE: &str = "XDG_RUNTIME_DIR";

/// Only its owner may connect.
const MODE: u32 = 0o600;

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// It cannot be had.
    #[error(transparent)]
    Unix(#[from] UnixError),
    /// Its folder is not the user's own.
    #[error("{} must be a folder of the user {wanted} with mode 0700; it has owner {owner} and mode {mode:04o}", path.display())]
    OpenFolder {
        /// The folder.
        path: PathBuf,
        /// The user that this process runs as.
        wanted: u32,
        /// The folder's owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
}

/// Where the socket lies unless a flag says otherwise: the file that `TOLLGATE_ADMIN_SOCKET` names,
/// else `tollgate.sock` in `XDG_RUNTIME_DIR`, else `/tmp/tollgate-UID/admin.sock`.
pub fn default_path() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set(PATH_VARIABLE) {
        return path;
    }
    match set(RUNTIME_FOLDER_VARIABLE) {
        Some(folder) => folder.join("tollgate.sock"),
        None => shared_folder(user()).join("admin.sock"),
    }
}

/// The path for a client: in the folder that every user can make for another one, only if it is the
/// user's own.
///
/// # Errors
/// [`SocketError::OpenFolder`] if it is not.
pub fn usable_path(path: PathBuf) -> Result<PathBuf, SocketError> {
    let user = user();
    let folder = shared_folder(user);
    if path.starts_with(&folder) && folder.exists() {
        expect_own(&folder, user)?;
    }
    Ok(path)
}

/// A bound admin socket. Dropped, its file is removed.
#[derive(Debug)]
pub struct AdminSocket {
    socket: UnixSocket,
    user: u32,
}

impl AdminSocket {
    /// Binds the socket at `path`. The file of a process that is gone is replaced.
    ///
    /// # Errors
    /// [`SocketError`], which names the path.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let user = user();
        let folder = shared_folder(user);
        if path.starts_with(&folder) {
            make_own(&folder, user)?;
        }
        Ok(Self { socket: UnixSocket::bind(path, MODE)?, user })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// The user who may connect.
    pub(super) fn user(&self) -> u32 {
        self.user
    }

    /// The listener, and what removes its file when it is dropped.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        self.socket.into_parts()
    }
}

/// The user that this process runs as. Not the owner of `/proc/self`, which is root where the binary
/// has capabilities of its own.
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Where users without a folder of their own meet.
fn shared_folder(user: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/tollgate-{user}"))
}

fn make_own(folder: &Path, user: u32) -> Result<(), SocketError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => expect_own(folder, user),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => expect_own(folder, user),
        Err(source) => Err(system(folder.to_owned(), source)),
    }
}

/// Refuses a folder, or what stands in its place, that another user made or may enter.
fn expect_own(folder: &Path, user: u32) -> Result<(), SocketError> {
    let path = folder.to_owned();
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(source) => return Err(system(path, source)),
    };
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if found.is_dir() && owner == user && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(SocketError::OpenFolder { path, wanted: user, owner, mode })
}

fn system(path: PathBuf, source: io::Error) -> SocketError {
    UnixError::System { path, source }.into()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_its_owner_may_use_it_and_it_goes_with_its_node() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(socket.path(), path);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let user = user();
        make_own(&own, user).unwrap();
        make_own(&own, user).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o750)).unwrap();
        let error = make_own(&own, user).unwrap_err().to_string();
        assert!(error.contains("0750"), "{error}");
        fs::set_permissions(&own, Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(expect_own(&own, user + 1), Err(SocketError::OpenFolder { .. })));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert!(make_own(&link, user).is_err());
    }
}
