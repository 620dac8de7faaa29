//! Metastable failures: whether an outage outlives its trigger.

use foreshock::measure::Measured;

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};

const OUTAGE_ENDS_S: usize = 40;
/// The last seconds of load, by which the outcome is told.
const TAIL_S: usize = 30;

pub(crate) fn bronson_runs(case: &Case) -> Vec<Run> {
    let trigger = "10 s network outage at t=30; everything sent during it arrives at its end";
    assert_eq!(case.setting("trigger").as_str(), Some(trigger), "the trigger that is built in here");
    let scenario = format!(
        "version: 1\nname: reference\nabout: a case of the reference file\nrun: {{duration: {}s, drain: 5s, grid: 1s}}\n\
         services:\n  server: {{workers: 1, service_time: {:.0}ns}}\n\
         load:\n  - {{name: clients, to: server, arrivals: constant, rate: {}/s, timeout: {}s, \
         retry: {{max_attempts: {}, backoff: {{kind: constant, base: 0s, jitter: none}}}}}}\n\
         timeline:\n  - {{id: outage, at: 30s, for: 10s, fault: {{partition: {{between: [[clients], [server]], mode: hold}}}}}}\n",
        case.config("horizon_s"),
        1e9 / case.config("capacity_qps"),
        case.config("load_qps"),
        case.config("timeout_s"),
        case.config("retries") + 1.0
    );
    Run::seeds("server", 1, &scenario)
}

pub(crate) fn bronson(case: &Case, runs: &Runs, checks: &mut Checks) {
    let measured = &runs.of("server")[0];
    let (second, arrivals_share) = (case.stated("recovery second +-"), case.stated("arrivals +-"));
    case.says("outcome exact");
    let (offered, seconds) = (case.config("load_qps"), case.config("horizon_s") as usize);
    let good: Vec<f64> =
        measured.loads[0].intervals[..seconds].iter().map(|one| f64::from(one.good)).collect();
    let full = (OUTAGE_ENDS_S..seconds).find(|second| good[*second] >= offered);
    let recovered = good[seconds - TAIL_S..].iter().all(|good| *good >= 0.95 * offered);
    let outcome = if recovered { "recovers" } else { "down" };
    checks.claim("outcome", case.wanted("outcome") == outcome, outcome.to_string());
    match case.wanted("first_full_goodput_second").as_f64() {
        Some(expected) => {
            checks.absolute(
                "first_full_goodput_second",
                full.map_or(f64::NAN, |at| at as f64),
                expected,
                second,
            );
        }
        None => checks.claim("first_full_goodput_second", full.is_none(), format!("{full:?}, expected none")),
    }
    let tail = |values: &[f64]| values[seconds - TAIL_S..].iter().sum::<f64>() / TAIL_S as f64;
    let arrivals: Vec<f64> =
        measured.services[0].intervals[..seconds].iter().map(|one| f64::from(one.arrivals)).collect();
    checks.relative(
        "tail_arrivals_per_s",
        tail(&arrivals),
        case.expected("tail_arrivals_per_s"),
        arrivals_share,
    );
    let goodput = case.expected("tail_goodput");
    checks.absolute("tail_goodput", tail(&good), goodput, arrivals_share * goodput);
}

/// A trigger: the share of the processors that is taken away, for how long, at which share of the full load.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trigger {
    cut: f64,
    seconds: f64,
    load: f64,
}

impl Trigger {
    /// Neither smaller nor shorter nor at less load.
    fn at_least(&self, other: &Trigger) -> bool {
        self.cut >= other.cut && self.seconds >= other.seconds && self.load >= other.load
    }

    fn group(&self) -> String {
        format!("cut {} for {} s at load {}", self.cut, self.seconds, self.load)
    }
}

/// The runs of the file by name.
fn published(case: &Case) -> Vec<Trigger> {
    let runs = case.setting("runs").as_array().expect("the runs are a list");
    let number = |run: &serde_json::Value, key: &str| {
        run[key].as_f64().unwrap_or_else(|| panic!("no `{key}` in {run}"))
    };
    let trigger = |run| Trigger {
        cut: number(run, "cpu_cut"),
        seconds: number(run, "trigger_s"),
        load: number(run, "load"),
    };
    runs.iter().map(trigger).collect()
}

/// The published runs and a lattice around them.
fn triggers(case: &Case) -> Vec<Trigger> {
    let mut triggers = published(case);
    for cut in [0.7, 0.78, 0.8, 0.9] {
        for seconds in [5.0, 9.0, 10.0, 15.0] {
            for load in [0.7, 0.85, 1.0] {
                let trigger = Trigger { cut, seconds, load };
                if !triggers.contains(&trigger) {
                    triggers.push(trigger);
                }
            }
        }
    }
    triggers
}

/// Three replicas that lose most of their processors for a while, clients that try five times. Published are the
/// triggers and outcomes, not the sizes: those are ours, half of the capacity asked for and a timeout at which the
/// tipping point lies between the runs. Nothing is left to chance, so that the point is sharp.
pub(crate) fn mongo_runs(case: &Case) -> Vec<Run> {
    let system = case.setting("system").as_str();
    assert_eq!(system, Some("MongoDB 3 replicas, client retries=4"), "the system that is built in here");
    let run = |trigger: &Trigger| {
        let scenario = format!(
            "version: 1\nname: reference\nabout: a case of the reference file\nrun: {{duration: 80s, drain: 5s, grid: 1s}}\n\
             services:\n  mongo: {{replicas: 3, workers: 1, service_time: 10ms, balance: round_robin}}\n\
             load:\n  - {{name: clients, to: mongo, arrivals: constant, rate: {:.3}/s, timeout: {TIMEOUT_MS}ms, \
             retry: {{max_attempts: 5, backoff: {{kind: constant, base: 0s, jitter: none}}}}}}\n\
             timeline:\n  - {{id: cut, at: 10s, for: {}s, fault: {{slow: {{service: mongo, factor: x{:.3}}}}}}}\n",
            FULL_LOAD_PER_S * trigger.load,
            trigger.seconds,
            1.0 / (1.0 - trigger.cut)
        );
        Run::seeds(&trigger.group(), 1, &scenario)
    };
    triggers(case).iter().flat_map(run).collect()
}

const FULL_LOAD_PER_S: f64 = 150.0;
const TIMEOUT_MS: f64 = 4250.0;

fn is_down(measured: &Measured) -> bool {
    let tail = &measured.loads[0].intervals[60..80];
    let (good, offered) = tail.iter().fold((0, 0), |sum, one| (sum.0 + one.good, sum.1 + one.offered));
    good * 2 < offered
}

pub(crate) fn mongo(case: &Case, runs: &Runs, checks: &mut Checks) {
    case.says("monotone in trigger size, duration and load");
    let down = |trigger: &Trigger| is_down(&runs.of(&trigger.group())[0]);
    let expected = case.wanted("outcome").as_array().expect("one outcome for each run");
    for (trigger, expected) in published(case).iter().zip(expected) {
        let outcome = if down(trigger) { "down" } else { "recovers" };
        checks.claim(
            "outcome",
            *expected == outcome,
            format!("{}: {outcome}, published {expected}", trigger.group()),
        );
    }
    let triggers = triggers(case);
    for smaller in &triggers {
        for larger in triggers.iter().filter(|larger| larger.at_least(smaller)) {
            let monotone = !down(smaller) || down(larger);
            let text = || format!("{} does not recover, {} does", smaller.group(), larger.group());
            if !monotone {
                checks.claim("outcome", false, text());
            }
        }
    }
}
