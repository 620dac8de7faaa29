//! Who follows which feature flags, what depends on them, and changes of them.

use foreshock_systems::feature_flags::{NodeConfig, NodeConfigError, Offline};

use super::Checker;
use super::run::span_or;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    BootPolicy, FlagChange, FlagCost, FlagGate, FlagServed, FlagUse, FlagsPlan, MOST_FLAGS_USED, Party,
    ServiceId, TelemetryRole,
};
use crate::scenario::raw::{
    RawBoot, RawCall, RawFlagChange, RawFlags, RawOffline, RawScenario, RawService, RawStep,
};
use crate::scenario::suggest;

/// From one poll to the next, unless said otherwise: Unleash's interval.
const POLL: Span = Span::from_secs(15);
/// How long an answer is waited for, unless said otherwise.
const TIMEOUT: Span = Span::from_secs(3);
/// From when on the copy at the end of a silent stream is stale, unless said otherwise: three signs of life.
const STREAM_IS_STALE: Span = Span::from_secs(15);
/// The shortest pause between polls.
const SHORTEST_POLL: Span = Span::from_millis(1);

/// The flags of one service while they are being resolved.
struct Looked<'s> {
    served: &'s [FlagServed],
    uses: Vec<FlagUse>,
}

impl Checker<'_> {
    /// The flags of all services; their links come after those of all calls and reports.
    pub(crate) fn resolve_flags(&mut self, raw: &RawScenario) {
        for index in 0..self.services.len() {
            let id = ServiceId(index as u32);
            let served = self.flags_served(id).unwrap_or_default();
            if let Some(plan) = self.services.get_mut(index) {
                plan.serves_flags = served.into_iter().map(|flag| flag.name).collect();
            }
        }
        for (index, (name, service)) in raw.services.iter().enumerate() {
            let path = Path::root().key("services").key(name);
            match &service.flags {
                None => self.refuse_gates(&path, name, service),
                Some(flags) => self.resolve_flags_of(&path, ServiceId(index as u32), service, flags),
            }
        }
    }

    /// What a service keeps for others; `None` if it is no flag server.
    fn flags_served(&self, service: ServiceId) -> Option<Vec<FlagServed>> {
        let plan = self.services.get(service.index())?;
        self.around.kinds.flags_served(&plan.kind, &plan.settings)
    }

    fn refuse_gates(&mut self, path: &Path, name: &str, raw: &RawService) {
        for (at, call) in calls_of(&path.key("calls"), raw) {
            let keys = [("when_flag", &call.when_flag), ("unless_flag", &call.unless_flag)];
            for (key, _) in keys.into_iter().filter(|(_, flag)| flag.is_some()) {
                if self.lost.is_whole(path) {
                    let help = "add `flags: {from: …}` with the name of a flag server".to_string();
                    let message = format!("`{name}` follows no feature flags");
                    self.error_at_value(&at.key(key), message, Some(help));
                }
            }
        }
    }

    fn resolve_flags_of(&mut self, path: &Path, id: ServiceId, raw: &RawService, flags: &RawFlags) {
        let at = path.key("flags");
        self.check_follower(&at, id, raw);
        let node = self.follower_config(&at, flags);
        let from = self.flag_server(&at.key("from"), &flags.from);
        let Some((from, served)) = from else { return };
        let mut looked = Looked { served: &served, uses: Vec::new() };
        let gates = self.gates(path, raw, &mut looked);
        let costs = self.flag_costs(&at.key("when_on"), flags, &mut looked);
        self.check_uses(&at, flags, &mut looked);
        let (own, server) = (Party::Service(id), Party::Service(from));
        let (ask_link, answer_link) = (self.link(own, server), self.link(server, own));
        let boot = match flags.boot {
            None | Some(RawBoot::LastKnownGood) => BootPolicy::LastKnownGood,
            Some(RawBoot::Defaults) => BootPolicy::Defaults,
            Some(RawBoot::Bootstrap) => BootPolicy::Bootstrap,
        };
        let Some(plan) = self.services.get_mut(id.index()) else { return };
        plan.flags = Some(FlagsPlan { from, ask_link, answer_link, node, boot, uses: looked.uses, costs });
        let branches = plan.steps.iter_mut().flat_map(|step| &mut step.branches);
        for (branch, gate) in branches.zip(gates) {
            branch.gate = gate;
        }
    }

    /// Only what works like a service looks at flags.
    fn check_follower(&mut self, at: &Path, id: ServiceId, raw: &RawService) {
        let kind = raw.kind.as_deref().unwrap_or(super::PLAIN_KIND);
        if self.around.kinds.names().iter().any(|known| known == kind)
            && self.around.kinds.traits(kind).telemetry != TelemetryRole::Reports
        {
            let name = self.party_name(Party::Service(id)).to_string();
            let message = format!("`{name}` is of kind `{kind}`, which looks at no feature flags");
            self.error_at_key(at, message, Some("remove `flags`".to_string()));
        }
    }

    fn follower_config(&mut self, at: &Path, raw: &RawFlags) -> NodeConfig {
        let streaming = raw.stream.unwrap_or(true);
        let poll_interval = span_or(raw.poll.as_ref(), POLL);
        let fetch_timeout = span_or(raw.timeout.as_ref(), TIMEOUT);
        let poll_jitter = span_or(raw.jitter.as_ref(), Span::from_nanos(poll_interval.as_nanos() / 5));
        let by_default = match streaming {
            true => STREAM_IS_STALE,
            false => (poll_interval + poll_jitter).saturating_mul(3) + fetch_timeout,
        };
        let config = NodeConfig {
            poll_interval,
            poll_jitter,
            fetch_timeout,
            stale_after: span_or(raw.stale_after.as_ref(), by_default),
            streaming,
            offline: match raw.offline {
                None | Some(RawOffline::LastKnownGood) => Offline::LastKnownGood,
                Some(RawOffline::Defaults) => Offline::CallersDefault,
            },
            seed: 0,
        };
        let wrong = match config.validate() {
            Err(NodeConfigError::NoInterval) => Some(("poll", "write `15s`".to_string())),
            Err(NodeConfigError::NoTimeout) => Some(("timeout", "write `3s`".to_string())),
            // A stream is heard of more often than a poll is made.
            Err(NodeConfigError::StaleTooSoon(least)) if !streaming => {
                Some(("stale_after", format!("a poll may be late by that much: use at least {least}")))
            }
            Err(NodeConfigError::StaleTooSoon(_)) if config.stale_after.is_zero() => {
                Some(("stale_after", "write `15s`".to_string()))
            }
            Ok(()) | Err(NodeConfigError::StaleTooSoon(_)) => None,
        };
        if let Some((key, help)) = wrong {
            let message = format!("`{key}` is too short");
            self.error_at_value(&at.key(key), message, Some(help));
        } else if poll_interval < SHORTEST_POLL {
            let help = Some("write `15s`; 1ms is the least".to_string());
            self.error_at_value(&at.key("poll"), "polls without a pause".to_string(), help);
        }
        config
    }

    /// The service that keeps flags, and which.
    fn flag_server(&mut self, path: &Path, name: &str) -> Option<(ServiceId, Vec<FlagServed>)> {
        let service = self.service(path, name)?;
        let plan = self.services.get(service.index())?;
        let (kind, replicas) = (plan.kind.clone(), plan.max_replicas);
        let Some(served) = self.flags_served(service) else {
            let message = format!("`{name}` is of kind `{kind}`, which keeps no feature flags");
            self.error_at_value(path, message, Some("name a service of kind `flag-server`".to_string()));
            return None;
        };
        if replicas > 1 {
            let message = format!("`{name}` has {replicas} replicas, and each would keep flags of its own");
            self.error_at_value(path, message, Some("leave it with one replica".to_string()));
        }
        Some((service, served))
    }

    /// The gates of all calls of a service, in the order of the calls.
    fn gates(&mut self, path: &Path, raw: &RawService, looked: &mut Looked<'_>) -> Vec<Option<FlagGate>> {
        let mut gates = Vec::new();
        for (at, call) in calls_of(&path.key("calls"), raw) {
            if call.when_flag.is_some() && call.unless_flag.is_some() {
                let message = "both `when_flag` and `unless_flag`".to_string();
                self.error_at_key(&at.key("unless_flag"), message, Some("keep one of them".to_string()));
            }
            let gate = match (&call.when_flag, &call.unless_flag) {
                (Some(flag), _) => self.gate(&at.key("when_flag"), flag, true, looked),
                (None, Some(flag)) => self.gate(&at.key("unless_flag"), flag, false, looked),
                (None, None) => None,
            };
            gates.push(gate);
        }
        gates
    }

    fn gate(&mut self, path: &Path, flag: &str, on: bool, looked: &mut Looked<'_>) -> Option<FlagGate> {
        if let Some(position) = looked.uses.iter().position(|used| used.name == flag) {
            return Some(FlagGate { position: position as u8, on });
        }
        let place = self.flag_named(path, flag, looked.served)?;
        let position = looked.uses.len();
        if position >= MOST_FLAGS_USED {
            let help = Some(format!("the most is {MOST_FLAGS_USED}"));
            self.error_at_value(path, "a service looks at too many flags".to_string(), help);
            return None;
        }
        looked.uses.push(FlagUse { flag: place as u32, name: flag.to_string(), default_on: false });
        Some(FlagGate { position: position as u8, on })
    }

    /// The position of a flag among those that a server keeps.
    fn flag_named(&mut self, path: &Path, flag: &str, served: &[FlagServed]) -> Option<usize> {
        let place = served.iter().position(|known| known.name == flag);
        if place.is_none() && self.lost.is_whole(&Path::root().key("services")) {
            let known: Vec<&str> = served.iter().map(|known| known.name.as_str()).collect();
            self.error_at_value(path, format!("unknown flag `{flag}`"), suggest::help(flag, &known));
        }
        place
    }

    fn flag_costs(&mut self, path: &Path, raw: &RawFlags, looked: &mut Looked<'_>) -> Vec<FlagCost> {
        let mut costs = Vec::with_capacity(raw.when_on.len());
        for (flag, cost) in &raw.when_on {
            let at = path.key(flag);
            let gate = self.gate(&at, flag, true, looked);
            let operations = self.operations(&at.key("operations"), cost.operations.as_deref());
            let time = self.distribution(&at.key("service_time"), &cost.service_time);
            if let (Some(gate), Some(service_time)) = (gate, time) {
                costs.push(FlagCost { gate, operations, service_time });
            }
        }
        costs
    }

    fn check_uses(&mut self, at: &Path, raw: &RawFlags, looked: &mut Looked<'_>) {
        for (index, flag) in raw.default_on.iter().enumerate() {
            let path = at.key("default_on").index(index);
            if let Some(used) = looked.uses.iter_mut().find(|used| used.name == *flag) {
                used.default_on = true;
            } else if self.flag_named(&path, flag, looked.served).is_some() {
                let message = format!("nothing here depends on `{flag}`");
                self.error_at_value(&path, message, Some("remove it".to_string()));
            }
        }
        if looked.uses.is_empty() && self.lost.is_whole(at) {
            let help = "add `when_flag` to a call, or `when_on`".to_string();
            let message = "`flags` has no effect: nothing depends on a flag".to_string();
            self.warn(at, message, Some(help));
        }
    }

    /// A flag changes at its server.
    pub(crate) fn flag_change(&mut self, path: &Path, raw: &RawFlagChange) -> Option<FlagChange> {
        if raw.rollout.is_none() && raw.enabled.is_none() {
            let help = "add `rollout: 10%` or `enabled: false`".to_string();
            self.missing(path, format!("nothing about `{}` changes", raw.flag), Some(help));
        }
        let at = path.key("rollout");
        let share_ppm = raw.rollout.as_ref().map(|share| share.0);
        if share_ppm.is_some_and(|ppm| ppm % 10_000 != 0) {
            let help = Some("users are told apart by the hundred: write `10%`".to_string());
            self.error_at_value(&at, "a rollout is in whole percent".to_string(), help);
        }
        let (server, served) = self.flag_server(&path.key("server"), &raw.server)?;
        let place = self.flag_named(&path.key("flag"), &raw.flag, &served)?;
        if share_ppm.is_some() && !served.get(place).is_some_and(|flag| flag.has_rollout) {
            let message = format!("`{}` has no percentage", raw.flag);
            let help = "give it a strategy `flexibleRollout`, or switch it with `enabled`".to_string();
            self.error_at_value(&at, message, Some(help));
        }
        Some(FlagChange {
            server,
            flag: raw.flag.clone(),
            rollout_percent: share_ppm.map(|ppm| ppm / 10_000),
            enabled: raw.enabled,
        })
    }
}

/// All calls of a service with their places, in the order in which they stand.
fn calls_of<'r>(path: &Path, raw: &'r RawService) -> Vec<(Path, &'r RawCall)> {
    let mut calls = Vec::new();
    for (index, step) in raw.calls.iter().enumerate() {
        let at = path.index(index);
        match step {
            RawStep::Call(call) => calls.push((at, &**call)),
            RawStep::Parallel(parallel) => {
                let at = at.key("parallel");
                calls.extend((0..).zip(&parallel.parallel).map(|(branch, call)| (at.index(branch), call)));
            }
        }
    }
    calls
}
