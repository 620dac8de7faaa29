//! Kind `cache`: a service that answers from a bounded store with expiry. On a miss it says so; the caller loads
//! the value and sends it back.

use std::sync::Arc;

use foreshock_systems::cache::{Cache, CacheConfig, EvictionKind, Lookup};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Kind;
use super::service::{Answered, Behaviour, ServiceNode};
use crate::cluster::{Node, Probes, Request};
use crate::kernel::time::{Span, Time};
use crate::scenario::plan::{Plan, ServiceId, ServicePlan, TelemetryRole};

/// Kind `cache`.
pub(super) struct CacheKind;

/// Settings of a cache. `eviction` is `lru` or `fifo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Settings {
    capacity: u32,
    ttl: Option<Span>,
    eviction: EvictionKind,
}

impl Kind for CacheKind {
    fn check_settings(settings: &Map<String, Value>) -> Vec<(String, String)> {
        read(settings).err().unwrap_or_default()
    }

    fn build(service: ServiceId, _replica: u32, plan: &Arc<Plan>) -> Box<dyn Node> {
        let own = &plan.services[service.index()];
        Box::new(ServiceNode::new(service, plan, Some(Box::new(Store::new(own)))))
    }

    fn telemetry_role() -> TelemetryRole {
        TelemetryRole::Reports
    }
}

struct Store {
    settings: Settings,
    cache: Cache<u64, ()>,
}

impl Store {
    fn new(plan: &ServicePlan) -> Store {
        let settings = read(&plan.settings).expect("the plan's settings were checked");
        Store { cache: new_cache(&settings), settings }
    }
}

fn new_cache(settings: &Settings) -> Cache<u64, ()> {
    Cache::new(CacheConfig {
        capacity: u64::from(settings.capacity),
        ttl: settings.ttl,
        eviction: settings.eviction,
        ..CacheConfig::default()
    })
}

impl Behaviour for Store {
    fn answer(&mut self, request: &Request, local: Time) -> Answered {
        let missed = !matches!(self.cache.get(local, &request.key), Lookup::Hit(_));
        Answered { missed, value: 0 }
    }

    fn fill(&mut self, key: u64, local: Time) {
        self.cache.insert(local, key, ());
    }

    fn start(&mut self) {
        self.cache.clear();
    }

    fn reconfigure(&mut self, plan: &ServicePlan) {
        let Ok(settings) = read(&plan.settings) else { return };
        if settings.capacity != self.settings.capacity || settings.eviction != self.settings.eviction {
            self.cache = new_cache(&settings);
        } else {
            self.cache.set_ttl(settings.ttl);
        }
        self.settings = settings;
    }

    fn probe(&self, out: &mut Probes) {
        let stats = self.cache.stats();
        out.counts.insert("hits", stats.hits);
        out.counts.insert("misses", stats.misses);
        out.counts.insert("expired", stats.expired);
        out.counts.insert("evicted", stats.evicted);
        out.counts.insert("entries", self.cache.len() as u64);
    }
}

/// The settings, or everything that is wrong with them.
fn read(settings: &Map<String, Value>) -> Result<Settings, Vec<(String, String)>> {
    let mut wrong = Vec::new();
    let mut read = Settings { capacity: 0, ttl: None, eviction: EvictionKind::Lru };
    for (key, value) in settings {
        let result = match key.as_str() {
            "capacity" => count(value).map(|capacity| read.capacity = capacity),
            "ttl" => duration(value).map(|ttl| read.ttl = Some(ttl)),
            "eviction" => eviction(value).map(|eviction| read.eviction = eviction),
            _ => Err("is no setting of kind `cache`: it has capacity, ttl, eviction".to_string()),
        };
        if let Err(message) = result {
            wrong.push((key.clone(), message));
        }
    }
    if read.capacity == 0 && !wrong.iter().any(|(key, _)| key == "capacity") {
        wrong.push((
            "capacity".to_string(),
            "is missing: how many entries the cache holds, at least 1".to_string(),
        ));
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

fn count(value: &Value) -> Result<u32, String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.replace('_', ""),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    match text.parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        Ok(_) | Err(_) => Err("is no count: write a whole number of entries, at least 1".to_string()),
    }
}

fn duration(value: &Value) -> Result<Span, String> {
    let text = String::deserialize(value).unwrap_or_else(|_| value.to_string());
    text.parse::<Span>().map_err(|error| error.to_string())
}

fn eviction(value: &Value) -> Result<EvictionKind, String> {
    match value.as_str() {
        Some("lru") => Ok(EvictionKind::Lru),
        Some("fifo") => Ok(EvictionKind::Fifo),
        Some(_) | None => Err("is no eviction policy: use lru or fifo".to_string()),
    }
}
