//! How HdrHistogram divides the numbers: powers of two, each cut into equal steps, so that a step is never wider
//! than 10^-digits of its values (Gil Tene, HdrHistogram: the same index arithmetic, so that indexes agree with
//! its interval logs). Only arithmetic; holds no counts.

use std::fmt;

/// Which numbers are told apart and how finely; see the fields of [`HdrConfig`](super::HdrConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HdrLayout {
    highest: u64,
    /// log2 of the unit below which values are not told apart.
    unit_shift: u32,
    /// log2 of half the number of steps of the first power of two.
    half_shift: u32,
    /// Ones where a value of the first power of two may have ones.
    first_mask: u64,
    len: usize,
}

/// Why a layout is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HdrError {
    /// Not 1 to 5 significant digits.
    Digits {
        /// As asked for.
        digits: u8,
    },
    /// The lowest value told apart is 0, or so high that its steps pass 64 bits.
    Lowest {
        /// As asked for.
        lowest: u64,
    },
    /// The highest value is not at least twice the lowest.
    Highest {
        /// As asked for.
        highest: u64,
        /// The least that would do.
        at_least: u64,
    },
}

impl fmt::Display for HdrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HdrError::Digits { digits } => {
                write!(f, "{digits} significant digits: use 2 for dashboards, 3 for reports, at most 5")
            }
            HdrError::Lowest { lowest } => {
                write!(f, "{lowest} as the lowest value told apart: use 1, or a power of two up to 2^45")
            }
            HdrError::Highest { highest, at_least } => {
                write!(f, "a highest value of {highest} leaves no range: use at least {at_least}")
            }
        }
    }
}

impl std::error::Error for HdrError {}

/// Highest `lowest`: with five digits its steps still fit into 64 bits.
const MAX_LOWEST: u64 = 1 << 45;

impl HdrLayout {
    /// A layout for values from `lowest` (smaller ones are told apart from zero only) to `highest`, with `digits`
    /// significant decimal digits.
    ///
    /// # Errors
    /// [`HdrError`] names what is out of range.
    pub fn new(lowest: u64, highest: u64, digits: u8) -> Result<HdrLayout, HdrError> {
        if !(1..=5).contains(&digits) {
            return Err(HdrError::Digits { digits });
        }
        if lowest == 0 || lowest > MAX_LOWEST {
            return Err(HdrError::Lowest { lowest });
        }
        if highest < lowest * 2 {
            return Err(HdrError::Highest { highest, at_least: lowest * 2 });
        }
        let unit_shift = lowest.ilog2();
        // Steps of one unit up to twice 10^digits: below that no value is wider than its precision.
        let first_steps = (2 * 10u64.pow(u32::from(digits))).next_power_of_two();
        let half_shift = first_steps.ilog2() - 1;
        let mut layout = HdrLayout {
            highest,
            unit_shift,
            half_shift,
            first_mask: (first_steps - 1) << unit_shift,
            len: 0,
        };
        layout.len = layout.index_of(highest) + 1;
        Ok(layout)
    }

    /// The bucket of `value`; a value above the highest belongs to the last one.
    #[inline]
    pub fn index_of(&self, value: u64) -> usize {
        let value = value.min(self.highest);
        let power = self.power_of(value);
        let step = (value >> (power + self.unit_shift)) as usize;
        // The first power has both halves, every other one only its upper half.
        ((power as usize) << self.half_shift) + step
    }

    /// Which power of two `value` is in; 0 for the first.
    #[inline]
    fn power_of(&self, value: u64) -> u32 {
        (value | self.first_mask).ilog2() - self.unit_shift - self.half_shift
    }

    /// The lowest value of a bucket; an index past the end means the last bucket.
    pub fn lowest_at(&self, index: usize) -> u64 {
        let (power, step) = self.split(index);
        step << (power + self.unit_shift)
    }

    /// The highest value of a bucket, which may lie above the layout's highest value.
    pub fn highest_at(&self, index: usize) -> u64 {
        let (power, step) = self.split(index);
        let width = 1u64 << (power + self.unit_shift);
        (step << (power + self.unit_shift)).saturating_add(width - 1)
    }

    fn split(&self, index: usize) -> (u32, u64) {
        let index = index.min(self.len - 1);
        let half = index >> self.half_shift;
        let power = half.saturating_sub(1) as u32;
        let step = index - ((power as usize) << self.half_shift);
        (power, step as u64)
    }

    /// Buckets.
    #[expect(clippy::len_without_is_empty, reason = "a layout is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The highest value told apart from higher ones.
    pub const fn highest(&self) -> u64 {
        self.highest
    }
}
