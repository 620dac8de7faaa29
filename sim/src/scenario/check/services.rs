//! Services and inserted hops.

use serde_json::{Map, Value};

use super::Checker;
use super::run::span_or;
use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    Balance, CodelPlan, ColdStart, Discipline, EntryId, HealthCheckPlan, HostId, OnFull, OperationPlan,
    Party, PoolPlan, QueuePlan, ServiceId, ServicePlan,
};
use crate::scenario::quantity::{Count, Positive};
use crate::scenario::raw::{
    RawBalance, RawBalanceName, RawBalanceTuned, RawDiscipline, RawExtraHop, RawOnFull, RawOperation,
    RawQueue, RawScenario, RawService,
};
use crate::scenario::schema;
use crate::scenario::suggest;

/// The kind of services that have only the settings of this format.
pub(crate) const PLAIN_KIND: &str = "service";
/// Shorter settings of a kind, in bytes, are not taken for slips.
const SHORTEST_SLIP: usize = 5;
/// Most replicas of all services together.
const MOST_REPLICAS: u64 = 100_000;
/// Most virtual nodes of a replica on the ring.
const MOST_VIRTUAL_NODES: u32 = 10_000;

impl Checker<'_> {
    /// Gives every service, hop and load its id.
    pub(crate) fn declare_parties(&mut self, raw: &RawScenario) {
        for name in raw.services.keys() {
            let id = ServiceId(self.service_names.len() as u32);
            self.service_names.push(name.clone());
            self.declare_party(&Path::root().key("services").key(name), name, Party::Service(id));
        }
        for (index, entry) in raw.timeline.iter().enumerate() {
            let Some(hop) = &entry.extra_hop else { continue };
            let id = ServiceId(self.service_names.len() as u32);
            self.service_names.push(hop.name.0.clone());
            let path = Path::root().key("timeline").index(index).key("extra_hop").key("name");
            self.declare_party(&path, &hop.name.0, Party::Service(id));
        }
        for (index, load) in raw.load.iter().enumerate() {
            let id = crate::scenario::plan::LoadId(self.load_names.len() as u32);
            self.load_names.push(load.name.0.clone());
            let path = Path::root().key("load").index(index).key("name");
            self.declare_party(&path, &load.name.0, Party::Load(id));
        }
    }

    /// All services without their calls, then all inserted hops.
    pub(crate) fn resolve_services(&mut self, raw: &RawScenario) {
        if raw.services.is_empty() {
            self.missing(&Path::root().key("services"), "there is no service".to_string(), None);
        }
        for (name, service) in &raw.services {
            let path = Path::root().key("services").key(name);
            let mut plan = self.service_plan(&path, name, service);
            plan.max_replicas = plan.replicas.max(most_scaled(raw, name));
            self.services.push(plan);
        }
        for (index, entry) in raw.timeline.iter().enumerate() {
            if let Some(hop) = &entry.extra_hop {
                let path = Path::root().key("timeline").index(index).key("extra_hop");
                let mut plan = self.hop_plan(&path, hop, EntryId(index as u32));
                plan.max_replicas = plan.replicas.max(most_scaled(raw, &hop.name.0));
                self.services.push(plan);
            }
        }
        let replicas: u64 = self.services.iter().map(|service| u64::from(service.max_replicas)).sum();
        if replicas > MOST_REPLICAS {
            let message = format!("{replicas} replicas in all are too many");
            let help = format!("the most is {MOST_REPLICAS}");
            self.error_at_key(&Path::root().key("services"), message, Some(help));
        }
    }

    fn service_plan(&mut self, path: &Path, name: &str, raw: &RawService) -> ServicePlan {
        let kind = raw.kind.clone().unwrap_or_else(|| PLAIN_KIND.to_string());
        self.check_settings(path, &kind, &raw.settings);
        if raw.memory.is_some() {
            let message = "`memory` has no effect: memory limits are not simulated".to_string();
            self.warn(&path.key("memory"), message, None);
        }
        let (own_time, cores_milli) = self.service_time(path, raw);
        let replicas = raw.replicas.as_ref().map_or(1, |replicas| replicas.0);
        ServicePlan {
            name: name.to_string(),
            kind,
            settings: raw.settings.clone(),
            replicas,
            max_replicas: replicas,
            hosts: self.hosts_of(path, raw),
            workers: self.workers(path, raw.workers.as_ref().map_or(1, |workers| workers.0)),
            queue: self.queue(&path.key("queue"), &raw.queue),
            cores_milli,
            operations: self.operation_plans(path, raw, &own_time),
            steps: Vec::new(),
            blocking: raw.blocking.unwrap_or(true),
            balance: self.balance(&path.key("balance"), raw.balance.as_ref()),
            weights: self.weights(path, raw),
            health_check: self.health_check(path, raw),
            outlier: raw
                .outlier_ejection
                .as_ref()
                .and_then(|outlier| self.outlier(&path.key("outlier_ejection"), outlier)),
            startup: span_or(raw.startup.as_ref(), Span::ZERO),
            cold_start: self.cold_start(path, raw),
            drop_expired: raw.drop_expired.unwrap_or(false),
            error_ppm: raw.error_rate.as_ref().map_or(0, |share| share.0),
            retry_after: raw.retry_after.as_ref().map(|pause| pause.0),
            request_bytes: raw.request_size.as_ref().map_or(1 << 10, |size| size.0),
            response_bytes: raw.response_size.as_ref().map_or(4 << 10, |size| size.0),
            pools: self.pools(&path.key("pools"), &raw.pools),
            admission: None,
            shared_limits: Vec::new(),
            invalidates: Vec::new(),
            telemetry: None,
            flags: None,
            serves_flags: Vec::new(),
            config_client: None,
            hop_of: None,
        }
    }

    fn hop_plan(&mut self, path: &Path, raw: &RawExtraHop, entry: EntryId) -> ServicePlan {
        let time =
            raw.service_time.as_ref().and_then(|time| self.distribution(&path.key("service_time"), time));
        let time = time.unwrap_or(Distribution::ZERO);
        let operation = OperationPlan { service_time: time, priority: 0, writes: false };
        let replicas = raw.replicas.as_ref().map_or(1, |replicas| replicas.0);
        ServicePlan {
            name: raw.name.0.clone(),
            kind: PLAIN_KIND.to_string(),
            settings: Map::new(),
            replicas,
            max_replicas: replicas,
            hosts: Vec::new(),
            workers: self.workers(path, raw.workers.as_ref().map_or(u32::MAX, |workers| workers.0)),
            queue: self.queue(path, &RawQueue::default()),
            cores_milli: None,
            operations: self.names.operations().map(|_| operation.clone()).collect(),
            steps: Vec::new(),
            blocking: true,
            balance: Balance::RoundRobin,
            weights: Vec::new(),
            health_check: None,
            outlier: None,
            startup: Span::ZERO,
            cold_start: None,
            drop_expired: false,
            error_ppm: 0,
            retry_after: None,
            request_bytes: 1 << 10,
            response_bytes: 4 << 10,
            pools: Vec::new(),
            admission: None,
            shared_limits: Vec::new(),
            invalidates: Vec::new(),
            telemetry: None,
            flags: None,
            serves_flags: Vec::new(),
            config_client: None,
            hop_of: Some(entry),
        }
    }

    /// Keys that are not of this format: settings of the kind, or slips.
    fn check_settings(&mut self, path: &Path, kind: &str, settings: &Map<String, Value>) {
        if kind == PLAIN_KIND {
            for key in settings.keys() {
                let is_read = !self.diagnostics.is_full();
                let help = is_read.then(|| suggest::help(key, &service_keys())).flatten();
                self.error_at_key(&path.key(key), format!("unknown field `{key}` of a service"), help);
            }
            return;
        }
        let kinds = self.around.kinds.names();
        if !kinds.iter().any(|known| known == kind) {
            let mut known: Vec<&str> = kinds.iter().map(String::as_str).collect();
            if !known.contains(&PLAIN_KIND) {
                known.insert(0, PLAIN_KIND);
            }
            let help = suggest::help(kind, &known);
            self.error_at_value(&path.key("kind"), format!("unknown kind `{kind}`"), help);
            return;
        }
        for (key, message) in self.around.kinds.check_settings(kind, settings) {
            // A dot leads into a setting.
            let inside = key.split('.').filter(|word| !word.is_empty());
            let path = inside.fold(path.clone(), |path, word| path.key(word));
            // Only the kind knows its settings; but what looks like a key of every service is probably one.
            let slip = suggest::nearest(&key, service_keys()).filter(|_| key.len() >= SHORTEST_SLIP);
            match slip {
                Some(known) => self.error_at_key(&path, message, Some(format!("did you mean `{known}`?"))),
                None => self.error_at_value(&path, message, None),
            }
        }
    }

    fn hosts_of(&mut self, path: &Path, raw: &RawService) -> Vec<HostId> {
        let mut hosts = Vec::new();
        if let Some(name) = &raw.host {
            hosts.extend(self.host(&path.key("host"), name));
        }
        if let Some(names) = &raw.hosts {
            for name in names.texts() {
                hosts.extend(self.host(&path.key("hosts"), name));
            }
        }
        if raw.host.is_some() && raw.hosts.is_some() {
            self.error_at_key(
                &path.key("hosts"),
                "both `host` and `hosts`".to_string(),
                Some("keep one".to_string()),
            );
        }
        if !hosts.is_empty() && raw.cpu.is_some() {
            let help = "remove `cpu` and give a `service_time`, or remove the host".to_string();
            let message = "a service on a host uses the host's cores, not `cpu` of its own".to_string();
            self.error_at_key(&path.key("cpu"), message, Some(help));
        }
        hosts
    }

    fn workers(&mut self, path: &Path, workers: u32) -> u32 {
        if workers == 0 {
            let message = "without workers nothing is ever done".to_string();
            self.error_at_value(
                &path.key("workers"),
                message,
                Some("use at least 1, or `unlimited`".to_string()),
            );
        }
        workers
    }

    fn queue(&mut self, path: &Path, raw: &RawQueue) -> QueuePlan {
        let codel = raw.codel.as_ref().map(|codel| CodelPlan {
            target: span_or(codel.target.as_ref(), Span::from_millis(5)),
            interval: span_or(codel.interval.as_ref(), Span::from_millis(100)),
        });
        if let Some(codel) = codel
            && (codel.target.is_zero() || codel.interval < codel.target)
        {
            let message = format!("a target of {} and an interval of {}", codel.target, codel.interval);
            let help = "the target is more than 0 and at most the interval".to_string();
            self.error_at_value(&path.key("codel"), message, Some(help));
        }
        QueuePlan {
            capacity: raw.capacity.as_ref().map_or(u32::MAX, |capacity| capacity.0),
            on_full: match raw.on_full {
                None | Some(RawOnFull::Reject) => OnFull::Reject,
                Some(RawOnFull::DropOldest) => OnFull::DropOldest,
            },
            discipline: match raw.discipline {
                None | Some(RawDiscipline::Fifo) => Discipline::Fifo,
                Some(RawDiscipline::Lifo) => Discipline::Lifo,
                Some(RawDiscipline::Random) => Discipline::Random,
                Some(RawDiscipline::ShortestFirst) => Discipline::ShortestFirst,
                Some(RawDiscipline::ProcessorSharing) => Discipline::ProcessorSharing,
                Some(RawDiscipline::Priority) => Discipline::Priority { preemptive: false },
                Some(RawDiscipline::PriorityPreemptive) => Discipline::Priority { preemptive: true },
            },
            codel,
        }
    }

    /// The service time of operations without one of their own, and the cores it is spent on.
    fn service_time(&mut self, path: &Path, raw: &RawService) -> (Distribution, Option<u64>) {
        if raw.cpu.as_ref().is_some_and(|cpu| cpu.service_time.is_some()) && raw.service_time.is_some() {
            let message = "`service_time` stands twice: here and in `cpu`".to_string();
            self.error_at_key(&path.key("service_time"), message, Some("keep one".to_string()));
        }
        let in_cpu = raw.cpu.as_ref().and_then(|cpu| cpu.service_time.as_ref());
        let time = match (in_cpu, &raw.service_time) {
            (Some(time), _) => self.distribution(&path.key("cpu").key("service_time"), time),
            (None, Some(time)) => self.distribution(&path.key("service_time"), time),
            (None, None) => None,
        };
        (time.unwrap_or(Distribution::ZERO), raw.cpu.as_ref().map(|cpu| cpu.cores.0))
    }

    fn operation_plans(
        &mut self,
        path: &Path,
        raw: &RawService,
        own_time: &Distribution,
    ) -> Vec<OperationPlan> {
        let general = OperationPlan { service_time: own_time.clone(), priority: 0, writes: false };
        let mut plans: Vec<OperationPlan> = self.names.operations().map(|_| general.clone()).collect();
        for (name, operation) in &raw.operations {
            let at = path.key("operations").key(name);
            let plan = self.operation_plan(&at, operation, own_time);
            if let Some(id) = self.operation(&at, name)
                && let Some(place) = plans.get_mut(id.index())
            {
                *place = plan;
            }
        }
        plans
    }

    fn operation_plan(&mut self, path: &Path, raw: &RawOperation, own_time: &Distribution) -> OperationPlan {
        let time =
            raw.service_time.as_ref().and_then(|time| self.distribution(&path.key("service_time"), time));
        OperationPlan {
            service_time: time.unwrap_or_else(|| own_time.clone()),
            priority: self.priority(&path.key("priority"), raw.priority.as_ref()),
            writes: raw.writes.unwrap_or(false),
        }
    }

    /// A priority from 0 to 255.
    pub(crate) fn priority(&mut self, path: &Path, raw: Option<&Count>) -> u8 {
        let Some(priority) = raw else { return 0 };
        u8::try_from(priority.0).unwrap_or_else(|_| {
            self.error_at_value(
                path,
                format!("the priority {} is too large", priority.0),
                Some("the range is 0 to 255".to_string()),
            );
            0
        })
    }

    fn balance(&mut self, path: &Path, raw: Option<&RawBalance>) -> Balance {
        match raw {
            None | Some(RawBalance::Named(RawBalanceName::RoundRobin)) => Balance::RoundRobin,
            Some(RawBalance::Named(RawBalanceName::Random)) => Balance::Random,
            Some(RawBalance::Named(RawBalanceName::LeastRequests)) => Balance::LeastRequests,
            Some(RawBalance::Named(RawBalanceName::PowerOfTwo)) => Balance::PowerOfChoices { choices: 2 },
            Some(RawBalance::Named(RawBalanceName::Weighted)) => Balance::Weighted,
            Some(RawBalance::Named(RawBalanceName::RingHash)) => Balance::RingHash { virtual_nodes: 100 },
            Some(RawBalance::Tuned(RawBalanceTuned::PowerOfChoices(raw))) => {
                Balance::PowerOfChoices { choices: raw.choices.0 }
            }
            Some(RawBalance::Tuned(RawBalanceTuned::RingHash(raw))) => {
                let virtual_nodes = raw.virtual_nodes.0;
                if virtual_nodes > MOST_VIRTUAL_NODES {
                    let message = format!("{virtual_nodes} virtual nodes are too many");
                    let help = format!("the most is {MOST_VIRTUAL_NODES}");
                    self.error_at_value(&path.key("ring_hash").key("virtual_nodes"), message, Some(help));
                }
                Balance::RingHash { virtual_nodes }
            }
        }
    }

    fn weights(&mut self, path: &Path, raw: &RawService) -> Vec<u32> {
        let Some(weights) = &raw.weights else { return Vec::new() };
        let path = path.key("weights");
        if weights.is_empty() {
            self.missing(
                &path,
                "no weights".to_string(),
                Some("leave the key out for equal weights".to_string()),
            );
        }
        if !matches!(raw.balance, Some(RawBalance::Named(RawBalanceName::Weighted))) {
            let help = "add `balance: weighted`".to_string();
            self.warn(&path, "`weights` have no effect without `balance: weighted`".to_string(), Some(help));
        }
        weights.iter().map(|weight| weight.0).collect()
    }

    fn health_check(&mut self, path: &Path, raw: &RawService) -> Option<HealthCheckPlan> {
        let raw = raw.health_check.as_ref()?;
        let interval = span_or(raw.interval.as_ref(), Span::from_secs(1));
        if interval.is_zero() {
            let path = path.key("health_check").key("interval");
            self.error_at_value(&path, "probes without a pause".to_string(), Some("write `1s`".to_string()));
        }
        let or = |count: Option<&Positive>, default: u32| count.map_or(default, |count| count.0);
        Some(HealthCheckPlan {
            interval,
            unhealthy_after: or(raw.unhealthy_after.as_ref(), 3),
            healthy_after: or(raw.healthy_after.as_ref(), 2),
        })
    }

    fn cold_start(&mut self, path: &Path, raw: &RawService) -> Option<ColdStart> {
        let raw = raw.cold_start.as_ref()?;
        if raw.slowdown.0 < 1_000 {
            let path = path.key("cold_start").key("slowdown");
            self.error_at_value(
                &path,
                "a cold replica is not faster".to_string(),
                Some("use at least x1".to_string()),
            );
        }
        Some(ColdStart { lasts: raw.lasts.0, slowdown_milli: raw.slowdown.0 })
    }

    /// Named pools of a caller.
    pub(crate) fn pools(
        &mut self,
        path: &Path,
        raw: &indexmap::IndexMap<String, crate::scenario::raw::RawPool>,
    ) -> Vec<PoolPlan> {
        let mut pools = Vec::with_capacity(raw.len());
        for (name, pool) in raw {
            self.check_name(&path.key(name), name);
            pools.extend(self.pool(&path.key(name), name.clone(), pool));
        }
        pools
    }
}

/// The largest number of replicas any entry of the timeline scales `service` to.
fn most_scaled(raw: &RawScenario, service: &str) -> u32 {
    let scales = raw.timeline.iter().filter_map(|entry| entry.scale.as_ref());
    scales.filter(|scale| scale.service == service).map(|scale| scale.replicas.0).max().unwrap_or(0)
}

/// The keys every service knows.
fn service_keys() -> Vec<&'static str> {
    let services = schema::properties(schema::shared()).and_then(|properties| properties.get("services"));
    let service = services.and_then(schema::other_values).map(schema::resolved);
    service.and_then(schema::properties).map_or(Vec::new(), |keys| keys.keys().map(String::as_str).collect())
}
