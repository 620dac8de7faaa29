//! Settings that change during a run, checked before it: each is applied to the document, and the result is compiled
//! like any scenario. What cannot change while things run is refused with the reason.

use indexmap::IndexMap;
use serde_json::Value;

use super::Surroundings;
use crate::scenario::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::scenario::edit;
use crate::scenario::path::{Path, Step};
use crate::scenario::plan::{Arrivals, Plan};
use crate::scenario::quantity::Problem;
use crate::scenario::raw::RawScenario;
use crate::scenario::tree::Node;

/// Most values looked at for all changes of a timeline together.
const MOST_WORK: usize = 150_000;

/// Checks the settings of all deploys and config changes of a document without broken parts. With the `plan` made
/// of it, also what it becomes with them; without one, only whether their keys exist.
pub(crate) fn check_settings_of_timeline(
    raw: &RawScenario,
    document: &Value,
    plan: Option<&Plan>,
    tree: &Node,
    around: Surroundings<'_>,
) -> Diagnostics {
    let mut diagnostics = Diagnostics::new();
    let timeline = Path::root().key("timeline");
    let size = size_of(document);
    let mut work = 0;
    for (index, entry) in raw.timeline.iter().enumerate() {
        let in_config = entry.config.as_ref().map(|settings| (timeline.index(index).key("config"), settings));
        let in_deploy =
            entry.deploy.as_ref().map(|deploy| (timeline.index(index).key("deploy").key("set"), &deploy.set));
        for (path, settings) in
            in_config.into_iter().chain(in_deploy).filter(|(_, settings)| !settings.is_empty())
        {
            work += size;
            if work > MOST_WORK {
                let problem =
                    Problem::new("too many changes for a scenario of this size", "split the scenario");
                diagnostics.push(diagnostic(tree, &path, problem));
                return diagnostics;
            }
            let changes = Changes { document, plan, tree, path, settings };
            changes.check(around, &mut diagnostics);
        }
    }
    diagnostics
}

/// The settings of one timeline entry.
struct Changes<'a> {
    document: &'a Value,
    plan: Option<&'a Plan>,
    tree: &'a Node,
    /// Where they stand.
    path: Path,
    settings: &'a IndexMap<String, Value>,
}

impl Changes<'_> {
    fn check(&self, around: Surroundings<'_>, diagnostics: &mut Diagnostics) {
        let mut document = self.document.clone();
        let mut changed: Vec<(String, Path)> = Vec::with_capacity(self.settings.len());
        for (text, value) in self.settings {
            let at = self.path.key(text);
            let made = edit::set(&mut document, text, value.clone());
            match made.and_then(|place| may_change(&place).map(|()| place)) {
                Ok(place) => changed.push((place.to_string(), at)),
                Err(problem) => diagnostics.push(diagnostic(self.tree, &at, problem)),
            }
        }
        let Some(plan) = self.plan.filter(|_| changed.len() == self.settings.len()) else { return };
        match crate::scenario::recompiled(&document, around) {
            Err(errors) => {
                for error in errors.iter().filter(|error| error.severity == Severity::Error) {
                    let message = match error.path.as_str() {
                        "" => error.message.clone(),
                        place => format!("{place}: {}", error.message),
                    };
                    let problem = Problem { message, help: error.help.clone() };
                    diagnostics.push(diagnostic(self.tree, &self.culprit(&changed, &error.path), problem));
                }
            }
            Ok(changed_plan) => {
                if let Some(problem) = structural_difference(plan, &changed_plan) {
                    diagnostics.push(diagnostic(self.tree, &self.culprit(&changed, ""), problem));
                }
            }
        }
    }

    /// Where the setting stands that is to blame for an error at `found`: the one whose own place is nearest.
    fn culprit(&self, changed: &[(String, Path)], found: &str) -> Path {
        let above = changed.iter().filter(|(place, _)| found.starts_with(place.as_str()));
        match (above.max_by_key(|(place, _)| place.len()), changed) {
            (Some((_, at)), _) | (None, [(_, at)]) => at.clone(),
            (None, _) => self.path.clone(),
        }
    }
}

fn diagnostic(tree: &Node, path: &Path, problem: Problem) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        path: path.to_string(),
        location: tree.key_at(path),
        message: problem.message,
        help: problem.help,
    }
}

/// Keys of a service that are fixed when it starts, each with what to use instead.
const FIXED: [(&str, &str); 5] = [
    ("replicas", "use `scale: {service: …, replicas: …}`"),
    ("kind", "a service stays what it is"),
    ("host", "replicas stay where they are"),
    ("hosts", "replicas stay where they are"),
    ("startup", "set it in the scenario itself"),
];

/// Whether the value at `place` may change while the simulation runs.
fn may_change(place: &Path) -> Result<(), Problem> {
    let key = |position: usize| match place.steps().get(position) {
        Some(Step::Key(key)) => key.as_str(),
        Some(Step::Index(_)) | None => "",
    };
    let refused = |message: String, help: &str| Err(Problem::new(message, help));
    match key(0) {
        "services" | "load" if place.steps().len() < 3 => {
            refused(format!("`{place}` cannot change as a whole during a run"), "change single keys of it")
        }
        "services" => match FIXED.iter().find(|(fixed, _)| *fixed == key(2)) {
            Some((fixed, help)) => refused(format!("`{fixed}` cannot be set during a run"), help),
            None => Ok(()),
        },
        "load" | "network" => Ok(()),
        other => refused(
            format!("`{other}` cannot change during a run"),
            "only keys of services, loads and the network can",
        ),
    }
}

/// The first difference between two plans that a running simulation cannot follow: other ids.
pub(crate) fn structural_difference(old: &Plan, new: &Plan) -> Option<Problem> {
    let fixed = |what: &str| {
        let help = "services, calls, links and loads stay as they are; their settings can change";
        Some(Problem::new(format!("{what} cannot change during a run"), help))
    };
    let names = |plan: &Plan| plan.services.iter().map(|service| service.name.clone()).collect::<Vec<_>>();
    let shape_of_services = |plan: &Plan| {
        let shape = |service: &crate::scenario::plan::ServicePlan| {
            (service.kind.clone(), service.replicas, service.max_replicas, service.hosts.clone())
        };
        plan.services.iter().map(shape).collect::<Vec<_>>()
    };
    let calls = |plan: &Plan| {
        plan.edges.iter().map(|edge| (edge.name.clone(), edge.caller, edge.callee)).collect::<Vec<_>>()
    };
    let steps = |plan: &Plan| {
        let edges_of = |step: &crate::scenario::plan::StepPlan| {
            step.branches.iter().map(|branch| branch.edge).collect::<Vec<_>>()
        };
        plan.services
            .iter()
            .map(|service| service.steps.iter().map(edges_of).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let pools = |plan: &Plan| {
        let of_services = plan.services.iter().map(|service| &service.pools);
        let all = of_services.chain(plan.loads.iter().map(|load| &load.pools));
        all.map(|pools| pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let reporting = |plan: &Plan| {
        let to = |telemetry: &crate::scenario::plan::TelemetryPlan| (telemetry.to, telemetry.temporality);
        plan.services.iter().map(|service| service.telemetry.as_ref().map(to)).collect::<Vec<_>>()
    };
    let flags = |plan: &Plan| {
        let of = |service: &crate::scenario::plan::ServicePlan| {
            let followed = service.flags.as_ref().map(|flags| (flags.from, flags.uses.clone()));
            let gates = service.steps.iter().flat_map(|step| &step.branches).map(|branch| branch.gate);
            (followed, gates.collect::<Vec<_>>(), service.serves_flags.clone())
        };
        plan.services.iter().map(of).collect::<Vec<_>>()
    };
    let links = |plan: &Plan| plan.links.iter().map(|link| (link.from, link.to)).collect::<Vec<_>>();
    let loads = |plan: &Plan| {
        let way = |arrivals: &Arrivals| match arrivals {
            Arrivals::Poisson(_) => 0,
            Arrivals::Constant(_) => 1,
            Arrivals::Trace(_) => 2,
            Arrivals::Closed { .. } => 3,
        };
        plan.loads.iter().map(|load| (load.name.clone(), way(&load.arrivals))).collect::<Vec<_>>()
    };
    if names(old) != names(new) {
        return fixed("the set of services");
    }
    if shape_of_services(old) != shape_of_services(new) {
        return fixed("kind, replicas and hosts of a service");
    }
    if loads(old) != loads(new) {
        return fixed("the set of loads and how their requests start");
    }
    if calls(old) != calls(new) || steps(old) != steps(new) {
        return fixed("who calls whom");
    }
    if reporting(old) != reporting(new) {
        return fixed("who reports to whom, and in differences or sums,");
    }
    if flags(old) != flags(new) {
        return fixed("the set of feature flags and what depends on them");
    }
    if links(old) != links(new) {
        return fixed("the set of links");
    }
    if pools(old) != pools(new) {
        return fixed("the set of connection pools");
    }
    (old.operations != new.operations).then(|| {
        Problem::new(
            "the set of operations cannot change during a run",
            "list all operations in the mix from the start",
        )
    })
}

/// How many values a document holds.
fn size_of(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(size_of).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}
