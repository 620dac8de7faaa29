//! Edits as options of a command line.

use crate::scenario::plan::{Edit, FlagChange, Setting};

/// `--without id`, `--set path=value`, one word each.
pub fn options(edits: &[Edit]) -> Vec<String> {
    let words = edits.iter().flat_map(|edit| match edit {
        Edit::Without(id) => ["--without".to_string(), id.clone()],
        Edit::Set(Setting { path, value }) => ["--set".to_string(), format!("{path}={}", plain(value))],
    });
    words.collect()
}

/// A value as it is typed.
pub fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

/// What a change of a flag does: `new-ranking for 10 %`.
pub(super) fn flag(change: &FlagChange) -> String {
    let switched = match change.enabled {
        Some(true) => " on",
        Some(false) => " off",
        None => "",
    };
    let share = change.rollout_percent.map_or(String::new(), |percent| format!(" for {percent} %"));
    format!("{}{switched}{share}", change.flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::parse_setting;
    use serde_json::json;

    #[test]
    fn what_is_printed_can_be_typed() {
        let settings = [
            ("db.workers", json!(8)),
            ("db.queue.capacity", json!("unlimited")),
            ("timeline.loop-broken", json!({"at": "52s", "config": {"a.calls.b.retry.max_attempts": 1}})),
        ];
        for (path, value) in settings {
            let setting = Setting { path: path.to_string(), value };
            let typed = options(&[Edit::Set(setting.clone())]);
            assert_eq!(parse_setting(&typed[1]), Ok(setting));
        }
        assert_eq!(options(&[Edit::Without("x".to_string())]), ["--without", "x"]);
    }
}
