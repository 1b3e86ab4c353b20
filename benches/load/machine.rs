//! What a figure was measured on: without it a figure says nothing.
//!
//! Everything that cannot be found out is told as "unknown", never left out.

use std::fs;
use std::process::Command;

use serde::Serialize;

/// The machine, the toolchain and the build.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler found now, which is the one that built this unless it was changed since.
    pub rustc: String,
    /// The version of this package.
    pub version: &'static str,
    /// The commit checked out in the working directory.
    pub commit: String,
    /// The load average of the last minute: above zero at the start, others were at work.
    pub load_average: f64,
    /// Whether the driver was built for speed; the servers are built beside it.
    pub profile: &'static str,
}

impl Machine {
    /// Reads all of it now.
    pub fn read() -> Self {
        Self {
            cpu: cpu_model(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: known(fs::read_to_string("/proc/sys/kernel/osrelease").ok().as_deref()),
            rustc: known(output("rustc", &["--version"]).as_deref()),
            version: env!("CARGO_PKG_VERSION"),
            commit: known(output("git", &["rev-parse", "--short", "HEAD"]).as_deref()),
            load_average: load_average(&fs::read_to_string("/proc/loadavg").unwrap_or_default()),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    known(line.and_then(|line| line.split_once(':')).map(|(_, model)| model))
}

/// Zero if it cannot be read.
fn load_average(loadavg: &str) -> f64 {
    loadavg.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn known(found: Option<&str>) -> String {
    match found.map(str::trim) {
        None | Some("") => "unknown".to_owned(),
        Some(text) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_model_or_says_unknown() {
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t: Some CPU\n"), "Some CPU");
        assert_eq!(cpu_model("processor\t: 0\n"), "unknown");
    }

    #[test]
    fn takes_the_load_of_the_last_minute() {
        assert!((load_average("0.25 1.00 2.00 1/90 4711\n") - 0.25).abs() < f64::EPSILON);
    }
}
