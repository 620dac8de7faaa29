//! The rolling fingerprint of a run: a hash of every event, in order, for the whole run and for each node.
//! Never looks at memory: an event is hashed by the integers its world names, so padding, addresses and the
//! machine's byte order cannot leak in.
//!
//! Two runs with one fingerprint handled the same events. Checkpoints along the way narrow down where two
//! runs part without storing the events of either.

use xxhash_rust::xxh3::xxh3_64;

use super::time::Time;

/// What identifies an event, in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDigest {
    /// The dense id of the node that handles the event, or [`EventDigest::NO_NODE`].
    pub node: u32,
    /// Everything else that tells one event from another: its kind and its fields.
    pub words: [u64; 2],
}

impl EventDigest {
    /// Stands for an event of the whole world; it counts in the run's fingerprint alone.
    pub const NO_NODE: u32 = u32::MAX;

    /// The hash of this event at `at`.
    #[inline]
    fn hash(self, at: Time) -> u64 {
        // Ranges that the compiler knows: iterators over chunks cost builds with checks a fifth of every event.
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&at.as_nanos().to_le_bytes());
        bytes[8..16].copy_from_slice(&u64::from(self.node).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.words[0].to_le_bytes());
        bytes[24..].copy_from_slice(&self.words[1].to_le_bytes());
        xxh3_64(&bytes)
    }
}

/// Appends one event's hash to a rolling one. For a given hash no two states become one.
#[inline]
fn fold(state: u64, hash: u64) -> u64 {
    /// Odd, so that multiplying loses nothing: 2^64 divided by the golden ratio.
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    (state.rotate_left(29) ^ hash).wrapping_mul(MULTIPLIER)
}

/// Where a run stood after some number of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many events had been handled.
    pub events: u64,
    /// The time of the last of them.
    pub at: Time,
    /// The run's fingerprint after it.
    pub fingerprint: u64,
}

/// The events numbered `after + 1 ..= up_to`, counting from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventInterval {
    /// The number of the last event before the interval.
    pub after: u64,
    /// The number of the last event in it.
    pub up_to: u64,
}

/// Checkpoints of one run in ascending order, the last one its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// Evenly spaced at a power of two, except for the last, which is where the run stands.
    pub checkpoints: Vec<Checkpoint>,
}

impl Trail {
    /// Where this run and `other` first differ, as narrowly as both trails know; `None` when nothing they
    /// have in common differs and both are equally long.
    pub fn first_difference(&self, other: &Trail) -> Option<EventInterval> {
        let (mut ours, mut theirs) =
            (self.checkpoints.iter().peekable(), other.checkpoints.iter().peekable());
        let mut after = 0;
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            if a.events == b.events {
                if (a.at, a.fingerprint) != (b.at, b.fingerprint) {
                    return Some(EventInterval { after, up_to: a.events });
                }
                after = a.events;
                ours.next();
                theirs.next();
            } else if a.events < b.events {
                ours.next();
            } else {
                theirs.next();
            }
        }
        let (our_events, their_events) = (self.events(), other.events());
        // What was common agrees, so the shorter run differs at the latest where the longer one goes on.
        (our_events != their_events)
            .then(|| EventInterval { after, up_to: our_events.min(their_events).saturating_add(1) })
    }

    /// How many events the run had handled.
    pub fn events(&self) -> u64 {
        self.checkpoints.last().map_or(0, |end| end.events)
    }
}

/// The rolling fingerprint of one run.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    run: u64,
    nodes: Vec<u64>,
    checkpoints: Vec<Checkpoint>,
    stride: u64,
}

/// How many checkpoints are kept: with more, every second one is dropped and the stride doubles, so a trail
/// of any length locates a difference within one part in 512.
const MAX_CHECKPOINTS: usize = 1024;

impl Fingerprint {
    /// Nothing hashed yet. Room for more nodes is made when they appear.
    pub fn new(node_count: u32) -> Fingerprint {
        Fingerprint { run: 0, nodes: vec![0; node_count as usize], checkpoints: Vec::new(), stride: 1 }
    }

    /// Appends an event.
    #[inline]
    pub fn fold(&mut self, at: Time, digest: EventDigest) {
        let hash = digest.hash(at);
        self.run = fold(self.run, hash);
        match self.nodes.get_mut(digest.node as usize) {
            Some(node) => *node = fold(*node, hash),
            None if digest.node == EventDigest::NO_NODE => {}
            None => self.fold_new_node(digest.node, hash),
        }
    }

    #[cold]
    fn fold_new_node(&mut self, node: u32, hash: u64) {
        /// More nodes than any world has; an id above it is not a dense id.
        const MAX_NODES: u32 = 1 << 26;
        assert!(
            node < MAX_NODES,
            "a node's id is dense: {node} is not the id of one of at most {MAX_NODES} nodes"
        );
        self.nodes.resize(node as usize + 1, 0);
        self.nodes[node as usize] = fold(0, hash);
    }

    /// The fingerprint of the run so far.
    #[inline]
    pub fn run(&self) -> u64 {
        self.run
    }

    /// The fingerprint of every node's events so far, by node id; zero for a node that handled none.
    pub fn nodes(&self) -> &[u64] {
        &self.nodes
    }

    /// After how many events the next checkpoint is due, given how many were handled.
    pub(super) fn next_checkpoint(&self, events: u64) -> u64 {
        (events | (self.stride - 1)).saturating_add(1)
    }

    /// Remembers where the run stands if a checkpoint is due.
    pub(super) fn checkpoint(&mut self, events: u64, at: Time) {
        let last = self.checkpoints.last().map_or(0, |checkpoint| checkpoint.events);
        if events & (self.stride - 1) != 0 || events <= last {
            return;
        }
        self.checkpoints.push(Checkpoint { events, at, fingerprint: self.run });
        if self.checkpoints.len() > MAX_CHECKPOINTS {
            self.stride *= 2;
            let stride = self.stride;
            self.checkpoints.retain(|checkpoint| checkpoint.events & (stride - 1) == 0);
        }
    }

    /// The checkpoints so far, closed by where the run stands after `events` events, the last one at `at`.
    pub(super) fn trail(&self, events: u64, at: Time) -> Trail {
        let mut checkpoints = self.checkpoints.clone();
        if checkpoints.last().map_or(0, |checkpoint| checkpoint.events) < events {
            checkpoints.push(Checkpoint { events, at, fingerprint: self.run });
        }
        Trail { checkpoints }
    }

    /// Bytes counted against a memory bound.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.len() * size_of::<u64>() + MAX_CHECKPOINTS * size_of::<Checkpoint>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest(node: u32, word: u64) -> EventDigest {
        EventDigest { node, words: [word, !word] }
    }

    /// The fingerprint of events a microsecond apart, with a checkpoint whenever one is due.
    fn fingerprint(words: &[u64]) -> (Fingerprint, Trail) {
        let mut fingerprint = Fingerprint::new(4);
        let mut at = Time::ZERO;
        for (index, word) in words.iter().enumerate() {
            at = Time::from_nanos(1_000 * index as u64);
            fingerprint.fold(at, digest(index as u32 % 4, *word));
            fingerprint.checkpoint(index as u64 + 1, at);
        }
        let trail = fingerprint.trail(words.len() as u64, at);
        (fingerprint, trail)
    }

    #[test]
    fn the_fingerprint_is_the_same_on_every_machine_and_in_every_version() {
        let (fingerprint, _) = fingerprint(&[1, 2, 3, 4, 5]);
        // Reckoned with another implementation of xxh3.
        assert_eq!(fingerprint.run(), 0x0042_e6f9_c21d_d08b);
        let nodes =
            [0xf5a7_11fa_e93c_4dcd, 0x7e73_2b1e_0f99_a02e, 0x87ca_244c_9b10_6bce, 0xbd0b_a194_8ad2_ead6];
        assert_eq!(fingerprint.nodes(), nodes);
    }

    #[test]
    fn anything_that_tells_two_events_apart_changes_the_fingerprint() {
        let event = (Time::from_nanos(5), EventDigest { node: 1, words: [2, 3] });
        let others = [
            ("time", (Time::from_nanos(6), event.1)),
            ("node", (event.0, EventDigest { node: 2, ..event.1 })),
            ("first word", (event.0, EventDigest { words: [1, 3], ..event.1 })),
            ("second word", (event.0, EventDigest { words: [2, 2], ..event.1 })),
            ("order of words", (event.0, EventDigest { words: [3, 2], ..event.1 })),
            ("no node", (event.0, EventDigest { node: EventDigest::NO_NODE, ..event.1 })),
        ];
        let run = |events: &[(Time, EventDigest)]| {
            let mut fingerprint = Fingerprint::new(4);
            events.iter().for_each(|(at, digest)| fingerprint.fold(*at, *digest));
            fingerprint
        };
        for (what, other) in others {
            assert_ne!(run(&[event]).run(), run(&[other]).run(), "{what}");
            assert_ne!(run(&[event, other]).run(), run(&[other, event]).run(), "{what}: order of events");
        }
        assert_ne!(run(&[event]).run(), run(&[event, event]).run(), "repetition");
    }

    #[test]
    fn an_event_touches_the_fingerprint_of_its_own_node_only() {
        let mut before = Fingerprint::new(2);
        before.fold(Time::ZERO, digest(0, 1));
        let mut after = before.clone();
        after.fold(Time::ZERO, digest(3, 1));
        assert_eq!(after.nodes()[..2], before.nodes()[..2]);
        assert_eq!(after.nodes().len(), 4, "a node that appeared later has its own");
        after.fold(Time::ZERO, digest(EventDigest::NO_NODE, 1));
        assert_eq!(after.nodes().len(), 4, "the whole world is not a node");
    }

    #[test]
    fn a_trail_stays_short_and_even_however_long_the_run() {
        for events in [0, 1, 1_024, 1_025, 5_000, 100_000] {
            let (_, trail) = fingerprint(&vec![7; events]);
            let numbers: Vec<u64> = trail.checkpoints.iter().map(|checkpoint| checkpoint.events).collect();
            assert!(
                numbers.len() <= MAX_CHECKPOINTS + 1,
                "{events} events left {} checkpoints",
                numbers.len()
            );
            assert_eq!(trail.events(), events as u64);
            let strides: Vec<u64> = numbers.windows(2).map(|pair| pair[1] - pair[0]).collect();
            if let [strides @ .., last] = strides.as_slice() {
                assert!(strides.iter().all(|stride| stride.is_power_of_two() && *stride == strides[0]));
                assert!(strides.is_empty() || *last <= strides[0]);
                assert!(
                    strides.len() >= events / 2 / strides.first().map_or(1, |stride| *stride as usize) / 2
                );
            }
        }
    }

    proptest! {
        #[test]
        fn the_first_difference_is_found_whatever_follows(
            length in 1..6_000_usize,
            other_length in 1..6_000_usize,
            changed in 0..6_000_usize,
        ) {
            let words = vec![7; length];
            let mut others = vec![7; other_length];
            if let Some(word) = others.get_mut(changed) {
                *word = 8;
            }
            let first = (changed.min(length).min(other_length) + 1) as u64;
            let (_, ours) = fingerprint(&words);
            let (_, theirs) = fingerprint(&others);
            let found = ours.first_difference(&theirs);
            prop_assert_eq!(found, theirs.first_difference(&ours));
            if length == other_length && changed >= length {
                prop_assert_eq!(found, None);
            } else {
                let interval = found.expect("they differ");
                prop_assert!(interval.after < first && first <= interval.up_to, "{} is not in {:?}", first, interval);
            }
        }
    }
}
