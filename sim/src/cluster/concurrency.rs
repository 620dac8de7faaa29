//! A bound on how many may be under way at once, as services and calls use it: fixed, or found by an algorithm of
//! `foreshock-systems`. Never queues, and never finds a bound by itself.

use foreshock_systems::rate_limiter::concurrency::{
    Aimd, AimdConfig, CallOutcome, ConcurrencyLimit, Fixed, Gradient, GradientConfig, InFlight,
    LimitAlgorithm, Vegas, VegasConfig,
};

use crate::kernel::time::Time;
use crate::scenario::plan::{ConcurrencyKind, ConcurrencyPlan};

/// The bound, with the lowest value it ever had: that outlives the process, since it is the harness that asks for it.
#[derive(Debug)]
pub(crate) struct ConcurrencyBound {
    plan: ConcurrencyPlan,
    limit: ConcurrencyLimit,
    lowest: u32,
}

/// What one more is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It has a place, which it has to give back.
    Inside(InFlight),
    /// There was none, and the bound only counts.
    Uncounted,
    /// There was none.
    Refused,
}

impl ConcurrencyBound {
    /// Nothing under way. `lowest` is what a former life has come to.
    pub(crate) fn new(plan: ConcurrencyPlan, lowest: Option<u32>) -> ConcurrencyBound {
        let limit = ConcurrencyLimit::new(plan.bounds, algorithm(plan.kind));
        let limit = limit.expect("the plan's limits were checked");
        let lowest = lowest.unwrap_or(u32::MAX).min(limit.limit());
        ConcurrencyBound { plan, limit, lowest }
    }

    /// Follows new settings: of the same kind it goes on from where it is, of another it begins anew.
    pub(crate) fn follow(bound: &mut Option<ConcurrencyBound>, plan: Option<ConcurrencyPlan>) {
        match (&mut *bound, plan) {
            (Some(bound), Some(plan)) if bound.plan.kind == plan.kind => {
                bound.limit.reconfigure(plan.bounds).expect("the plan's limits were checked");
                bound.lowest = bound.lowest.min(bound.limit.limit());
                bound.plan = plan;
            }
            (former, plan) => {
                let lowest = former.as_ref().map(ConcurrencyBound::lowest);
                *bound = plan.map(|plan| ConcurrencyBound::new(plan, lowest));
            }
        }
    }

    /// Whether one more would be refused.
    pub(crate) fn is_full(&self) -> bool {
        !self.plan.shadow && self.limit.in_flight() >= self.limit.limit()
    }

    /// A place for one more.
    pub(crate) fn enter(&mut self, local: Time) -> Entered {
        match self.limit.try_acquire(local) {
            Ok(place) => Entered::Inside(place),
            Err(_) if self.plan.shadow => Entered::Uncounted,
            Err(_) => Entered::Refused,
        }
    }

    /// One has left; the bound learns from how it fared.
    pub(crate) fn leave(&mut self, local: Time, place: InFlight, outcome: CallOutcome) {
        self.limit.release(local, place, outcome);
        self.lowest = self.lowest.min(self.limit.limit());
    }

    /// How many may be under way at present.
    pub(crate) const fn limit(&self) -> u32 {
        self.limit.limit()
    }

    /// The lowest it ever was.
    pub(crate) const fn lowest(&self) -> u32 {
        self.lowest
    }
}

fn algorithm(kind: ConcurrencyKind) -> Box<dyn LimitAlgorithm> {
    match kind {
        ConcurrencyKind::Fixed => Box::new(Fixed),
        ConcurrencyKind::Aimd { backoff_ppm, slow_call } => {
            Box::new(Aimd::new(AimdConfig { beta_ppm: backoff_ppm, slow_call }))
        }
        ConcurrencyKind::Vegas => Box::new(Vegas::new(VegasConfig::default())),
        ConcurrencyKind::Gradient2 { tolerance_milli, long_window, queue } => {
            let usual = GradientConfig::default();
            Box::new(Gradient::new(GradientConfig { tolerance_milli, long_window, queue, ..usual }))
        }
    }
}
