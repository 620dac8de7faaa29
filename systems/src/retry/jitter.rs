//! Spreads a delay at random, so that callers which failed together do not come back together.

use crate::arithmetic::{WHOLE_PPM, share_of, uniform};
use crate::time::Span;
use std::ops::RangeInclusive;

/// How a delay is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// The delay itself.
    None,
    /// Anything from zero to the delay.
    Full,
    /// Half the delay plus anything up to the other half.
    Equal,
    /// The delay plus or minus a share of it. Above 1 000 000 counts as 1 000 000.
    Proportional {
        /// Largest deviation in parts per million of the delay.
        ppm: u32,
    },
    /// An interval around the delay whose width is a share of it, as Polly's jitter factor (500 000 there). Above
    /// 2 000 000 counts as 2 000 000.
    Factor {
        /// Width in parts per million of the delay.
        ppm: u32,
    },
}

impl Jitter {
    /// gRPC's: the delay times 0.8 to 1.2.
    pub const GRPC: Jitter = Jitter::Proportional { ppm: 200_000 };
    /// Polly's: the delay times 0.75 to 1.25.
    pub const POLLY: Jitter = Jitter::Factor { ppm: 500_000 };

    /// The interval a spread delay lies in, both ends included. It never passes `cap`: where the upper half
    /// of [`Jitter::Proportional`] or [`Jitter::Factor`] would, the interval is cut, so that draws do not pile up at
    /// the cap.
    pub fn interval(self, delay: Span, cap: Span) -> RangeInclusive<Span> {
        let delay = delay.min(cap);
        let around = |ppm: u32| {
            let deviation = Span::from_nanos(share_of(delay.as_nanos(), ppm.min(WHOLE_PPM)));
            (delay.saturating_sub(deviation), (delay + deviation).min(cap))
        };
        let (low, high) = match self {
            Jitter::None => (delay, delay),
            Jitter::Full => (Span::ZERO, delay),
            Jitter::Equal => (Span::from_nanos(delay.as_nanos() / 2), delay),
            Jitter::Proportional { ppm } => around(ppm),
            Jitter::Factor { ppm } => around(ppm / 2),
        };
        low..=high
    }

    /// A delay drawn uniformly from [`Jitter::interval`] by a uniformly distributed word.
    pub fn spread(self, delay: Span, cap: Span, entropy: u64) -> Span {
        let interval = self.interval(delay, cap);
        Span::from_nanos(uniform(entropy, interval.start().as_nanos(), interval.end().as_nanos()))
    }
}
