//! Verbs that are promised but have nothing behind them yet.
//!
//! They exist so that the door already has its final shape and so that a script that calls one
//! learns the truth from the exit status instead of mistaking silence for a pass.

use std::process::ExitCode;

use crate::EXIT_USAGE;

const COMING: [(&str, &str); 1] = [("soak", "hours of load with faults against real processes")];

/// The answer to a verb that is still to come, `None` for any other verb.
pub(crate) fn answer(verb: &str) -> Option<ExitCode> {
    let (_, what) = COMING.iter().find(|(name, _)| *name == verb)?;
    eprintln!("xtask: nothing exists yet for `{verb}`; to come: {what}. Nothing was run.");
    Some(ExitCode::from(EXIT_USAGE))
}
