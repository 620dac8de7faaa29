//! Partitions: who cannot reach whom. Every shape comes down to pairs of groups.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Checker, Fault, Path, ResolveFault};
use crate::faults::{Cut, CutMode, Member, NodeSelector, Partition, Which};
use crate::scenario::plan::{LoadId, Party, ServiceId};
use crate::scenario::quantity::Duration;
use crate::scenario::raw::RawNodes;

/// Groups of nodes cannot reach each other. Exactly one shape: `between`, `isolate`, `halves`, `ring` or `bridge`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPartition {
    /// Groups that cannot reach each other. Replicas (`svc`, `svc/2`) and loads.
    #[serde(default)]
    between: Option<Vec<Vec<RawNodes>>>,
    /// A group that nobody else can reach.
    #[serde(default)]
    isolate: Option<Vec<RawNodes>>,
    /// Services whose replicas are split in two halves that cannot reach each other.
    #[serde(default)]
    halves: Option<Vec<RawNodes>>,
    /// Members each of which reaches only its two neighbours.
    #[serde(default)]
    ring: Option<Vec<RawNodes>>,
    /// Two groups that cannot reach each other and one that reaches both.
    #[serde(default)]
    bridge: Option<RawBridge>,
    /// What happens to messages that would cross: `drop` (the default), `hold`, or `{slow: 2s}`.
    #[serde(default)]
    mode: Option<RawCutMode>,
    /// Only messages from the first group to the second are cut. Default false.
    #[serde(default)]
    one_way: Option<bool>,
}

/// Two groups that cannot reach each other and one that reaches both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawBridge {
    /// One group.
    left: Vec<RawNodes>,
    /// The other group.
    right: Vec<RawNodes>,
    /// Who reaches both.
    #[serde(default)]
    bridge: Vec<RawNodes>,
}

/// What happens to messages that would cross a cut.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RawCutMode {
    /// They are lost.
    Drop,
    /// They are delivered when the cut heals.
    Hold,
    /// They arrive this much later.
    Slow(Duration),
}

/// A side of a cut.
type Group = Vec<Member>;

impl ResolveFault for RawPartition {
    fn resolve(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Fault> {
        let pairs = self.pairs(checker, path)?;
        let one_way = self.one_way.unwrap_or(false);
        if one_way && self.between.is_none() {
            let help = "use `between: [[senders], [receivers]]`".to_string();
            let message = "`one_way` needs a first and a second group".to_string();
            checker.error_at_key(&path.key("one_way"), message, Some(help));
        }
        let mut cuts = Vec::with_capacity(2 * pairs.len());
        for (from, to) in pairs {
            if !one_way {
                cuts.push(Cut { from: to.clone(), to: from.clone() });
            }
            cuts.push(Cut { from, to });
        }
        let mode = match &self.mode {
            None | Some(RawCutMode::Drop) => CutMode::Drop,
            Some(RawCutMode::Hold) => CutMode::Hold,
            Some(RawCutMode::Slow(late)) => {
                CutMode::Slow(checker.some_time(&path.key("mode").key("slow"), late))
            }
        };
        Some(Fault::Partition(Partition { cuts, mode }))
    }
}

impl RawPartition {
    /// Pairs of groups that cannot reach each other.
    fn pairs(&self, checker: &mut Checker<'_>, path: &Path) -> Option<Vec<(Group, Group)>> {
        let given = [
            self.between.is_some(),
            self.isolate.is_some(),
            self.halves.is_some(),
            self.ring.is_some(),
            self.bridge.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let help = "give one of `between`, `isolate`, `halves`, `ring` and `bridge`".to_string();
            checker.missing(path, "a partition has exactly one shape".to_string(), Some(help));
            return None;
        }
        if let Some(groups) = &self.between {
            return between(checker, &path.key("between"), groups);
        }
        if let Some(group) = &self.isolate {
            return isolate(checker, &path.key("isolate"), group);
        }
        if let Some(members) = &self.halves {
            return halves(checker, &path.key("halves"), members);
        }
        if let Some(members) = &self.ring {
            return ring(checker, &path.key("ring"), members);
        }
        let bridge = self.bridge.as_ref()?;
        let path = path.key("bridge");
        let left = group(checker, &path.key("left"), &bridge.left);
        let right = group(checker, &path.key("right"), &bridge.right);
        // Whoever reaches both is not cut from anybody; the names still have to exist.
        let both = bridge.bridge.is_empty() || group(checker, &path.key("bridge"), &bridge.bridge).is_some();
        let (left, right) = (left?, right?);
        both.then(|| vec![(left, right)])
    }
}

fn member(checker: &mut Checker<'_>, path: &Path, nodes: &RawNodes) -> Option<Member> {
    if let RawNodes::Named(name) = nodes
        && !name.contains('/')
    {
        return match checker.party(path, name.trim())? {
            Party::Load(load) => Some(Member::Clients(load)),
            Party::Service(service) => Some(Member::Nodes(NodeSelector { service, which: Which::All })),
        };
    }
    checker.node_selector(path, nodes).map(Member::Nodes)
}

fn group(checker: &mut Checker<'_>, path: &Path, list: &[RawNodes]) -> Option<Group> {
    if list.is_empty() {
        checker.missing(path, "an empty group".to_string(), None);
        return None;
    }
    let members: Vec<Option<Member>> =
        list.iter().enumerate().map(|(index, nodes)| member(checker, &path.index(index), nodes)).collect();
    members.into_iter().collect()
}

fn between(checker: &mut Checker<'_>, path: &Path, groups: &[Vec<RawNodes>]) -> Option<Vec<(Group, Group)>> {
    if groups.len() < 2 {
        let help = "write `between: [[a], [b]]`".to_string();
        checker.missing(path, "a partition has at least two groups".to_string(), Some(help));
        return None;
    }
    let resolved: Vec<Option<Group>> =
        groups.iter().enumerate().map(|(index, list)| group(checker, &path.index(index), list)).collect();
    let groups: Vec<Group> = resolved.into_iter().collect::<Option<_>>()?;
    for (index, group) in groups.iter().enumerate() {
        let earlier = groups.iter().take(index).flatten();
        if let Some(shared) = earlier.clone().find(|member| group.contains(member)) {
            let name = checker.member_name(shared);
            checker.error_at_value(&path.index(index), format!("`{name}` is in two groups"), None);
        }
    }
    let mut pairs = Vec::new();
    for (index, first) in groups.iter().enumerate() {
        for second in &groups[index + 1..] {
            pairs.push((first.clone(), second.clone()));
        }
    }
    Some(pairs)
}

/// Everybody outside the group. Replicas drawn from the seed are not known here; as replicas of one service never
/// talk to each other, it is right to leave them out as long as the group has nobody else to talk to.
fn isolate(checker: &mut Checker<'_>, path: &Path, list: &[RawNodes]) -> Option<Vec<(Group, Group)>> {
    let group = group(checker, path, list)?;
    let drawn = |member: &Member| match member {
        Member::Clients(_) => false,
        Member::Nodes(nodes) => match nodes.which {
            Which::All | Which::Index(_) => false,
            Which::One | Which::Minority | Which::Majority | Which::Random(_) => true,
        },
    };
    if group.iter().any(drawn) && group.len() > 1 {
        let help = "name the replicas, or isolate one service at a time".to_string();
        checker.error_at_value(
            path,
            "drawn replicas cannot be isolated together with others".to_string(),
            Some(help),
        );
        return None;
    }
    let mut rest: Group = Vec::new();
    for (index, service) in checker.services.iter().enumerate() {
        let service_id = ServiceId(index as u32);
        let own: Vec<Which> = group
            .iter()
            .filter_map(|member| match member {
                Member::Nodes(nodes) if nodes.service == service_id => Some(nodes.which),
                Member::Nodes(_) | Member::Clients(_) => None,
            })
            .collect();
        if own.is_empty() {
            rest.push(Member::Nodes(NodeSelector { service: service_id, which: Which::All }));
        } else if own.iter().all(|which| matches!(which, Which::Index(_))) {
            let outside = (0..service.max_replicas).map(Which::Index).filter(|which| !own.contains(which));
            rest.extend(outside.map(|which| Member::Nodes(NodeSelector { service: service_id, which })));
        }
    }
    let loads = (0..checker.loads.len() as u32).map(|load| Member::Clients(LoadId(load)));
    rest.extend(loads.filter(|load| !group.contains(load)));
    Some(vec![(group, rest)])
}

/// Each service is split in two halves, the larger one first; single members are dealt to the halves in order.
fn halves(checker: &mut Checker<'_>, path: &Path, list: &[RawNodes]) -> Option<Vec<(Group, Group)>> {
    let members = group(checker, path, list)?;
    let (mut first, mut second, mut single): (Group, Group, Group) = Default::default();
    for member in members {
        match &member {
            Member::Nodes(NodeSelector { service, which: Which::All }) => {
                let replicas = checker.services.get(service.index()).map_or(1, |plan| plan.replicas);
                if replicas == 1 {
                    single.push(member);
                    continue;
                }
                let half = replicas.div_ceil(2);
                for index in 0..replicas {
                    let node = Member::Nodes(NodeSelector { service: *service, which: Which::Index(index) });
                    if index < half { first.push(node) } else { second.push(node) }
                }
            }
            Member::Nodes(_) | Member::Clients(_) => single.push(member),
        }
    }
    let half = single.len().div_ceil(2);
    second.extend(single.split_off(half));
    first.extend(single);
    if second.is_empty() {
        checker.error_at_value(path, "there is nothing to split".to_string(), None);
        return None;
    }
    Some(vec![(first, second)])
}

/// Every pair of members that are not neighbours is cut.
fn ring(checker: &mut Checker<'_>, path: &Path, list: &[RawNodes]) -> Option<Vec<(Group, Group)>> {
    let members = group(checker, path, list)?;
    if members.len() < 4 {
        let message = format!("in a ring of {} everybody reaches everybody", members.len());
        checker.error_at_value(path, message, Some("a ring has at least 4 members".to_string()));
        return None;
    }
    let mut pairs = Vec::new();
    for (index, member) in members.iter().enumerate() {
        for (other_index, other) in members.iter().enumerate().skip(index + 2) {
            let closes_the_ring = index == 0 && other_index == members.len() - 1;
            if !closes_the_ring {
                pairs.push((vec![member.clone()], vec![other.clone()]));
            }
        }
    }
    Some(pairs)
}

impl Checker<'_> {
    fn member_name(&self, member: &Member) -> String {
        match member {
            Member::Clients(load) => self.party_name(Party::Load(*load)).to_string(),
            Member::Nodes(nodes) => {
                let service = self.party_name(Party::Service(nodes.service));
                match nodes.which {
                    Which::Index(index) => format!("{service}/{}", index + 1),
                    Which::All | Which::One | Which::Minority | Which::Majority | Which::Random(_) => {
                        service.to_string()
                    }
                }
            }
        }
    }
}
