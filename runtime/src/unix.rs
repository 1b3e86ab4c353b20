//! Unix sockets that belong to one process: bound with a mode, never taken from a process that
//! lives, removed at the end.
//!
//! A lock file beside the socket, held as long as the process lives, says whether a socket that is
//! found belongs to a running process; a killed one leaves the socket behind and the lock free.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// Connections that the kernel holds before they are accepted.
const BACKLOG: i32 = 1_024;

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

/// Why a socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// A running process has it.
    #[error("{} belongs to a running node", .0.display())]
    Taken(PathBuf),
    /// Something else is in its place.
    #[error("{} is there and is no socket", .0.display())]
    NoSocket(PathBuf),
    /// Something else is in the place of its lock file.
    #[error("{} is there and is no regular file", .0.display())]
    NoLock(PathBuf),
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A listening socket. Dropped, its file is removed.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The socket's file and the lock beside it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Released after the file is removed: fields are dropped after their struct.
    _lock: File,
}

impl UnixSocket {
    /// Listens on a socket at `path` that those may connect to who `mode` lets write. The file of a
    /// process that is gone is replaced.
    ///
    /// # Errors
    /// [`UnixError`], which names the path.
    pub fn bind(path: &Path, mode: u32) -> Result<Self, UnixError> {
        let failed = |source| UnixError::System { path: path.to_owned(), source };
        let lock = lock(path)?;
        make_way(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
        let address = SockAddr::unix(path).map_err(failed)?;
        socket.bind(&address).map_err(failed)?;
        // Before it listens, nobody can connect: there is no moment with another mode.
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let identity = fs::symlink_metadata(path).map(|file| identity(&file)).map_err(failed)?;
        let file = SocketFile { path: path.to_owned(), identity, _lock: lock };
        Ok(Self { listener: socket.into(), file })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The listener, and what removes its file when it is dropped.
    pub fn into_parts(self) -> (UnixListener, SocketFile) {
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

/// Takes the lock beside `path`, which only the process that has the socket holds.
fn lock(path: &Path) -> Result<File, UnixError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let failed = |source| UnixError::System { path: beside.clone(), source };
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600).custom_flags(OPEN_ONLY_A_FILE);
    let file = match options.open(&beside) {
        Ok(file) => file,
        Err(source) => {
            let is_else = fs::symlink_metadata(&beside).is_ok_and(|found| !found.is_file());
            return Err(if is_else { UnixError::NoLock(beside) } else { failed(source) });
        }
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(UnixError::NoLock(beside));
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(UnixError::Taken(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a socket that nobody listens on.
fn make_way(path: &Path) -> Result<(), UnixError> {
    let failed = |source| UnixError::System { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(UnixError::NoSocket(path.to_owned())),
        // Somebody who does not know of the lock may listen on it.
        Ok(_) if is_in_use(path).map_err(failed)? => Err(UnixError::Taken(path.to_owned())),
        Ok(_) => fs::remove_file(path).map_err(failed),
    }
}

/// Whether a process has the socket, of whatever kind: unless the system says that nobody is there,
/// somebody may be, also one whose queue is full, who speaks otherwise, or who does not let us in.
fn is_in_use(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SockAddr::unix(path)?);
    Ok(connected.err().is_none_or(|error| error.kind() != io::ErrorKind::ConnectionRefused))
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    #[test]
    fn it_has_its_mode_and_goes_with_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        for mode in [0o600, 0o660] {
            let socket = UnixSocket::bind(&path, mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
            assert_eq!(socket.path(), path);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_running_node_keeps_its_socket_and_a_dead_one_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let first = UnixSocket::bind(&path, 0o600).unwrap();
        let error = UnixSocket::bind(&path, 0o600).unwrap_err();
        assert!(matches!(error, UnixError::Taken(_)), "{error}");
        assert!(error.to_string().contains("node.sock"), "{error}");
        UnixStream::connect(&path).unwrap();
        drop(first);
        // A killed process: the file is there, nobody listens, nobody holds the lock.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(UnixSocket::bind(&path, 0o600).unwrap());
    }

    #[test]
    fn a_listener_without_the_lock_is_respected_and_another_file_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let stranger = UnixListener::bind(&path).unwrap();
        assert!(matches!(UnixSocket::bind(&path, 0o600), Err(UnixError::Taken(_))));
        drop(stranger);
        let file = folder.path().join("notes");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(UnixSocket::bind(&file, 0o600), Err(UnixError::NoSocket(_))));
        assert_eq!(fs::read(&file).unwrap(), b"mine");
    }

    #[test]
    fn a_socket_that_takes_no_connection_and_is_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let taken = |path: &Path| {
            let bound = UnixSocket::bind(path, 0o600);
            assert!(matches!(bound, Err(UnixError::Taken(_))), "{bound:?}");
            assert!(path.exists());
        };
        // Another kind of socket, such as a log's.
        let datagrams = folder.path().join("log.sock");
        let _log = UnixDatagram::bind(&datagrams).unwrap();
        taken(&datagrams);
        // One whose queue is full: asking it must not wait for its turn.
        let busy = folder.path().join("busy.sock");
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        let address = SockAddr::unix(&busy).unwrap();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let mut queue = Vec::new();
        loop {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            if socket.connect(&address).is_err() {
                break;
            }
            queue.push(socket);
        }
        taken(&busy);
    }

    #[test]
    fn a_link_in_the_sockets_place_is_left_alone_and_so_is_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, target) = (folder.path().join("node.sock"), folder.path().join("target"));
        fs::write(&target, "mine").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(matches!(UnixSocket::bind(&path, 0o600), Err(UnixError::NoSocket(_))));
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn what_stands_in_the_lock_files_place_neither_holds_up_nor_leads_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let lock = folder.path().join("node.sock.lock");
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, &lock).unwrap();
        let error = UnixSocket::bind(&path, 0o600).unwrap_err();
        assert!(matches!(error, UnixError::NoLock(_)), "{error}");
        assert!(!target.exists());
        fs::remove_file(&lock).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
        assert!(matches!(UnixSocket::bind(&path, 0o600), Err(UnixError::NoLock(_))));
        let _reader = OpenOptions::new().read(true).custom_flags(0o4000).open(&lock).unwrap();
        assert!(matches!(UnixSocket::bind(&path, 0o600), Err(UnixError::NoLock(_))));
    }

    #[test]
    fn a_file_that_was_replaced_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let socket = UnixSocket::bind(&path, 0o600).unwrap();
        fs::rename(&path, folder.path().join("moved")).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(socket);
        assert!(path.exists());
    }
}
