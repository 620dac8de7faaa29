//! Measures a service that stalls, under the real clock: what a closed loop reports, what it should have reported,
//! and which alert that raises. `cargo run --release --example metrics`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example drives the systems with the real clock and prints"
)]

use foreshock_systems::metrics::burn_rate::{
    BurnRateAlerts, BurnRateConfig, BurnRateRule, Outcomes, Severity,
};
use foreshock_systems::metrics::histogram::{HdrConfig, HdrHistogram};
use foreshock_systems::metrics::shared::SharedHdr;
use foreshock_systems::metrics::{AlertConfig, Histogram};
use foreshock_systems::{Span, Time};
use std::thread;
use std::time::{Duration, Instant};

/// Each client means to send a request this often.
const INTERVAL: Duration = Duration::from_millis(2);
const REQUESTS: u64 = 400;
const CLIENTS: u64 = 2;

/// The service: fast, but once in 200 requests it stalls.
fn serve(request: u64) {
    thread::sleep(if request % 200 == 150 { Duration::from_millis(150) } else { Duration::from_micros(200) });
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shared = SharedHdr::new(HdrConfig::LATENCY_NS, CLIENTS as usize)?;
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let recorder = shared.recorder();
            scope.spawn(move || {
                for request in 0..REQUESTS {
                    let sent = Instant::now();
                    serve(request);
                    let took = sent.elapsed();
                    recorder.record(took.as_nanos() as u64);
                    // A closed loop: while the service stalls, nothing is sent and nothing is measured.
                    thread::sleep(INTERVAL.saturating_sub(took));
                }
            });
        }
    });
    let now = Time::ZERO + Span::from_nanos(started.elapsed().as_nanos() as u64);

    let mut measured = HdrHistogram::new(HdrConfig::LATENCY_NS)?;
    shared.take_into(&mut measured)?;
    let mut corrected = HdrHistogram::new(HdrConfig::LATENCY_NS)?;
    for (index, count) in measured.counts().iter().enumerate() {
        for _ in 0..*count {
            corrected.record_corrected(measured.layout().lowest_at(index), INTERVAL.as_nanos() as u64);
        }
    }
    for (name, histogram) in [("as measured", &measured), ("corrected", &corrected)] {
        if let Some(summary) = histogram.summary() {
            println!(
                "{name:12} {:5} requests, p50 {:6} us, p99 {:6} us, max {:6} us",
                summary.count,
                summary.p50 / 1_000,
                summary.p99 / 1_000,
                summary.max / 1_000
            );
        }
    }

    // An objective of 99 % under 20 ms, watched over a second and a tenth of one.
    let limit = corrected.layout().index_of(20_000_000);
    let outcomes = |histogram: &HdrHistogram| Outcomes {
        bad: histogram.counts()[limit..].iter().sum(),
        total: histogram.counts().iter().sum(),
    };
    let rule = BurnRateRule {
        severity: Severity::Page,
        long: Span::from_secs(1),
        short: Span::from_millis(100),
        burn_milli: 6_000,
        alert: AlertConfig::default(),
    };
    for (name, histogram) in [("as measured", &measured), ("corrected", &corrected)] {
        let mut alerts = BurnRateAlerts::new(&BurnRateConfig { budget_ppm: 10_000, rules: vec![rule] })?;
        let outcomes = outcomes(histogram);
        alerts.record(now, outcomes);
        alerts.evaluate(now, |change| println!("{name:12} {:?}: {:?}", change.severity, change.change));
        println!(
            "{name:12} {} of {} too slow, firing: {}",
            outcomes.bad,
            outcomes.total,
            alerts.is_firing(0)
        );
    }
    Ok(())
}
