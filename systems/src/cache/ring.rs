//! Which of several nodes keeps a key: consistent hashing on a ring. A node that comes or goes moves only the keys it
//! gains or had. Never knows whether a node is alive.

use crate::key_hash::{hash_of, mixed};
use std::hash::Hash;

/// Most points a node can have.
const MOST_POINTS: u32 = 1 << 16;

/// Nodes on a ring, each at many points; a key belongs to the first point at or behind its hash.
///
/// Karger et al., "Consistent hashing and random trees", STOC 1997. With `p` points a node, shares differ from the
/// mean by about `1/sqrt(p)`: 160 points, as in Ketama, are within about a tenth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Sorted by place, then by node.
    points: Vec<(u64, u32)>,
    points_per_node: u32,
    seed: u64,
}

impl Ring {
    /// A ring without nodes. 1 to 65,536 points for each to come; what is beyond counts as the nearest.
    pub fn new(points_per_node: u32, seed: u64) -> Ring {
        Ring { points: Vec::new(), points_per_node: points_per_node.clamp(1, MOST_POINTS), seed }
    }

    /// Adds a node, unless it is there. O(points).
    pub fn add(&mut self, node: u32) {
        self.remove(node);
        let place = |point: u32| mixed(mixed(self.seed ^ u64::from(node)) ^ u64::from(point));
        self.points.extend((0..self.points_per_node).map(|point| (place(point), node)));
        self.points.sort_unstable();
    }

    /// Removes a node. O(points).
    pub fn remove(&mut self, node: u32) {
        self.points.retain(|point| point.1 != node);
    }

    /// The node that keeps a key; `None` without nodes. O(log points).
    pub fn node_of<Q: Hash + ?Sized>(&self, key: &Q) -> Option<u32> {
        let place = hash_of(self.seed, key);
        let next = self.points.partition_point(|point| point.0 < place);
        self.points.get(next).or_else(|| self.points.first()).map(|point| point.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_node_that_comes_or_goes_moves_only_its_own_keys(
            nodes in prop::collection::btree_set(0u32..50, 1..8), newcomer in 50u32..60, seed in any::<u64>(),
        ) {
            let mut ring = Ring::new(20, seed);
            nodes.iter().for_each(|node| ring.add(*node));
            let before = ring.clone();
            ring.add(newcomer);
            for key in 0u64..300 {
                let owner = ring.node_of(&key);
                prop_assert!(owner == before.node_of(&key) || owner == Some(newcomer));
            }
            ring.add(newcomer);
            ring.remove(newcomer);
            prop_assert_eq!(ring, before);
        }
    }

    #[test]
    fn nodes_get_about_equal_shares_and_none_gets_anything_from_an_empty_ring() {
        let mut ring = Ring::new(160, 7);
        assert_eq!(ring.node_of("key"), None);
        (0..10).for_each(|node| ring.add(node));
        let mut shares = [0u32; 10];
        for key in 0u64..100_000 {
            shares[ring.node_of(&key).expect("there are nodes") as usize] += 1;
        }
        assert!(shares.iter().all(|share| (7_000..13_500).contains(share)), "{shares:?}");
    }
}
