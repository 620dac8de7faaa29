//! Are the planted causes found, and is no decoy blamed? Every shipped scenario that expects an answer, over twenty
//! seeds each, as a table. Takes minutes, and is therefore asked for by name:
//! `cargo test --release --test why -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::fs;
use std::path::Path;

use foreshock::explore::parallel::default_jobs;
use foreshock::explore::why::candidates::find;
use foreshock::explore::why::counterfactual::Replays;
use foreshock::explore::why::diagnosis::diagnose;
use foreshock::kernel::draw::Seed;
use foreshock::nodes::Kinds;
use foreshock::scenario::plan::Plan;
use foreshock::scenario::{Files, Source, compile};

struct NoFiles;

impl Files for NoFiles {
    fn read(&self, relative: &str) -> Result<String, String> {
        Err(format!("{relative} is not read here"))
    }
}

fn scenarios() -> Vec<Plan> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/why");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let plans = files.iter().map(|file| {
        let text = fs::read(file).unwrap();
        compile(Source { name: "why", text: &text }, &NoFiles, &Kinds::default()).unwrap().plan
    });
    plans.filter(|plan| !plan.expect.why_root.is_empty()).collect()
}

const SEEDS: u64 = 20;

/// How often what was said.
#[derive(Default)]
struct Row {
    failed: u64,
    /// Exactly the planted causes were named.
    exact: u64,
    /// At least one planted cause was missed.
    missed: u64,
    /// A decoy was named.
    decoys: u64,
    /// Something else was named as well.
    others: u64,
}

fn row(plan: &Plan, kinds: &Kinds) -> Row {
    let candidates = find(plan);
    let mut replays = Replays::new(plan, kinds, default_jobs());
    let mut row = Row::default();
    for more in 0..SEEDS {
        let Some(found) = diagnose(&mut replays, &candidates, Seed(plan.seed.0 + more)).unwrap() else {
            continue;
        };
        row.failed += 1;
        let named: Vec<&String> = found.root.iter().map(|root| &candidates[*root].id).collect();
        let missed = plan.expect.why_root.iter().any(|id| !named.contains(&id));
        let decoy = named.iter().any(|id| plan.expect.why_not_root.contains(id));
        let other = named
            .iter()
            .any(|id| !plan.expect.why_root.contains(id) && !plan.expect.why_not_root.contains(id));
        row.missed += u64::from(missed);
        row.decoys += u64::from(decoy);
        row.others += u64::from(other);
        row.exact += u64::from(!missed && !decoy && !other);
    }
    row
}

#[test]
#[ignore = "takes minutes: cargo test --release --test why -- --ignored --nocapture"]
fn every_planted_cause_is_found_and_no_decoy_is_blamed_over_twenty_seeds() {
    let kinds = Kinds::default();
    println!(
        "{:28} {:>6} {:>6} {:>6} {:>6} {:>6}",
        "scenario", "failed", "exact", "missed", "decoy", "other"
    );
    let (mut plans, mut wrong) = (0, Vec::new());
    for plan in scenarios() {
        let row = row(&plan, &kinds);
        println!(
            "{:28} {:>6} {:>6} {:>6} {:>6} {:>6}",
            plan.name, row.failed, row.exact, row.missed, row.decoys, row.others
        );
        plans += 1;
        if row.exact < row.failed || row.failed < SEEDS {
            wrong.push(plan.name);
        }
    }
    assert!(plans >= 12, "{plans} scenarios expect an answer");
    assert!(wrong.is_empty(), "not always exactly the planted causes: {wrong:?}");
}
