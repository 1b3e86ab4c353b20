//! Running other programs: says on stderr what is run, and fails with the same words.
//!
//! Children inherit stdin, stdout and stderr unless their output is asked for.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The cargo that runs us, so that nested calls use the same toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end; an exit status other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    eprintln!("xtask:   $ {shown}");
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs quietly to the end and returns stdout. What goes to stderr is part of the error, unless the
/// caller has sent it elsewhere.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let why = format!("`{shown}` failed ({}): {}", output.status, stderr.trim());
        bail!("{}", why.trim_end_matches([':', ' ']));
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` did not print UTF-8"))
}

/// The command as one would type it: variables set for it, program, arguments.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let set = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={}", key.to_string_lossy(), quoted(value?))));
    set.chain([quoted(name)]).chain(command.get_args().map(quoted)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains(char::is_whitespace) || word.is_empty() {
        format!("\"{word}\"")
    } else {
        word.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{output, shown};
    use std::process::Command;

    #[test]
    fn shows_a_command_as_one_would_type_it() {
        let mut command = Command::new("bin/tool");
        command.env("FLAGS", "-D warnings").args(["--all", "a b"]);
        assert_eq!(shown(&command), "FLAGS=\"-D warnings\" tool --all \"a b\"");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = output(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"), "{error:#}");
    }
}
