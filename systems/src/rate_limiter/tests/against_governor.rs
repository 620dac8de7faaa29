//! GCRA, token bucket and the lock-free front against `governor` under a clock of our own: a million random steps.

use super::*;
use crate::rate_limiter::shared::SharedGcra;
use governor::clock::{Clock, FakeRelativeClock};
use governor::{Quota as GovernorQuota, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;

/// What is decided: passes, never will, or passes after so many nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    Passes,
    Never,
    After(u64),
}

fn decided(result: Result<(), RetryAt>) -> Decided {
    match result {
        Ok(()) => Decided::Passes,
        Err(RetryAt(Span::MAX)) => Decided::Never,
        Err(RetryAt(wait)) => Decided::After(wait.as_nanos()),
    }
}

/// xorshift64 (Marsaglia 2003).
fn next_word(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Random pauses and costs, `steps` of them, asked of `ours` and of governor with the same interval and burst. The
/// first step at which they differ.
fn first_difference(
    interval_ns: u64,
    burst: u32,
    steps: u32,
    word: &mut u64,
    ours: &mut dyn FnMut(Time, u64) -> Vec<Decided>,
) -> Option<String> {
    let clock = FakeRelativeClock::default();
    let quota = GovernorQuota::with_period(Duration::from_nanos(interval_ns))
        .expect("the interval is not zero")
        .allow_burst(NonZeroU32::new(burst).expect("the burst is not zero"));
    let peer = RateLimiter::direct_with_clock(quota, clock.clone());
    let mut now_ns = 0u64;
    for step in 0..steps {
        let pause = match next_word(word) % 8 {
            0 => 0,
            1 => next_word(word) % (interval_ns * u64::from(burst) * 2 + 1),
            2 => interval_ns,
            _ => next_word(word) % (interval_ns * 2),
        };
        clock.advance(Duration::from_nanos(pause));
        now_ns += pause;
        let cost =
            if next_word(word).is_multiple_of(4) { 1 + next_word(word) as u32 % (burst + 1) } else { 1 };
        let theirs = match peer.check_n(NonZeroU32::new(cost).expect("at least one")) {
            Ok(Ok(())) => Decided::Passes,
            Ok(Err(not_until)) => Decided::After(not_until.wait_time_from(clock.now()).as_nanos() as u64),
            Err(_) => Decided::Never,
        };
        for ours in ours(Time::from_nanos(now_ns), u64::from(cost)) {
            if ours != theirs {
                return Some(format!("step {step}, {now_ns} ns, cost {cost}: {ours:?}, governor {theirs:?}"));
            }
        }
    }
    None
}

const STEPS_EACH: u32 = 25_000;
const LIMITS: u32 = 40;

#[test]
fn over_a_million_random_steps_all_decide_as_governor_does() {
    let mut word = 0x9E37_79B9_7F4A_7C15;
    for limit in 0..LIMITS {
        // Intervals that a rate in thousandths per second expresses exactly, so that all four can be asked.
        let exact =
            [1, 2, 5, 8, 10, 1_000, 12_500, 100_000, 1_000_000, 15_625_000, 100_000_000, 1_000_000_000];
        let interval_ns = exact[limit as usize % exact.len()];
        let burst = 1 + (next_word(&mut word) % 50) as u32;
        let config =
            RateLimitConfig { rate_per_s_milli: 1_000_000_000_000 / interval_ns, burst: u64::from(burst) };
        let mut bucket = TokenBucket::new(config, at(0));
        let mut gcra = Gcra::new(config, at(0));
        let tolerance = Span::from_nanos(interval_ns * u64::from(burst - 1));
        let mut standard = Gcra::with_tolerance(Span::from_nanos(interval_ns), tolerance, at(0));
        let lock_free = SharedGcra::new(config, at(0)).unwrap();
        let difference = first_difference(interval_ns, burst, STEPS_EACH, &mut word, &mut |now, cost| {
            let all = [
                bucket.check(now, cost),
                gcra.check(now, cost),
                standard.check(now, cost),
                lock_free.check(now, cost),
            ];
            all.map(decided).to_vec()
        });
        assert_eq!(difference, None, "interval {interval_ns} ns, burst {burst}");
    }
}

#[test]
fn at_intervals_no_rate_expresses_the_standards_parameters_still_decide_as_governor_does() {
    let mut word = 0xD1B5_4A32_D192_ED03;
    for _ in 0..10 {
        let interval_ns = 1 + next_word(&mut word) % 3_000_000;
        let burst = 1 + (next_word(&mut word) % 50) as u32;
        let tolerance = Span::from_nanos(interval_ns * u64::from(burst - 1));
        let mut standard = Gcra::with_tolerance(Span::from_nanos(interval_ns), tolerance, at(0));
        let difference = first_difference(interval_ns, burst, 2_000, &mut word, &mut |now, cost| {
            vec![decided(standard.check(now, cost))]
        });
        assert_eq!(difference, None, "interval {interval_ns} ns, burst {burst}");
    }
}

/// A tolerance one nanosecond short, or a burst one permit long, is found at once.
#[test]
fn a_limiter_a_nanosecond_off_is_told_from_governor() {
    for (interval, tolerance) in [(1_000, 8_999), (1_000, 9_001), (1_000, 10_000), (1_001, 9_000)] {
        let mut off = Gcra::with_tolerance(Span::from_nanos(interval), Span::from_nanos(tolerance), at(0));
        let mut word = 7;
        let mut ours = |now, cost| vec![decided(off.check(now, cost))];
        let difference = first_difference(1_000, 10, 2_000, &mut word, &mut ours);
        assert!(difference.is_some(), "interval {interval}, tolerance {tolerance}");
    }
}
