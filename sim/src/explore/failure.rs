//! In what way did a run fail? Two runs fail in the same way if the same things broke in the same order.

use std::fmt;

use crate::judge::{Judgement, LIVENESS_ID, STOP_ID};
use crate::kernel::time::Time;

/// What failed in a run, in the order in which it was first seen broken; what the end of a run shows comes last.
/// Times are not part of it: the same failure may come earlier or later.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailureFingerprint {
    /// Ids of objectives and invariants, `liveness`, `stop`. Empty if nothing failed.
    pub failing: Vec<String>,
}

impl FailureFingerprint {
    /// How a run failed that was judged so.
    pub fn of(judgement: &Judgement) -> FailureFingerprint {
        let slos =
            judgement.slos.iter().filter(|slo| !slo.held).map(|slo| (slo.first_broken, slo.id.as_str()));
        let invariants = judgement.invariants.iter().filter(|invariant| !invariant.held);
        let invariants = invariants.map(|invariant| (invariant.first, invariant.id.as_str()));
        let at_end =
            judgement.failing.iter().map(String::as_str).filter(|id| [LIVENESS_ID, STOP_ID].contains(id));
        let mut failing: Vec<(Option<Time>, &str)> = slos.chain(invariants).collect();
        failing.sort_by_key(|&(first, id)| (first.unwrap_or(Time::MAX), id));
        failing.extend(at_end.map(|id| (None, id)));
        FailureFingerprint { failing: failing.into_iter().map(|(_, id)| id.to_string()).collect() }
    }

    /// Whether nothing failed.
    pub fn is_pass(&self) -> bool {
        self.failing.is_empty()
    }
}

impl fmt::Display for FailureFingerprint {
    /// `p99, then errors, then liveness`; `nothing` for a run that passed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_pass() {
            true => f.write_str("nothing"),
            false => f.write_str(&self.failing.join(", then ")),
        }
    }
}
