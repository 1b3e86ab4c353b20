//! The tree of commands as a whole: each teaches, and what it teaches is right.

use clap::{Command, CommandFactory as _, Parser as _};

use super::failure::next;
use super::{Cli, Exit};

/// What stands for something that only the reader knows, and a value that has its form.
const PLACEHOLDERS: [(&str, &str); 4] = [
    ("KEY", "00000000000000000000000000000000"),
    ("HOST:PORT", "localhost:1"),
    ("/PATH", "/a"),
    ("FILE", "a"),
];

/// Every command, with the words that lead to it.
fn all() -> Vec<(String, Command)> {
    fn add(command: &Command, above: &str, found: &mut Vec<(String, Command)>) {
        let words = format!("{above}{}", command.get_name());
        found.push((words.clone(), command.clone()));
        for command in command.get_subcommands() {
            add(command, &format!("{words} "), found);
        }
    }
    let mut found = Vec::new();
    add(&Cli::command(), "", &mut found);
    found
}

fn after_help(command: &Command) -> String {
    command.get_after_help().map(ToString::to_string).unwrap_or_default()
}

/// The command line in a line of help: without a comment, a pipe or a file.
fn call(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let own = line.starts_with("tollgate ") || line == "tollgate";
    let call = own.then(|| line.split("  ").next())??;
    let call = call.split(" | ").next()?.split(" > ").next()?;
    let filled = PLACEHOLDERS.iter().fold(call.to_owned(), |call, (word, value)| {
        let words = call.split(' ').map(|part| match part.strip_suffix(word) {
            Some(before) if !before.ends_with(|c: char| c.is_ascii_uppercase()) => {
                format!("{before}{value}")
            }
            _ => part.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    });
    Some(filled.split(' ').map(str::to_owned).collect())
}

#[test]
fn every_command_teaches() {
    let mut wrong = Vec::new();
    for (words, command) in all() {
        if command.get_about().is_none() {
            wrong.push(format!("`{words}` does not say what it does"));
        }
        if !after_help(&command).contains("Examples:\n  tollgate") {
            wrong.push(format!("`{words}` has no examples"));
        }
        for argument in command.get_arguments() {
            if argument.get_help().is_none_or(|help| help.to_string().is_empty()) {
                wrong.push(format!("`{words}` does not say what {argument} is"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all().len() > 15, "{}", all().len());
}

#[test]
fn every_example_is_a_call_that_is_understood() {
    let mut read = 0;
    for (words, command) in all() {
        let mut own = 0;
        for line in after_help(&command).lines() {
            let Some(call) = call(line) else { continue };
            if let Err(error) = Cli::try_parse_from(&call) {
                panic!("`{words}` teaches {call:?}: {error}");
            }
            own += usize::from(format!("{} ", call.join(" ")).starts_with(&format!("{words} ")));
            read += 1;
        }
        assert!(own > 0, "no example of `{words}` calls it");
    }
    assert!(read > 40, "{read}");
}

#[test]
fn every_next_command_is_understood() {
    for next in next::ALL {
        let call = call(next).unwrap();
        assert!(!call.iter().any(|word| word == "FILE"), "{call:?}");
        if let Err(error) = Cli::try_parse_from(&call) {
            panic!("{next}: {error}");
        }
    }
}

#[test]
fn a_command_that_prints_a_result_has_its_flags() {
    let without = [
        "tollgate",
        "tollgate serve",
        "tollgate schema",
        "tollgate openapi",
        "tollgate completion",
        "tollgate man",
    ];
    for (words, mut command) in all() {
        command.build();
        // A global flag of the commands above is the command's own once the tree is built.
        let above = words.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let holder = all().into_iter().find(|(name, _)| *name == above).unwrap().1;
        let has = |name: &str| holder.get_arguments().any(|it| it.get_long() == Some(name));
        let expected = !without.contains(&words.as_str());
        assert_eq!(has("output"), expected, "`{words}` and --output");
        assert_eq!(has("color"), expected, "`{words}` and --color");
    }
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = Cli::command().render_help().to_string();
    for exit in Exit::ALL {
        let line = format!("\n  {:<4}{}", exit.code(), exit.meaning());
        assert!(help.contains(&line), "no {line:?} in\n{help}");
    }
}
