//! One world and every kind of fault in it, strong enough to touch something.

use serde_json::{Value, json};

/// Users call a front of two, the front calls a store of three and sometimes a side, which keeps prices in a cache; calls
/// are protected, some work fails. Everything is drawn. `probe` at the end writes down what reaches it.
pub(crate) fn world() -> Value {
    json!({
        "version": 1,
        "name": "world",
        "seed": 5,
        "run": {"duration": "2s", "drain": "3s"},
        "services": {
            "front": {
                "replicas": 2,
                "workers": "unlimited",
                "service_time": {"exponential": {"mean": "2ms"}},
                "pools": {"store": {"size": 8}},
                "calls": [
                    {
                        "to": "store",
                        "timeout": "150ms",
                        "pool": "store",
                        "retry": {"max_attempts": 3, "backoff": {"base": "5ms"}},
                        "breaker": {"consecutive_failures": 20, "open_for": "50ms"},
                        "rate_limit": {"rate": "400/s", "burst": 50},
                        "concurrency": {"kind": "aimd", "initial": 40, "min": 5, "backoff": "50%"},
                        "bulkhead": {"max_in_flight": 50, "max_waiting": 50},
                        "hedge": {"after": "60ms"},
                    },
                    {"to": "side", "share": "40%"},
                ],
            },
            "store": {
                "replicas": 3,
                "workers": 4,
                "error_rate": "3%",
                "service_time": {"lognormal": {"median": "3ms", "p99": "20ms"}},
                "calls": [{"to": "leaf"}],
            },
            "leaf": {"kind": "probe", "workers": "unlimited", "service_time": {"gamma": {"mean": "2ms", "shape": 2}}},
            "side": {
                "workers": "unlimited",
                "service_time": {"exponential": {"mean": "1ms"}},
                "calls": [{"to": "prices", "on_miss": "catalogue"}, {"to": "catalogue"}],
            },
            "prices": {
                "kind": "cache",
                "capacity": 200,
                "workers": "unlimited",
                "service_time": {"exponential": {"mean": "200us"}},
            },
            "catalogue": {"workers": "unlimited", "service_time": {"exponential": {"mean": "1ms"}}},
        },
        "network": {
            "default": {"latency": {"exponential": {"mean": "500us"}}},
            "links": [
                {"link": "front -> store", "loss": "2%", "duplicate": "2%", "reorder": {"share": "5%", "delay": "3ms"}},
            ],
        },
        "load": [{
            "name": "users",
            "to": "front",
            "rate": "200/s",
            "timeout": "1s",
            "mix": {"browse": "70%", "buy": "30%"},
            "keys": {"zipf": {"items": 500, "s": 0.9}},
        }],
    })
}

/// Every kind of fault, by kind.
pub(crate) fn faults() -> Vec<(&'static str, Value)> {
    let fault = |kind: &'static str, settings: Value| (kind, json!({kind: settings}));
    let between = json!([["front"], ["store/1"]]);
    vec![
        fault("latency", json!({"link": "front -> store", "add": "5ms", "jitter": "2ms"})),
        fault("loss", json!({"link": "front <-> store", "share": "20%"})),
        fault("duplicate", json!({"link": "front -> store", "share": "30%"})),
        fault("reorder", json!({"link": "front <-> store", "share": "20%", "delay": "9ms"})),
        fault("corrupt", json!({"link": "front -> store", "share": "20%"})),
        fault("bandwidth", json!({"link": "front -> store", "rate": "300kB/s"})),
        fault("partition", json!({"between": between, "mode": "drop"})),
        fault("partition", json!({"between": between, "mode": "hold"})),
        fault("partition", json!({"between": between, "mode": {"slow": "20ms"}})),
        fault("refuse", json!({"service": "store/2", "share": "50%"})),
        fault("reset", json!({"call": "front -> store", "share": "30%"})),
        fault("crash", json!({"service": {"service": "store", "pick": "one"}})),
        fault("crash", json!({"service": "store/3", "mode": "host"})),
        fault("restart", json!({"service": "store", "downtime": "50ms", "every": "100ms"})),
        fault("pause", json!({"service": "store/1"})),
        fault("slow", json!({"service": "store", "factor": "x4"})),
        fault("cpu_quota", json!({"service": "front", "quota": "1ms", "period": "20ms"})),
        fault("error", json!({"service": "store", "share": "50%", "operations": ["buy"]})),
        fault("abort", json!({"service": "store", "share": "20%"})),
        fault("delay", json!({"service": "store", "add": "20ms", "share": "50%"})),
        fault("retry_storm", json!({"call": "front -> store", "attempts": "x3"})),
        fault("surge", json!({"load": "users", "factor": "x2"})),
        fault("thundering_herd", json!({"load": "users", "requests": 100})),
        fault("hot_key", json!({"load": "users", "share": "30%", "key": 1})),
        fault("pool_exhaustion", json!({"service": "front", "pool": "store", "leaked": "all"})),
        fault("cache_wipe", json!({"service": "prices"})),
        fault("clock", json!({"service": "store", "skew": "+2s"})),
        fault("clock", json!({"service": "front", "drift": "10000ppm"})),
        fault("clock", json!({"service": "store/1", "jump": "-1s"})),
    ]
}

/// The world with an entry in its timeline.
pub(crate) fn with_entry(mut world: Value, entry: Value) -> Value {
    let entries = world.as_object_mut().unwrap().entry("timeline").or_insert_with(|| json!([]));
    entries.as_array_mut().unwrap().push(entry);
    world
}
