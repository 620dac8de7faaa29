//! The answer in one sentence.

use super::answer::{Answer, Root, VerdictKind};

/// What to tell somebody who reads one line only.
pub(super) fn sentence(answer: &Answer) -> String {
    let failing = listed(&answer.verdict.failing);
    let fail = if answer.verdict.failing.len() == 1 { "fails" } else { "fail" };
    let roots: Vec<String> = answer.root.iter().map(named).collect();
    match answer.verdict.kind {
        VerdictKind::Held => HELD.to_string(),
        VerdictKind::Cause if answer.minimal.len() > 1 => {
            format!("{failing} failed because of {}: each alone is enough.", roots.join(" and of "))
        }
        VerdictKind::Cause if roots.len() > 1 => format!(
            "{failing} failed because of {} together: without any one of them nothing fails.",
            roots.join(" and ")
        ),
        VerdictKind::Cause => format!("{failing} failed because of {}.", roots.join(" and ")),
        VerdictKind::LoadGrowth => format!(
            "{failing} failed because the load grew ({}); no fault and no change is needed for it.",
            roots.join(", ")
        ),
        VerdictKind::Design => {
            format!("{failing} {fail} on a quiet day too: the design does it, by {}.", roots.join(" and "))
        }
        VerdictKind::NothingMatters => format!(
            "{failing} {fail} on a quiet day too, and no event, growth of a load or policy is what does it alone."
        ),
        VerdictKind::NotIdentifiable => not_identifiable(answer, &failing, &roots),
    }
}

/// What is said where nothing failed.
pub(super) const HELD: &str = "Nothing failed: there is nothing to explain.";
/// What is said where nothing failed and the scenario has no objective.
pub(super) const NOTHING_ASKED: &str =
    "Nothing failed, but no objective says what would be a failure: add one under `slo`.";

fn not_identifiable(answer: &Answer, failing: &str, roots: &[String]) -> String {
    let sure = &answer.confidence;
    let here =
        if roots.is_empty() { String::new() } else { format!(" (under this seed: {})", roots.join(", ")) };
    let (seeds, failed, agreeing) = (sure.seeds, sure.failed, sure.agreeing);
    if failed == seeds {
        return format!(
            "{failing}: the cause is not identifiable: all {seeds} seeds fail, and {agreeing} of these for the same \
             cause{here}."
        );
    }
    format!(
        "{failing}: the cause is not identifiable at this load, which is near a tipping point: {failed} of {seeds} \
         seeds fail, {agreeing} of these for the same cause{here}."
    )
}

fn named(root: &Root) -> String {
    let what = root.kind.replace('_', " ");
    match root.settings.as_slice() {
        [] => format!("`{}` ({what})", root.id),
        settings => format!("`{}` ({what}: {})", root.id, settings.join(", ")),
    }
}

fn listed(ids: &[String]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
