//! Would taking a change back have ended the failure? Not if it sustains itself by then.

use serde::Serialize;
use serde_json::json;

use super::{Evidence, onset};
use crate::explore::why::candidates::set;
use crate::explore::why::counterfactual::Replays;
use crate::explore::why::words::options;
use crate::kernel::time::{Span, Time};
use crate::run::Detail;
use crate::scenario::plan::Action;

/// A change that is taken back some time after the onset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// Which change.
    pub id: String,
    /// When it is taken back.
    pub at_us: u64,
    /// Whether the system is well again when the load ends.
    pub recovers: bool,
    /// The options that show it.
    pub options: Vec<String>,
}

/// How long it takes people to decide it.
const DECIDED_AFTER: Span = Span::from_secs(20);
/// So many intervals before the end of the load it has to happen, to tell whether it helped.
const IN_TIME: usize = 15;
const AT_END: usize = 5;

/// Takes the only root back, if it is a change and there is time.
pub(super) fn rolled_back(
    replays: &mut Replays<'_>,
    evidence: &Evidence<'_>,
    onset: Time,
    end: usize,
) -> Option<RolledBack> {
    let [id] = evidence.roots.as_slice() else { return None };
    let plan = &evidence.failed.plan;
    let entry = plan.timeline.iter().find(|entry| entry.id == *id)?;
    match entry.action {
        Action::Deploy(_)
        | Action::Config(_)
        | Action::Flag(_)
        | Action::Scale { .. }
        | Action::Publish(_)
        | Action::ExtraHop { .. } => {}
        Action::Fault(_) | Action::Rollback { .. } => return None,
    }
    let at = onset + DECIDED_AFTER;
    let index = (at.as_nanos() / plan.run.grid.as_nanos().max(1)) as usize;
    if index + IN_TIME > end {
        return None;
    }
    let edits = vec![set("timeline.taken-back", json!({"at": at.to_string(), "rollback": {"of": id}}))];
    let outcome = replays.watch(&edits, evidence.seed, &Detail::default()).ok()?;
    Some(RolledBack {
        id: id.clone(),
        at_us: at.as_micros(),
        recovers: !onset::ails_in(&outcome, evidence.well, end.saturating_sub(AT_END), end),
        options: options(&edits),
    })
}
