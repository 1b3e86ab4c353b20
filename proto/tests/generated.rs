//! The generated code is what the `.proto` files say. `cargo xtask codegen` writes it.
//!
//! The compiler is pure Rust, so that neither a build nor this test needs `protoc`.

use std::fs;
use std::path::Path;

/// Set by `cargo xtask codegen`: the committed code is replaced instead of compared.
const WRITE: &str = "TOLLGATE_WRITE_GENERATED";

const FILES: [&str; 2] = ["tollgate/v1/decisions.proto", "tollgate/v1/admin.proto"];

/// Package by package; one so far.
const GENERATED: &str = "tollgate.v1.rs";

#[test]
fn the_committed_code_is_what_the_proto_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = protox::compile(FILES, [root]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .btree_map(".")
        .build_transport(false)
        .out_dir(out.path())
        .compile_fds(set)
        .unwrap();
    let made = fs::read_to_string(out.path().join(GENERATED)).unwrap();
    let committed = root.join("src/generated").join(GENERATED);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&committed, made).unwrap();
        return;
    }
    let is_same = fs::read_to_string(&committed).unwrap() == made;
    assert!(is_same, "{} is stale: run cargo xtask codegen", committed.display());
}
