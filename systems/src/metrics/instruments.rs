//! What a service counts with: counter, gauge, set. Whole numbers, saturating. Never knows a name, a label or a
//! time; see [`Registry`](super::Registry) for those.

use std::fmt;

/// A sum that only grows, until its process restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Counter {
        Counter(0)
    }

    /// Adds `amount`, saturating.
    pub const fn add(&mut self, amount: u64) {
        self.0 = self.0.saturating_add(amount);
    }

    /// The sum since the start of the process.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A number that goes up and down: a level that is set, or the sum of changes (an up-down counter).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauge(i64);

impl Gauge {
    /// A gauge at zero.
    pub const fn new() -> Gauge {
        Gauge(0)
    }

    /// Sets the level.
    pub const fn set(&mut self, level: i64) {
        self.0 = level;
    }

    /// Changes the level, saturating.
    pub const fn add(&mut self, change: i64) {
        self.0 = self.0.saturating_add(change);
    }

    /// The level.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Why a set is refused: its precision is not 4 to 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrecisionError {
    /// As asked for.
    pub precision_bits: u8,
}

impl fmt::Display for PrecisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a precision of {} bits: use 4 to 16; 12 bits are off by 1.6 %", self.precision_bits)
    }
}

impl std::error::Error for PrecisionError {}

/// How many different things were seen, in bounded memory (HyperLogLog: Flajolet, Fusy, Gandouet, Meunier, 2007, with
/// linear counting while few were seen). The standard error is 1.04 / sqrt(2^bits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinctSet {
    precision_bits: u8,
    /// By the first bits of the hash: the most leading zeros, plus one, seen in the rest.
    registers: Vec<u8>,
}

impl DistinctSet {
    /// An empty set of `2^precision_bits` bytes.
    ///
    /// # Errors
    /// [`PrecisionError`] outside 4 to 16 bits.
    pub fn new(precision_bits: u8) -> Result<DistinctSet, PrecisionError> {
        if !(4..=16).contains(&precision_bits) {
            return Err(PrecisionError { precision_bits });
        }
        Ok(DistinctSet { precision_bits, registers: vec![0; 1 << precision_bits] })
    }

    /// Notes a thing by its hash, all 64 bits of which have to be evenly distributed.
    pub fn insert(&mut self, hash: u64) {
        let bits = u32::from(self.precision_bits);
        let register = (hash >> (64 - bits)) as usize;
        // The bit below the hash ends the run of zeros, which so is at most 64 - bits.
        let rest = (hash << bits) | (1 << (bits - 1));
        let rank = rest.leading_zeros() as u8 + 1;
        self.registers[register] = self.registers[register].max(rank);
    }

    /// Takes in everything `other` has seen.
    ///
    /// # Errors
    /// [`ShapeMismatch`](super::ShapeMismatch) for different precisions; nothing is changed then.
    pub fn merge(&mut self, other: &DistinctSet) -> Result<(), super::ShapeMismatch> {
        if self.precision_bits != other.precision_bits {
            return Err(super::ShapeMismatch);
        }
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
        Ok(())
    }

    /// An estimate of how many different things were seen.
    pub fn estimate(&self) -> u64 {
        let m = self.registers.len() as f64;
        let inverse_sum: f64 = self.registers.iter().map(|rank| libm::ldexp(1.0, -i32::from(*rank))).sum();
        let bias = match self.registers.len() {
            16 => 0.673,
            32 => 0.697,
            64 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / m),
        };
        let raw = bias * m * m / inverse_sum;
        let untouched = self.registers.iter().filter(|rank| **rank == 0).count();
        let estimate =
            if raw <= 2.5 * m && untouched > 0 { m * libm::log(m / untouched as f64) } else { raw };
        libm::round(estimate) as u64
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.registers.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Splittable mixing (SplitMix64's finaliser): one to one, evenly distributed.
    fn hash(n: u64) -> u64 {
        let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn counters_and_gauges_saturate_instead_of_wrapping() {
        let mut counter = Counter::new();
        counter.add(u64::MAX);
        counter.add(1);
        let mut gauge = Gauge::new();
        gauge.set(i64::MIN);
        gauge.add(-1);
        assert_eq!((counter.get(), gauge.get()), (u64::MAX, i64::MIN));
    }

    #[test]
    fn a_set_estimates_within_four_standard_errors() {
        for seen in [0u64, 1, 10, 1_000, 10_000, 100_000] {
            let mut set = DistinctSet::new(12).unwrap();
            (0..seen).for_each(|n| set.insert(hash(n)));
            let off = set.estimate().abs_diff(seen) as f64;
            assert!(off <= (seen as f64) * 4.0 * 1.04 / 64.0 + 0.5, "{seen}: {}", set.estimate());
        }
        assert!(DistinctSet::new(3).unwrap_err().to_string().contains("4 to 16"));
        assert!(DistinctSet::new(12).unwrap().merge(&DistinctSet::new(11).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn joining_two_sets_is_seeing_what_both_saw(
            left in prop::collection::vec(any::<u64>(), 0..50), right in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let seen = |things: &mut dyn Iterator<Item = &u64>| {
                let mut set = DistinctSet::new(5).unwrap();
                things.for_each(|hash| set.insert(*hash));
                set
            };
            let mut joined = seen(&mut left.iter());
            joined.merge(&seen(&mut right.iter())).unwrap();
            prop_assert_eq!(&joined, &seen(&mut left.iter().chain(&right)));
            let again = joined.clone();
            joined.merge(&again).unwrap();
            prop_assert_eq!(joined, again, "seeing the same twice changes nothing");
        }
    }
}
