//! In what way attempts ended more often than without the cause, call by call: whether they timed out, waited for a
//! connection in vain, or met an open breaker.

use serde::Serialize;

use crate::measure::OutcomeKind;
use crate::run::Outcome;

/// Attempts over a call that ended in one way more often than without the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Which call.
    pub call: String,
    /// How: `timeout`, `pool_timeout`, `breaker_open`, …
    pub how: &'static str,
    /// How often.
    pub attempts: u64,
    /// How often without the cause.
    pub attempts_without: u64,
}

/// Fewer more than this, of a thousand attempts of all calls, are not worth a word.
const WORTH_PER_MILLE: u64 = 5;

/// Ways in which attempts failed more often, the most frequent first.
pub(super) fn more_often(failed: &Outcome, well: &Outcome) -> Vec<Ended> {
    let all: u64 = failed.measured.edges.iter().map(|edge| edge.ended.iter().sum::<u64>()).sum();
    let mut found: Vec<Ended> = Vec::new();
    for edge in &failed.measured.edges {
        // The run without the cause may have other calls: those of a hop are gone.
        let without = well.measured.edges.iter().find(|other| other.name == edge.name);
        for kind in OutcomeKind::ALL.into_iter().filter(|kind| *kind != OutcomeKind::Ok) {
            let attempts = edge.ended[kind as usize];
            let attempts_without = without.map_or(0, |other| other.ended[kind as usize]);
            if attempts.saturating_sub(attempts_without).saturating_mul(1_000)
                > all.saturating_mul(WORTH_PER_MILLE)
            {
                found.push(Ended { call: edge.name.clone(), how: kind.name(), attempts, attempts_without });
            }
        }
    }
    found.sort_by_key(|ended| std::cmp::Reverse(ended.attempts - ended.attempts_without));
    found
}
