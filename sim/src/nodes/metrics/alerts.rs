//! Alerts on what was collected: evaluated from time to time, by the collector's clock. That data is missing neither
//! fires nor resolves one, unless the settings say so.

use foreshock_systems::metrics::burn_rate::{
    BurnRateAlerts, BurnRateConfig, BurnRateRule, Outcomes, Severity,
};
use foreshock_systems::metrics::{Accumulator, Alert, AlertChange, AlertConfig, Condition, NoDataPolicy};

use super::life::Addition;
use super::settings::{AlertSettings, RuleSettings};
use crate::kernel::time::{Span, Time};
use crate::measure::WindowTold;

/// The config of one rule.
pub(super) fn burn_rate_config(
    budget_ppm: u32,
    (long, short): (Span, Span),
    burn_milli: u32,
) -> BurnRateConfig {
    let alert = AlertConfig::default();
    let rule = BurnRateRule { severity: Severity::Page, long, short, burn_milli, alert };
    BurnRateConfig { budget_ppm, rules: vec![rule] }
}

/// One alert at work.
pub(super) struct Watched {
    pub(super) settings: AlertSettings,
    /// Position of the service among those that report.
    pub(super) source: usize,
    /// When it was first evaluated.
    begun: Option<Time>,
    state: State,
}

enum State {
    P99 {
        alert: Alert,
        latest: Option<(Time, u64)>,
    },
    /// For the service, or for each replica.
    Burn(Vec<Unit>),
}

/// The error budget of a service or a replica.
#[derive(Clone)]
struct Unit {
    rates: BurnRateAlerts,
    alert: Alert,
    recorded_at: Option<Time>,
}

impl Unit {
    /// What its windows show as of the last report: between two reports nothing is known, which is no change.
    fn condition(
        &self,
        now: Time,
        patience: Span,
        burns: impl Fn(&Outcomes) -> bool,
        well: Condition,
    ) -> Condition {
        let is_recent = self.recorded_at.is_some_and(|at| now.since(at) <= patience);
        match self.rates.windows(0).filter(|(_, short)| is_recent && short.total > 0) {
            None => Condition::NoData,
            Some((long, short)) if burns(&long) && burns(&short) => Condition::Holds,
            Some(_) => well,
        }
    }
}

impl Watched {
    pub(super) fn new(settings: AlertSettings, source: usize, replicas: usize) -> Watched {
        let config = AlertConfig {
            hold_for: settings.hold_for,
            keep_firing_for: settings.keep_firing_for,
            no_data: settings.no_data,
        };
        let state = match settings.rule {
            RuleSettings::P99Above(_) => State::P99 { alert: Alert::new(config), latest: None },
            RuleSettings::Burn { budget_ppm, long, short, burn_milli, by_replica, .. } => {
                let rates = burn_rate_config(budget_ppm, (long, short), burn_milli);
                let rates = BurnRateAlerts::new(&rates).expect("the settings were checked");
                let units = if by_replica { replicas } else { 1 };
                State::Burn(vec![Unit { rates, alert: Alert::new(config), recorded_at: None }; units])
            }
        };
        Watched { settings, source, begun: None, state }
    }

    /// A report was taken.
    pub(super) fn record(&mut self, now: Time, replica: u32, addition: &Addition) {
        let (RuleSettings::Burn { slower_than, by_replica, .. }, State::Burn(units)) =
            (self.settings.rule, &mut self.state)
        else {
            return;
        };
        let outcomes = match slower_than {
            Some(slow) => {
                Outcomes { bad: addition.latency.slower_than(slow), total: addition.latency.count() }
            }
            None => Outcomes { bad: addition.errors, total: addition.requests },
        };
        let unit = if by_replica { replica as usize } else { 0 };
        if let Some(unit) = units.get_mut(unit) {
            unit.rates.record(now, outcomes);
            unit.recorded_at = Some(now);
        }
    }

    /// A window was told.
    pub(super) fn window_told(&mut self, now: Time, told: &WindowTold) {
        if let State::P99 { latest, .. } = &mut self.state {
            *latest = Some((now, told.p99_ns));
        }
    }

    /// Whether anything it looks at was ever told.
    fn has_data(&self) -> bool {
        match &self.state {
            State::P99 { latest, .. } => latest.is_some(),
            State::Burn(units) => units.iter().any(|unit| unit.recorded_at.is_some()),
        }
    }

    /// Looks whether the alert changes. `is_missing`: a replica that was heard of is silent; `patience`: how long what
    /// was told last still counts.
    pub(super) fn evaluate(
        &mut self,
        now: Time,
        is_missing: bool,
        patience: Span,
        mut changed: impl FnMut(AlertChange),
    ) {
        // Nobody can have reported yet: that is how things begin, and no reason for an alert on silence.
        if now.since(*self.begun.get_or_insert(now)) <= patience && !self.has_data() {
            return;
        }
        // What is missing could be what is bad: all is well only where nothing is missing.
        let well = match (is_missing, self.settings.no_data) {
            (true, NoDataPolicy::KeepState | NoDataPolicy::Fire) => Condition::NoData,
            (true, NoDataPolicy::Resolve) | (false, _) => Condition::Clear,
        };
        match (&mut self.state, self.settings.rule) {
            (State::P99 { alert, latest }, RuleSettings::P99Above(above)) => {
                let condition = match latest {
                    Some((told_at, _)) if now.since(*told_at) > patience => Condition::NoData,
                    Some((_, p99_ns)) if *p99_ns > above.as_nanos() => Condition::Holds,
                    Some(_) => well,
                    None => Condition::NoData,
                };
                alert.evaluate(now, condition).into_iter().for_each(changed);
            }
            (State::Burn(units), RuleSettings::Burn { budget_ppm, burn_milli, by_replica, .. }) => {
                let well = if by_replica { Condition::Clear } else { well };
                let burns = |window: &Outcomes| window.burns_faster(budget_ppm, burn_milli);
                for unit in units {
                    let condition = unit.condition(now, patience, burns, well);
                    unit.alert.evaluate(now, condition).into_iter().for_each(&mut changed);
                }
            }
            (State::P99 { .. }, RuleSettings::Burn { .. }) | (State::Burn(_), RuleSettings::P99Above(_)) => {}
        }
    }
}
