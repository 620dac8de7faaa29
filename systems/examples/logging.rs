//! A log storm under the real clock: a service writes faster than its disk, once without a limit per class and once with
//! one. Shows what was written, what was dropped, and that the books balance.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example runs under the real clock and shows what it does"
)]

use foreshock_systems::logging::{BufferConfig, DropReason, Record, Severity, Sink, SinkConfig};
use foreshock_systems::rate_limiter::RateLimitConfig;
use foreshock_systems::{Span, Time};
use std::time::Instant;

fn storm(name: &str, class_limit: Option<RateLimitConfig>) {
    let begun = Instant::now();
    let now = || Time::from_nanos(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let config = SinkConfig {
        class_limit,
        buffer: BufferConfig::default(),
        report_every: Span::from_millis(50),
        ..SinkConfig::default()
    };
    let mut sink = Sink::new(config, now());
    for n in 0..20_000_u64 {
        let severity = if n.is_multiple_of(100) { Severity::Notice } else { Severity::Error };
        sink.offer(now(), Record::new(now(), severity, "shop.payment", "no answer in time"));
        // The disk takes a batch of 50 lines every 1,000 lines that are said.
        if n.is_multiple_of(1_000) {
            sink.batch(50, u64::MAX);
            sink.written(now(), 0, DropReason::Refused);
        }
        if let Some(report) = sink.expire(now()) {
            println!("  {name}: {} lines dropped until {}", report.drops.total(), report.until);
        }
    }
    println!(
        "{name}: {} came in, {} written, {} still there",
        sink.emitted(),
        sink.delivered(),
        sink.buffered()
    );
    for (reason, lines) in sink.drops().by_reason().filter(|(_, lines)| *lines > 0) {
        println!("  {}: {lines}", reason.name());
    }
    while sink.deadline().is_some_and(|due| due <= now()) {
        sink.expire(now());
    }
    println!("  books: {:?}", sink.audit(now()));
}

fn main() {
    storm("without a limit", None);
    storm("100 lines a second of each class", Some(RateLimitConfig { rate_per_s_milli: 100_000, burst: 20 }));
}
