//! What a limit truly let pass, all nodes together, by the one true clock: the harness's own count, which no
//! partition, no wrong clock and no algorithm's error can mislead. Counts, never decides.

use foreshock_systems::rate_limiter::{
    EmptyKey, Forgettable, Keyed, KeyedConfig, Limiter, OnFull, RetryAt, SlidingLog, TokenBucket,
};

use super::LimitMeasured;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::LimitRule;

/// Whose limit it is and what is counted together: node (0 for all of them), value.
pub(crate) type LimitKey = (u32, u64);

/// Parts of a window in which what passed is counted.
const SLOTS: u64 = 100;

/// Watches one limit.
pub(crate) struct LimitWatch {
    truth: Keyed<LimitKey, Truth>,
    measured: LimitMeasured,
}

impl LimitWatch {
    pub(crate) fn new(rule: LimitRule, now: Time) -> LimitWatch {
        let config = KeyedConfig {
            max_keys: u32::MAX,
            on_full: OnFull::ForgetOldest,
            empty_key: EmptyKey::Count,
            hash_seed: 0,
        };
        let truth = Keyed::new(config, Truth::new(rule, now), now).expect("there is room for keys");
        LimitWatch { truth, measured: LimitMeasured { kind: rule.name(), ..LimitMeasured::default() } }
    }

    /// Something passed that the limit is `rule` for.
    pub(crate) fn passed(&mut self, rule: LimitRule, key: LimitKey, cost: u64, now: Time) {
        let Ok(truth) = self.truth.limiter(now, &key) else { return };
        if truth.rule != rule {
            truth.follow(rule, now);
        }
        self.measured.passed += 1;
        let beyond = truth.limiter.check(now, cost).is_err();
        self.measured.over_admitted += u64::from(beyond);
        let in_window = truth.recent.add(cost, now);
        if in_window > self.measured.most_in_window {
            let (window, allowed) = rule.most_in_window();
            self.measured.most_in_window = in_window;
            self.measured.most_until = now;
            self.measured.window = window;
            self.measured.allowed_in_window = allowed;
            self.measured.kind = rule.name();
        }
    }

    pub(crate) fn measured(&self) -> LimitMeasured {
        self.measured
    }
}

/// The limit as it was meant, for one key.
#[derive(Clone)]
struct Truth {
    rule: LimitRule,
    limiter: Meant,
    recent: Recent,
}

/// A limit by rate is meant as a token bucket, one by window as a log: the most that may pass in any window.
#[derive(Clone)]
enum Meant {
    Rate(TokenBucket),
    Window(SlidingLog),
}

impl Meant {
    fn new(rule: LimitRule, now: Time) -> Meant {
        match rule {
            LimitRule::TokenBucket(config) | LimitRule::Gcra(config) => {
                Meant::Rate(TokenBucket::new(config, now))
            }
            // The one that leaves takes no waiting place.
            LimitRule::LeakyBucket(config) => Meant::Rate(TokenBucket::new(
                foreshock_systems::rate_limiter::RateLimitConfig {
                    burst: config.burst.saturating_add(1),
                    ..config
                },
                now,
            )),
            LimitRule::FixedWindow(mut config)
            | LimitRule::SlidingLog(mut config)
            | LimitRule::SlidingWindow(mut config) => {
                config.limit = config.limit.min(foreshock_systems::rate_limiter::MAX_LOG_LIMIT);
                Meant::Window(SlidingLog::new(config, now).expect("the plan's limits were checked"))
            }
        }
    }

    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        match self {
            Meant::Rate(bucket) => bucket.check(now, cost),
            Meant::Window(log) => log.check(now, cost),
        }
    }
}

impl Truth {
    fn new(rule: LimitRule, now: Time) -> Truth {
        Truth { rule, limiter: Meant::new(rule, now), recent: Recent::new(rule.most_in_window().0) }
    }

    fn follow(&mut self, rule: LimitRule, now: Time) {
        match (&mut self.limiter, Meant::new(rule, now)) {
            (Meant::Rate(bucket), Meant::Rate(new)) => bucket.reconfigure(new.config(), now),
            (limiter, new) => *limiter = new,
        }
        if self.rule.most_in_window().0 != rule.most_in_window().0 {
            self.recent = Recent::new(rule.most_in_window().0);
        }
        self.rule = rule;
    }
}

impl Limiter for Truth {
    fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
        self.limiter.check(now, cost)
    }
}

impl Forgettable for Truth {
    fn renewed(&self, now: Time) -> Truth {
        Truth::new(self.rule, now)
    }

    fn settled_at(&self) -> Time {
        let limiter = match &self.limiter {
            Meant::Rate(bucket) => bucket.settled_at(),
            Meant::Window(log) => log.settled_at(),
        };
        limiter.max(self.recent.over_at())
    }
}

/// What passed in the last window, by slots: the sum is what passed in a stretch of a whole window that is not over
/// yet, so that a sum beyond the limit proves that the limit was exceeded.
#[derive(Clone)]
struct Recent {
    slot_ns: u64,
    counts: [u32; SLOTS as usize],
    sum: u64,
    /// The slot that `counts` are up to.
    slot: u64,
}

impl Recent {
    fn new(window: Span) -> Recent {
        Recent { slot_ns: (window.as_nanos() / SLOTS).max(1), counts: [0; SLOTS as usize], sum: 0, slot: 0 }
    }

    /// Adds what passes now; the sum over the window.
    fn add(&mut self, cost: u64, now: Time) -> u64 {
        let slot = now.as_nanos() / self.slot_ns;
        let passed_slots = slot.saturating_sub(self.slot).min(SLOTS);
        for further in 0..passed_slots {
            let place = ((slot - further) % SLOTS) as usize;
            self.sum -= u64::from(std::mem::take(&mut self.counts[place]));
        }
        self.slot = self.slot.max(slot);
        let place = &mut self.counts[(self.slot % SLOTS) as usize];
        let before = *place;
        *place = place.saturating_add(u32::try_from(cost).unwrap_or(u32::MAX));
        self.sum += u64::from(*place - before);
        self.sum
    }

    /// When nothing of it counts any more.
    fn over_at(&self) -> Time {
        Time::from_nanos(self.slot.saturating_add(SLOTS).saturating_mul(self.slot_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshock_systems::rate_limiter::{RateLimitConfig, WindowAlignment, WindowConfig};

    fn ms(n: u64) -> Time {
        Time::ZERO + Span::from_millis(n)
    }

    const WINDOW: LimitRule = LimitRule::FixedWindow(WindowConfig {
        limit: 10,
        window: Span::from_secs(1),
        alignment: WindowAlignment::Clock,
    });

    #[test]
    fn what_passes_on_both_sides_of_an_edge_counts_in_one_window() {
        let mut watch = LimitWatch::new(WINDOW, ms(0));
        for at in [990, 991, 992, 1_001, 1_002, 1_003] {
            for _ in 0..3 {
                watch.passed(WINDOW, (0, 0), 1, ms(at));
            }
        }
        let measured = watch.measured();
        assert_eq!((measured.passed, measured.most_in_window, measured.over_admitted), (18, 18, 8));
    }

    #[test]
    fn windows_that_are_over_are_forgotten() {
        let mut watch = LimitWatch::new(WINDOW, ms(0));
        for second in 0..5 {
            for _ in 0..10 {
                watch.passed(WINDOW, (0, 0), 1, ms(second * 1_000));
            }
        }
        assert_eq!((watch.measured().most_in_window, watch.measured().over_admitted), (10, 0));
    }

    #[test]
    fn two_nodes_that_each_keep_the_limit_exceed_it_together() {
        let rule = LimitRule::TokenBucket(RateLimitConfig { rate_per_s_milli: 10_000, burst: 1 });
        let (mut alone, mut together) = (LimitWatch::new(rule, ms(0)), LimitWatch::new(rule, ms(0)));
        for at in (0..1_000).step_by(100) {
            for node in 1..=2 {
                alone.passed(rule, (node, 0), 1, ms(at));
                together.passed(rule, (0, 0), 1, ms(at));
            }
        }
        assert_eq!((alone.measured().over_admitted, together.measured().over_admitted), (0, 10));
    }
}
