//! One file per part; what they share stands here.

mod against_governor; // against another implementation, a million steps
mod concurrency; // calls in flight
mod core; // token bucket and GCRA: the reference case, against each other and against an exact log, mutants
mod distributed; // one limit for many nodes
mod distributed_windows; // the same by window
mod fronts; // levels, shadow mode, headers
mod keyed; // one limiter for each key
mod multi_bucket; // several bandwidths
mod pacing; // leaky bucket, warm-up
mod permits; // reservations, inheritance
mod shared; // real threads
mod shedding; // by priority
mod windows; // fixed window, sliding log, sliding-window counter

use super::*;
use proptest::prelude::*;

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

const fn per_second(rate: u64, burst: u64) -> RateLimitConfig {
    RateLimitConfig { rate_per_s_milli: rate * 1_000, burst }
}

/// Pauses and costs: mostly dense, sometimes idle for long.
fn any_trace(longest: usize) -> impl Strategy<Value = Vec<(u64, u64)>> {
    let pause = prop_oneof![4 => 0u64..1_000, 3 => 0u64..300_000_000, 1 => 0u64..20_000_000_000];
    prop::collection::vec((pause, prop_oneof![5 => Just(1u64), 2 => 0u64..8]), 0..longest)
}

prop_compose! {
    fn any_config()(
        rate_per_s_milli in prop_oneof![1u64..5_000_000, 1u64..=MAX_RATE_PER_S_MILLI],
        burst in prop_oneof![1u64..10, any::<u64>()],
    ) -> RateLimitConfig {
        RateLimitConfig { rate_per_s_milli, burst }
    }
}
