//! What files look like from outside, so that a change shows without reading them: paths, where
//! they lead, times and lengths.
//!
//! It misses a change that leaves all of these; the events of the file system tell of that one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::ratelimit;

/// How the configuration's files and folders look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sight(Vec<(PathBuf, Option<Look>)>);

/// How one of them looks.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    resolved: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
}

impl Sight {
    /// How `file`, if there is one, and everything in `listed` looks now.
    pub(super) fn of(file: Option<&Path>, listed: &[PathBuf]) -> Self {
        let mut paths: Vec<_> = file.map(ToOwned::to_owned).into_iter().collect();
        paths.extend(listed.iter().cloned());
        paths.extend(ratelimit::files(listed));
        let look = |path: PathBuf| {
            let look = look(&path);
            (path, look)
        };
        Self(paths.into_iter().map(look).collect())
    }
}

fn look(path: &Path) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some(Look {
        resolved: fs::canonicalize(path).ok()?,
        modified: metadata.modified().ok(),
        length: metadata.len(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let files = Self(tempfile::tempdir().unwrap());
            fs::create_dir(files.path("limits")).unwrap();
            fs::write(files.path("tollgate.yaml"), "a").unwrap();
            fs::write(files.path("limits/a.yaml"), "a").unwrap();
            files
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn sight(&self) -> Sight {
            Sight::of(Some(&self.path("tollgate.yaml")), &[self.path("limits")])
        }

        /// Sets the time by hand: two writes of a test may fall into one tick of the file system.
        fn date(&self, name: &str, seconds: u64) {
            let file = fs::File::options().write(true).open(self.path(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    }

    #[test]
    fn what_is_left_alone_looks_the_same() {
        let files = Files::new();
        assert_eq!(files.sight(), files.sight());
    }

    #[test]
    fn another_length_or_time_of_any_file_shows() {
        for name in ["tollgate.yaml", "limits/a.yaml"] {
            let files = Files::new();
            files.date(name, 1);
            let before = files.sight();
            files.date(name, 2);
            assert_ne!(files.sight(), before, "{name}");
            files.date(name, 1);
            assert_eq!(files.sight(), before, "{name}");
            fs::write(files.path(name), "longer").unwrap();
            files.date(name, 1);
            assert_ne!(files.sight(), before, "{name}");
        }
    }

    #[test]
    fn a_file_that_comes_or_goes_shows() {
        let files = Files::new();
        let before = files.sight();
        fs::write(files.path("limits/b.yaml"), "b").unwrap();
        let with_another = files.sight();
        assert_ne!(with_another, before);
        fs::remove_file(files.path("limits/a.yaml")).unwrap();
        assert_ne!(files.sight(), with_another);
        fs::remove_file(files.path("tollgate.yaml")).unwrap();
        files.sight();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_elsewhere_shows_though_the_file_there_looks_the_same() {
        use std::os::unix::fs::symlink;

        let files = Files::new();
        for version in ["..1", "..2"] {
            fs::create_dir(files.path("limits").join(version)).unwrap();
            fs::write(files.path("limits").join(version).join("k.yaml"), "k").unwrap();
            files.date(&format!("limits/{version}/k.yaml"), 1);
        }
        symlink("..1", files.path("limits/..data")).unwrap();
        symlink("..data/k.yaml", files.path("limits/k.yaml")).unwrap();
        let before = files.sight();
        symlink("..2", files.path("limits/..data_tmp")).unwrap();
        fs::rename(files.path("limits/..data_tmp"), files.path("limits/..data")).unwrap();
        assert_ne!(files.sight(), before);
    }
}
