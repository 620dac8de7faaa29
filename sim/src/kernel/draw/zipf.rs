//! `Zipf`: which of n items, when the item of rank r is asked for in proportion to r^-s.
//! Never holds a table: memory and time per draw do not depend on n.

use std::fmt;

use super::{Key, unit};

/// Ranks under Zipf's law.
///
/// W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
/// distributions", ACM Transactions on Modeling and Computer Simulation 6(3), 1996, pages 169-184. Exact up to
/// rounding, for every exponent including 1. The integral of x^-s is written with `log1p` and `expm1`, which
/// keeps its digits where s is near 1.
#[derive(Clone, Debug)]
pub struct Zipf {
    items: f64,
    s: f64,
    /// The integral at the left edge of the first bar, which the method narrows to the area that the item has.
    left: f64,
    /// The integral at the right edge of the last bar.
    right: f64,
    /// A place that lies this far left of its bar's centre or less is always under the bar.
    sure: f64,
}

/// Why there is no such Zipf distribution.
#[derive(Clone, Debug, PartialEq)]
pub enum ZipfError {
    /// No items at all.
    NoItems,
    /// More items than [`Zipf::MAX_ITEMS`].
    TooManyItems(u64),
    /// An exponent that is negative or not a finite number.
    Exponent(f64),
}

impl fmt::Display for ZipfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZipfError::NoItems => f.write_str("zipf over no items: give at least 1"),
            ZipfError::TooManyItems(items) => {
                write!(f, "zipf over {items} items: give at most {}", Zipf::MAX_ITEMS)
            }
            ZipfError::Exponent(s) => {
                write!(f, "zipf with the exponent {s}: give a number from 0 (all alike) on, often 0.8 to 1.2")
            }
        }
    }
}

impl std::error::Error for ZipfError {}

/// After that many rejections, of less than one in four each, the most popular item is as good as any.
const MAX_TRIALS: u32 = 64;

impl Zipf {
    /// The most items: about 10^12. With more, single ranks would be too fine for the 52 bits of a draw.
    pub const MAX_ITEMS: u64 = 1 << 40;

    /// Ranks of `n` items with the exponent `s`.
    ///
    /// # Errors
    /// When `n` is 0 or above [`Zipf::MAX_ITEMS`], or `s` is negative or not finite.
    pub fn new(n: u64, s: f64) -> Result<Zipf, ZipfError> {
        if n == 0 {
            return Err(ZipfError::NoItems);
        }
        if n > Zipf::MAX_ITEMS {
            return Err(ZipfError::TooManyItems(n));
        }
        if !(s.is_finite() && s >= 0.0) {
            return Err(ZipfError::Exponent(s));
        }
        let items = n as f64;
        Ok(Zipf {
            items,
            s,
            left: integral(s, 1.5) - 1.0,
            right: integral(s, items + 0.5),
            sure: 2.0 - inverse_integral(s, integral(s, 2.5) - weight(s, 2.0)),
        })
    }

    /// The rank, from 0 (most popular) to n - 1, of `identity` under `key`.
    pub fn sample(&self, key: Key, identity: u64) -> u64 {
        let mut words = key.stream(identity);
        for _ in 0..MAX_TRIALS {
            match self.try_word(words.next_u64()) {
                Acceptance::Under(rank) => return rank,
                Acceptance::Beside(_) => {}
            }
        }
        0
    }

    /// Where `word` falls.
    #[inline]
    pub(super) fn try_word(&self, word: u64) -> Acceptance {
        let area = self.left + unit(word) * (self.right - self.left);
        let place = inverse_integral(self.s, area);
        let item = ((place + 0.5) as u64 as f64).clamp(1.0, self.items);
        let rank = item as u64 - 1;
        if item - place <= self.sure || area >= integral(self.s, item + 0.5) - weight(self.s, item) {
            Acceptance::Under(rank)
        } else {
            Acceptance::Beside(rank)
        }
    }
}

/// Where a word falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acceptance {
    /// Under the bar of this rank, which is drawn.
    Under(u64),
    /// Beside it, so that another word is tried.
    Beside(u64),
}

/// x^-s.
#[inline]
fn weight(s: f64, x: f64) -> f64 {
    libm::exp(-s * libm::log(x))
}

/// The integral of t^-s from 1 to x: (x^(1-s) - 1) / (1-s), or ln x where s is 1.
#[inline]
fn integral(s: f64, x: f64) -> f64 {
    let log = libm::log(x);
    let exponent = (1.0 - s) * log;
    if exponent == 0.0 { log } else { log * (libm::expm1(exponent) / exponent) }
}

/// The x whose [`integral`] is `area`.
#[inline]
fn inverse_integral(s: f64, area: f64) -> f64 {
    // Rounding may carry it past -1, where the integral has no more area to give.
    let exponent = ((1.0 - s) * area).max(-1.0);
    if exponent == 0.0 { libm::exp(area) } else { libm::exp(area * (libm::log1p(exponent) / exponent)) }
}
