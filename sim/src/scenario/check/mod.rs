//! Third pass: names become ids, defaults are filled in, everything that refers to something else is followed.
//! Notes all errors and warnings; makes a plan if there is no error. Never reads YAML and never runs anything.

mod breaker;
mod calls;
mod config;
pub(crate) mod configs;
mod crossing;
mod distribution;
pub(crate) mod faults;
mod flags;
mod invalidates;
mod jobs;
mod limit_levels;
mod limits;
mod load;
mod marks;
mod names;
mod network;
mod policies;
mod retry;
mod run;
mod selectors;
mod services;
mod slo;
mod telemetry;
mod timeline;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use config::{check_settings_of_timeline, structural_difference};
pub(crate) use names::Names;
pub(crate) use selectors::link_text;
pub(crate) use services::PLAIN_KIND;

use super::KindsCheck;
use super::diagnostic::{Diagnostic, Diagnostics, Location, Severity};
use super::digest;
use super::path::{Lost, Path};
use super::plan::{
    EdgePlan, EntryPlan, HostPlan, LinkId, LinkPlan, LoadPlan, Party, Plan, ServicePlan, SloPlan,
};
use super::raw::RawScenario;
use super::trace::Traces;
use super::tree::Node;
use crate::kernel::draw::Seed;

/// Most services, and most loads.
const MOST_PARTIES: usize = 2_000;
/// Most call entries of all services.
const MOST_CALLS: usize = 20_000;
/// Most timeline entries, and most objectives.
const MOST_ENTRIES: usize = 2_000;

/// What the third pass needs besides the document.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// Kinds of services.
    pub(crate) kinds: &'a dyn KindsCheck,
    /// Recorded arrivals.
    pub(crate) traces: &'a dyn Traces,
}

/// The third pass under way: what is resolved so far and what was found.
pub(crate) struct Checker<'a> {
    tree: &'a Node,
    /// Where the second pass took something out: what is absent there may stand in the file.
    lost: Lost,
    around: Surroundings<'a>,
    diagnostics: Diagnostics,
    names: Names,
    /// Whether a trace file could not be read, so that not all operations are known.
    traces_are_broken: bool,
    /// Names in the order of the ids; known before anything else is.
    service_names: Vec<String>,
    load_names: Vec<String>,
    hosts: Vec<HostPlan>,
    services: Vec<ServicePlan>,
    loads: Vec<LoadPlan>,
    edges: Vec<EdgePlan>,
    /// Where each edge stands in the document.
    edge_paths: Vec<Path>,
    links: Vec<LinkPlan>,
    link_ids: BTreeMap<(Party, Party), LinkId>,
    timeline: Vec<EntryPlan>,
    slos: Vec<SloPlan>,
}

/// Resolves what the file says.
///
/// `tree` is what the second pass left of the document, `names` what the whole document declares.
pub(crate) fn resolve(
    raw: &RawScenario,
    tree: &Node,
    names: Names,
    lost: Lost,
    around: Surroundings<'_>,
) -> (Option<Plan>, Diagnostics) {
    let mut checker = Checker {
        tree,
        lost,
        around,
        diagnostics: Diagnostics::new(),
        names,
        traces_are_broken: false,
        service_names: Vec::new(),
        load_names: Vec::new(),
        hosts: Vec::new(),
        services: Vec::new(),
        loads: Vec::new(),
        edges: Vec::new(),
        edge_paths: Vec::new(),
        links: Vec::new(),
        link_ids: BTreeMap::new(),
        timeline: Vec::new(),
        slos: Vec::new(),
    };
    let plan = checker.plan(raw);
    (plan, checker.diagnostics)
}

impl Checker<'_> {
    fn plan(&mut self, raw: &RawScenario) -> Option<Plan> {
        let root = Path::root();
        if raw.version.0 != 1 {
            let help = "this program reads version 1".to_string();
            self.error_at_value(
                &root.key("version"),
                format!("unknown version `{}`", raw.version.0),
                Some(help),
            );
        }
        if !self.is_of_bounded_size(raw) {
            return None;
        }
        let run = self.run(&raw.run);
        self.resolve_hosts(&raw.hosts);
        self.declare_parties(raw);
        let recorded = self.read_traces(&raw.load);
        self.resolve_services(raw);
        self.resolve_calls(raw);
        self.resolve_loads(raw, &run, recorded);
        self.resolve_invalidations(raw);
        self.resolve_telemetry(raw);
        self.check_jobs(raw);
        self.resolve_flags(raw);
        self.resolve_links(raw);
        self.resolve_timeline(&raw.timeline, &run);
        self.resolve_slos(&raw.slo, &run);
        let marks = self.resolve_marks(&raw.sometimes, &run);
        let liveness = self.liveness(raw.liveness.as_ref());
        let expect = self.expectation(&raw.expect, raw);
        self.cross_check();
        if self.diagnostics.has_errors() {
            return None;
        }
        let document = Arc::new(self.tree.to_value());
        let digest = digest::of(&document, &self.loads, self.names.operations());
        Some(Plan {
            name: raw.name.0.clone(),
            about: raw.about.clone().unwrap_or_default().trim().to_string(),
            seed: Seed(raw.seed.as_ref().map_or(1, |seed| seed.0)),
            run,
            operations: self.names.operations().map(str::to_string).collect(),
            hosts: std::mem::take(&mut self.hosts),
            services: std::mem::take(&mut self.services),
            loads: std::mem::take(&mut self.loads),
            edges: std::mem::take(&mut self.edges),
            links: std::mem::take(&mut self.links),
            timeline: std::mem::take(&mut self.timeline),
            slos: std::mem::take(&mut self.slos),
            marks,
            swarm: Vec::new(),
            liveness,
            expect,
            document,
            digest,
        })
    }

    /// Refuses scenarios that are larger than anybody would write by hand, before time is spent on them.
    fn is_of_bounded_size(&mut self, raw: &RawScenario) -> bool {
        let calls: usize = raw.services.values().map(|service| service.calls.len()).sum();
        let sizes = [
            ("services", raw.services.len(), MOST_PARTIES, "services"),
            ("services", calls, MOST_CALLS, "calls"),
            ("load", raw.load.len(), MOST_PARTIES, "loads"),
            ("timeline", raw.timeline.len(), MOST_ENTRIES, "timeline entries"),
            ("slo", raw.slo.len(), MOST_ENTRIES, "objectives"),
            ("sometimes", raw.sometimes.len(), MOST_ENTRIES, "marks"),
        ];
        for (key, size, most, what) in sizes {
            if size > most {
                let message = format!("{size} {what} are too many");
                self.error_at_key(&Path::root().key(key), message, Some(format!("the most is {most}")));
                return false;
            }
        }
        true
    }

    fn push(
        &mut self,
        severity: Severity,
        path: &Path,
        location: Option<Location>,
        message: String,
        help: Option<String>,
    ) {
        self.diagnostics.push(Diagnostic { severity, path: path.to_string(), location, message, help });
    }

    /// Notes an error in the value at `path`.
    pub(crate) fn error_at_value(&mut self, path: &Path, message: String, help: Option<String>) {
        let location = self.tree.value_at(path);
        self.push(Severity::Error, path, location, message, help);
    }

    /// Notes an error in the key at `path`: a name, or something that is missing below it.
    pub(crate) fn error_at_key(&mut self, path: &Path, message: String, help: Option<String>) {
        let location = self.tree.key_at(path);
        self.push(Severity::Error, path, location, message, help);
    }

    /// Notes that something is missing, unless the second pass may have taken it out.
    pub(crate) fn missing(&mut self, path: &Path, message: String, help: Option<String>) {
        if self.lost.is_whole(path) {
            self.error_at_key(path, message, help);
        }
    }

    /// Notes something that is allowed but probably not wanted.
    pub(crate) fn warn(&mut self, path: &Path, message: String, help: Option<String>) {
        let location = self.tree.key_at(path);
        self.push(Severity::Warning, path, location, message, help);
    }

    /// The name of a party.
    pub(crate) fn party_name(&self, party: Party) -> &str {
        match party {
            Party::Load(load) => self.load_names.get(load.index()).map_or("", String::as_str),
            Party::Service(service) => self.service_names.get(service.index()).map_or("", String::as_str),
        }
    }

    /// The directed link between two parties, new if there was none.
    pub(crate) fn link(&mut self, from: Party, to: Party) -> LinkId {
        let next = LinkId(self.links.len() as u32);
        if let Some(link) = self.link_ids.get(&(from, to)) {
            return *link;
        }
        self.link_ids.insert((from, to), next);
        let name = format!("{} -> {}", self.party_name(from), self.party_name(to));
        self.links.push(network::bare_link(name, from, to));
        next
    }
}
