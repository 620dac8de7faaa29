//! What is wrong with a scenario: where, why, and what to write instead. Collects, never prints.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The scenario cannot be run.
    Error,
    /// The scenario can be run, but probably does not do what its author wants.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A stretch of one line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Length in characters, at least 1.
    pub length: u32,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Which key, as in `services.checkout.calls[0].timeout`; empty for the document as a whole.
    pub path: String,
    /// Where in the file; `None` if the value does not come from one.
    pub location: Option<Location>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Most diagnostics kept for one scenario; of the others only the number is known.
const MOST_KEPT: usize = 100;

/// All that was found in a scenario, each finding once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    errors: usize,
    left_out: usize,
}

impl Diagnostics {
    /// Nothing found.
    pub fn new() -> Diagnostics {
        Diagnostics::default()
    }

    /// Adds a finding unless the same one is there already.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.is_full() {
            self.errors += usize::from(diagnostic.severity == Severity::Error);
            self.left_out += 1;
            return;
        }
        let known = self.kept.iter().any(|other| {
            other.message == diagnostic.message
                && other.location == diagnostic.location
                && (other.location.is_some() || other.path == diagnostic.path)
        });
        if known {
            return;
        }
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.kept.push(diagnostic);
    }

    /// Adds all findings of `others`.
    pub fn append(&mut self, others: Diagnostics) {
        for diagnostic in others.kept {
            self.push(diagnostic);
        }
        self.left_out += others.left_out;
        // Errors among those left out are errors all the same.
        self.errors += usize::from(others.errors > 0);
    }

    /// Gives findings another key, where `renamed` knows one.
    pub(crate) fn rename_places(&mut self, renamed: impl Fn(&str) -> Option<String>) {
        for diagnostic in &mut self.kept {
            if let Some(path) = renamed(&diagnostic.path) {
                diagnostic.path = path;
            }
        }
    }

    /// Whether anything found forbids running the scenario.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// How many findings were dropped because there were too many.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Whether further findings are only counted, so that no effort should go into explaining them.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= MOST_KEPT
    }

    /// All findings kept, in the order of the file once [`Diagnostics::sort`] was called.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kept.iter()
    }

    /// Puts the findings into the order of the file; those without a place come first.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(|diagnostic| diagnostic.location.map(|at| (at.line, at.column)));
    }

    /// One line for each finding: `file:line:column: error: message; help`.
    pub fn plain(&self, file: &str) -> String {
        let mut text = String::new();
        for diagnostic in &self.kept {
            text.push_str(&diagnostic.plain(file));
            text.push('\n');
        }
        if self.left_out > 0 {
            text.push_str(&format!("{file}: {} more not shown\n", self.left_out));
        }
        text
    }

    /// For programs: a list with one object for each finding, `left_out` apart.
    pub fn to_json(&self) -> Value {
        self.kept.iter().map(Diagnostic::to_json).collect()
    }
}

impl Diagnostic {
    /// For programs: `severity`, `message` and `path`, with `line`, `column`, `length` and `help` where they are known.
    pub fn to_json(&self) -> Value {
        let mut value = json!({"severity": self.severity.name(), "path": self.path, "message": self.message});
        if let Some(at) = self.location {
            value["line"] = at.line.into();
            value["column"] = at.column.into();
            value["length"] = at.length.into();
        }
        if let Some(help) = &self.help {
            value["help"] = help.as_str().into();
        }
        value
    }

    /// One line: `file:line:column: error: message; help`, with the key in place of a location that is not known.
    pub fn plain(&self, file: &str) -> String {
        let mut text = match self.location {
            Some(at) => format!("{file}:{}:{}: ", at.line, at.column),
            None if self.path.is_empty() => format!("{file}: "),
            None => format!("{file}: {}: ", self.path),
        };
        text.push_str(self.severity.name());
        text.push_str(": ");
        text.push_str(&self.message);
        if let Some(help) = &self.help {
            text.push_str("; ");
            text.push_str(help);
        }
        text
    }
}

/// Why a scenario cannot be run: its name, its text and everything found in it.
#[derive(Clone, Debug)]
pub struct ScenarioError {
    name: String,
    text: Option<Arc<str>>,
    diagnostics: Diagnostics,
}

impl ScenarioError {
    /// An error about the file `name`; `text` is what it holds, if it is text.
    pub(crate) fn new(name: &str, text: Option<Arc<str>>, mut diagnostics: Diagnostics) -> ScenarioError {
        diagnostics.sort();
        ScenarioError { name: name.to_string(), text, diagnostics }
    }

    /// An error with one message and no place.
    pub(crate) fn plainly(name: &str, message: String, help: Option<String>) -> ScenarioError {
        let mut diagnostics = Diagnostics::new();
        diagnostics.push(Diagnostic {
            severity: Severity::Error,
            path: String::new(),
            location: None,
            message,
            help,
        });
        ScenarioError::new(name, None, diagnostics)
    }

    /// The file, or the edit, this is about.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything found, warnings included, in the order of the file.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// For people: each finding with the lines it is about. `colour` adds terminal colours.
    pub fn render(&self, colour: bool) -> String {
        super::render::render(&self.name, self.text.as_deref(), &self.diagnostics, colour)
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.diagnostics.plain(&self.name).trim_end())
    }
}

impl std::error::Error for ScenarioError {}
