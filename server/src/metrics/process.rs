//! Memory of the process, which dashboards of the reference service show.

use std::fs;
use std::io::Read as _;

/// Bytes of memory that are in use.
const RESIDENT: &str = "process_resident_memory_bytes";
/// Bytes of address space.
const VIRTUAL: &str = "process_virtual_memory_bytes";

/// Where Linux tells it, in kibibytes.
const STATUS: &str = "/proc/self/status";

/// Bytes that are read of it; it has less than two thousand.
const STATUS_BYTES_MAX: u64 = 16 * 1_024;

/// Both as text; empty where the system does not tell.
pub(crate) fn process() -> String {
    let mut status = String::new();
    let read = fs::File::open(STATUS)
        .and_then(|file| file.take(STATUS_BYTES_MAX).read_to_string(&mut status));
    if read.is_err() {
        return String::new();
    }
    let fields = [
        (RESIDENT, "Resident memory size in bytes.", "VmRSS:"),
        (VIRTUAL, "Virtual memory size in bytes.", "VmSize:"),
    ];
    let line = |(name, help, field): (&str, &str, &str)| {
        let bytes = bytes(&status, field)?;
        Some(format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {bytes}\n"))
    };
    fields.into_iter().filter_map(line).collect()
}

fn bytes(status: &str, field: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: u64 = value.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_in_bytes() {
        let status = "Name:\tx\nVmSize:\t  4096 kB\nVmRSS:\t      12 kB\n";
        assert_eq!(
            (bytes(status, "VmRSS:"), bytes(status, "VmSize:")),
            (Some(12_288), Some(4_194_304))
        );
        assert_eq!(bytes(status, "VmHWM:"), None);
    }
}
