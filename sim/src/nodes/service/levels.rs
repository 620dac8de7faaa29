//! Limits on several levels as a service has them: describes each request by caller, load, operation and key.

use std::collections::BTreeMap;

use foreshock_systems::rate_limiter::{
    Hierarchy, HierarchyConfig, HierarchyRefusal, Inherit, KeyedRefusal, Level, LimiterCounts, Match, RetryAt,
};

use super::admission::{Counts, Verdict};
use crate::cluster::Request;
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{Party, Plan};

/// The levels of one replica.
pub(super) struct Levels {
    config: HierarchyConfig,
    bears_key: Vec<bool>,
    hierarchy: Hierarchy,
}

impl Levels {
    pub(super) fn new(config: &HierarchyConfig, bears_key: &[bool], local: Time) -> Levels {
        let hierarchy = Hierarchy::new(config, local).expect("the plan's limits were checked");
        Levels { config: config.clone(), bears_key: bears_key.to_vec(), hierarchy }
    }

    /// Follows new limits; other rules begin anew.
    pub(super) fn reconfigure(&mut self, config: &HierarchyConfig, bears_key: &[bool], local: Time) {
        self.bears_key = bears_key.to_vec();
        if rules(config) != rules(&self.config) {
            *self = Levels::new(config, bears_key, local);
            return;
        }
        for rule in config.levels.iter().flat_map(|level| &level.rules) {
            self.hierarchy.enforce(&rule.name, rule.enforcement);
            let changed = self.hierarchy.reconfigure(local, &rule.name, rule.limit, Inherit::Keep);
            changed.expect("the plan's limits were checked");
        }
        self.config = config.clone();
    }

    pub(super) fn check(
        &mut self,
        request: &Request,
        plan: &Plan,
        local: Time,
        counts: &mut Counts,
    ) -> Verdict {
        let caller = match plan.edges[request.edge.index()].caller {
            Party::Service(service) => &plan.services[service.index()].name,
            Party::Load(load) => &plan.loads[load.index()].name,
        };
        let bears_key = self.bears_key.get(request.load.index()).is_some_and(|bears| *bears);
        let key = if bears_key { request.key.to_string() } else { String::new() };
        let descriptors = [
            ("caller", caller.as_str()),
            ("load", plan.loads[request.load.index()].name.as_str()),
            ("operation", plan.operations[request.operation.index()].as_str()),
            ("key", key.as_str()),
        ];
        let before = shadowed(&self.hierarchy);
        let verdict = match self.hierarchy.check(local, &descriptors, 1) {
            Ok(()) => Verdict::Pass(None),
            Err(HierarchyRefusal { reason: KeyedRefusal::OverLimit(RetryAt(wait)), .. }) => {
                Verdict::Refuse((wait != Span::MAX).then_some(wait))
            }
            Err(HierarchyRefusal { reason: KeyedRefusal::EmptyKey | KeyedRefusal::TooManyKeys, .. }) => {
                Verdict::Refuse(None)
            }
        };
        // A request that several rules would refuse is one request.
        counts.would_refuse += u64::from(shadowed(&self.hierarchy) > before);
        counts.near_limit = self.hierarchy.counts().map(|(_, counts)| counts.near_limit).sum();
        verdict
    }

    pub(super) fn empty_keys(&self) -> u64 {
        self.hierarchy.empty_keys()
    }

    /// What each rule has decided.
    pub(super) fn probe(&self, out: &mut BTreeMap<String, u64>) {
        for (rule, counts) in self.hierarchy.counts() {
            let LimiterCounts { passed, refused, shadowed, .. } = counts;
            for (what, value) in [("passed", passed), ("refused", refused), ("would_refuse", shadowed)] {
                out.insert(format!("rule_{rule}_{what}"), value);
            }
        }
    }
}

fn shadowed(hierarchy: &Hierarchy) -> u64 {
    hierarchy.counts().map(|(_, counts)| counts.shadowed).sum()
}

/// What cannot change without beginning anew: the names of the rules and what they are for.
fn rules(config: &HierarchyConfig) -> Vec<Vec<(&str, &[Match])>> {
    config.levels.iter().map(rules_of).collect()
}

fn rules_of(level: &Level) -> Vec<(&str, &[Match])> {
    level.rules.iter().map(|rule| (rule.name.as_str(), rule.matches.as_slice())).collect()
}
