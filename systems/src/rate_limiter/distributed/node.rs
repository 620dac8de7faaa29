//! A node of a distributed limiter: decides alone where it may, asks the store where it must, and falls back when the
//! store does not answer. Holds no request: each is decided at once or gets a ticket.

use super::super::{Inherit, RetryAt};
use super::counter::Counter;
use super::share::Share;
use super::{DistributedError, FromStore, NodeConfig, OnStoreError, SharedLimit, SyncMode, ToStore};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// A check that waits for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What a check is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The decision.
    Decided(Decision),
    /// The decision comes from [`LimiterNode::poll_decision`], at the latest after the time-out.
    Asked(Ticket),
}

/// Whether a request passes, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it passes, or when to try again.
    pub verdict: Result<(), RetryAt>,
    /// Who says so.
    pub by: DecidedBy,
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The store.
    Store,
    /// The node, out of what the store granted before.
    Node,
    /// A refusal of the store that is remembered.
    Remembered,
    /// The node without the store, as [`OnStoreError`] says.
    Fallback,
}

/// What a node has met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Messages to the store that were not answered in time.
    pub store_errors: u64,
    /// Answers that came too late.
    pub late_answers: u64,
    /// Checks decided without the store because it does not answer.
    pub fallback_decisions: u64,
    /// Checks refused by a remembered refusal.
    pub remembered_refusals: u64,
}

/// A refusal of the store: holds for this cost or more from one instant to the other.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    cost: u64,
    from: Time,
    until: Time,
}

/// What a node knows of a key.
#[derive(Clone, Debug, Default)]
struct KeyState {
    /// Permits of a batch, and until when they may be used.
    batch: u64,
    batch_until: Time,
    refusal: Option<Refusal>,
    /// Used while the store does not answer.
    fallback: Option<Counter>,
    replica: Replica,
}

/// The node's part of a key under delayed sync.
#[derive(Clone, Debug, Default)]
struct Replica {
    part: Option<Share>,
    /// When the store's knowledge in `part` was asked for: it is no older than that.
    asked_at: Time,
    used_total: u64,
    confirmed_total: u64,
    /// The report under way.
    report: Option<Report>,
    /// Whether anything was asked of it since the last sync.
    in_use: bool,
}

impl Replica {
    /// Whether there is something to tell the store.
    const fn concerns_store(&self) -> bool {
        self.part.is_some() || self.in_use || self.used_total != self.confirmed_total
    }
}

#[derive(Clone, Copy, Debug)]
struct Report {
    request: u64,
    used_total: u64,
    leaving: bool,
}

#[derive(Clone, Copy, Debug)]
enum Pending {
    Take { key: u64, cost: u64 },
    Report { key: u64, asked_at: Time },
}

/// A node's part of a distributed limiter.
#[derive(Clone, Debug)]
pub struct LimiterNode {
    config: NodeConfig,
    keys: BTreeMap<u64, KeyState>,
    /// Keys left when idle ones were last dropped.
    kept: usize,
    next_request: u64,
    /// What the store has been asked, with the latest time for an answer; all wait equally long, so the first asked
    /// is the first due.
    pending: BTreeMap<u64, (Time, Pending)>,
    /// Checks that wait for the first part of their key.
    waiting: Vec<(Ticket, u64, u64)>,
    next_sync: Option<Time>,
    /// Until when the store is left alone.
    store_down: Option<(Time, Time)>,
    messages: VecDeque<ToStore>,
    decisions: VecDeque<(Ticket, Decision)>,
    stats: NodeStats,
}

/// Fewer keys than this are not searched for idle ones.
const FEW_KEYS: usize = 16;

impl LimiterNode {
    /// Knows nothing yet.
    ///
    /// # Errors
    /// As from [`NodeConfig::validate`].
    pub fn new(config: NodeConfig) -> Result<LimiterNode, DistributedError> {
        config.validate()?;
        Ok(LimiterNode {
            config,
            keys: BTreeMap::new(),
            kept: 0,
            next_request: 0,
            pending: BTreeMap::new(),
            waiting: Vec::new(),
            next_sync: None,
            store_down: None,
            messages: VecDeque::new(),
            decisions: VecDeque::new(),
            stats: NodeStats::default(),
        })
    }

    /// Takes `cost` permits of a key, or asks the store for them.
    pub fn check(&mut self, now: Time, key: u64, cost: u64) -> Answer {
        self.drop_idle(now);
        if let Some(decision) = self.decide_alone(now, key, cost) {
            return Answer::Decided(decision);
        }
        if self.store_is_down(now) {
            return Answer::Decided(self.fall_back(now, key, cost));
        }
        let ticket = Ticket(self.next_request);
        match self.config.mode {
            SyncMode::Central | SyncMode::Batching { .. } => {
                let request = self.ask(now, Pending::Take { key, cost });
                let wanted = match self.config.mode {
                    SyncMode::Batching { batch, .. } => batch.max(cost),
                    SyncMode::Central | SyncMode::DelayedSync { .. } => cost,
                };
                self.messages.push_back(ToStore::Take { request, key, cost, wanted });
            }
            SyncMode::DelayedSync { every } => {
                // The ticket's number may not be given to a report as well.
                self.next_request += 1;
                self.waiting.push((ticket, key, cost));
                self.report(now, key, false);
                self.next_sync = self.next_sync.or(now.checked_add(every));
            }
        }
        Answer::Asked(ticket)
    }

    /// Takes an answer of the store in.
    pub fn handle(&mut self, now: Time, answer: FromStore) {
        self.store_down = None;
        let Some((_, pending)) = self.pending.remove(&answer.request()) else {
            // Its check has been decided; what it grants is not used.
            self.stats.late_answers += 1;
            return;
        };
        match (pending, answer) {
            (Pending::Take { key, cost }, FromStore::Granted { request, permits }) => {
                let decision = Decision { verdict: Ok(()), by: DecidedBy::Store };
                self.decisions.push_back((Ticket(request), decision));
                self.keep_batch(now, key, permits.saturating_sub(cost));
            }
            (Pending::Take { key, cost }, FromStore::Refused { request, retry_at }) => {
                let decision = Decision { verdict: Err(retry_at), by: DecidedBy::Store };
                self.decisions.push_back((Ticket(request), decision));
                if self.config.cache_refusals {
                    let refusal = Refusal { cost, from: now, until: now + retry_at.0 };
                    self.keys.entry(key).or_default().refusal = Some(refusal);
                }
            }
            (Pending::Report { key, asked_at }, FromStore::Part { request, permits }) => {
                self.take_part(now, key, request, asked_at, permits);
            }
            // An answer that does not fit its question: as good as none.
            (Pending::Take { .. }, FromStore::Part { .. })
            | (Pending::Report { .. }, FromStore::Granted { .. } | FromStore::Refused { .. }) => {
                self.give_up(now, answer.request(), pending);
            }
        }
    }

    /// The next message for the store.
    pub fn poll_message(&mut self) -> Option<ToStore> {
        self.messages.pop_front()
    }

    /// The next decision on a check that got a ticket.
    pub fn poll_decision(&mut self) -> Option<(Ticket, Decision)> {
        self.decisions.pop_front()
    }

    /// When [`expire`](Self::expire) has to be called.
    pub fn deadline(&self) -> Option<Time> {
        let first_due = self.pending.values().map(|(due, _)| *due).next();
        first_due.into_iter().chain(self.next_sync).min()
    }

    /// Does what is due: decides on what the store did not answer, and syncs.
    pub fn expire(&mut self, now: Time) {
        while let Some((request, (due, pending))) = self.pending.first_key_value()
            && is_due(*due, now, self.config.timeout)
        {
            let (request, pending) = (*request, *pending);
            self.pending.remove(&request);
            self.stats.store_errors += 1;
            self.store_down = now.checked_add(self.config.retry_store_after).map(|until| (now, until));
            self.give_up(now, request, pending);
        }
        if let SyncMode::DelayedSync { every } = self.config.mode
            && self.next_sync.is_some_and(|due| is_due(due, now, every))
        {
            self.sync(now, every);
        }
    }

    /// Follows a new config. What was granted before stays until it is used or too old.
    ///
    /// # Errors
    /// As from [`NodeConfig::validate`]; nothing is changed then.
    pub fn reconfigure(&mut self, now: Time, config: NodeConfig) -> Result<(), DistributedError> {
        config.validate()?;
        self.config = config;
        self.next_sync = self.next_sync.filter(|_| matches!(config.mode, SyncMode::DelayedSync { .. }));
        let (alone, limit) = (self.alone(), config.limit);
        for state in self.keys.values_mut() {
            state.fallback.iter_mut().for_each(|counter| counter.reconfigure(alone, now, Inherit::Keep));
            state.replica.part = state.replica.part.take().and_then(|part| part.followed(limit, now));
        }
        Ok(())
    }

    /// What it has met so far.
    pub const fn stats(&self) -> NodeStats {
        self.stats
    }

    /// Keys it knows something of.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it knows nothing of any key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The decision, if what the node has suffices for one.
    fn decide_alone(&mut self, now: Time, key: u64, cost: u64) -> Option<Decision> {
        let max_age = self.max_age();
        let until_sync = self.next_sync.map_or(Span::ZERO, |due| due.since(now));
        let state = self.keys.get_mut(&key)?;
        if let Some(Refusal { cost: refused, from, until }) = state.refusal
            && cost >= refused
            && (from..until).contains(&now)
        {
            self.stats.remembered_refusals += 1;
            let verdict = Err(RetryAt(until.since(now)));
            return Some(Decision { verdict, by: DecidedBy::Remembered });
        }
        if let SyncMode::Batching { .. } = self.config.mode {
            let left = state.batch.checked_sub(cost).filter(|_| now < state.batch_until)?;
            state.batch = left;
            return Some(Decision { verdict: Ok(()), by: DecidedBy::Node });
        }
        let replica = &mut state.replica;
        // What is known may be too old, or from before the clock went back.
        let fresh = now >= replica.asked_at && now.since(replica.asked_at) <= max_age;
        let part = replica.part.as_mut().filter(|_| fresh)?;
        let verdict = part.check(now, cost, &self.config.limit, until_sync);
        replica.in_use = true;
        replica.used_total = replica.used_total.saturating_add(if verdict.is_ok() { cost } else { 0 });
        Some(Decision { verdict, by: DecidedBy::Node })
    }

    /// Decides without the store.
    fn fall_back(&mut self, now: Time, key: u64, cost: u64) -> Decision {
        self.stats.fallback_decisions += 1;
        let alone = self.alone();
        let verdict = match self.config.on_store_error {
            OnStoreError::Unlimited => Ok(()),
            OnStoreError::Closed if cost == 0 => Ok(()),
            OnStoreError::Closed => {
                let wait = self.store_down.map_or(Span::ZERO, |(_, until)| until.since(now));
                Err(RetryAt(wait.max(Span::from_nanos(1))))
            }
            OnStoreError::Open | OnStoreError::Local => {
                let fallback = &mut self.keys.entry(key).or_default().fallback;
                fallback.get_or_insert_with(|| Counter::new(alone, now)).check(now, cost)
            }
        };
        Decision { verdict, by: DecidedBy::Fallback }
    }

    /// The limit a node has when it is alone.
    fn alone(&self) -> SharedLimit {
        match self.config.on_store_error {
            OnStoreError::Local => self.config.limit.divided(self.config.nodes),
            OnStoreError::Open | OnStoreError::Closed | OnStoreError::Unlimited => self.config.limit,
        }
    }

    /// How old the store's knowledge may be: from one sync to the answer to the next.
    fn max_age(&self) -> Span {
        match self.config.mode {
            SyncMode::DelayedSync { every } => every + self.config.timeout,
            SyncMode::Central | SyncMode::Batching { .. } => Span::ZERO,
        }
    }

    fn store_is_down(&self, now: Time) -> bool {
        self.store_down.is_some_and(|(from, until)| (from..until).contains(&now))
    }

    fn ask(&mut self, now: Time, pending: Pending) -> u64 {
        let request = self.next_request;
        self.next_request += 1;
        self.pending.insert(request, (now + self.config.timeout, pending));
        request
    }

    /// Reports what was used of a key unless a report is under way.
    fn report(&mut self, now: Time, key: u64, leaving: bool) {
        let replica = &mut self.keys.entry(key).or_default().replica;
        replica.in_use = !leaving;
        if replica.report.is_some() {
            return;
        }
        let (used_total, confirmed_total) = (replica.used_total, replica.confirmed_total);
        replica.report = Some(Report { request: self.next_request, used_total, leaving });
        let request = self.ask(now, Pending::Report { key, asked_at: now });
        let nodes = self.config.nodes;
        let message = ToStore::Report { request, key, used_total, confirmed_total, nodes, leaving };
        self.messages.push_back(message);
    }

    /// Reports every key in use, takes leave of those that were not used since the last time.
    fn sync(&mut self, now: Time, every: Span) {
        let known: Vec<(u64, bool)> = self
            .keys
            .iter()
            .filter(|(_, state)| state.replica.concerns_store())
            .map(|(key, state)| (*key, state.replica.in_use))
            .collect();
        self.next_sync = now.checked_add(every).filter(|_| !known.is_empty());
        if self.store_is_down(now) {
            return;
        }
        for (key, in_use) in known {
            self.report(now, key, !in_use);
            let replica = &mut self.keys.entry(key).or_default().replica;
            if in_use {
                replica.in_use = false;
            } else {
                replica.part = None;
            }
        }
    }

    /// Takes in the node's new part of a key and decides what waited for it.
    fn take_part(&mut self, now: Time, key: u64, request: u64, asked_at: Time, permits: i64) {
        let limit = self.config.limit;
        let replica = &mut self.keys.entry(key).or_default().replica;
        let Some(report) = replica.report.take() else { return };
        assert!(report.request == request, "a key has at most one report under way");
        replica.confirmed_total = report.used_total;
        let waited_for = self.waiting.iter().any(|(_, waiting, _)| *waiting == key);
        if report.leaving {
            // Whoever came meanwhile needs a part after all.
            if waited_for {
                self.report(now, key, false);
            }
            return;
        }
        if replica.part.is_some() || waited_for {
            // What was used since the report is not in what the store said.
            let since = i64::try_from(replica.used_total - report.used_total).unwrap_or(i64::MAX);
            replica.part = Some(Share::new(limit, permits.saturating_sub(since), now));
            replica.asked_at = asked_at;
        }
        self.decide_waiting(key, |node, cost| {
            node.decide_alone(now, key, cost).unwrap_or_else(|| node.fall_back(now, key, cost))
        });
    }

    /// Decides what waited for an answer that will not come.
    fn give_up(&mut self, now: Time, request: u64, pending: Pending) {
        match pending {
            Pending::Take { key, cost } => {
                let decision = self.fall_back(now, key, cost);
                self.decisions.push_back((Ticket(request), decision));
            }
            Pending::Report { key, .. } => {
                if let Some(state) = self.keys.get_mut(&key) {
                    state.replica.report = None;
                }
                self.decide_waiting(key, |node, cost| node.fall_back(now, key, cost));
            }
        }
    }

    fn decide_waiting(&mut self, key: u64, decide: impl Fn(&mut LimiterNode, u64) -> Decision) {
        let (due, waiting) = self.waiting.iter().partition(|(_, waiting, _)| *waiting == key);
        self.waiting = waiting;
        let due: Vec<(Ticket, u64, u64)> = due;
        for (ticket, _, cost) in due {
            let decision = decide(self, cost);
            self.decisions.push_back((ticket, decision));
        }
    }

    fn keep_batch(&mut self, now: Time, key: u64, permits: u64) {
        if let SyncMode::Batching { keep_for, .. } = self.config.mode
            && permits > 0
        {
            let state = self.keys.entry(key).or_default();
            let left = if now < state.batch_until { state.batch } else { 0 };
            state.batch = left.saturating_add(permits);
            state.batch_until = now + keep_for;
        }
    }

    /// Forgets keys that nothing is known of once there are twice as many as were left last time.
    fn drop_idle(&mut self, now: Time) {
        if self.keys.len() <= FEW_KEYS.max(2 * self.kept) {
            return;
        }
        self.keys.retain(|_, state| {
            (state.batch > 0 && now < state.batch_until)
                || state.refusal.is_some_and(|refusal| (refusal.from..refusal.until).contains(&now))
                || state.fallback.as_ref().is_some_and(|counter| counter.settled_at() > now)
                || state.replica.report.is_some()
                || state.replica.concerns_store()
        });
        self.kept = self.keys.len();
    }
}

/// Whether what was put off by at most `longest` is due; after the clock went back it may lie further ahead than that.
fn is_due(due: Time, now: Time, longest: Span) -> bool {
    due <= now || due.since(now) > longest
}
