//! Alerts on how fast an error budget is spent, by a long and a short window at once (Google, The Site Reliability
//! Workbook, chapter "Alerting on SLOs"): the long one makes sure that it matters, the short one that it still goes
//! on. Exact integers throughout. Never resolves because the data has stopped.

use super::alert::{Alert, AlertChange, AlertConfig, Condition};
use crate::time::{Span, Time};
use std::fmt;

/// How loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody looks at it on the next working day.
    Ticket,
    /// Somebody is woken.
    Page,
}

/// One pair of windows with the burn rate both have to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnRateRule {
    /// How loud.
    pub severity: Severity,
    /// The long window.
    pub long: Span,
    /// The short window, shorter than the long one.
    pub short: Span,
    /// How many times faster than sustainable, in thousandths.
    pub burn_milli: u32,
    /// Patience, and what missing data means.
    pub alert: AlertConfig,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

impl BurnRateRule {
    /// The workbook's rules for a period of 30 days: 2 % of the budget in an hour, 5 % in six hours, 10 % in three
    /// days.
    pub const WORKBOOK: [BurnRateRule; 3] = [
        BurnRateRule::preset(Severity::Page, HOUR, 5 * MINUTE, 14_400),
        BurnRateRule::preset(Severity::Page, 6 * HOUR, 30 * MINUTE, 6_000),
        BurnRateRule::preset(Severity::Ticket, 72 * HOUR, 6 * HOUR, 1_000),
    ];

    const fn preset(severity: Severity, long_s: u64, short_s: u64, burn_milli: u32) -> BurnRateRule {
        let alert = AlertConfig {
            hold_for: Span::ZERO,
            keep_firing_for: Span::ZERO,
            no_data: super::alert::NoDataPolicy::KeepState,
        };
        let (long, short) = (Span::from_secs(long_s), Span::from_secs(short_s));
        BurnRateRule { severity, long, short, burn_milli, alert }
    }
}

/// What may fail, and which rules watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurnRateConfig {
    /// Share of the events that may be bad, in parts per million: 1 000 for 99.9 %. 1 to 999 999.
    pub budget_ppm: u32,
    /// The rules; at least one.
    pub rules: Vec<BurnRateRule>,
}

/// Why a config is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BurnRateError {
    /// No budget, or everything may be bad.
    Budget {
        /// As asked for.
        budget_ppm: u32,
    },
    /// No rule at all.
    NoRules,
    /// A short window that is not shorter than the long one, or too short to be divided.
    Windows {
        /// Number of the rule, from 0.
        rule: usize,
    },
    /// Factor 0, or so high that even a total outage does not reach it.
    Unreachable {
        /// Number of the rule, from 0.
        rule: usize,
    },
}

impl fmt::Display for BurnRateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BurnRateError::Budget { budget_ppm } => {
                write!(f, "a budget of {budget_ppm} ppm: use 1 to 999999; 1000 is an objective of 99.9 %")
            }
            BurnRateError::NoRules => f.write_str("no rule: use the three of the workbook"),
            BurnRateError::Windows { rule } => {
                write!(
                    f,
                    "rule {rule}: the short window has to be shorter than the long one, and longer than 60 ns: \
                     a twelfth is usual"
                )
            }
            BurnRateError::Unreachable { rule } => {
                write!(
                    f,
                    "rule {rule}: not even a total outage burns this fast, or nothing burns slower: \
                     use less than 1 / budget, and more than 0"
                )
            }
        }
    }
}

impl std::error::Error for BurnRateError {}

/// Steps of a short window. The long one moves in the same steps.
const STEPS: u64 = 60;
/// A long window of more short ones than this is refused: its ring would be too long.
const MAX_RATIO: u64 = 1_000;

impl BurnRateConfig {
    /// The workbook's rules for an objective that leaves `budget_ppm`.
    pub fn workbook(budget_ppm: u32) -> BurnRateConfig {
        BurnRateConfig { budget_ppm, rules: BurnRateRule::WORKBOOK.to_vec() }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`BurnRateError`] names what is out of range.
    pub fn validate(&self) -> Result<(), BurnRateError> {
        if !(1..=999_999).contains(&self.budget_ppm) {
            return Err(BurnRateError::Budget { budget_ppm: self.budget_ppm });
        }
        if self.rules.is_empty() {
            return Err(BurnRateError::NoRules);
        }
        for (rule, BurnRateRule { long, short, burn_milli, .. }) in self.rules.iter().enumerate() {
            let (long_ns, short_ns) = (long.as_nanos(), short.as_nanos());
            if short_ns < STEPS || short_ns >= long_ns || long_ns / short_ns > MAX_RATIO {
                return Err(BurnRateError::Windows { rule });
            }
            let needed = u64::from(*burn_milli) * u64::from(self.budget_ppm);
            if needed == 0 || needed >= 1_000_000_000 {
                return Err(BurnRateError::Unreachable { rule });
            }
        }
        Ok(())
    }
}

/// Events, and how many of them were bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Those that spend the budget.
    pub bad: u64,
    /// All.
    pub total: u64,
}

impl Outcomes {
    fn add(&mut self, other: Outcomes) {
        self.bad = self.bad.saturating_add(other.bad);
        self.total = self.total.saturating_add(other.total);
    }

    /// How many times faster than sustainable the budget was spent, in thousandths, rounded down; `None` without
    /// events.
    pub fn burn_milli(&self, budget_ppm: u32) -> Option<u64> {
        let spent = u128::from(self.bad) * 1_000_000_000;
        let sustainable = u128::from(self.total) * u128::from(budget_ppm);
        Some(u64::try_from(spent.checked_div(sustainable)?).unwrap_or(u64::MAX))
    }

    /// Whether the budget was spent more than `burn_milli` thousandths as fast as sustainable. Exact.
    pub fn burns_faster(&self, budget_ppm: u32, burn_milli: u32) -> bool {
        // A saturated count can have seen more bad than all.
        let factor = u128::from(budget_ppm) * u128::from(burn_milli);
        u128::from(self.bad) * 1_000_000_000 > u128::from(self.total).saturating_mul(factor)
    }
}

/// A change of one rule's alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurnRateChange {
    /// Number of the rule in the config, from 0.
    pub rule: usize,
    /// How loud.
    pub severity: Severity,
    /// What has changed.
    pub change: AlertChange,
}

/// One rule at work: a ring of steps, of which the short window takes the latest.
#[derive(Clone, Debug)]
struct Watch {
    rule: BurnRateRule,
    step_ns: u64,
    /// Number of the step being filled, since the origin of time.
    current: u64,
    ring: Vec<Outcomes>,
    alert: Alert,
}

impl Watch {
    fn new(rule: BurnRateRule) -> Watch {
        let step_ns = rule.short.as_nanos() / STEPS;
        let steps = rule.long.as_nanos().div_ceil(step_ns) as usize;
        let ring = vec![Outcomes::default(); steps];
        Watch { rule, step_ns, current: 0, ring, alert: Alert::new(rule.alert) }
    }

    fn advance(&mut self, now: Time) {
        let arrived = now.as_nanos() / self.step_ns;
        let steps = self.ring.len() as u64;
        let passed = arrived.saturating_sub(self.current).min(steps);
        for step in arrived.saturating_sub(passed)..arrived {
            self.ring[((step + 1) % steps) as usize] = Outcomes::default();
        }
        self.current = self.current.max(arrived);
    }

    fn record(&mut self, now: Time, outcomes: Outcomes) {
        self.advance(now);
        let place = (self.current % self.ring.len() as u64) as usize;
        self.ring[place].add(outcomes);
    }

    /// The latest `steps` steps, the one being filled included.
    fn latest(&self, steps: u64) -> Outcomes {
        let length = self.ring.len() as u64;
        let mut sum = Outcomes::default();
        for back in 0..steps.min(length) {
            let place = (self.current % length + length - back) % length;
            sum.add(self.ring[place as usize]);
        }
        sum
    }

    fn condition(&self, budget_ppm: u32) -> Condition {
        let (long, short) = (self.latest(u64::MAX), self.latest(STEPS));
        if short.total == 0 {
            return Condition::NoData;
        }
        let burns = |window: &Outcomes| window.burns_faster(budget_ppm, self.rule.burn_milli);
        if burns(&long) && burns(&short) { Condition::Holds } else { Condition::Clear }
    }
}

/// The burn-rate alerts of one objective.
///
/// Recording takes no memory and no more time than there are rules; evaluating takes the length of the windows.
#[derive(Clone, Debug)]
pub struct BurnRateAlerts {
    budget_ppm: u32,
    watches: Vec<Watch>,
}

impl BurnRateAlerts {
    /// No events yet, nothing fires.
    ///
    /// # Errors
    /// [`BurnRateError`] names what is out of range.
    pub fn new(config: &BurnRateConfig) -> Result<BurnRateAlerts, BurnRateError> {
        config.validate()?;
        let watches = config.rules.iter().copied().map(Watch::new).collect();
        Ok(BurnRateAlerts { budget_ppm: config.budget_ppm, watches })
    }

    /// Events that happened by now. A clock that goes back records into the latest step seen.
    pub fn record(&mut self, now: Time, outcomes: Outcomes) {
        for watch in &mut self.watches {
            watch.record(now, outcomes);
        }
    }

    /// Looks at all rules, and tells those that begin or cease to fire. `told` is called for each.
    pub fn evaluate(&mut self, now: Time, mut told: impl FnMut(BurnRateChange)) {
        for (rule, watch) in self.watches.iter_mut().enumerate() {
            watch.advance(now);
            let condition = watch.condition(self.budget_ppm);
            if let Some(change) = watch.alert.evaluate(now, condition) {
                told(BurnRateChange { rule, severity: watch.rule.severity, change });
            }
        }
    }

    /// Whether a rule fires; `false` for one that is not there.
    pub fn is_firing(&self, rule: usize) -> bool {
        self.watches.get(rule).is_some_and(|watch| watch.alert.is_firing())
    }

    /// The events in the long and in the short window of a rule as of the latest record or evaluation.
    pub fn windows(&self, rule: usize) -> Option<(Outcomes, Outcomes)> {
        let watch = self.watches.get(rule)?;
        Some((watch.latest(u64::MAX), watch.latest(STEPS)))
    }
}

#[cfg(test)]
mod tests;
