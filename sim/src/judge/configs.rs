//! What became of releases: which took long to come to all, which were refused, who did not start for want of a server.

use super::Evidence;
use super::words::{decimal, grouped};
use crate::kernel::time::Span;
use crate::measure::Measured;
use crate::scenario::plan::Action;

/// From here on a release took long.
const LONG: Span = Span::from_secs(10);

fn seconds(span: Span) -> String {
    decimal(span.as_nanos() / 100_000_000, 1)
}

/// Releases that did not come to all whom they were for, or late.
pub(super) fn slow_releases(measured: &Measured) -> Vec<String> {
    let mut texts = Vec::new();
    for config in &measured.configs {
        let at_once = config.revisions_at_once_max;
        if config.unconverged > 0 {
            texts.push(format!(
                "{} of `{}` did not come to all replicas before the run ended; up to {at_once} revisions were acted \
                 upon at once",
                counted(config.unconverged, "release"),
                config.server,
            ));
        }
        if config.converge_max >= LONG {
            texts.push(format!(
                "a release of `{}` took {} s to come to all replicas; up to {at_once} revisions were acted upon at once",
                config.server,
                seconds(config.converge_max),
            ));
        }
    }
    texts
}

/// Releases that a schema refused.
pub(super) fn refused_releases(evidence: &Evidence<'_>) -> Vec<String> {
    let entries = evidence.plan.timeline.iter().zip(&evidence.measured.entries);
    let refused = entries.filter(|(entry, measured)| {
        matches!(entry.action, Action::Publish(_)) && measured.started.is_some() && measured.touched == 0
    });
    refused
        .map(|(entry, _)| {
            format!("release `{}` was refused, or changed nothing: nobody acts upon it", entry.id)
        })
        .collect()
}

/// Processes that did not start.
pub(super) fn failed_boots(measured: &Measured) -> Vec<String> {
    let systems = measured.systems.iter();
    let failed = systems.filter_map(|(service, counts)| {
        let failed = counts.get("boots_failed").copied().filter(|failed| *failed > 0)?;
        Some(format!(
            "{} of `{service}` failed to start because the configuration server did not answer: with `on_store_down: \
             last_known_good` and a cache it starts with what it had",
            counted(failed, "process"),
        ))
    });
    failed.collect()
}

fn counted(number: u64, what: &str) -> String {
    let plural = if what.ends_with('s') { "es" } else { "s" };
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { plural })
}
