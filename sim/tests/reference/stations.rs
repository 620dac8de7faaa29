//! Scenarios of one queueing station, as text: how long they run and what stands in them.

use super::lab::Run;

/// Seeds averaged, as the tolerances of the file ask for.
pub(crate) const SEEDS: u64 = 10;

/// A scenario of so many seconds of load, of which a share is warm-up. The drain lets the last requests leave; it is
/// counted into time averages, so it is kept short against the load.
pub(crate) fn scenario(seconds: f64, warmup_share: f64, body: &str) -> String {
    let warmup_ms = seconds * warmup_share * 1000.0;
    format!(
        "version: 1\nname: reference\nabout: a case of the reference file\n\
         run: {{duration: {seconds:.0}s, warmup: {warmup_ms:.0}ms, drain: 100s}}\n{body}"
    )
}

/// `jobs` in all over [`SEEDS`] seeds, arriving `per_s` at a station after 5 % warm-up. The total is what the file
/// asks for ("completed jobs, 10 seeds averaged"), not the number for each seed.
pub(crate) fn jobs(group: &str, jobs: f64, per_s: f64, body: &str) -> Vec<Run> {
    let seconds = jobs / SEEDS as f64 / per_s;
    Run::seeds(group, SEEDS, &scenario(seconds, 0.05, body))
}

/// A mean in seconds as a distribution.
pub(crate) fn exponential(mean_s: f64) -> String {
    format!("{{exponential: {{mean: {mean_s}s}}}}")
}

/// One station with independent arrivals.
pub(crate) fn station(workers: &str, service_time: &str, queue: &str, per_s: f64) -> String {
    format!(
        "services:\n  station: {{workers: {workers}, service_time: {service_time}, queue: {queue}}}\n\
         load:\n  - {{name: jobs, to: station, rate: {per_s}/s}}\n"
    )
}

/// A waiting line without an end.
pub(crate) const ENDLESS: &str = "{capacity: unlimited}";

/// The station with a second stream of requests that need no work and so change nothing for the jobs: they see the
/// waiting time of the moment (Poisson arrivals see time averages). Patience makes the share of them that waited
/// at all countable.
pub(crate) fn probed_station(workers: &str, service_time: &str, per_s: f64) -> String {
    format!(
        "services:\n  station:\n    workers: {workers}\n    operations:\n      job: {{service_time: {service_time}}}\n      \
         look: {{service_time: 0s}}\n\
         load:\n  - {{name: jobs, to: station, rate: {per_s}/s, mix: {{job: 100%}}}}\n  \
         - {{name: looks, to: station, rate: {per_s}/s, mix: {{look: 100%}}, patience: 1us}}\n"
    )
}
