//! The generated code is what the `.proto` files say. `cargo xtask codegen` writes it.
//!
//! The compiler is pure Rust, so that neither a build nor this test needs `protoc`.

use std::fs;
use std::path::Path;

/// Set by `cargo xtask codegen`: the committed code is replaced instead of compared.
const WRITE: &str = "TOLLGATE_WRITE_GENERATED";

const FILES: [&str; 5] = [
    "tollgate/v1/decisions.proto",
    "tollgate/v1/admin.proto",
    "tollgate/peer/v1/peer.proto",
    "tollgate/log/v1/log.proto",
    "tollgate/log/v1/snapshot.proto",
];

/// Package by package.
const GENERATED: [&str; 3] = ["tollgate.v1.rs", "tollgate.peer.v1.rs", "tollgate.log.v1.rs"];

/// Packages whose `bytes` are shared, not copied: entries of a log.
const SHARED_BYTES: [&str; 1] = [".tollgate.peer.v1"];

#[test]
fn the_committed_code_is_what_the_proto_files_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let set = protox::compile(FILES, [root]).unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut config = tonic_prost_build::configure();
    for package in SHARED_BYTES {
        config = config.bytes(package);
    }
    config.btree_map(".").build_transport(false).out_dir(out.path()).compile_fds(set).unwrap();
    for generated in GENERATED {
        let made = fs::read_to_string(out.path().join(generated)).unwrap();
        let committed = root.join("src/generated").join(generated);
        if std::env::var_os(WRITE).is_some() {
            fs::write(&committed, made).unwrap();
            continue;
        }
        let is_same = fs::read_to_string(&committed).unwrap_or_default() == made;
        assert!(is_same, "{} is stale: run cargo xtask codegen", committed.display());
    }
}
