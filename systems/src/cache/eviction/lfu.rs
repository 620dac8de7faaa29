//! Least frequently used in constant time: one insertion-ordered list per count. Never ages a count.

use super::{Departure, Eviction, Incoming, Victim};

/// No slot, no bucket.
const NIL: u32 = u32::MAX;

/// Counts per entry; the victim is the oldest of the lowest count, a hit appends to the list of the next count.
/// Ketan Shah, Anirban Mitra and Dhruv Matani, "An O(1) algorithm for implementing the LFU cache eviction scheme",
/// 2010.
#[derive(Clone, Debug)]
pub struct Lfu {
    nodes: Vec<Node>,
    buckets: Vec<Bucket>,
    free_buckets: Vec<u32>,
    lowest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    previous: u32,
    next: u32,
    bucket: u32,
}

/// All entries of one count, and the neighbouring counts that have entries.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u64,
    lower: u32,
    higher: u32,
    front: u32,
    back: u32,
}

const UNLINKED: Node = Node { previous: NIL, next: NIL, bucket: NIL };

impl Default for Lfu {
    fn default() -> Lfu {
        Lfu { nodes: Vec::new(), buckets: Vec::new(), free_buckets: Vec::new(), lowest: NIL }
    }
}

impl Lfu {
    /// The bucket of `count` behind `lower` (`NIL`: before all), made if it is not there.
    fn bucket_after(&mut self, lower: u32, count: u64) -> u32 {
        let higher = if lower == NIL { self.lowest } else { self.buckets[lower as usize].higher };
        if higher != NIL && self.buckets[higher as usize].count == count {
            return higher;
        }
        let bucket = Bucket { count, lower, higher, front: NIL, back: NIL };
        let number = match self.free_buckets.pop() {
            Some(number) => {
                self.buckets[number as usize] = bucket;
                number
            }
            None => {
                self.buckets.push(bucket);
                (self.buckets.len() - 1) as u32
            }
        };
        self.join(lower, number);
        self.join(number, higher);
        number
    }

    /// Makes two buckets neighbours; `NIL` stands for the end.
    fn join(&mut self, lower: u32, higher: u32) {
        if lower == NIL {
            self.lowest = higher;
        } else {
            self.buckets[lower as usize].higher = higher;
        }
        if higher != NIL {
            self.buckets[higher as usize].lower = lower;
        }
    }

    fn append(&mut self, bucket: u32, slot: u32) {
        let before = std::mem::replace(&mut self.buckets[bucket as usize].back, slot);
        if before == NIL {
            self.buckets[bucket as usize].front = slot;
        } else {
            self.nodes[before as usize].next = slot;
        }
        self.nodes[slot as usize] = Node { previous: before, next: NIL, bucket };
    }

    /// Takes a slot out of its bucket, and the bucket away if nothing is left in it.
    fn unlink(&mut self, slot: u32) {
        let Some(node) = self.nodes.get(slot as usize).copied().filter(|node| node.bucket != NIL) else {
            return;
        };
        self.nodes[slot as usize] = UNLINKED;
        let bucket = &mut self.buckets[node.bucket as usize];
        match node.previous {
            NIL => bucket.front = node.next,
            previous => self.nodes[previous as usize].next = node.next,
        }
        match node.next {
            NIL => bucket.back = node.previous,
            next => self.nodes[next as usize].previous = node.previous,
        }
        if bucket.front == NIL {
            let (lower, higher) = (bucket.lower, bucket.higher);
            self.join(lower, higher);
            self.free_buckets.push(node.bucket);
        }
    }
}

impl Eviction for Lfu {
    fn on_insert(&mut self, slot: u32, _incoming: Incoming) {
        assert!(slot != NIL, "the highest slot number stands for no slot");
        if slot as usize >= self.nodes.len() {
            self.nodes.resize(slot as usize + 1, UNLINKED);
        }
        self.unlink(slot);
        let bucket = self.bucket_after(NIL, 1);
        self.append(bucket, slot);
    }

    fn on_hit(&mut self, slot: u32) {
        let Some(node) = self.nodes.get(slot as usize).copied().filter(|node| node.bucket != NIL) else {
            return;
        };
        let count = self.buckets[node.bucket as usize].count.saturating_add(1);
        // The next bucket is made before the slot leaves its own, so that there is something to stand behind.
        let next = self.bucket_after(node.bucket, count);
        self.unlink(slot);
        self.append(next, slot);
    }

    fn on_remove(&mut self, slot: u32, _departure: Departure) {
        self.unlink(slot);
    }

    fn victim(&mut self, _incoming: Option<Incoming>) -> Victim {
        Victim::from_slot(self.buckets.get(self.lowest as usize).map(|bucket| bucket.front))
    }

    fn clear(&mut self) {
        *self = Lfu::default();
    }

    fn boxed_clone(&self) -> Box<dyn Eviction> {
        Box::new(self.clone())
    }
}
