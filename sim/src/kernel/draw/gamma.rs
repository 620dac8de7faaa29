//! Gamma distributed numbers, by rejection from a stream of one identity's words.
//! Never loops for ever: the number of trials is bounded.

use super::{Stream, normal, unit_exponential};

/// A gamma distribution with mean 1.
///
/// G. Marsaglia and W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM Transactions on
/// Mathematical Software 26(3), 2000, pages 363-372: a cubed normal number, rejected in at most 5 of 100
/// cases. Shapes below 1 are drawn one above and scaled down, as section 6 there says.
#[derive(Clone, Debug)]
pub(super) struct Gamma {
    shape: f64,
    /// `d` of the paper: the shape, raised by 1 if below 1, less one third.
    d: f64,
    /// `c` of the paper: 1 / sqrt(9 d).
    c: f64,
    /// Whether the shape was raised.
    raised: bool,
}

/// After that many rejections, of at most 5 in 100 each, the mode is as good as any.
const MAX_TRIALS: u32 = 64;

impl Gamma {
    /// The distribution with `shape`, which lies within the range that [`super::Distribution`] states.
    pub(super) fn new(shape: f64) -> Gamma {
        let raised = shape < 1.0;
        let d = if raised { shape + 1.0 } else { shape } - 1.0 / 3.0;
        Gamma { shape, d, c: 1.0 / (9.0 * d).sqrt(), raised }
    }

    /// One number, at least 0, finite.
    pub(super) fn sample(&self, mut words: Stream) -> f64 {
        let ratio = self.d * self.cube(&mut words) / self.shape;
        if self.raised { ratio * libm::exp(-unit_exponential(words.next_u64()) / self.shape) } else { ratio }
    }

    /// `v` of the paper.
    fn cube(&self, words: &mut Stream) -> f64 {
        for _ in 0..MAX_TRIALS {
            let x = normal::quantile(words.next_unit());
            let root = 1.0 + self.c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let u = words.next_unit();
            let x_squared = x * x;
            let squeezed = u < 1.0 - 0.0331 * x_squared * x_squared;
            if squeezed || libm::log(u) < 0.5 * x_squared + self.d * (1.0 - v + libm::log(v)) {
                return v;
            }
        }
        1.0
    }
}
