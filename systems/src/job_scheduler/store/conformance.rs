//! What every store has to do, as a check that any store can be put through. Never repairs one.

use super::{Counts, JobStore, Row, RowKey};
use crate::job_scheduler::job::{JobId, QueueId, ScheduleId};
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;

/// What a store does that it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// After how many commits.
    pub commits: usize,
    /// What is wrong with what it loads.
    pub what: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {} commits: {}", self.commits, self.what)
    }
}

impl std::error::Error for Broken {}

/// Puts an empty store through commits of several rows, replacements and removals, and through `restart` after each of
/// them; what it loads must be what was committed, each time, before the restart and after it. `restart` gives back
/// the store as its next owner would open it.
///
/// `job` makes a job's row of an id and a version: any two versions have to differ.
///
/// # Errors
/// [`Broken`] says what the store did wrong.
pub fn check_store<S: JobStore>(
    mut store: S,
    mut restart: impl FnMut(S) -> S,
    job: impl Fn(JobId, u64) -> Row,
) -> Result<(), Broken> {
    let mut expected = BTreeMap::new();
    compare(&mut store, &expected, 0)?;
    for commits in 1..=200_usize {
        let number = commits as u64;
        let mut rows = vec![
            job(JobId(number % 17), number),
            job(JobId(number % 5), number + 1_000),
            Row::Counts(Counts { enqueued: number, pruned: number / 2 }),
            Row::Schedule { schedule: ScheduleId((number % 3) as u16), last_tick: Time::from_nanos(number) },
            Row::Queue { queue: QueueId((number % 2) as u16), paused: number.is_multiple_of(3) },
        ];
        if number.is_multiple_of(4) {
            // A row and its removal in one commit, and a removal of what may not be there.
            rows.push(Row::Removed(JobId(number % 17)));
            rows.push(Row::Removed(JobId(number % 7)));
        }
        store.commit(&rows).map_err(|_| Broken { commits, what: "it refused a commit" })?;
        for row in rows {
            if let Row::Removed(_) = row {
                expected.remove(&row.key());
            } else {
                expected.insert(row.key(), row);
            }
        }
        compare(&mut store, &expected, commits)?;
        store = restart(store);
        compare(&mut store, &expected, commits)?;
    }
    Ok(())
}

fn compare<S: JobStore>(
    store: &mut S,
    expected: &BTreeMap<RowKey, Row>,
    commits: usize,
) -> Result<(), Broken> {
    let rows = store.load().map_err(|_| Broken { commits, what: "it could not be read" })?;
    let mut loaded = BTreeMap::new();
    for row in rows {
        if let Row::Removed(_) = row {
            return Err(Broken { commits, what: "it loads removals" });
        }
        if loaded.insert(row.key(), row).is_some() {
            return Err(Broken { commits, what: "it loads two rows of one key" });
        }
    }
    if loaded.keys().any(|key| !expected.contains_key(key)) {
        return Err(Broken { commits, what: "it loads a row that was removed or never written" });
    }
    if expected.keys().any(|key| !loaded.contains_key(key)) {
        return Err(Broken { commits, what: "it lost a row" });
    }
    if &loaded == expected { Ok(()) } else { Err(Broken { commits, what: "it loads an old row" }) }
}
