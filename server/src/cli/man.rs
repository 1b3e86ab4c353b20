//! `tollgate man`: pages of the manual, one for each command.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use super::Cli;
use super::exit::{Cause, Exit};
use super::failure::{Ended, Failure};
use super::output::{self, clean};

const AFTER_HELP: &str = "\
Examples:
  tollgate man | man -l -                             read the page of `tollgate`
  tollgate man counters find | man -l -               the page of one command
  tollgate man --out /usr/local/share/man/man1        write all of them";

/// Arguments of `tollgate man`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ManArgs {
    /// The command whose page is printed; without it that of `tollgate`
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder, which is made if need be
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A page: its file's name, the command's words, its text.
struct Page {
    file: String,
    words: Vec<String>,
    roff: Vec<u8>,
}

impl ManArgs {
    /// Does what the command line says.
    pub(super) fn run(&self) -> Ended {
        let pages = pages(Cli::command())?;
        match &self.out {
            Some(folder) => written(&pages, folder)?,
            None => {
                let Some(page) = pages.iter().find(|page| page.words == self.command) else {
                    let words = clean(&self.command.join(" "));
                    let what = format!("there is no command `tollgate {words}`");
                    return Err(Failure::new(Cause::Usage, what, "tollgate --help"));
                };
                output::result(&String::from_utf8_lossy(&page.roff))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn written(pages: &[Page], folder: &Path) -> Result<(), Failure> {
    let wrong = |path: &Path, error: std::io::Error| {
        let what = format!("{}: {error}", path.display());
        Failure::new(Cause::Other, what, "tollgate man --out DIR")
    };
    fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
    for page in pages {
        let path = folder.join(&page.file);
        fs::write(&path, &page.roff).map_err(|error| wrong(&path, error))?;
    }
    output::words(&format!("{} pages in {}", pages.len(), folder.display()));
    Ok(())
}

fn pages(root: Command) -> Result<Vec<Page>, Failure> {
    let mut root = root.disable_help_subcommand(true);
    // Gives every command its whole name, and the flags of those above it.
    root.build();
    let mut pages = Vec::new();
    add(&root, &[], &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, words: &[String], pages: &mut Vec<Page>) -> Result<(), Failure> {
    let title = [&["tollgate".to_owned()], words].concat().join("-");
    let mut roff = Vec::new();
    let page = Man::new(command.clone()).title(title.clone()).section("1").render(&mut roff);
    page.map_err(|error| Failure::new(Cause::Other, error, "tollgate --help"))?;
    pages.push(Page { file: format!("{title}.1"), words: words.to_vec(), roff });
    for command in command.get_subcommands() {
        let words = [words, &[command.get_name().to_owned()]].concat();
        add(command, &words, pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(command: &Command, above: &str, found: &mut Vec<String>) {
        let name = format!("{above}{}", command.get_name());
        found.push(format!("{name}.1"));
        for command in command.get_subcommands() {
            names(command, &format!("{name}-"), found);
        }
    }

    #[test]
    fn every_command_has_a_page_that_teaches() {
        let pages = pages(Cli::command()).unwrap();
        let mut expected = Vec::new();
        names(&Cli::command(), "", &mut expected);
        let files: Vec<_> = pages.iter().map(|page| page.file.clone()).collect();
        assert_eq!(files, expected);
        assert!(files.contains(&"tollgate-counters-find.1".to_owned()), "{files:?}");
        for page in pages {
            let roff = String::from_utf8(page.roff).unwrap();
            for part in [".TH tollgate", ".SH NAME", ".SH SYNOPSIS", "Examples"] {
                assert!(roff.contains(part), "{}: no {part}", page.file);
            }
        }
    }

    #[test]
    fn pages_are_written_to_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man/man1");
        let pages = pages(Cli::command()).unwrap();
        written(&pages, &out).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), pages.len());
        let file = out.join("tollgate.1");
        assert!(written(&pages, &file).is_err());
    }
}
