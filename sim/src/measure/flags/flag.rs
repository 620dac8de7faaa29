//! One flag and all its users: what each user was answered under each definition that the flag has had. From that alone it
//! is told whether answers are sticky and a rollout is monotone; nothing here evaluates a flag.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::nodes::flags::definition;

/// Most definitions of one flag that are told apart: one bit each. What comes later is not judged.
const MOST_DEFINITIONS: usize = 64;

/// A flag must not do that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which invariant.
    pub(crate) invariant: &'static str,
    /// What was seen.
    pub(crate) witness: String,
}

/// Under one definition a user always gets the same answer.
pub(crate) const STICKY: &str = "flags_sticky";
/// A percentage that rises takes the flag from nobody who has it.
pub(crate) const MONOTONE: &str = "flags_monotone";

/// The book on one flag.
pub(super) struct FlagBook {
    name: String,
    definitions: Vec<Definition>,
    /// By revision, from 1: which definition, if it can be judged.
    by_revision: Vec<Option<u8>>,
    users: BTreeMap<u64, User>,
}

/// A definition that the flag has had.
struct Definition {
    value: Value,
    /// Of one that others have a say in: the only revision that it is for.
    only_at: Option<u64>,
    /// Its percentage, and all else.
    rollout: Option<(u32, Value)>,
    /// Definitions that differ from it in nothing but a higher percentage, and in a lower one.
    higher: u64,
    lower: u64,
}

/// What one user was answered.
#[derive(Clone, Copy, Default)]
struct User {
    /// By definition.
    on: u64,
    off: u64,
    /// The last time that two revisions were in force, and the answers since it began: 1 is off, 2 is on.
    split: u32,
    in_split: u8,
    is_blamed: bool,
}

const BOTH: u8 = 3;

impl FlagBook {
    pub(super) fn new(name: &str) -> FlagBook {
        FlagBook {
            name: name.to_string(),
            definitions: Vec::new(),
            by_revision: Vec::new(),
            users: BTreeMap::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the flag is at the next revision.
    pub(super) fn published(&mut self, revision: u64, value: Option<&Value>) {
        let judged = value.filter(|value| !definition::is_random(value));
        let place = judged.and_then(|value| self.place_of(revision, value));
        self.by_revision.push(place);
    }

    fn place_of(&mut self, revision: u64, value: &Value) -> Option<u8> {
        let only_at = definition::depends_on_others(value).then_some(revision);
        let known = self.definitions.iter().position(|one| one.value == *value && one.only_at == only_at);
        if let Some(place) = known {
            return Some(place as u8);
        }
        let place = self.definitions.len();
        if place >= MOST_DEFINITIONS {
            return None;
        }
        let rollout = definition::percentage(value).filter(|_| only_at.is_none());
        let mut new = Definition { value: value.clone(), only_at, rollout, higher: 0, lower: 0 };
        for (other_place, other) in self.definitions.iter_mut().enumerate() {
            let (Some((percent, shape)), Some((other_percent, other_shape))) = (&new.rollout, &other.rollout)
            else {
                continue;
            };
            if shape != other_shape {
                continue;
            }
            if other_percent > percent {
                new.higher |= 1 << other_place;
                other.lower |= 1 << place;
            } else {
                new.lower |= 1 << other_place;
                other.higher |= 1 << place;
            }
        }
        self.definitions.push(new);
        Some(place as u8)
    }

    /// Whether it is chance that decides, so that nothing can be said of an answer.
    pub(super) fn is_judged_at(&self, revision: u64) -> bool {
        self.definition_at(revision).is_some()
    }

    fn definition_at(&self, revision: u64) -> Option<u8> {
        let place = usize::try_from(revision.checked_sub(1)?).ok()?;
        self.by_revision.get(place).copied().flatten()
    }

    /// Follows a user from now on. Says whether it did not before.
    pub(super) fn follow(&mut self, user: u64) -> bool {
        let users = self.users.len();
        self.users.entry(user).or_default();
        self.users.len() > users
    }

    /// A user who is followed got an answer, others are passed over. `split` is the number of the present time with two revisions, 0 if there is only one.
    /// Says whether the user has now got both answers in it for the first time, and what is broken.
    #[inline]
    pub(super) fn answered(
        &mut self,
        user: u64,
        revision: u64,
        on: bool,
        split: u32,
    ) -> (bool, Option<Broken>) {
        let place = self.definition_at(revision);
        let Some(seen) = self.users.get_mut(&user) else { return (false, None) };
        let torn = split > 0 && seen.in_split_both(split, on);
        let Some(place) = place else { return (torn, None) };
        let Some(definition) = self.definitions.get(usize::from(place)) else { return (torn, None) };
        let own = 1 << place;
        let (answered, otherwise, must_not) = match on {
            true => (&mut seen.on, seen.off, definition.higher),
            false => (&mut seen.off, seen.on, definition.lower),
        };
        *answered |= own;
        let invariant = match (otherwise & own != 0, otherwise & must_not != 0) {
            _ if seen.is_blamed => return (torn, None),
            (true, _) => STICKY,
            (false, true) => MONOTONE,
            (false, false) => return (torn, None),
        };
        seen.is_blamed = true;
        let other = (otherwise & if invariant == STICKY { own } else { must_not }).trailing_zeros();
        (torn, Some(self.witness(invariant, user, (place, on), other as usize)))
    }

    fn witness(&self, invariant: &'static str, user: u64, now: (u8, bool), other: usize) -> Broken {
        let percent = |place: usize| {
            let rollout = self.definitions.get(place).and_then(|definition| definition.rollout.as_ref());
            rollout.map_or(String::new(), |(percent, _)| format!(" at {percent} %"))
        };
        let word = |on: bool| if on { "on" } else { "off" };
        let (place, on) = now;
        let first = format!("flag `{}` was {}{} for user {user}", self.name, word(!on), percent(other));
        let witness = match invariant {
            STICKY => format!("{first} and is {} for the same user under the same definition", word(on)),
            _ => format!("{first} and is {}{}", word(on), percent(usize::from(place))),
        };
        Broken { invariant, witness }
    }
}

impl User {
    /// Takes note of an answer while two revisions are in force; whether it is the first one to differ.
    fn in_split_both(&mut self, split: u32, on: bool) -> bool {
        if self.split != split {
            (self.split, self.in_split) = (split, 0);
        }
        let before = self.in_split;
        self.in_split |= if on { 2 } else { 1 };
        before != BOTH && self.in_split == BOTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn rollout(percent: u32, group: &str) -> Value {
        let parameters = json!({"rollout": percent.to_string(), "groupId": group});
        json!({"name": "f", "strategies": [{"name": "flexibleRollout", "parameters": parameters}]})
    }

    /// A flag that had these definitions at the revisions from 1 on.
    fn book(definitions: &[Value]) -> FlagBook {
        let mut book = FlagBook::new("f");
        for (revision, value) in (1..).zip(definitions) {
            book.published(revision, Some(value));
        }
        book
    }

    fn broken(book: &mut FlagBook, answers: &[(u64, u64, bool)]) -> Vec<&'static str> {
        let broken = answers.iter().filter_map(|(user, revision, on)| {
            book.follow(*user);
            book.answered(*user, *revision, *on, 0).1
        });
        broken.map(|broken| broken.invariant).collect()
    }

    #[test]
    fn two_answers_under_one_definition_are_told_once_for_each_user() {
        let mut flag = book(&[rollout(10, "g")]);
        let answers = [(1, 1, true), (2, 1, false), (1, 1, true), (2, 1, true), (2, 1, false), (1, 1, false)];
        assert_eq!(broken(&mut flag, &answers), [STICKY, STICKY]);
    }

    #[test]
    fn a_definition_that_comes_back_is_the_same_one() {
        let mut flag = book(&[rollout(10, "g"), rollout(20, "g"), rollout(10, "g")]);
        assert_eq!(broken(&mut flag, &[(1, 1, false), (1, 2, true), (1, 3, true)]), [STICKY]);
    }

    #[test]
    fn whoever_has_it_at_ten_percent_has_it_at_twenty_in_whatever_order_it_is_seen() {
        let percents = [rollout(10, "g"), rollout(20, "g")];
        for answers in [[(1, 1, true), (1, 2, false)], [(1, 2, false), (1, 1, true)]] {
            assert_eq!(broken(&mut book(&percents), &answers), [MONOTONE]);
        }
        for answers in [[(1, 1, false), (1, 2, true)], [(1, 2, true), (1, 1, false)]] {
            assert_eq!(broken(&mut book(&percents), &answers), Vec::<&str>::new());
        }
    }

    #[test]
    fn another_group_is_another_rollout_and_nothing_is_said_of_defaults_and_chance() {
        let mut flag = book(&[rollout(10, "g"), rollout(20, "h")]);
        assert_eq!(broken(&mut flag, &[(1, 1, true), (1, 2, false)]), Vec::<&str>::new());
        assert_eq!(broken(&mut flag, &[(2, 0, true), (2, 0, false), (2, 9, true)]), Vec::<&str>::new());
        let chance = json!({"name": "f", "strategies": [{"name": "gradualRolloutRandom"}]});
        assert_eq!(broken(&mut book(&[chance]), &[(1, 1, true), (1, 1, false)]), Vec::<&str>::new());
    }

    #[test]
    fn a_flag_that_others_have_a_say_in_is_judged_within_a_revision_only() {
        let child = json!({"name": "f", "dependencies": [{"feature": "g"}]});
        let mut flag = book(&[child.clone(), child]);
        assert_eq!(broken(&mut flag, &[(1, 1, true), (1, 2, false), (1, 2, true)]), [STICKY]);
    }

    #[test]
    fn who_is_not_followed_is_passed_over_and_who_is_counts_once() {
        let mut flag = book(&[rollout(10, "g")]);
        assert_eq!(
            (flag.answered(1, 1, true, 1), flag.answered(1, 1, false, 1)),
            ((false, None), (false, None))
        );
        assert!(flag.follow(1) && !flag.follow(1) && flag.follow(2));
    }

    #[test]
    fn both_answers_within_one_split_are_counted_once() {
        let mut flag = book(&[rollout(10, "g"), rollout(20, "g")]);
        flag.follow(1);
        let torn = |flag: &mut FlagBook, on, split| flag.answered(1, if on { 2 } else { 1 }, on, split).0;
        let answers =
            [(true, 1), (false, 1), (true, 1), (true, 2), (true, 2), (false, 0), (false, 2), (true, 3)];
        let counted: Vec<bool> = answers.iter().map(|(on, split)| torn(&mut flag, *on, *split)).collect();
        assert_eq!(counted, [false, true, false, false, false, false, true, false]);
    }

    proptest! {
        /// The second implementation keeps every answer and compares all pairs.
        #[test]
        fn pairs_of_answers_that_contradict_each_other_are_all_that_is_found(
            percents in proptest::collection::vec(0_u32..4, 1..6),
            answers in proptest::collection::vec((0_u64..3, 1_u64..6, any::<bool>()), 0..40),
        ) {
            let definitions: Vec<Value> = percents.iter().map(|percent| rollout(*percent, "g")).collect();
            let found = broken(&mut book(&definitions), &answers);
            let percent = |revision: u64| percents.get(revision as usize - 1);
            let contradict = |a: &(u64, u64, bool), b: &(u64, u64, bool)| {
                let (Some(p), Some(q)) = (percent(a.1), percent(b.1)) else { return false };
                a.0 == b.0 && a.2 && !b.2 && q >= p
            };
            let mut blamed = std::collections::BTreeSet::new();
            for (position, one) in answers.iter().enumerate() {
                let before = &answers[..position];
                if before.iter().any(|other| contradict(one, other) || contradict(other, one)) {
                    blamed.insert(one.0);
                }
            }
            prop_assert_eq!(found.len(), blamed.len());
        }
    }
}
