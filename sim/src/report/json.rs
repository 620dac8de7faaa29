//! The canonical report: JSON with sorted keys, whole numbers, line feeds. The same outcome gives the same bytes
//! everywhere, because nothing of the machine or the clock is in the model.

use serde::Serialize;

use super::Report;

/// The canonical text of a report, ending with a line feed.
pub fn to_json(report: &Report) -> String {
    canonical(report)
}

/// The canonical text of anything that has string keys and plain values only, as all reports have.
pub(crate) fn canonical(report: &impl Serialize) -> String {
    let mut value = serde_json::to_value(report).expect("a report has string keys and plain values only");
    value.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&value).expect("a JSON value can always be written");
    text.push('\n');
    text
}
