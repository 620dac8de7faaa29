//! Estimates how often keys were seen lately, in four bits each: a count-min sketch that halves itself. Never
//! knows the keys, only their hashes.

use crate::key_hash::mixed;

/// Counters a hash is spread over; the lowest is the estimate.
const ROWS: usize = 4;

/// Where a counter stops.
const MOST: u64 = 15;

/// Four-bit counters in a word.
const COUNTERS_PER_WORD: usize = 16;

/// Words of the smallest and of the largest table.
const FEWEST_WORDS: usize = 8;
const MOST_WORDS: usize = 1 << 26;

/// After this many increments per counter everything is halved.
const SAMPLES_PER_ENTRY: u64 = 10;

/// Clears the bit that halving shifts in from the neighbouring counter.
const LOWER_THREE_BITS: u64 = 0x7777_7777_7777_7777;
const LOWEST_BITS: u64 = 0x1111_1111_1111_1111;

/// Einziger, Friedman and Manes, "TinyLFU: a highly efficient cache admission policy", 2017.
///
/// One word of sixteen counters per expected entry, as in Caffeine: each row has four of the sixteen.
#[derive(Clone, Debug)]
pub struct FrequencySketch {
    words: Vec<u64>,
    increments: u64,
    halve_at: u64,
}

impl FrequencySketch {
    /// A sketch for about this many entries; takes 8 bytes for each, at most 512 MiB.
    pub fn new(entries: u64) -> FrequencySketch {
        let wanted = usize::try_from(entries).unwrap_or(MOST_WORDS).clamp(FEWEST_WORDS, MOST_WORDS);
        let halve_at = (wanted as u64).saturating_mul(SAMPLES_PER_ENTRY);
        FrequencySketch { words: vec![0; wanted.next_power_of_two()], increments: 0, halve_at }
    }

    /// Entries it is made for.
    pub fn entries(&self) -> u64 {
        self.words.len() as u64
    }

    /// How often a hash was seen lately, 0 to 15; never less than it was, unless halved since.
    pub fn estimate(&self, hash: u64) -> u32 {
        let lowest = (0..ROWS).map(|row| {
            let (word, shift) = self.counter(hash, row);
            (self.words[word] >> shift) & MOST
        });
        lowest.min().unwrap_or(0) as u32
    }

    /// Counts one more.
    pub fn increment(&mut self, hash: u64) {
        let mut counted = false;
        for row in 0..ROWS {
            let (word, shift) = self.counter(hash, row);
            if (self.words[word] >> shift) & MOST < MOST {
                self.words[word] += 1 << shift;
                counted = true;
            }
        }
        if counted {
            self.increments += 1;
            if self.increments >= self.halve_at {
                self.halve();
            }
        }
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.increments = 0;
    }

    /// The word and the bit where a row's counter of a hash begins.
    fn counter(&self, hash: u64, row: usize) -> (usize, u32) {
        let spread = mixed(hash.rotate_left(16 * row as u32) ^ row as u64);
        let word = spread as usize & (self.words.len() - 1);
        let within = (spread >> 62) as usize;
        (word, ((row * COUNTERS_PER_WORD / ROWS + within) * 4) as u32)
    }

    fn halve(&mut self) {
        let mut odd = 0;
        for word in &mut self.words {
            odd += u64::from((*word & LOWEST_BITS).count_ones());
            *word = (*word >> 1) & LOWER_THREE_BITS;
        }
        // Halving forgot what was odd; as in Caffeine, a row's worth of it does not count as sampled.
        self.increments = (self.increments / 2).saturating_sub(odd / ROWS as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn an_estimate_is_never_too_low_before_the_first_halving(
            keys in prop::collection::vec(0u64..30, 0..300), entries in 64u64..200,
        ) {
            let mut sketch = FrequencySketch::new(entries);
            let mut exact: BTreeMap<u64, u32> = BTreeMap::new();
            for key in keys {
                sketch.increment(mixed(key));
                *exact.entry(key).or_default() += 1;
            }
            for (key, count) in exact {
                prop_assert!(sketch.estimate(mixed(key)) >= count.min(MOST as u32));
            }
        }
    }

    #[test]
    fn what_was_frequent_long_ago_is_forgotten() {
        let mut sketch = FrequencySketch::new(64);
        (0..15).for_each(|_| sketch.increment(mixed(1)));
        assert_eq!(sketch.estimate(mixed(1)), 15);
        (0..5_000).for_each(|key| sketch.increment(mixed(1_000 + key)));
        assert!(sketch.estimate(mixed(1)) < 8, "{}", sketch.estimate(mixed(1)));
        sketch.clear();
        assert_eq!(sketch.estimate(mixed(1)), 0);
    }
}
