//! Runs scenarios through the public door, many at once on all cores: text in, measurements out.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use foreshock::kernel::StopReason;
use foreshock::kernel::draw::Seed;
use foreshock::measure::Measured;
use foreshock::nodes::Kinds;
use foreshock::run::{Detail, run};
use foreshock::scenario::{Files, Source, compile};

/// A scenario to run.
#[derive(Clone)]
pub(crate) struct Run {
    /// Under which name the result is found.
    pub(crate) group: String,
    pub(crate) scenario: String,
    pub(crate) seed: u64,
}

impl Run {
    /// One run for each seed from 1 on.
    pub(crate) fn seeds(group: &str, seeds: u64, scenario: &str) -> Vec<Run> {
        let run = |seed| Run { group: group.to_string(), scenario: scenario.to_string(), seed };
        (1..=seeds).map(run).collect()
    }
}

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("a reference case names no files, and `{relative}` is one"))
    }
}

/// Runs one scenario.
fn simulate(wanted: &Run) -> Measured {
    let kinds = Kinds::default();
    let source = Source { name: &wanted.group, text: wanted.scenario.as_bytes() };
    let compiled =
        compile(source, &NoFiles, &kinds).unwrap_or_else(|error| panic!("{error}\n{}", wanted.scenario));
    let outcome = run(&compiled.plan, Seed(wanted.seed), &[], &kinds, &Detail::default())
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        matches!(outcome.stop, StopReason::Finished | StopReason::EndOfTime),
        "{} stopped early: {:?}\n{}",
        wanted.group,
        outcome.stop,
        wanted.scenario
    );
    let broken: Vec<&str> =
        outcome.judgement.invariants.iter().filter(|one| !one.held).map(|one| one.id.as_str()).collect();
    assert!(broken.is_empty(), "{} broke {broken:?}\n{}", wanted.group, wanted.scenario);
    outcome.measured
}

/// Runs all of them, as many at once as there are cores; the results come in the order of the scenarios.
pub(crate) fn all<T: Copy + Sync>(wanted: Vec<(T, Run)>) -> Vec<(T, Run, Measured)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, Measured>> = Mutex::default();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((_, run)) = wanted.get(index) else { return };
            let measured = simulate(run);
            done.lock().expect("no worker panics while it holds the lock").insert(index, measured);
        }
    };
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let done = done.into_inner().expect("a worker that panicked has ended the scope already");
    wanted.into_iter().zip(done.into_values()).map(|((tag, run), measured)| (tag, run, measured)).collect()
}

/// The results of a case by group.
#[derive(Default)]
pub(crate) struct Runs(BTreeMap<String, Vec<Measured>>);

impl Runs {
    pub(crate) fn add(&mut self, run: Run, measured: Measured) {
        self.0.entry(run.group).or_default().push(measured);
    }

    /// The results of a group, one for each seed.
    pub(crate) fn of(&self, group: &str) -> &[Measured] {
        self.0.get(group).unwrap_or_else(|| panic!("nothing was run as `{group}`"))
    }

    /// The groups with their results.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, &[Measured])> {
        self.0.iter().map(|(group, measured)| (group.as_str(), measured.as_slice()))
    }

    /// The mean over the seeds.
    pub(crate) fn mean(&self, group: &str, value: impl Fn(&Measured) -> f64) -> f64 {
        let runs = self.of(group);
        runs.iter().map(value).sum::<f64>() / runs.len() as f64
    }

    /// The sum over the seeds.
    pub(crate) fn sum(&self, group: &str, value: impl Fn(&Measured) -> u64) -> u64 {
        self.of(group).iter().map(value).sum()
    }
}
