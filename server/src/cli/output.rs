//! Writing results and words about them. A reader that has seen enough is no failure, a full disk is
//! one, and neither ends the process with a panic as `print!` does.

use std::io::{self, Write};

use anyhow::Context as _;

/// Writes a result to standard output.
///
/// # Errors
/// If it cannot be written though somebody still reads.
pub(super) fn result(text: &str) -> anyhow::Result<()> {
    write(&mut io::stdout().lock(), text)
}

/// Writes words about a result, as a line of standard error. Where that is not possible, there is
/// nobody to tell.
pub(super) fn words(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An error with its causes, each once: some repeat theirs in their own words.
pub(super) fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

fn write(to: &mut impl Write, text: &str) -> anyhow::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn a_full_device_is_a_failure_and_a_reader_that_left_is_none() {
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let error = write(&mut full, "text").unwrap_err();
        assert!(causes(&error).starts_with("cannot write the answer: "), "{error:#}");
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        write(&mut writer, "text").unwrap();
    }

    #[test]
    fn a_cause_that_is_repeated_is_told_once() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let error = tollgate_runtime::listen::tcp(address).unwrap_err();
        let text = causes(&anyhow::Error::from(error).context("listeners.http.address"));
        let expected = format!("listeners.http.address: cannot listen on {address}: ");
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.matches("Address already in use").count(), 1, "{text}");
    }
}
