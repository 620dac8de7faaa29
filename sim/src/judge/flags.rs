//! Feature flags: what a person would not see who looks at one replica. Whether answers are sticky and rollouts monotone
//! is noticed while the run goes on, by the books.

use super::Evidence;
use super::words::{grouped, plural};
use crate::kernel::time::Span;
use crate::measure::{EvaluationsMeasured, FlagsMeasured};

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
