//! What one replica lets in: its rate limit and its bound on requests inside, with the counts of both. Decides when it
//! is asked; keeps no request and sends nothing.

use std::collections::BTreeMap;

use foreshock_systems::rate_limiter::concurrency::{CallOutcome, InFlight};
use foreshock_systems::rate_limiter::distributed::{Answer, DecidedBy, Decision, Ticket};
use foreshock_systems::rate_limiter::{EmptyKey, Keyed, KeyedRefusal, KeyedStats, RetryAt};

use super::levels::Levels;
use super::store_client::StoreClient;
use crate::cluster::{ConcurrencyBound, Entered, Probes, RateLimiter, Request};
use crate::kernel::time::{Span, Time};
use crate::measure::LimitKey;
use crate::scenario::plan::{
    AdmissionLimitPlan, AdmissionPlan, LimitPer, LimitRule, Party, Plan, RateAdmission,
};

/// Under which all requests without a key are counted.
const NO_KEY: u64 = u64::MAX;

/// What a request is told at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may come in.
    Pass(Option<Passed>),
    /// It may come in after this wait.
    Wait(Span, Passed),
    /// The store is asked.
    Ask(Ticket, Passed),
    /// It may not; after this pause it may.
    Refuse(Option<Span>),
}

/// What passed which limit, for those who measure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) rule: LimitRule,
    pub(super) key: LimitKey,
    pub(super) cost: u64,
}

/// What has been decided so far. Outlives the process: it is the harness that counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) admitted: u64,
    pub(super) refused_by_rate: u64,
    pub(super) refused_by_concurrency: u64,
    pub(super) would_refuse: u64,
    pub(super) near_limit: u64,
    pub(super) waited: u64,
    pub(super) empty_keys: u64,
    pub(super) fallback_admitted: u64,
    pub(super) fallback_refused: u64,
    pub(super) store_calls: u64,
}

/// The door of one replica.
pub(super) struct Admission {
    pub(super) plan: AdmissionPlan,
    rate: Option<Rate>,
    concurrency: Option<ConcurrencyBound>,
    pub(super) counts: Counts,
    /// Keyed statistics of former lives.
    former_keys: KeyedStats,
    replica: u32,
}

enum Rate {
    Single(Box<Single>),
    Levels(Levels),
}

struct Single {
    plan: AdmissionLimitPlan,
    /// This replica's part of the rule.
    own: LimitRule,
    limiters: Keyed<u64, RateLimiter>,
    store: Option<StoreClient>,
}

impl Admission {
    /// The door of a process that starts at `local`. What a `former` one has counted stays.
    pub(super) fn new(
        plan: &AdmissionPlan,
        (replica, replicas): (u32, u32),
        local: Time,
        former: Option<&Admission>,
    ) -> Admission {
        let incarnation = former.and_then(Admission::store).map_or(0, |store| store.incarnation + 1);
        let lowest = former.and_then(|former| former.concurrency.as_ref()).map(ConcurrencyBound::lowest);
        Admission {
            rate: plan.rate.as_ref().map(|rate| Rate::new(rate, replicas, local, incarnation)),
            concurrency: plan.concurrency.map(|plan| ConcurrencyBound::new(plan, lowest)),
            plan: plan.clone(),
            counts: former.map_or_else(Counts::default, |former| former.counts),
            former_keys: former.map_or_else(KeyedStats::default, Admission::key_stats),
            replica,
        }
    }

    /// Follows new settings; what did not change keeps its state.
    pub(super) fn reconfigure(&mut self, plan: &AdmissionPlan, replicas: u32, local: Time) {
        match (&mut self.rate, &plan.rate) {
            (Some(Rate::Single(single)), Some(RateAdmission::Single(new))) => {
                single.reconfigure(new, replicas, local);
            }
            (Some(Rate::Levels(levels)), Some(RateAdmission::Levels { config, bears_key })) => {
                levels.reconfigure(config, bears_key, local);
            }
            (rate, new) => *rate = new.as_ref().map(|new| Rate::new(new, replicas, local, 0)),
        }
        ConcurrencyBound::follow(&mut self.concurrency, plan.concurrency);
        self.plan = plan.clone();
    }

    /// What the limits say to a request that has just arrived.
    pub(super) fn check(&mut self, request: &Request, plan: &Plan, local: Time) -> Verdict {
        // A place is taken when the request comes in; who finds none need not use up the rate.
        if let Some(bound) = &self.concurrency
            && bound.is_full()
        {
            self.counts.refused_by_concurrency += 1;
            return Verdict::Refuse(None);
        }
        let verdict = match &mut self.rate {
            None => Verdict::Pass(None),
            Some(Rate::Levels(levels)) => levels.check(request, plan, local, &mut self.counts),
            Some(Rate::Single(single)) => {
                single.check(request, plan, (local, self.replica), &mut self.counts)
            }
        };
        match verdict {
            Verdict::Refuse(wait) => {
                self.counts.refused_by_rate += 1;
                Verdict::Refuse(wait.filter(|_| self.plan.retry_after))
            }
            Verdict::Pass(_) | Verdict::Wait(..) | Verdict::Ask(..) => verdict,
        }
    }

    /// What the store, or the replica in its place, has decided: whether the request passes, else the pause to ask for.
    pub(super) fn decided(&mut self, decision: Decision) -> Result<(), Option<Span>> {
        let alone = decision.by == DecidedBy::Fallback;
        match decision.verdict {
            Ok(()) => {
                self.counts.fallback_admitted += u64::from(alone);
                Ok(())
            }
            Err(retry_at) => {
                self.counts.fallback_refused += u64::from(alone);
                self.counts.refused_by_rate += 1;
                Err(pause(retry_at).filter(|_| self.plan.retry_after))
            }
        }
    }

    /// A place inside for a request that the rate has let pass. `Err` if there is none.
    pub(super) fn take_place(&mut self, local: Time) -> Result<Option<InFlight>, ()> {
        let place = match &mut self.concurrency {
            None => None,
            Some(bound) => match bound.enter(local) {
                Entered::Inside(place) => Some(place),
                Entered::Uncounted => {
                    self.counts.would_refuse += 1;
                    None
                }
                Entered::Refused => {
                    self.counts.refused_by_concurrency += 1;
                    return Err(());
                }
            },
        };
        self.counts.admitted += 1;
        Ok(place)
    }

    /// A request has left; the bound learns from how it fared.
    pub(super) fn give_place_back(&mut self, local: Time, place: InFlight, outcome: CallOutcome) {
        if let Some(bound) = &mut self.concurrency {
            bound.leave(local, place, outcome);
        }
    }

    pub(super) fn store(&self) -> Option<&StoreClient> {
        match &self.rate {
            Some(Rate::Single(single)) => single.store.as_ref(),
            Some(Rate::Levels(_)) | None => None,
        }
    }

    pub(super) fn store_mut(&mut self) -> Option<&mut StoreClient> {
        match &mut self.rate {
            Some(Rate::Single(single)) => single.store.as_mut(),
            Some(Rate::Levels(_)) | None => None,
        }
    }

    /// Whether refusals of the rate are only counted.
    pub(super) fn is_shadow(&self) -> bool {
        match &self.rate {
            Some(Rate::Single(single)) => single.plan.shadow,
            Some(Rate::Levels(_)) | None => false,
        }
    }

    /// What the keyed limiters of this life and of all former ones have met.
    fn key_stats(&self) -> KeyedStats {
        let Some(Rate::Single(single)) = &self.rate else { return self.former_keys };
        let (now, before) = (single.limiters.stats(), self.former_keys);
        KeyedStats {
            empty_keys: 0,
            idle_dropped: before.idle_dropped + now.idle_dropped,
            crowded_out: before.crowded_out + now.crowded_out,
            keys_refused: before.keys_refused + now.keys_refused,
        }
    }

    pub(super) fn probe(&self, out: &mut Probes) {
        let counts = self.counts;
        let refused = counts.refused_by_rate + counts.refused_by_concurrency;
        add(
            &mut out.counts,
            [("admitted", counts.admitted), ("refused", refused), ("would_refuse", counts.would_refuse)],
        );
        match &self.rate {
            None => {}
            Some(Rate::Levels(levels)) => {
                add(
                    &mut out.counts,
                    [("near_limit", counts.near_limit), ("empty_keys", levels.empty_keys())],
                );
                levels.probe(&mut out.named);
            }
            Some(Rate::Single(single)) => {
                add(&mut out.counts, [("near_limit", counts.near_limit)]);
                if single.plan.keys.max_keys > 1 {
                    let stats = self.key_stats();
                    let keys = single.store.as_ref().map_or(single.limiters.len(), |store| store.node.len());
                    add(
                        &mut out.counts,
                        [
                            ("limiter_keys", keys as u64),
                            ("evicted_keys", stats.crowded_out),
                            ("refused_keys", stats.keys_refused),
                            ("empty_keys", counts.empty_keys),
                        ],
                    );
                }
                if !single.plan.max_wait.is_zero() {
                    add(&mut out.counts, [("waited", counts.waited)]);
                }
                if let Some(store) = &single.store {
                    let stats = store.node.stats();
                    add(
                        &mut out.counts,
                        [
                            ("store_calls", counts.store_calls),
                            ("store_errors", stats.store_errors),
                            ("fallback_admitted", counts.fallback_admitted),
                            ("fallback_refused", counts.fallback_refused),
                            ("remembered_refusals", stats.remembered_refusals),
                        ],
                    );
                }
            }
        }
        if let Some(bound) = &self.concurrency {
            add(&mut out.counts, [("refused_by_concurrency", counts.refused_by_concurrency)]);
            out.minima.insert("concurrency_limit_min", u64::from(bound.lowest()));
            out.minima.insert("concurrency_limit_last", u64::from(bound.limit()));
        }
    }
}

fn add<const N: usize>(counts: &mut BTreeMap<&'static str, u64>, more: [(&'static str, u64); N]) {
    counts.extend(more);
}

impl Rate {
    fn new(plan: &RateAdmission, replicas: u32, local: Time, incarnation: u32) -> Rate {
        match plan {
            RateAdmission::Single(plan) => {
                Rate::Single(Box::new(Single::new(plan, replicas, local, incarnation)))
            }
            RateAdmission::Levels { config, bears_key } => {
                Rate::Levels(Levels::new(config, bears_key, local))
            }
        }
    }
}

impl Single {
    fn new(plan: &AdmissionLimitPlan, replicas: u32, local: Time, incarnation: u32) -> Single {
        let own = own_part(plan, replicas);
        let limiters = Keyed::new(plan.keys, RateLimiter::new(own, local), local);
        Single {
            own,
            limiters: limiters.expect("the plan's limits were checked"),
            store: plan.store.as_ref().map(|store| StoreClient::new(store, incarnation)),
            plan: plan.clone(),
        }
    }

    fn reconfigure(&mut self, plan: &AdmissionLimitPlan, replicas: u32, local: Time) {
        let own = own_part(plan, replicas);
        if plan.keys != self.plan.keys {
            let limiters = Keyed::new(plan.keys, RateLimiter::new(own, local), local);
            self.limiters = limiters.expect("the plan's limits were checked");
        } else if own != self.own {
            self.limiters.reconfigure(|limiter| limiter.reconfigure(own, local));
        }
        if let (Some(client), Some(store)) = (&mut self.store, &plan.store) {
            client.reconfigure(store, local);
        }
        self.own = own;
        self.plan = plan.clone();
    }

    fn check(
        &mut self,
        request: &Request,
        plan: &Plan,
        (local, replica): (Time, u32),
        counts: &mut Counts,
    ) -> Verdict {
        let Single { plan: own, limiters, store, .. } = self;
        let key = match (key_of(own, request, plan), own.keys.empty_key) {
            (Some(key), _) => key,
            (None, empty_key) => {
                counts.empty_keys += 1;
                match empty_key {
                    EmptyKey::Count => NO_KEY,
                    EmptyKey::Skip => return Verdict::Pass(None),
                    EmptyKey::Reject if own.shadow => {
                        counts.would_refuse += 1;
                        return Verdict::Pass(None);
                    }
                    EmptyKey::Reject => return Verdict::Refuse(None),
                }
            }
        };
        let cost = own.costs.get(request.operation.index()).copied().unwrap_or(1);
        let together = own.per == LimitPer::Service || store.is_some();
        let passed = Passed { rule: own.rule, key: (if together { 0 } else { replica + 1 }, key), cost };
        if let Some(store) = store {
            return match store.node.check(local, key, cost) {
                Answer::Asked(ticket) => Verdict::Ask(ticket, passed),
                Answer::Decided(decision) => store_verdict(own, decision, passed, counts),
            };
        }
        let refused = match limiters.limiter(local, &key) {
            Ok(limiter) => match limiter.acquire(local, cost, own.max_wait) {
                Ok(wait) => {
                    counts.near_limit += u64::from(limiter.is_near_limit(local));
                    if wait.is_zero() || own.shadow {
                        return Verdict::Pass(Some(passed));
                    }
                    counts.waited += 1;
                    return Verdict::Wait(wait, passed);
                }
                Err(retry_at) => pause(retry_at),
            },
            Err(KeyedRefusal::OverLimit(retry_at)) => pause(retry_at),
            Err(KeyedRefusal::EmptyKey | KeyedRefusal::TooManyKeys) => None,
        };
        refuse(own, refused, counts)
    }
}

/// What a decision that needed no question comes to.
fn store_verdict(
    own: &AdmissionLimitPlan,
    decision: Decision,
    passed: Passed,
    counts: &mut Counts,
) -> Verdict {
    let alone = u64::from(decision.by == DecidedBy::Fallback);
    match decision.verdict {
        Ok(()) => {
            counts.fallback_admitted += alone;
            Verdict::Pass(Some(passed))
        }
        Err(retry_at) => {
            counts.fallback_refused += alone;
            refuse(own, pause(retry_at), counts)
        }
    }
}

fn refuse(own: &AdmissionLimitPlan, wait: Option<Span>, counts: &mut Counts) -> Verdict {
    if own.shadow {
        counts.would_refuse += 1;
        return Verdict::Pass(None);
    }
    Verdict::Refuse(wait)
}

/// The pause to ask for: none if waiting does not help.
fn pause(RetryAt(wait): RetryAt) -> Option<Span> {
    (wait != Span::MAX).then_some(wait)
}

/// What a request is counted under; `None` if it lacks the key.
fn key_of(own: &AdmissionLimitPlan, request: &Request, plan: &Plan) -> Option<u64> {
    match own.per {
        LimitPer::Service | LimitPer::Replica => Some(0),
        LimitPer::Caller => Some(match plan.edges[request.edge.index()].caller {
            Party::Service(service) => u64::from(service.0),
            Party::Load(load) => u64::from(load.0) | 1 << 32,
        }),
        LimitPer::Load => Some(u64::from(request.load.0)),
        LimitPer::Operation => Some(u64::from(request.operation.0)),
        LimitPer::Key => {
            own.bears_key.get(request.load.index()).is_some_and(|bears| *bears).then_some(request.key)
        }
    }
}

/// This replica's part of a limit for all of them, unless a store keeps it.
fn own_part(plan: &AdmissionLimitPlan, replicas: u32) -> LimitRule {
    let divided = plan.per == LimitPer::Service && plan.store.is_none();
    if divided { plan.rule.divided(replicas) } else { plan.rule }
}
