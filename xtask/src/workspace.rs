//! The workspace as cargo sees it: folders, packages, targets and declared dependencies.
//!
//! Read once per run from `cargo metadata --no-deps`, which neither resolves nor writes anything.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// One workspace, as `cargo metadata` described it.
pub(crate) struct Workspace {
    /// The folder that holds the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Where cargo and xtask put what they make.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A member of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Absolute path of its `Cargo.toml`.
    pub(crate) manifest: PathBuf,
    pub(crate) targets: Vec<Target>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// Something that cargo compiles from one root file.
pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `bench`, `example`, `custom-build`, `proc-macro`.
    pub(crate) kinds: Vec<String>,
    /// Absolute path of the root file.
    pub(crate) file: PathBuf,
}

/// One line under a dependency table of any kind.
pub(crate) struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub(crate) name: String,
    /// The name as written in the manifest.
    pub(crate) written: String,
    /// `normal`, `dev` or `build`.
    pub(crate) kind: String,
    /// Whether it names a folder rather than a registry.
    pub(crate) is_local: bool,
}

impl Workspace {
    /// The workspace around the current folder.
    pub(crate) fn read() -> Result<Self> {
        Self::from_metadata(&metadata(None)?)
    }

    /// The workspace that a manifest belongs to: a nested one may stand apart from ours.
    pub(crate) fn around(manifest: &Path) -> Result<Self> {
        Self::from_metadata(&metadata(Some(manifest))?)
    }

    fn from_metadata(text: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(text).context("cargo metadata: not JSON")?;
        Ok(Self {
            root: text_at(&metadata, "workspace_root")?.into(),
            target: text_at(&metadata, "target_directory")?.into(),
            packages: list_at(&metadata, "packages")?.iter().map(package).collect::<Result<_>>()?,
        })
    }

    /// A path as house checks print it: relative to the root, with `/`.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    /// Whether some member builds a binary of this name.
    pub(crate) fn has_bin(&self, name: &str) -> bool {
        let mut targets = self.packages.iter().flat_map(|package| &package.targets);
        targets.any(|target| target.name == name && target.kinds.iter().any(|kind| kind == "bin"))
    }
}

fn metadata(manifest: Option<&Path>) -> Result<String> {
    let mut cargo = process::cargo();
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    if let Some(manifest) = manifest {
        cargo.arg("--manifest-path").arg(manifest);
    }
    process::output(&mut cargo)
}

fn package(value: &Value) -> Result<Package> {
    Ok(Package {
        name: text_at(value, "name")?.into(),
        manifest: text_at(value, "manifest_path")?.into(),
        targets: list_at(value, "targets")?.iter().map(target).collect::<Result<_>>()?,
        dependencies: list_at(value, "dependencies")?
            .iter()
            .map(dependency)
            .collect::<Result<_>>()?,
    })
}

fn target(value: &Value) -> Result<Target> {
    let kinds = list_at(value, "kind")?;
    Ok(Target {
        name: text_at(value, "name")?.into(),
        kinds: kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        file: text_at(value, "src_path")?.into(),
    })
}

fn dependency(value: &Value) -> Result<Dependency> {
    let name = text_at(value, "name")?;
    let optional = |key: &str| value.get(key).and_then(Value::as_str);
    Ok(Dependency {
        name: name.into(),
        written: optional("rename").unwrap_or(name).into(),
        kind: optional("kind").unwrap_or("normal").into(),
        is_local: optional("path").is_some(),
    })
}

fn text_at<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    let found = value.get(key).and_then(Value::as_str);
    found.with_context(|| format!("cargo metadata: no text at `{key}`"))
}

fn list_at<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    let found = value.get(key).and_then(Value::as_array);
    found.with_context(|| format!("cargo metadata: no list at `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::Workspace;

    #[test]
    fn reads_packages_targets_and_dependencies() {
        let text = r#"{"workspace_root": "/w", "target_directory": "/w/t", "packages": [
            {"name": "a", "manifest_path": "/w/a/Cargo.toml",
             "targets": [{"name": "a", "kind": ["bin"], "src_path": "/w/a/src/main.rs"}],
             "dependencies": [{"name": "b", "kind": "dev", "path": "/w/b", "rename": "bee"},
                              {"name": "c", "kind": null, "rename": null}]}]}"#;
        let workspace = Workspace::from_metadata(text).unwrap();
        let package = &workspace.packages[0];
        assert_eq!(workspace.relative(&package.manifest), "a/Cargo.toml");
        assert!(workspace.has_bin("a") && !workspace.has_bin("b"));
        let [local, external] = &package.dependencies[..] else { panic!("two dependencies") };
        assert_eq!((local.written.as_str(), local.kind.as_str()), ("bee", "dev"));
        assert!(local.is_local && !external.is_local);
        assert_eq!(external.kind, "normal");
    }
}
