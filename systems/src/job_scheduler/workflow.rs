//! Jobs that depend on each other: chains, batches, any graph without a cycle. Plain data and its check; never runs
//! anything.

use super::job::NewJob;
use std::fmt;

/// Jobs and which of them come before which. Enqueued as one: all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workflow {
    /// The jobs. Each may also name earlier jobs in [`NewJob::after`].
    pub jobs: Vec<NewJob>,
    /// Pairs of places in `jobs`: the first has to complete before the second.
    pub edges: Vec<(usize, usize)>,
}

impl Workflow {
    /// One after the other.
    pub fn chain(jobs: impl IntoIterator<Item = NewJob>) -> Workflow {
        let jobs: Vec<NewJob> = jobs.into_iter().collect();
        let edges = (1..jobs.len()).map(|at| (at - 1, at)).collect();
        Workflow { jobs, edges }
    }

    /// All at once, and then the last: fan-out and fan-in.
    pub fn batch(jobs: impl IntoIterator<Item = NewJob>, then: NewJob) -> Workflow {
        let mut jobs: Vec<NewJob> = jobs.into_iter().collect();
        let last = jobs.len();
        jobs.push(then);
        Workflow { jobs, edges: (0..last).map(|at| (at, last)).collect() }
    }

    /// Checks that it is a graph without a cycle (Kahn, 1962).
    ///
    /// # Errors
    /// [`WorkflowError`] says what is not.
    pub fn validate(&self) -> Result<(), WorkflowError> {
        let len = self.jobs.len();
        if len == 0 {
            return Err(WorkflowError::Empty);
        }
        let mut parents = vec![0usize; len];
        let mut children = vec![Vec::new(); len];
        for &(before, after) in &self.edges {
            if before >= len || after >= len {
                return Err(WorkflowError::NoSuchJob { place: before.max(after) });
            }
            parents[after] += 1;
            children[before].push(after);
        }
        let mut free: Vec<usize> = (0..len).filter(|at| parents[*at] == 0).collect();
        let mut reached = 0;
        while let Some(at) = free.pop() {
            reached += 1;
            for &child in &children[at] {
                parents[child] -= 1;
                if parents[child] == 0 {
                    free.push(child);
                }
            }
        }
        match (0..len).find(|at| parents[*at] > 0) {
            Some(place) if reached < len => Err(WorkflowError::Cycle { place }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Why a workflow is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkflowError {
    /// It has no jobs.
    Empty,
    /// An edge leads to a place where there is no job.
    NoSuchJob {
        /// The place.
        place: usize,
    },
    /// A job waits for itself, by way of others or not.
    Cycle {
        /// A place that is on the cycle or behind it.
        place: usize,
    },
}

impl fmt::Display for WorkflowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkflowError::Empty => f.write_str("a workflow without jobs: add one"),
            WorkflowError::NoSuchJob { place } => {
                write!(f, "an edge names place {place}, where there is no job")
            }
            WorkflowError::Cycle { place } => {
                write!(
                    f,
                    "the job at place {place} would wait for ever: remove an edge of the cycle before it"
                )
            }
        }
    }
}

impl std::error::Error for WorkflowError {}
