//! A budget that the threads of a client share. Decides nothing of its own, and never waits for anything but its lock,
//! which is held for a few additions.

use super::{Budget, BudgetConfig, RetryCause};
use crate::time::Time;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// [`Budget`] behind `&self`, with the same law of driving it.
///
/// Threads that read their clocks before they get the lock may come in the wrong order; a budget takes the later time
/// as still in force then.
#[derive(Debug)]
pub struct SharedBudget {
    budget: Mutex<Budget>,
}

impl SharedBudget {
    /// A budget at its start; see [`Budget::new`].
    pub fn new(config: BudgetConfig) -> SharedBudget {
        SharedBudget { budget: Mutex::new(Budget::new(config)) }
    }

    fn lock(&self) -> MutexGuard<'_, Budget> {
        // No method of a budget can panic half-way, so that a poisoned one is as good as any.
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Budget::on_request`].
    pub fn on_request(&self, now: Time) {
        self.lock().on_request(now);
    }

    /// See [`Budget::on_success`].
    pub fn on_success(&self, now: Time) {
        self.lock().on_success(now);
    }

    /// See [`Budget::on_success_after_retry`].
    pub fn on_success_after_retry(&self, now: Time, cause: RetryCause) {
        self.lock().on_success_after_retry(now, cause);
    }

    /// See [`Budget::on_failure`].
    pub fn on_failure(&self, now: Time) {
        self.lock().on_failure(now);
    }

    /// See [`Budget::on_cancel`].
    pub fn on_cancel(&self, now: Time) {
        self.lock().on_cancel(now);
    }

    /// See [`Budget::try_retry_after`].
    pub fn try_retry_after(&self, now: Time, cause: RetryCause) -> bool {
        self.lock().try_retry_after(now, cause)
    }

    /// See [`Budget::on_retry_finished`].
    pub fn on_retry_finished(&self, now: Time) {
        self.lock().on_retry_finished(now);
    }

    /// See [`Budget::reconfigure`].
    pub fn reconfigure(&self, config: BudgetConfig, now: Time) {
        self.lock().reconfigure(config, now);
    }

    /// A copy of the budget as it is at this instant, for its getters.
    pub fn snapshot(&self) -> Budget {
        self.lock().clone()
    }
}
