//! The exponentially weighted moving average of a rate, in ticks: what `load average` is made of. Never reads a
//! clock, and never needs one more tick than have passed: idle ticks are caught up in one go.

use crate::time::{Span, Time};
use std::fmt;

/// How often the average moves, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EwmaConfig {
    /// Length of a tick. At least a nanosecond; 5 s is usual.
    pub tick: Span,
    /// How much of the difference to the latest tick is taken over, in parts per million. 1 to 1 000 000.
    pub weight_ppm: u32,
}

/// Why a config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EwmaError {
    /// A tick of no length.
    Tick,
    /// A weight of nothing, or of more than everything.
    Weight {
        /// As asked for.
        weight_ppm: u32,
    },
}

impl fmt::Display for EwmaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EwmaError::Tick => f.write_str("a tick has to have a length: use 5s"),
            EwmaError::Weight { weight_ppm } => {
                write!(
                    f,
                    "a weight of {weight_ppm} ppm: use 1 to 1000000; 80000 with ticks of 5s is a minute"
                )
            }
        }
    }
}

impl std::error::Error for EwmaError {}

impl EwmaConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EwmaError`] names the field out of range.
    pub fn validate(&self) -> Result<(), EwmaError> {
        if self.tick.is_zero() {
            return Err(EwmaError::Tick);
        }
        if self.weight_ppm == 0 || self.weight_ppm > 1_000_000 {
            return Err(EwmaError::Weight { weight_ppm: self.weight_ppm });
        }
        Ok(())
    }
}

/// Bits below one event per tick.
const FRACTION_BITS: u32 = 32;
/// One whole, of the share that is kept from tick to tick.
const WHOLE_BITS: u32 = 63;

/// A decaying average of events per tick. After n ticks of a new rate it has moved 1 - (1 - weight)^n of the way.
#[derive(Clone, Debug)]
pub struct Ewma {
    tick_ns: u64,
    /// What is kept of the average at a tick: one less the weight.
    kept: u64,
    /// Events per tick.
    average: u128,
    /// Recorded since the latest tick.
    pending: u64,
    /// Number of the tick being filled, since the origin of time.
    current: u64,
}

impl Ewma {
    /// An average of zero, that begins to tick at `now`.
    ///
    /// # Errors
    /// [`EwmaError`] names the field of the config out of range.
    pub fn new(config: EwmaConfig, now: Time) -> Result<Ewma, EwmaError> {
        config.validate()?;
        let kept_ppm = u128::from(1_000_000 - config.weight_ppm);
        let kept = ((kept_ppm << WHOLE_BITS) / 1_000_000) as u64;
        let tick_ns = config.tick.as_nanos();
        Ok(Ewma { tick_ns, kept, average: 0, pending: 0, current: now.as_nanos() / tick_ns })
    }

    /// Notes `events` that have just happened. A clock that goes back notes them in the latest tick seen.
    pub fn record(&mut self, now: Time, events: u64) {
        self.advance(now);
        self.pending = self.pending.saturating_add(events);
    }

    /// Events per second in thousandths as of the latest complete tick, saturating.
    pub fn rate_per_s_milli(&mut self, now: Time) -> u64 {
        self.advance(now);
        // Below 2^96 times 10^12 would not fit: divide what is left of the tick first where it is long.
        let per_tick_milli = self.average * 1_000;
        let rate = match per_tick_milli.checked_mul(1_000_000_000) {
            Some(wide) => wide / u128::from(self.tick_ns),
            None => (per_tick_milli / u128::from(self.tick_ns)).saturating_mul(1_000_000_000),
        };
        u64::try_from(rate >> FRACTION_BITS).unwrap_or(u64::MAX)
    }

    fn advance(&mut self, now: Time) {
        let arrived = now.as_nanos() / self.tick_ns;
        let Some(passed) = arrived.checked_sub(self.current).filter(|passed| *passed > 0) else { return };
        let latest = u128::from(std::mem::take(&mut self.pending)) << FRACTION_BITS;
        // The first of the ticks has the events, the others are idle.
        let one = 1u64 << WHOLE_BITS;
        let taken = scale(latest, one - self.kept);
        self.average = scale(self.average, self.kept) + taken;
        self.average = scale(self.average, power(self.kept, passed - 1));
        self.current = arrived;
    }
}

/// `value * share`, rounded to nearest. Below 2^97 times up to 2^63: in two halves.
fn scale(value: u128, share: u64) -> u128 {
    let (high, low) = (value >> 64, value & u128::from(u64::MAX));
    let share = u128::from(share);
    let low = (low * share + (1 << (WHOLE_BITS - 1))) >> WHOLE_BITS;
    ((high * share) << (64 - WHOLE_BITS)) + low
}

/// `share` to the power of `exponent`, by squaring.
fn power(share: u64, mut exponent: u64) -> u64 {
    let mut result = 1u64 << WHOLE_BITS;
    let mut base = share;
    while exponent > 0 && result > 0 {
        if exponent & 1 == 1 {
            result = scale(u128::from(result), base) as u64;
        }
        base = scale(u128::from(base), base) as u64;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(ticks: u64, weight_ppm: u32, per_tick: u64) -> u64 {
        let config = EwmaConfig { tick: Span::from_secs(1), weight_ppm };
        let mut ewma = Ewma::new(config, Time::ZERO).unwrap();
        for tick in 0..ticks {
            ewma.record(Time::ZERO + Span::from_secs(tick), per_tick);
        }
        ewma.rate_per_s_milli(Time::ZERO + Span::from_secs(ticks))
    }

    #[test]
    fn n_ticks_after_a_step_the_average_has_moved_by_the_closed_form() {
        for (ticks, weight_ppm) in [(1, 80_000), (12, 80_000), (60, 20_000), (3, 1_000_000), (500, 1_000)] {
            let share = 1.0 - libm::pow(1.0 - f64::from(weight_ppm) / 1e6, ticks as f64);
            let expected = 1e9 * share;
            assert!(
                (after(ticks, weight_ppm, 1_000_000) as f64 - expected).abs() < 2.0,
                "{ticks} {weight_ppm}"
            );
        }
    }

    #[test]
    fn a_rate_that_stops_halves_by_itself_however_late_it_is_asked() {
        let config = EwmaConfig { tick: Span::from_secs(1), weight_ppm: 500_000 };
        let mut ewma = Ewma::new(config, Time::ZERO).unwrap();
        ewma.record(Time::ZERO, 1 << 20);
        assert_eq!(ewma.rate_per_s_milli(Time::ZERO + Span::from_secs(1)), 1_000 << 19);
        assert_eq!(ewma.rate_per_s_milli(Time::ZERO + Span::from_secs(11)), 1_000 << 9);
        assert_eq!(ewma.rate_per_s_milli(Time::MAX), 0);
        ewma.record(Time::ZERO, u64::MAX);
        assert_eq!(ewma.rate_per_s_milli(Time::ZERO), 0, "a clock that goes back ends no tick");
    }

    #[test]
    fn what_never_moves_or_never_ticks_is_refused() {
        let tickless = EwmaConfig { tick: Span::ZERO, weight_ppm: 1 };
        assert!(Ewma::new(tickless, Time::ZERO).unwrap_err().to_string().contains("use 5s"));
        for weight_ppm in [0, 1_000_001] {
            let config = EwmaConfig { tick: Span::from_secs(1), weight_ppm };
            assert_eq!(config.validate(), Err(EwmaError::Weight { weight_ppm }));
        }
    }

    proptest! {
        #[test]
        fn skipped_ticks_are_caught_up_as_if_each_had_been_asked_for(
            weight_ppm in 1u32..=1_000_000, events in prop::collection::vec((0u64..1 << 40, 0u64..50), 1..20),
        ) {
            let config = EwmaConfig { tick: Span::from_secs(1), weight_ppm };
            let mut lazy = Ewma::new(config, Time::ZERO).unwrap();
            let mut eager = lazy.clone();
            let mut now = Time::ZERO;
            for (count, idle) in events {
                lazy.record(now, count);
                eager.record(now, count);
                for _ in 0..idle {
                    now += Span::from_secs(1);
                    eager.rate_per_s_milli(now);
                }
            }
            let (lazy, eager) = (lazy.rate_per_s_milli(now), eager.rate_per_s_milli(now));
            prop_assert!(lazy.abs_diff(eager) <= 2, "{} {}", lazy, eager);
        }

        #[test]
        fn no_input_makes_it_overflow(tick in 1u64.., weight_ppm in 1u32..=1_000_000, steps in prop::collection::vec(any::<(u64, u64)>(), 0..20)) {
            let mut ewma = Ewma::new(EwmaConfig { tick: Span::from_nanos(tick), weight_ppm }, Time::ZERO).unwrap();
            for (at, events) in steps {
                ewma.record(Time::from_nanos(at), events);
                ewma.rate_per_s_milli(Time::from_nanos(at));
            }
        }
    }
}
