//! Writing results and words about them. A reader that has seen enough is no failure, a full disk is
//! one, and neither ends the process with a panic as `print!` does.

use std::io::{self, Write};

use crate::cli::exit::Cause;
use crate::cli::failure::{Failure, next};

/// Writes a result to standard output.
///
/// # Errors
/// If it cannot be written though somebody still reads.
pub(in crate::cli) fn result(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), text)
}

/// Writes words about a result, as a line of standard error. Where that is not possible, there is
/// nobody to tell.
pub(in crate::cli) fn words(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

fn write(to: &mut impl Write, text: &str) -> Result<(), Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => Ok(()),
        // `| head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            let what = format!("cannot write the answer: {error}");
            Err(Failure::new(Cause::Other, what, next::STATUS))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_full_device_is_a_failure_and_a_reader_that_left_is_none() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let failure = write(&mut full, "text").unwrap_err();
        assert!(failure.what().starts_with("cannot write the answer: "), "{failure}");
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        write(&mut writer, "text").unwrap();
    }
}
