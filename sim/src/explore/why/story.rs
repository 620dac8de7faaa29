//! The answer in one sentence.

use super::answer::{Answer, Root, VerdictKind};

/// What to tell somebody who reads one line only.
pub(super) fn sentence(answer: &Answer) -> String {
    let failing = listed(&answer.verdict.failing);
    let roots: Vec<String> = answer.root.iter().map(named).collect();
    match answer.verdict.kind {
        VerdictKind::Held => "Nothing failed: there is nothing to explain.".to_string(),
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
            format!("{failing} fails on a quiet day too: the design does it, by {}.", roots.join(" and "))
        }
        VerdictKind::NothingMatters => {
            format!("{failing} fails on a quiet day too, and nothing on the list matters.")
        }
        VerdictKind::NotIdentifiable => format!(
            "{failing}: the cause is not identifiable at this load, which is near a tipping point: {} of {} seeds \
             fail, {} of these for the same cause{}.",
            answer.confidence.failed,
            answer.confidence.seeds,
            answer.confidence.agreeing,
            if roots.is_empty() {
                String::new()
            } else {
                format!(" (under this seed: {})", roots.join(", "))
            }
        ),
    }
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
