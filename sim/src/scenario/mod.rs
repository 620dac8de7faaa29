//! Scenario files: text in, a [`plan::Plan`] or all errors out. Three passes: [`parse`] makes a tree with places,
//! `shape` checks it against the schema made from the types in `raw`, `check` turns names into ids. Never runs
//! anything and never opens a file: whoever compiles hands in the text and a reader for trace files.

mod check;
pub(crate) mod config_value;
mod diagnostic;
mod digest;
mod edit;
mod parse;
mod path;
pub mod plan;
pub(crate) mod quantity;
mod raw;
mod render;
mod schema;
mod shape;
pub(crate) mod suggest;
mod swarm;
#[cfg(test)]
mod tests;
mod trace;
mod tree;
pub mod write;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use diagnostic::{Diagnostic, Diagnostics, Location, ScenarioError, Severity};
pub(crate) use edit::names_a_policy;
pub use edit::parse_setting;
pub use schema::json_schema;
pub use write::to_yaml;

pub(crate) use check::configs::scope_of as config_scope;
use check::{Names, Surroundings};
use path::Lost;
use plan::{Edit, FlagServed, KindTraits, Plan, Setting};
use raw::RawScenario;
use swarm::{Pick, Unfolded};
use trace::{FromFiles, FromPlan, FromPlans};
use tree::{Content, Node};

use crate::kernel::draw::Seed;

/// A scenario file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a [u8],
}

/// Reads the files a scenario names.
pub trait Files {
    /// The text of a file, by its path relative to the scenario file.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn read(&self, relative: &str) -> Result<String, String>;
}

/// What is around a service, as far as settings may refer to it.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// Names of the operations of the scenario.
    pub operations: &'a [String],
    /// Whom it calls, in the order in which they are written: name and settings.
    pub callees: &'a [(&'a str, &'a Map<String, Value>)],
    /// Its own name.
    pub name: &'a str,
    /// All services of the scenario, it included.
    pub services: &'a [Neighbour<'a>],
}

/// A service, as those beside it may have to know it.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// The most replicas it ever has.
    pub replicas: u32,
}

/// Knows the kinds of services and their settings.
pub trait KindsCheck {
    /// The names of all kinds.
    fn names(&self) -> Vec<String>;
    /// What is wrong with the settings of a service of this kind: keys with messages.
    fn check_settings(&self, kind: &str, settings: &Map<String, Value>) -> Vec<(String, String)>;
    /// What is special about a kind.
    fn traits(&self, _kind: &str) -> KindTraits {
        KindTraits { has_admission: true, ..KindTraits::default() }
    }
    /// What is wrong with settings that are well in themselves, given what is around the service.
    fn check_around(
        &self,
        _kind: &str,
        _settings: &Map<String, Value>,
        _around: &Around<'_>,
    ) -> Vec<(String, String)> {
        Vec::new()
    }
    /// The flags that a service of this kind keeps for others, if that is what it is for.
    fn flags_served(&self, _kind: &str, _settings: &Map<String, Value>) -> Option<Vec<FlagServed>> {
        None
    }
}

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The resolved scenario.
    pub plan: Plan,
    /// What is allowed but probably not wanted.
    pub warnings: Diagnostics,
}

/// Compiles a scenario file.
///
/// # Errors
/// Everything that is wrong with it, each with its place, reason and a suggestion.
pub fn compile(
    source: Source<'_>,
    files: &dyn Files,
    kinds: &dyn KindsCheck,
) -> Result<Compiled, ScenarioError> {
    let text: Option<Arc<str>> = std::str::from_utf8(source.text).ok().map(Arc::from);
    let failed = |diagnostics| ScenarioError::new(source.name, text.clone(), diagnostics);
    let (document, doubled) = parse::parse(source.text).map_err(failed)?;
    let traces = FromFiles(files);
    let around = Surroundings { kinds, traces: &traces };
    let (plan, mut warnings) = compile_tree(document, doubled, around, Timeline::Checked).map_err(failed)?;
    warnings.sort();
    Ok(Compiled { plan, warnings })
}

/// The plan with changes made from outside: what `--set` and `--without` do. Recorded arrivals are taken over.
///
/// Entries are left out before anything is set. What waited for such an entry starts at the instant it would have;
/// what made sense with it only (its rollback, an objective about it, a fault of its hop) goes with it.
///
/// # Errors
/// Why the changed scenario cannot be run. Its name is the changes as they stand on a command line.
pub fn edited(plan: &Plan, edits: &[Edit], kinds: &dyn KindsCheck) -> Result<Plan, ScenarioError> {
    let mut document = (*plan.document).clone();
    let (removals, others): (Vec<&Edit>, Vec<&Edit>) =
        edits.iter().partition(|edit| edit::removes_entry(plan, edit));
    for (position, edit) in removals.iter().chain(&others).enumerate() {
        edit::apply(plan, &mut document, edit)
            .map_err(|problem| ScenarioError::plainly(&edit_text(edit), problem.message, problem.help))?;
        if position + 1 == removals.len() {
            take_out_what_depends(plan, &mut document, kinds);
        }
    }
    let name = edits.iter().map(edit_text).collect::<Vec<_>>().join(" ");
    changed(plan, &document, kinds, Timeline::Checked, &name)
}

/// The plan that `seed` draws from a swarm: an ordinary one, whose document can be written out with [`to_yaml`] and
/// runs to the very same report. A plan without a swarm is given back as it is.
///
/// # Errors
/// Why what was drawn cannot be run: the ends of all ranges can, but not every value between goes with every other.
pub fn materialized(plan: Plan, seed: Seed, kinds: &dyn KindsCheck) -> Result<Plan, ScenarioError> {
    if plan.swarm.is_empty() {
        return Ok(plan);
    }
    let name = format!("{}, drawn with seed {}", plan.name, seed.0);
    let mut diagnostics = Diagnostics::new();
    let unfolded = swarm::unfold(Node::from_value(&plan.document), Pick::Drawn(seed), &mut diagnostics);
    let mut document = unfolded.document.to_value();
    if let Value::Object(top) = &mut document {
        top.shift_remove(swarm::SWARM);
        top.insert("seed".to_string(), Value::from(seed.0));
    }
    let whole = changed(&plan, &document, kinds, Timeline::AsItIs, &name)?;
    let left_out: Vec<Edit> =
        swarm::left_out(&plan.swarm, seed).map(|id| Edit::Without(id.to_string())).collect();
    if left_out.is_empty() { Ok(whole) } else { edited(&whole, &left_out, kinds) }
}

/// The plan of a document made from those of other plans, by whatever change. Recorded arrivals are taken over from
/// the first of `plans` that has them.
///
/// # Errors
/// Why the document cannot be run.
pub fn replanned(plans: &[&Plan], document: &Value, kinds: &dyn KindsCheck) -> Result<Plan, ScenarioError> {
    let traces = FromPlans(plans);
    let around = Surroundings { kinds, traces: &traces };
    compile_tree(Node::from_value(document), Diagnostics::new(), around, Timeline::Checked)
        .map(|(plan, _)| plan)
        .map_err(|diagnostics| ScenarioError::new("the changed scenario", None, diagnostics))
}

/// After something was taken out of a document: takes out the optional things that made sense with it only, such as
/// an objective about it or a fault of it.
pub fn tidy(plans: &[&Plan], document: &mut Value, kinds: &dyn KindsCheck) {
    let traces = FromPlans(plans);
    for _ in 0..MOST_TIDYING {
        match recompiled(document, Surroundings { kinds, traces: &traces }) {
            Err(errors) if edit::take_out_what_is_broken(document, &errors) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// What is taken out can leave something else without sense, and so on; longer chains do not occur.
const MOST_TIDYING: usize = 16;

/// The plan with settings that change during a run. Everything keeps its id.
///
/// # Errors
/// Why the settings cannot be made, or not during a run.
pub fn with_settings(
    plan: &Plan,
    settings: &[Setting],
    kinds: &dyn KindsCheck,
) -> Result<Plan, ScenarioError> {
    let name = settings.iter().map(setting_text).collect::<Vec<_>>().join(" ");
    let failed = |problem: quantity::Problem| ScenarioError::plainly(&name, problem.message, problem.help);
    let mut document = (*plan.document).clone();
    for setting in settings {
        edit::set(&mut document, &setting.path, setting.value.clone()).map_err(failed)?;
    }
    let new = changed(plan, &document, kinds, Timeline::AsItIs, &name)?;
    match check::structural_difference(plan, &new) {
        Some(problem) => Err(failed(problem)),
        None => Ok(new),
    }
}

/// After entries were taken out: takes out what cannot do without them, and what cannot do without that.
fn take_out_what_depends(plan: &Plan, document: &mut Value, kinds: &dyn KindsCheck) {
    let traces = FromPlan(plan);
    for _ in 0..=plan.timeline.len() {
        match recompiled(document, Surroundings { kinds, traces: &traces }) {
            Err(errors) if edit::take_out_what_is_broken(document, &errors) => {}
            Ok(_) | Err(_) => return,
        }
    }
}

fn changed(
    plan: &Plan,
    document: &Value,
    kinds: &dyn KindsCheck,
    timeline: Timeline,
    name: &str,
) -> Result<Plan, ScenarioError> {
    let traces = FromPlan(plan);
    let around = Surroundings { kinds, traces: &traces };
    match compile_tree(Node::from_value(document), Diagnostics::new(), around, timeline) {
        Ok((plan, _)) => Ok(plan),
        Err(diagnostics) => Err(ScenarioError::new(name, None, diagnostics)),
    }
}

/// Compiles a changed document without looking at its config changes again.
fn recompiled(document: &Value, around: Surroundings<'_>) -> Result<Plan, Diagnostics> {
    compile_tree(Node::from_value(document), Diagnostics::new(), around, Timeline::AsItIs)
        .map(|(plan, _)| plan)
}

fn edit_text(edit: &Edit) -> String {
    match edit {
        Edit::Set(setting) => format!("--set {}", setting_text(setting)),
        Edit::Without(id) => format!("--without {id}"),
    }
}

fn setting_text(setting: &Setting) -> String {
    let value = setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_string);
    format!("{}={value}", setting.path)
}

/// Whether the settings inside the timeline are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timeline {
    /// Each is applied and the result compiled.
    Checked,
    /// They are taken as they are: this is such a compilation.
    AsItIs,
}

/// The second and third pass. `diagnostics` are those of the first. A swarm is checked in every corner.
fn compile_tree(
    document: Node,
    diagnostics: Diagnostics,
    around: Surroundings<'_>,
    timeline: Timeline,
) -> Result<(Plan, Diagnostics), Diagnostics> {
    let corners = match timeline {
        Timeline::Checked => swarm::corners(&document),
        Timeline::AsItIs => 1,
    };
    let mut compiled = compile_corner(document.clone(), 0, diagnostics, around, timeline);
    for corner in 1..corners {
        let (plan, mut found) = match compiled {
            Ok((plan, found)) => (Some(plan), found),
            Err(found) => (None, found),
        };
        let other = compile_corner(document.clone(), corner, Diagnostics::new(), around, timeline);
        found.append(other.map_or_else(|found| found, |(_, found)| found));
        compiled = match plan {
            Some(plan) if !found.has_errors() => Ok((plan, found)),
            Some(_) | None => Err(found),
        };
    }
    compiled
}

/// The same for one corner of the swarm.
fn compile_corner(
    document: Node,
    corner: usize,
    mut diagnostics: Diagnostics,
    around: Surroundings<'_>,
    timeline: Timeline,
) -> Result<(Plan, Diagnostics), Diagnostics> {
    let Unfolded { document, fixed, entries } =
        swarm::unfold(document, Pick::Corner(corner), &mut diagnostics);
    if entries.is_empty() {
        return compile_unfolded(document, diagnostics, around, timeline)
            .map(|(plan, _, found)| (plan, found));
    }
    let place_in_swarm = |path: &str| {
        let (index, rest) = path.strip_prefix("timeline[")?.split_once(']')?;
        let index = index.parse::<usize>().ok()?.checked_sub(fixed)?;
        Some(format!("{}[{index}]{rest}", swarm::SWARM))
    };
    let compiled = compile_unfolded(document, diagnostics, around, timeline);
    let (mut plan, swarm, mut found) = compiled.map_err(|mut found| {
        found.rename_places(place_in_swarm);
        found
    })?;
    found.rename_places(place_in_swarm);
    let mut document = (*plan.document).clone();
    if let Value::Object(top) = &mut document {
        if let Some(Value::Array(timeline)) = top.get_mut("timeline") {
            timeline.truncate(fixed);
        }
        top.extend(swarm.map(|swarm| (swarm::SWARM.to_string(), swarm)));
    }
    plan.digest = digest::of(&document, &plan.loads, plan.operations.iter().map(String::as_str));
    plan.document = Arc::new(document);
    plan.swarm = entries;
    Ok((plan, found))
}

/// The same for a document whose swarm is a part of its timeline; what it was comes back beside the plan.
fn compile_unfolded(
    document: Node,
    mut diagnostics: Diagnostics,
    around: Surroundings<'_>,
    timeline: Timeline,
) -> Result<(Plan, Option<Value>, Diagnostics), Diagnostics> {
    let names = Names::declared(&document);
    let mut lost = Lost::default();
    if diagnostics.has_errors() {
        lost.add_everywhere();
    }
    let tree = shape::check(document, &mut diagnostics, &mut lost);
    let Some(mut tree) = tree else { return Err(diagnostics) };
    let swarm = match &mut tree.content {
        Content::Mapping(top) => top.shift_remove(swarm::SWARM).map(|entry| entry.node.to_value()),
        Content::Blank
        | Content::Null
        | Content::Bool(_)
        | Content::Number(_)
        | Content::Text(_)
        | Content::List(_) => None,
    };
    let raw: RawScenario = match serde_json::from_value(tree.to_value()) {
        Ok(raw) => raw,
        Err(error) => {
            diagnostics.push(Diagnostic {
                severity: Severity::Error,
                path: String::new(),
                location: tree.at,
                message: format!("cannot be read although it matches the schema: {error}"),
                help: None,
            });
            return Err(diagnostics);
        }
    };
    let is_whole = !diagnostics.has_errors();
    let (plan, found) = check::resolve(&raw, &tree, names, lost, around);
    diagnostics.append(found);
    if timeline == Timeline::Checked && is_whole {
        let document = tree.to_value();
        let found = check::check_settings_of_timeline(&raw, &document, plan.as_ref(), &tree, around);
        diagnostics.append(found);
    }
    match plan {
        Some(plan) if !diagnostics.has_errors() => Ok((plan, swarm, diagnostics)),
        Some(_) | None => Err(diagnostics),
    }
}
