//! Whether an answer is what the author of the scenario expects.

use super::answer::{Answer, VerdictKind};
use crate::scenario::plan::Expectation;

/// Notes where the answer differs from `expect.why`.
pub(super) fn compare(answer: &mut Answer, expect: &Expectation) {
    let named = |id: &String| answer.root.iter().any(|root| root.id == *id);
    let mut surprises: Vec<String> = Vec::new();
    let missing = expect.why_root.iter().filter(|id| !named(id));
    surprises
        .extend(missing.map(|id| format!("`{id}` was expected to be named as a root cause and was not")));
    let wrong = expect.why_not_root.iter().filter(|id| named(id));
    surprises.extend(wrong.map(|id| format!("`{id}` was named as a root cause and is none")));
    if answer.verdict.kind == VerdictKind::NotIdentifiable && !expect.why_root.is_empty() {
        surprises.push("the cause was expected to be identifiable".to_string());
    }
    answer.verdict.as_expected = surprises.is_empty();
    answer.verdict.surprises = surprises;
}
