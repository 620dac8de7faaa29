//! The pace of Polly's `DecorrelatedJitterBackoffV2`: pauses that follow 2^n on average, are as smooth as an
//! exponential's, and show no clusters. The one pace that needs floating point; it goes through `libm`, and no input
//! makes it anything but a number from zero to [`Span::MAX`].

use super::backoff::Pauses;
use crate::time::Span;

/// Widens the tanh, which holds the first pauses down. Constant of the algorithm.
const SPREAD: f64 = 4.0;
/// Brings the median of the first pause close to the base. Constant of the algorithm.
const SCALE: f64 = 1.0 / 1.4;
/// From this step on 2^t times a nanosecond is longer than any span, also after the step before.
const LAST_STEP: u32 = 100;

/// The pause after `pauses`, not cut to any cap.
pub(super) fn delay(base: Span, pauses: &Pauses, entropy: u64) -> Span {
    let failed = pauses.failed_attempts.max(1);
    if failed > LAST_STEP {
        return base.saturating_mul(u64::MAX);
    }
    let reached = total(failed - 1, entropy);
    let before = if failed == 1 { 0.0 } else { total(failed - 2, pauses.previous_entropy) };
    // Truncates, saturates, and takes a step back (whose intervals touch, so by rounding only) as zero.
    Span::from_nanos(((reached - before) * SCALE * base.as_nanos() as f64) as u64)
}

/// Where all pauses together end after step `step`, in units of the scaled base.
fn total(step: u32, entropy: u64) -> f64 {
    let t = f64::from(step) + share(entropy);
    libm::exp2(t) * libm::tanh(libm::sqrt(SPREAD * t))
}

/// A word as a number from 0 to below 1.
fn share(entropy: u64) -> f64 {
    const STEP: f64 = 1.0 / (1u64 << 53) as f64;
    (entropy >> 11) as f64 * STEP
}
