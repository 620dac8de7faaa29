//! How many lines of a class pass: a class is a logger with a severity. Keeps a bounded number of classes; those that
//! come later share one.

use super::record::{Record, Severity};
use crate::rate_limiter::{Gcra, Limiter, RateLimitConfig};
use crate::time::Time;
use std::collections::BTreeMap;

/// What was seen of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassSeen {
    /// The logger; `*` for all that found no place of their own.
    pub logger: String,
    /// How bad.
    pub severity: Severity,
    /// Lines seen.
    pub seen: u64,
    /// Lines that went on.
    pub kept: u64,
}

#[derive(Clone, Debug)]
struct Class {
    limiter: Option<Gcra>,
    seen: u64,
    kept: u64,
}

/// A limit for each class, and the counts of each.
#[derive(Clone, Debug)]
pub struct ClassLimit {
    limit: Option<RateLimitConfig>,
    max_classes: usize,
    classes: BTreeMap<(String, Severity), Class>,
}

/// The name of the class for all that found no place.
const OTHERS: &str = "*";

impl ClassLimit {
    /// At most `limit` of each class, or only counted; at most `max_classes` of them have a place of their own.
    pub fn new(limit: Option<RateLimitConfig>, max_classes: u32) -> ClassLimit {
        ClassLimit { limit, max_classes: max_classes as usize, classes: BTreeMap::new() }
    }

    fn class(&mut self, now: Time, line: &Record) -> &mut Class {
        let own = (line.logger.clone(), line.severity);
        let has_place = self.classes.contains_key(&own) || self.classes.len() < self.max_classes;
        let key = if has_place { own } else { (OTHERS.to_string(), line.severity) };
        let limit = self.limit;
        self.classes.entry(key).or_insert_with(|| Class {
            limiter: limit.map(|limit| Gcra::new(limit, now)),
            seen: 0,
            kept: 0,
        })
    }

    /// Whether one more of its class passes; counts it.
    pub fn passes(&mut self, now: Time, line: &Record) -> bool {
        if self.limit.is_none() && self.max_classes == 0 {
            return true;
        }
        let class = self.class(now, line);
        class.seen = class.seen.saturating_add(1);
        let passes = class.limiter.as_mut().is_none_or(|limiter| limiter.check(now, 1).is_ok());
        class.kept = class.kept.saturating_add(u64::from(passes));
        passes
    }

    /// Counts a line that was not kept for another reason.
    pub(super) fn sampled_out(&mut self, now: Time, line: &Record) {
        let class = self.class(now, line);
        class.seen = class.seen.saturating_add(1);
    }

    /// Classes of which lines were seen and none was kept: what sampling hides.
    pub fn hidden(&self) -> impl Iterator<Item = ClassSeen> + '_ {
        self.classes.iter().filter(|(_, class)| class.seen > 0 && class.kept == 0).map(|(key, class)| {
            ClassSeen { logger: key.0.clone(), severity: key.1, seen: class.seen, kept: class.kept }
        })
    }
}
