//! `tollgate completion`: what a shell completes a command line by.

use clap::{Args, CommandFactory as _};
use clap_complete::aot::{Shell, generate};

use super::exit::Exit;
use super::failure::Ended;
use super::{Cli, output};

const AFTER_HELP: &str = "\
Examples:
  tollgate completion bash > ~/.local/share/bash-completion/completions/tollgate
  tollgate completion zsh > ~/.zfunc/_tollgate
  tollgate completion fish > ~/.config/fish/completions/tollgate.fish";

/// Arguments of `tollgate completion`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl CompletionArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        output::result(&script(self.shell))?;
        Ok(Exit::Done)
    }
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "tollgate", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_has_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    #[test]
    fn bash_can_read_its_script() {
        let child = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no bash");
            return;
        };
        child.stdin.take().unwrap().write_all(script(Shell::Bash).as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}
