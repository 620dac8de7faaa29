//! What shrinking came to: the small scenario as a commented file, in words and as JSON (`foreshock.shrink/1`).

use serde_json::{Value, json};

use super::super::failure::FailureFingerprint;
use crate::kernel::draw::Seed;
use crate::report::counted;
use crate::scenario::plan::Plan;
use crate::scenario::write::{Comments, on_one_line, to_commented_yaml};

/// Names this format and its version.
pub(super) const SCHEMA: &str = "foreshock.shrink/1";

/// A scenario made small.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small scenario; what it expects is the failure.
    pub document: Value,
    /// The scenario's name.
    pub name: String,
    /// The seed with which both fail.
    pub seed: Seed,
    /// In what way both fail.
    pub failure: FailureFingerprint,
    /// The accepted changes, in words.
    pub steps: Vec<String>,
    /// Candidates that were tried.
    pub tests: u64,
    /// Whether nothing more could go; otherwise the candidates were used up.
    pub is_finished: bool,
    /// How large it was.
    pub before: Size,
    /// How large it is.
    pub after: Size,
}

/// How large a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Timeline entries.
    pub timeline: usize,
    /// Services.
    pub services: usize,
    /// Calls of services and loads.
    pub calls: usize,
    /// Single values in the document.
    pub values: usize,
    /// Length of the run, the drain excluded.
    pub duration_us: u64,
}

impl Size {
    fn of(plan: &Plan, document: &Value) -> Size {
        Size {
            timeline: plan.timeline.len(),
            services: plan.services.len(),
            calls: plan.edges.len(),
            values: values(document),
            duration_us: plan.run.duration.as_nanos() / 1_000,
        }
    }

    fn to_json(self) -> Value {
        json!({
            "calls": self.calls,
            "duration_us": self.duration_us,
            "services": self.services,
            "timeline": self.timeline,
            "values": self.values,
        })
    }
}

fn values(document: &Value) -> usize {
    match document {
        Value::Object(map) => map.values().map(values).sum(),
        Value::Array(items) => items.iter().map(values).sum(),
        _ => 1,
    }
}

impl Shrunk {
    pub(super) fn new(
        plan: &Plan,
        smallest: Plan,
        seed: Seed,
        failure: FailureFingerprint,
        steps: Vec<String>,
        tests: u64,
        is_finished: bool,
    ) -> Shrunk {
        let before = Size::of(plan, &super::documents::without_prose(&plan.document));
        let after = Size::of(&smallest, &smallest.document);
        let mut document = (*smallest.document).clone();
        if let Some(map) = document.as_object_mut() {
            map.insert("seed".to_string(), Value::from(seed.0));
            let about =
                format!("The smallest part of `{}` that still fails in the same way: {failure}.", plan.name);
            let position = map.keys().position(|key| key == "name").map_or(0, |position| position + 1);
            map.shift_insert(position, "about".to_string(), Value::from(about));
            let expect = json!({"verdict": "fail", "failing": failure.failing});
            map.insert("expect".to_string(), expect);
        }
        Shrunk { document, name: plan.name.clone(), seed, failure, steps, tests, is_finished, before, after }
    }

    /// The small scenario as a file. `origin` is the command that found it.
    pub fn to_yaml(&self, origin: &str) -> String {
        let mut heading =
            format!("Made by: {origin}\nFails as the original does: {}.\nWhat was done:\n", self.failure);
        for step in &self.steps {
            heading.push_str(&format!("  {step}\n"));
        }
        let mut comments = Comments::new();
        comments.insert("timeline".to_string(), "Without any one of these it does not fail.".to_string());
        comments.insert("expect".to_string(), "Makes `run` end well when the failure is there.".to_string());
        to_commented_yaml(&self.document, &heading, &comments)
    }

    /// What is left, one line for each thing.
    pub fn left(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for entry in self.document.get("timeline").and_then(Value::as_array).into_iter().flatten() {
            lines.push(format!("timeline {}", on_one_line(entry)));
        }
        if lines.is_empty() {
            lines.push("no fault and no change: the system cannot bear its load as it is".to_string());
        }
        let services = self.document.get("services").and_then(Value::as_object);
        for (name, service) in services.into_iter().flatten() {
            lines.push(format!("service {name} {}", on_one_line(service)));
        }
        for load in self.document.get("load").and_then(Value::as_array).into_iter().flatten() {
            lines.push(format!("load {}", on_one_line(load)));
        }
        lines
    }

    /// For people: what is left and how to see it fail. The steps were told as they were made.
    pub fn to_text(&self, reproduce: &str) -> String {
        let mut text = format!("{}: still fails with {}\n", self.name, self.failure);
        let (before, after) = (self.before, self.after);
        let sizes = [
            ("timeline entries", before.timeline, after.timeline),
            ("services", before.services, after.services),
            ("calls", before.calls, after.calls),
            ("values", before.values, after.values),
        ];
        let sizes: Vec<String> =
            sizes.into_iter().map(|(what, was, is)| format!("{what} {was} -> {is}")).collect();
        text.push_str(&format!("  {}\n", sizes.join(", ")));
        text.push_str(&format!("  seed {}, {} tried", self.seed.0, counted(self.tests, "candidate")));
        if !self.is_finished {
            text.push_str("; that was the most allowed, more might go");
        }
        text.push_str("\n\nWhat is left\n");
        for line in self.left() {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!("\nreproduce: {reproduce}\n"));
        text
    }

    /// For programs.
    pub fn to_json(&self, reproduce: &str) -> Value {
        let names = |list: &str, key: &str| -> Vec<String> {
            let items = self.document.get(list).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(|item| item.get(key)?.as_str()).map(str::to_string).collect()
        };
        let services = self.document.get("services").and_then(Value::as_object);
        let services: Vec<&String> = services.map_or(Vec::new(), |services| services.keys().collect());
        json!({
            "schema": SCHEMA,
            "scenario": self.name,
            "seed": self.seed.0,
            "failing": self.failure.failing,
            "tests": self.tests,
            "finished": self.is_finished,
            "steps": self.steps,
            "left": {"timeline": names("timeline", "id"), "services": services, "load": names("load", "name")},
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "document": self.document,
            "reproduce": reproduce,
        })
    }
}
