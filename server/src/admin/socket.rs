//! The admin socket: where it lies, who may use it, and that it is nobody else's.
//!
//! Whoever can connect may do all, so it lies in a folder of the user's own, has mode 0600, and
//! every connection's peer must be the same user (or root). A lock file beside it, held as long as
//! the process lives, says whether a socket that is found belongs to a running node; a killed
//! process leaves the socket behind and the lock free.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The variable that names the socket, for nodes and for the command line.
const PATH_VARIABLE: &str = "TOLLGATE_ADMIN_SOCKET";

/// The variable of the XDG base directory specification that names the user's own folder.
const RUNTIME_FOLDER_VARIABLE: &str = "XDG_RUNTIME_DIR";

/// `O_NONBLOCK` and `O_NOFOLLOW` of Linux, whose value depends on the machine: what stands in the
/// lock file's place neither holds us up nor leads us elsewhere.
const OPEN_ONLY_A_FILE: i32 = 0o4000 | OPEN_NO_LINK;
const OPEN_NO_LINK: i32 = if cfg!(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "powerpc",
    target_arch = "powerpc64"
)) {
    0o100_000
} else {
    0o400_000
};

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A running node has it.
    #[error("{} belongs to a running node", .0.display())]
    Taken(PathBuf),
    /// Something else is in its place.
    #[error("{} is there and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// Something else is in the place of its lock file.
    #[error("{} is there and is no regular file", .0.display())]
    NoLock(PathBuf),
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
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Where the socket lies unless a flag says otherwise: the file that `TOLLGATE_ADMIN_SOCKET` names,
/// else `tollgate.sock` in `XDG_RUNTIME_DIR`, else `/tmp/tollgate-UID/admin.sock`.
///
/// # Errors
/// If the system does not tell the user.
pub fn default_path() -> Result<PathBuf, SocketError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set(PATH_VARIABLE) {
        return Ok(path);
    }
    match set(RUNTIME_FOLDER_VARIABLE) {
        Some(folder) => Ok(folder.join("tollgate.sock")),
        None => Ok(shared_folder(user()?).join("admin.sock")),
    }
}

/// The path for a client: in the folder that every user can make for another one, only if it is the
/// user's own.
///
/// # Errors
/// [`SocketError::OpenFolder`] if it is not.
pub fn usable_path(path: PathBuf) -> Result<PathBuf, SocketError> {
    let user = user()?;
    let folder = shared_folder(user);
    if path.starts_with(&folder) && folder.exists() {
        expect_own(&folder, user)?;
    }
    Ok(path)
}

/// A bound admin socket. Dropped, its file is removed.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The socket's file and the lock beside it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// The user who may connect.
    pub(super) user: u32,
    /// Released after the file is removed: fields are dropped after their struct.
    _lock: File,
}

impl AdminSocket {
    /// Binds the socket at `path`. The file of a process that is gone is replaced.
    ///
    /// # Errors
    /// [`SocketError`], which names the path.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let user = user()?;
        let failed = |source| SocketError::System { path: path.to_owned(), source };
        let folder = shared_folder(user);
        if path.starts_with(&folder) {
            make_own(&folder, user)?;
        }
        let lock = lock(path)?;
        make_way(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let identity = fs::symlink_metadata(path).map(|file| identity(&file)).map_err(failed)?;
        let file = SocketFile { path: path.to_owned(), identity, user, _lock: lock };
        Ok(Self { listener, file })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The listener, and what removes its file when it is dropped.
    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |file: &fs::Metadata| identity(file) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(|file| is_ours(&file)) {
            // The next node replaces what stays.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The user that this process runs as.
fn user() -> Result<u32, SocketError> {
    let path = PathBuf::from("/proc/self");
    match fs::metadata(&path) {
        Ok(metadata) => Ok(metadata.uid()),
        Err(source) => Err(SocketError::System { path, source }),
    }
}

/// Where users without a folder of their own meet.
fn shared_folder(user: u32) -> PathBuf {
    PathBuf::from(format!("/tmp/tollgate-{user}"))
}

fn make_own(folder: &Path, user: u32) -> Result<(), SocketError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => expect_own(folder, user),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => expect_own(folder, user),
        Err(source) => Err(SocketError::System { path: folder.to_owned(), source }),
    }
}

/// Refuses a folder, or what stands in its place, that another user made or may enter.
fn expect_own(folder: &Path, user: u32) -> Result<(), SocketError> {
    let path = folder.to_owned();
    let found = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        Err(source) => return Err(SocketError::System { path, source }),
    };
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    if found.is_dir() && owner == user && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(SocketError::OpenFolder { path, wanted: user, owner, mode })
}

/// Takes the lock beside `path`, which only the process that has the socket holds.
fn lock(path: &Path) -> Result<File, SocketError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let failed = |source| SocketError::System { path: beside.clone(), source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(OPEN_ONLY_A_FILE);
    let file = match options.open(&beside) {
        Ok(file) => file,
        Err(source) => {
            let is_else = fs::symlink_metadata(&beside).is_ok_and(|found| !found.is_file());
            return Err(if is_else { SocketError::NoLock(beside) } else { failed(source) });
        }
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(SocketError::NoLock(beside));
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SocketError::Taken(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a socket that nobody listens on.
fn make_way(path: &Path) -> Result<(), SocketError> {
    let failed = |source| SocketError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::NoSocket(path.to_owned())),
        // Somebody who does not know of the lock may listen on it.
        Ok(_) if UnixStream::connect(path).is_ok() => Err(SocketError::Taken(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(failed),
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
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
    fn a_running_node_keeps_its_socket_and_a_dead_one_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let first = AdminSocket::bind(&path).unwrap();
        let error = AdminSocket::bind(&path).unwrap_err();
        assert!(matches!(error, SocketError::Taken(_)), "{error}");
        assert!(error.to_string().contains("admin.sock"), "{error}");
        UnixStream::connect(&path).unwrap();
        drop(first);
        // A killed process: the file is there, nobody listens, nobody holds the lock.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(AdminSocket::bind(&path).unwrap());
    }

    #[test]
    fn a_listener_without_the_lock_is_respected_and_another_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let stranger = UnixListener::bind(&path).unwrap();
        assert!(matches!(AdminSocket::bind(&path), Err(SocketError::Taken(_))));
        drop(stranger);
        let file = folder.path().join("notes");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(AdminSocket::bind(&file), Err(SocketError::NoSocket(_))));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn what_stands_in_the_lock_files_place_neither_holds_up_nor_leads_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let lock = folder.path().join("admin.sock.lock");
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        let error = AdminSocket::bind(&path).unwrap_err();
        assert!(matches!(error, SocketError::NoLock(_)), "{error}");
        assert!(!target.exists());
        fs::remove_file(&lock).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
        assert!(matches!(AdminSocket::bind(&path), Err(SocketError::NoLock(_))));
        let _reader = OpenOptions::new().read(true).custom_flags(0o4000).open(&lock).unwrap();
        assert!(matches!(AdminSocket::bind(&path), Err(SocketError::NoLock(_))));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let user = user().unwrap();
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
