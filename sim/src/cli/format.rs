//! What a command prints: words for people or JSON for programs.

use clap::ValueEnum;
use serde_json::Value;

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// A result as canonical JSON: sorted keys, indented, closed by a line feed.
pub(super) fn json_text(mut value: Value) -> String {
    value.sort_all_objects();
    format!("{value:#}\n")
}
