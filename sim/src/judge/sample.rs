//! A small plan and what a run of it measured, consistent in itself: what tests of judging and reporting start
//! from. Two services, one load, one fault that ends.

use serde_json::{Map, Value, json};

use super::judge;
use crate::faults::{Fault, NodeSelector, Pause, Which};
use crate::kernel::StopReason;
use crate::kernel::draw::Seed;
use crate::kernel::fingerprint::Trail;
use crate::kernel::time::{Span, Time};
use crate::measure::{
    BreakerMeasured, EdgeInterval, EdgeMeasured, EntryMeasured, LinkMeasured, LoadInterval, LoadMeasured,
    Measured, OutcomeKind, PathShares, RequestCounts, ServiceCounts, ServiceInterval, ServiceMeasured,
    SloMeasured, Summary, TimelineEvent, Trace,
};
use crate::run::Outcome;
use crate::scenario::plan::*;

/// Seconds of load; the grid is a second.
pub(crate) const LOAD_SECONDS: u64 = 100;

pub(crate) fn seconds(s: u64) -> Time {
    Time::ZERO + Span::from_secs(s)
}

pub(crate) fn plan() -> Plan {
    Plan {
        name: "sample".to_string(),
        about: "A shop and its database. The database stands still for a while.".to_string(),
        seed: Seed(7),
        run: RunPlan {
            duration: Span::from_secs(LOAD_SECONDS),
            warmup: Span::ZERO,
            drain: Span::from_secs(10),
            grid: Span::from_secs(1),
            max_events: 1_000_000,
            max_memory_bytes: 1 << 30,
            redraw: None,
        },
        operations: vec!["default".to_string()],
        hosts: Vec::new(),
        services: vec![service("shop"), service("db")],
        loads: vec![LoadPlan {
            name: "buyers".to_string(),
            edge: EdgeId(0),
            arrivals: Arrivals::Constant(vec![StagePlan {
                lasts: Span::from_secs(LOAD_SECONDS),
                from_milli_per_s: 100_000,
                to_milli_per_s: 100_000,
            }]),
            mix: vec![(OperationId(0), 1_000_000)],
            keys: Keys::Uniform { items: 1 },
            patience: None,
            priority: 0,
            pools: Vec::new(),
        }],
        edges: vec![
            edge("buyers -> shop", Party::Load(LoadId(0)), ServiceId(0)),
            edge("shop -> db", Party::Service(ServiceId(0)), ServiceId(1)),
        ],
        links: Vec::new(),
        timeline: vec![EntryPlan {
            id: "db-stands-still".to_string(),
            trigger: Trigger::At(seconds(30)),
            lasts: Some(Span::from_secs(10)),
            action: Action::Fault(Fault::Pause(Pause {
                nodes: vec![NodeSelector { service: ServiceId(1), which: Which::All }],
            })),
        }],
        slos: vec![latency_slo("p99"), error_slo("errors")],
        marks: Vec::new(),
        swarm: Vec::new(),
        liveness: None,
        expect: Expectation::default(),
        document: std::sync::Arc::new(json!({})),
        digest: 0x0123_4567_89ab_cdef,
    }
}

fn service(name: &str) -> ServicePlan {
    ServicePlan {
        name: name.to_string(),
        kind: "service".to_string(),
        settings: Map::<String, Value>::new(),
        replicas: 1,
        max_replicas: 1,
        hosts: Vec::new(),
        workers: 8,
        queue: QueuePlan {
            capacity: u32::MAX,
            on_full: OnFull::Reject,
            discipline: Discipline::Fifo,
            codel: None,
        },
        cores_milli: None,
        operations: Vec::new(),
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
        request_bytes: 1024,
        response_bytes: 4096,
        pools: Vec::new(),
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

fn edge(name: &str, caller: Party, callee: ServiceId) -> EdgePlan {
    EdgePlan {
        name: name.to_string(),
        caller,
        callee,
        occurrence: 0,
        request_link: LinkId(0),
        response_link: LinkId(0),
        policy: CallPolicy::default(),
    }
}

pub(crate) fn latency_slo(id: &str) -> SloPlan {
    SloPlan {
        id: id.to_string(),
        metric: Metric::Latency(Stat::Quantile(990_000)),
        target: Target::Load(LoadId(0), None),
        bound: Bound { comparison: Comparison::Below, limit: 500_000_000 },
        window: SloWindow::Over { from: Time::ZERO, to: seconds(LOAD_SECONDS) },
    }
}

fn error_slo(id: &str) -> SloPlan {
    SloPlan {
        metric: Metric::ErrorRate,
        bound: Bound { comparison: Comparison::Below, limit: 10_000 },
        ..latency_slo(id)
    }
}

/// The outcome of a run that measured this.
pub(crate) fn outcome(plan: Plan, measured: Measured) -> Outcome {
    let (ended, stop) = (seconds(LOAD_SECONDS + 1), StopReason::Finished);
    Outcome {
        judgement: judge(&plan, &measured, ended, stop),
        plan,
        seed: Seed(7),
        stop,
        ended,
        events: 1_234_567,
        fingerprint: 0x0123_4567_89ab_cdef,
        trail: Trail::default(),
        node_fingerprints: Vec::new(),
        measured,
        trace: Trace::default(),
        described_events: Vec::new(),
        look: None,
        histories: None,
    }
}

/// A hundred requests a second, all of them good; the fault touched as many as it could.
pub(crate) fn measured() -> Measured {
    let requests = 100 * LOAD_SECONDS;
    Measured {
        loads: vec![LoadMeasured {
            name: "buyers".to_string(),
            offered: requests,
            good: requests,
            attempts: requests,
            latency: summary(requests, 12_345_678),
            path: PathShares {
                waiting_ns: 0,
                retrying_ns: 0,
                network_ns: 20_000_000_000,
                queue_ns: 30_000_000_000,
                service_ns: 50_000_000_000,
            },
            all: RequestCounts { offered: requests, good: requests, failed: 0, in_flight: 0 },
            intervals: vec![
                LoadInterval { offered: 100, good: 100, failed: 0, attempts: 100, p99_us: 20_000 };
                LOAD_SECONDS as usize
            ],
            ..LoadMeasured::default()
        }],
        services: vec![service_measured("shop", requests), service_measured("db", requests)],
        edges: vec![edge_measured("buyers -> shop", requests), edge_measured("shop -> db", requests)],
        links: vec![LinkMeasured {
            name: "shop -> db".to_string(),
            sent: requests,
            duplicated: 2,
            delivered: requests - 5,
            lost: 4,
            cut: 2,
            in_flight: 1,
            latency: summary(requests - 5, 400_000),
            ..LinkMeasured::default()
        }],
        timeline: vec![event(30, "started", "db/*"), event(40, "ended", "")],
        slos: vec![
            SloMeasured { value: Some(24_000_000), intervals: vec![Some(20_000_000); LOAD_SECONDS as usize] },
            SloMeasured { value: Some(0), intervals: vec![Some(0); LOAD_SECONDS as usize] },
        ],
        entries: vec![EntryMeasured { started: Some(seconds(30)), ended: Some(seconds(40)), touched: 17 }],
        ..Measured::default()
    }
}

fn event(at: u64, phase: &'static str, detail: &str) -> TimelineEvent {
    TimelineEvent {
        at: seconds(at),
        id: "db-stands-still".to_string(),
        kind: "pause",
        phase,
        detail: detail.to_string(),
    }
}

pub(crate) fn summary(count: u64, mean_ns: u64) -> Summary {
    Summary {
        count,
        mean_ns,
        p50_ns: mean_ns,
        p90_ns: mean_ns * 2,
        p99_ns: mean_ns * 3,
        p999_ns: mean_ns * 4,
        max_ns: mean_ns * 5,
        sum_ns: u128::from(count) * u128::from(mean_ns),
    }
}

fn service_measured(name: &str, requests: u64) -> ServiceMeasured {
    ServiceMeasured {
        name: name.to_string(),
        arrivals: requests,
        completed: requests,
        utilization_ppm: 375_000,
        queue_mean_milli: 1_210,
        queue_max: 9,
        wait: summary(requests, 3_000_000),
        service: summary(requests, 5_000_000),
        in_system_integral_ns: u128::from(requests) * 8_000_000,
        sojourn_sum_ns: u128::from(requests) * 8_000_000,
        all: ServiceCounts { arrivals: requests, completed: requests, turned_away: 0, in_system: 0 },
        intervals: vec![
            ServiceInterval {
                arrivals: 100,
                completed: 100,
                utilization_ppm: 375_000,
                replicas_up: 1,
                ..ServiceInterval::default()
            };
            LOAD_SECONDS as usize
        ],
        ..ServiceMeasured::default()
    }
}

fn edge_measured(name: &str, requests: u64) -> EdgeMeasured {
    let mut ended = [0; OutcomeKind::COUNT];
    ended[OutcomeKind::Ok as usize] = requests;
    EdgeMeasured {
        name: name.to_string(),
        requests,
        good: requests,
        attempts: requests,
        ended,
        latency: summary(requests, 9_000_000),
        breaker: BreakerMeasured::default(),
        attempts_by_replica: vec![requests],
        intervals: vec![EdgeInterval { requests: 100, attempts: 100, failed: 0 }; LOAD_SECONDS as usize],
        ..EdgeMeasured::default()
    }
}
