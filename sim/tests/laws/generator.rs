//! Random scenarios of all that the format can say, in the shape of a small system: services that call later ones,
//! loads, links, and up to eight timeline entries that overlap. Every document made here compiles.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;
use serde_json::{Map, Value, json};

use crate::timelines::{Parties, entry, keeps_nothing, timeline};

/// `cases` cases from a fixed seed, so that every run of the tests sees the same ones. `PROPTEST_CASES` and
/// `PROPTEST_RNG_SEED` look further.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    let usual = ProptestConfig { cases: 256, ..ProptestConfig::default() };
    ProptestConfig {
        cases: if asked.cases == usual.cases { cases } else { asked.cases },
        rng_seed: if asked.rng_seed == RngSeed::Random {
            RngSeed::Fixed(0x00F0_0E5A)
        } else {
            asked.rng_seed
        },
        failure_persistence: None,
        max_shrink_iters: 400,
        ..asked
    }
}

/// What a random world is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Everything.
    Anything,
    /// Loads pause for a long time in the middle; nothing then remembers what was before: every call has a timeout,
    /// no breaker, no state in balancers, no caches.
    Forgetful,
}

type Fields = Vec<(&'static str, f64, BoxedStrategy<Value>)>;

/// The value with this probability, from never to always.
fn optional(probability: f64, value: BoxedStrategy<Value>) -> BoxedStrategy<Option<Value>> {
    if probability <= 0.0 {
        Just(None).boxed()
    } else if probability >= 1.0 {
        value.prop_map(Some).boxed()
    } else {
        proptest::option::weighted(probability, value).boxed()
    }
}

/// A mapping in which each key is there with its probability.
fn mapping(fields: Fields) -> BoxedStrategy<Map<String, Value>> {
    let (names, values): (Vec<_>, Vec<_>) =
        fields.into_iter().map(|(name, probability, value)| (name, optional(probability, value))).unzip();
    values
        .prop_map(move |values| {
            let given = names.iter().zip(values).filter_map(|(name, value)| Some((name.to_string(), value?)));
            given.collect()
        })
        .boxed()
}

fn object(fields: Fields) -> BoxedStrategy<Value> {
    mapping(fields).prop_map(Value::Object).boxed()
}

/// One of these values; the first is the simplest.
fn one_of<T: Into<Value> + Clone + std::fmt::Debug + 'static>(values: &[T]) -> BoxedStrategy<Value> {
    select(values.to_vec()).prop_map(Into::into).boxed()
}

fn flag() -> BoxedStrategy<Value> {
    one_of(&[true, false])
}

fn short() -> BoxedStrategy<Value> {
    one_of(&["1ms", "3ms", "500us", "8ms", "17ms"])
}

fn share() -> BoxedStrategy<Value> {
    one_of(&["10%", "1%", "50%", "100%", "0.5%"])
}

fn distribution() -> BoxedStrategy<Value> {
    prop_oneof![
        4 => short(),
        2 => short().prop_map(|mean| json!({"exponential": {"mean": mean}})),
        1 => short().prop_map(|max| json!({"uniform": {"min": "100us", "max": max}})),
        1 => Just(json!({"normal": {"mean": "2ms", "sd": "500us"}})),
        1 => Just(json!({"lognormal": {"median": "1ms", "p99": "9ms"}})),
        1 => Just(json!({"pareto": {"min": "300us", "shape": 1.5, "cap": "60ms"}})),
        1 => Just(json!({"gamma": {"mean": "2ms", "shape": 3}})),
        1 => Just(json!({"bimodal": {"fast": "1ms", "slow": "20ms", "slow_share": "5%"}})),
        1 => Just(json!({"empirical": {"samples": ["1ms", "2ms", "9ms"]}})),
    ]
    .boxed()
}

fn retry(flavour: Flavour) -> BoxedStrategy<Value> {
    let backoff = object(vec![
        ("kind", 0.7, one_of(&["constant", "linear", "exponential", "fibonacci", "decorrelated"])),
        ("base", 1.0, one_of(&["5ms", "0s", "1ms", "20ms"])),
        ("cap", 0.5, one_of(&["20ms", "100ms"])),
        ("jitter", 0.7, one_of(&["none", "full", "equal"])),
    ]);
    // Tokens come back with successes, not with time.
    let tokens = u32::from(flavour == Flavour::Anything);
    let budget = prop_oneof![
        2 => one_of(&["20%", "100%"]),
        1 => Just(json!({"ratio": "10%", "reserve": "5/s", "window": "2s"})),
        1 => Just(json!({"in_flight": {"percent": "20%", "floor": 1}})),
        tokens => Just(json!({"token_bucket": {"max_tokens": 10, "token_ratio": 0.1}})),
    ];
    object(vec![
        ("max_attempts", 1.0, one_of(&[2, 3, 4])),
        ("backoff", 0.9, backoff),
        ("budget", 0.4, budget.boxed()),
        ("retry_on", 0.2, Just(json!(["timeout", "error", "rejected"])).boxed()),
        ("honour_retry_after", 0.2, flag()),
    ])
}

fn breaker() -> BoxedStrategy<Value> {
    object(vec![
        ("count", 0.5, one_of(&[20, 10])),
        ("min_requests", 1.0, one_of(&[5, 10])),
        ("open_at", 0.7, one_of(&["30%", "50%"])),
        ("consecutive_failures", 0.5, one_of(&[3, 5])),
        ("slow_call", 0.3, short()),
        ("open_for", 1.0, one_of(&["50ms", "300ms"])),
        ("half_open_probes", 0.7, one_of(&[1, 3])),
        ("half_open_max_wait", 0.3, one_of(&["100ms"])),
        ("scope", 0.4, one_of(&["edge", "endpoint"])),
    ])
}

fn pool() -> BoxedStrategy<Value> {
    object(vec![
        ("size", 1.0, one_of(&[4, 1, 2, 16])),
        ("max_waiting", 0.5, one_of(&[4, 0, 1])),
        ("acquire_timeout", 0.5, short()),
    ])
}

/// How a call is protected. `shared` is a pool that the caller declares.
fn policy(flavour: Flavour) -> Fields {
    let forgetful = flavour == Flavour::Forgetful;
    let bulkhead = object(vec![
        ("max_in_flight", 1.0, one_of(&[8, 1, 3])),
        ("max_waiting", 0.6, one_of(&[0, 2, 10])),
        ("max_wait", 0.4, short()),
    ]);
    let hedge = object(vec![("after", 1.0, short()), ("max_extra", 0.3, one_of(&[1, 2]))]);
    vec![
        ("timeout", if forgetful { 1.0 } else { 0.7 }, one_of(&["20ms", "5ms", "50ms", "200ms"])),
        ("overall_timeout", 0.2, one_of(&["60ms", "300ms"])),
        ("propagate_deadline", 0.3, flag()),
        ("cancel", 0.4, flag()),
        ("retry", 0.4, retry(flavour)),
        ("breaker", if forgetful { 0.0 } else { 0.3 }, breaker()),
        ("rate_limit", 0.15, rate_limit(flavour)),
        ("concurrency", 0.2, concurrency(flavour)),
        ("bulkhead", 0.25, bulkhead),
        ("pool", 0.3, prop_oneof![Just(json!("shared")), pool()].boxed()),
        ("hedge", 0.2, hedge),
    ]
}

/// A bound on calls under way. One that learns remembers more than a pause makes it forget.
fn concurrency(flavour: Flavour) -> BoxedStrategy<Value> {
    let learns = u32::from(flavour == Flavour::Anything);
    prop_oneof![
        2 => Just(json!({"initial": 6})),
        1 => Just(json!({"initial": 2, "shadow": true})),
        learns => Just(json!({"kind": "aimd", "initial": 8, "backoff": "50%", "slow_call": "10ms"})),
        learns => Just(json!({"kind": "vegas", "initial": 5, "max": 20})),
        learns => Just(json!({"kind": "gradient2", "initial": 5, "max": 20, "long_window": 10})),
    ]
    .boxed()
}

/// A limit on a call. Where windows begin depends on the clock, not on what was before.
fn rate_limit(flavour: Flavour) -> BoxedStrategy<Value> {
    let windows = u32::from(flavour == Flavour::Anything);
    prop_oneof![
        3 => Just(json!({"rate": "100/s", "burst": 5})),
        1 => Just(json!({"rate": "100/s", "burst": 5, "max_wait": "30ms"})),
        1 => Just(json!({"kind": "leaky_bucket", "rate": "100/s", "burst": 5})),
        1 => Just(json!({"kind": "gcra", "rate": "50/s", "burst": 5, "shadow": true})),
        windows => Just(json!({"kind": "fixed_window", "limit": 20, "window": "200ms"})),
        windows => Just(json!({"kind": "sliding_window", "limit": 20, "window": "200ms"})),
        windows => Just(json!({"kind": "sliding_log", "limit": 20, "window": "200ms"})),
    ]
    .boxed()
}

/// What a service lets in and remembers nothing of after a pause.
fn forgetful_admission(flavour: Flavour) -> BoxedStrategy<Value> {
    prop_oneof![
        2 => rate_limit(flavour).prop_map(|limit| json!({"rate_limit": limit})),
        1 => Just(json!({"rate_limit": {"rate": "20/s", "burst": 4, "per": "key", "empty_key": "count"}})),
        1 => Just(json!({"rate_limit": {"rate": "60/s", "burst": 4, "per": "caller", "cost": {"buy": 2}}})),
        1 => Just(json!({"concurrency": {"initial": 3}})),
    ]
    .boxed()
}

/// What a service lets in.
fn admission(flavour: Flavour) -> BoxedStrategy<Value> {
    if flavour == Flavour::Forgetful {
        return forgetful_admission(flavour);
    }
    let shared = |mode: &str, on_error: &str| {
        let store = json!({"to": "limits", "timeout": "10ms", "mode": mode, "on_error": on_error, "retry_after": "50ms"});
        json!({"rate_limit": {"rate": "80/s", "burst": 10, "per": "service", "store": store}})
    };
    prop_oneof![
        4 => forgetful_admission(flavour),
        // Whether there is room for a further key depends on which idle ones were looked at.
        1 => Just(json!({"rate_limit": {"rate": "20/s", "burst": 4, "per": "key", "max_keys": 9}})),
        1 => Just(json!({"concurrency": {"kind": "aimd", "initial": 8, "slow_call": "20ms"}})),
        1 => Just(json!({"concurrency": {"kind": "gradient2", "initial": 8}, "rate_limit": {"rate": "90/s"}})),
        1 => Just(json!({"levels": {
            "who": {"each": {"each": ["key"], "rate": "10/s", "burst": 3}},
            "what": {"buy": {"when": {"operation": "buy"}, "rate": "20/s"}, "all": {"rate": "90/s", "burst": 9}},
        }})),
        1 => Just(shared("central", "open")),
        1 => Just(shared("batching", "closed")),
        1 => Just(shared("delayed_sync", "local")),
    ]
    .boxed()
}

/// A call with its callee still to be chosen.
type Call = (Index, Map<String, Value>);

#[derive(Clone, Debug)]
enum Step {
    One(Call, Option<u64>),
    Together(Vec<Call>, Option<Value>),
}

fn call(flavour: Flavour) -> BoxedStrategy<Call> {
    let mut fields = policy(flavour);
    fields.push(("share", 0.2, share()));
    fields.push(("operations", 0.15, Just(json!(["buy"])).boxed()));
    fields.push(("optional", 0.15, flag()));
    (any::<Index>(), mapping(fields)).boxed()
}

fn step(flavour: Flavour) -> BoxedStrategy<Step> {
    prop_oneof![
        3 => (call(flavour), proptest::option::weighted(0.2, 2..4_u64)).prop_map(|(call, fan_out)| Step::One(call, fan_out)),
        1 => (
            proptest::collection::vec(call(flavour), 2..4),
            proptest::option::of(prop_oneof![Just(json!("any")), Just(json!("all")), Just(json!(2))]),
        )
            .prop_map(|(calls, join)| Step::Together(calls, join)),
    ]
    .boxed()
}

/// Rare in worlds with a long pause, where nothing else happens.
fn health_check(flavour: Flavour) -> BoxedStrategy<Value> {
    let interval = if flavour == Flavour::Forgetful { "700ms" } else { "50ms" };
    Just(json!({"interval": interval, "unhealthy_after": 2, "healthy_after": 1})).boxed()
}

#[derive(Clone, Debug)]
struct Service {
    fields: Map<String, Value>,
    steps: Vec<Step>,
}

fn service(flavour: Flavour) -> BoxedStrategy<Service> {
    let stateless = ["random", "least_requests", "power_of_two", "ring_hash"];
    let all = ["round_robin", "random", "least_requests", "power_of_two", "weighted", "ring_hash"];
    let forgetful = flavour == Flavour::Forgetful;
    let queue = object(vec![
        ("capacity", 0.5, one_of(&[10, 0, 2, 50])),
        ("on_full", 0.4, one_of(&["reject", "drop_oldest"])),
        (
            "discipline",
            0.6,
            one_of(&[
                "fifo",
                "lifo",
                "random",
                "shortest_first",
                "processor_sharing",
                "priority",
                "priority_preemptive",
            ]),
        ),
        ("codel", 0.2, Just(json!({"target": "2ms", "interval": "20ms"})).boxed()),
    ]);
    let operations = object(vec![
        (
            "browse",
            0.5,
            object(vec![("service_time", 0.8, distribution()), ("priority", 0.5, one_of(&[1, 7]))]),
        ),
        (
            "buy",
            0.8,
            object(vec![("service_time", 0.8, distribution()), ("priority", 0.5, one_of(&[3, 200]))]),
        ),
    ]);
    let unlimited = prop_oneof![3 => one_of(&[2, 1, 4]), 1 => one_of(&["unlimited"])];
    let fields = mapping(vec![
        ("replicas", 0.6, one_of(&[1, 2, 3])),
        ("host", 0.15, one_of(&["shared"])),
        ("workers", 0.9, unlimited.boxed()),
        ("queue", 0.7, queue),
        ("service_time", 0.9, distribution()),
        ("operations", 0.3, operations),
        ("blocking", 0.3, flag()),
        (
            "balance",
            if forgetful { 1.0 } else { 0.6 },
            if forgetful { one_of(&stateless) } else { one_of(&all) },
        ),
        ("health_check", 0.15, health_check(flavour)),
        (
            "outlier_ejection",
            if forgetful { 0.0 } else { 0.15 },
            Just(json!({"consecutive_failures": 3, "base": "200ms", "max_ejected": "50%"})).boxed(),
        ),
        ("startup", 0.2, one_of(&["20ms"])),
        ("admission", 0.3, admission(flavour)),
        ("cold_start", 0.2, Just(json!({"for": "200ms", "slowdown": "x3"})).boxed()),
        ("drop_expired", 0.4, flag()),
        ("error_rate", 0.3, one_of(&["1%", "20%"])),
        ("retry_after", 0.2, one_of(&["10ms"])),
        ("request_size", 0.2, one_of(&["100B", "20kB"])),
        ("pools", 1.0, pool().prop_map(|pool| json!({"shared": pool})).boxed()),
    ]);
    (fields, proptest::collection::vec(step(flavour), 0..3))
        .prop_map(|(fields, steps)| Service { fields, steps })
        .boxed()
}

/// A load with its service still to be chosen; the first load calls the first service.
type Load = (Index, Map<String, Value>);

/// Length of the first part of a forgetful world, of its pause, and of the rest.
const GAP: [&str; 3] = ["2s", "300s", "1s"];
/// When the loads of a forgetful world go on.
pub(crate) const AFTER_GAP_MS: u64 = 302_000;

fn load(flavour: Flavour) -> BoxedStrategy<Load> {
    let rates = ["60/s", "10/s", "150/s", "240/s"];
    let arrivals = match flavour {
        Flavour::Anything => prop_oneof![
            3 => select(rates.to_vec()).prop_map(|rate| json!({"rate": rate})),
            1 => select(rates.to_vec()).prop_map(|rate| json!({"rate": rate, "arrivals": "constant"})),
            1 => Just(json!({"stages": [{"for": "500ms", "rate": "20/s"}, {"for": "2s", "from": "20/s", "to": "200/s"}]})),
            1 => (1..12_u64, distribution()).prop_map(|(clients, think)| json!({"closed": {"clients": clients, "think": think}})),
            1 => Just(json!({"arrivals": {"trace": "0s,1ms buy,1ms 3,20ms browse 4,700ms,701ms,702ms,1500ms buy 9"}})),
        ]
        .boxed(),
        // Poisson arrivals never coincide: who of two comes first at the same instant depends on what was before.
        Flavour::Forgetful => select(rates.to_vec())
            .prop_map(|rate| {
                let stages = GAP.iter().zip([rate, "0/s", rate]);
                let stages: Vec<Value> = stages.map(|(lasts, rate)| json!({"for": lasts, "rate": rate})).collect();
                json!({"stages": stages})
            })
            .boxed(),
    };
    let mut fields = policy(flavour);
    fields.extend([
        ("mix", 1.0, Just(json!({"browse": "70%", "buy": "30%"})).boxed()),
        (
            "keys",
            0.5,
            prop_oneof![
                Just(json!({"uniform": {"items": 50}})),
                Just(json!({"zipf": {"items": 100, "s": 1.1}}))
            ]
            .boxed(),
        ),
        ("patience", 0.3, one_of(&["100ms", "400ms"])),
        ("priority", 0.2, one_of(&[1, 100])),
        ("pools", 1.0, pool().prop_map(|pool| json!({"shared": pool})).boxed()),
    ]);
    (any::<Index>(), arrivals, mapping(fields))
        .prop_map(|(to, arrivals, mut fields)| {
            let Value::Object(arrivals) = arrivals else { unreachable!("made as a mapping above") };
            fields.extend(arrivals);
            (to, fields)
        })
        .boxed()
}

fn network(flavour: Flavour) -> BoxedStrategy<Value> {
    // Copies of a request that are cancelled together are told apart by nothing but the place they happen to have.
    let duplicate = if flavour == Flavour::Anything { 0.15 } else { 0.0 };
    let link = || -> Fields {
        vec![
            ("latency", 0.8, distribution()),
            ("loss", 0.15, one_of(&["1%", "10%"])),
            ("duplicate", duplicate, one_of(&["1%", "20%"])),
            ("reorder", 0.15, Just(json!({"share": "10%", "delay": "5ms"})).boxed()),
            ("bandwidth", 0.1, Just(json!({"rate": "2MB/s", "buffer": "64KiB"})).boxed()),
        ]
    };
    (object(link()), proptest::option::weighted(0.4, mapping(link())))
        .prop_map(|(default, first)| match first {
            None => json!({"default": default}),
            Some(mut first) => {
                first.insert("link".to_string(), json!("l0 <-> s0"));
                json!({"default": default, "links": [first]})
            }
        })
        .boxed()
}

fn document(run: Value, seed: u64, services: Vec<Service>, loads: Vec<Load>, network: Value) -> Value {
    let count = services.len();
    let name = |index: usize| format!("s{index}");
    let mut all = Map::new();
    for (index, service) in services.into_iter().enumerate() {
        let later = count - index - 1;
        let called = |(to, fields): Call| {
            let mut call = fields;
            call.insert("to".to_string(), json!(name(index + 1 + to.index(later))));
            call
        };
        let mut fields = service.fields;
        let mut steps = Vec::new();
        for step in service.steps.into_iter().filter(|_| later > 0) {
            steps.push(match step {
                Step::One(call, fan_out) => {
                    let mut call = called(call);
                    if let Some(fan_out) = fan_out {
                        call.insert("fan_out".to_string(), json!(fan_out));
                        call.insert("join".to_string(), json!("any"));
                    }
                    Value::Object(call)
                }
                Step::Together(calls, join) => {
                    let calls: Vec<Value> =
                        calls.into_iter().map(|call| Value::Object(called(call))).collect();
                    let mut step = json!({"parallel": calls});
                    if let Some(join) = join {
                        step["join"] = join;
                    }
                    step
                }
            });
        }
        if !steps.is_empty() {
            fields.insert("calls".to_string(), Value::Array(steps));
        }
        all.insert(name(index), Value::Object(fields));
    }
    let asks_store = |service: &Value| service.pointer("/admission/rate_limit/store").is_some();
    if all.values().any(asks_store) {
        all.insert("limits".to_string(), json!({"kind": "limit-store", "workers": 2, "service_time": "1ms", "pools": {"shared": {"size": 4}}}));
    }
    let loads: Vec<Value> = loads
        .into_iter()
        .enumerate()
        .map(|(index, (to, mut fields))| {
            fields.insert("name".to_string(), json!(format!("l{index}")));
            fields.insert("to".to_string(), json!(name(if index == 0 { 0 } else { to.index(count) })));
            Value::Object(fields)
        })
        .collect();
    json!({
        "version": 1, "name": "random", "seed": seed, "run": run, "hosts": {"shared": {"cores": 2}},
        "services": all, "network": network, "load": loads,
    })
}

fn systems(flavour: Flavour, run: Value) -> BoxedStrategy<Value> {
    (
        any::<u64>(),
        proptest::collection::vec(service(flavour), 1..5),
        proptest::collection::vec(load(flavour), 1..3),
        network(flavour),
    )
        .prop_map(move |(seed, services, loads, network)| {
            document(run.clone(), seed, services, loads, network)
        })
        .boxed()
}

/// Documents of all that the format can say, two seconds long.
pub(crate) fn anything() -> BoxedStrategy<Value> {
    let run =
        json!({"duration": "2s", "warmup": "200ms", "drain": "1s", "grid": "250ms", "max_events": 40_000});
    let entries = proptest::collection::vec(entry(2000, 0.2), 0..9);
    (systems(Flavour::Anything, run), entries)
        .prop_map(|(mut document, entries)| {
            let parties = Parties::of(&document, Flavour::Anything, true);
            document["timeline"] = Value::Array(timeline(&parties, "e", &entries));
            document
        })
        .boxed()
}

/// As [`anything`], with a store as its last service, and a cache before it that the store tells of its writes. The
/// cache loads for itself or is filled by the first service, as it happens.
pub(crate) fn with_a_cache() -> BoxedStrategy<Value> {
    let kept = vec![
        ("eviction", 0.5, one_of(&["lru", "s3-fifo", "w-tinylfu", "arc", "random"])),
        ("ttl", 0.8, one_of(&["300ms", "50ms"])),
        ("time_to_idle", 0.2, one_of(&["100ms"])),
        ("negative_ttl", 0.3, one_of(&["200ms"])),
        ("persistent", 0.3, flag()),
        ("preload", 0.2, one_of(&[5])),
        ("capacity", 1.0, one_of(&[20, 3])),
    ];
    let leased = vec![
        ("single_flight", 1.0, one_of(&[true])),
        ("lease_timeout", 0.5, one_of(&["100ms", "5ms"])),
        ("stale_while_revalidate", 0.4, one_of(&["100ms"])),
        ("stale_if_error", 0.4, one_of(&["300ms"])),
        ("early_expiry", 0.3, one_of(&["x1", "x20"])),
        ("refresh_after", 0.4, one_of(&["20ms"])),
        ("failure_ttl", 0.3, one_of(&["20ms"])),
    ];
    (anything(), mapping(kept), proptest::option::weighted(0.7, mapping(leased)))
        .prop_map(|(document, kept, leased)| {
            let settings: Map<String, Value> = kept.into_iter().chain(leased.unwrap_or_default()).collect();
            cached(document, settings)
        })
        .boxed()
}

fn cached(mut document: Value, settings: Map<String, Value>) -> Value {
    let count = document["services"].as_object().map_or(0, Map::len);
    if count < 2 {
        return document;
    }
    let (cache, store) = (format!("s{}", count - 2), format!("s{}", count - 1));
    let services = &mut document["services"];
    for name in [&cache, &store] {
        if services[name]["operations"]["buy"].is_object() {
            services[name]["operations"]["buy"]["writes"] = json!(true);
        }
    }
    services[&store]["kind"] = json!("versioned-store");
    services[&store]["items"] = json!(10);
    services[&store]["invalidates"] = json!([cache]);
    services[&cache]["kind"] = json!("cache");
    for (key, value) in settings {
        services[&cache][key] = value;
    }
    if count > 2 {
        let asks = json!({"to": cache, "on_miss": store, "timeout": "200ms", "cancel": true});
        let loads = json!({"to": store, "timeout": "50ms"});
        if services["s0"]["calls"].is_null() {
            services["s0"]["calls"] = json!([]);
        }
        if let Some(calls) = services["s0"]["calls"].as_array_mut() {
            calls.extend([asks, loads]);
        }
    }
    document
}

/// A document with a long pause of its loads, entries that end before the pause, and entries that start before it
/// and last to the end.
pub(crate) fn with_a_gap() -> BoxedStrategy<(Value, Vec<Value>, Vec<Value>)> {
    let run = json!({"duration": "303s", "drain": "2s", "grid": "1s", "max_events": 100_000});
    let past = proptest::collection::vec(entry(2000, 0.0), 1..7);
    // What a stopped process holds it holds for ever, and that is different. For copies see `network`.
    let lasting = entry(2000, 1.0).prop_filter("its effect depends on the past", keeps_nothing);
    let lasting = proptest::collection::vec(lasting, 0..3);
    (systems(Flavour::Forgetful, run), past, lasting)
        .prop_map(|(document, past, lasting)| {
            let past = timeline(&Parties::of(&document, Flavour::Forgetful, true), "past", &past);
            let lasting = timeline(&Parties::of(&document, Flavour::Forgetful, false), "lasting", &lasting);
            (document, past, lasting)
        })
        .boxed()
}
