//! How results look: as a table for people, as JSON or YAML for programs, as names for `xargs`.
//!
//! Results go to standard output, words about them to standard error.

mod answer;
mod colour;
mod table;
pub(super) mod terminal;
mod write;

use std::fmt::Display;

use clap::{Args, ValueEnum};
use serde::de::DeserializeOwned;

pub(super) use self::answer::Answered;
pub(super) use self::colour::{Paint, Tone};
pub(super) use self::table::{Cell, Table, cell, clean, span};
pub(super) use self::write::{result, words};
use super::failure::Failure;

/// How to print. Every command that prints a result has these flags.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Output {
    /// How to print: a table for people, `wide` with all columns and uncut, `json` or `yaml` for
    /// programs (the fields of the admin API), `name` a key or name a line, for xargs
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    #[arg(hide_possible_values = true, value_parser = clap::builder::EnumValueParser::<Format>::new())]
    output: Format,
    /// When to colour: `auto` (on a terminal; NO_COLOR, CLICOLOR_FORCE, CLICOLOR=0 and TERM=dumb are
    /// heeded), `always` or `never`
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    #[arg(hide_possible_values = true)]
    color: colour::When,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Table,
    Wide,
    Json,
    Yaml,
    Name,
}

/// What text for people is made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// All columns, every cell whole.
    pub(super) wide: bool,
    /// Columns of the terminal; nothing where lines may be of any length.
    pub(super) width: Option<usize>,
    /// Colour.
    pub(super) paint: Paint,
}

impl Output {
    /// Whether people read it.
    pub(super) fn is_for_people(self) -> bool {
        matches!(self.output, Format::Table | Format::Wide)
    }

    /// What stands between two results of one command.
    pub(super) fn between(self) -> &'static str {
        match self.output {
            Format::Json => "", // each is a line
            Format::Yaml => "---\n",
            Format::Table | Format::Wide | Format::Name => "\n",
        }
    }

    /// How text for people is made now.
    pub(super) fn style(self) -> Style {
        let paints = self.color.paints(|name| std::env::var_os(name), terminal::reads());
        let wide = self.output == Format::Wide;
        let width = if wide { None } else { terminal::width() };
        Style { wide, width, paint: Paint(paints) }
    }

    /// The text of a result: `names` are its keys or names, `table` makes it readable.
    ///
    /// # Errors
    /// If this version does not know its form.
    pub(super) fn text<T: DeserializeOwned>(
        self,
        answered: &Answered,
        names: impl FnOnce(&T) -> Vec<String>,
        table: impl FnOnce(&T, &Style) -> String,
    ) -> Result<String, Failure> {
        let mut text = match self.output {
            Format::Json => answered.json(),
            Format::Yaml => answered.yaml()?,
            Format::Name => lines(&names(&answered.read()?)),
            Format::Table | Format::Wide => table(&answered.read()?, &self.style()),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// Prints a result: see [`Self::text`].
    pub(super) fn print<T: DeserializeOwned>(
        self,
        answered: &Answered,
        names: impl FnOnce(&T) -> Vec<String>,
        table: impl FnOnce(&T, &Style) -> String,
    ) -> Result<(), Failure> {
        result(&self.text(answered, names, table)?)
    }
}

impl Style {
    /// The text in its tone.
    pub(super) fn tone(&self, tone: Tone, text: impl Display) -> String {
        self.paint.of(tone, &text.to_string())
    }
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| clean(name) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(output: Format) -> String {
        let output = Output { output, color: colour::When::Never };
        let answered = Answered::of(&[3, 5]).unwrap();
        let names = |numbers: &Vec<u8>| numbers.iter().map(ToString::to_string).collect();
        let table = |numbers: &Vec<u8>, style: &Style| format!("{numbers:?} {}", style.wide);
        output.text(&answered, names, table).unwrap()
    }

    #[test]
    fn one_result_has_every_form() {
        assert_eq!(text(Format::Table), "[3, 5] false\n");
        assert_eq!(text(Format::Wide), "[3, 5] true\n");
        assert_eq!(text(Format::Json), "[3,5]\n");
        assert_eq!(text(Format::Yaml), "- 3\n- 5\n");
        assert_eq!(text(Format::Name), "3\n5\n");
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(lines(&["a\nb".to_owned(), "\u{1b}c".to_owned()]), "a\u{fffd}b\n\u{fffd}c\n");
    }
}
