//! Which of several players a failure is due to: by taking each away, and where several stand in for each other, by
//! the smallest sets that fail. Knows nothing of scenarios; asks an oracle what happens when only some are there.

use std::collections::BTreeSet;

use crate::explore::ddmin::ddmin_in_turn;

/// The players that are there.
pub type Present = BTreeSet<usize>;

/// Tells of each of several sets of players whether the failure happens when only these are there.
pub type Oracle<'o> = dyn FnMut(&[Present]) -> Vec<bool> + 'o;

/// What a failure is due to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// Players without any one of whom there is no failure, all others being there.
    pub necessary: Vec<usize>,
    /// Smallest sets that fail. One if there are necessary players, else as many as have no player in common.
    pub minimal: Vec<Vec<usize>>,
}

impl Causes {
    /// Everyone in a smallest set, or necessary: the root causes.
    pub fn root(&self) -> Present {
        self.minimal.iter().flatten().chain(&self.necessary).copied().collect()
    }
}

/// Finds what a failure of all `players` is due to. Asks no more than it has to: what happens without any player only
/// where that matters.
pub fn causes(players: usize, fails: &mut Oracle<'_>) -> Causes {
    let all: Present = (0..players).collect();
    let each_away: Vec<Present> = all.iter().map(|player| without(&all, *player)).collect();
    let told = fails(&each_away);
    let necessary: Vec<usize> =
        all.iter().copied().filter(|player| told.get(*player) == Some(&false)).collect();
    let minimal = match necessary.is_empty() {
        // Whatever is taken away, it fails; if it fails when all are, it is none of these.
        true if asked_alone(fails, &Present::new()) => Vec::new(),
        true => disjoint(all, fails),
        false => vec![around(&necessary, &all, fails)],
    };
    Causes { necessary, minimal }
}

/// Whether the failure happens when only these are there.
fn asked_alone(fails: &mut Oracle<'_>, there: &Present) -> bool {
    fails(std::slice::from_ref(there)).first().copied().unwrap_or(true)
}

/// The smallest failing set that holds all necessary players.
fn around(necessary: &[usize], all: &Present, fails: &mut Oracle<'_>) -> Vec<usize> {
    let core: Present = necessary.iter().copied().collect();
    let rest: Vec<usize> = all.difference(&core).copied().collect();
    // Some other player may keep it from failing, so that it fails without any: then the necessary ones are all there
    // is to say, as the smallest set would be empty.
    if rest.is_empty() || asked_alone(fails, &core) || asked_alone(fails, &Present::new()) {
        return necessary.to_vec();
    }
    let found = smallest(&rest, &mut |further| asked_alone(fails, &core.union(further).copied().collect()));
    core.into_iter().chain(found).collect::<Present>().into_iter().collect()
}

/// Smallest failing sets, each without the players of those before it.
fn disjoint(all: Present, fails: &mut Oracle<'_>) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut left = all;
    while asked_alone(fails, &left) {
        let list: Vec<usize> = left.iter().copied().collect();
        let smallest = smallest(&list, &mut |there| asked_alone(fails, there));
        if smallest.is_empty() {
            break;
        }
        left.retain(|player| !smallest.contains(player));
        found.push(smallest);
    }
    found
}

/// A smallest part of a list that still fails, by delta debugging. Of several such parts one of later players: they are
/// nearer to the failure.
fn smallest(players: &[usize], fails: &mut dyn FnMut(&Present) -> bool) -> Vec<usize> {
    let last_first: Vec<usize> = players.iter().rev().copied().collect();
    let named = |part: &[usize]| part.iter().map(|position| last_first[*position]).collect::<Present>();
    let kept = ddmin_in_turn(last_first.len(), |part| fails(&named(part)));
    named(&kept).into_iter().collect()
}

fn without(all: &Present, player: usize) -> Present {
    all.iter().copied().filter(|other| *other != player).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A failure that happens when all players of any of these sets are there.
    fn happens(sets: &[Vec<usize>], there: &Present) -> bool {
        sets.iter().any(|set| set.iter().all(|player| there.contains(player)))
    }

    fn causes_of(players: usize, sets: &[Vec<usize>]) -> Causes {
        causes(players, &mut |asked| asked.iter().map(|there| happens(sets, there)).collect())
    }

    /// An explainer that looks at one player at a time and blames whoever matters most.
    fn ignoring_interactions(players: usize, sets: &[Vec<usize>]) -> Present {
        let all: Present = (0..players).collect();
        (0..players).find(|player| !happens(sets, &without(&all, *player))).into_iter().collect()
    }

    type Case = (&'static str, usize, Vec<Vec<usize>>, Vec<usize>);

    fn cases() -> Vec<Case> {
        vec![
            ("one cause, two decoys", 3, vec![vec![1]], vec![1]),
            ("two causes that only fail together", 4, vec![vec![0, 2]], vec![0, 2]),
            ("either of two is enough", 3, vec![vec![0], vec![2]], vec![0, 2]),
            ("one with either of two others: the first found", 3, vec![vec![0, 1], vec![0, 2]], vec![0, 2]),
            ("two pairs", 5, vec![vec![0, 1], vec![3, 4]], vec![0, 1, 3, 4]),
            ("three together", 4, vec![vec![0, 1, 3]], vec![0, 1, 3]),
        ]
    }

    #[test]
    fn roots_are_the_players_of_the_smallest_failing_sets() {
        for (story, players, sets, expected) in cases() {
            let root: Vec<usize> = causes_of(players, &sets).root().into_iter().collect();
            assert_eq!(root, expected, "{story}");
        }
    }

    #[test]
    fn an_explainer_that_ignores_interactions_is_caught() {
        let wrong = cases().into_iter().filter(|(_, players, sets, expected)| {
            ignoring_interactions(*players, sets) != expected.iter().copied().collect::<Present>()
        });
        let stories: Vec<&str> = wrong.map(|(story, ..)| story).collect();
        assert!(stories.contains(&"two causes that only fail together"), "{stories:?}");
        assert!(stories.contains(&"either of two is enough"), "{stories:?}");
        assert!(!stories.contains(&"one cause, two decoys"), "{stories:?}");
    }

    #[test]
    fn what_fails_without_any_player_is_due_to_none() {
        let causes = causes(3, &mut |asked| vec![true; asked.len()]);
        assert!(causes.root().is_empty());
    }

    #[test]
    fn what_happens_without_any_player_is_asked_only_where_it_matters() {
        let asked_of = |sets: &[Vec<usize>]| {
            let mut all = Vec::new();
            causes(4, &mut |asked| {
                all.extend_from_slice(asked);
                asked.iter().map(|there| happens(sets, there)).collect()
            });
            all
        };
        let one = asked_of(&[vec![2]]);
        assert!(!one.contains(&Present::new()) && one.contains(&Present::from([2])), "{one:?}");
        assert_eq!(one.len(), 5, "each taken away, and the culprit alone");
        assert!(asked_of(&[vec![0], vec![3]]).contains(&Present::new()), "either of two");
    }

    #[test]
    fn a_player_that_protects_does_not_hide_the_cause() {
        // 0 breaks it, 1 keeps it well as long as 0 is not there.
        let causes = causes(2, &mut |asked| {
            asked.iter().map(|there| there.contains(&0) || !there.contains(&1)).collect()
        });
        assert_eq!(causes.root(), Present::from([0]));
        // 0 breaks it with either of two others, and some of them have to be there for it to be well.
        let causes = super::causes(3, &mut |asked| {
            let broken = |there: &Present| there.contains(&0) && there.len() > 1 || there.is_empty();
            asked.iter().map(broken).collect()
        });
        assert_eq!(causes.root(), Present::from([0]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn every_set_found_fails_and_none_of_its_parts_does(
            sets in prop::collection::vec(prop::collection::btree_set(0_usize..7, 1..4), 1..5)
        ) {
            let sets: Vec<Vec<usize>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
            let found = causes_of(7, &sets);
            // The dumber way: every subset of seven players.
            let all_failing: Vec<Present> = (0_u32..128)
                .map(|bits| (0..7).filter(|player| bits & (1 << player) != 0).collect::<Present>())
                .filter(|there| happens(&sets, there))
                .collect();
            let everywhere: Vec<usize> =
                (0..7).filter(|player| all_failing.iter().all(|there| there.contains(player))).collect();
            prop_assert_eq!(&found.necessary, &everywhere);
            prop_assert!(!found.minimal.is_empty());
            for smallest in &found.minimal {
                let there: Present = smallest.iter().copied().collect();
                prop_assert!(all_failing.contains(&there));
                for player in smallest {
                    prop_assert!(!all_failing.contains(&without(&there, *player)));
                }
            }
        }
    }
}
