//! Workflows of jobs as the harness knows them: which step waits for which, and what came of the whole. Told of ends and
//! starts by the books on jobs; a few words for each step of a workflow that has not ended.

use std::collections::BTreeMap;

/// A step, by the serial number of its job.
#[derive(Debug)]
struct Step {
    workflow: u64,
    /// Steps that have not ended yet.
    waits_for: Vec<u64>,
    /// Whether it runs although one that it waited for has failed.
    runs_after_failure: bool,
    /// One that it waited for has failed, and it must never run.
    is_off: bool,
}

#[derive(Debug)]
struct Running {
    open: u32,
    has_failed: bool,
}

/// A step that is about to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedStep {
    pub(crate) serial: u64,
    /// Serial numbers of those it comes after.
    pub(crate) after: Vec<u64>,
    pub(crate) runs_after_failure: bool,
}

/// The books on the workflows of one scheduler.
#[derive(Debug, Default)]
pub(crate) struct Workflows {
    steps: BTreeMap<u64, Step>,
    /// By the serial number of the first step.
    running: BTreeMap<u64, Running>,
    /// Who waits for a step.
    waiting: BTreeMap<u64, Vec<u64>>,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) out_of_order: u64,
}

impl Workflows {
    /// Whether there was never one.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.completed + self.failed == 0
    }

    /// How many have steps that have not ended.
    pub(crate) fn open(&self) -> u64 {
        self.running.len() as u64
    }

    /// A scheduler has taken a workflow.
    pub(crate) fn begun(&mut self, steps: Vec<PlannedStep>) {
        let Some(workflow) = steps.first().map(|step| step.serial) else { return };
        self.running.insert(workflow, Running { open: steps.len() as u32, has_failed: false });
        for PlannedStep { serial, after, runs_after_failure } in steps {
            for before in &after {
                self.waiting.entry(*before).or_default().push(serial);
            }
            self.steps.insert(serial, Step { workflow, waits_for: after, runs_after_failure, is_off: false });
        }
    }

    /// A step was given to a worker: what is wrong with that, if anything.
    pub(crate) fn started(&mut self, serial: u64) -> Option<String> {
        let step = self.steps.get(&serial)?;
        let why = match (step.waits_for.first(), step.is_off) {
            (Some(before), _) => format!("before job {before}, which it comes after, had ended"),
            (None, true) => "although a job that it comes after has failed".to_string(),
            (None, false) => return None,
        };
        self.out_of_order += 1;
        Some(format!("job {serial}, a step of the workflow of job {}, was started {why}", step.workflow))
    }

    /// A job has ended; those that wait for it may start, or never will.
    pub(crate) fn ended(&mut self, serial: u64, is_completed: bool) {
        let Some(step) = self.steps.remove(&serial) else { return };
        for child in self.waiting.remove(&serial).unwrap_or_default() {
            if let Some(child) = self.steps.get_mut(&child) {
                child.waits_for.retain(|before| *before != serial);
                child.is_off |= !is_completed && !child.runs_after_failure;
            }
        }
        let Some(running) = self.running.get_mut(&step.workflow) else { return };
        running.open = running.open.saturating_sub(1);
        running.has_failed |= !is_completed;
        if running.open > 0 {
            return;
        }
        match self.running.remove(&step.workflow) {
            Some(Running { has_failed: true, .. }) => self.failed += 1,
            Some(Running { has_failed: false, .. }) | None => self.completed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two that come after the first, and one after both; the last cleans up.
    fn begun() -> Workflows {
        let step = |serial, after: &[u64], runs_after_failure| PlannedStep {
            serial,
            after: after.to_vec(),
            runs_after_failure,
        };
        let mut books = Workflows::default();
        books.begun(vec![
            step(1, &[], false),
            step(2, &[1], false),
            step(3, &[1], false),
            step(4, &[2, 3], true),
        ]);
        books
    }

    #[test]
    fn steps_that_start_in_order_make_a_workflow_that_is_completed() {
        let mut books = begun();
        for serial in 1..=4 {
            assert_eq!(books.started(serial), None);
            books.ended(serial, true);
        }
        assert_eq!((books.completed, books.failed, books.open(), books.out_of_order), (1, 0, 0, 0));
        assert!(books.steps.is_empty() && books.waiting.is_empty() && !books.is_empty());
    }

    #[test]
    fn a_step_that_starts_before_what_it_comes_after_is_seen() {
        let mut books = begun();
        assert!(books.started(2).is_some_and(|witness| witness.contains("before job 1")));
        books.ended(1, true);
        books.ended(2, true);
        assert!(books.started(4).is_some_and(|witness| witness.contains("before job 3")));
        assert_eq!(books.out_of_order, 2);
    }

    #[test]
    fn after_a_failure_only_what_cleans_up_may_start() {
        let mut books = begun();
        books.ended(1, false);
        assert!(books.started(2).is_some_and(|witness| witness.contains("has failed")));
        books.ended(2, false);
        books.ended(3, false);
        assert_eq!(books.started(4), None);
        books.ended(4, true);
        assert_eq!((books.completed, books.failed), (0, 1));
    }

    #[test]
    fn a_job_of_no_workflow_is_of_no_account() {
        let mut books = Workflows::default();
        assert_eq!(books.started(7), None);
        books.ended(7, false);
        assert!(books.is_empty());
    }
}
