//! When a condition is worth waking somebody: an alert waits before it fires and before it resolves, and missing
//! data does not resolve it. Never evaluates a condition itself, and never sends anything.

use crate::time::{Span, Time};

/// What an evaluation has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It holds.
    Holds,
    /// It does not.
    Clear,
    /// There is no data to tell by.
    NoData,
}

/// What missing data means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoDataPolicy {
    /// Nothing: the alert stays as it is.
    #[default]
    KeepState,
    /// As if the condition did not hold. A node that dies takes its alerts with it.
    Resolve,
    /// As if the condition held. For what has to be heard from.
    Fire,
}

/// How patient an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertConfig {
    /// How long the condition has to hold before the alert fires (`for`).
    pub hold_for: Span,
    /// How long a firing alert stays after the condition has last held (`keep_firing_for`).
    pub keep_firing_for: Span,
    /// What missing data means.
    pub no_data: NoDataPolicy,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// All is well, as far as anybody knows.
    Inactive,
    /// The condition holds, but not for long enough.
    Pending {
        /// Since when.
        since: Time,
    },
    /// Somebody is to be told.
    Firing {
        /// Since when.
        since: Time,
    },
}

/// What an evaluation has changed, if it is worth telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertChange {
    /// It fires from now on.
    Fired,
    /// It no longer fires.
    Resolved,
}

/// One alert.
#[derive(Clone, Copy, Debug)]
pub struct Alert {
    config: AlertConfig,
    state: AlertState,
    last_held: Time,
}

impl Alert {
    /// An inactive alert.
    pub const fn new(config: AlertConfig) -> Alert {
        Alert { config, state: AlertState::Inactive, last_held: Time::ZERO }
    }

    /// Where it stands.
    pub const fn state(&self) -> AlertState {
        self.state
    }

    /// Whether it fires.
    pub const fn is_firing(&self) -> bool {
        matches!(self.state, AlertState::Firing { .. })
    }

    /// The condition was evaluated at `now`.
    pub fn evaluate(&mut self, now: Time, condition: Condition) -> Option<AlertChange> {
        let holds = match (condition, self.config.no_data) {
            (Condition::NoData, NoDataPolicy::KeepState) => return None,
            (Condition::NoData, NoDataPolicy::Fire) | (Condition::Holds, _) => true,
            (Condition::NoData, NoDataPolicy::Resolve) | (Condition::Clear, _) => false,
        };
        if holds { self.held(now) } else { self.did_not_hold(now) }
    }

    fn held(&mut self, now: Time) -> Option<AlertChange> {
        self.last_held = self.last_held.max(now);
        let since = match self.state {
            AlertState::Firing { .. } => return None,
            AlertState::Pending { since } => since,
            AlertState::Inactive => now,
        };
        if now.since(since) < self.config.hold_for {
            self.state = AlertState::Pending { since };
            return None;
        }
        self.state = AlertState::Firing { since: now };
        Some(AlertChange::Fired)
    }

    fn did_not_hold(&mut self, now: Time) -> Option<AlertChange> {
        match self.state {
            AlertState::Inactive => None,
            AlertState::Pending { .. } => {
                self.state = AlertState::Inactive;
                None
            }
            AlertState::Firing { .. } if now.since(self.last_held) < self.config.keep_firing_for => None,
            AlertState::Firing { .. } => {
                self.state = AlertState::Inactive;
                Some(AlertChange::Resolved)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: AlertConfig, steps: &[(u64, Condition)]) -> Vec<(u64, AlertChange)> {
        let mut alert = Alert::new(config);
        let at = |s: u64| Time::ZERO + Span::from_secs(s);
        steps.iter().filter_map(|(s, found)| Some((*s, alert.evaluate(at(*s), *found)?))).collect()
    }

    use AlertChange::{Fired, Resolved};
    use Condition::{Clear, Holds, NoData};

    #[test]
    fn it_fires_after_holding_for_long_enough_and_a_break_starts_the_wait_anew() {
        let config = AlertConfig { hold_for: Span::from_secs(10), ..AlertConfig::default() };
        let steps = [
            (0, Holds),
            (5, Holds),
            (9, Clear),
            (10, Holds),
            (19, Holds),
            (20, Holds),
            (30, Holds),
            (31, Clear),
        ];
        assert_eq!(told(config, &steps), [(20, Fired), (31, Resolved)]);
    }

    #[test]
    fn it_stays_for_a_while_after_the_condition_has_last_held() {
        let config = AlertConfig { keep_firing_for: Span::from_secs(60), ..AlertConfig::default() };
        let steps = [(0, Holds), (30, Clear), (50, Holds), (80, Clear), (109, Clear), (110, Clear)];
        assert_eq!(told(config, &steps), [(0, Fired), (110, Resolved)]);
    }

    #[test]
    fn missing_data_means_what_the_policy_says() {
        let steps = [(0, Holds), (10, NoData), (20, Clear), (30, NoData), (40, Clear)];
        let cases = [
            (NoDataPolicy::KeepState, vec![(0, Fired), (20, Resolved)]),
            (NoDataPolicy::Resolve, vec![(0, Fired), (10, Resolved)]),
            (NoDataPolicy::Fire, vec![(0, Fired), (20, Resolved), (30, Fired), (40, Resolved)]),
        ];
        for (no_data, expected) in cases {
            assert_eq!(
                told(AlertConfig { no_data, ..AlertConfig::default() }, &steps),
                expected,
                "{no_data:?}"
            );
        }
    }

    #[test]
    fn a_clock_that_goes_back_neither_fires_nor_resolves_before_its_time() {
        let config = AlertConfig {
            hold_for: Span::from_secs(5),
            keep_firing_for: Span::from_secs(5),
            ..AlertConfig::default()
        };
        let steps = [(100, Holds), (10, Holds), (105, Holds), (50, Clear), (109, Clear), (110, Clear)];
        assert_eq!(told(config, &steps), [(105, Fired), (110, Resolved)]);
    }
}
