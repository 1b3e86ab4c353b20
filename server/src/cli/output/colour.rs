//! Colour: whether there is any, and the few things that have one.
//!
//! Sparing: what is refused or broken is red, what is well is green, headings are bold. Everything
//! reads the same without.

use std::ffi::OsString;

use clap::ValueEnum;

/// When to colour, as `--color` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum When {
    /// On a terminal, unless NO_COLOR, CLICOLOR=0 or TERM=dumb says no; with CLICOLOR_FORCE always
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl When {
    /// Whether to colour. From the strongest: the flag, `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR=0`,
    /// `TERM=dumb`, whether a person reads. An empty variable is unset.
    pub(super) fn paints(
        self,
        look_up: impl Fn(&str) -> Option<OsString>,
        is_terminal: bool,
    ) -> bool {
        let value = |name: &str| look_up(name).filter(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if value("NO_COLOR").is_some() => false,
            Self::Auto if value("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            Self::Auto if value("CLICOLOR").is_some_and(|value| value == "0") => false,
            Self::Auto if value("TERM").is_some_and(|value| value == "dumb") => false,
            Self::Auto => is_terminal,
        }
    }
}

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// Well.
    Good,
    /// Refused, broken or over.
    Bad,
    /// What stands over other text.
    Heading,
}

/// Paints text, or leaves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Paint(pub(super) bool);

impl Paint {
    /// The text in its tone.
    pub(in crate::cli) fn of(self, tone: Tone, text: &str) -> String {
        if !self.0 {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Heading => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_whether_there_is_colour() {
        use When::{Always, Auto, Never};
        type Case<'a> = (When, &'a [(&'a str, &'a str)], bool, bool);
        let cases: [Case<'_>; 18] = [
            (Auto, &[], true, true),
            (Auto, &[], false, false),
            (Auto, &[("TERM", "dumb")], true, false),
            (Auto, &[("TERM", "xterm")], true, true),
            (Auto, &[("CLICOLOR", "0")], true, false),
            (Auto, &[("CLICOLOR", "1")], true, true),
            (Auto, &[("CLICOLOR", "1")], false, false),
            (Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Auto, &[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")], false, true),
            (Auto, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], false, true),
            (Auto, &[("NO_COLOR", "1")], true, false),
            (Auto, &[("NO_COLOR", "0")], true, false),
            (Auto, &[("NO_COLOR", "")], true, true),
            (Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, false),
            (Always, &[("NO_COLOR", "1"), ("TERM", "dumb")], false, true),
            (Never, &[("CLICOLOR_FORCE", "1")], true, false),
            (Never, &[], true, false),
        ];
        for (when, variables, is_terminal, expected) in cases {
            let look_up = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(
                when.paints(look_up, is_terminal),
                expected,
                "{when:?} {variables:?} on a terminal: {is_terminal}"
            );
        }
    }

    #[test]
    fn without_colour_text_is_as_it_was() {
        assert_eq!(Paint(false).of(Tone::Bad, "over"), "over");
        assert_eq!(Paint(true).of(Tone::Bad, "over"), "\u{1b}[31mover\u{1b}[0m");
    }
}
