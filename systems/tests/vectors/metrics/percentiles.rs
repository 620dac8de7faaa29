//! Percentiles against the published ones of a queue: the response time of M/M/1 is exponential, so its quantiles
//! can be fed to every distribution without drawing at random.

use crate::folder::reference_cases;
use foreshock_systems::metrics::histogram::{
    ExponentialConfig, ExponentialHistogram, HdrConfig, HdrHistogram, RelativeConfig, RelativeHistogram,
};
use foreshock_systems::metrics::{Histogram, Quantile};
use serde_json::Value;
use std::fs;

/// Responses fed to each distribution.
const RESPONSES: u64 = 200_000;
/// Nanoseconds in the published unit of time.
const UNIT_NS: f64 = 1e9;

#[test]
fn percentiles_of_an_exponential_response_time_are_the_published_ones() {
    let Some(path) = reference_cases() else { return };
    let text = fs::read_to_string(path).expect("the published results can be read");
    let cases: Value = serde_yaml::from_str(&text).expect("they are YAML");
    let mut ran = 0;
    for case in cases_in(&cases).filter(|case| case["id"].as_str().is_some_and(|id| id.starts_with("q-mm1-")))
    {
        let [lam, mu] = ["lam", "mu"].map(|key| case["config"][key].as_f64().expect("a queue has its rates"));
        let hdr = HdrHistogram::new(HdrConfig { lowest: 1, highest: 1 << 50, digits: 3 }).expect("sensible");
        check(hdr, 0.001, mu - lam, &case["expected"]);
        let relative = RelativeHistogram::new(RelativeConfig::ONE_PERCENT).expect("sensible");
        check(relative, 0.01, mu - lam, &case["expected"]);
        let native = ExponentialHistogram::new(ExponentialConfig::DEFAULT).expect("sensible");
        check(native, 0.05, mu - lam, &case["expected"]);
        ran += 1;
    }
    println!("reference: {ran} queues, three distributions each");
    assert!(ran >= 1, "there is at least one queue of this kind");
}

/// The cases, whether they are a list or stand under a key.
fn cases_in(all: &Value) -> impl Iterator<Item = &Value> {
    let lists = all
        .as_array()
        .into_iter()
        .chain(all.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_array()));
    lists.flatten()
}

fn check(mut histogram: impl Histogram, precision: f64, rate: f64, expected: &Value) {
    for n in 0..RESPONSES {
        let share = (n as f64 + 0.5) / RESPONSES as f64;
        histogram.record((-libm::log1p(-share) / rate * UNIT_NS) as u64);
    }
    for (key, quantile) in [("p50_T", Quantile::P50), ("p99_T", Quantile::P99), ("p999_T", Quantile::P999)] {
        let Some(expected) = expected[key].as_f64() else { continue };
        let got = histogram.quantile(quantile).expect("there are responses") as f64 / UNIT_NS;
        // The grid itself is off by half a step, most at the tail.
        assert!((got / expected - 1.0).abs() <= precision + 0.001, "{key}: {got}, published {expected}");
    }
}
