//! `foreshock schema`: the JSON Schema of scenario files.

use super::exit::{Exit, Failure};
use super::terminal::Terminal;

pub(super) fn execute(terminal: &mut Terminal) -> Result<Exit, Failure> {
    // `{:#}` of a JSON value is its indented form.
    terminal.line(&format!("{:#}", crate::scenario::json_schema()));
    Ok(Exit::AsExpected)
}
