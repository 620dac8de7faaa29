//! Queueing: single stations against the formulas of the textbooks.

use foreshock::measure::{LoadMeasured, Measured, ServiceMeasured};

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::{ENDLESS, SEEDS, exponential, jobs, probed_station, scenario, station};

const NS: f64 = 1e-9;
const PPM: f64 = 1e-6;
/// Group of the runs in which only the jobs of the model are present.
const PLAIN: &str = "plain";
/// Group of the runs with requests that only look.
const PROBED: &str = "probed";

fn load<'m>(measured: &'m Measured, name: &str) -> &'m LoadMeasured {
    measured.loads.iter().find(|load| load.name == name).expect("the scenario has this load")
}

fn only_station(measured: &Measured) -> &ServiceMeasured {
    &measured.services[0]
}

fn latency_s(measured: &Measured) -> f64 {
    load(measured, "jobs").latency.mean_ns as f64 * NS
}

fn wait_s(measured: &Measured) -> f64 {
    only_station(measured).wait.mean_ns as f64 * NS
}

fn waiting(measured: &Measured) -> f64 {
    only_station(measured).queue_mean_milli as f64 / 1000.0
}

fn busy_share(measured: &Measured) -> f64 {
    f64::from(only_station(measured).utilization_ppm) * PPM
}

fn completed(runs: &Runs, group: &str) -> u64 {
    runs.sum(group, |measured| only_station(measured).completed)
}

/// Time average of the number in the system over the whole run; it starts empty and ends nearly so, which is under
/// a thousandth of the runs used here.
fn in_system(measured: &Measured, seconds: f64) -> f64 {
    only_station(measured).in_system_integral_ns as f64 * NS / seconds
}

/// The seconds of load in each of the runs that [`jobs`] makes.
fn seconds(jobs: f64, per_s: f64) -> f64 {
    jobs / SEEDS as f64 / per_s
}

/// The share allowed for means: the file has two, by utilization.
fn means(case: &Case, rho: f64) -> f64 {
    if rho >= 0.9 { case.stated("on means (") } else { case.stated("rel ") }
}

// M/M/1

/// Two million are asked for; at utilization 0.8 they leave the 99.9th percentile a standard deviation of 2 %.
fn mm1_jobs(rho: f64) -> f64 {
    if rho >= 0.8 { 3_600_000.0 } else { 2_150_000.0 }
}

pub(crate) fn mm1_runs(case: &Case) -> Vec<Run> {
    let (per_s, rate) = (case.config("lam"), case.config("mu"));
    jobs(PLAIN, mm1_jobs(per_s / rate), per_s, &station("1", &exponential(1.0 / rate), ENDLESS, per_s))
}

pub(crate) fn mm1(case: &Case, runs: &Runs, checks: &mut Checks) {
    let rho = case.expected("rho");
    let allowed = means(case, rho);
    checks.at_least(completed(runs, PLAIN), case.stated("with >="));
    station_means(case, runs, checks, seconds(mm1_jobs(rho), case.config("lam")), allowed);
    let quantile = |pick: fn(&LoadMeasured) -> u64| {
        runs.mean(PLAIN, |measured| pick(load(measured, "jobs")) as f64 * NS)
    };
    checks.relative("p50_T", quantile(|jobs| jobs.latency.p50_ns), case.expected("p50_T"), allowed);
    checks.relative(
        "p99_T",
        quantile(|jobs| jobs.latency.p99_ns),
        case.expected("p99_T"),
        case.stated("p99 rel "),
    );
    let allowed = case.stated("p99.9 rel ");
    checks.relative("p999_T", quantile(|jobs| jobs.latency.p999_ns), case.expected("p999_T"), allowed);
}

/// What all stations with one waiting line have in common.
fn station_means(case: &Case, runs: &Runs, checks: &mut Checks, seconds: f64, allowed: f64) {
    let mut compare = |key: &str, value: f64| checks.relative(key, value, case.expected(key), allowed);
    compare("rho", runs.mean(PLAIN, busy_share));
    compare("W", runs.mean(PLAIN, latency_s));
    compare("Wq", runs.mean(PLAIN, wait_s));
    compare("Lq", runs.mean(PLAIN, waiting));
    compare("L", runs.mean(PLAIN, |measured| in_system(measured, seconds)));
}

// M/M/c

/// The 99th percentile of a wait may be off by so much: the cases of several servers state nothing for quantiles,
/// those of one server this.
const P99_SHARE: f64 = 0.03;
/// With as many requests that look; what they count varies less than a wait does.
const LOOKED_AT_JOBS: f64 = 500_000.0;

/// At utilization 0.9 two million jobs leave the mean wait a standard deviation of 2 %, where 3 % are allowed; these
/// leave 1.4 %.
fn mmc_jobs(rho: f64) -> f64 {
    if rho >= 0.9 { 4_000_000.0 } else { 2_300_000.0 }
}

pub(crate) fn mmc_runs(case: &Case) -> Vec<Run> {
    let (per_s, rate, servers) = (case.config("lam"), case.config("mu"), case.config("c"));
    let (workers, service_time) = (servers.to_string(), exponential(1.0 / rate));
    let rho = per_s / rate / servers;
    let mut runs = jobs(PLAIN, mmc_jobs(rho), per_s, &station(&workers, &service_time, ENDLESS, per_s));
    runs.extend(jobs(PROBED, LOOKED_AT_JOBS, per_s, &probed_station(&workers, &service_time, per_s)));
    runs
}

pub(crate) fn mmc(case: &Case, runs: &Runs, checks: &mut Checks) {
    let rho = case.expected("rho");
    let allowed = means(case, rho);
    checks.at_least(completed(runs, PLAIN), case.stated("with >="));
    station_means(case, runs, checks, seconds(mmc_jobs(rho), case.config("lam")), allowed);
    let p99 = runs.mean(PLAIN, |measured| only_station(measured).wait.p99_ns as f64 * NS);
    checks.relative("p99_Wq", p99, case.expected("p99_Wq"), P99_SHARE);
    let waited = runs.mean(PROBED, |measured| {
        let looks = load(measured, "looks");
        looks.failed_total() as f64 / looks.offered as f64
    });
    checks.relative("Pwait", waited, case.expected("Pwait"), allowed);
}

// Erlang's loss system

/// The textbook's service times, with as many arrivals as the file asks for.
const TEXTBOOK: &str = "exponential";
const LOSS_ARRIVALS: f64 = 1_100_000.0;
/// That the loss depends on the mean alone is shown by fewer: their standard error is a tenth of what is allowed.
const INSENSITIVE_ARRIVALS: f64 = 300_000.0;

pub(crate) fn loss_runs(case: &Case) -> Vec<Run> {
    let (servers, erlang) = (case.config("servers").to_string(), case.config("offered_erlang"));
    // The same mean of one second each time: the loss depends on nothing else (sigma 1 for the lognormal one).
    let service_times = [
        (TEXTBOOK, exponential(1.0)),
        ("constant", "1s".to_string()),
        ("lognormal", "{lognormal: {median: 606530660ns, p99: 6211189957ns}}".to_string()),
    ];
    let run = |(group, service_time): &(&str, String)| {
        let arrivals = if *group == TEXTBOOK { LOSS_ARRIVALS } else { INSENSITIVE_ARRIVALS };
        jobs(group, arrivals, erlang, &station(&servers, service_time, "{capacity: 0}", erlang))
    };
    service_times.iter().flat_map(run).collect()
}

pub(crate) fn loss(case: &Case, runs: &Runs, checks: &mut Checks) {
    for (group, measured) in runs.groups() {
        if group == TEXTBOOK {
            let arrivals = measured.iter().map(|one| only_station(one).arrivals).sum();
            checks.at_least(arrivals, case.stated("with >="));
        }
        let lost =
            runs.mean(group, |one| only_station(one).rejected as f64 / only_station(one).arrivals as f64);
        checks.absolute("Ploss", lost, case.expected("Ploss"), case.stated("abs "));
    }
}

/// Erlang's formula by its recursion, which needs no factorials.
fn erlang_b(servers: u32, erlang: f64) -> f64 {
    (1..=servers).fold(1.0, |loss, server| erlang * loss / (f64::from(server) + erlang * loss))
}

/// The formula itself, as the oracle of the cases above: the load at which one request in a hundred is lost.
pub(crate) fn loss_table(case: &Case, checks: &mut Checks) {
    let servers = case.numbers(case.setting("servers"));
    let expected = case.numbers(case.wanted("offered_erlang"));
    assert_eq!(servers.len(), expected.len());
    for (servers, expected) in servers.into_iter().zip(expected) {
        let (mut low, mut high) = (0.0, 2.0 * servers);
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if erlang_b(servers as u32, middle) < 0.01 { low = middle } else { high = middle }
        }
        checks.absolute("offered_erlang", low, expected, case.stated("abs "));
    }
}

// M/D/1

const MD1_JOBS: f64 = 2_150_000.0;
/// The points of the distribution of the wait that the file has.
const POINTS: [&str; 5] = ["P_Wq_le_0", "P_Wq_le_1", "P_Wq_le_2", "P_Wq_le_5", "P_Wq_le_10"];

fn point_s(key: &str) -> f64 {
    key.rsplit('_').next().and_then(|point| point.parse().ok()).expect("the key ends in a number")
}

pub(crate) fn md1_runs(case: &Case) -> Vec<Run> {
    let (per_s, service_s) = (case.config("lam"), case.config("service"));
    let service_time = format!("{service_s}s");
    let mut runs = jobs(PLAIN, MD1_JOBS, per_s, &station("1", &service_time, ENDLESS, per_s));
    // The same arrivals in as many streams as there are points; each stream walks away at its point (a microsecond
    // later, so that no tie decides), and its jobs are worked on all the same.
    let mut body = format!("services:\n  station: {{workers: 1, service_time: {service_time}}}\nload:\n");
    for key in POINTS {
        let patience_us = (point_s(key) + service_s) * 1e6 + 1.0;
        let rate = per_s / POINTS.len() as f64;
        body += &format!("  - {{name: {key}, to: station, rate: {rate}/s, patience: {patience_us}us}}\n");
    }
    runs.extend(jobs(PROBED, MD1_JOBS / 2.0, per_s, &body));
    runs
}

pub(crate) fn md1(case: &Case, runs: &Runs, checks: &mut Checks) {
    let allowed = means(case, case.expected("rho"));
    checks.at_least(completed(runs, PLAIN), case.stated("with >="));
    station_means(case, runs, checks, seconds(MD1_JOBS, case.config("lam")), allowed);
    for key in POINTS {
        let share = runs.mean(PROBED, |measured| {
            let stream = load(measured, key);
            stream.good as f64 / stream.offered as f64
        });
        checks.relative(key, share, case.expected(key), allowed);
    }
}

// M/M/1/K

const BOUNDED_ARRIVALS: f64 = 1_080_000.0;

pub(crate) fn mm1k_runs(case: &Case) -> Vec<Run> {
    let (per_s, rate) = (case.config("lam"), case.config("mu"));
    let queue = format!("{{capacity: {}}}", case.config("K") - 1.0);
    jobs(PLAIN, BOUNDED_ARRIVALS, per_s, &station("1", &exponential(1.0 / rate), &queue, per_s))
}

pub(crate) fn mm1k(case: &Case, runs: &Runs, checks: &mut Checks) {
    let (means, probabilities) = (case.stated("means rel "), case.stated("abs "));
    checks.at_least(runs.sum(PLAIN, |measured| only_station(measured).arrivals), case.stated("with >="));
    let seconds = seconds(BOUNDED_ARRIVALS, case.config("lam"));
    let lost = runs.mean(PLAIN, |one| only_station(one).rejected as f64 / only_station(one).arrivals as f64);
    checks.absolute("Ploss", lost, case.expected("Ploss"), probabilities);
    let in_system = runs.mean(PLAIN, |measured| in_system(measured, seconds));
    checks.relative("L", in_system, case.expected("L"), means);
    checks.relative("W", runs.mean(PLAIN, latency_s), case.expected("W"), means);
    checks.absolute("util", runs.mean(PLAIN, busy_share), case.expected("util"), probabilities);
    let throughput = runs.mean(PLAIN, |measured| load(measured, "jobs").good as f64 / (0.95 * seconds));
    checks.relative("thr", throughput, case.expected("thr"), means);
}

// M/M/inf

const UNLIMITED_JOBS: f64 = 2_150_000.0;

pub(crate) fn mminf_runs(case: &Case) -> Vec<Run> {
    let (per_s, rate) = (case.config("lam"), case.config("mu"));
    let body = station("unlimited", &exponential(1.0 / rate), ENDLESS, per_s);
    let mut runs = jobs(PLAIN, UNLIMITED_JOBS, per_s, &body);
    for run in &mut runs {
        run.scenario = run.scenario.replace("drain: 100s", "drain: 100s, grid: 1s");
    }
    runs
}

/// How many requests were under way at the end of each second of load after the warm-up.
fn population(measured: &Measured, seconds: f64) -> Vec<f64> {
    let mut inside = 0.0;
    let counted = load(measured, "jobs").intervals.iter().map(|interval| {
        inside += f64::from(interval.offered) - f64::from(interval.good) - f64::from(interval.failed);
        inside
    });
    counted.take(seconds as usize).skip((0.05 * seconds) as usize).collect()
}

pub(crate) fn mminf(case: &Case, runs: &Runs, checks: &mut Checks) {
    let means = case.stated("rel ");
    checks.at_least(completed(runs, PLAIN), case.stated("with >="));
    let seconds = seconds(UNLIMITED_JOBS, case.config("lam"));
    let in_system = runs.mean(PLAIN, |measured| in_system(measured, seconds));
    checks.relative("L", in_system, case.expected("L"), means);
    checks.relative("W", runs.mean(PLAIN, latency_s), case.expected("W"), means);
    let seen: Vec<f64> = runs.of(PLAIN).iter().flat_map(|measured| population(measured, seconds)).collect();
    let mean = seen.iter().sum::<f64>() / seen.len() as f64;
    let variance =
        seen.iter().map(|inside| (inside - mean) * (inside - mean)).sum::<f64>() / seen.len() as f64;
    checks.relative("var", variance, case.expected("var"), means);
    // So rare that a share of it cannot be asked for: the number of empty instants within four standard deviations.
    // Neighbouring instants are not independent; when empty, the next is so with a chance of about e^(-8(1-1/e)).
    let wanted = case.expected("P0") * seen.len() as f64;
    let empty = seen.iter().filter(|inside| **inside == 0.0).count() as f64;
    checks.absolute("P0", empty, wanted, 4.0 * wanted.sqrt());
}

// Closed

const CLOSED_JOBS: f64 = 2_150_000.0;

pub(crate) fn closed_runs(case: &Case) -> Vec<Run> {
    let (clients, think, service) = (case.config("N"), case.config("Z"), case.config("S"));
    let body = format!(
        "services:\n  station: {{workers: 1, service_time: {}}}\n\
         load:\n  - {{name: jobs, to: station, closed: {{clients: {clients}, think: {}}}}}\n",
        exponential(service),
        exponential(think)
    );
    jobs(PLAIN, CLOSED_JOBS, 1.0 / service, &body)
}

pub(crate) fn closed(case: &Case, runs: &Runs, checks: &mut Checks) {
    let means = case.stated("rel ");
    checks.at_least(completed(runs, PLAIN), case.stated("with >="));
    let counted_s = 0.95 * seconds(CLOSED_JOBS, 1.0 / case.config("S"));
    let throughput = runs.mean(PLAIN, |measured| load(measured, "jobs").offered as f64 / counted_s);
    checks.relative("X", throughput, case.expected("X"), means);
    checks.relative("R", runs.mean(PLAIN, latency_s), case.expected("R"), means);
    checks.relative("U", runs.mean(PLAIN, busy_share), case.expected("U"), means);
}

// Little's law

pub(crate) fn little_runs(_: &Case) -> Vec<Run> {
    let bodies = [
        ("one server", station("1", &exponential(1.0), ENDLESS, 0.8)),
        ("no limit", station("unlimited", &exponential(1.0), ENDLESS, 8.0)),
        ("turned away", station("2", &exponential(1.0), "{capacity: 3}", 2.5)),
        (
            "given up",
            "services:\n  station: {workers: 4, service_time: {exponential: {mean: 1s}}, calls: [{to: store, timeout: 1s}], \
             blocking: false}\n  store: {workers: 3, service_time: {exponential: {mean: 800ms}}, error_rate: 5%}\n\
             load:\n  - {name: jobs, to: station, rate: 2/s, timeout: 3s, cancel: true, retry: {max_attempts: 2, \
             backoff: {base: 1s, jitter: full}}}\n"
                .to_string(),
        ),
    ];
    bodies.iter().flat_map(|(group, body)| Run::seeds(group, 2, &scenario(5_000.0, 0.05, body))).collect()
}

/// The mean number inside is the rate of departures times their mean stay: over a run that starts and ends empty,
/// the integral of the one is the sum of the other.
pub(crate) fn little(case: &Case, runs: &Runs, checks: &mut Checks) {
    let allowed = case.stated("rel ");
    for (_, measured) in runs.groups() {
        for service in measured.iter().flat_map(|one| &one.services) {
            assert_eq!(
                service.all.in_system, 0,
                "the drain is long enough for `{}` to end empty",
                service.name
            );
            let (inside, stays) = (service.in_system_integral_ns as f64, service.sojourn_sum_ns as f64);
            checks.relative("identity", inside, stays, allowed);
        }
    }
}
