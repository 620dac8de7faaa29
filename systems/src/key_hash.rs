//! Hashes keys to 64 bits, the same on every machine and in every run. Integers of up to 64 bits never collide,
//! since each step is a bijection. Never seeded from the operating system: who fears chosen keys passes a seed.

use std::hash::{Hash, Hasher};

/// Spreads a word over all bits; a bijection. Every bit of the word changes about half of the result.
/// The constants are those of a mixer by Jon Maiga ("rrmxmx" family, 2019).
pub(crate) const fn mixed(word: u64) -> u64 {
    let mut hash = word ^ 0x9E37_79B9_7F4A_7C15;
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash = (hash ^ (hash >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    hash ^ (hash >> 32)
}

/// The hash of a key under a seed.
#[inline]
pub(crate) fn hash_of<Q: Hash + ?Sized>(seed: u64, key: &Q) -> u64 {
    let mut hasher = KeyHasher { state: seed };
    key.hash(&mut hasher);
    hasher.state
}

/// A hash for tables in memory, of the same kind and cheaper: a multiplication a word. Words may collide.
#[inline]
pub(crate) fn spread_of<Q: Hash + ?Sized>(key: &Q) -> u64 {
    spread_from(0x243F_6A88_85A3_08D3, key)
}

/// [`spread_of`] from a start that strangers who choose keys cannot know.
#[inline]
pub(crate) fn spread_from<Q: Hash + ?Sized>(start: u64, key: &Q) -> u64 {
    let mut spread = Spread(start);
    key.hash(&mut spread);
    spread.0
}

/// Shows bytes as words, the little end first, the last one filled up with zeros.
#[inline]
fn each_word(bytes: &[u8], mut visit: impl FnMut(u64)) {
    let (whole, rest) = bytes.as_chunks::<8>();
    for word in whole {
        visit(u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        visit(u64::from_le_bytes(last));
    }
}

/// Each word is multiplied to twice its width, and both halves count.
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        each_word(bytes, |word| self.write_u64(word));
        self.write_u64(bytes.len() as u64);
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    #[inline]
    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15_u128;
        self.0 = (wide ^ wide >> 64) as u64;
    }
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

struct KeyHasher {
    state: u64,
}

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.state
    }
    fn write(&mut self, bytes: &[u8]) {
        // The length tells trailing zeros from the padding of the last word.
        self.state ^= (bytes.len() as u64).wrapping_mul(0xA24B_AED4_963E_E407);
        each_word(bytes, |word| self.write_u64(word));
    }
    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }
    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }
    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
    fn write_u64(&mut self, word: u64) {
        self.state = mixed(self.state ^ word);
    }
    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_only_in_trailing_zeros_or_in_where_they_part_differ_in_hash() {
        let texts = ["", "\0", "\0\0", "a", "a\0", "abcdefgh", "abcdefgh\0", "ab", "ba"];
        for (position, one) in texts.iter().enumerate() {
            for other in &texts[..position] {
                assert_ne!(hash_of(0, one), hash_of(0, other), "{one:?} {other:?}");
            }
        }
        assert_ne!(hash_of(0, &("ab", "c")), hash_of(0, &("a", "bc")));
        assert_ne!(hash_of(1, "key"), hash_of(2, "key"));
    }

    #[test]
    fn words_that_differ_in_any_bit_are_spread_over_both_halves() {
        for (bit, half) in (0..56).flat_map(|bit| [(bit, 0), (bit, 32)]) {
            let tags: std::collections::BTreeSet<u32> =
                (0..256u64).map(|number| (spread_of(&(number << bit)) >> half) as u32 % 1_024).collect();
            assert!(tags.len() > 150, "{} places of 1,024 at bit {bit} from bit {half} on", tags.len());
        }
    }

    #[test]
    fn the_hash_is_the_same_everywhere() {
        assert_eq!(hash_of(0, &1u64), mixed(1));
        assert_eq!(hash_of(0, &1u64), hash_of(0, &1u8));
    }
}
