//! The command line: arguments in, words and an exit code out. One file for each subcommand; none of them knows
//! how a simulation works.

mod accept;
mod bisect;
mod check;
mod compared;
mod diff;
mod diverge;
mod examine;
mod exit;
mod fingerprint;
mod format;
mod git;
mod interrupt;
mod list;
mod manual;
mod merge;
mod repository;
mod run;
mod scenario;
mod schema;
mod shrink;
mod slice_file;
mod sweep;
mod terminal;
mod verify;
mod why;
mod why_goldens;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use self::exit::{Exit, Failure};
use self::format::Format;
use self::terminal::Terminal;
use crate::nodes::{Kind, Kinds};

/// The command line of Foreshock, open for kinds of services of one's own:
///
/// ```text
/// fn main() -> std::process::ExitCode {
///     foreshock::Cli::new().kind::<MyService>("my-service").run()
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cli {
    kinds: Kinds,
}

/// What every command is given.
struct Setup {
    kinds: Kinds,
    with_test_kinds: bool,
}

/// Deterministic simulation of backend systems: run fault scenarios, compare reports, learn why something broke
///
/// Exit codes: 0 as expected, 1 a verdict or report differs, 2 wrong usage, 3 invalid scenario,
/// 4 nondeterminism found, 5 a file cannot be read or written, or a result is not complete.
#[derive(Parser, Debug)]
#[command(name = "foreshock", version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Know the kinds that only tests use
    #[arg(long, global = true, hide = true)]
    with_test_kinds: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::RunArguments),
    Check(check::CheckArguments),
    Accept(accept::AcceptArguments),
    List(list::ListArguments),
    /// Print the JSON Schema of scenario files, for editors
    Schema,
    Verify(verify::VerifyArguments),
    Sweep(sweep::SweepArguments),
    Merge(merge::MergeArguments),
    Why(why::WhyArguments),
    Shrink(shrink::ShrinkArguments),
    Bisect(bisect::BisectArguments),
    Diverge(diverge::DivergeArguments),
    Diff(diff::DiffArguments),
    Completions(manual::CompletionsArguments),
    Manual(manual::ManualArguments),
    #[command(hide = true)]
    Fingerprint(fingerprint::FingerprintArguments),
}

impl Cli {
    /// The command line with the kinds that Foreshock brings along.
    pub fn new() -> Cli {
        Cli::default()
    }

    /// Makes a kind known under `name`; an earlier one of the same name is replaced.
    #[must_use]
    pub fn kind<K: Kind>(self, name: &str) -> Cli {
        Cli { kinds: self.kinds.with::<K>(name) }
    }

    /// Does what the arguments of the process ask for.
    pub fn run(self) -> ExitCode {
        let mut terminal = Terminal::of_process();
        ExitCode::from(self.execute(std::env::args_os(), &mut terminal).code())
    }

    /// Does what `arguments` ask for; the first one is the name of the program.
    fn execute(self, arguments: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> Exit {
        let words: Vec<OsString> = arguments.into_iter().collect();
        let arguments = match Arguments::try_parse_from(&words) {
            Ok(arguments) => arguments,
            Err(told) => {
                let is_step = words.get(1..3).is_some_and(|words| words == ["bisect", "step"]);
                return match (tell_usage(&told, terminal), is_step) {
                    (Exit::Usage, true) => Exit::Abort,
                    (exit, _) => exit,
                };
            }
        };
        let setup = Setup { kinds: self.kinds, with_test_kinds: arguments.with_test_kinds };
        terminal.complain_as(arguments.command.format());
        let done = dispatch(&arguments.command, &setup, terminal);
        let exit = done.unwrap_or_else(|failure| {
            terminal.complain(&failure);
            failure.exit()
        });
        match terminal.take_failure() {
            None => exit,
            Some(error) => {
                let message = format!("cannot write to standard output: {error}");
                terminal.complain(&Failure::Told(Exit::InputOutput, message));
                Exit::InputOutput
            }
        }
    }
}

impl Command {
    /// For whom it prints. What has one reader only is words, or is read by whoever reads the words.
    fn format(&self) -> Format {
        match self {
            Command::Run(arguments) => arguments.format,
            Command::Check(arguments) => arguments.format,
            Command::Accept(arguments) => arguments.format,
            Command::List(arguments) => arguments.format,
            Command::Verify(arguments) => arguments.format,
            Command::Sweep(arguments) => arguments.format,
            Command::Merge(arguments) => arguments.format,
            Command::Why(arguments) => arguments.format,
            Command::Shrink(arguments) => arguments.format,
            Command::Bisect(arguments) => arguments.format(),
            Command::Diverge(arguments) => arguments.format,
            Command::Diff(arguments) => arguments.format,
            Command::Schema | Command::Completions(_) | Command::Manual(_) | Command::Fingerprint(_) => {
                Format::Text
            }
        }
    }
}

fn dispatch(command: &Command, setup: &Setup, terminal: &mut Terminal) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => run::execute(arguments, setup, terminal),
        Command::Check(arguments) => check::execute(arguments, setup, terminal),
        Command::Accept(arguments) => accept::execute(arguments, setup, terminal),
        Command::List(arguments) => list::execute(arguments, setup, terminal),
        Command::Schema => schema::execute(terminal),
        Command::Verify(arguments) => verify::execute(arguments, setup, terminal),
        Command::Sweep(arguments) => sweep::execute(arguments, setup, terminal),
        Command::Merge(arguments) => merge::execute(arguments, terminal),
        Command::Completions(arguments) => manual::completions(arguments, terminal),
        Command::Manual(arguments) => manual::manual(arguments, terminal),
        Command::Diff(arguments) => diff::execute(arguments, terminal),
        Command::Diverge(arguments) => diverge::execute(arguments, setup, terminal),
        Command::Bisect(arguments) => bisect::execute(arguments, setup, terminal),
        Command::Shrink(arguments) => shrink::execute(arguments, setup, terminal),
        Command::Why(arguments) => why::execute(arguments, setup, terminal),
        Command::Fingerprint(arguments) => fingerprint::execute(arguments, setup, terminal),
    }
}

/// Help and version are what was asked for; anything else is wrong usage.
fn tell_usage(told: &clap::Error, terminal: &mut Terminal) -> Exit {
    let text = |style| match scenario::is_coloured(style) {
        true => told.render().ansi().to_string(),
        false => told.render().to_string(),
    };
    match told.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = text(terminal.style());
            terminal.print(&text);
            Exit::AsExpected
        }
        _ => {
            let text = text(terminal.error_style());
            terminal.error_line(text.trim_end());
            Exit::Usage
        }
    }
}
