//! Feature flags: what a person would not see who looks at one replica. Whether answers are sticky and rollouts monotone
//! is noticed while the run goes on, by the books.

use super::Evidence;
use super::words::{grouped, plural};
use crate::kernel::time::Span;
use crate::measure::{EvaluationsMeasured, FlagsMeasured};
use crate::scenario::plan::{BranchPlan, ServicePlan};

/// What the books notice themselves, with the time and a witness.
pub(super) fn noticed(_evidence: &Evidence<'_>) -> Vec<String> {
    Vec::new()
}

/// Two revisions for a shorter time are how news travels.
const LONG_SPLIT: Span = Span::from_secs(1);

/// Two revisions in force at once.
pub(super) fn split(evidence: &Evidence<'_>) -> Vec<String> {
    let long = evidence.measured.flags.iter().filter(|flags| flags.copies.longest_split >= LONG_SPLIT);
    long.map(|flags| {
        let FlagsMeasured { server, copies, .. } = flags;
        let ends = match copies.is_split {
            true => ", and still when the run stopped",
            false => "",
        };
        format!(
            "two revisions of the flags of `{server}` were in force at once for {} from {} on{ends}: {} got both answers",
            seconds(copies.longest_split.as_nanos()),
            seconds(copies.longest_split_at.as_nanos()),
            plural(copies.users_with_two_answers, "user"),
        )
    })
    .collect()
}

/// A replica that has just started takes a moment to ask.
const FEW_PER_MILLE: u64 = 1;

/// Answers of replicas that did not know the flag.
pub(super) fn by_default(evidence: &Evidence<'_>) -> Vec<String> {
    let some = services(evidence)
        .filter(|(_, counts)| counts.by_default.saturating_mul(1_000) > counts.total() * FEW_PER_MILLE);
    some.map(|(flags, counts)| {
        format!(
            "`{}` knew nothing of the flags of `{}` in {} of {} evaluations and took its defaults",
            counts.service,
            flags.server,
            grouped(counts.by_default),
            grouped(counts.total()),
        )
    })
    .collect()
}

/// Answers that are not those of the latest revision.
pub(super) fn wrong(evidence: &Evidence<'_>) -> Vec<String> {
    let some = services(evidence).filter(|(_, counts)| counts.wrong > 0);
    some.map(|(flags, counts)| {
        let age = match counts.oldest_copy {
            Span::ZERO => String::new(),
            age => format!("; its oldest copy was {} behind", seconds(age.as_nanos())),
        };
        format!(
            "{} of {} flag evaluations of `{}` came out otherwise than the latest revision of `{}` has it{age}",
            grouped(counts.wrong),
            grouped(counts.total()),
            counts.service,
            flags.server,
        )
    })
    .collect()
}

/// From this share of what a service is asked for on, calls that depend on a flag are worth a word.
const HEAVY_SHARE_PERCENT: u64 = 25;

/// Calls that depend on a flag and are far more than the share of those who have it.
pub(super) fn heavy_paths(evidence: &Evidence<'_>) -> Vec<String> {
    let services = evidence.plan.services.iter();
    let paths = services.flat_map(|service| {
        let branches = service.steps.iter().flat_map(|step| &step.branches);
        branches.filter_map(|branch| heavy_path(evidence, service, branch))
    });
    paths.collect()
}

fn heavy_path(evidence: &Evidence<'_>, caller: &ServicePlan, branch: &BranchPlan) -> Option<String> {
    let gate = branch.gate.filter(|gate| gate.on)?;
    let used = caller.flags.as_ref()?.uses.get(usize::from(gate.position))?;
    let (_, counts) = services(evidence).find(|(_, counts)| counts.service == caller.name)?;
    let (on, off) = *counts.flags.get(&used.name)?;
    let callee = evidence.plan.edges[branch.edge.index()].callee;
    let attempts = evidence.measured.edges[branch.edge.index()].attempts;
    let asked = &evidence.measured.services[callee.index()];
    let share_of = |part: u64, whole: u64| {
        let percent = (u128::from(part) * 100).checked_div(u128::from(whole)).unwrap_or(0);
        u64::try_from(percent).unwrap_or(u64::MAX)
    };
    let (asks, has) = (share_of(attempts, asked.arrivals), share_of(on, on + off));
    (asks >= HEAVY_SHARE_PERCENT && asks >= has.saturating_mul(2)).then(|| {
        format!(
            "the flag `{}` was on for {has} % of the requests at `{}`, and calls that depend on it were {asks} % of what \
             `{}` was asked for",
            used.name, caller.name, asked.name
        )
    })
}

fn services<'e>(
    evidence: &Evidence<'e>,
) -> impl Iterator<Item = (&'e FlagsMeasured, &'e EvaluationsMeasured)> {
    let all = evidence.measured.flags.iter();
    all.flat_map(|flags| flags.services.iter().map(move |counts| (flags, counts)))
}

/// Nanoseconds as seconds with a digit behind the point.
fn seconds(ns: u64) -> String {
    format!("{} s", super::words::decimal(ns.saturating_add(50_000_000) / 100_000_000, 1))
}
