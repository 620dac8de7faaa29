//! Tests of the breaker: stories, laws over random histories, a dumber breaker as second opinion, closed forms,
//! threads.

use super::*;
use crate::{Span, Time};

mod drive;
mod keyed;
mod laws;
mod log;
mod model;
mod numbers;
mod policies;
mod shared;
mod stories;

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

const fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// Ten calls, half of at least four failing, open for a second, two probes waited for up to half a second.
fn small() -> BreakerConfig {
    BreakerConfig {
        window: WindowConfig::Count { calls: 10 },
        min_requests: 4,
        open_at_ppm: 500_000,
        slow_at_ppm: 750_000,
        slow_call: Some(ms(100)),
        open_for: ms(1_000),
        open_growth_milli: 2_000,
        open_cap: ms(3_000),
        half_open_probes: 2,
        half_open_max_wait: ms(500),
        ..BreakerConfig::default()
    }
}

/// Opens at the first failure, otherwise [`small`].
fn fragile() -> BreakerConfig {
    BreakerConfig { consecutive_failures: Some(1), ..small() }
}
