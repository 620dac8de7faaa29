//! The measuring grid as CSV, one file for each kind of thing. Only for `--out`: goldens hold no series.

use std::fmt::Write;

use crate::run::Outcome;

/// A file of series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesFile {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Comma-separated values with a header line, line feeds at line ends.
    pub text: String,
}

/// All series of a run: loads, services, calls, objectives. `from_us` is the start of an interval of the grid.
pub fn series_csv(outcome: &Outcome) -> Vec<SeriesFile> {
    let grid_us = outcome.plan.run.grid.as_nanos().max(1) / 1_000;
    vec![
        SeriesFile { name: "series-load.csv", text: loads(outcome, grid_us) },
        SeriesFile { name: "series-services.csv", text: services(outcome, grid_us) },
        SeriesFile { name: "series-calls.csv", text: calls(outcome, grid_us) },
        SeriesFile { name: "series-slo.csv", text: slos(outcome, grid_us) },
    ]
}

fn loads(outcome: &Outcome, grid_us: u64) -> String {
    let mut text = String::from("from_us,load,offered,good,failed,attempts,p99_us\n");
    for load in &outcome.measured.loads {
        for (index, it) in load.intervals.iter().enumerate() {
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{}",
                index as u64 * grid_us,
                field(&load.name),
                it.offered,
                it.good,
                it.failed,
                it.attempts,
                it.p99_us
            );
        }
    }
    text
}

fn services(outcome: &Outcome, grid_us: u64) -> String {
    let mut text = String::from(
        "from_us,service,arrivals,retries,completed,rejected,waiting_at_end,utilization_ppm,replicas_up_at_end\n",
    );
    for service in &outcome.measured.services {
        for (index, it) in service.intervals.iter().enumerate() {
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{},{}",
                index as u64 * grid_us,
                field(&service.name),
                it.arrivals,
                it.retries,
                it.completed,
                it.rejected,
                it.queue,
                it.utilization_ppm,
                it.replicas_up
            );
        }
    }
    text
}

fn calls(outcome: &Outcome, grid_us: u64) -> String {
    let mut text = String::from("from_us,call,requests,attempts,failed\n");
    for edge in &outcome.measured.edges {
        for (index, it) in edge.intervals.iter().enumerate() {
            let _ = writeln!(
                text,
                "{},{},{},{},{}",
                index as u64 * grid_us,
                field(&edge.name),
                it.requests,
                it.attempts,
                it.failed
            );
        }
    }
    text
}

fn slos(outcome: &Outcome, grid_us: u64) -> String {
    let mut text = String::from("from_us,objective,unit,value\n");
    for (verdict, measured) in outcome.judgement.slos.iter().zip(&outcome.measured.slos) {
        let unit = match verdict.unit {
            crate::judge::Unit::Nanoseconds => "ns",
            crate::judge::Unit::PartsPerMillion => "ppm",
            crate::judge::Unit::MilliPerSecond => "milli_per_s",
            crate::judge::Unit::Milli => "milli",
        };
        for (index, value) in measured.intervals.iter().enumerate() {
            let value = value.map_or_else(String::new, |value| value.to_string());
            let _ = writeln!(text, "{},{},{unit},{value}", index as u64 * grid_us, field(&verdict.id));
        }
    }
    text
}

/// A name as a field: quoted where it needs to be.
fn field(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_string()
    }
}
