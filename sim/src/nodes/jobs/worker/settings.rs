//! Settings of kind `job-worker` and what its workers count. Read from the file or refused with the place and what to
//! write instead.

use serde_json::{Map, Value};

use super::super::settings::read as scheduler_settings;
use crate::cluster::Probes;
use crate::kernel::time::Span;
use crate::nodes::settings::{Reader, Wrong};
use crate::scenario::plan::{OperationId, Plan, ServiceId};
use crate::scenario::quantity::Share;

/// Settings of workers, as the file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::nodes::jobs) struct Written {
    pool: Option<String>,
    poll: Option<Span>,
    heartbeat: Option<Span>,
    respawn: Option<Span>,
    /// By operation, in parts per million.
    poison: Vec<(String, u32)>,
    fails: Vec<(String, u32)>,
}

/// Settings of workers, with the plan's ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Which of the scheduler's pools.
    pub(super) pool: u16,
    /// From one fetch to the next while there is nothing; half of it is drawn.
    pub(super) poll: Span,
    /// From one heartbeat to the next; `None`: there are none.
    pub(super) heartbeat: Option<Span>,
    /// From the death of a job's process to the next one.
    pub(super) respawn: Span,
    poison_ppm: Vec<u32>,
    fails_ppm: Vec<u32>,
}

const KEYS: [&str; 6] = ["pool", "poll", "heartbeat", "respawn", "poison", "fails"];

/// What the file says, or everything that is wrong with it.
pub(in crate::nodes::jobs) fn written(settings: &Map<String, Value>) -> Result<Written, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `job-worker`");
    let read = Written {
        pool: settings.get("pool").and_then(Value::as_str).map(str::to_string),
        poll: reader.positive_span("poll"),
        heartbeat: reader.positive_span("heartbeat"),
        respawn: reader.positive_span("respawn"),
        poison: shares("poison", &mut reader),
        fails: shares("fails", &mut reader),
    };
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// Shares by operation: `{mail: 1%}`.
fn shares(key: &str, reader: &mut Reader<'_>) -> Vec<(String, u32)> {
    let Some(value) = reader.map.get(key) else { return Vec::new() };
    let Value::Object(map) = value else {
        reader.wrong_at(key, format!("has a share for each operation: write `{key}: {{mail: 1%}}`"));
        return Vec::new();
    };
    let mut inner = Reader { map, at: format!("{key}."), wrong: reader.wrong };
    let named = map.keys().filter_map(|name| Some((name.clone(), inner.value(name, Share::read)?.0)));
    named.collect()
}

/// The pool a worker's settings name, for checks across services.
pub(in crate::nodes::jobs) fn pool_named(settings: &Map<String, Value>) -> Option<&str> {
    settings.get("pool").and_then(Value::as_str)
}

/// The settings of a service in a plan that was checked.
pub(super) fn read(plan: &Plan, service: ServiceId) -> Settings {
    let own = &plan.services[service.index()];
    let written = written(&own.settings).unwrap_or_default();
    let scheduler = own.steps.first().and_then(|step| step.branches.first());
    let scheduler = scheduler.map(|branch| &plan.services[plan.edges[branch.edge.index()].callee.index()]);
    let scheduler = scheduler.and_then(|scheduler| scheduler_settings(&scheduler.settings).ok());
    let pool = written.pool.as_ref().and_then(|pool| scheduler.as_ref()?.pool(pool));
    let by_operation = |shares: &[(String, u32)]| {
        let share =
            |name: &String| shares.iter().find(|(named, _)| named == name).map_or(0, |(_, share)| *share);
        plan.operations.iter().map(share).collect()
    };
    Settings {
        pool: pool.unwrap_or(0),
        poll: written.poll.unwrap_or(Span::from_millis(200)),
        heartbeat: written.heartbeat,
        respawn: written.respawn.unwrap_or(Span::from_secs(1)),
        poison_ppm: by_operation(&written.poison),
        fails_ppm: by_operation(&written.fails),
    }
}

impl Settings {
    pub(super) fn poison_ppm(&self, operation: OperationId) -> u32 {
        self.poison_ppm.get(operation.index()).copied().unwrap_or(0)
    }

    pub(super) fn fails_ppm(&self, operation: OperationId) -> u32 {
        self.fails_ppm.get(operation.index()).copied().unwrap_or(0)
    }
}

/// What has happened to the workers of a replica.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkerCounts {
    pub(super) fetches: u64,
    pub(super) fetches_failed: u64,
    pub(super) runs: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) calls_failed: u64,
    pub(super) died: u64,
    /// Commits refused because the lease was somebody else's.
    pub(super) fenced: u64,
    /// Runs that a heartbeat ended.
    pub(super) stopped: u64,
    pub(super) effects_refused: u64,
    pub(super) commits_unanswered: u64,
}

impl WorkerCounts {
    pub(super) fn probe(&self, out: &mut Probes) {
        out.counts.extend([
            ("fetches", self.fetches),
            ("runs", self.runs),
            ("completed", self.completed),
            ("failed", self.failed),
            ("fenced", self.fenced),
        ]);
        let where_there_are_any = [
            ("fetches_failed", self.fetches_failed),
            ("calls_failed", self.calls_failed),
            ("died", self.died),
            ("stopped", self.stopped),
            ("effects_refused", self.effects_refused),
            ("commits_unanswered", self.commits_unanswered),
        ];
        out.counts.extend(where_there_are_any.into_iter().filter(|(_, count)| *count > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everything_wrong_is_said_at_its_place_in_one_go() {
        let settings = json!({"pol": "1s", "heartbeat": "0s", "poison": "1%", "fails": {"mail": 5}});
        let wrong = written(settings.as_object().expect("a mapping")).expect_err("much is wrong");
        let told: Vec<String> =
            wrong.into_iter().map(|(place, message)| format!("{place}: {message}")).collect();
        let expected = [
            "pol: is no setting of kind `job-worker`",
            "heartbeat: has to have a length",
            "poison: has a share for each operation",
            "fails.mail: ",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "{told} should begin with {expected}");
        }
    }
}
