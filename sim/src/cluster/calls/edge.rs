//! The state of one edge at one caller replica: policies in force, breaker, limiter, budget, gates.

use std::sync::Arc;

use foreshock_systems::bulkhead::Bulkhead;
use foreshock_systems::circuit_breaker::{Breaker, BreakerRejection, Permit, Recorded, State, Transition};
use foreshock_systems::retry::{Budget, RetryConfig};

use super::super::core::{Engine, Event};
use super::super::limiter::RateLimiter;
use super::super::node::NodeId;
use super::super::slab::Ref;
use super::bound::CallBound;
use super::pacing::Pacing;
use crate::kernel::agenda::Handle;
use crate::kernel::draw::{Key, Seed, name_hash};
use crate::kernel::time::{Span, Time};
use crate::measure::{CallVerdict, OutcomeKind};
use crate::scenario::plan::{
    BreakerScope, CallPolicy, EdgeId, EdgePlan, EntryId, LinkId, OutcomeSet, ServiceId,
};

/// Places that attempts wait for: a bulkhead or a pool of connections, of one caller replica.
pub(crate) struct Gate {
    pub(crate) places: Bulkhead<Ref>,
    pub(crate) longest_wait: Option<Span>,
    /// Places by the settings; leaks take some away.
    pub(crate) size: u32,
    pub(crate) leak_entry: Option<EntryId>,
}

/// A chance that an attempt's connection breaks.
pub(crate) struct ResetChance {
    pub(crate) share_ppm: u32,
    pub(crate) key: Key,
    pub(crate) entry: EntryId,
}

/// One edge at one caller replica.
pub(crate) struct EdgeState {
    pub(crate) edge: EdgeId,
    pub(crate) owner: NodeId,
    pub(crate) callee: ServiceId,
    pub(crate) request_link: LinkId,
    pub(crate) balancer: u32,
    pub(crate) policy: CallPolicy,
    /// Attempts are multiplied by this; above 1 back-off and budget are dropped.
    pub(crate) storm_factor: u32,
    pub(crate) storm_entry: Option<EntryId>,
    storm_rule: RetryConfig,
    breakers: Vec<Breaker>,
    /// Spreads their open times.
    pub(crate) breaker_key: Key,
    breaker_timer: Handle,
    /// What the timer is armed for, on the caller's clock.
    breaker_due: Option<Time>,
    pub(crate) limiter: Option<RateLimiter>,
    pub(crate) budget: Option<Budget>,
    pub(crate) pacing: Option<Box<Pacing>>,
    pub(crate) bound: Option<Box<CallBound>>,
    pub(crate) bulkhead: Option<u32>,
    pub(crate) pool: Option<u32>,
    pub(crate) resets: Vec<ResetChance>,
    /// Shortest time in which an attempt succeeded so far.
    pub(crate) fastest: Span,
    pub(crate) name_hash: u64,
    pub(crate) occurrence: u32,
    pub(crate) backoff_key: Key,
}

impl EdgeState {
    pub(crate) fn new(
        seed: Seed,
        plan: &EdgePlan,
        edge: EdgeId,
        owner: NodeId,
        identity: &str,
        balancer: u32,
    ) -> EdgeState {
        EdgeState {
            edge,
            owner,
            callee: plan.callee,
            request_link: plan.request_link,
            balancer,
            policy: CallPolicy::default(),
            storm_factor: 1,
            storm_entry: None,
            storm_rule: RetryConfig::NEVER,
            breakers: Vec::new(),
            breaker_key: Key::derive(seed, &format!("edge/{}", plan.name), "breaker"),
            breaker_timer: Handle::NONE,
            breaker_due: None,
            limiter: None,
            budget: None,
            pacing: None,
            bound: None,
            bulkhead: None,
            pool: None,
            resets: Vec::new(),
            fastest: Span::MAX,
            name_hash: name_hash(identity),
            occurrence: plan.occurrence,
            backoff_key: Key::derive(seed, &format!("edge/{}", plan.name), "backoff"),
        }
    }

    /// Follows new settings; what did not change keeps its state.
    pub(crate) fn take_policy(&mut self, policy: &CallPolicy, endpoints: u32, local: Time) {
        match (&self.policy.breaker, &policy.breaker) {
            (Some(old), Some(new)) if old.scope == new.scope => {
                for breaker in &mut self.breakers {
                    breaker.reconfigure(new.config.clone(), local);
                }
            }
            (_, Some(new)) => {
                let count = if new.scope == BreakerScope::Edge { 1 } else { endpoints };
                let key = self.breaker_key;
                let breaker = |at| Breaker::new(new.config.clone()).with_seed(key.draw(u64::from(at)));
                self.breakers = (0..count).map(breaker).collect();
            }
            (_, None) => self.breakers.clear(),
        }
        match (&mut self.limiter, policy.rate_limit) {
            (Some(limiter), Some(plan)) => limiter.reconfigure(plan.rule, local),
            (limiter, plan) => *limiter = plan.map(|plan| RateLimiter::new(plan.rule, local)),
        }
        CallBound::follow(&mut self.bound, self.policy.concurrency, policy.concurrency);
        match (&mut self.budget, policy.retry.as_ref().and_then(|retry| retry.budget)) {
            (Some(budget), Some(config)) => budget.reconfigure(config, local),
            (budget, config) => *budget = config.map(Budget::new),
        }
        let before = self.policy.retry.as_ref().and_then(|retry| retry.adaptive);
        let adaptive = policy.retry.as_ref().and_then(|retry| retry.adaptive);
        if adaptive != before {
            match &mut self.pacing {
                Some(pacing) => pacing.reconfigure(adaptive),
                pacing => *pacing = adaptive.map(|config| Box::new(Pacing::new(config))),
            }
        }
        self.policy = policy.clone();
        self.set_storm(self.storm_factor, self.storm_entry);
    }

    /// The process that calls is gone, and with it what it had learned: breakers are closed, budgets and limits full.
    /// Its settings stay, and what faults do to it.
    fn forget(&mut self, endpoints: u32, local: Time) {
        let nothing = CallPolicy { concurrency: self.policy.concurrency, ..CallPolicy::default() };
        let policy = std::mem::replace(&mut self.policy, nothing);
        (self.limiter, self.budget, self.pacing) = (None, None, None);
        self.fastest = Span::MAX;
        if let (Some(bound), Some(plan)) = (&mut self.bound, policy.concurrency) {
            bound.restart(plan);
        }
        self.take_policy(&policy, endpoints, local);
    }

    /// Multiplies attempts and drops back-off; 1 ends it.
    pub(crate) fn set_storm(&mut self, factor: u32, entry: Option<EntryId>) {
        self.storm_factor = factor.max(1);
        self.storm_entry = entry;
        let attempts = self.policy.retry.as_ref().map_or(1, |retry| retry.config.max_attempts);
        self.storm_rule =
            RetryConfig { max_attempts: attempts.saturating_mul(self.storm_factor), ..RetryConfig::NEVER };
    }

    /// The rule for a further attempt, and whether this outcome is worth one.
    pub(super) fn retry_rule(&self, outcome: OutcomeKind) -> (RetryConfig, bool) {
        let retry_on = self.policy.retry.as_ref().map_or_else(default_retryable, |retry| retry.retry_on);
        let retryable = retry_on.contains(outcome);
        if self.storm_factor > 1 {
            return (self.storm_rule, retryable);
        }
        match &self.policy.retry {
            Some(retry) => (retry.config, retryable),
            None => (RetryConfig::NEVER, retryable),
        }
    }

    #[inline]
    pub(super) fn has_endpoint_breakers(&self) -> bool {
        !self.breakers.is_empty()
            && self.policy.breaker.as_ref().is_some_and(|breaker| breaker.scope == BreakerScope::Endpoint)
    }

    #[inline]
    pub(super) fn acquire_edge_permit(&mut self, local: Time) -> Result<Option<Permit>, BreakerRejection> {
        if self.breakers.is_empty() || self.has_endpoint_breakers() {
            return Ok(None);
        }
        match self.breakers.first_mut() {
            Some(breaker) => breaker.try_acquire(local).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn acquire_endpoint_permit(
        &mut self,
        replica: u32,
        local: Time,
    ) -> Result<Permit, BreakerRejection> {
        self.breakers[replica as usize].try_acquire(local)
    }

    pub(super) fn record_edge_breaker(
        &mut self,
        local: Time,
        permit: Permit,
        recorded: Recorded,
        taken: Span,
    ) {
        if let Some(breaker) = self.breakers.first_mut() {
            breaker.record(local, permit, recorded, taken);
        }
    }

    pub(super) fn record_breaker(
        &mut self,
        replica: u32,
        local: Time,
        permit: Permit,
        recorded: Recorded,
        taken: Span,
    ) {
        if self.has_endpoint_breakers() {
            if let Some(breaker) = self.breakers.get_mut(replica as usize) {
                breaker.record(local, permit, recorded, taken);
            }
        } else {
            self.record_edge_breaker(local, permit, recorded, taken);
        }
    }

    /// What the rate limit says to an attempt; `None` if there is none.
    #[inline]
    pub(super) fn ask_limiter(&mut self, local: Time) -> Option<CallVerdict> {
        let (limiter, plan) = (self.limiter.as_mut()?, self.policy.rate_limit?);
        Some(match limiter.acquire(local, 1, plan.max_wait) {
            Ok(wait) => CallVerdict::Passed {
                near_limit: limiter.is_near_limit(local),
                waited: if plan.shadow { Span::ZERO } else { wait },
            },
            Err(_) if plan.shadow => CallVerdict::WouldRefuse,
            Err(_) => CallVerdict::Refused,
        })
    }

    fn take_transition(&mut self) -> Option<Transition> {
        self.breakers.iter_mut().find_map(Breaker::take_transition)
    }

    fn breaker_deadline(&self) -> Option<Time> {
        self.breakers.iter().filter_map(Breaker::deadline).min()
    }
}

/// What is worth another attempt where nothing is stated.
pub(crate) fn default_retryable() -> OutcomeSet {
    OutcomeSet::of(&[
        OutcomeKind::Error,
        OutcomeKind::Rejected,
        OutcomeKind::Timeout,
        OutcomeKind::Refused,
        OutcomeKind::Reset,
    ])
}

impl Engine<'_> {
    /// The process of a node is gone, and with it what it had learned of those it calls.
    pub(crate) fn forget_callees_of(&mut self, owner: NodeId) {
        let node = &self.core.nodes[owner.index()];
        let (local, plan) = (node.clock.local(self.now), Arc::clone(&node.plan));
        let mut index = node.edge_base as usize;
        while let Some(state) = self.core.edge_states.get_mut(index).filter(|state| state.owner == owner) {
            state.forget(plan.services[state.callee.index()].max_replicas, local);
            self.watch_breaker(index);
            index += 1;
        }
    }

    /// Counts what the breakers of an edge did and arms their next transition by time.
    #[inline(always)]
    pub(crate) fn watch_breaker(&mut self, index: usize) {
        if !self.core.edge_states[index].breakers.is_empty() {
            self.watch_breakers_of(index);
        }
    }

    fn watch_breakers_of(&mut self, index: usize) {
        let state = &mut self.core.edge_states[index];
        while let Some(transition) = state.take_transition() {
            self.core.recorder.breaker_transition(state.edge, transition, self.now);
            if transition.to == State::Open {
                self.core.opened.push(state.edge);
            }
        }
        let deadline = state.breaker_deadline();
        if deadline == state.breaker_due {
            return;
        }
        state.breaker_due = deadline;
        let local = self.core.nodes[state.owner.index()].clock.local(self.now);
        self.agenda.cancel(state.breaker_timer);
        // The breaker's deadline is on its own clock.
        state.breaker_timer = deadline.map_or(Handle::NONE, |at| {
            self.agenda.schedule(self.now + at.since(local), Event::Breaker(index as u32))
        });
    }

    /// A breaker's time has come.
    pub(crate) fn breaker_due(&mut self, index: usize) {
        let state = &mut self.core.edge_states[index];
        let local = self.core.nodes[state.owner.index()].clock.local(self.now);
        state.breaker_timer = Handle::NONE;
        state.breaker_due = None;
        for breaker in &mut state.breakers {
            breaker.expire(local);
        }
        self.watch_breaker(index);
    }
}
