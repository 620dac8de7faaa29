//! The two hashes that vendors bucket by: MurmurHash3 (Unleash) and FNV-1a (GrowthBook). Both are fed piece by piece,
//! so that `group:id` never has to be put together. Neither is for anything that an attacker may choose freely.

/// MurmurHash3 x86 32 (Austin Appleby, public domain, `MurmurHash3_x86_32`).
///
/// What has been written so far can be copied: a rollout keeps the state after `group:` and adds only the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Murmur3 {
    hash: u32,
    tail: u32,
    length: u32,
}

impl Murmur3 {
    /// Nothing written yet.
    pub const fn new(seed: u32) -> Murmur3 {
        Murmur3 { hash: seed, tail: 0, length: 0 }
    }

    /// This state with `text` behind it.
    #[must_use]
    pub fn with(mut self, text: &str) -> Murmur3 {
        self.write(text.as_bytes());
        self
    }

    /// Adds `bytes`.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.tail |= u32::from(*byte) << (8 * (self.length & 3));
            self.length = self.length.wrapping_add(1);
            if self.length & 3 == 0 {
                self.hash ^= scrambled(self.tail);
                self.hash = self.hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64);
                self.tail = 0;
            }
        }
    }

    /// The hash of everything written.
    pub const fn finish(self) -> u32 {
        // An empty tail scrambles to zero, which changes nothing.
        let mut hash = self.hash ^ scrambled(self.tail) ^ self.length;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
        hash ^ (hash >> 16)
    }
}

const fn scrambled(block: u32) -> u32 {
    block.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593)
}

/// FNV-1a, 32 bits (Fowler, Noll, Vo), over UTF-16 code units as GrowthBook's reference does it; for ASCII that is the
/// usual hash of the bytes.
pub fn fnv1a32(pieces: &[&str]) -> u32 {
    let units = pieces.iter().flat_map(|piece| piece.encode_utf16());
    units.fold(0x811C_9DC5, |hash, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

/// The decimal digits of a number, without the heap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    digits: [u8; 20],
    start: usize,
}

impl Digits {
    pub(super) fn of(mut number: u64) -> Digits {
        let mut digits = [b'0'; 20];
        let mut start = digits.len() - 1;
        loop {
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Digits { digits, start };
            }
            start -= 1;
        }
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.digits[self.start..]).unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn murmur_hashes_as_published() {
        // Test values of the public-domain reference, as listed by several ports.
        for (text, seed, expected) in [
            ("", 0, 0),
            ("", 1, 0x514E_28B7),
            ("", 0xFFFF_FFFF, 0x81F1_6F39),
            ("test", 0, 0xBA6B_D213),
            ("Hello, world!", 0, 0xC036_3E43),
            ("The quick brown fox jumps over the lazy dog", 0, 0x2E4F_F723),
        ] {
            assert_eq!(Murmur3::new(seed).with(text).finish(), expected, "{text:?}");
        }
    }

    #[test]
    fn fnv_hashes_as_published() {
        for (text, expected) in [("", 0x811C_9DC5), ("a", 0xE40C_292C), ("foobar", 0xBF9C_F968)] {
            assert_eq!(fnv1a32(&[text]), expected);
        }
    }

    proptest! {
        #[test]
        fn where_the_text_is_cut_does_not_matter(text in "\\PC{0,40}", cut in any::<prop::sample::Index>()) {
            let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (left, right) = text.split_at(cuts[cut.index(cuts.len())]);
            prop_assert_eq!(Murmur3::new(7).with(left).with(right), Murmur3::new(7).with(&text));
            prop_assert_eq!(fnv1a32(&[left, right]), fnv1a32(&[&text]));
        }

        #[test]
        fn digits_are_those_of_the_standard_library(number: u64) {
            let digits = Digits::of(number);
            prop_assert_eq!(digits.as_str(), number.to_string());
        }
    }
}
