//! A sweep for people: the failure rate first, then objectives, ways to fail with the commands that show them, and
//! what was never exercised. About forty lines; everything is in the JSON report as well.

use std::fmt::Write;

use super::report::{GroupReport, ObjectiveReport, SeenReport, ShareReport, SweepReport};
use super::slice::Ended;
use crate::report::{Role, Style, count, counted, in_unit, instant_us, share_ppm, table, wrapped};

/// Objectives, groups and names shown at most.
const MOST_OBJECTIVES: usize = 10;
const MOST_GROUPS: usize = 4;
const MOST_NAMES: usize = 12;

/// The report as text.
pub fn sweep_text(report: &SweepReport, style: Style) -> String {
    let mut text = head(report, style);
    section(&mut text, style, "Objectives over seeds", &objectives(&report.objectives));
    section(&mut text, style, "Ways to fail", &groups(report, style));
    section(&mut text, style, "Coverage", &coverage(report));
    text
}

fn section(text: &mut String, style: Style, heading: &str, body: &str) {
    if !body.is_empty() {
        let _ = write!(text, "\n{}\n{body}", style.paint(Role::Heading, heading));
    }
}

/// `3.1 % (95 %: 2.2 % to 4.4 %)`.
pub(super) fn share(share: &ShareReport) -> String {
    format!(
        "{} ({}: {} to {})",
        share_ppm(share.rate_ppm),
        share_ppm(share.confidence_ppm).replace(".0", ""),
        share_ppm(share.low_ppm),
        share_ppm(share.high_ppm)
    )
}

fn head(report: &SweepReport, style: Style) -> String {
    let (seeds, verdict) = (&report.seeds, &report.verdict);
    let (role, said) = match verdict.as_expected {
        true => (Role::Good, "as expected"),
        false => (Role::Bad, "NOT as expected"),
    };
    let mut text = format!(
        "{}: {} of {} failed, {}\n",
        report.scenario,
        count(report.failing.seeds),
        counted(seeds.ran, "seed"),
        style.paint(role, said)
    );
    for surprise in &verdict.surprises {
        let _ = writeln!(text, "  {surprise}");
    }
    let _ = writeln!(text, "  failure rate {}", share(&report.failing));
    let _ = writeln!(text, "  seeds {}..{}, {} events", seeds.from, seeds.to, count(report.events));
    // Seeds that fail are shown with the ways to fail; those that pass unexpectedly only here.
    if let (Some(command), true) = (&verdict.reproduce, verdict.expected == "fail") {
        let _ = writeln!(text, "  {}", style.paint(Role::Aside, &format!("reproduce: {command}")));
    }
    let partial = match seeds.ended {
        Ended::Complete => return text,
        Ended::FailFast => "stopped early: enough seeds failed",
        Ended::Interrupted => "interrupted",
    };
    let _ = writeln!(
        text,
        "  {}: {partial}; the seeds {}..{} did not run",
        style.paint(Role::Bad, "PARTIAL"),
        seeds.done_to,
        seeds.to
    );
    text
}

fn objectives(all: &[ObjectiveReport]) -> String {
    let rows = all.iter().take(MOST_OBJECTIVES).map(|objective| {
        let about = &objective.about;
        let value = |value: Option<u64>| value.map_or("-".to_string(), |value| in_unit(&about.unit, value));
        let spread = &objective.value;
        let mut row = vec![
            about.id.clone(),
            about.metric.clone(),
            about.of.clone(),
            about.bound.clone(),
            count(objective.broken.seeds),
            share_ppm(objective.broken.rate_ppm),
        ];
        row.extend([spread.min, spread.p50, spread.p90, spread.p99, spread.max].map(value));
        row
    });
    let header =
        ["objective", "metric", "of", "must be", "broken", "rate", "min", "p50", "p90", "p99", "max"];
    table(&header, &[4, 5, 6, 7, 8, 9, 10], rows, all.len().saturating_sub(MOST_OBJECTIVES))
}

fn groups(report: &SweepReport, style: Style) -> String {
    let mut text = String::new();
    for group in report.groups.iter().take(MOST_GROUPS) {
        text.push_str(&one_group(group, style));
    }
    let further = report.groups.len().saturating_sub(MOST_GROUPS);
    if further > 0 {
        let _ = writeln!(text, "  and {} more in the JSON report", counted(further as u64, "way"));
    }
    if report.failing_otherwise > 0 {
        let _ =
            writeln!(text, "  {} failed in ways not kept apart", counted(report.failing_otherwise, "seed"));
    }
    text
}

fn one_group(group: &GroupReport, style: Style) -> String {
    let line = format!(
        "{} ({}): {}",
        counted(group.seeds, "seed"),
        share_ppm(group.share_ppm),
        group.failing.join(", then ")
    );
    let mut text = wrapped("  ", "    ", &line);
    let _ = writeln!(
        text,
        "    earliest: seed {} at {}\n      {}",
        group.earliest.seed,
        instant_us(group.earliest.failed_at_us),
        style.paint(Role::Aside, &format!("reproduce: {}", group.earliest.reproduce))
    );
    if group.cheapest.seed != group.earliest.seed {
        let _ = writeln!(
            text,
            "    cheapest: seed {}, {} events\n      {}",
            group.cheapest.seed,
            count(group.cheapest.events),
            style.paint(Role::Aside, &format!("reproduce: {}", group.cheapest.reproduce))
        );
    }
    text
}

fn coverage(report: &SweepReport) -> String {
    let coverage = &report.coverage;
    let share_of = |what: &str, seen: &std::collections::BTreeMap<String, SeenReport>| {
        let hit = seen.values().filter(|seen| seen.seeds > 0).count();
        (!seen.is_empty()).then(|| format!("{what} {hit} of {}", seen.len()))
    };
    let parts = [
        share_of("faults", &coverage.faults),
        share_of("branches of policies", &coverage.branches),
        share_of("invariants", &coverage.invariants),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let mut text = wrapped("  ", "    ", &format!("exercised: {}", parts.join(", ")));
    if !coverage.never.is_empty() {
        let mut never = coverage.never.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
        if coverage.never.len() > MOST_NAMES {
            let _ = write!(never, " and {} more", coverage.never.len() - MOST_NAMES);
        }
        text.push_str(&wrapped("  ", "    ", &format!("never: {never}")));
    }
    for mark in &report.sometimes {
        let seen = match mark.first_seed {
            Some(first) => format!("in {}, first in seed {first}", counted(mark.seeds, "seed")),
            None => "NEVER".to_string(),
        };
        text.push_str(&wrapped("  ", "    ", &format!("sometimes {} ({}): {seen}", mark.id, mark.what)));
    }
    text
}
