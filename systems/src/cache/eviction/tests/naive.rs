//! The policies once more, as dumb as they can be: whole keys in vectors, searched from end to end. Never fast.

use super::super::EvictionKind;

/// A cache of its own; says whether a request hits, and inserts on a miss.
pub(super) trait Naive {
    fn request(&mut self, key: u64) -> bool;
}

/// The twin of a policy, if it has one.
pub(super) fn naive(kind: EvictionKind, capacity: usize) -> Option<Box<dyn Naive>> {
    let queue = |on_hit| Some(Box::new(Queue { entries: Vec::new(), capacity, on_hit }) as Box<dyn Naive>);
    match kind {
        EvictionKind::Fifo => queue(OnHit::Nothing),
        EvictionKind::Lru => queue(OnHit::Move),
        EvictionKind::Clock => queue(OnHit::Mark),
        EvictionKind::Sieve => Some(Box::new(Sieve { entries: Vec::new(), hand: 0, capacity })),
        EvictionKind::Lfu => Some(Box::new(Lfu { entries: Vec::new(), capacity, time: 0 })),
        EvictionKind::Slru => Some(Box::new(Slru { probation: Vec::new(), protected: Vec::new(), capacity })),
        EvictionKind::TwoQ => {
            Some(Box::new(TwoQ { new: Vec::new(), main: Vec::new(), gone: Vec::new(), capacity }))
        }
        EvictionKind::Arc => {
            Some(Box::new(Arc { t: Default::default(), b: Default::default(), p: 0.0, capacity }))
        }
        EvictionKind::S3Fifo => {
            Some(Box::new(S3Fifo { small: Vec::new(), main: Vec::new(), gone: Vec::new(), capacity }))
        }
        EvictionKind::Lirs
        | EvictionKind::WTinyLfu
        | EvictionKind::WTinyLfuAdaptive
        | EvictionKind::Gdsf
        | EvictionKind::Random => None,
    }
}

fn take(list: &mut Vec<u64>, key: u64) -> bool {
    let place = list.iter().position(|other| *other == key);
    place.map(|place| list.remove(place)).is_some()
}

enum OnHit {
    Nothing,
    Move,
    Mark,
}

struct Queue {
    entries: Vec<(u64, bool)>,
    capacity: usize,
    on_hit: OnHit,
}

impl Naive for Queue {
    fn request(&mut self, key: u64) -> bool {
        if let Some(place) = self.entries.iter().position(|entry| entry.0 == key) {
            match self.on_hit {
                OnHit::Nothing => {}
                OnHit::Move => {
                    let entry = self.entries.remove(place);
                    self.entries.push(entry);
                }
                OnHit::Mark => self.entries[place].1 = true,
            }
            return true;
        }
        if self.entries.len() == self.capacity {
            while self.entries[0].1 {
                let (key, _) = self.entries.remove(0);
                self.entries.push((key, false));
            }
            self.entries.remove(0);
        }
        self.entries.push((key, false));
        false
    }
}

/// Oldest first; the hand is a place.
struct Sieve {
    entries: Vec<(u64, bool)>,
    hand: usize,
    capacity: usize,
}

impl Naive for Sieve {
    fn request(&mut self, key: u64) -> bool {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.0 == key) {
            entry.1 = true;
            return true;
        }
        if self.entries.len() == self.capacity {
            while self.entries[self.hand].1 {
                self.entries[self.hand].1 = false;
                self.hand = (self.hand + 1) % self.entries.len();
            }
            self.entries.remove(self.hand);
            // At the newest the hand had passed all that was there: it starts over.
            if self.hand == self.entries.len() {
                self.hand = 0;
            }
        }
        self.entries.push((key, false));
        false
    }
}

struct Lfu {
    /// Key, count, and when it came to that count.
    entries: Vec<(u64, u64, u64)>,
    capacity: usize,
    time: u64,
}

impl Naive for Lfu {
    fn request(&mut self, key: u64) -> bool {
        self.time += 1;
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.0 == key) {
            (entry.1, entry.2) = (entry.1 + 1, self.time);
            return true;
        }
        if self.entries.len() == self.capacity {
            let victim =
                (0..self.entries.len()).min_by_key(|place| (self.entries[*place].1, self.entries[*place].2));
            self.entries.remove(victim.expect("it is full"));
        }
        self.entries.push((key, 1, self.time));
        false
    }
}

struct Slru {
    probation: Vec<u64>,
    protected: Vec<u64>,
    capacity: usize,
}

impl Naive for Slru {
    fn request(&mut self, key: u64) -> bool {
        if take(&mut self.probation, key) || take(&mut self.protected, key) {
            self.protected.push(key);
            if self.protected.len() > (self.capacity * 4 / 5).max(1) {
                self.probation.push(self.protected.remove(0));
            }
            return true;
        }
        if self.probation.len() + self.protected.len() == self.capacity {
            if self.probation.is_empty() {
                self.protected.remove(0)
            } else {
                self.probation.remove(0)
            };
        }
        self.probation.push(key);
        false
    }
}

struct TwoQ {
    new: Vec<u64>,
    main: Vec<u64>,
    gone: Vec<u64>,
    capacity: usize,
}

impl Naive for TwoQ {
    fn request(&mut self, key: u64) -> bool {
        if self.new.contains(&key) {
            return true;
        }
        if take(&mut self.main, key) {
            self.main.push(key);
            return true;
        }
        let returns = take(&mut self.gone, key);
        if self.new.len() + self.main.len() == self.capacity {
            if self.new.len() > (self.capacity / 4).max(1) || self.main.is_empty() {
                self.gone.push(self.new.remove(0));
                if self.gone.len() > (self.capacity / 2).max(1) {
                    self.gone.remove(0);
                }
            } else {
                self.main.remove(0);
            }
        }
        if returns {
            self.main.push(key)
        } else {
            self.new.push(key)
        }
        false
    }
}

/// Written from the paper's pseudocode, case by case, with a float for the target.
struct Arc {
    t: [Vec<u64>; 2],
    b: [Vec<u64>; 2],
    p: f64,
    capacity: usize,
}

impl Arc {
    fn replace(&mut self, in_b2: bool) {
        let length = self.t[0].len() as f64;
        // A hair's breadth for sums of thirds that should be whole.
        let whole = (self.p + 1e-9).floor();
        if !self.t[0].is_empty() && (length > self.p + 1e-9 || (in_b2 && length == whole)) {
            let key = self.t[0].remove(0);
            self.b[0].push(key);
        } else {
            let key = self.t[1].remove(0);
            self.b[1].push(key);
        }
    }
}

impl Naive for Arc {
    fn request(&mut self, key: u64) -> bool {
        let c = self.capacity;
        let ratio = |own: usize, other: usize| (other as f64 / own as f64).max(1.0);
        if take(&mut self.t[0], key) || take(&mut self.t[1], key) {
            self.t[1].push(key);
            return true;
        }
        if self.b[0].contains(&key) {
            self.p = (self.p + ratio(self.b[0].len(), self.b[1].len())).min(c as f64);
            self.replace(false);
            take(&mut self.b[0], key);
            self.t[1].push(key);
        } else if self.b[1].contains(&key) {
            self.p = (self.p - ratio(self.b[1].len(), self.b[0].len())).max(0.0);
            self.replace(true);
            take(&mut self.b[1], key);
            self.t[1].push(key);
        } else {
            if self.t[0].len() + self.b[0].len() == c {
                if self.t[0].len() < c {
                    self.b[0].remove(0);
                    self.replace(false);
                } else {
                    self.t[0].remove(0);
                }
            } else {
                let total: usize = self.t.iter().chain(&self.b).map(Vec::len).sum();
                if total >= c {
                    if total == 2 * c {
                        self.b[1].remove(0);
                    }
                    self.replace(false);
                }
            }
            self.t[0].push(key);
        }
        false
    }
}

struct S3Fifo {
    small: Vec<(u64, u8)>,
    main: Vec<(u64, u8)>,
    gone: Vec<u64>,
    capacity: usize,
}

impl S3Fifo {
    fn evict_from_small(&mut self) -> bool {
        while !self.small.is_empty() {
            let (key, uses) = self.small.remove(0);
            if uses < 2 {
                self.gone.push(key);
                if self.gone.len() > (self.capacity - (self.capacity / 10).max(1)).max(1) {
                    self.gone.remove(0);
                }
                return true;
            }
            self.main.push((key, 0));
        }
        false
    }

    fn evict_from_main(&mut self) -> bool {
        while !self.main.is_empty() {
            let (key, uses) = self.main.remove(0);
            if uses == 0 {
                return true;
            }
            self.main.push((key, uses - 1));
        }
        false
    }
}

impl Naive for S3Fifo {
    fn request(&mut self, key: u64) -> bool {
        if let Some(entry) = self.small.iter_mut().chain(&mut self.main).find(|entry| entry.0 == key) {
            entry.1 = (entry.1 + 1).min(3);
            return true;
        }
        let returns = take(&mut self.gone, key);
        if self.small.len() + self.main.len() == self.capacity {
            let small_is_full = self.small.len() >= (self.capacity / 10).max(1);
            let evicted = (small_is_full && self.evict_from_small()) || self.evict_from_main();
            assert!(evicted || self.evict_from_small(), "something goes");
        }
        if returns {
            self.main.push((key, 0))
        } else {
            self.small.push((key, 0))
        }
        false
    }
}
