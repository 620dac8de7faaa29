//! Load balancing: many servers behind one balancer.

use super::checks::Checks;
use super::file::Case;
use super::lab::{Run, Runs};
use super::stations::{SEEDS, exponential, scenario};

fn fleet(case: &Case, balance: &str) -> String {
    let (servers, per_server) = (case.config("n_servers"), case.config("lam_per_server"));
    format!(
        "services:\n  fleet: {{replicas: {servers}, balance: {balance}, service_time: {}}}\n\
         load:\n  - {{name: jobs, to: fleet, rate: {}/s}}\n",
        exponential(1.0 / case.config("mu")),
        servers * per_server
    )
}

fn mean_stay_s(runs: &Runs, group: &str) -> f64 {
    runs.mean(group, |measured| measured.loads[0].latency.mean_ns as f64 * 1e-9)
}

/// `T_d3` -> 3.
fn choices(key: &str) -> u32 {
    key.strip_prefix("T_d").and_then(|choices| choices.parse().ok()).expect("the keys are T_d<choices>")
}

/// The horizon is the file's: 4000 s, of which 500 s are dropped. One run each has 1.6 million jobs, which leaves the
/// mean of independent queues a standard deviation of 1.5 % and the others far less.
pub(crate) fn supermarket_runs(case: &Case) -> Vec<Run> {
    assert!(
        case.setting("horizon").as_str().is_some_and(|text| text.starts_with("4000 s, first 500 s dropped"))
    );
    let run = |key: &String| {
        let balance = match choices(key) {
            1 => "random".to_string(),
            choices => format!("{{power_of_choices: {{choices: {choices}}}}}"),
        };
        Run::seeds(key, 1, &scenario(4_000.0, 500.0 / 4_000.0, &fleet(case, &balance)))
    };
    case.expected.keys().flat_map(run).collect()
}

pub(crate) fn supermarket(case: &Case, runs: &Runs, checks: &mut Checks) {
    let (chosen, random) = (case.stated("rel "), case.stated("d=1 rel "));
    for key in case.expected.keys() {
        let allowed = if choices(key) == 1 { random } else { chosen };
        checks.relative(key, mean_stay_s(runs, key), case.expected(key), allowed);
    }
}

/// From the longest stay to the shortest, with the words of the file.
const ORDER: [(&str, &str); 4] = [
    ("random", "random"),
    ("round robin", "round_robin"),
    ("power of two", "power_of_two"),
    ("join shortest queue", "least_requests"),
];

pub(crate) fn order_runs(case: &Case) -> Vec<Run> {
    ORDER
        .iter()
        .flat_map(|(_, balance)| Run::seeds(balance, SEEDS, &scenario(600.0, 0.1, &fleet(case, balance))))
        .collect()
}

pub(crate) fn order(case: &Case, runs: &Runs, checks: &mut Checks) {
    let words: Vec<String> = ORDER.iter().map(|(name, _)| format!("T({name})")).collect();
    assert_eq!(case.wanted("order").as_str(), Some(words.join(" > ").as_str()), "the order that is compared");
    case.says("every one of 10 seeds");
    for seed in 0..SEEDS as usize {
        let stays = ORDER.map(|(_, balance)| runs.of(balance)[seed].loads[0].latency.mean_ns);
        let falls = stays.windows(2).all(|two| two[0] > two[1]);
        checks.claim(
            "order",
            falls,
            format!("seed {}: {:?} ms", seed + 1, stays.map(|stay| stay / 1_000_000)),
        );
    }
}
