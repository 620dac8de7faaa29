//! A close look at one event of a run: what caused it, and what every node was like when it came. Runs the same
//! simulation again on the agenda that numbers its entries; changes nothing in any run.

use std::collections::{BTreeMap, VecDeque};

use xxhash_rust::xxh3::xxh3_64;

use super::{Begun, switch_chance};
use crate::kernel::agenda::Sequences;
use crate::kernel::time::Time;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its number, from 1.
    pub number: u64,
    /// When it was handled.
    pub at: Time,
    /// The node it concerns; `None` if it is one of the whole world.
    pub node: Option<String>,
    /// What it is, in words.
    pub what: String,
}

/// A close look at one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The event.
    pub event: Seen,
    /// The event that scheduled it, the one that scheduled that, and so on.
    pub parents: Vec<Seen>,
    /// What every node showed of itself just before the event, by node and name of the count.
    pub state: BTreeMap<String, BTreeMap<String, u64>>,
}

/// So many causes are followed back.
const MOST_PARENTS: usize = 4;
/// Causes that lie further back than so many events are not found.
const REMEMBERED_EVENTS: usize = 1 << 22;

/// Looks at event `number`; `begin` begins the same run anew each time. `None` if the run ends before.
pub(super) fn look(begin: impl Fn() -> Begun, number: u64) -> Option<Look> {
    let parents = parents(&begin, number)?;
    let mut wanted: Vec<u64> = parents.clone();
    wanted.push(number);
    let (mut seen, mut state) = (Vec::new(), BTreeMap::new());
    let mut begun = begin();
    while let Some(next) = step_number(&begun).filter(|next| *next <= number) {
        if !wanted.contains(&next) {
            step(&mut begun)?;
            continue;
        }
        switch_chance(&mut begun);
        let mut observe = |number, at, event: &_, cluster: &crate::cluster::Cluster, _| {
            let node = cluster.node_of(*event).map(|node| cluster.node_name(node).to_string());
            seen.push(Seen { number, at, node, what: cluster.describe(*event) });
            state = cluster.probed();
        };
        begun.simulation.run_to_event_observed(next, &mut observe);
    }
    let event = seen.pop().filter(|event| event.number == number)?;
    seen.reverse();
    Some(Look { event, parents: seen, state })
}

/// The hash of what happened at each node, by name. Events are hashed by their times and descriptions, not by the
/// places their parts happen to have in memory: a node whose history is the same in two runs saw the same in both. The
/// end of work counts where a node has its processor for itself; on a shared host it may be a neighbour's.
pub(super) fn histories(begin: impl Fn() -> Begun) -> BTreeMap<String, u64> {
    let mut begun = begin();
    let names = begun.simulation.world().node_names();
    let mut hashes: BTreeMap<String, u64> = names.into_iter().map(|name| (name, 0)).collect();
    let mut observe = |_, at: Time, event: &_, cluster: &crate::cluster::Cluster, _| {
        let Some(node) = cluster.node_of(*event).or_else(|| cluster.worker_alone(*event)) else { return };
        if let Some(hash) = hashes.get_mut(cluster.node_name(node)) {
            let line = format!("{hash:x} {} {}", at.as_nanos(), cluster.describe(*event));
            *hash = xxh3_64(line.as_bytes());
        }
    };
    let before = begun.redraw.and_then(|redraw| redraw.from.as_nanos().checked_sub(1)).map(Time::from_nanos);
    let stopped =
        before.and_then(|bound| begun.simulation.run_within_observed(bound, u64::MAX, &mut observe));
    if stopped.is_none() {
        super::redraw(&mut begun);
        begun.simulation.run_observed(&mut observe);
    }
    hashes
}

/// The numbers of the events that led to event `number`, the nearest last.
fn parents(begin: &impl Fn() -> Begun, number: u64) -> Option<Vec<u64>> {
    let mut begun = begin();
    let mut remembered: VecDeque<(u64, Sequences)> = VecDeque::new();
    while remembered.back().is_none_or(|(last, _)| *last < number) {
        step(&mut begun)?;
        if remembered.len() == REMEMBERED_EVENTS {
            remembered.pop_front();
        }
        remembered.push_back((begun.simulation.events_handled(), begun.simulation.agenda().sequences()?));
    }
    let mut sequence = remembered.back()?.1.popped;
    let mut found = VecDeque::new();
    while found.len() < MOST_PARENTS {
        // The first event after which so many entries had been scheduled is the one that scheduled it.
        let position = remembered.partition_point(|(_, after)| after.scheduled < sequence);
        let Some((parent, after)) = remembered.get(position).filter(|(parent, _)| *parent < number) else {
            break;
        };
        let is_known = position > 0 || *parent == 1;
        // What was scheduled before the first event was so by the start of the run.
        if !is_known || (*parent == 1 && sequence <= begun.scheduled_at_start) {
            break;
        }
        found.push_front(*parent);
        sequence = after.popped;
    }
    Some(found.into())
}

/// The number of the event that comes next; `None` if none does.
fn step_number(begun: &Begun) -> Option<u64> {
    begun.simulation.agenda().peek_time()?;
    Some(begun.simulation.events_handled() + 1)
}

/// Handles one event; `None` if there is none.
fn step(begun: &mut Begun) -> Option<()> {
    switch_chance(begun);
    let before = begun.simulation.events_handled();
    begun.simulation.run_to_event(before + 1);
    (begun.simulation.events_handled() > before).then_some(())
}
