//! What a server process has used: CPU time and resident memory, read from `/proc`.
//!
//! Linux only. Only the process itself is read, not its children.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

/// Ticks per second of the times in `/proc/PID/stat`: fixed in the kernel's interface, whatever
/// rate the kernel itself runs at.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time used by all threads since the process began.
///
/// The scheduler's own account (`schedstat`) is exact to the nanosecond but forgets threads that
/// have ended; the process's account (`stat`) keeps them but is rounded down to ticks. Both are
/// lower bounds, so the larger one is nearer to the truth.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let process = Path::new("/proc").join(pid.to_string());
    let ticks = ticks(&fs::read_to_string(process.join("stat"))?)?;
    let whole = Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND));
    Ok(whole.max(threads_time(&process)?))
}

/// Resident memory in bytes.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let path = Path::new("/proc").join(pid.to_string()).join("status");
    let status = fs::read_to_string(path)?;
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kibibytes.map(|kibibytes| kibibytes * 1024).ok_or_else(|| unreadable("VmRSS in status"))
}

/// The live threads whose name begins with `prefix`, by name, each with its time on a CPU.
pub fn threads(pid: u32, prefix: &str) -> io::Result<Vec<(String, Duration)>> {
    let mut threads = Vec::new();
    for task in fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task"))? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?.trim_end().to_owned();
        if name.starts_with(prefix) {
            threads.push((name, thread_time(&task)?));
        }
    }
    threads.sort();
    Ok(threads)
}

/// The live threads' time on a CPU; zero on a kernel that does not account it.
fn threads_time(process: &Path) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(process.join("task"))? {
        total = total.saturating_add(thread_time(&task?.path())?);
    }
    Ok(total)
}

/// One thread's time on a CPU.
fn thread_time(task: &Path) -> io::Result<Duration> {
    match fs::read_to_string(task.join("schedstat")) {
        Ok(schedstat) => {
            let on_cpu = schedstat.split_whitespace().next().and_then(|n| n.parse().ok());
            Ok(Duration::from_nanos(on_cpu.unwrap_or(0)))
        }
        // The thread has ended in the meantime, or the kernel keeps no such account.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Duration::ZERO),
        Err(error) => Err(error),
    }
}

/// `utime` + `stime` of a `stat` line.
fn ticks(stat: &str) -> io::Result<u64> {
    // The name, in parentheses, may itself hold spaces and parentheses; the fields after it start
    // with the third, the state. `utime` is the 14th, `stime` the 15th.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(|| unreadable("stat"))?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok(user.saturating_add(system)),
        _ => Err(unreadable("utime and stime in stat")),
    }
}

fn unreadable(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("cannot read {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_ticks_behind_a_name_with_spaces_and_parentheses() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
        assert_eq!(ticks(stat).unwrap(), 11 + 12);
        assert!(ticks("42 (short) S 1").is_err());
    }

    #[test]
    fn sees_the_work_and_the_memory_of_this_process() {
        let pid = std::process::id();
        let before = cpu_time(pid).unwrap();
        let mut sum = 0_u64;
        // Bounded, but far more than the account's resolution.
        for number in 0..200_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(number));
        }
        assert!(cpu_time(pid).unwrap() > before);
        assert!(resident_bytes(pid).unwrap() > 100_000);
    }
}
