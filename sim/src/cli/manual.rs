//! `foreshock completions` and `foreshock manual`: what a shell and a reader of manual pages know of the command
//! line, made from the command line itself.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

/// Print completions for a shell
#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, for `man -l -`
#[derive(Args, Debug)]
pub(crate) struct ManualArguments {
    /// Of one command alone
    command: Option<String>,
}

pub(super) fn completions(
    arguments: &CompletionsArguments,
    terminal: &mut Terminal,
) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    let mut command = super::Arguments::command();
    let name = command.get_name().to_string();
    clap_complete::generate(arguments.shell, &mut command, name, &mut text);
    terminal.print(&String::from_utf8_lossy(&text));
    Ok(Exit::AsExpected)
}

pub(super) fn manual(arguments: &ManualArguments, terminal: &mut Terminal) -> Result<Exit, Failure> {
    let mut program = super::Arguments::command();
    program.build();
    let page = match &arguments.command {
        None => program,
        Some(name) => {
            let names: Vec<&str> = program
                .get_subcommands()
                .filter(|one| !one.is_hide_set())
                .map(clap::Command::get_name)
                .collect();
            let help = || crate::scenario::suggest::help(name, &names).unwrap_or_default();
            let found = program.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::usage(format!("there is no command `{name}`; {}", help())))?
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::Told(Exit::InputOutput, format!("cannot write the manual: {error}")))?;
    terminal.print(&String::from_utf8_lossy(&text));
    Ok(Exit::AsExpected)
}
