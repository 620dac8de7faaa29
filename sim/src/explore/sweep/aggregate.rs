//! What the seeds of a sweep say together. Adding seeds and merging aggregates commute and associate, so that any
//! way to cut a sweep into pieces gives the same; memory does not grow with the number of seeds.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::seen::SeedSeen;
use super::spread::Spread;
use crate::explore::coverage::{Exercised, possible};
use crate::scenario::plan::Plan;

/// Ways to fail that are kept apart: those with the fewest ids, in alphabetical order. Whoever is among the first so
/// many of all seeds is so in every part of them, so what is kept is exact.
const MOST_GROUPS: usize = 256;
/// Seeds named for each group.
const MOST_EXAMPLES: usize = 5;

/// What was seen over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregate {
    /// Seeds that ran.
    pub seeds: u64,
    /// Of these, those in which anything failed.
    pub failing: u64,
    /// Of these, those that did not end as the scenario's author expects.
    pub unexpected: u64,
    /// The first such seed.
    pub first_unexpected: Option<u64>,
    /// Events of all runs.
    pub events: u64,
    /// By id.
    pub objectives: BTreeMap<String, ObjectiveSpread>,
    /// Ways to fail, the simplest first.
    #[serde(with = "groups_as_list")]
    pub groups: BTreeMap<Way, Group>,
    /// Marks by id.
    pub marks: BTreeMap<String, Seen>,
    /// Faults and changes by name.
    pub faults: BTreeMap<String, Seen>,
    /// Branches of policies by name.
    pub branches: BTreeMap<String, Seen>,
    /// Invariants by id.
    pub invariants: BTreeMap<String, Seen>,
}

/// An objective over seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveSpread {
    /// Seeds in which there was something to judge.
    pub judged: u64,
    /// Of these, those in which it did not hold.
    pub broken: u64,
    /// Of these, those without a value: nothing was answered, or the recovery never came.
    pub without_value: u64,
    /// The values of the others.
    pub values: Spread,
}

/// A way to fail; the fewest ids first, then by the alphabet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    length: usize,
    failing: Vec<String>,
}

impl Way {
    fn new(failing: Vec<String>) -> Way {
        Way { length: failing.len(), failing }
    }

    /// What failed, in the order in which it was seen.
    pub fn failing(&self) -> &[String] {
        &self.failing
    }
}

/// The seeds that fail in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// How many.
    pub seeds: u64,
    /// The one that fails earliest: when, and which.
    pub earliest: (u64, u64),
    /// The one that takes the fewest events: how many, and which.
    pub cheapest: (u64, u64),
    /// The first ones.
    pub examples: BTreeSet<u64>,
}

/// In how many seeds something was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// How many.
    pub seeds: u64,
    /// The first.
    pub first: Option<u64>,
}

impl Seen {
    fn add(&mut self, seed: u64) {
        self.merge(Seen { seeds: 1, first: Some(seed) });
    }

    fn merge(&mut self, other: Seen) {
        self.seeds = self.seeds.saturating_add(other.seeds);
        self.first = first(self.first, other.first);
    }
}

fn first(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

impl Aggregate {
    /// No seed yet; everything that runs of the plan can exercise is there, so that what never is shows.
    pub fn of_none(plan: &Plan) -> Aggregate {
        let mut none = Aggregate::default();
        none.add_exercised(&possible(plan), 0);
        none.objectives = plan.slos.iter().map(|slo| (slo.id.clone(), ObjectiveSpread::default())).collect();
        none.marks = plan.marks.iter().map(|mark| (mark.id.clone(), Seen::default())).collect();
        none
    }

    /// Adds a seed.
    pub fn add(&mut self, seen: &SeedSeen) {
        self.seeds += 1;
        self.events = self.events.saturating_add(seen.events);
        if !seen.as_expected {
            self.unexpected += 1;
            self.first_unexpected = first(self.first_unexpected, Some(seen.seed));
        }
        for objective in seen.objectives.iter().filter(|objective| objective.judged) {
            let spread = self.objectives.entry(objective.id.clone()).or_default();
            spread.judged += 1;
            spread.broken += u64::from(!objective.held);
            match objective.value {
                Some(value) => spread.values.record(value),
                None => spread.without_value += 1,
            }
        }
        if !seen.failure.is_pass() {
            self.failing += 1;
            let group = Group {
                seeds: 1,
                earliest: (seen.failed_at_us, seen.seed),
                cheapest: (seen.events, seen.seed),
                examples: BTreeSet::from([seen.seed]),
            };
            self.add_group(&Way::new(seen.failure.failing.clone()), &group);
        }
        for (id, hit) in &seen.marks {
            let mark = self.marks.entry(id.clone()).or_default();
            if *hit {
                mark.add(seen.seed);
            }
        }
        self.add_exercised(&seen.exercised, seen.seed);
    }

    fn add_exercised(&mut self, exercised: &Exercised, seed: u64) {
        let all = [
            (&mut self.faults, &exercised.faults),
            (&mut self.branches, &exercised.branches),
            (&mut self.invariants, &exercised.invariants),
        ];
        for (seen, exercised) in all {
            for (name, was) in exercised {
                let place = seen.entry(name.clone()).or_default();
                if *was {
                    place.add(seed);
                }
            }
        }
    }

    fn add_group(&mut self, way: &Way, group: &Group) {
        match self.groups.get_mut(way) {
            Some(known) => known.merge(group),
            None => {
                self.groups.insert(way.clone(), group.clone());
            }
        }
        while self.groups.len() > MOST_GROUPS {
            self.groups.pop_last();
        }
    }

    /// Adds everything that `other` saw. No seed may be in both.
    pub fn merge(&mut self, other: &Aggregate) {
        self.seeds = self.seeds.saturating_add(other.seeds);
        self.failing = self.failing.saturating_add(other.failing);
        self.unexpected = self.unexpected.saturating_add(other.unexpected);
        self.first_unexpected = first(self.first_unexpected, other.first_unexpected);
        self.events = self.events.saturating_add(other.events);
        for (id, spread) in &other.objectives {
            let known = self.objectives.entry(id.clone()).or_default();
            known.judged = known.judged.saturating_add(spread.judged);
            known.broken = known.broken.saturating_add(spread.broken);
            known.without_value = known.without_value.saturating_add(spread.without_value);
            known.values.merge(&spread.values);
        }
        for (way, group) in &other.groups {
            self.add_group(way, group);
        }
        let all = [
            (&mut self.marks, &other.marks),
            (&mut self.faults, &other.faults),
            (&mut self.branches, &other.branches),
            (&mut self.invariants, &other.invariants),
        ];
        for (seen, others) in all {
            for (name, other) in others {
                seen.entry(name.clone()).or_default().merge(*other);
            }
        }
    }

    /// Failing seeds whose way to fail is not among those kept.
    pub fn failing_otherwise(&self) -> u64 {
        self.groups.values().fold(self.failing, |left, group| left.saturating_sub(group.seeds))
    }
}

impl Group {
    fn merge(&mut self, other: &Group) {
        self.seeds = self.seeds.saturating_add(other.seeds);
        self.earliest = self.earliest.min(other.earliest);
        self.cheapest = self.cheapest.min(other.cheapest);
        self.examples.extend(&other.examples);
        while self.examples.len() > MOST_EXAMPLES {
            self.examples.pop_last();
        }
    }
}

/// Groups in a file: a list, because ways are no texts.
mod groups_as_list {
    use super::{BTreeMap, Group, Way};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Written {
        failing: Vec<String>,
        group: Group,
    }

    pub(super) fn serialize<S: Serializer>(
        groups: &BTreeMap<Way, Group>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let written =
            groups.iter().map(|(way, group)| Written { failing: way.failing.clone(), group: group.clone() });
        written.collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Way, Group>, D::Error> {
        let written = Vec::<Written>::deserialize(deserializer)?;
        Ok(written.into_iter().map(|written| (Way::new(written.failing), written.group)).collect())
    }
}
