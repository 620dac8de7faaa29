//! After the last fault ended: when was each load well again, and if one was not, what stands in its way.
//! Always computed; it decides the verdict only where the scenario asks for it.

use super::Evidence;
use super::grid::{Grid, LASTING_INTERVALS, is_well, lasts_from};
use crate::kernel::time::{Span, Time};
use crate::measure::LoadMeasured;
use crate::scenario::plan::Action;

/// How the loads fared after the last fault had ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// The longest time allowed, if the scenario has one.
    pub required: Option<Span>,
    /// Id of the fault that ended last.
    pub last_fault: Option<String>,
    /// When it ended. `None` if there was no fault, or one was still active at the end of the run.
    pub last_fault_ended: Option<Time>,
    /// One for each load of the plan; empty where `last_fault_ended` is `None`.
    pub loads: Vec<LoadRecovery>,
    /// Whether every load that could be judged was well again in the time allowed.
    pub held: bool,
    /// What stands in the way of a load that was not well again before the load ended.
    pub blocker: Option<Blocker>,
    /// Why a recovery that the scenario asks for could not be judged.
    pub not_judged: Option<String>,
}

/// How one load fared after the last fault had ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadRecovery {
    /// Its name.
    pub load: String,
    /// From when on it was well again for five intervals of the measuring grid.
    pub recovered_at: Option<Time>,
    /// Whether it was well when the load ended.
    pub well_at_end: bool,
    /// Whether there were any requests to judge by.
    pub judged: bool,
    /// How long the last intervals of the load are together.
    pub end_lasts: Span,
    /// Requests offered in them.
    pub offered_at_end: u64,
    /// Requests that ended well in them, whenever they were offered.
    pub good_at_end: u64,
}

/// What stands in the way of a recovery, as it was when the load ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The service with the most requests waiting, or the busiest if none waits.
    pub service: String,
    /// How many wait there.
    pub waiting: u64,
    /// The busy share of its workers.
    pub utilization_ppm: u32,
    /// The edge with the most attempts for each call, if any makes more than one.
    pub edge: Option<String>,
    /// How many, in thousandths.
    pub attempts_per_call_milli: u64,
}

pub(super) fn judge(evidence: &Evidence<'_>) -> Liveness {
    let required = evidence.plan.liveness.map(|liveness| liveness.recovered_within);
    let unjudged = |reason: &str| Liveness {
        required,
        held: true,
        not_judged: required.map(|_| reason.to_string()),
        ..Liveness::default()
    };
    let (last_fault, ended) = match last_fault(evidence) {
        LastFault::None => return unjudged("there was no fault"),
        LastFault::Active(id) => return unjudged(&format!("`{id}` was still active when the run ended")),
        LastFault::Ended(id, at) => (id, at),
    };
    let grid = Grid::of(&evidence.plan.run);
    let loads: Vec<LoadRecovery> =
        evidence.measured.loads.iter().map(|load| recovery(load, grid, ended)).collect();
    let in_time = |load: &LoadRecovery| {
        let took = load.recovered_at.map(|at| at.since(ended));
        !load.judged || took.is_some_and(|took| required.is_none_or(|within| took <= within))
    };
    let held = required.is_none() || loads.iter().all(in_time);
    let blocked = loads.iter().any(|load| load.judged && (load.recovered_at.is_none() || !load.well_at_end));
    let nobody = loads.iter().all(|load| !load.judged);
    Liveness {
        required,
        last_fault: Some(last_fault),
        last_fault_ended: Some(ended),
        held,
        blocker: if blocked { blocker(evidence, grid) } else { None },
        not_judged: required
            .filter(|_| nobody)
            .map(|_| "no load was offered any more when the last fault ended".to_string()),
        loads,
    }
}

enum LastFault {
    None,
    Active(String),
    Ended(String, Time),
}

fn last_fault(evidence: &Evidence<'_>) -> LastFault {
    let mut last = LastFault::None;
    for (entry, measured) in evidence.plan.timeline.iter().zip(&evidence.measured.entries) {
        let is_fault = match &entry.action {
            Action::Fault(_) => true,
            Action::Deploy(_)
            | Action::Config(_)
            | Action::Flag(_)
            | Action::Scale { .. }
            | Action::Publish(_)
            | Action::ExtraHop { .. }
            | Action::Rollback { .. } => false,
        };
        if !is_fault || measured.started.is_none() {
            continue;
        }
        let Some(ended) = measured.ended else {
            return LastFault::Active(entry.id.clone());
        };
        let later = match &last {
            LastFault::Ended(_, at) => ended > *at,
            LastFault::None | LastFault::Active(_) => true,
        };
        if later {
            last = LastFault::Ended(entry.id.clone(), ended);
        }
    }
    last
}

fn recovery(load: &LoadMeasured, grid: Grid, ended: Time) -> LoadRecovery {
    let end = grid.load_end().min(load.intervals.len());
    let from = grid.index(ended);
    let state = |index: usize| load.intervals.get(index).and_then(is_well);
    let first = end.saturating_sub(LASTING_INTERVALS).max(from);
    let last = load.intervals.get(first..end).unwrap_or(&[]);
    LoadRecovery {
        load: load.name.clone(),
        recovered_at: lasts_from(from, end, state).map(|index| grid.start(index).max(ended)),
        well_at_end: last.iter().all(|interval| is_well(interval) != Some(false)),
        judged: (from..end).any(|index| state(index).is_some()),
        end_lasts: grid.start(end).since(grid.start(first)),
        offered_at_end: last.iter().map(|interval| u64::from(interval.offered)).sum(),
        good_at_end: last.iter().map(|interval| u64::from(interval.good)).sum(),
    }
}

/// Who is in the way when the load ends.
fn blocker(evidence: &Evidence<'_>, grid: Grid) -> Option<Blocker> {
    let end = grid.load_end();
    let (edge, attempts_per_call_milli) = most_attempts(evidence, end).unwrap_or_default();
    let services = evidence.measured.services.iter();
    let at_end = services.filter_map(|service| {
        let known = service.intervals.get(..end.min(service.intervals.len()))?;
        known.last().map(|interval| (service, interval))
    });
    let (service, interval) = at_end.fold(None, |worst, candidate| {
        let rank = |(_, interval): &(_, &crate::measure::ServiceInterval)| {
            (interval.queue, interval.utilization_ppm)
        };
        match worst {
            Some(worst) if rank(&candidate) <= rank(&worst) => Some(worst),
            Some(_) | None => Some(candidate),
        }
    })?;
    Some(Blocker {
        service: service.name.clone(),
        waiting: u64::from(interval.queue),
        utilization_ppm: interval.utilization_ppm,
        edge,
        attempts_per_call_milli,
    })
}

/// The edge with the most attempts for each call in the last intervals of the load, if any makes more than one.
fn most_attempts(evidence: &Evidence<'_>, end: usize) -> Option<(Option<String>, u64)> {
    let mut most: Option<(Option<String>, u64)> = None;
    for edge in &evidence.measured.edges {
        let end = end.min(edge.intervals.len());
        let last = edge.intervals.get(end.saturating_sub(LASTING_INTERVALS)..end).unwrap_or(&[]);
        let requests: u64 = last.iter().map(|interval| u64::from(interval.requests)).sum();
        let attempts: u64 = last.iter().map(|interval| u64::from(interval.attempts)).sum();
        if requests == 0 {
            continue;
        }
        let milli = attempts.saturating_mul(1000) / requests;
        if milli > 1000 && most.as_ref().is_none_or(|(_, most)| milli > *most) {
            most = Some((Some(edge.name.clone()), milli));
        }
    }
    most
}
