//! Limits on calls and on what services take in: which keys belong together, and whether the numbers can be.

use foreshock_systems::rate_limiter::concurrency::ConcurrencyConfig;
use foreshock_systems::rate_limiter::distributed::{NodeConfig, OnStoreError, SharedLimit, SyncMode};
use foreshock_systems::rate_limiter::{
    EmptyKey, KeyedConfig, MAX_LOG_LIMIT, OnFull, RateLimitConfig, WindowAlignment, WindowConfig, WindowError,
};
use indexmap::IndexMap;

use super::Checker;
use super::calls::Caller;
use super::distribution::split_advice;
use super::run::span_or;
use super::services::PLAIN_KIND;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{
    AdmissionLimitPlan, AdmissionPlan, CallLimitPlan, ConcurrencyKind, ConcurrencyPlan, LimitPer, LimitRule,
    LimitStorePlan, ONE_KEY, RateAdmission, SharedLimitPlan,
};
use crate::scenario::quantity::Positive;
use crate::scenario::raw::{
    RawAdmission, RawAdmissionLimit, RawArrivals, RawConcurrency, RawConcurrencyKind, RawEmptyKey,
    RawKeysFull, RawLimitKind, RawLimitPer, RawLimitRule, RawLimitStore, RawLoad, RawOnStoreError, RawPolicy,
    RawRateLimit, RawScenario, RawService, RawStoreMode, RawWindowAlign,
};

/// The kind of services that keep shared limits.
const STORE_KIND: &str = "limit-store";

impl Checker<'_> {
    /// The limit on a call.
    pub(crate) fn call_limit(&mut self, path: &Path, raw: &RawRateLimit) -> Option<CallLimitPlan> {
        let rule = self.limit_rule(path, &raw.rule)?;
        Some(CallLimitPlan {
            rule,
            max_wait: max_wait(&raw.rule, rule),
            shadow: raw.rule.shadow.unwrap_or(false),
        })
    }

    /// What a service checks when a request arrives; a store that its replicas ask is one more of its calls.
    pub(super) fn admission(
        &mut self,
        path: &Path,
        raw: &RawScenario,
        service: &RawService,
        caller: &mut Caller<'_>,
    ) -> Option<AdmissionPlan> {
        let admission = service.admission.as_ref()?;
        let path = path.key("admission");
        let kind = service.kind.as_deref().unwrap_or(PLAIN_KIND);
        if !self.around.kinds.traits(kind).has_admission {
            let message = format!("services of kind `{kind}` admit everything");
            let help = "put a service of kind `service` with this `admission` in front of it".to_string();
            self.error_at_key(&path, message, Some(help));
            return None;
        }
        let rate = match (&admission.rate_limit, admission.levels.is_empty()) {
            (Some(_), false) => {
                let help = "make the one limit a level without `when`".to_string();
                let message = "both `rate_limit` and `levels`".to_string();
                self.error_at_key(&path.key("levels"), message, Some(help));
                None
            }
            (Some(limit), true) => {
                let at = path.key("rate_limit");
                let replicas = service.replicas.as_ref().map_or(1, |replicas| replicas.0);
                let limit = self.admission_limit(&at, raw, admission, limit, (replicas, caller));
                limit.map(|limit| RateAdmission::Single(Box::new(limit)))
            }
            (None, false) => {
                let config = self.levels(&path.key("levels"), admission);
                let bears_key = raw.load.iter().map(has_keys).collect();
                config.map(|config| RateAdmission::Levels { config, bears_key })
            }
            (None, true) => None,
        };
        let concurrency = admission
            .concurrency
            .as_ref()
            .and_then(|bound| self.concurrency(&path.key("concurrency"), bound, admission.shadow));
        if admission.rate_limit.is_none() && admission.levels.is_empty() && admission.concurrency.is_none() {
            let help = "add `rate_limit`, `levels` or `concurrency`".to_string();
            self.warn(&path, "everything is admitted".to_string(), Some(help));
        }
        Some(AdmissionPlan { rate, concurrency, retry_after: admission.retry_after.unwrap_or(true) })
    }

    fn limit_rule(&mut self, path: &Path, raw: &RawLimitRule) -> Option<LimitRule> {
        let kind = raw.kind.unwrap_or(RawLimitKind::TokenBucket);
        match kind {
            RawLimitKind::TokenBucket => self.rate_rule(path, raw).map(LimitRule::TokenBucket),
            RawLimitKind::LeakyBucket => self.rate_rule(path, raw).map(LimitRule::LeakyBucket),
            RawLimitKind::Gcra => self.rate_rule(path, raw).map(LimitRule::Gcra),
            RawLimitKind::FixedWindow => self.window_rule(path, raw).map(LimitRule::FixedWindow),
            RawLimitKind::SlidingLog => {
                let config = self.window_rule(path, raw)?;
                if config.limit > MAX_LOG_LIMIT {
                    let error = WindowError::LogTooLong { limit: config.limit };
                    let (message, help) = split_advice(&error.to_string());
                    self.error_at_value(&path.key("limit"), message, help);
                    return None;
                }
                Some(LimitRule::SlidingLog(config))
            }
            RawLimitKind::SlidingWindow => self.window_rule(path, raw).map(LimitRule::SlidingWindow),
        }
    }

    fn rate_rule(&mut self, path: &Path, raw: &RawLimitRule) -> Option<RateLimitConfig> {
        let strange = [
            ("limit", raw.limit.is_some()),
            ("window", raw.window.is_some()),
            ("align", raw.align.is_some()),
        ];
        self.refuse_strange(
            path,
            &strange,
            "is for limits by window",
            "give `rate` and `burst`, or a `kind`",
        );
        let Some(rate) = &raw.rate else {
            let help = "write `rate: 100/s`".to_string();
            self.missing(path, "the limit has no `rate`".to_string(), Some(help));
            return None;
        };
        if rate.0 == 0 {
            self.error_at_value(&path.key("rate"), "a limit of 0/s lets nothing through".to_string(), None);
            return None;
        }
        let burst = raw.burst.as_ref().map_or(1, |burst| u64::from(burst.0));
        let config = RateLimitConfig { rate_per_s_milli: rate.0, burst };
        self.validated(path, config, RateLimitConfig::validate)
    }

    fn window_rule(&mut self, path: &Path, raw: &RawLimitRule) -> Option<WindowConfig> {
        let strange = [("rate", raw.rate.is_some()), ("burst", raw.burst.is_some())];
        let help = "give `limit` and `window`, or another `kind`";
        self.refuse_strange(path, &strange, "is not for limits by window", help);
        if raw.max_wait.is_some() {
            let help = "use token_bucket, gcra or leaky_bucket to wait for a turn".to_string();
            let message = "nothing can be reserved in a limit by window".to_string();
            self.error_at_key(&path.key("max_wait"), message, Some(help));
        }
        let Some(limit) = &raw.limit else {
            let help = "write `limit: 100` and `window: 1s`".to_string();
            self.missing(path, "the limit by window has no `limit`".to_string(), Some(help));
            return None;
        };
        let config = WindowConfig {
            limit: u64::from(limit.0),
            window: span_or(raw.window.as_ref(), Span::from_secs(1)),
            alignment: match raw.align {
                None | Some(RawWindowAlign::Clock) => WindowAlignment::Clock,
                Some(RawWindowAlign::FirstRequest) => WindowAlignment::FirstRequest,
            },
        };
        self.validated(path, config, WindowConfig::validate)
    }

    fn refuse_strange(&mut self, path: &Path, keys: &[(&str, bool)], what: &str, help: &str) {
        for (key, _) in keys.iter().filter(|(_, given)| *given) {
            self.error_at_key(&path.key(key), format!("`{key}` {what}"), Some(help.to_string()));
        }
    }

    fn admission_limit(
        &mut self,
        path: &Path,
        raw: &RawScenario,
        admission: &RawAdmission,
        limit: &RawAdmissionLimit,
        (replicas, caller): (u32, &mut Caller<'_>),
    ) -> Option<AdmissionLimitPlan> {
        let store = limit.store.as_ref().map(|store| (path.key("store"), store));
        // The call to the store is there whatever is wrong with the limit, so that links to it are known.
        let edge = store.as_ref().and_then(|(at, store)| self.store_edge(at, store, caller));
        let rule = self.limit_rule(path, &limit.rule)?;
        let per = match limit.per {
            Some(RawLimitPer::Service) => LimitPer::Service,
            None | Some(RawLimitPer::Replica) => LimitPer::Replica,
            Some(RawLimitPer::Caller) => LimitPer::Caller,
            Some(RawLimitPer::Load) => LimitPer::Load,
            Some(RawLimitPer::Key) => LimitPer::Key,
            Some(RawLimitPer::Operation) => LimitPer::Operation,
        };
        let store = match (store, edge) {
            (Some((at, store)), Some(edge)) => {
                let config = self.shared_rule(path, &limit.rule, rule, per)?;
                let node = self.store_node(&at, store, config, replicas)?;
                let keeper = self.edges.get(edge.index()).map(|edge| edge.callee.index());
                let keeper = keeper.and_then(|keeper| self.services.get_mut(keeper));
                keeper?.shared_limits.push(SharedLimitPlan { edge, limit: config });
                Some(LimitStorePlan { edge, node })
            }
            (Some(_), None) => return None,
            (None, _) => None,
        };
        Some(AdmissionLimitPlan {
            rule,
            max_wait: max_wait(&limit.rule, rule),
            shadow: admission.shadow.or(limit.rule.shadow).unwrap_or(false),
            per,
            keys: self.limit_keys(path, limit, per),
            bears_key: self.bears_key(path, &raw.load, limit, per),
            costs: self.costs(path, limit, rule),
            store,
        })
    }

    fn limit_keys(&mut self, path: &Path, limit: &RawAdmissionLimit, per: LimitPer) -> KeyedConfig {
        let by_value = match per {
            LimitPer::Service | LimitPer::Replica => false,
            LimitPer::Caller | LimitPer::Load | LimitPer::Key | LimitPer::Operation => true,
        };
        let of_no_use = [
            ("header", limit.header.is_some() && per != LimitPer::Key),
            ("empty_key", limit.empty_key.is_some() && per != LimitPer::Key),
            ("max_keys", limit.max_keys.is_some() && !by_value),
            ("on_full", limit.on_full.is_some() && !by_value),
        ];
        for (key, _) in of_no_use.iter().filter(|(_, given)| *given) {
            let help = "add `per: key`".to_string();
            self.warn(&path.key(key), format!("`{key}` has no effect: there are no keys"), Some(help));
        }
        if !by_value {
            return ONE_KEY;
        }
        let usual = KeyedConfig::default();
        KeyedConfig {
            max_keys: limit.max_keys.as_ref().map_or(usual.max_keys, |most| most.0),
            on_full: match limit.on_full {
                None | Some(RawKeysFull::Reject) => OnFull::Reject,
                Some(RawKeysFull::ForgetOldest) => OnFull::ForgetOldest,
            },
            empty_key: match limit.empty_key {
                None | Some(RawEmptyKey::Reject) => EmptyKey::Reject,
                Some(RawEmptyKey::Count) => EmptyKey::Count,
                Some(RawEmptyKey::Skip) => EmptyKey::Skip,
            },
            ..usual
        }
    }

    /// By load: whether its requests bear the key that is counted by.
    fn bears_key(
        &mut self,
        path: &Path,
        loads: &[RawLoad],
        limit: &RawAdmissionLimit,
        per: LimitPer,
    ) -> Vec<bool> {
        let in_this_header = |load: &RawLoad| match (&limit.header, &load.key_header) {
            (None, _) => true,
            (Some(wanted), Some(sent)) => wanted == sent,
            (Some(_), None) => false,
        };
        let bears: Vec<bool> = loads.iter().map(|load| has_keys(load) && in_this_header(load)).collect();
        if per == LimitPer::Key && !bears.contains(&true) && self.lost.is_whole(&Path::root().key("load")) {
            let (at, what) = match &limit.header {
                Some(header) => (path.key("header"), format!("no load sends its key in `{}`", header.0)),
                None => (path.key("per"), "no load has `keys`".to_string()),
            };
            let help = "give loads `keys` and the same `key_header`".to_string();
            self.warn(&at, format!("{what}: every request lacks the key"), Some(help));
        }
        bears
    }

    fn costs(&mut self, path: &Path, limit: &RawAdmissionLimit, rule: LimitRule) -> Vec<u64> {
        let mut costs = vec![1; self.names.operations().count()];
        let at_once = match rule {
            LimitRule::TokenBucket(config) | LimitRule::Gcra(config) => config.burst,
            LimitRule::LeakyBucket(config) => config.burst.saturating_add(1),
            LimitRule::FixedWindow(config)
            | LimitRule::SlidingLog(config)
            | LimitRule::SlidingWindow(config) => config.limit,
        };
        for (name, cost) in &limit.cost {
            let at = path.key("cost").key(name);
            let cost = u64::from(cost.0);
            if cost > at_once {
                let help = format!("use at most {at_once}, or a higher limit");
                self.error_at_value(&at, format!("a request of {cost} would never pass"), Some(help));
            }
            if let Some(operation) = self.operation(&at, name)
                && let Some(place) = costs.get_mut(operation.index())
            {
                *place = cost;
            }
        }
        costs
    }

    fn store_edge(
        &mut self,
        path: &Path,
        raw: &RawLimitStore,
        caller: &mut Caller<'_>,
    ) -> Option<crate::scenario::plan::EdgeId> {
        let edge = self.edge(path, &raw.to, &RawPolicy::default(), caller)?;
        let callee = self.edges.get(edge.index()).map(|edge| edge.callee.index());
        let kind = callee.and_then(|callee| self.services.get(callee)).map(|service| service.kind.clone());
        if kind.as_deref() != Some(STORE_KIND) {
            let help = format!("give it `kind: {STORE_KIND}`");
            self.error_at_value(&path.key("to"), format!("`{}` keeps no limits", raw.to), Some(help));
            return None;
        }
        if let Some(edge) = self.edges.get_mut(edge.index()) {
            edge.policy.timeout = Some(store_timeout(raw));
        }
        Some(edge)
    }

    /// The limit that replicas share, if it can be shared.
    fn shared_rule(
        &mut self,
        path: &Path,
        raw: &RawLimitRule,
        rule: LimitRule,
        per: LimitPer,
    ) -> Option<SharedLimit> {
        if per == LimitPer::Replica {
            let help = "write `per: service` for one limit of all replicas".to_string();
            let message = "a limit of each replica is not shared".to_string();
            self.error_at_key(&path.key("store"), message, Some(help));
        }
        if raw.max_wait.is_some() {
            let help = "remove it: who asks a store is answered with yes or no".to_string();
            let message = "nothing can be reserved at a store".to_string();
            self.error_at_key(&path.key("max_wait"), message, Some(help));
        }
        match rule {
            LimitRule::TokenBucket(config) => Some(SharedLimit::TokenBucket(config)),
            LimitRule::FixedWindow(config) => Some(SharedLimit::FixedWindow(config)),
            LimitRule::SlidingWindow(config) => Some(SharedLimit::SlidingWindow(config)),
            LimitRule::LeakyBucket(_) | LimitRule::Gcra(_) | LimitRule::SlidingLog(_) => {
                let help = "a store keeps `token_bucket`, `fixed_window` and `sliding_window`".to_string();
                let message = format!("a {} cannot be shared", rule.name());
                self.error_at_value(&path.key("kind"), message, Some(help));
                None
            }
        }
    }

    fn store_node(
        &mut self,
        path: &Path,
        raw: &RawLimitStore,
        limit: SharedLimit,
        replicas: u32,
    ) -> Option<NodeConfig> {
        let mode = raw.mode.unwrap_or(RawStoreMode::Central);
        let of_no_use = [
            ("batch", raw.batch.is_some() && mode != RawStoreMode::Batching),
            ("keep_for", raw.keep_for.is_some() && mode != RawStoreMode::Batching),
            ("every", raw.every.is_some() && mode != RawStoreMode::DelayedSync),
        ];
        for (key, _) in of_no_use.iter().filter(|(_, given)| *given) {
            self.warn(&path.key(key), format!("`{key}` has no effect in this `mode`"), None);
        }
        let config = NodeConfig {
            limit,
            nodes: replicas,
            mode: match mode {
                RawStoreMode::Central => SyncMode::Central,
                RawStoreMode::Batching => SyncMode::Batching {
                    batch: raw.batch.as_ref().map_or(10, |batch| u64::from(batch.0)),
                    keep_for: span_or(raw.keep_for.as_ref(), Span::from_secs(1)),
                },
                RawStoreMode::DelayedSync => {
                    SyncMode::DelayedSync { every: span_or(raw.every.as_ref(), Span::from_millis(100)) }
                }
            },
            timeout: store_timeout(raw),
            on_store_error: match raw.on_error {
                None | Some(RawOnStoreError::Local) => OnStoreError::Local,
                Some(RawOnStoreError::Open) => OnStoreError::Open,
                Some(RawOnStoreError::Closed) => OnStoreError::Closed,
                Some(RawOnStoreError::Unlimited) => OnStoreError::Unlimited,
            },
            retry_store_after: span_or(raw.retry_after.as_ref(), Span::from_secs(1)),
            cache_refusals: raw.cache_refusals.unwrap_or(false),
        };
        self.validated(path, config, NodeConfig::validate)
    }

    /// A bound on how many may be under way at once; `shadow` is what stands above it.
    pub(super) fn concurrency(
        &mut self,
        path: &Path,
        raw: &RawConcurrency,
        shadow: Option<bool>,
    ) -> Option<ConcurrencyPlan> {
        let kind = raw.kind.unwrap_or(RawConcurrencyKind::Fixed);
        let (aimd, gradient) = (kind == RawConcurrencyKind::Aimd, kind == RawConcurrencyKind::Gradient2);
        let of_no_use = [
            ("min", raw.min.is_some() && kind == RawConcurrencyKind::Fixed),
            ("max", raw.max.is_some() && kind == RawConcurrencyKind::Fixed),
            ("backoff", raw.backoff.is_some() && !aimd),
            ("slow_call", raw.slow_call.is_some() && !aimd),
            ("tolerance", raw.tolerance.is_some() && !gradient),
            ("long_window", raw.long_window.is_some() && !gradient),
            ("queue", raw.queue.is_some() && !gradient),
        ];
        for (key, _) in of_no_use.iter().filter(|(_, given)| *given) {
            self.warn(&path.key(key), format!("`{key}` has no effect on this `kind`"), None);
        }
        let or = |value: &Option<Positive>, usual: u32| value.as_ref().map_or(usual, |value| value.0);
        let initial = raw.initial.0;
        let bounds = match kind {
            RawConcurrencyKind::Fixed => ConcurrencyConfig::fixed(initial),
            RawConcurrencyKind::Aimd | RawConcurrencyKind::Vegas | RawConcurrencyKind::Gradient2 => {
                ConcurrencyConfig { min: or(&raw.min, 1), max: or(&raw.max, initial.max(1_000)), initial }
            }
        };
        let bounds = self.validated(path, bounds, ConcurrencyConfig::validate)?;
        let kind = match kind {
            RawConcurrencyKind::Fixed => ConcurrencyKind::Fixed,
            RawConcurrencyKind::Aimd => ConcurrencyKind::Aimd {
                backoff_ppm: raw.backoff.as_ref().map_or(900_000, |share| share.0),
                slow_call: span_or(raw.slow_call.as_ref(), Span::ZERO),
            },
            RawConcurrencyKind::Vegas => ConcurrencyKind::Vegas,
            RawConcurrencyKind::Gradient2 => ConcurrencyKind::Gradient2 {
                tolerance_milli: raw.tolerance.as_ref().map_or(1_500, |factor| factor.0 as u32),
                long_window: or(&raw.long_window, 600),
                queue: or(&raw.queue, 4),
            },
        };
        let shadow = shadow.or(raw.shadow).unwrap_or(false);
        Some(ConcurrencyPlan { kind, bounds, shadow })
    }

    /// The names of a mapping, each of which has to be unlike those before it.
    pub(super) fn check_rule_names<V>(&mut self, path: &Path, rules: &IndexMap<String, V>) {
        for name in rules.keys() {
            self.check_name(&path.key(name), name);
        }
    }
}

/// Whether requests of a load bear a key; recorded ones may.
fn has_keys(load: &RawLoad) -> bool {
    load.keys.is_some() || matches!(load.arrivals, Some(RawArrivals::Trace(_)))
}

/// How long to wait for a turn: what paces makes its whole burst wait.
fn max_wait(raw: &RawLimitRule, rule: LimitRule) -> Span {
    let usual = match rule {
        LimitRule::LeakyBucket(_) => Span::MAX,
        LimitRule::TokenBucket(_)
        | LimitRule::Gcra(_)
        | LimitRule::FixedWindow(_)
        | LimitRule::SlidingLog(_)
        | LimitRule::SlidingWindow(_) => Span::ZERO,
    };
    raw.max_wait.as_ref().map_or(usual, |wait| wait.0)
}

fn store_timeout(raw: &RawLimitStore) -> Span {
    span_or(raw.timeout.as_ref(), Span::from_millis(50))
}
