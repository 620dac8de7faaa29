//! What could have made a run fail: everything in a plan that could be taken out or changed. Each candidate has an id
//! and the edits that remove it, as `--without` and `--set` take them. Reads the plan, runs nothing.

mod stages; // a load above its first level

use serde_json::{Value, json};

use stages::stages;

use super::weak_settings;
use crate::kernel::time::Time;
use crate::measure::Measured;
use crate::scenario::names_a_policy;
use crate::scenario::plan::{
    Action, Discipline, EdgeId, EdgePlan, Edit, EntryId, Party, Plan, ServiceId, Setting, Trigger,
};

/// Something that could be taken out of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// What it is called: a timeline entry, or the path of a key.
    pub id: String,
    /// What kind of thing: `deploy`, `latency`, `load_stage`, `retry`, `queue_bound`, …
    pub kind: &'static str,
    /// In which of the questions it takes part.
    pub standing: Standing,
    /// What removes it.
    pub removal: Vec<Edit>,
    /// Of a stage of a load: from when on, and its rate beside the level it is measured by.
    pub stage: Option<(Time, String)>,
    /// Whom it belongs to.
    subject: Subject,
}

/// In which of the questions a candidate takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A fault or change on the timeline: can be a root cause.
    Event,
    /// A change that the system makes by itself when something happens: part of the system, never a cause.
    Reaction,
    /// A stage of a load above its first: a root cause where no event is one, else a condition.
    Load,
    /// How a call or a service is protected: an amplifier or a protection, a root cause only of a design that fails on
    /// a quiet day.
    Policy,
    /// How much a service can do: a condition.
    Capacity,
}

/// Whom a candidate belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Entry(EntryId),
    /// A stage of a load, from this instant on.
    Load,
    /// Something that acts on further attempts of a call only.
    Attempts(EdgeId),
    /// Something that acts by making attempts of a call fail.
    Failures(EdgeId),
    /// Something that acts on every request.
    Always,
    /// Something that acts by turning requests of a service away.
    Refusals(ServiceId),
    /// Something that acts on requests that wait.
    Waiting(ServiceId),
}

impl Candidate {
    /// Whether it did anything at all in a run. What did nothing cannot have caused anything.
    pub fn acted(&self, measured: &Measured) -> bool {
        let service = |id: ServiceId| measured.services.get(id.index()).map(|service| &service.intervals);
        let edge = |id: EdgeId| measured.edges.get(id.index()).map(|edge| &edge.intervals);
        match self.subject {
            Subject::Entry(entry) => {
                measured.entries.get(entry.index()).is_some_and(|entry| entry.started.is_some())
            }
            Subject::Load | Subject::Always => true,
            Subject::Attempts(id) => edge(id).is_none_or(|intervals| {
                let attempts: u64 = intervals.iter().map(|interval| u64::from(interval.attempts)).sum();
                let requests: u64 = intervals.iter().map(|interval| u64::from(interval.requests)).sum();
                let failed: u64 = intervals.iter().map(|interval| u64::from(interval.failed)).sum();
                attempts > requests || failed > 0
            }),
            Subject::Failures(id) => {
                edge(id).is_none_or(|intervals| intervals.iter().any(|interval| interval.failed > 0))
            }
            Subject::Refusals(id) => {
                service(id).is_none_or(|intervals| intervals.iter().any(|interval| interval.rejected > 0))
            }
            Subject::Waiting(id) => {
                let waited = measured.services.get(id.index()).is_none_or(|service| service.wait.max_ns > 0);
                waited
                    || service(id).is_none_or(|intervals| intervals.iter().any(|interval| interval.queue > 0))
            }
        }
    }
}

/// All candidates of a plan: events in the order in which they start, then loads, then policies and capacities in the
/// order of the file.
pub fn find(plan: &Plan) -> Vec<Candidate> {
    let mut entries: Vec<(Option<Time>, Candidate)> =
        (0..plan.timeline.len()).map(|index| (fixed_start(plan, index), entry(plan, index))).collect();
    // What waits for something comes last: its instant is not known before the run.
    entries.sort_by(|(a, one), (b, other)| (a.is_none(), *a, &one.id).cmp(&(b.is_none(), *b, &other.id)));
    let mut found: Vec<Candidate> = entries.into_iter().map(|(_, candidate)| candidate).collect();
    for load in &plan.loads {
        found.extend(stages(plan, load));
    }
    for (index, edge) in plan.edges.iter().enumerate() {
        found.extend(policies(plan, EdgeId(index as u32), edge));
    }
    for index in 0..plan.services.len() {
        found.extend(of_service(plan, ServiceId(index as u32)));
    }
    found
}

fn entry(plan: &Plan, index: usize) -> Candidate {
    let entry = &plan.timeline[index];
    let is_fault = matches!(entry.action, Action::Fault(_));
    let undoes = matches!(entry.action, Action::Rollback { .. });
    let by_itself = matches!(entry.trigger, Trigger::When(..)) && !is_fault;
    Candidate {
        id: entry.id.clone(),
        kind: entry.action.kind(),
        standing: if by_itself || undoes { Standing::Reaction } else { Standing::Event },
        removal: vec![Edit::Without(entry.id.clone())],
        stage: None,
        subject: Subject::Entry(EntryId(index as u32)),
    }
}

/// When an entry starts, if that does not depend on what happens in the run.
fn fixed_start(plan: &Plan, index: usize) -> Option<Time> {
    let mut pause = crate::kernel::time::Span::ZERO;
    let mut entry = plan.timeline.get(index)?;
    for _ in 0..=plan.timeline.len() {
        match &entry.trigger {
            Trigger::At(at) => return Some(*at + pause),
            Trigger::When(..) => return None,
            Trigger::After(edge, more) => {
                entry = plan.timeline.get(edge.entry.index())?;
                pause += *more;
                if edge.phase == crate::scenario::plan::Phase::End {
                    pause += entry.lasts?;
                }
            }
        }
    }
    None
}

/// A setting as an edit.
pub(in crate::explore::why) fn set(path: impl Into<String>, value: Value) -> Edit {
    Edit::Set(Setting { path: path.into(), value })
}

/// Where the keys of a service stand.
pub(in crate::explore::why) fn place_of_service(plan: &Plan, name: &str) -> String {
    let shadowed = plan.document.get(name).is_some();
    if shadowed { format!("services.{name}") } else { name.to_string() }
}

/// Where the keys of a load stand.
fn place_of_load(plan: &Plan, name: &str) -> String {
    let shadowed =
        plan.document.get(name).is_some() || plan.services.iter().any(|service| service.name == name);
    if shadowed { format!("load.{name}") } else { name.to_string() }
}

/// Where the policies of a call stand: `gateway.calls.orders`, or the load itself.
pub(in crate::explore::why) fn place_of_edge(plan: &Plan, edge: &EdgePlan) -> Option<String> {
    match edge.caller {
        Party::Load(load) => Some(place_of_load(plan, &plan.loads.get(load.index())?.name)),
        Party::Service(caller) => {
            let caller = place_of_service(plan, &plan.services.get(caller.index())?.name);
            let callee = &plan.services.get(edge.callee.index())?.name;
            let number =
                if edge.occurrence == 0 { String::new() } else { format!("#{}", edge.occurrence + 1) };
            Some(format!("{caller}.calls.{callee}{number}"))
        }
    }
}

/// The policies of a call that the file has.
fn policies(plan: &Plan, id: EdgeId, edge: &EdgePlan) -> Vec<Candidate> {
    let Some(place) = place_of_edge(plan, edge) else { return Vec::new() };
    let keys = [
        ("retry", "retry", Subject::Attempts(id)),
        ("hedge", "hedge", Subject::Attempts(id)),
        ("timeout", "timeout", Subject::Failures(id)),
        ("overall_timeout", "timeout", Subject::Failures(id)),
        ("breaker", "breaker", Subject::Failures(id)),
        ("rate_limit", "rate_limit", Subject::Always),
        ("concurrency", "concurrency", Subject::Always),
        ("bulkhead", "bulkhead", Subject::Always),
        ("pool", "pool", Subject::Always),
    ];
    let present =
        keys.into_iter().filter(|(key, ..)| names_a_policy(&plan.document, &format!("{place}.{key}")));
    present
        .map(|(key, kind, subject)| {
            let id = format!("{place}.{key}");
            Candidate {
                kind,
                standing: Standing::Policy,
                removal: vec![Edit::Without(id.clone())],
                id,
                stage: None,
                subject,
            }
        })
        .collect()
}

/// Queue, door and capacity of a service.
fn of_service(plan: &Plan, id: ServiceId) -> Vec<Candidate> {
    let service = &plan.services[id.index()];
    let place = place_of_service(plan, &service.name);
    let mut found = Vec::new();
    let mut add = |key: &str, kind, standing, removal: Vec<Edit>, subject| {
        found.push(Candidate { id: format!("{place}.{key}"), kind, standing, removal, stage: None, subject });
    };
    let names = |key: &str| names_a_policy(&plan.document, &format!("{place}.{key}"));
    if service.hop_of.is_some() || !names_service(plan, &service.name) {
        return found;
    }
    if names("queue.capacity") {
        let removal = vec![set(format!("{place}.queue.capacity"), json!("unlimited"))];
        add("queue.capacity", "queue_bound", Standing::Policy, removal, Subject::Refusals(id));
    }
    if names("queue.discipline") && service.queue.discipline != Discipline::Fifo {
        let removal = vec![set(format!("{place}.queue.discipline"), json!("fifo"))];
        add("queue.discipline", "discipline", Standing::Policy, removal, Subject::Waiting(id));
    }
    if names("admission") {
        // It goes on counting, so that what changes one of its settings still finds it.
        let removal = vec![set(format!("{place}.admission.shadow"), json!(true))];
        add("admission", "rate_limit", Standing::Policy, removal, Subject::Always);
    }
    for key in ["queue.codel", "drop_expired", "outlier_ejection", "health_check"] {
        if names(key) {
            let removal = vec![Edit::Without(format!("{place}.{key}"))];
            add(key, "protection", Standing::Policy, removal, Subject::Always);
        }
    }
    if service.kind == "cache" && names("ttl") {
        let removal = vec![set(format!("{place}.capacity"), json!(1))];
        add("capacity", "cache", Standing::Policy, removal, Subject::Always);
    }
    for weak in weak_settings::of_service(plan, service) {
        found.push(Candidate {
            id: weak.path,
            kind: weak.kind,
            standing: Standing::Policy,
            removal: vec![weak.edit],
            stage: None,
            subject: Subject::Always,
        });
    }
    let mut add = |key: &str, kind, standing, removal: Vec<Edit>, subject| {
        found.push(Candidate { id: format!("{place}.{key}"), kind, standing, removal, stage: None, subject });
    };
    if service.workers != u32::MAX {
        let twice = service.workers.saturating_mul(2).min(u32::MAX - 1);
        let mut removal = vec![set(format!("{place}.workers"), json!(twice))];
        if names("cpu.cores") {
            let cores = service.cores_milli.unwrap_or(1_000).saturating_mul(2);
            removal.push(set(format!("{place}.cpu.cores"), cores_value(cores)));
        }
        add("workers", "capacity", Standing::Capacity, removal, Subject::Waiting(id));
    }
    found
}

/// Cores as they stand in a file: a number.
fn cores_value(milli: u64) -> Value {
    match milli % 1_000 {
        0 => json!(milli / 1_000),
        _ => json!(milli as f64 / 1_000.0),
    }
}

fn names_service(plan: &Plan, name: &str) -> bool {
    plan.document
        .get("services")
        .and_then(Value::as_object)
        .is_some_and(|services| services.contains_key(name))
}
