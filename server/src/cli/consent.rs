//! Consent to a change: `--dry-run` shows it, `--yes` makes it, and a person at a terminal is asked.

use std::io::{self, BufRead as _, Read as _};

use clap::Args;

use super::exit::Cause;
use super::failure::Failure;
use super::output::{clean, terminal};

/// Bytes of a typed line that are read.
const LINE_BYTES_MAX: u64 = 1_024;

/// The flags of every command that changes something.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Consent {
    /// Do it without asking; needed where there is no terminal to ask on
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Only print what would change, as the audit log would have it
    #[arg(long)]
    dry_run: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Say what would change.
    Show,
    /// Change it.
    Do,
}

impl Consent {
    /// Whether a change is shown or made. `change` says what it does ("forgets the counter …"),
    /// `word` is what a person types to agree, `command` is the command line without these flags.
    ///
    /// # Errors
    /// Without a flag: off a terminal, and where another word was typed.
    pub(super) fn step(self, change: &str, word: &str, command: &str) -> Result<Step, Failure> {
        match self {
            Self { dry_run: true, .. } => Ok(Step::Show),
            Self { yes: true, .. } => Ok(Step::Do),
            _ if !terminal::answers() => {
                let what = format!(
                    "this {change}, and there is no terminal to ask on: --yes does it, --dry-run \
                     shows it"
                );
                Err(Failure::new(Cause::Usage, clean(&what), format!("{command} --dry-run")))
            }
            _ => ask(&mut io::stdin().lock(), &mut io::stderr().lock(), change, word, command),
        }
    }
}

fn ask(
    from: &mut impl io::BufRead,
    to: &mut impl io::Write,
    change: &str,
    word: &str,
    command: &str,
) -> Result<Step, Failure> {
    // Whoever cannot see the question does not answer it with the word.
    drop(write!(to, "this {}\ntype {} to go on: ", clean(change), clean(word)));
    drop(to.flush());
    let mut line = String::new();
    let read = from.take(LINE_BYTES_MAX).read_line(&mut line);
    if read.is_ok() && line.trim() == word {
        return Ok(Step::Do);
    }
    let what = "nothing was changed: that was another word";
    Err(Failure::new(Cause::Cancelled, what, format!("{command} --dry-run")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn only_the_word_agrees() {
        for (typed, expected) in
            [("abc\n", true), (" abc \r\n", true), ("ab\n", false), ("y\n", false), ("", false)]
        {
            let mut seen = Vec::new();
            let answer = ask(&mut typed.as_bytes(), &mut seen, "forgets abc", "abc", "tollgate x");
            assert_eq!(answer.is_ok(), expected, "{typed:?}");
            if let Err(failure) = answer {
                assert_eq!(failure.exit(), Exit::Cancelled);
                assert!(failure.to_string().ends_with("next: tollgate x --dry-run"));
            }
            let seen = String::from_utf8(seen).unwrap();
            assert_eq!(seen, "this forgets abc\ntype abc to go on: ");
        }
        let endless = vec![b'a'; 1 << 20];
        assert!(ask(&mut &endless[..], &mut Vec::new(), "", "abc", "").is_err());
    }

    #[test]
    fn a_flag_decides_without_a_question() {
        let step = |yes, dry_run| Consent { yes, dry_run }.step("", "", "").unwrap();
        assert_eq!(step(true, false), Step::Do);
        assert_eq!(step(false, true), Step::Show);
    }
}
