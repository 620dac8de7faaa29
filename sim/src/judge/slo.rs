//! Judges objectives: over a window as a whole, or from when on they hold after a timeline edge. Compares what
//! was measured with bounds; measures nothing itself.

use super::Evidence;
use super::grid::{Grid, is_well, lasts_from};
use super::words::{self, Unit};
use crate::kernel::time::{Span, Time};
use crate::measure::{EntryMeasured, SloMeasured};
use crate::scenario::plan::{EntryEdge, LoadId, Metric, Phase, SloPlan, SloWindow, Target};

/// What became of one objective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SloVerdict {
    /// Its id.
    pub id: String,
    /// What was measured: `latency p99`.
    pub metric: String,
    /// On whom: `buyers`, `buyers/buy`, `checkout`, `checkout -> orders-db`.
    pub of: String,
    /// What had to hold: `< 500ms`.
    pub bound: String,
    /// When it had to hold: `30s..5m`, `within 30s after az-split.end`.
    pub window: String,
    /// What `value` counts.
    pub unit: Unit,
    /// Over a window: its value there. After a timeline edge: the value on the grid at the deadline, or how
    /// long the recovery took. `None` where nothing was measured, or the recovery never came.
    pub value: Option<u64>,
    /// Whether it held. An objective that could not be judged counts as held.
    pub held: bool,
    /// Where it did not hold, the start of the first interval of the measuring grid on which it did not.
    pub first_broken: Option<Time>,
    /// After a timeline edge: from when on it held.
    pub held_from: Option<Time>,
    /// Why there was nothing to judge.
    pub not_judged: Option<String>,
}

/// What a checker of one kind of window finds out.
#[derive(Default)]
struct Finding {
    value: Option<u64>,
    held: bool,
    first_broken: Option<Time>,
    held_from: Option<Time>,
    not_judged: Option<String>,
}

impl Finding {
    fn not_judged(reason: String) -> Finding {
        Finding { held: true, not_judged: Some(reason), ..Finding::default() }
    }
}

pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<SloVerdict> {
    let nothing = SloMeasured::default();
    let measured = &evidence.measured.slos;
    let judged = evidence.plan.slos.iter().enumerate();
    judged.map(|(index, slo)| verdict(evidence, slo, measured.get(index).unwrap_or(&nothing))).collect()
}

fn verdict(evidence: &Evidence<'_>, slo: &SloPlan, measured: &SloMeasured) -> SloVerdict {
    let one = One { evidence, slo, measured, grid: Grid::of(&evidence.plan.run) };
    let finding = match (slo.window, slo.metric) {
        (SloWindow::Over { from, .. }, Metric::RecoveryTime) => one.recovery_time(from),
        (SloWindow::Over { from, to }, _) => one.over(from, to),
        (SloWindow::Within { after, .. }, Metric::RecoveryTime) => {
            one.after(after, |edge| one.recovery_time(edge))
        }
        (SloWindow::Within { within, after }, _) => one.after(after, |edge| one.within(edge, within)),
    };
    let unit = Unit::of(slo.metric);
    SloVerdict {
        id: slo.id.clone(),
        metric: words::metric(slo.metric),
        of: words::target(evidence.plan, slo.target),
        bound: words::bound(slo.bound, unit),
        window: words::window(evidence.plan, slo),
        unit,
        value: finding.value,
        held: finding.held,
        first_broken: finding.first_broken,
        held_from: finding.held_from,
        not_judged: finding.not_judged,
    }
}

/// One objective and everything it is judged by.
struct One<'a> {
    evidence: &'a Evidence<'a>,
    slo: &'a SloPlan,
    measured: &'a SloMeasured,
    grid: Grid,
}

/// On an interval with at most so many requests and no value, the requests may simply not have ended yet.
const FEW: u64 = 4;

impl One<'_> {
    /// Over a window as a whole.
    fn over(&self, from: Time, to: Time) -> Finding {
        let window = self.grid.overlapping(from, to.min(self.evidence.ended));
        let held = match self.measured.value {
            Some(value) => self.slo.bound.holds(value),
            None if window.clone().all(|index| self.wanted(index) == 0) => {
                return Finding::not_judged("nothing was asked of it in its window".to_string());
            }
            None => false,
        };
        let broken = |index: &usize| self.state(*index) == Some(false);
        let unanswered = |index: &usize| self.measured.value.is_none() && self.wanted(*index) > 0;
        let first_broken = window.clone().find(broken).or_else(|| window.clone().find(unanswered));
        Finding {
            value: self.measured.value,
            held,
            first_broken: first_broken.filter(|_| !held).map(|index| self.grid.start(index).max(from)),
            ..Finding::default()
        }
    }

    /// Judges with the instant of a timeline edge, if it came.
    fn after(&self, edge: EntryEdge, judge: impl FnOnce(Time) -> Finding) -> Finding {
        let nothing = EntryMeasured::default();
        let entry = self.evidence.measured.entries.get(edge.entry.index()).unwrap_or(&nothing);
        let at = match edge.phase {
            Phase::Start => entry.started,
            Phase::End => entry.ended,
        };
        match at {
            None => Finding::not_judged(format!("`{}` never came", words::edge(self.evidence.plan, edge))),
            Some(at) if self.grid.index(at) >= self.grid.load_end() => Finding::not_judged(format!(
                "the load had ended when `{}` came",
                words::edge(self.evidence.plan, edge)
            )),
            Some(at) => judge(at),
        }
    }

    /// On the grid, `within` after `edge` at the latest, and lasting.
    fn within(&self, edge: Time, within: Span) -> Finding {
        let deadline = edge + within;
        let (first, end) = (self.grid.index(edge), self.grid.load_end());
        let held_from =
            lasts_from(first, end, |index| self.state(index)).map(|index| self.grid.start(index).max(edge));
        let held = held_from.is_some_and(|at| at <= deadline);
        let at_deadline = self.grid.index(deadline).min(end.saturating_sub(1));
        let first_broken =
            (at_deadline..end).chain(first..end).find(|index| self.state(*index) == Some(false));
        Finding {
            value: self.measured.intervals.get(at_deadline).copied().flatten(),
            held,
            first_broken: first_broken.filter(|_| !held).map(|index| self.grid.start(index).max(edge)),
            held_from,
            not_judged: None,
        }
    }

    /// From `edge` until the load is well again.
    fn recovery_time(&self, edge: Time) -> Finding {
        let (first, end) = (self.grid.index(edge), self.grid.load_end());
        let state = |index: usize| match self.slo.target {
            Target::Load(load, _) => self.load_is_well(load, index),
            Target::Service(_) | Target::Edge(_) => None,
        };
        let held_from = lasts_from(first, end, state).map(|index| self.grid.start(index).max(edge));
        let value = held_from.map(|at| at.since(edge).as_nanos());
        let held = value.is_some_and(|value| self.slo.bound.holds(value));
        let first_broken = (first..end).find(|index| state(*index) == Some(false));
        Finding {
            value,
            held,
            first_broken: first_broken.filter(|_| !held).map(|index| self.grid.start(index).max(edge)),
            held_from,
            not_judged: None,
        }
    }

    /// Whether the objective holds on one interval. `None`: nothing to judge there.
    fn state(&self, index: usize) -> Option<bool> {
        match self.measured.intervals.get(index).copied().flatten() {
            Some(value) => Some(self.slo.bound.holds(value)),
            None if self.wanted(index) > FEW => Some(false),
            None => None,
        }
    }

    fn load_is_well(&self, load: LoadId, index: usize) -> Option<bool> {
        is_well(self.evidence.measured.loads.get(load.index())?.intervals.get(index)?)
    }

    /// How much was asked of the target on an interval.
    fn wanted(&self, index: usize) -> u64 {
        let measured = self.evidence.measured;
        let wanted = match self.slo.target {
            Target::Load(load, _) => measured
                .loads
                .get(load.index())
                .and_then(|load| load.intervals.get(index))
                .map(|it| it.offered),
            Target::Service(service) => measured
                .services
                .get(service.index())
                .and_then(|service| service.intervals.get(index))
                .map(|it| it.arrivals),
            Target::Edge(edge) => measured
                .edges
                .get(edge.index())
                .and_then(|edge| edge.intervals.get(index))
                .map(|it| it.requests),
        };
        u64::from(wanted.unwrap_or(0))
    }
}
