//! The last lines a child process wrote to one of its streams.
//!
//! A thread reads the pipe to its end, so that the child never blocks on a full pipe, and keeps a
//! bounded number of bounded lines. It interprets nothing.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Enough for a failure message and for every line of a start; a chatty child loses its oldest.
const LINES_MAX: usize = 4_096;

/// A longer line is kept in pieces: one line must not fill the memory.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// The lines kept of one stream. A clone looks at the same lines.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    ended: bool,
}

impl Lines {
    /// Collects from `stream` on a thread of its own, which ends with the stream: at the latest
    /// when the process that writes to it is killed.
    #[must_use]
    pub fn collect(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let into = lines.clone();
        std::thread::spawn(move || {
            into.read_to_end(stream);
            into.lock().ended = true;
        });
        lines
    }

    /// All lines kept, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// The last lines, at most `count`, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<String> {
        let kept = &self.lock().lines;
        kept.iter().skip(kept.len().saturating_sub(count)).cloned().collect()
    }

    /// Whether the stream has ended, so that no line will come any more.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.lock().ended
    }

    fn read_to_end(&self, stream: impl Read) {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return; // the end, or a pipe that broke: either way nothing more will come
            }
            self.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    }

    fn push(&self, line: String) {
        let lines = &mut self.lock().lines;
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_lines_and_cuts_long_ones() {
        let lines = Lines::default();
        let long = "x".repeat(LINE_BYTES_MAX as usize + 1);
        let text = "old\n".repeat(LINES_MAX) + &long + "\nlast";
        lines.read_to_end(text.as_bytes());
        assert_eq!(lines.all().len(), LINES_MAX);
        let tail = lines.last(3);
        assert_eq!(tail[0].len(), LINE_BYTES_MAX as usize);
        assert_eq!(&tail[1..], ["x", "last"]);
    }
}
