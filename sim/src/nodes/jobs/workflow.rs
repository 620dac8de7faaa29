//! Jobs that depend on each other, as a scenario describes them: a chain, or steps that name what they come after. Reads
//! and checks; the order itself is kept by the library.

use foreshock_systems::job_scheduler::{KindId, NewJob, OnParentFailure, Workflow, WorkflowError};
use serde_json::Value;

use crate::nodes::settings::Reader;
use crate::scenario::suggest;

/// Most steps of a workflow.
const MOST_STEPS: usize = 64;
const HELP: &str = "write `{chain: [reserve, charge]}` or `{steps: {reserve: {}, charge: {after: reserve}}}`";

/// What one request enqueues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WorkflowSettings {
    /// The operation that stands for all of it.
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One job of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: String,
    /// How many steps before it bear the same name.
    pub(super) occurrence: u32,
    pub(super) operation: String,
    /// Places of the steps that it waits for.
    pub(super) after: Vec<usize>,
    pub(super) on_failure: OnParentFailure,
}

/// One workflow, or `None` with what is wrong.
pub(super) fn workflow(name: &str, reader: &mut Reader<'_>) -> Option<WorkflowSettings> {
    reader.refuse_unknown(&["chain", "steps"], "a workflow");
    let steps = match (reader.map.get("chain"), reader.map.get("steps")) {
        (Some(_), Some(_)) => {
            reader.wrong_at("chain", "and `steps` are two workflows; keep one of them");
            return None;
        }
        (Some(chain), None) => links(chain, reader)?,
        (None, Some(_)) => steps(reader)?,
        (None, None) => {
            reader.missing(&format!("has no steps; {HELP}"));
            return None;
        }
    };
    let key = if reader.map.contains_key("chain") { "chain" } else { "steps" };
    if steps.len() > MOST_STEPS {
        reader.wrong_at(key, format!("has {} steps; the most is {MOST_STEPS}", steps.len()));
        return None;
    }
    let settings = WorkflowSettings { name: name.to_string(), steps };
    let jobs = settings.steps.iter().map(|_| NewJob::of(KindId(0))).collect();
    match settings.in_order(jobs).validate() {
        Ok(()) => Some(settings),
        Err(WorkflowError::Cycle { place }) => {
            let step = &settings.steps[place].name;
            reader.wrong_at(
                key,
                format!("has a step `{step}` that would wait for itself; take an `after` out"),
            );
            None
        }
        Err(WorkflowError::Empty | WorkflowError::NoSuchJob { .. }) => {
            reader.wrong_at(key, format!("has no steps; {HELP}"));
            None
        }
    }
}

/// The links of a chain, each after the one before.
fn links(chain: &Value, reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let names: Option<Vec<&str>> =
        chain.as_array().and_then(|links| links.iter().map(Value::as_str).collect());
    let Some(names) = names else {
        reader.wrong_at("chain", "is no list of operations; write `chain: [reserve, charge, ship]`");
        return None;
    };
    let links = names.iter().enumerate().map(|(at, name)| Step {
        name: (*name).to_string(),
        occurrence: names[..at].iter().filter(|earlier| *earlier == name).count() as u32,
        operation: (*name).to_string(),
        after: at.checked_sub(1).into_iter().collect(),
        on_failure: OnParentFailure::Cancel,
    });
    Some(links.collect())
}

fn steps(reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let named = reader.map.get("steps").and_then(Value::as_object);
    let names: Vec<String> = named.map_or_else(Vec::new, |named| named.keys().cloned().collect());
    let steps = reader.mappings("steps", "write `steps: {charge: {after: reserve}}`", |name, reader| {
        step(name, &names, reader)
    });
    (steps.len() == names.len() && !names.is_empty()).then_some(steps).or_else(|| {
        if named.is_some_and(serde_json::Map::is_empty) {
            reader.wrong_at("steps", format!("has no steps; {HELP}"));
        }
        None
    })
}

fn step(name: &str, names: &[String], reader: &mut Reader<'_>) -> Option<Step> {
    reader.refuse_unknown(&["operation", "after", "on_failure"], "a step");
    let operation = reader.map.get("operation").map_or(Some(name), Value::as_str);
    if operation.is_none() {
        reader.wrong_at("operation", "is no name; write `operation: mail`, or leave it out");
    }
    let choices = [("cancel", OnParentFailure::Cancel), ("run", OnParentFailure::Run)];
    let on_failure = reader.choice("on_failure", &choices);
    let after = after(names, reader)?;
    if on_failure.is_some() && after.is_empty() {
        reader.wrong_at("on_failure", "has no effect on a step that comes after nothing");
    }
    Some(Step {
        name: name.to_string(),
        occurrence: 0,
        operation: operation?.to_string(),
        after,
        on_failure: on_failure.unwrap_or_default(),
    })
}

/// Places of the steps that `after` names, one or several.
fn after(names: &[String], reader: &mut Reader<'_>) -> Option<Vec<usize>> {
    let named: Vec<&str> = match reader.map.get("after") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one.as_str()],
        Some(several) => {
            let several = several.as_array().and_then(|all| all.iter().map(Value::as_str).collect());
            let Some(several) = several else {
                reader.wrong_at(
                    "after",
                    "names no steps; write `after: reserve` or `after: [reserve, charge]`",
                );
                return None;
            };
            several
        }
    };
    let mut places = Vec::with_capacity(named.len());
    for name in named {
        match names.iter().position(|known| known == name) {
            Some(place) => places.push(place),
            None => {
                let known: Vec<&str> = names.iter().map(String::as_str).collect();
                let help = suggest::help(name, &known).map_or(String::new(), |help| format!("; {help}"));
                reader.wrong_at("after", format!("names the step `{name}`, which is none{help}"));
                return None;
            }
        }
    }
    places.sort_unstable();
    places.dedup();
    Some(places)
}

impl WorkflowSettings {
    /// The library's workflow of these jobs, one for each step.
    pub(super) fn in_order(&self, jobs: Vec<NewJob>) -> Workflow {
        let edges = self.steps.iter().enumerate();
        let edges = edges.flat_map(|(at, step)| step.after.iter().map(move |before| (*before, at)));
        Workflow { jobs, edges: edges.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::settings::Wrong;
    use serde_json::json;

    fn read(settings: &Value) -> Result<WorkflowSettings, Wrong> {
        let mut wrong = Wrong::new();
        let map = settings.as_object().expect("a mapping");
        let read = workflow("order", &mut Reader { map, at: String::new(), wrong: &mut wrong });
        read.filter(|_| wrong.is_empty()).ok_or(wrong)
    }

    fn edges(settings: &Value) -> Vec<(usize, usize)> {
        let read = read(settings).expect("it is a workflow");
        let jobs = read.steps.iter().map(|_| NewJob::of(KindId(0))).collect();
        read.in_order(jobs).edges
    }

    #[test]
    fn a_chain_is_one_after_the_other_and_steps_come_after_what_they_name() {
        assert_eq!(edges(&json!({"chain": ["a", "b", "a"]})), [(0, 1), (1, 2)]);
        let fan = json!({"steps": {"a": {}, "b": {"after": "a"}, "c": {"after": ["a"]}, "d": {"after": ["c", "b", "b"]}}});
        assert_eq!(edges(&fan), [(0, 1), (0, 2), (1, 3), (2, 3)]);
    }

    #[test]
    fn links_of_one_name_are_told_apart_by_their_occurrence() {
        let read = read(&json!({"chain": ["a", "b", "a"]})).expect("it is a workflow");
        let told: Vec<(&str, u32)> =
            read.steps.iter().map(|step| (step.name.as_str(), step.occurrence)).collect();
        assert_eq!(told, [("a", 0), ("b", 0), ("a", 1)]);
    }

    #[test]
    fn what_is_no_workflow_is_refused_with_what_to_write() {
        let many: Vec<&str> = vec!["a"; MOST_STEPS + 1];
        let cases = [
            (json!({}), "has no steps"),
            (json!({"chain": []}), "has no steps"),
            (json!({"steps": {}}), "has no steps"),
            (json!({"chain": "a"}), "is no list of operations"),
            (json!({"chain": many}), "the most is 64"),
            (json!({"chain": ["a"], "steps": {"a": {}}}), "are two workflows"),
            (json!({"steps": {"a": {"after": "b"}, "b": {"after": "a"}}}), "that would wait for itself"),
            (json!({"steps": {"reserve": {}, "b": {"after": "reserv"}}}), "did you mean `reserve`"),
            (
                json!({"steps": {"a": {"on_failure": "run"}}}),
                "has no effect on a step that comes after nothing",
            ),
            (json!({"steps": {"a": {"after": 5}}}), "names no steps"),
            (json!({"steps": {"a": {"befor": "b"}}}), "is no setting of a step"),
            (
                json!({"steps": {"a": {}, "b": {"after": "a", "on_failure": "stop"}}}),
                "is none of cancel, run",
            ),
        ];
        for (settings, expected) in cases {
            let wrong = read(&settings).expect_err("something is wrong");
            assert!(wrong.len() == 1 && wrong[0].1.contains(expected), "{settings}: {wrong:?}");
        }
    }
}
