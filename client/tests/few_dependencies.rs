//! What a service takes on with this crate: README says how many crates, and this counts them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn the_readme_tells_how_many_crates_come_along() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tree = ["tree", "--package", "tollgate-client", "--edges", "normal", "--prefix", "none"];
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(tree).args(["--locked", "--offline"]).current_dir(&root).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    // A line is a name, a version, and a mark where it was shown before.
    let package = |line: &str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    let packages: BTreeSet<_> = text.lines().filter(|line| !line.is_empty()).map(package).collect();
    let others = packages.iter().filter(|package| package[0] != "tollgate-client").count();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let sentence = format!("brings {others} crates");
    assert!(readme.contains(&sentence), "README does not say `{sentence}`:\n{text}");
    for heavy in ["axum", "envoy-types", "serde", "tollgate-runtime"] {
        assert!(packages.iter().all(|package| package[0] != heavy), "{heavy} came along:\n{text}");
    }
}
