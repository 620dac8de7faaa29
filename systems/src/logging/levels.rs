//! Which severities a logger lets through: its own level, or that of the nearest ancestor that has one.

use super::record::Severity;
use std::collections::BTreeMap;

/// The levels of all loggers. May be changed while lines are written; the next line follows it.
#[derive(Clone, Debug)]
pub struct Levels {
    root: Severity,
    own: BTreeMap<String, Severity>,
}

impl Levels {
    /// All loggers let through `root` and worse.
    pub fn new(root: Severity) -> Levels {
        Levels { root, own: BTreeMap::new() }
    }

    /// Gives a logger, and all below it that have none, a level; `None` lets it inherit again. The empty name is the
    /// root, which always has one.
    pub fn set(&mut self, logger: &str, level: Option<Severity>) {
        match level {
            Some(level) if logger.is_empty() => self.root = level,
            Some(level) => {
                self.own.insert(logger.to_string(), level);
            }
            None => {
                self.own.remove(logger);
            }
        }
    }

    /// The level in force for a logger.
    pub fn level(&self, logger: &str) -> Severity {
        let mut name = logger;
        loop {
            if let Some(level) = self.own.get(name) {
                return *level;
            }
            match name.rsplit_once('.') {
                Some((parent, _)) => name = parent,
                None => return self.root,
            }
        }
    }

    /// Whether a line is let through.
    pub fn is_enabled(&self, logger: &str, severity: Severity) -> bool {
        severity <= self.level(logger)
    }
}
