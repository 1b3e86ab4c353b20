//! `cargo xtask`: the one door to every check, test, bench and long run of this workspace.
//!
//! This file only picks the verb; each verb lives in a file of its own. What a verb does is in
//! the help text, which is all the documentation a newcomer needs to start. Nothing here is part
//! of the shipped program, and no crate of the workspace depends on it.

mod arrows;
mod bench;
mod ci;
mod fix;
mod fuzz;
mod generated;
mod help;
mod later;
mod process;
mod setup;
mod sim;
mod skips;
mod stopwatch;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

/// What a wrong command line, or a verb that has nothing behind it yet, ends with.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let verb = args.first().map_or("--help", String::as_str);
    let rest = args.get(1..).unwrap_or_default();
    match dispatch(verb, rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(verb: &str, rest: &[String]) -> Result<ExitCode> {
    if matches!(verb, "-h" | "--help" | "help") {
        print!("{}", help::TEXT);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(exit) = later::answer(verb) {
        return Ok(exit);
    }
    let takes_args = matches!(verb, "test" | "bench" | "fuzz" | "sim");
    if let (false, Some(extra)) = (takes_args, rest.first()) {
        return Ok(usage(&format!("`{verb}` takes no argument, found `{extra}`")));
    }
    let workspace = Workspace::read()?;
    match verb {
        "ci" => ci::run(&workspace)?,
        "fix" => fix::run(&workspace)?,
        "codegen" => generated::code()?,
        "tidy" => tidy::run(&workspace)?,
        "arrows" => arrows::run(&workspace)?,
        "test" => test::run(&workspace, rest)?,
        "setup" => println!("{}", setup::envoy(&workspace)?.display()),
        "bench" => return bench::run(&workspace, rest),
        "fuzz" => return fuzz::run(&workspace, rest),
        "sim" => return sim::run(&workspace, rest),
        _ => return Ok(usage(&format!("there is no verb `{verb}`"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what is wrong with the command line and where the right one is described.
pub(crate) fn usage(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}; `cargo xtask --help` lists what there is");
    ExitCode::from(EXIT_USAGE)
}
