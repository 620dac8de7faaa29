//! A table by numbers that are already spread out: hashes by a fixed function, in the order of insertion.

use std::hash::{BuildHasherDefault, Hasher};

use indexmap::IndexMap;

/// Values by number.
pub(crate) type Index<K, V> = IndexMap<K, V, BuildHasherDefault<Spread>>;

/// Spreads words by a multiplication; the same in every run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread(u64);

impl Spread {
    const fn word(&mut self, word: u64) {
        /// Odd: 2^64 divided by the golden ratio.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = (self.0 ^ word).wrapping_mul(SPREAD);
        self.0 = mixed ^ mixed >> 32;
    }
}

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.word(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.word(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        self.word(word);
    }
}
