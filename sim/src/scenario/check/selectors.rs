//! Selectors: `a -> b`, `* -> b`, `svc/2`, `svc/*`. Text in, ids out.

use super::Checker;
use crate::faults::{NodeSelector, Which};
use crate::scenario::path::Path;
use crate::scenario::plan::{EdgeId, LinkId, Party, PoolPlan};
use crate::scenario::raw::{OneOrMany, RawNodeList, RawNodes, RawPick};
use crate::scenario::suggest;

/// A link as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkText<'t> {
    /// The left end.
    pub(crate) from: &'t str,
    /// The right end.
    pub(crate) to: &'t str,
    /// Whether the other direction is meant as well.
    pub(crate) both: bool,
}

/// Reads `a -> b` or `a <-> b`.
pub(crate) fn link_text(text: &str) -> Option<LinkText<'_>> {
    let (from, to, both) = match text.split_once("<->") {
        Some((from, to)) => (from, to, true),
        None => {
            let (from, to) = text.split_once("->")?;
            (from, to, false)
        }
    };
    let (from, to) = (from.trim(), to.trim());
    let plain = |end: &str| !end.is_empty() && !end.contains(['>', '<']);
    (plain(from) && plain(to)).then_some(LinkText { from, to, both })
}

/// Everyone, in a selector.
const ANY: &str = "*";

impl Checker<'_> {
    fn not_a_link(&mut self, path: &Path, text: &str) {
        let help = "write it as in `a -> b`".to_string();
        self.error_at_value(path, format!("`{text}` is not a link"), Some(help));
    }

    fn end_of_link(&mut self, path: &Path, name: &str) -> Option<Option<Party>> {
        if name == ANY {
            return Some(None);
        }
        self.party(path, name).map(Some)
    }

    /// The directed links that `text` selects; says so at `path` if there are none.
    pub(crate) fn links_selected(&mut self, path: &Path, text: &str) -> Option<Vec<LinkId>> {
        if text.trim() == ANY {
            return Some((0..self.links.len() as u32).map(LinkId).collect());
        }
        let Some(link) = link_text(text) else {
            self.not_a_link(path, text);
            return None;
        };
        let from = self.end_of_link(path, link.from);
        let to = self.end_of_link(path, link.to);
        let (from, to) = (from?, to?);
        let wanted = |end: Option<Party>, party: Party| end.is_none_or(|end| end == party);
        let forward = |sender, receiver| wanted(from, sender) && wanted(to, receiver);
        let selected: Vec<LinkId> = self
            .link_ids
            .iter()
            .filter(|((sender, receiver), _)| {
                forward(*sender, *receiver) || (link.both && forward(*receiver, *sender))
            })
            .map(|(_, id)| *id)
            .collect();
        if selected.is_empty() {
            self.unused_link(path, text, from, to);
            return None;
        }
        Some(selected)
    }

    /// Says that no call uses a link, and which links there are at its ends.
    pub(crate) fn unused_link(&mut self, path: &Path, text: &str, from: Option<Party>, to: Option<Party>) {
        if !self.calls_are_whole() {
            return;
        }
        let touches = |party: &Party| Some(*party) == from || Some(*party) == to;
        let near: Vec<&str> = self
            .edges
            .iter()
            .filter(|edge| touches(&edge.caller) || touches(&Party::Service(edge.callee)))
            .map(|edge| edge.name.as_str())
            .collect();
        let help = match near.as_slice() {
            [] => format!("the calls are {}", suggest::listed(&self.edge_names())),
            near => format!("calls at its ends: {}", suggest::listed(near)),
        };
        self.error_at_value(path, format!("no call uses the link `{}`", text.trim()), Some(help));
    }

    /// Whether no call was lost to an error, so that what has no call has none in the file.
    pub(crate) fn calls_are_whole(&self) -> bool {
        ["services", "load"].iter().all(|key| self.lost.is_whole(&Path::root().key(key)))
    }

    fn edge_names(&self) -> Vec<&str> {
        self.edges.iter().map(|edge| edge.name.as_str()).collect()
    }

    /// The directed links that any of the texts selects, each once, in the order of their ids.
    pub(crate) fn links_of_all(&mut self, path: &Path, texts: &OneOrMany) -> Option<Vec<LinkId>> {
        let mut all = Vec::new();
        let mut whole = true;
        for (index, text) in texts.texts().iter().enumerate() {
            let at = match texts {
                OneOrMany::One(_) => path.clone(),
                OneOrMany::Many(_) => path.index(index),
            };
            match self.links_selected(&at, text) {
                Some(links) => all.extend(links),
                None => whole = false,
            }
        }
        if whole && all.is_empty() {
            self.error_at_value(path, "no link is named".to_string(), None);
            return None;
        }
        all.sort_unstable();
        all.dedup();
        whole.then_some(all)
    }

    /// The calls that `text` selects: `a -> b`, `a -> b #2`, `* -> b`, `a -> *`, `*`, or the name of a load.
    pub(crate) fn edges_selected(&mut self, path: &Path, text: &str) -> Option<Vec<EdgeId>> {
        if let Some(edge) = self.edges.iter().position(|edge| edge.name == text && text.contains('#')) {
            return Some(vec![EdgeId(edge as u32)]);
        }
        if text.trim() == ANY {
            return Some((0..self.edges.len() as u32).map(EdgeId).collect());
        }
        let (from, to) = match link_text(text) {
            Some(LinkText { both: true, .. }) => {
                let help = "calls have one direction: write `a -> b`".to_string();
                self.error_at_value(path, format!("`{text}` is not a call"), Some(help));
                return None;
            }
            Some(link) => {
                let from = self.end_of_link(path, link.from);
                let to = self.end_of_link(path, link.to);
                (from?, to?)
            }
            None if text.contains('>') => {
                self.not_a_link(path, text);
                return None;
            }
            None => (Some(Party::Load(self.load(path, text.trim())?)), None),
        };
        let selected: Vec<EdgeId> = self
            .edges
            .iter()
            .enumerate()
            .filter(|(_, edge)| {
                from.is_none_or(|from| from == edge.caller)
                    && to.is_none_or(|to| to == Party::Service(edge.callee))
            })
            .map(|(index, _)| EdgeId(index as u32))
            .collect();
        if selected.is_empty() {
            self.unused_link(path, text, from, to);
            return None;
        }
        Some(selected)
    }

    /// The one call that `text` names: the first of several to the same callee unless ` #2` or so follows.
    pub(crate) fn edge_named(&mut self, path: &Path, text: &str) -> Option<EdgeId> {
        let selected = self.edges_selected(path, text)?;
        match selected.as_slice() {
            [one] => Some(*one),
            several => {
                let caller_and_callee =
                    |edge: &EdgeId| self.edges.get(edge.index()).map(|edge| (edge.caller, edge.callee));
                let same =
                    several.windows(2).all(|two| caller_and_callee(&two[0]) == caller_and_callee(&two[1]));
                if same {
                    return several.first().copied();
                }
                let names: Vec<&str> = several
                    .iter()
                    .filter_map(|edge| self.edges.get(edge.index()))
                    .map(|edge| edge.name.as_str())
                    .collect();
                let help = format!("it stands for {}", suggest::listed(&names));
                self.error_at_value(path, format!("`{text}` is more than one call"), Some(help));
                None
            }
        }
    }

    /// The replicas that a list selects.
    pub(crate) fn nodes(&mut self, path: &Path, list: &RawNodeList) -> Option<Vec<NodeSelector>> {
        let mut selected = Vec::new();
        let mut whole = true;
        for (index, nodes) in list.selections().iter().enumerate() {
            let at = match list {
                RawNodeList::One(_) => path.clone(),
                RawNodeList::Many(_) => path.index(index),
            };
            match self.node_selector(&at, nodes) {
                Some(selector) => selected.push(selector),
                None => whole = false,
            }
        }
        if whole && selected.is_empty() {
            self.error_at_value(path, "no replica is named".to_string(), None);
            return None;
        }
        whole.then_some(selected)
    }

    /// The replicas that one selection stands for.
    pub(crate) fn node_selector(&mut self, path: &Path, nodes: &RawNodes) -> Option<NodeSelector> {
        match nodes {
            RawNodes::Named(text) => self.named_replicas(path, text),
            RawNodes::Picked(pick) => self.picked_replicas(path, pick),
        }
    }

    fn named_replicas(&mut self, path: &Path, text: &str) -> Option<NodeSelector> {
        let (name, replica) = match text.split_once('/') {
            Some((name, replica)) => (name.trim(), Some(replica.trim())),
            None => (text.trim(), None),
        };
        let service = self.service(path, name)?;
        let which = match replica {
            None | Some(ANY) => Which::All,
            Some(number) => match number.parse::<u32>() {
                Ok(0) => {
                    self.error_at_value(path, format!("`{text}`: replicas are counted from 1"), None);
                    return None;
                }
                Ok(number) => {
                    let replicas =
                        self.services.get(service.index()).map_or(u32::MAX, |plan| plan.max_replicas);
                    if number > replicas {
                        let help = format!("`{name}` has {}", counted(replicas, "replica"));
                        self.error_at_value(path, format!("there is no replica `{text}`"), Some(help));
                        return None;
                    }
                    Which::Index(number - 1)
                }
                Err(_) => {
                    let help = format!("write `{name}/1`, `{name}/2` … or `{name}/*`");
                    self.error_at_value(path, format!("`{text}` is not a replica"), Some(help));
                    return None;
                }
            },
        };
        Some(NodeSelector { service, which })
    }

    fn picked_replicas(&mut self, path: &Path, raw: &RawPick) -> Option<NodeSelector> {
        let service = self.service(&path.key("service"), &raw.service);
        let which = match raw.pick.trim() {
            "one" => Some(Which::One),
            "minority" => Some(Which::Minority),
            "majority" => Some(Which::Majority),
            "all" => Some(Which::All),
            other => other
                .strip_prefix("random(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|number| number.trim().parse::<u32>().ok())
                .filter(|number| *number > 0)
                .map(Which::Random),
        };
        if which.is_none() {
            let help = "write `one`, `minority`, `majority`, `all` or `random(2)`".to_string();
            self.error_at_value(&path.key("pick"), format!("unknown pick `{}`", raw.pick), Some(help));
        }
        if let (Some(service), Some(Which::Random(number))) = (service, which) {
            let replicas = self.services.get(service.index()).map_or(u32::MAX, |plan| plan.max_replicas);
            if number > replicas {
                let help = format!("`{}` has {}", raw.service, counted(replicas, "replica"));
                self.error_at_value(
                    &path.key("pick"),
                    format!("there are no {number} replicas to draw"),
                    Some(help),
                );
                return None;
            }
        }
        Some(NodeSelector { service: service?, which: which? })
    }

    /// The pool called `name` of `owner`. A pool of a single call is found by its callee's name, too.
    pub(crate) fn pool_of(&mut self, path: &Path, owner: Party, name: &str) -> Option<u32> {
        let pools: &[PoolPlan] = match owner {
            Party::Service(service) => self.services.get(service.index()).map_or(&[], |plan| &plan.pools),
            Party::Load(load) => self.loads.get(load.index()).map_or(&[], |plan| &plan.pools),
        };
        let own_name = format!("{} -> {name}", self.party_name(owner));
        let further = format!("{own_name} #");
        let found = pools
            .iter()
            .position(|pool| pool.name == name || pool.name == own_name)
            .or_else(|| pools.iter().position(|pool| pool.name.starts_with(&further)));
        if found.is_none() && self.calls_are_whole() {
            let known: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
            let help = match known.as_slice() {
                [] => Some(format!("`{}` has no pools", self.party_name(owner))),
                known => suggest::help(name, known),
            };
            self.error_at_value(path, format!("unknown pool `{name}`"), help);
        }
        found.map(|index| index as u32)
    }
}

/// `1 replica`, `3 replicas`.
pub(crate) fn counted(number: u32, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
