//! Whether a person reads, and how much fits in a line.

use std::io::{self, IsTerminal as _};

/// Whether standard output is a terminal.
pub(in crate::cli) fn reads() -> bool {
    io::stdout().is_terminal()
}

/// Whether somebody can be asked: the question is on standard error, the answer on standard input.
pub(in crate::cli) fn answers() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether the terminal can be told to draw anew where it drew before.
pub(in crate::cli) fn redraws() -> bool {
    reads() && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Columns of standard output; nothing where it is no terminal, or one that does not tell.
pub(super) fn width() -> Option<usize> {
    if !reads() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
