//! Published and closed-form results that a correct simulator reproduces, read from the reference file that lies
//! beside the project. Skipped with a message where the file is not there.
//!
//! One walker runs every case that the cluster can express: each builds scenarios as text, which go through the same
//! door as anybody's, and compares what was measured with the values and tolerances that the file states. One table,
//! [`reference::READINGS`], says of each case how it is read, or why it is not: a new case cannot be forgotten.

mod reference {
    pub(crate) mod availability;
    pub(crate) mod balancing;
    pub(crate) mod cache;
    pub(crate) mod checks;
    pub(crate) mod contention;
    pub(crate) mod file;
    pub(crate) mod lab;
    pub(crate) mod metastable;
    pub(crate) mod queueing;
    pub(crate) mod readings;
    pub(crate) mod retries;
    pub(crate) mod stations;
    pub(crate) mod tail;
}

use std::collections::{BTreeMap, BTreeSet};

use reference::checks::{Checks, SAMPLE_SIZE};
use reference::file::{self, Case};
use reference::lab::{self, Run, Runs};
use reference::readings::{READINGS, Reading};

/// The cases of the file, or `None` after a word on where it was looked for.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn cases() -> Option<Vec<Case>> {
    let path = file::path();
    if !path.exists() {
        println!("skipped: there is no reference file at {}", path.display());
        return None;
    }
    Some(file::read(&path))
}

fn reading(id: &str) -> &'static Reading {
    let found = READINGS.iter().find(|(known, _)| *known == id);
    &found.unwrap_or_else(|| panic!("`{id}` has no reading: add it to READINGS, or say there why not")).1
}

/// Runs everything that the cases ask for, on all cores, and compares.
fn walk(cases: &[Case], change: impl Fn(&Case, Vec<Run>) -> Vec<Run>) -> Vec<(&Case, Checks)> {
    let mut wanted = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Reading::Simulated { runs, .. } = reading(&case.id) {
            wanted.extend(change(case, runs(case)).into_iter().map(|run| (index, run)));
        }
    }
    let mut measured: BTreeMap<usize, Runs> = BTreeMap::new();
    for (index, run, outcome) in lab::all(wanted) {
        measured.entry(index).or_default().add(run, outcome);
    }
    let mut walked = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let mut checks = Checks::default();
        match reading(&case.id) {
            Reading::Simulated { compare, .. } => compare(case, &measured[&index], &mut checks),
            Reading::Computed(compare) => compare(case, &mut checks),
            Reading::Elsewhere(_) => continue,
        }
        walked.push((case, checks));
    }
    walked
}

#[test]
fn every_case_that_the_cluster_can_express_holds_within_its_own_tolerance() {
    let Some(cases) = cases() else { return };
    let mut wrong = Vec::new();
    for (case, checks) in walk(&cases, |_, runs| runs) {
        println!("{}\n{checks}", case.id);
        wrong.extend(checks.failed().map(|check| format!("{}: {check}", case.id)));
        let compared: BTreeSet<&str> = checks.keys().filter(|key| *key != SAMPLE_SIZE).collect();
        let stated: BTreeSet<&str> = case.expected.keys().map(String::as_str).collect();
        if compared != stated {
            wrong.push(format!("{}: compared {compared:?}, but the file states {stated:?}", case.id));
        }
    }
    assert!(wrong.is_empty(), "{} values are not as published:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_case_of_the_file_has_a_reading_and_every_reading_a_case() {
    let Some(cases) = cases() else { return };
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    let known: BTreeSet<&str> = READINGS.iter().map(|(id, _)| *id).collect();
    assert_eq!(known.len(), READINGS.len(), "a case has two readings");
    let unread: Vec<&&str> = ids.difference(&known).collect();
    assert!(unread.is_empty(), "add these to READINGS, or say there why not: {unread:?}");
    let gone: Vec<&&str> = known.difference(&ids).collect();
    assert!(gone.is_empty(), "the file no longer has these, remove them from READINGS: {gone:?}");
    for (id, reading) in READINGS {
        if let Reading::Elsewhere(reason) = reading {
            println!("{id}: not run here, {reason}");
        }
    }
}

/// The same cases with each service 5 % slower than the file says, by a fault that lasts for the whole run.
#[test]
fn the_walker_notices_a_service_that_is_five_percent_slower_than_stated() {
    const ONE_SEED: usize = 1;
    let Some(mut cases) = cases() else { return };
    let broken = ["q-mm1-0.5", "q-erlb-5-3", "q-mm1k-0.9-5", "q-mminf-8", "q-closed-20"];
    cases.retain(|case| broken.contains(&case.id.as_str()));
    assert_eq!(cases.len(), broken.len());
    let slower = |_: &Case, mut runs: Vec<Run>| {
        runs.retain(|run| run.seed as usize <= ONE_SEED);
        for run in &mut runs {
            run.scenario.push_str(
                "timeline:\n  - {id: slower, at: 0s, fault: {slow: {service: station, factor: x1.05}}}\n",
            );
        }
        runs
    };
    for (case, checks) in walk(&cases, slower) {
        let caught = checks.failed().any(|check| check.key != SAMPLE_SIZE);
        assert!(caught, "{} did not notice:\n{checks}", case.id);
    }
}
