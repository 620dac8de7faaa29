//! Password hashes as work on cores: a bounded line before them, and the same work whether the account exists or not.
//! Hashes nothing itself.

use crate::time::{Span, Time};

/// Where passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashQueueConfig {
    /// Cores of their own, apart from what verifies tokens; zero counts as one.
    pub cores: u32,
    /// What one hash takes: the cost parameter.
    pub cost: Span,
    /// The longest wait that is worth beginning; a login that would wait longer is refused at once.
    pub max_wait: Span,
}

/// Too many logins wait: refused without work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashQueueFull {
    /// What it would have waited.
    pub wait: Span,
}

/// The cores and their line.
#[derive(Clone, Debug)]
pub struct HashQueue {
    config: HashQueueConfig,
    /// When each core is free.
    free_at: Vec<Time>,
    busy: Span,
}

impl HashQueue {
    /// All cores free.
    pub fn new(config: HashQueueConfig) -> HashQueue {
        HashQueue { config, free_at: vec![Time::ZERO; config.cores.max(1) as usize], busy: Span::ZERO }
    }

    /// Takes a login in, whether its account exists or not: when its hash will be done.
    ///
    /// # Errors
    /// [`HashQueueFull`].
    pub fn submit(&mut self, now: Time) -> Result<Time, HashQueueFull> {
        let core = self.free_at.iter_mut().min().expect("there is at least one core");
        let wait = core.since(now);
        if wait > self.config.max_wait {
            return Err(HashQueueFull { wait });
        }
        *core = now.max(*core) + self.config.cost;
        self.busy += self.config.cost;
        Ok(*core)
    }

    /// Work taken in so far, over all cores.
    pub const fn busy(&self) -> Span {
        self.busy
    }
}
