//! Keyed draws: chance as a function of (seed, entity, purpose, identity), and the distributions over it.
//! Never consumes a shared sequence, never counts draws, so what one entity draws cannot shift another's.
//!
//! ```text
//! let key = Key::derive(seed, "service/checkout", "service time");   // once per entity and purpose
//! let sampler = Sampler::new(&distribution)?;                        // once per distribution
//! let span = sampler.sample(key, request.lineage.raw());             // per request, in any order
//! ```
//!
//! Two rules make a draw independent of every other draw: an entity has one key per purpose, and within a
//! purpose an identity is drawn for once. Where one decision needs several words, they come from
//! [`Key::draw2`] or [`Key::stream`] under the same identity. [`Key::draw`], [`Key::child`] and the pair of
//! [`Key::draw2`] and [`Key::stream`] are three separate families: the same number may serve in each.
//!
//! Deriving a key runs a block cipher (ChaCha8) and belongs to building the world. Drawing multiplies twice,
//! which costs two or three nanoseconds.

mod distribution;
mod empirical;
mod gamma;
mod lineage;
mod normal;
mod sampler;
mod zipf;

#[cfg(test)]
mod laws;

pub use distribution::{Distribution, DistributionError, Empirical};
pub use lineage::{Lineage, name_hash};
pub use sampler::Sampler;
pub use zipf::{Zipf, ZipfError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use xxhash_rust::xxh3::xxh3_128;

/// The one number that all chance of a run follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

/// What one entity draws with for one purpose: 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    a: u64,
    b: u64,
}

impl Key {
    /// The key of `entity` for `purpose` in the run of `seed`.
    ///
    /// The names alone decide: adding, removing or reordering other entities changes nothing.
    pub fn derive(seed: Seed, entity: &str, purpose: &str) -> Key {
        let purpose = xxh3_128(purpose.as_bytes());
        let mut material = [0; 32];
        material[..8].copy_from_slice(&seed.0.to_le_bytes());
        material[8..24].copy_from_slice(&xxh3_128(entity.as_bytes()).to_le_bytes());
        material[24..].copy_from_slice(&(purpose as u64).to_le_bytes());
        let mut cipher = ChaCha8Rng::from_seed(material);
        cipher.set_stream((purpose >> 64) as u64);
        Key { a: cipher.next_u64(), b: cipher.next_u64() }
    }

    /// The key of one part of the entity, such as a replica by its number.
    #[inline]
    pub fn child(self, word: u64) -> Key {
        self.fork(word, &PI[2..8])
    }

    /// The uniform word of `identity`.
    #[inline]
    pub fn draw(self, identity: u64) -> u64 {
        let (low, high) = wide(identity ^ self.a, self.b);
        fold(low ^ self.a ^ PI[0], high ^ self.b ^ PI[1])
    }

    /// The uniform word number `index` of `identity`: that of its [`Key::stream`], without drawing those before.
    #[inline]
    pub fn draw2(self, identity: u64, index: u64) -> u64 {
        self.fork(identity, &PI[8..14]).draw(index)
    }

    /// The uniform words of `identity`, for methods that do not know beforehand how many they need.
    #[inline]
    pub fn stream(self, identity: u64) -> Stream {
        Stream { key: self.fork(identity, &PI[8..14]), drawn: 0 }
    }

    /// A key that depends on every bit of this one and of `word`; `family` keeps the purposes of forking apart.
    #[inline]
    fn fork(self, word: u64, family: &[u64]) -> Key {
        let (low, high) = wide(word ^ self.a ^ family[0], self.b ^ family[1]);
        Key {
            a: fold(low ^ self.a ^ family[2], high ^ self.b ^ family[3]),
            b: fold(low ^ self.b ^ family[4], high ^ self.a ^ family[5]),
        }
    }
}

/// The words of one identity, one after the other. Belongs to that identity alone.
#[derive(Clone, Debug)]
pub struct Stream {
    key: Key,
    drawn: u64,
}

impl Stream {
    /// The next uniform word.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let word = self.key.draw(self.drawn);
        self.drawn = self.drawn.wrapping_add(1);
        word
    }

    /// The next uniform number in the open interval (0, 1).
    #[inline]
    pub fn next_unit(&mut self) -> f64 {
        unit(self.next_u64())
    }
}

/// The uniform number in the open interval (0, 1) that the upper 52 bits of `word` stand for.
///
/// It is an odd multiple of 2^-53, from 2^-53 to 1 - 2^-53, so that neither end is ever reached and
/// `unit(!word)` is exactly `1.0 - unit(word)`. A 53rd bit would round the greatest word up to 1.
#[inline]
pub fn unit(word: u64) -> f64 {
    const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
    ((word >> 11) | 1) as f64 * STEP
}

/// The integer below `n` that `word` stands for, by its upper bits; 0 when `n` is 0.
///
/// Every integer has the same number of words, give or take one.
#[inline]
pub fn below(word: u64, n: u64) -> u64 {
    wide(word, n).1
}

/// Whether what happens `ppm` times in a million happens, given `word`; always from 1 000 000 on.
///
/// Exact to the one word that a million does not divide. What happens for a share happens for every greater
/// share as well.
#[inline]
pub fn chance_ppm(word: u64, ppm: u32) -> bool {
    below(word, 1_000_000) < u64::from(ppm)
}

/// The exponential number with mean 1 that `word` stands for: above 0, at most 36.8, growing with `word`.
#[inline]
pub fn unit_exponential(word: u64) -> f64 {
    -libm::log(unit(!word))
}

/// The product of two words: its lower and its upper half.
#[inline]
fn wide(x: u64, y: u64) -> (u64, u64) {
    let product = u128::from(x) * u128::from(y);
    (product as u64, (product >> 64) as u64)
}

/// The two halves of the product of two words in one word.
#[inline]
fn fold(x: u64, y: u64) -> u64 {
    let (low, high) = wide(x, y);
    low ^ high
}

/// The fraction of pi in hexadecimal: words without structure that nobody chose.
const PI: [u64; 14] = [
    0x243F_6A88_85A3_08D3,
    0x1319_8A2E_0370_7344,
    0xA409_3822_299F_31D0,
    0x082E_FA98_EC4E_6C89,
    0x4528_21E6_38D0_1377,
    0xBE54_66CF_34E9_0C6C,
    0xC0AC_29B7_C97C_50DD,
    0x3F84_D5B5_B547_0917,
    0x9216_D5D9_8979_FB1B,
    0xD131_0BA6_98DF_B5AC,
    0x2FFD_72DB_D01A_DFB7,
    0xB8E1_AFED_6A26_7E96,
    0xBA7C_9045_F12C_7F99,
    0x24A1_9947_B391_6CF7,
];
