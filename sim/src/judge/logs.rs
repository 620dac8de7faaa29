//! What a person should know about logs: what sampling hides.

use super::words::grouped;
use crate::measure::Measured;

/// Counts of lines of which none was kept, and how bad they are.
const HIDDEN: [(&str, &str); 4] = [
    ("hidden_error_lines", "of errors"),
    ("hidden_warning_lines", "of warnings"),
    ("hidden_info_lines", "of what went well"),
    ("hidden_debug_lines", "for debugging"),
];

/// Classes of lines that were said, and of which sampling has kept none.
pub(super) fn hidden(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let classes = systems.flat_map(|(name, counts)| HIDDEN.map(|(count, of)| (name, counts.get(count), of)));
    let told = classes.filter_map(|(name, lines, of)| {
        let lines = grouped(*lines?);
        Some(format!(
            "sampling hides a whole class: `{name}` has said {lines} lines {of}, and not one of them was kept"
        ))
    });
    told.collect()
}
