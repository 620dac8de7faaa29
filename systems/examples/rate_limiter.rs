//! Four threads share one limit under the real clock; each sleeps for as long as a refusal tells it to. Prints what came
//! through and what the limit allows.
//! `cargo run --package foreshock-systems --example rate_limiter`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]

use foreshock_systems::rate_limiter::shared::{Shared, SharedGcra};
use foreshock_systems::rate_limiter::{Limiter, Quota};
use foreshock_systems::rate_limiter::{RateLimitConfig, RateLimitHeaders, RetryAt, TokenBucket};
use foreshock_systems::{Span, Time};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const THREADS: u64 = 4;
const RUN: Span = Span::from_secs(2);

fn main() {
    let limit = RateLimitConfig { rate_per_s_milli: 50_000, burst: 10 };
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);

    let limiter = SharedGcra::new(limit, now()).expect("50 a second with a burst of 10 is in range");
    let (passed, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while now() < Time::ZERO + RUN {
                    match limiter.check(now(), 1) {
                        Ok(()) => passed.fetch_add(1, Ordering::Relaxed),
                        Err(RetryAt(wait)) => {
                            std::thread::sleep(Duration::from_nanos(wait.as_nanos()));
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
    });
    let allowed = limit.burst + limit.rate_per_s_milli * RUN.as_nanos() / 1_000_000_000_000;
    println!("{THREADS} threads for {RUN}: {} passed of {allowed} allowed", passed.into_inner());
    println!("{} refusals, each of which said how long to wait", refused.into_inner());

    // What a server would put into its response.
    let bucket = Shared::new(TokenBucket::new(limit, now()));
    let headers = bucket.with(now(), |bucket, now| {
        let decision = bucket.check(now, 10).and_then(|()| bucket.check(now, 1));
        RateLimitHeaders::new(bucket.quota(now), decision)
    });
    for (name, value) in headers.pairs() {
        println!("{name}: {value}");
    }
}
