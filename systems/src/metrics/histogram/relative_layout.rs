//! How a sketch with relative accuracy divides the whole numbers: every bucket is as wide as its accuracy permits,
//! worked out in exact integers, so the promise holds to the last unit. Only arithmetic; holds no counts.

use std::fmt;

/// Why a relative accuracy or a number of buckets is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelativeError {
    /// Not between 0.1 % and 50 %.
    Accuracy {
        /// As asked for.
        accuracy_ppm: u32,
    },
    /// Fewer than 16 buckets.
    Buckets {
        /// As asked for.
        max_buckets: u32,
    },
}

impl fmt::Display for RelativeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelativeError::Accuracy { accuracy_ppm } => {
                write!(
                    f,
                    "a relative accuracy of {accuracy_ppm} ppm: use 1000 (0.1 %) to 500000; 10000 is usual"
                )
            }
            RelativeError::Buckets { max_buckets } => {
                write!(f, "{max_buckets} buckets blur almost everything: use at least 16; 2048 is usual")
            }
        }
    }
}

impl std::error::Error for RelativeError {}

/// One whole in parts per million.
const WHOLE_PPM: u64 = 1_000_000;

/// Buckets of whole numbers from 1 on. The value that stands for a bucket differs from none of its values by more
/// than the accuracy.
///
/// DDSketch (Masson, Rim, Lee: VLDB 2019) takes bounds at powers of (1 + a) / (1 - a). Here the same ratio is
/// taken step by step over whole numbers: from the lowest value l the one that stands for the bucket is the
/// highest r <= l (1 + a), and the highest value of the bucket the highest h <= r / (1 - a).
#[derive(Debug)]
pub(crate) struct RelativeLayout {
    accuracy_ppm: u32,
    /// Highest value of each bucket.
    highest: Vec<u64>,
    /// First bucket of each cell: a cell is a power of two cut into `1 << cell_shift` equal parts.
    cells: Vec<u16>,
    cell_shift: u32,
}

impl RelativeLayout {
    pub(crate) fn new(accuracy_ppm: u32) -> Result<RelativeLayout, RelativeError> {
        if !(1_000..=500_000).contains(&accuracy_ppm) {
            return Err(RelativeError::Accuracy { accuracy_ppm });
        }
        let mut highest = Vec::new();
        let mut low: u64 = 1;
        loop {
            let high = scaled(stand_in(low, accuracy_ppm), WHOLE_PPM, WHOLE_PPM - u64::from(accuracy_ppm));
            highest.push(high);
            match high.checked_add(1) {
                Some(next) => low = next,
                None => break,
            }
        }
        let mut layout = RelativeLayout { accuracy_ppm, highest, cells: Vec::new(), cell_shift: 1 };
        // A cell about as wide as a bucket, or narrower until none has more than one bound inside.
        layout.cell_shift = (WHOLE_PPM / (2 * u64::from(accuracy_ppm))).max(2).ilog2() + 1;
        while !layout.fill_cells() {
            layout.cell_shift += 1;
        }
        Ok(layout)
    }

    /// Finds the first bucket of each cell. Returns whether a cell never reaches further than into the next one.
    fn fill_cells(&mut self) -> bool {
        self.cells.clear();
        let (mut first, mut near) = (0, true);
        for cell in 0..64u128 << self.cell_shift {
            let power = cell >> self.cell_shift;
            let part = cell & ((1 << self.cell_shift) - 1);
            let edge = |part: u128| (1u128 << power) + ((part << power) >> self.cell_shift);
            let (lowest, beyond) = (edge(part), edge(part + 1));
            first += self.highest[first..].iter().take_while(|high| u128::from(**high) < lowest).count();
            // Where cells are narrower than one, a cell may hold no value of its own.
            let past_next = self.highest.get(first + 1).is_some_and(|high| u128::from(*high) + 1 < beyond);
            near &= !past_next;
            // 0.1 % needs some 20 000 buckets.
            self.cells.push(u16::try_from(first).unwrap_or(u16::MAX));
        }
        near
    }

    /// The bucket of a value of at least 1.
    #[inline]
    pub(crate) fn index_of(&self, value: u64) -> usize {
        let power = value.ilog2();
        let part = ((value << (63 - power)) << 1) >> (64 - self.cell_shift);
        let cell = ((power as usize) << self.cell_shift) + part as usize;
        let first = usize::from(self.cells[cell]);
        // Adding beats branching: whether the bound is passed is anybody's guess.
        first + usize::from(self.highest[first] < value)
    }

    /// The value that stands for a bucket.
    pub(crate) fn value_at(&self, index: usize) -> u64 {
        let low = match index.checked_sub(1) {
            Some(below) => self.highest[below] + 1,
            None => 1,
        };
        stand_in(low, self.accuracy_ppm)
    }

    pub(crate) fn len(&self) -> usize {
        self.highest.len()
    }

    pub(crate) fn accuracy_ppm(&self) -> u32 {
        self.accuracy_ppm
    }
}

/// The value that stands for the bucket which begins at `low`.
fn stand_in(low: u64, accuracy_ppm: u32) -> u64 {
    scaled(low, WHOLE_PPM + u64::from(accuracy_ppm), WHOLE_PPM)
}

fn scaled(value: u64, numerator: u64, denominator: u64) -> u64 {
    let wide = u128::from(value) * u128::from(numerator) / u128::from(denominator);
    u64::try_from(wide).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_are_as_wide_as_the_accuracy_permits_and_leave_no_gap() {
        for accuracy_ppm in [1_000, 10_000, 20_000, 333_333, 500_000] {
            let layout = RelativeLayout::new(accuracy_ppm).unwrap();
            let a = f64::from(accuracy_ppm) / 1e6;
            let mut low = 1u64;
            for (index, high) in layout.highest.iter().copied().enumerate() {
                let middle = layout.value_at(index);
                assert!(low <= middle && middle <= high);
                assert!((middle - low) as f64 <= a * low as f64 * (1.0 + 1e-12), "{accuracy_ppm} {low}");
                assert!((high - middle) as f64 <= a * high as f64 * (1.0 + 1e-12), "{accuracy_ppm} {high}");
                assert!(high as f64 / low as f64 <= (1.0 + a) / (1.0 - a) * (1.0 + 1e-12));
                assert_eq!((layout.index_of(low), layout.index_of(high)), (index, index));
                low = high.wrapping_add(1);
            }
            assert_eq!(low, 0, "the last bucket ends with the last number");
        }
    }

    proptest! {
        #[test]
        fn the_look_up_finds_the_bucket_a_search_finds(bits in 0u32..64, word in any::<u64>(), ppm in 1_000u32..=500_000) {
            let layout = RelativeLayout::new(ppm).unwrap();
            let value = (word >> bits).max(1);
            prop_assert_eq!(layout.index_of(value), layout.highest.partition_point(|high| *high < value));
        }
    }
}
