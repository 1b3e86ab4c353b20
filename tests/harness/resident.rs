//! How much memory a process has, as the system counts it.

use std::fs;

use anyhow::Context as _;

/// The resident bytes of a process.
///
/// # Errors
/// When the process has ended or the system does not say.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| path.clone())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.with_context(|| format!("{path} has no VmRSS"))?.parse()?;
    Ok(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_touched_is_counted() {
        let before = resident_bytes(std::process::id()).unwrap();
        let touched = vec![1_u8; 64 << 20];
        let after = resident_bytes(std::process::id()).unwrap();
        assert!(after > before + (32 << 20), "{before} to {after}, {} touched", touched.len());
    }
}
