//! Settings of a remedy that hold for the whole run: also where a change of the timeline sets the same key to something
//! else. Makes edits, runs nothing.

use serde_json::{Map, Value};

use crate::explore::why::candidates::set;
use crate::scenario::plan::{Action, Edit, Plan, Setting};

/// A setting from the start on, in place of whatever changes set the same key to.
pub(super) fn lasting(plan: &Plan, path: &str, value: &Value) -> Vec<Edit> {
    let mut edits = vec![set(path, value.clone())];
    for entry in &plan.timeline {
        let Some((settings, key)) = settings_of(&entry.action) else { continue };
        if settings.iter().all(|setting| !is_same(setting, path)) {
            continue;
        }
        let replaced: Map<String, Value> = settings
            .iter()
            .map(|setting| {
                let new = if is_same(setting, path) { value } else { &setting.value };
                (setting.path.clone(), new.clone())
            })
            .collect();
        edits.push(set(format!("timeline.{}.{key}", entry.id), Value::Object(replaced)));
    }
    edits
}

/// What a change of the timeline sets a key to; of several, the last.
pub(super) fn changed_to<'p>(plan: &'p Plan, path: &str) -> Option<&'p Value> {
    let changes = plan.timeline.iter().filter_map(|entry| settings_of(&entry.action));
    let mut settings = changes.flat_map(|(settings, _)| settings);
    settings.rfind(|setting| is_same(setting, path)).map(|setting| &setting.value)
}

/// What a change sets, and under which key of its entry that is written.
fn settings_of(action: &Action) -> Option<(&[Setting], &'static str)> {
    match action {
        Action::Deploy(deploy) => Some((&deploy.set, "deploy.set")),
        Action::Config(settings) => Some((settings, "config")),
        Action::Fault(_)
        | Action::Flag(_)
        | Action::Scale { .. }
        | Action::ExtraHop { .. }
        | Action::Publish(_)
        | Action::Rollback { .. } => None,
    }
}

/// The same key, with or without the word that may be left out.
fn is_same(setting: &Setting, path: &str) -> bool {
    let short = |path: &str| path.strip_prefix("services.").unwrap_or(path).to_string();
    short(&setting.path) == short(path)
}
