//! Where do two runs part, and what led to it? Narrows the first difference down by the checkpoints of both
//! fingerprints, records the events of one window again, and looks closely at the first that differs. Who launches the
//! runs, and in which process, is the caller's business.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::verify::{Identity, PartingEvent, first_differing};
use crate::kernel::fingerprint::EventInterval;
use crate::run::{Look, Seen};

/// Names the format of results and its version.
pub const SCHEMA: &str = "foreshock.diverge/1";

/// One of the two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// What is asked of a run beside what identifies it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Describe these events.
    pub interval: Option<EventInterval>,
    /// Look closely at this one.
    pub look_at: Option<u64>,
}

/// What comparing two runs showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Divergence {
    /// Not an event differs.
    None {
        /// Events of each.
        events: u64,
        /// Whether what was measured or reported differs all the same.
        reports_differ: bool,
    },
    /// Events differ in how nodes or places are numbered, and in nothing that has a name.
    InNumbersOnly,
    /// They part.
    Parted(Box<Parted>),
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parted {
    /// The first differing event.
    pub event: PartingEvent,
    /// The events and fingerprint of each run.
    pub runs: [(u64, u64); 2],
    /// The close look at the event of that number in each run; `None` if the run had ended or cannot be looked at.
    pub looks: [Option<Look>; 2],
    /// What nodes showed of themselves just before, where that differs.
    pub state: Vec<StateDifference>,
    /// Nodes whose events are the same in both runs.
    pub same_nodes: Vec<String>,
    /// Nodes whose events differ, or which only one run has.
    pub differing_nodes: Vec<String>,
}

/// A count in which a node differs between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDifference {
    /// The node.
    pub node: String,
    /// What is counted.
    pub name: String,
    /// In each run.
    pub values: [Option<u64>; 2],
}

/// The first window that is recorded, in events, if the checkpoints leave a smaller one.
const LEAST_WINDOW: u64 = 4_096;
/// The largest.
const LARGEST_WINDOW: u64 = 1 << 18;

/// Finds where two runs part; `launch` does one of them.
///
/// # Errors
/// What `launch` returns.
pub fn diverge<E>(mut launch: impl FnMut(Side, Ask) -> Result<Identity, E>) -> Result<Divergence, E> {
    let (a, b) = (launch(Side::A, Ask::default())?, launch(Side::B, Ask::default())?);
    let Some(interval) = a.trail.first_difference(&b.trail) else {
        return Ok(Divergence::None { events: a.events, reports_differ: a.report != b.report });
    };
    let end = a.events.max(b.events);
    let mut window = interval;
    loop {
        let ask = Ask { interval: Some(window), look_at: None };
        let (ours, theirs) = (launch(Side::A, ask)?, launch(Side::B, ask)?);
        if let Some(event) = first_differing(window, &ours, &theirs) {
            return parted(event, &a, &b, &mut launch).map(|parted| Divergence::Parted(Box::new(parted)));
        }
        if window.up_to >= end {
            return Ok(Divergence::InNumbersOnly);
        }
        let length = ((window.up_to - window.after) * 2).clamp(LEAST_WINDOW, LARGEST_WINDOW);
        window = EventInterval { after: window.up_to, up_to: window.up_to.saturating_add(length) };
    }
}

fn parted<E>(
    event: PartingEvent,
    a: &Identity,
    b: &Identity,
    launch: &mut impl FnMut(Side, Ask) -> Result<Identity, E>,
) -> Result<Parted, E> {
    let ask = Ask { interval: None, look_at: Some(event.number) };
    let (seen_a, seen_b) = (launch(Side::A, ask)?, launch(Side::B, ask)?);
    let has_same = |name: &String| {
        let hash = |run: &Identity| run.nodes.iter().find(|(own, _)| own == name).map(|(_, hash)| *hash);
        hash(&seen_a).is_some() && hash(&seen_a) == hash(&seen_b)
    };
    let mut names: Vec<String> = seen_a.nodes.iter().map(|(name, _)| name.clone()).collect();
    let of_b = seen_b.nodes.iter().map(|(name, _)| name.clone());
    names.extend(of_b.filter(|name| !seen_a.nodes.iter().any(|(own, _)| own == name)));
    let (same_nodes, differing_nodes) = names.into_iter().partition(has_same);
    let looks = [seen_a.look, seen_b.look];
    Ok(Parted {
        runs: [(a.events, a.fingerprint), (b.events, b.fingerprint)],
        state: state_difference(&looks),
        event,
        looks,
        same_nodes,
        differing_nodes,
    })
}

fn state_difference(looks: &[Option<Look>; 2]) -> Vec<StateDifference> {
    let [Some(a), Some(b)] = looks else { return Vec::new() };
    let names = |look: &Look| -> BTreeSet<(String, String)> {
        let nodes = look.state.iter();
        nodes.flat_map(|(node, counts)| counts.keys().map(|name| (node.clone(), name.clone()))).collect()
    };
    let value = |look: &Look, node: &str, name: &str| look.state.get(node)?.get(name).copied();
    let all: BTreeSet<(String, String)> = names(a).union(&names(b)).cloned().collect();
    let mut found: Vec<StateDifference> = all
        .into_iter()
        .map(|(node, name)| StateDifference {
            values: [value(a, &node, &name), value(b, &node, &name)],
            node,
            name,
        })
        .filter(|difference| difference.values[0] != difference.values[1])
        .collect();
    // The nodes that the events are about come first.
    let concerned = [&a.event.node, &b.event.node];
    found.sort_by_key(|difference| !concerned.iter().any(|node| node.as_ref() == Some(&difference.node)));
    found
}

impl Divergence {
    /// For programs. `commands` run the two sides.
    pub fn to_json(&self, commands: &[String]) -> Value {
        let mut value = match self {
            Divergence::None { events, reports_differ } => {
                json!({"parted": false, "events": events, "reports_differ": reports_differ})
            }
            Divergence::InNumbersOnly => json!({"parted": false, "in_numbers_only": true}),
            Divergence::Parted(parted) => parted.to_json(),
        };
        value["schema"] = Value::from(SCHEMA);
        value["reproduce"] = Value::from(commands.to_vec());
        value
    }
}

impl Parted {
    fn to_json(&self) -> Value {
        let state = self.state.iter();
        let state: Vec<Value> = state
            .map(|one| json!({"node": one.node, "name": one.name, "a": one.values[0], "b": one.values[1]}))
            .collect();
        let side = |index: usize| {
            let event = [&self.event.ours, &self.event.theirs][index];
            let look = self.looks[index].as_ref();
            json!({
                "events": self.runs[index].0,
                "fingerprint": format!("{:016x}", self.runs[index].1),
                "at_ns": event.as_ref().map(|(at, _)| at.as_nanos()),
                "what": event.as_ref().map(|(_, what)| what),
                "node": look.and_then(|look| look.event.node.clone()),
                "parents": look.map_or(Vec::new(), |look| look.parents.iter().map(seen).collect::<Vec<_>>()),
            })
        };
        json!({
            "parted": true,
            "number": self.event.number,
            "a": side(0),
            "b": side(1),
            "state": state,
            "same_nodes": self.same_nodes,
            "differing_nodes": self.differing_nodes,
        })
    }
}

fn seen(event: &Seen) -> Value {
    json!({"number": event.number, "at_ns": event.at.as_nanos(), "node": event.node, "what": event.what})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Trail;
    use crate::kernel::fingerprint::Checkpoint;
    use crate::kernel::time::Time;
    use proptest::prelude::*;
    use std::convert::Infallible;

    /// A run of events with a name and a number that only the fingerprint sees.
    fn identity(events: &[(u64, &str)], stride: usize, ask: Ask) -> Identity {
        let mut fingerprint = 0_u64;
        let mut trail = Trail::default();
        let mut described = Vec::new();
        for (index, (hidden, name)) in events.iter().enumerate() {
            let number = index as u64 + 1;
            let at = Time::from_nanos(number * 10);
            let word = name.bytes().fold(*hidden, |word, byte| word.rotate_left(9) ^ u64::from(byte));
            fingerprint = (fingerprint.rotate_left(7) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if (index + 1).is_multiple_of(stride) || index + 1 == events.len() {
                trail.checkpoints.push(Checkpoint { events: number, at, fingerprint });
            }
            if ask.interval.is_some_and(|window| (window.after + 1..=window.up_to).contains(&number)) {
                described.push((number, at, (*name).to_string()));
            }
        }
        let event =
            |number: u64| Seen { number, at: Time::ZERO, node: Some("n".to_string()), what: String::new() };
        let look = ask.look_at.filter(|number| *number <= events.len() as u64).map(|number| Look {
            event: event(number),
            parents: Vec::new(),
            state: [("n".to_string(), [("waiting".to_string(), events.len() as u64)].into())].into(),
        });
        let nodes = vec![("n".to_string(), fingerprint), ("still".to_string(), 1)];
        Identity { events: events.len() as u64, fingerprint, report: 0, trail, described, nodes, look }
    }

    fn found(a: &[(u64, &str)], b: &[(u64, &str)], stride: usize) -> Divergence {
        let launched: Result<Divergence, Infallible> =
            diverge(|side, ask| Ok(identity(if side == Side::A { a } else { b }, stride, ask)));
        let Ok(divergence) = launched;
        divergence
    }

    proptest! {
        #[test]
        fn the_first_event_that_differs_by_name_is_found_wherever_numbers_differ(
            length in 2_usize..300, renumbered in 0_usize..300, changed in 0_usize..300, stride in 1_usize..40,
        ) {
            let a: Vec<(u64, &str)> = vec![(0, "x"); length];
            let mut b = a.clone();
            b.iter_mut().skip(renumbered).for_each(|event| event.0 = 7);
            if let Some(event) = b.get_mut(changed) {
                event.1 = "y";
            }
            match found(&a, &b, stride) {
                Divergence::Parted(parted) => prop_assert_eq!(parted.event.number, changed as u64 + 1),
                Divergence::InNumbersOnly => prop_assert!(changed >= length && renumbered < length),
                Divergence::None { .. } => prop_assert!(changed >= length && renumbered >= length),
            }
        }
    }

    #[test]
    fn a_run_that_ends_earlier_parts_where_the_other_goes_on() {
        let a = [(0, "x"); 5];
        let Divergence::Parted(parted) = found(&a, &a[..3], 2) else { panic!("one is shorter") };
        assert_eq!((parted.event.number, &parted.event.theirs), (4, &None));
        assert_eq!(parted.looks[1], None);
        assert_eq!(
            (parted.same_nodes, parted.differing_nodes),
            (vec!["still".to_string()], vec!["n".to_string()])
        );
    }

    #[test]
    fn what_nodes_show_before_is_compared() {
        let (a, b) = ([(0, "x"), (0, "y"), (0, "x")], [(0, "x"), (0, "z"), (0, "x"), (0, "x")]);
        let Divergence::Parted(parted) = found(&a, &b, 2) else { panic!("they part") };
        let waiting =
            StateDifference { node: "n".into(), name: "waiting".into(), values: [Some(3), Some(4)] };
        assert_eq!(parted.state, [waiting]);
    }
}
