//! The error of decoding: serde's words turned into a configuration's, and the place they are about.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::found::{expected, found};
use crate::config::document::{Node, Place, Trail};
use crate::config::report::excerpt;
use crate::config::suggest::nearest;

/// What decoding failed of. Boxed, because serde returns it from everywhere.
#[derive(Debug)]
pub(super) struct DecodeError(pub(super) Box<Fault>);

/// What is wrong, and where, once that is known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// A key is missing; the path ends in its name.
    pub(super) is_missing: bool,
    pub(super) at: Option<At>,
}

/// The node that an error is about.
#[derive(Debug)]
pub(super) struct At {
    pub(super) path: String,
    pub(super) place: Place,
    /// The address of the node that is left out for the next try.
    pub(super) cause: usize,
}

impl DecodeError {
    fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Fault { message: message.into(), help: None, is_missing: false, at: None }))
    }

    /// None of the known words was found, but this.
    pub(super) fn none_of(known: &[&str], found: &str) -> Self {
        Self::new(format!("expected {}, found {found}", one_of(known)))
    }

    fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same error, about this node unless it is about one inside it already.
    pub(super) fn at(mut self, trail: &Trail<'_>, place: Place, cause: &Node) -> Self {
        if self.0.at.is_some() {
            return self;
        }
        let path = match self.missing_name() {
            Some(name) => trail.key(&name).to_string(),
            None => trail.to_string(),
        };
        let cause = super::LeftOut::address(cause);
        self.0.at = Some(At { path, place, cause });
        self
    }

    /// The name of the missing key, which waits in the hint until the path is known.
    fn missing_name(&mut self) -> Option<String> {
        if self.0.is_missing { self.0.help.take() } else { None }
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = expected(wanted);
        let error = Self::new(format!("expected {wanted}, found {}", found(unexpected)));
        match unexpected {
            Unexpected::Str(text) if is_quoted_value(text, &wanted) => {
                error.with_help(format!("write {text} without quotes"))
            }
            _ => error,
        }
    }

    fn invalid_value(unexpected: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", expected(wanted), found(unexpected)))
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        hint(Self::none_of(known, &found(Unexpected::Str(variant))), variant, known)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        let error = Self::new(format!("unknown key `{}`", excerpt(field)));
        let error = hint(error, field, known);
        let known = format!("known keys: {}", known.join(", "));
        let help = match &error.0.help {
            Some(hint) => format!("{hint} ({known})"),
            None => known,
        };
        error.with_help(help)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new(format!("the key `{field}` is missing")).with_help(field);
        error.0.is_missing = true;
        error
    }
}

fn hint(error: DecodeError, word: &str, known: &'static [&'static str]) -> DecodeError {
    match nearest(word, known.iter().copied()) {
        Some(meant) => error.with_help(format!("did you mean `{meant}`?")),
        None => error,
    }
}

fn one_of(known: &[&str]) -> String {
    let quoted: Vec<_> = known.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// Whether quotes alone make `text` something else than what is wanted.
fn is_quoted_value(text: &str, wanted: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_boolean = matches!(text, "true" | "false");
    (is_number && wanted.contains("number")) || (is_boolean && wanted == "true or false")
}
