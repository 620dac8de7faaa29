//! How a command can end: one exit code for each cause, and the message for people.

use serde_json::{Value, json};

use crate::scenario::{Diagnostics, ScenarioError};

/// The exit codes of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything is as expected.
    AsExpected = 0,
    /// A verdict is not the expected one, or a report is not the blessed one.
    Differs = 1,
    /// The command was used in a way it does not know.
    Usage = 2,
    /// A scenario is not valid.
    InvalidScenario = 3,
    /// Two runs that must be the same were not.
    Nondeterministic = 4,
    /// A file could not be read or written.
    InputOutput = 5,
    /// Of `bisect step`: this revision cannot be judged. The number is that of `git bisect run`.
    Skip = 125,
    /// Of `bisect step`: the command itself is wrong, and `git bisect run` shall stop.
    Abort = 128,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// The schema of a complaint to programs.
const SCHEMA: &str = "foreshock.error/1";

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence that says what to do next.
    Told(Exit, String),
    /// A scenario is not valid; its diagnostics say why.
    Scenario(Box<ScenarioError>),
}

impl Failure {
    /// A failure to read or write `path`.
    pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::Told(Exit::InputOutput, format!("cannot {doing} `{}`: {error}", path.display()))
    }

    /// A wrong use of the command.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Told(Exit::Usage, message.into())
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Told(exit, _) => *exit,
            Failure::Scenario(_) => Exit::InvalidScenario,
        }
    }

    /// For people, without a line feed at the end.
    pub(crate) fn render(&self, colour: bool) -> String {
        match self {
            Failure::Told(_, message) => format!("error: {message}"),
            Failure::Scenario(error) => error.render(colour).trim_end().to_string(),
        }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Failure::Told(exit, message) => {
                json!({"schema": SCHEMA, "exit": exit.code(), "message": message})
            }
            Failure::Scenario(error) => {
                let mut value = findings_to_json(error.name(), error.diagnostics());
                value["exit"] = self.exit().code().into();
                value["message"] = "the scenario is not valid".into();
                value
            }
        }
    }
}

/// What was found in a scenario, for programs.
pub(crate) fn findings_to_json(file: &str, found: &Diagnostics) -> Value {
    json!({"schema": SCHEMA, "file": file, "diagnostics": found.to_json(), "left_out": found.left_out()})
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Failure {
        Failure::Scenario(Box::new(error))
    }
}
