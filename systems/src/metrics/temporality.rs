//! Between running sums and differences (OpenTelemetry: cumulative and delta temporality), across restarts,
//! duplicates and reordering. A difference is never negative. Never guesses what a lost node would have counted.

use crate::time::Time;

/// What one more report of a running sum means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The first report: what was counted before nobody was watching. Not an increase within the time watched.
    First,
    /// Counted since the report before.
    Increase(u64),
    /// The process was restarted in between; this much was counted since. What it counted between the last report
    /// and the restart is lost.
    AfterReset(u64),
    /// Not later than a report already seen: a duplicate or an overtaken one. Counts nothing; the next report
    /// in order makes up for it.
    Stale,
}

impl Delta {
    /// How much to add.
    pub const fn amount(self) -> u64 {
        match self {
            Delta::Increase(amount) | Delta::AfterReset(amount) => amount,
            Delta::First | Delta::Stale => 0,
        }
    }
}

/// Follows one node's running sum and tells the differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CumulativeToDelta {
    last: Option<(Time, u64)>,
    resets: u64,
}

impl CumulativeToDelta {
    /// Nothing reported yet.
    pub const fn new() -> CumulativeToDelta {
        CumulativeToDelta { last: None, resets: 0 }
    }

    /// The running sum was `total` at the node's time `at`. A sum that has fallen means a restart.
    pub fn observe(&mut self, at: Time, total: u64) -> Delta {
        let delta = match self.last {
            None => Delta::First,
            Some((before, _)) if at <= before => return Delta::Stale,
            Some((_, last)) => match total.checked_sub(last) {
                Some(increase) => Delta::Increase(increase),
                None => {
                    self.resets = self.resets.saturating_add(1);
                    Delta::AfterReset(total)
                }
            },
        };
        self.last = Some((at, total));
        delta
    }

    /// Restarts noticed.
    pub const fn resets(&self) -> u64 {
        self.resets
    }
}

/// Adds one node's differences to a running sum that does not fall when the node restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeltaToCumulative {
    total: u64,
    covered_to: Option<Time>,
    refused: u64,
}

impl DeltaToCumulative {
    /// Nothing reported yet.
    pub const fn new() -> DeltaToCumulative {
        DeltaToCumulative { total: 0, covered_to: None, refused: 0 }
    }

    /// `amount` was counted from `start` (excluded) to `end` (included) by the node's clock. Returns whether it was
    /// added: a report that begins before what is already covered would be counted twice.
    pub fn observe(&mut self, start: Time, end: Time, amount: u64) -> bool {
        let overlaps = self.covered_to.is_some_and(|covered| start < covered) || end < start;
        if overlaps {
            self.refused = self.refused.saturating_add(1);
            return false;
        }
        self.covered_to = Some(end);
        self.total = self.total.saturating_add(amount);
        true
    }

    /// The running sum.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Reports not added because they overlap what was added.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}

/// The running sum over many nodes. It never falls, whichever of them restarts or goes silent.
#[derive(Clone, Debug, Default)]
pub struct FleetCounter {
    nodes: Vec<CumulativeToDelta>,
    total: u64,
}

impl FleetCounter {
    /// A fleet of `nodes`, none of which has reported.
    pub fn new(nodes: usize) -> FleetCounter {
        FleetCounter { nodes: vec![CumulativeToDelta::new(); nodes], total: 0 }
    }

    /// Node number `node` reports its running sum; `None` for a number the fleet does not have.
    pub fn observe(&mut self, node: usize, at: Time, total: u64) -> Option<Delta> {
        let delta = self.nodes.get_mut(node)?.observe(at, total);
        self.total = self.total.saturating_add(delta.amount());
        Some(delta)
    }

    /// Counted by all nodes together since each one's first report.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Restarts noticed, over all nodes.
    pub fn resets(&self) -> u64 {
        self.nodes.iter().map(CumulativeToDelta::resets).sum()
    }
}

#[cfg(test)]
mod tests;
