//! Tests of retries: delays, the decision rule, budgets.

use super::*;
use crate::time::{Span, Time};
use proptest::prelude::*;

mod adaptive;
mod budgets;
mod calls;
mod composition;
mod decisions;
mod delays;
mod server;
mod shared;

const fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

const fn backoff(kind: BackoffKind, base: u64, cap: u64, jitter: Jitter) -> BackoffConfig {
    BackoffConfig { kind, base: ms(base), cap: ms(cap), jitter, first_exponent: 0 }
}

const DOUBLING: BackoffKind = BackoffKind::Exponential { multiplier_milli: 2_000 };

/// A stream of words good enough for means (splitmix64).
fn words(seed: u64) -> impl Iterator<Item = u64> {
    (1u64..).map(move |n| {
        let mut z = seed.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

fn any_span() -> impl Strategy<Value = Span> {
    prop_oneof![any::<u64>(), 0u64..10_000_000_000, Just(u64::MAX)].prop_map(Span::from_nanos)
}
