//! Kind `limit-store`: keeps limits that the replicas of other services share, by rate or by window. Who shares one names it in
//! `admission.rate_limit.store`; the store itself has no settings. What was used is in memory: a restart forgets it.

use std::sync::Arc;

use foreshock_systems::rate_limiter::Inherit;
use foreshock_systems::rate_limiter::distributed::{FromStore, LimiterStore};
use serde_json::{Map, Value};

use super::Kind;
use super::service::{self, Answered, Behaviour, Verdict, decode, encode_answer};
use crate::cluster::{Cx, Node, Probes, Ref, Request};
use crate::kernel::time::Time;
use crate::scenario::plan::{EdgeId, KindTraits, Plan, ServiceId, ServicePlan, SharedLimitPlan};

/// Kind `limit-store`.
pub(super) struct LimitStoreKind;

impl Kind for LimitStoreKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        let message =
            "is no setting of kind `limit-store`: the limits are those of the services that share them";
        settings.keys().map(|key| (key.clone(), message.to_string())).collect()
    }

    fn traits() -> KindTraits {
        KindTraits { has_admission: true, ..KindTraits::default() }
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        service::node(service, plan, Store::new(own))
    }
}

/// One limit for each service that shares one; they know nothing of each other.
struct Store {
    limits: Vec<(SharedLimitPlan, LimiterStore)>,
    /// Limits that changed since the last question, which tells the time.
    changed: bool,
    plan: Vec<SharedLimitPlan>,
    granted_permits: u64,
    refused: u64,
    reports: u64,
}

impl Store {
    fn new(own: &ServicePlan) -> Store {
        Store {
            limits: Vec::new(),
            changed: false,
            plan: own.shared_limits.clone(),
            granted_permits: 0,
            refused: 0,
            reports: 0,
        }
    }

    fn limit_of(&mut self, edge: EdgeId) -> Option<&mut LimiterStore> {
        self.limits.iter_mut().find(|(plan, _)| plan.edge == edge).map(|(_, limit)| limit)
    }

    fn follow_changes(&mut self, local: Time) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        for (held, new) in self.limits.iter_mut().zip(&self.plan) {
            let changed = held.1.reconfigure(local, new.limit, Inherit::Keep);
            changed.expect("the plan's limits were checked");
            held.0 = *new;
        }
    }
}

impl Behaviour for Store {
    fn answer(&mut self, request: &Request, _job: Ref, cx: &mut Cx<'_>) -> Verdict {
        let local = cx.local_time();
        self.follow_changes(local);
        let (from, message) = decode(request.caller, request.key, request.arguments);
        // Somebody who has no limit here asks for nothing in particular.
        let Some(limit) = self.limit_of(request.edge) else {
            return Verdict::Proceed(Answered::default());
        };
        let answer = limit.handle(local, from, message);
        match answer {
            FromStore::Granted { permits, .. } => self.granted_permits += permits,
            FromStore::Refused { .. } => self.refused += 1,
            FromStore::Part { .. } => self.reports += 1,
        }
        let (missed, value) = encode_answer(answer);
        Verdict::Proceed(Answered { missed, value })
    }

    fn start(&mut self, _cx: &mut Cx<'_>) {
        let fresh = |plan: &SharedLimitPlan| {
            (*plan, LimiterStore::new(plan.limit).expect("the plan's limits were checked"))
        };
        self.limits = self.plan.iter().map(fresh).collect();
        self.changed = false;
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        self.changed |= plan.shared_limits != self.plan;
        self.plan.clone_from(&plan.shared_limits);
    }

    fn probe(&self, out: &mut Probes) {
        out.counts.insert("granted_permits", self.granted_permits);
        out.counts.insert("refused", self.refused);
        out.counts.insert("reports", self.reports);
        let keys = self.limits.iter().map(|(_, limit)| limit.len() as u64).sum();
        out.counts.insert("limiter_keys", keys);
    }
}
