//! Four threads ask for prices; the origin takes a while and is asked once for each expired price, not four times.
//! `cargo run --package foreshock-systems --example cache`

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use foreshock_systems::cache::CacheConfig;
use foreshock_systems::cache::shared::SharedCache;
use foreshock_systems::{Span, Time};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let config = CacheConfig { capacity: 100, ttl: Some(Span::from_millis(50)), ..CacheConfig::default() };
    let prices: SharedCache<u64, u64> = SharedCache::new(config, 8);
    let (started, loads, asked) = (Instant::now(), AtomicU32::new(0), AtomicU32::new(0));
    let now = || Time::from_nanos(u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX));

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while now() < Time::ZERO + Span::from_millis(300) {
                    for article in 0..10 {
                        asked.fetch_add(1, Ordering::Relaxed);
                        let price = prices.get_or_load(now(), &article, || {
                            loads.fetch_add(1, Ordering::Relaxed);
                            thread::sleep(Duration::from_millis(2)); // the origin
                            Ok::<u64, ()>(article * 100 + 99)
                        });
                        assert_eq!(price, Ok(article * 100 + 99));
                    }
                    thread::sleep(Duration::from_micros(200));
                }
            });
        }
    });

    let ratio = prices.stats().hit_ratio_ppm().unwrap_or(0);
    let (asked, loads) = (asked.into_inner(), loads.into_inner());
    println!("{asked} questions, {loads} loads, {}.{} % hits", ratio / 10_000, ratio / 1_000 % 10);
}
