//! Swarms: entries of a timeline whose values are ranges and choices. Unfolding makes plain entries of them, with
//! the values of a corner, to check them like any others, or with those that a seed draws. What is drawn for one
//! value of one entry depends on the seed, the entry's id and the place of the value, and on nothing else.

mod range;

use indexmap::IndexMap;

use self::range::Range;
use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use super::plan::SwarmPlan;
use super::quantity::{Problem, Share};
use super::tree::{Content, Entry, Node};
use crate::kernel::draw::{Key, Seed, below, chance_ppm};

/// The key of the entries.
pub(crate) const SWARM: &str = "swarm";
const TIMELINE: &str = "timeline";
/// The key of a choice.
const ONE_OF: &str = "one_of";
/// Chance of entries that do not state one.
const DEFAULT_CHANCE_PPM: u32 = 500_000;
/// Most values of one choice.
const MOST_CHOICES: usize = 16;
/// The key that says how probable an entry is; all others are those of a timeline entry.
const CHANCE: &str = "chance";

/// Which values are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pick {
    /// Those of a corner: of ranges the lower end, in corner 1 the upper one; of choices the one of this number.
    Corner(usize),
    /// Those that this seed draws.
    Drawn(Seed),
}

/// A document whose swarm is a part of its timeline.
pub(crate) struct Unfolded {
    /// The document; its swarm still stands there as well.
    pub(crate) document: Node,
    /// Entries of the timeline that were there before.
    pub(crate) fixed: usize,
    /// Those that were added, in order.
    pub(crate) entries: Vec<SwarmPlan>,
}

/// How many corners it takes to have every end of a range and every choice once; 0 without a swarm.
pub(crate) fn corners(document: &Node) -> usize {
    let Some(swarm) = document.get(SWARM) else { return 0 };
    swarm.items().iter().map(corners_of).max().unwrap_or(0)
}

fn corners_of(node: &Node) -> usize {
    let own = match &node.content {
        Content::Text(text) if Range::is_meant(text) => 2,
        Content::Mapping(entries) => entries.get(ONE_OF).map_or(1, |choice| choice.node.items().len()),
        Content::Blank | Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => 1,
        Content::List(_) => 1,
    };
    let below = match &node.content {
        Content::List(items) => items.iter().map(corners_of).max(),
        Content::Mapping(entries) => entries.values().map(|entry| corners_of(&entry.node)).max(),
        Content::Blank | Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => None,
    };
    own.max(below.unwrap_or(1)).min(MOST_CHOICES)
}

/// Makes timeline entries of the swarm. What is wrong with ranges and choices is noted; what is wrong with the
/// entries is for whoever checks the timeline.
pub(crate) fn unfold(mut document: Node, pick: Pick, diagnostics: &mut Diagnostics) -> Unfolded {
    let fixed = document.get(TIMELINE).map_or(0, |timeline| timeline.items().len());
    let Content::Mapping(top) = &mut document.content else {
        return Unfolded { document, fixed, entries: Vec::new() };
    };
    let Some(swarm) = top.get(SWARM).cloned() else {
        return Unfolded { document, fixed, entries: Vec::new() };
    };
    let (mut nodes, mut entries) = (Vec::new(), Vec::new());
    for (index, item) in swarm.node.items().iter().enumerate() {
        let Content::Mapping(keys) = &item.content else { continue };
        let id = item.get("id").map(|id| text_of(&id.content)).unwrap_or_default();
        let chance = item.get(CHANCE).and_then(|chance| Share::read(&text_of(&chance.content)).ok());
        let mut picker = Picker { id: &id, pick, place: format!("{SWARM}[{index}]"), diagnostics };
        let picked = keys.iter().filter(|(key, _)| key.as_str() != CHANCE);
        let picked = picked.map(|(key, entry)| {
            let node = if key == "id" { entry.node.clone() } else { picker.picked(&entry.node, key) };
            (key.clone(), Entry { key_at: entry.key_at, node })
        });
        let content = Content::Mapping(picked.collect());
        nodes.push(Node { at: item.at, content });
        entries.push(SwarmPlan { id, chance_ppm: chance.map_or(DEFAULT_CHANCE_PPM, |chance| chance.0) });
    }
    let no_timeline = || Entry {
        key_at: swarm.key_at,
        node: Node { at: swarm.node.at, content: Content::List(Vec::new()) },
    };
    // A timeline that is new stands where the swarm does.
    if !top.contains_key(TIMELINE) {
        let place = top.get_index_of(SWARM).unwrap_or(0);
        top.shift_insert(place, TIMELINE.to_string(), no_timeline());
    }
    if let Some(Content::List(items)) = top.get_mut(TIMELINE).map(|timeline| &mut timeline.node.content) {
        items.extend(nodes);
    }
    Unfolded { document, fixed, entries }
}

/// The ids of entries that `seed` leaves out.
pub(crate) fn left_out(entries: &[SwarmPlan], seed: Seed) -> impl Iterator<Item = &str> {
    let happens = move |entry: &SwarmPlan| {
        chance_ppm(Key::derive(seed, &entity(&entry.id), "chance").draw(0), entry.chance_ppm)
    };
    entries.iter().filter(move |entry| !happens(entry)).map(|entry| entry.id.as_str())
}

/// Whom the draws of an entry belong to.
fn entity(id: &str) -> String {
    format!("swarm/{id}")
}

fn text_of(content: &Content) -> String {
    match content {
        Content::Text(text) => text.clone(),
        Content::Number(number) => number.to_string(),
        Content::Blank | Content::Null | Content::Bool(_) | Content::List(_) | Content::Mapping(_) => {
            String::new()
        }
    }
}

/// Takes the values of one entry.
struct Picker<'a> {
    id: &'a str,
    pick: Pick,
    /// Where the entry stands.
    place: String,
    diagnostics: &'a mut Diagnostics,
}

impl Picker<'_> {
    /// The node with one value in place of every range and every choice; `path` is its place in the entry.
    fn picked(&mut self, node: &Node, path: &str) -> Node {
        let content = match &node.content {
            Content::Text(text) if Range::is_meant(text) => match Range::read(text) {
                Ok(range) => match self.pick {
                    Pick::Corner(1) => range.high(),
                    Pick::Corner(_) => range.low(),
                    Pick::Drawn(seed) => range.drawn(self.word(seed, path)),
                },
                Err(problem) => {
                    self.error(node, path, problem);
                    Range::readable_end(text).unwrap_or_else(|| node.content.clone())
                }
            },
            Content::Mapping(entries) => match entries.get(ONE_OF) {
                Some(choice) => return self.chosen(node, entries, &choice.node, path),
                None => Content::Mapping(
                    entries
                        .iter()
                        .map(|(key, entry)| {
                            let below = self.picked(&entry.node, &format!("{path}.{key}"));
                            (key.clone(), Entry { key_at: entry.key_at, node: below })
                        })
                        .collect(),
                ),
            },
            Content::List(items) => Content::List(
                (0..)
                    .zip(items)
                    .map(|(index, item): (usize, &Node)| self.picked(item, &format!("{path}[{index}]")))
                    .collect(),
            ),
            plain @ (Content::Blank
            | Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)) => plain.clone(),
        };
        Node { at: node.at, content }
    }

    fn chosen(&mut self, node: &Node, around: &IndexMap<String, Entry>, choice: &Node, path: &str) -> Node {
        let items = choice.items();
        let wrong = if around.len() > 1 {
            Some(Problem::new("`one_of` stands alone", "remove the other keys beside it"))
        } else if items.is_empty() {
            Some(Problem::new(
                "there is nothing to choose from",
                "write it as in `{one_of: [a -> b, c -> d]}`",
            ))
        } else if items.len() > MOST_CHOICES {
            let message = format!("{} values to choose from are too many", items.len());
            Some(Problem::new(message, format!("the most is {MOST_CHOICES}")))
        } else {
            None
        };
        if let Some(problem) = wrong {
            self.error(node, path, problem);
        }
        let index = match self.pick {
            Pick::Corner(number) => number % items.len().max(1),
            Pick::Drawn(seed) => {
                below(self.word(seed, &format!("{path}.{ONE_OF}")), items.len() as u64) as usize
            }
        };
        match items.get(index) {
            Some(item) => self.picked(item, path),
            None => Node { at: node.at, content: Content::Null },
        }
    }

    /// The word of one value.
    fn word(&self, seed: Seed, path: &str) -> u64 {
        Key::derive(seed, &entity(self.id), path).draw(0)
    }

    fn error(&mut self, node: &Node, path: &str, problem: Problem) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            path: format!("{}.{path}", self.place),
            location: node.at,
            message: problem.message,
            help: problem.help,
        });
    }
}
