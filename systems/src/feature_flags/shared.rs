//! The flags of a process with many threads: each request takes the revision that is there and keeps it; whoever
//! publishes the next one waits for no request.

use super::rules::RuleSet;
use std::sync::{Arc, PoisonError, RwLock};

/// The current revision, for many threads.
#[derive(Debug)]
pub struct SharedRules {
    current: RwLock<Arc<RuleSet>>,
}

impl SharedRules {
    /// With a first revision, which may be empty.
    pub fn new(rules: RuleSet) -> SharedRules {
        SharedRules { current: RwLock::new(Arc::new(rules)) }
    }

    /// The revision that is there. Whoever keeps it sees no other.
    pub fn snapshot(&self) -> Arc<RuleSet> {
        // A thread that panicked cannot have left half a revision: there is only one assignment.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts `rules` in place if they are newer than what is there. Says whether they were.
    pub fn publish(&self, rules: Arc<RuleSet>) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let is_newer = rules.revision() > current.revision();
        if is_newer {
            *current = rules;
        }
        is_newer
    }
}
