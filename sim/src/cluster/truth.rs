//! What stores hold by now, for measuring how old what others answer is. Nobody in the simulated world sees it, and
//! only the stores that somebody measures against keep it.

use std::collections::{BTreeMap, VecDeque};

use crate::kernel::time::Time;
use crate::scenario::plan::{Plan, ServiceId};

/// So many former versions of a key are remembered with the end of each; of an older one only that it ended no later
/// than the oldest of these.
const REMEMBERED: usize = 16;

/// What stores hold, by service and key.
pub(crate) struct Truth {
    services: Vec<BTreeMap<u64, Known>>,
}

/// What is known of a key; one that was neither read nor written is at version 0.
#[derive(Clone, Debug, Default)]
struct Known {
    version: u64,
    /// Whether the present version has left the store: one that has not is nowhere else.
    was_read: bool,
    /// Former versions that had left the store, each with its end, oldest first.
    ended: VecDeque<(u64, Time)>,
}

impl Truth {
    pub(crate) fn new(plan: &Plan) -> Truth {
        Truth { services: plan.services.iter().map(|_| BTreeMap::new()).collect() }
    }

    /// A store holds a version from now on. Of several replicas that of the highest version counts.
    pub(crate) fn stored(&mut self, service: ServiceId, key: u64, version: u64, now: Time) {
        let known = self.services[service.index()].entry(key).or_default();
        if version <= known.version {
            return;
        }
        if known.was_read || known.ended.is_empty() {
            if known.ended.len() == REMEMBERED {
                known.ended.pop_front();
            }
            known.ended.push_back((known.version, now));
        }
        known.version = version;
        known.was_read = false;
    }

    /// The present version of a key has left the store.
    pub(crate) fn read_out(&mut self, service: ServiceId, key: u64) {
        self.services[service.index()].entry(key).or_default().was_read = true;
    }

    /// The present version of a key.
    pub(crate) fn version(&self, service: ServiceId, key: u64) -> u64 {
        self.services[service.index()].get(&key).map_or(0, |known| known.version)
    }

    /// Since when a version is no longer the present one, or since no later than that; `None` if it is.
    pub(crate) fn outdated_since(&self, service: ServiceId, key: u64, version: u64) -> Option<Time> {
        let known = self.services[service.index()].get(&key)?;
        if version >= known.version {
            return None;
        }
        let end = known.ended.iter().find(|(former, _)| *former >= version).or(known.ended.back());
        end.map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: ServiceId = ServiceId(0);

    fn truth() -> Truth {
        Truth { services: vec![BTreeMap::new()] }
    }

    fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn a_version_is_outdated_from_the_write_of_the_next_one_on() {
        let mut truth = truth();
        assert_eq!(truth.outdated_since(STORE, 7, 0), None);
        truth.read_out(STORE, 7);
        truth.stored(STORE, 7, 1, at(1));
        truth.read_out(STORE, 7);
        truth.stored(STORE, 7, 2, at(2));
        assert_eq!(truth.outdated_since(STORE, 7, 0), Some(at(1)));
        assert_eq!(truth.outdated_since(STORE, 7, 1), Some(at(2)));
        assert_eq!(truth.outdated_since(STORE, 7, 2), None);
        assert_eq!(truth.version(STORE, 7), 2);
    }

    #[test]
    fn versions_that_nobody_read_push_out_none_that_somebody_may_hold() {
        let mut truth = truth();
        truth.read_out(STORE, 7);
        for version in 1..=1_000 {
            truth.stored(STORE, 7, version, at(version));
        }
        assert_eq!(truth.outdated_since(STORE, 7, 0), Some(at(1)));
    }

    #[test]
    fn of_versions_beyond_memory_the_age_is_told_too_low_and_never_too_high() {
        let mut truth = truth();
        for version in 1..=100 {
            truth.read_out(STORE, 7);
            truth.stored(STORE, 7, version, at(version));
        }
        let since = truth.outdated_since(STORE, 7, 3);
        assert_eq!(since, Some(at(100 - REMEMBERED as u64 + 1)));
    }

    #[test]
    fn a_write_that_comes_late_takes_nothing_back() {
        let mut truth = truth();
        truth.stored(STORE, 7, 5, at(1));
        truth.stored(STORE, 7, 4, at(2));
        assert_eq!(truth.version(STORE, 7), 5);
    }
}
