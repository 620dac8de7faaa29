//! Who is called what: the names a document declares, and the search for them with "did you mean".
//! Names come from the document before anything broken was taken out of it, so that one slip is reported once.

use indexmap::IndexMap;

use super::Checker;
use crate::scenario::path::Path;
use crate::scenario::plan::{EntryId, HostId, LoadId, OperationId, Party, ServiceId};
use crate::scenario::suggest;
use crate::scenario::tree::{Content, Node};

/// Everything that has a name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Services, inserted hops and loads: they share one name space.
    parties: IndexMap<String, Declared<Party>>,
    hosts: IndexMap<String, Declared<HostId>>,
    operations: IndexMap<String, OperationId>,
    entries: IndexMap<String, Declared<EntryId>>,
    slos: IndexMap<String, Declared<()>>,
}

/// Something that was given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Declared<T> {
    /// It can be used.
    As(T),
    /// Its description is broken; that is reported where it stands.
    Broken,
}

/// The operation of loads without a mix.
pub(crate) const DEFAULT_OPERATION: &str = "default";

impl Names {
    /// What `document` declares, before any of it is known to be usable.
    pub(crate) fn declared(document: &Node) -> Names {
        let mut names = Names::default();
        for service in document.get("services").map_or(Vec::new(), Node::keys) {
            names.parties.insert(service.to_string(), Declared::Broken);
        }
        for load in named_items(document, "load", "name") {
            names.parties.insert(load, Declared::Broken);
        }
        for entry in document.get("timeline").map_or(&[][..], Node::items) {
            if let Some(hop) = entry.get("extra_hop").and_then(|hop| hop.get("name")).and_then(scalar) {
                names.parties.insert(hop, Declared::Broken);
            }
        }
        for host in document.get("hosts").map_or(Vec::new(), Node::keys) {
            names.hosts.insert(host.to_string(), Declared::Broken);
        }
        for id in named_items(document, "timeline", "id") {
            names.entries.insert(id, Declared::Broken);
        }
        for id in named_items(document, "slo", "id") {
            names.slos.insert(id, Declared::Broken);
        }
        names.operation_declared(DEFAULT_OPERATION);
        for load in document.get("load").map_or(&[][..], Node::items) {
            for operation in load.get("mix").map_or(Vec::new(), Node::keys) {
                names.operation_declared(operation);
            }
        }
        let services = document.get("services");
        for service in services.map_or(Vec::new(), Node::keys) {
            let service = services.and_then(|services| services.get(service));
            for operation in service.map_or(Vec::new(), operations_of_jobs) {
                names.operation_declared(&operation);
            }
        }
        names
    }

    /// The operation called `name`, new if there was none.
    pub(crate) fn operation_declared(&mut self, name: &str) -> OperationId {
        let next = OperationId(self.operations.len() as u32);
        *self.operations.entry(name.to_string()).or_insert(next)
    }

    /// All operations in the order of their ids.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &str> {
        self.operations.keys().map(String::as_str)
    }

    /// Whether a timeline entry, broken or not, bears this id.
    pub(crate) fn has_entry(&self, id: &str) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether an objective, broken or not, bears this id.
    pub(crate) fn has_slo(&self, id: &str) -> bool {
        self.slos.contains_key(id)
    }

    /// The ids of all objectives.
    pub(crate) fn slo_ids(&self) -> Vec<&str> {
        self.slos.keys().map(String::as_str).collect()
    }

    /// The ids of all timeline entries.
    pub(crate) fn entry_ids(&self) -> Vec<&str> {
        self.entries.keys().map(String::as_str).collect()
    }

    fn service_names(&self) -> Vec<&str> {
        let is_load = |declared: &Declared<Party>| matches!(declared, Declared::As(Party::Load(_)));
        self.parties
            .iter()
            .filter(|(_, declared)| !is_load(declared))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn load_names(&self) -> Vec<&str> {
        let is_service = |declared: &Declared<Party>| matches!(declared, Declared::As(Party::Service(_)));
        self.parties
            .iter()
            .filter(|(_, declared)| !is_service(declared))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// What the schedules and the workflows of a service enqueue.
fn operations_of_jobs(service: &Node) -> Vec<String> {
    let mut operations = Vec::new();
    let schedules = service.get("schedules");
    for schedule in schedules.map_or(Vec::new(), Node::keys) {
        let schedule = schedules.and_then(|schedules| schedules.get(schedule));
        operations.extend(schedule.and_then(|schedule| schedule.get("operation")).and_then(scalar));
    }
    let workflows = service.get("workflows");
    for workflow in workflows.map_or(Vec::new(), Node::keys) {
        let Some(workflow) = workflows.and_then(|workflows| workflows.get(workflow)) else { continue };
        operations.extend(workflow.get("chain").map_or(&[][..], Node::items).iter().filter_map(scalar));
        let steps = workflow.get("steps");
        for step in steps.map_or(Vec::new(), Node::keys) {
            let named = steps.and_then(|steps| steps.get(step)).and_then(|step| step.get("operation"));
            operations.extend(named.map_or_else(|| Some(step.to_string()), scalar));
        }
    }
    operations
}

fn named_items(document: &Node, list: &str, key: &str) -> Vec<String> {
    let items = document.get(list).map_or(&[][..], Node::items);
    items.iter().filter_map(|item| item.get(key).and_then(scalar)).collect()
}

fn scalar(node: &Node) -> Option<String> {
    match &node.content {
        Content::Text(text) => Some(text.clone()),
        Content::Number(number) => Some(number.to_string()),
        Content::Blank | Content::Null | Content::Bool(_) | Content::List(_) | Content::Mapping(_) => None,
    }
}

impl Checker<'_> {
    /// Registers a service or load under its name.
    pub(crate) fn declare_party(&mut self, path: &Path, name: &str, party: Party) {
        self.check_name(path, name);
        if let Some(Declared::As(_)) = self.names.parties.get(name) {
            let help = "services, loads and extra hops share one name space".to_string();
            self.error_at_value(path, format!("the name `{name}` is taken"), Some(help));
            return;
        }
        self.names.parties.insert(name.to_string(), Declared::As(party));
    }

    /// Registers a host.
    pub(crate) fn declare_host(&mut self, path: &Path, name: &str, host: HostId) {
        self.check_name(path, name);
        self.names.hosts.insert(name.to_string(), Declared::As(host));
    }

    /// Registers a timeline entry.
    pub(crate) fn declare_entry(&mut self, path: &Path, id: &str, entry: EntryId) {
        self.check_name(path, id);
        if let Some(Declared::As(_)) = self.names.entries.get(id) {
            self.error_at_value(path, format!("two timeline entries have the id `{id}`"), None);
            return;
        }
        self.names.entries.insert(id.to_string(), Declared::As(entry));
    }

    /// Registers an objective.
    pub(crate) fn declare_slo(&mut self, path: &Path, id: &str) {
        self.check_name(path, id);
        if let Some(Declared::As(())) = self.names.slos.get(id) {
            self.error_at_value(path, format!("two objectives have the id `{id}`"), None);
            return;
        }
        self.names.slos.insert(id.to_string(), Declared::As(()));
    }

    /// Names stand in paths and selectors, so that some characters are out.
    pub(crate) fn check_name(&mut self, path: &Path, name: &str) {
        let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.chars().count() > MOST_NAME_CHARACTERS || !name.chars().all(allowed) {
            let help = "a name has letters, digits, `-` and `_`, at most 80".to_string();
            self.error_at_value(path, format!("`{name}` cannot be a name"), Some(help));
        }
    }

    /// The nearest known name, unless so much is wrong that nobody reads it.
    pub(crate) fn suggestion<'c>(
        &'c self,
        name: &str,
        known: fn(&'c Names) -> Vec<&'c str>,
    ) -> Option<String> {
        if self.diagnostics.is_full() {
            return None;
        }
        suggest::help(name, &known(&self.names))
    }

    /// The service called `name`; says so at `path` if there is none.
    pub(crate) fn service(&mut self, path: &Path, name: &str) -> Option<ServiceId> {
        match self.names.parties.get(name) {
            Some(Declared::As(Party::Service(service))) => Some(*service),
            Some(Declared::Broken) => None,
            Some(Declared::As(Party::Load(_))) => {
                self.error_at_value(path, format!("`{name}` is a load, not a service"), None);
                None
            }
            None => {
                let help = self.suggestion(name, |names| names.service_names());
                self.error_at_value(path, format!("unknown service `{name}`"), help);
                None
            }
        }
    }

    /// The load called `name`; says so at `path` if there is none.
    pub(crate) fn load(&mut self, path: &Path, name: &str) -> Option<LoadId> {
        match self.names.parties.get(name) {
            Some(Declared::As(Party::Load(load))) => Some(*load),
            Some(Declared::Broken) => None,
            Some(Declared::As(Party::Service(_))) => {
                self.error_at_value(path, format!("`{name}` is a service, not a load"), None);
                None
            }
            None => {
                let help = self.suggestion(name, |names| names.load_names());
                self.error_at_value(path, format!("unknown load `{name}`"), help);
                None
            }
        }
    }

    /// The service or load called `name`; says so at `path` if there is none.
    pub(crate) fn party(&mut self, path: &Path, name: &str) -> Option<Party> {
        match self.names.parties.get(name) {
            Some(Declared::As(party)) => Some(*party),
            Some(Declared::Broken) => None,
            None => {
                let help = self.suggestion(name, |names| names.parties.keys().map(String::as_str).collect());
                self.error_at_value(path, format!("unknown service or load `{name}`"), help);
                None
            }
        }
    }

    /// The host called `name`; says so at `path` if there is none.
    pub(crate) fn host(&mut self, path: &Path, name: &str) -> Option<HostId> {
        match self.names.hosts.get(name) {
            Some(Declared::As(host)) => Some(*host),
            Some(Declared::Broken) => None,
            None => {
                let help = self
                    .suggestion(name, |names| names.hosts.keys().map(String::as_str).collect())
                    .or_else(|| Some(format!("declare it: `hosts: {{{name}: {{cores: 4}}}}`")));
                self.error_at_value(path, format!("unknown host `{name}`"), help);
                None
            }
        }
    }

    /// The operation called `name`; says so at `path` if no load has it.
    pub(crate) fn operation(&mut self, path: &Path, name: &str) -> Option<OperationId> {
        if let Some(operation) = self.names.operations.get(name) {
            return Some(*operation);
        }
        if !self.traces_are_broken {
            let help = self.suggestion(name, |names| names.operations().collect());
            self.error_at_value(path, format!("unknown operation `{name}`: no load's mix has it"), help);
        }
        None
    }

    /// The operations named in a list; `None` stands for all.
    pub(crate) fn operations(&mut self, path: &Path, names: Option<&[String]>) -> Option<Vec<OperationId>> {
        let names = names?;
        if names.is_empty() {
            self.error_at_value(
                path,
                "no operation is named".to_string(),
                Some("leave the key out for all".into()),
            );
        }
        let mut operations = Vec::with_capacity(names.len());
        for (index, name) in names.iter().enumerate() {
            operations.extend(self.operation(&path.index(index), name));
        }
        Some(operations)
    }

    /// The timeline entry with this id; says so at `path` if there is none.
    pub(crate) fn entry(&mut self, path: &Path, id: &str) -> Option<EntryId> {
        match self.names.entries.get(id) {
            Some(Declared::As(entry)) => Some(*entry),
            Some(Declared::Broken) => None,
            None => {
                let help = self.suggestion(id, |names| names.entry_ids());
                self.error_at_value(path, format!("unknown timeline entry `{id}`"), help);
                None
            }
        }
    }
}

/// Longest name in characters.
const MOST_NAME_CHARACTERS: usize = 80;
