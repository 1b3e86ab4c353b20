//! Events of the file system: something around the configuration has changed.
//!
//! Folders are watched, not files: an editor renames a new file over the old one, and Kubernetes
//! swaps the link `..data`. What happened is not told, only that something did. Where nothing can
//! be watched, looks at the files take over (see `sight`).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tollgate_core::time::{Clock, Monotonic};

/// Folders that are watched; the files of further ones are only looked at.
const FOLDERS_MAX: usize = 1_000;

/// What is told of changes: that there was one, and when the newest was noticed. However many there
/// are, no more is kept.
#[derive(Debug, Default)]
pub(super) struct Changes {
    newest: AtomicU64,
    wake: Notify,
}

impl Changes {
    /// When the newest was noticed.
    pub(super) fn newest(&self) -> Monotonic {
        Monotonic::from_nanos(self.newest.load(Ordering::Acquire))
    }

    /// Waits for one that nobody has waited for.
    pub(super) async fn arrived(&self) {
        self.wake.notified().await;
    }

    fn notice(&self, now: Monotonic) {
        self.newest.fetch_max(now.as_nanos(), Ordering::AcqRel);
        self.wake.notify_one();
    }
}

/// Whoever watches the configuration's folders.
pub(super) struct Watch {
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
    watcher: Option<RecommendedWatcher>,
    /// What is watched.
    scope: Scope,
    /// The last failure that was logged.
    failure: Option<String>,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new(changes: Arc<Changes>, clock: Arc<dyn Clock>) -> Self {
        Self { changes, clock, watcher: None, scope: Scope::default(), failure: None }
    }

    /// Watches what `file` and everything in `listed` depend on now; true if that is not what was
    /// watched before, so that changes may have gone unnoticed until now. What could not be watched
    /// is tried again if `retry` says so.
    pub(super) fn follow(&mut self, file: Option<&Path>, listed: &[PathBuf], retry: bool) -> bool {
        let scope = Scope::of(file, listed);
        let is_new = scope != self.scope;
        let is_due = is_new || (retry && self.failure.is_some());
        if !is_due {
            return false;
        }
        // A new one, as a watch stays with a folder that was renamed away; the old one ends after
        // it has begun.
        let started = self.start(&scope);
        let failure = match started {
            Ok((watcher, failure)) => {
                self.watcher = Some(watcher);
                failure
            }
            Err(error) => Some(error.to_string()),
        };
        if failure.is_some() && failure != self.failure {
            let error = failure.as_deref().unwrap_or_default();
            tracing::warn!(event = "config_watch_failed", error, "looking every 30 s instead");
        }
        self.failure = failure;
        self.scope = scope;
        is_new
    }

    fn start(&self, scope: &Scope) -> notify::Result<(RecommendedWatcher, Option<String>)> {
        let (changes, clock) = (Arc::clone(&self.changes), Arc::clone(&self.clock));
        let names = scope.names();
        let notice = move |event: notify::Result<Event>| {
            if event.map_or(true, |event| names.concern(&event)) {
                changes.notice(clock.monotonic());
            }
        };
        let mut watcher = RecommendedWatcher::new(notice, notify::Config::default())?;
        let mut failure = None;
        for (folder, _) in &scope.folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                failure = Some(format!("{}: {error}", folder.display()));
            }
        }
        Ok((watcher, failure))
    }
}

/// What the configuration depends on, in terms of folders and names in them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scope {
    /// Folders to watch, and which folder each is: another one may have taken its place.
    folders: BTreeSet<(PathBuf, Identity)>,
    /// Folders of which every file counts.
    whole: BTreeSet<PathBuf>,
    /// Names that count in the other ones.
    single: BTreeSet<OsString>,
}

/// Which folder stands at a path.
type Identity = Option<(u64, u64)>;

impl Scope {
    fn of(file: Option<&Path>, listed: &[PathBuf]) -> Self {
        let mut scope = Self::default();
        let mut folders = BTreeSet::new();
        for path in file.into_iter().chain(listed.iter().map(PathBuf::as_path)) {
            let resolved = fs::canonicalize(path).ok();
            for path in std::iter::once(path).chain(resolved.as_deref()) {
                if path.is_dir() {
                    folders.insert(path.to_owned());
                    scope.whole.insert(path.to_owned());
                }
                folders.insert(scope.add_name(path));
            }
            // A link on the way may be swapped, too.
            let links = path.ancestors().skip(1).filter(|ancestor| ancestor.is_symlink());
            folders.extend(links.map(|link| scope.add_name(link)));
        }
        let identified = folders.into_iter().take(FOLDERS_MAX).map(|folder| {
            let identity = identity(&folder);
            (folder, identity)
        });
        scope.folders = identified.collect();
        scope
    }

    /// Adds the path's own name and returns the folder that it stands in.
    fn add_name(&mut self, path: &Path) -> PathBuf {
        self.single.extend(path.file_name().map(ToOwned::to_owned));
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
            Some(parent) => parent.to_owned(),
            None => path.to_owned(),
        }
    }

    fn names(&self) -> Names {
        Names { whole: self.whole.clone(), single: self.single.clone() }
    }
}

/// Which changes matter.
#[derive(Debug)]
struct Names {
    whole: BTreeSet<PathBuf>,
    single: BTreeSet<OsString>,
}

impl Names {
    fn concern(&self, event: &Event) -> bool {
        // Reading is an event as well, ours too; the end of writing is one that matters.
        let is_read = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
            EventKind::Access(_) => true,
            _ => false,
        };
        // Without a path, events were lost.
        !is_read && (event.paths.is_empty() || event.paths.iter().any(|path| self.concerns(path)))
    }

    fn concerns(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return true };
        // Kubernetes' `..data`, and the folders that it leads to.
        if self.single.contains(name) || name.as_encoded_bytes().starts_with(b"..") {
            return true;
        }
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        !is_hidden && path.parent().is_some_and(|folder| self.whole.contains(folder))
    }
}

#[cfg(unix)]
fn identity(folder: &Path) -> Identity {
    use std::os::unix::fs::MetadataExt as _;

    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_folder: &Path) -> Identity {
    None
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, ModifyKind, RenameMode};

    use super::*;

    fn names(file: &str, listed: &[&Path]) -> Names {
        let listed: Vec<_> = listed.iter().map(|path| (*path).to_owned()).collect();
        Scope::of(Some(Path::new(file)), &listed).names()
    }

    fn event(kind: EventKind, path: impl AsRef<Path>) -> Event {
        Event::new(kind).add_path(path.as_ref().to_owned())
    }

    #[test]
    fn only_what_the_configuration_consists_of_matters() {
        let folder = tempfile::tempdir().unwrap();
        let names = names("etc/tollgate.yaml", &[folder.path(), Path::new("etc/more.yaml")]);
        let created =
            |path: &Path| names.concern(&event(EventKind::Create(CreateKind::File), path));
        let own = folder.path().file_name().unwrap();
        for (path, expected) in [
            (Path::new("etc/tollgate.yaml"), true),
            (Path::new("etc/more.yaml"), true),
            (Path::new("etc/other.yaml"), false),
            (Path::new("etc/..data"), true),
            (Path::new("etc/.tollgate.yaml.swp"), false),
            (&folder.path().join("any.yaml"), true),
            (&folder.path().join(".any.yaml.swp"), false),
            (&folder.path().with_file_name(own), true),
        ] {
            assert_eq!(created(path), expected, "{}", path.display());
        }
    }

    #[test]
    fn reading_does_not_matter_and_lost_events_do() {
        let names = names("tollgate.yaml", &[]);
        let concern = |kind| names.concern(&event(kind, "./tollgate.yaml"));
        assert!(!concern(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(!concern(EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(concern(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(concern(EventKind::Modify(ModifyKind::Name(RenameMode::To))));
        assert!(names.concern(&Event::new(EventKind::Other)));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_in_the_place_of_another_is_another_scope() {
        let root = tempfile::tempdir().unwrap();
        let [limits, old] = ["limits", "old"].map(|name| root.path().join(name));
        fs::create_dir(&limits).unwrap();
        let listed = [limits.clone()];
        let scope = || Scope::of(Some(Path::new("tollgate.yaml")), &listed);
        let before = scope();
        assert_eq!(scope(), before);
        fs::rename(&limits, &old).unwrap();
        fs::create_dir(&limits).unwrap();
        assert_ne!(scope(), before);
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_of_every_link_on_the_way_is_watched() {
        use std::os::unix::fs::symlink;

        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("releases/1/config")).unwrap();
        fs::write(root.join("releases/1/config/t.yaml"), "").unwrap();
        symlink("releases/1", root.join("current")).unwrap();
        let scope = Scope::of(Some(&root.join("current/config/t.yaml")), &[]);
        let folders: Vec<_> = scope.folders.iter().map(|(folder, _)| folder.clone()).collect();
        let expected = [".", "current/config", "releases/1/config"].map(|name| root.join(name));
        assert_eq!(folders, expected);
        assert!(scope.names().concerns(&root.join("current")));
    }
}
