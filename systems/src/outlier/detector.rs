//! The detector: counts what callers see of each endpoint, ejects outliers within the cap, lets them back in.

use super::config::OutlierConfig;
use super::rules::{CallCounts, OutlierRule};
use crate::arithmetic::{WHOLE_PPM, keyed_word, uniform};
use crate::time::{Span, Time};
use std::collections::VecDeque;

/// Why an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EjectionReason {
    /// Too many failures without a success between them.
    ConsecutiveFailures,
    /// It succeeded much less often than the others.
    SuccessRate,
    /// It failed too often.
    FailurePercentage,
    /// The driver said so.
    Command,
}

/// An endpoint went out of rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Which.
    pub endpoint: usize,
    /// When.
    pub at: Time,
    /// When it comes back.
    pub until: Time,
    /// Ejections held against it, this one included.
    pub times: u32,
    /// Why.
    pub reason: EjectionReason,
}

/// How many ejections are kept for the driver to take.
const PENDING: usize = 64;

#[derive(Clone, Copy, Debug, Default)]
struct Endpoint {
    failures_in_a_row: u32,
    /// Calls since the latest sweep.
    counts: CallCounts,
    /// Ejections, less those forgiven; as of the beginning of the latest.
    times_ejected: u32,
    /// End of the latest ejection; [`Time::ZERO`] if there was none.
    ejected_until: Time,
}

/// Watches the endpoints of one callee.
///
/// The law of driving it: [`record`](Self::record) each result; ask [`is_ejected`](Self::is_ejected) before
/// choosing an endpoint. Where a rule judges at sweeps, call [`expire`](Self::expire) when
/// [`deadline`](Self::deadline) is due; without that, the next result sweeps.
#[derive(Clone, Debug)]
pub struct OutlierDetector {
    config: OutlierConfig,
    seed: u64,
    endpoints: Vec<Endpoint>,
    latest: Time,
    next_sweep: Option<Time>,
    sweeps: u64,
    ejections: u64,
    pending: VecDeque<Ejection>,
    lost: u64,
}

impl OutlierDetector {
    /// `endpoints` endpoints, all in rotation, named 0, 1, 2 and so on.
    pub fn new(config: OutlierConfig, endpoints: usize) -> OutlierDetector {
        OutlierDetector {
            config,
            seed: 0,
            endpoints: vec![Endpoint::default(); endpoints],
            latest: Time::ZERO,
            next_sweep: None,
            sweeps: 0,
            ejections: 0,
            pending: VecDeque::new(),
            lost: 0,
        }
    }

    /// The same with a random word of its own, from which it is drawn whether an outlier is ejected.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> OutlierDetector {
        OutlierDetector { seed, ..self }
    }

    /// A call to an endpoint ended; `true` if that ejects it. What comes in about an endpoint already ejected
    /// was sent before, and does not count. O(1), but O(endpoints) for a failure that could eject, and for the
    /// first result after a sweep is due.
    pub fn record(&mut self, now: Time, endpoint: usize, ok: bool) -> bool {
        self.latest = self.latest.max(now);
        if self.config.sweeps() {
            self.sweep_if_due(now);
        }
        let Some(this) = self.endpoints.get_mut(endpoint).filter(|this| this.ejected_until <= now) else {
            return false;
        };
        let count = if ok { &mut this.counts.succeeded } else { &mut this.counts.failed };
        *count = count.saturating_add(1);
        this.failures_in_a_row = if ok { 0 } else { this.failures_in_a_row.saturating_add(1) };
        let limit = self.config.consecutive_failures;
        if ok || limit == 0 || this.failures_in_a_row < limit {
            return false;
        }
        self.eject_within_cap(now, endpoint, EjectionReason::ConsecutiveFailures)
    }

    /// When the next sweep is due, if a rule judges at sweeps. The first is an interval after the first result.
    pub fn deadline(&self) -> Option<Time> {
        self.next_sweep.filter(|at| self.config.sweeps() && *at < Time::MAX)
    }

    /// Sweeps, if that is due: judges the calls since the latest sweep and forgets them. A sweep that was missed
    /// is not made up for.
    pub fn expire(&mut self, now: Time) {
        self.latest = self.latest.max(now);
        if self.config.sweeps() && self.next_sweep.is_some() {
            self.sweep_if_due(now);
        }
    }

    /// Ejects the endpoints that a rule of the driver's own calls outliers, by the calls since the latest sweep
    /// and within the cap, and returns how many. Forgets nothing.
    pub fn eject_outliers(&mut self, now: Time, rule: &dyn OutlierRule) -> usize {
        let counts = self.counts();
        self.eject_worst_first(now, &counts, rule, WHOLE_PPM, EjectionReason::Command)
    }

    /// Whether an endpoint is out of rotation. One that does not exist is not.
    pub fn is_ejected(&self, now: Time, endpoint: usize) -> bool {
        self.endpoints.get(endpoint).is_some_and(|this| now < this.ejected_until)
    }

    /// When an endpoint comes back into rotation, if it is out of it.
    pub fn ejected_until(&self, now: Time, endpoint: usize) -> Option<Time> {
        self.endpoints.get(endpoint).map(|this| this.ejected_until).filter(|until| now < *until)
    }

    /// Endpoints out of rotation. O(endpoints).
    pub fn ejected(&self, now: Time) -> usize {
        self.endpoints.iter().filter(|this| now < this.ejected_until).count()
    }

    /// Endpoints that may be out of rotation at once.
    pub fn max_ejected(&self) -> usize {
        self.config.max_ejected(self.endpoints.len())
    }

    /// Whether less than `threshold_ppm` of the endpoints are in rotation: a balancer that follows the panic
    /// rule then uses all of them, ejected or not (Envoy: 500000). O(endpoints).
    pub fn in_panic(&self, now: Time, threshold_ppm: u32) -> bool {
        let all = self.endpoints.len() as u64;
        let in_rotation = all - self.ejected(now) as u64;
        u128::from(in_rotation) * u128::from(WHOLE_PPM)
            < u128::from(all) * u128::from(threshold_ppm.min(WHOLE_PPM))
    }

    /// Calls to an endpoint since the latest sweep; none if it does not exist.
    pub fn call_counts(&self, endpoint: usize) -> CallCounts {
        self.endpoints.get(endpoint).map_or_else(CallCounts::default, |this| this.counts)
    }

    /// Endpoints watched.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Ejections so far.
    pub const fn ejections(&self) -> u64 {
        self.ejections
    }

    /// The oldest ejection not yet taken. Of more than 64 the oldest are lost.
    pub fn take_ejection(&mut self) -> Option<Ejection> {
        self.pending.pop_front()
    }

    /// Ejections the driver did not take in time.
    pub const fn lost_ejections(&self) -> u64 {
        self.lost
    }

    /// Follows the number of endpoints. New ones are in rotation; the highest go. Where fewer endpoints may
    /// be ejected now than are, those that would be back first come back at once.
    pub fn resize(&mut self, endpoints: usize) {
        self.endpoints.resize(endpoints, Endpoint::default());
        self.release_surplus();
    }

    /// Follows a new config. Ejections under way keep their length, but for those above a lower share.
    pub fn reconfigure(&mut self, config: OutlierConfig) {
        if config.interval != self.config.interval || config.sweeps() != self.config.sweeps() {
            self.next_sweep = None;
        }
        self.config = config;
        self.release_surplus();
    }

    /// An endpoint is another process now: nothing is held against it.
    pub fn forget(&mut self, endpoint: usize) {
        if let Some(this) = self.endpoints.get_mut(endpoint) {
            *this = Endpoint::default();
        }
    }

    fn counts(&self) -> Vec<CallCounts> {
        self.endpoints.iter().map(|this| this.counts).collect()
    }

    fn sweep_if_due(&mut self, now: Time) {
        let interval = self.config.interval.max(Span::from_nanos(1));
        match self.next_sweep {
            Some(due) if now < due || due == Time::MAX => return,
            Some(_) => self.sweep(now),
            None => {}
        }
        self.next_sweep = Some(now + interval);
    }

    fn sweep(&mut self, now: Time) {
        let counts = self.counts();
        if let Some(rule) = self.config.success_rate {
            self.eject_worst_first(now, &counts, &rule, rule.enforced_ppm, EjectionReason::SuccessRate);
        }
        if let Some(rule) = self.config.failure_percentage {
            self.eject_worst_first(now, &counts, &rule, rule.enforced_ppm, EjectionReason::FailurePercentage);
        }
        self.sweeps = self.sweeps.wrapping_add(1);
        for this in &mut self.endpoints {
            this.counts = CallCounts::default();
        }
    }

    /// Where the cap does not take all, the worst go: those with the largest share of failures.
    fn eject_worst_first(
        &mut self,
        now: Time,
        counts: &[CallCounts],
        rule: &dyn OutlierRule,
        enforced_ppm: u32,
        reason: EjectionReason,
    ) -> usize {
        let mut outliers = Vec::new();
        rule.outliers(counts, &mut outliers);
        outliers.retain(|endpoint| *endpoint < counts.len() && !self.is_ejected(now, *endpoint));
        let failing = |endpoint: usize| {
            let this = counts[endpoint];
            u128::from(this.failed) * u128::from(u64::MAX) / u128::from(this.total().max(1))
        };
        outliers.sort_by_key(|endpoint| (std::cmp::Reverse(failing(*endpoint)), *endpoint));
        outliers.dedup();
        let before = self.ejections;
        for endpoint in outliers {
            let word = keyed_word(keyed_word(self.seed, self.sweeps), endpoint as u64);
            if uniform(word, 0, u64::from(WHOLE_PPM) - 1) < u64::from(enforced_ppm) {
                self.eject_within_cap(now, endpoint, reason);
            }
        }
        (self.ejections - before) as usize
    }

    fn eject_within_cap(&mut self, now: Time, endpoint: usize, reason: EjectionReason) -> bool {
        if self.ejected(now) >= self.max_ejected() {
            return false;
        }
        let config = self.config;
        let forgiven_after = config.forgiven_after.unwrap_or(config.base_ejection).as_nanos().max(1);
        let this = &mut self.endpoints[endpoint];
        let forgiven = now.since(this.ejected_until).as_nanos() / forgiven_after;
        let held_against = u64::from(this.times_ejected).saturating_sub(forgiven) as u32;
        this.times_ejected = held_against.saturating_add(1);
        this.ejected_until = now + config.ejection(this.times_ejected);
        this.failures_in_a_row = 0;
        let (until, times) = (this.ejected_until, this.times_ejected);
        self.ejections += 1;
        if self.pending.len() == PENDING {
            self.pending.pop_front();
            self.lost += 1;
        }
        self.pending.push_back(Ejection { endpoint, at: now, until, times, reason });
        true
    }

    fn release_surplus(&mut self) {
        let latest = self.latest;
        let mut surplus = self.ejected(latest).saturating_sub(self.max_ejected());
        while surplus > 0 {
            let ejected = self.endpoints.iter_mut().filter(|this| latest < this.ejected_until);
            if let Some(first_back) = ejected.min_by_key(|this| this.ejected_until) {
                first_back.ejected_until = latest;
            }
            surplus -= 1;
        }
    }
}
