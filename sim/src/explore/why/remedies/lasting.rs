//! Settings of a remedy that hold for the whole run: also where a change of the timeline sets the same key to something
//! else. Makes edits, runs nothing.

use serde_json::{Map, Value};

use crate::explore::why::candidates::set;
use crate::scenario::plan::{Action, Edit, Plan, Setting};

/// A setting from the start on, in place of whatever changes set the same key to.
pub(super) fn lasting(plan: &Plan, path: &str, value: &Value) -> Vec<Edit> {
    let mut edits = vec![set(path, value.clone())];
    for entry in &plan.timeline {
        let (settings, key) = match &entry.action {
            Action::Deploy(deploy) => (&deploy.set, "deploy.set"),
            Action::Config(settings) => (settings, "config"),
            Action::Fault(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::ExtraHop { .. }
            | Action::Publish(_)
            | Action::Rollback { .. } => continue,
        };
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
    let mut changes = plan.timeline.iter().flat_map(|entry| match &entry.action {
        Action::Deploy(deploy) => deploy.set.as_slice(),
        Action::Config(settings) => settings.as_slice(),
        Action::Fault(_)
        | Action::Flag(_)
        | Action::Scale { .. }
        | Action::ExtraHop { .. }
        | Action::Publish(_)
        | Action::Rollback { .. } => &[],
    });
    changes.rfind(|setting| is_same(setting, path)).map(|setting| &setting.value)
}

/// The same key, with or without the word that may be left out.
fn is_same(setting: &Setting, path: &str) -> bool {
    let short = |path: &str| path.strip_prefix("services.").unwrap_or(path).to_string();
    short(&setting.path) == short(path)
}
