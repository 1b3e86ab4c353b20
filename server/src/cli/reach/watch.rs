//! Asking again and again: `--watch`.

use std::time::Duration;

use clap::Args;
use http::Method;
use serde::de::DeserializeOwned;

use super::Reach;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::length;
use crate::cli::output::{Style, result, terminal, words};

/// The cursor to the first place of the screen, and everything from there on away.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

/// Whether a result is shown once, or again and again.
#[derive(Clone, Copy, Debug, Args)]
pub(in crate::cli) struct Watch {
    /// Show it again and again until SIGINT (exit code 130): every 2 s, or --watch=500ms
    #[arg(long, value_name = "INTERVAL", value_parser = interval)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "2s")]
    watch: Option<Duration>,
}

fn interval(text: &str) -> Result<Duration, String> {
    length::within(text, Duration::from_millis(100)..=Duration::from_secs(3_600))
}

impl Reach {
    /// Prints what `target` answers, once or again and again: on a terminal in the same place,
    /// otherwise a block each time.
    ///
    /// # Errors
    /// As for one question; once an answer has come, a node that is away is waited for.
    pub(in crate::cli) fn show<T: DeserializeOwned>(
        &self,
        watch: Watch,
        target: &str,
        names: impl Fn(&T) -> Vec<String>,
        table: impl Fn(&T, &Style) -> String,
    ) -> Result<T, Failure> {
        let mut node = self.node()?;
        let mut is_first = true;
        loop {
            let answered = node.ask(Method::GET, target, "");
            let Some(every) = watch.watch else {
                let answered = answered?;
                self.print(&answered, &names, &table)?;
                return answered.read();
            };
            match answered {
                Ok(answered) => {
                    let text = self.output.text(&answered, &names, &table)?;
                    let before = match (terminal::redraws(), is_first) {
                        (true, _) => CLEAR,
                        (false, true) => "",
                        (false, false) => self.output.between(),
                    };
                    result(&format!("{before}{text}"))?;
                }
                // A node that restarts is what somebody may be watching.
                Err(failure) if failure.exit() == Exit::Unreachable && !is_first => {
                    words(failure.what());
                }
                Err(failure) => return Err(failure),
            }
            is_first = false;
            node.pause(every)?;
        }
    }
}
