//! Delta debugging over a set: which of many things are enough? Asks a predicate about subsets, many at once or one
//! after the other, and knows nothing of what they are made of. The answer depends on neither.
//!
//! A. Zeller, R. Hildebrandt: Simplifying and Isolating Failure-Inducing Input, IEEE Transactions on Software
//! Engineering 28(2), 2002.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::num::NonZero;
use std::ops::ControlFlow;

use super::parallel::in_order;

/// What is left of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimal {
    /// The things kept, by number, ascending: they are enough, and with any one of them left out they are not.
    pub kept: Vec<usize>,
    /// Subsets that the predicate was asked about, in the order in which one after the other would be.
    pub tests: u64,
}

/// The things of `0..count` that are enough for `fails`, which is known to hold for all of them. Subsets are handed
/// over ascending, each at most once; `jobs` at once. If `fails` holds for nothing at all, nothing is kept.
///
/// The result is minimal in the sense that no single thing can be left out; a smaller set elsewhere may exist where
/// things interact. After `most_tests` questions what has been reached is returned.
///
/// # Errors
/// The first that `fails` returns, in the order of the questions.
pub fn ddmin<E: Send>(
    count: usize,
    jobs: NonZero<usize>,
    most_tests: u64,
    fails: impl Fn(&[usize]) -> Result<bool, E> + Sync,
) -> Result<Minimal, E> {
    let ask = |subset: &Vec<usize>| fails(subset);
    search(count, most_tests, |subsets| {
        let mut position = 0;
        let found = in_order(subsets, jobs, ask, |answer| {
            position += 1;
            match answer {
                Err(error) => ControlFlow::Break(Err(error)),
                Ok(true) => ControlFlow::Break(Ok(position - 1)),
                Ok(false) => ControlFlow::Continue(()),
            }
        });
        found.transpose()
    })
}

/// The same, asking one question after the other: for a predicate that remembers what it was asked.
pub fn ddmin_in_turn(count: usize, mut fails: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let found: Result<Minimal, Infallible> =
        search(count, u64::MAX, |subsets| Ok(subsets.iter().position(|subset| fails(subset))));
    let Ok(minimal) = found;
    minimal.kept
}

/// The search itself; `first_failing` tells the position of the first of several subsets that fails.
fn search<E>(
    count: usize,
    most_tests: u64,
    first_failing: impl FnMut(&[Vec<usize>]) -> Result<Option<usize>, E>,
) -> Result<Minimal, E> {
    let mut asked = Asked { first_failing, most_tests, held: BTreeSet::new(), tests: 0 };
    let mut kept: Vec<usize> = (0..count).collect();
    if count > 0 && asked.first_failing(vec![Vec::new()])?.is_some() {
        return Ok(Minimal { kept: Vec::new(), tests: asked.tests });
    }
    let mut parts = 2;
    while kept.len() > 1 {
        let chunks = split(&kept, parts);
        let complements = chunks.iter().map(|chunk| without(&kept, chunk));
        let subsets: Vec<Vec<usize>> = match parts {
            // Of two parts each is the other's complement.
            2 => chunks.clone(),
            _ => chunks.iter().cloned().chain(complements).collect(),
        };
        match asked.first_failing(subsets)? {
            Some(position) if position < chunks.len() => {
                kept = chunks[position].clone();
                parts = 2;
            }
            Some(position) => {
                kept = without(&kept, &chunks[position - chunks.len()]);
                parts = (parts - 1).max(2);
            }
            None if parts < kept.len() => parts = (parts * 2).min(kept.len()),
            None => break,
        }
    }
    Ok(Minimal { kept, tests: asked.tests })
}

/// What was asked so far, so that nothing is asked twice and no more than is allowed.
struct Asked<F> {
    first_failing: F,
    most_tests: u64,
    /// Subsets that did not fail.
    held: BTreeSet<Vec<usize>>,
    tests: u64,
}

impl<F> Asked<F> {
    /// The position of the first subset that fails.
    fn first_failing<E>(&mut self, subsets: Vec<Vec<usize>>) -> Result<Option<usize>, E>
    where
        F: FnMut(&[Vec<usize>]) -> Result<Option<usize>, E>,
    {
        let fresh = subsets.into_iter().enumerate().filter(|(_, subset)| !self.held.contains(subset));
        let tests_left = usize::try_from(self.most_tests.saturating_sub(self.tests)).unwrap_or(usize::MAX);
        let (positions, fresh): (Vec<usize>, Vec<Vec<usize>>) = fresh.take(tests_left).unzip();
        let found = (self.first_failing)(&fresh)?;
        self.tests += found.map_or(fresh.len(), |found| found + 1) as u64;
        self.held.extend(fresh.into_iter().take(found.unwrap_or(usize::MAX)));
        Ok(found.map(|found| positions[found]))
    }
}

/// The set in so many parts of nearly equal length, in order.
fn split(set: &[usize], parts: usize) -> Vec<Vec<usize>> {
    let bound = |part: usize| set.len() * part / parts;
    (0..parts).map(|part| set[bound(part)..bound(part + 1)].to_vec()).collect()
}

/// The set without a part of it.
fn without(set: &[usize], part: &[usize]) -> Vec<usize> {
    set.iter().copied().filter(|thing| part.binary_search(thing).is_err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A thing or several together that are enough.
    type Causes = Vec<BTreeSet<usize>>;

    fn is_enough(causes: &Causes, subset: &[usize]) -> bool {
        let subset: BTreeSet<usize> = subset.iter().copied().collect();
        causes.iter().any(|cause| cause.is_subset(&subset))
    }

    fn minimal(count: usize, jobs: usize, causes: &Causes) -> Minimal {
        let jobs = NonZero::new(jobs).unwrap_or(NonZero::<usize>::MIN);
        let found: Result<Minimal, Infallible> =
            ddmin(count, jobs, u64::MAX, |subset| Ok(is_enough(causes, subset)));
        let Ok(minimal) = found;
        minimal
    }

    /// The dumber way: every subset is tried; those that are enough while no proper subset of them is.
    fn all_minimal(count: usize, causes: &Causes) -> Vec<Vec<usize>> {
        let subset = |bits: usize| (0..count).filter(|thing| bits >> thing & 1 == 1).collect::<Vec<_>>();
        let enough: Vec<usize> = (0..1 << count).filter(|bits| is_enough(causes, &subset(*bits))).collect();
        let least = |bits: &&usize| !enough.iter().any(|other| other != *bits && other & **bits == *other);
        enough.iter().filter(least).map(|bits| subset(*bits)).collect()
    }

    fn causes(count: usize) -> impl Strategy<Value = Causes> {
        prop::collection::vec(prop::collection::btree_set(0..count, 1..4), 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_kept_is_one_of_the_minimal_sets_that_trying_all_subsets_finds(
            (count, causes) in (1_usize..9).prop_flat_map(|count| (Just(count), causes(count))),
        ) {
            let found = minimal(count, 1, &causes);
            prop_assert!(all_minimal(count, &causes).contains(&found.kept), "{:?}", found.kept);
        }

        #[test]
        fn asking_one_after_the_other_finds_the_same(
            (count, causes) in (1_usize..20).prop_flat_map(|count| (Just(count), causes(count))),
        ) {
            let in_turn = ddmin_in_turn(count, |subset| is_enough(&causes, subset));
            prop_assert_eq!(in_turn, minimal(count, 1, &causes).kept);
        }

        #[test]
        fn how_many_are_asked_at_once_changes_nothing(
            (count, causes) in (1_usize..40).prop_flat_map(|count| (Just(count), causes(count))),
            jobs in 2_usize..5,
        ) {
            prop_assert_eq!(minimal(count, jobs, &causes), minimal(count, 1, &causes));
        }
    }

    #[test]
    fn one_of_a_thousand_is_found_with_few_questions_and_none_is_asked_twice() {
        let asked = std::sync::Mutex::new(BTreeSet::new());
        let found: Result<Minimal, Infallible> = ddmin(1000, NonZero::<usize>::MIN, u64::MAX, |subset| {
            assert!(asked.lock().unwrap_or_else(|held| held.into_inner()).insert(subset.to_vec()));
            Ok(subset.contains(&617))
        });
        let Ok(found) = found;
        assert_eq!(found.kept, [617]);
        assert!(found.tests <= 2 * 10 + 2, "{}", found.tests);
    }

    #[test]
    fn two_that_only_act_together_are_both_kept() {
        assert_eq!(minimal(25, 2, &vec![BTreeSet::from([3, 19])]).kept, [3, 19]);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_needed() {
        assert_eq!(minimal(5, 1, &vec![BTreeSet::new()]).kept, Vec::<usize>::new());
        assert_eq!(minimal(0, 1, &vec![BTreeSet::new()]), Minimal { kept: Vec::new(), tests: 0 });
    }

    /// What a diagnosis has is a handful: each question is a whole run.
    #[test]
    fn of_a_handful_what_is_needed_is_found_with_few_questions() {
        let cases: [(usize, &[usize], u64); 5] =
            [(7, &[5], 6), (7, &[0, 6], 24), (1, &[0], 1), (3, &[0, 1, 2], 9), (4, &[], 1)];
        for (count, needed, most) in cases {
            let mut asked = 0;
            let found = ddmin_in_turn(count, |there| {
                asked += 1;
                needed.iter().all(|thing| there.contains(thing))
            });
            assert_eq!(found, needed);
            assert!(asked <= most, "{asked} questions for {needed:?} of {count}");
        }
    }

    #[test]
    fn an_error_ends_the_search() {
        let asked = |subset: &[usize]| if subset.len() == 2 { Err("no") } else { Ok(false) };
        let failed = ddmin(4, NonZero::<usize>::MIN, u64::MAX, asked);
        assert_eq!(failed, Err("no"));
    }

    #[test]
    fn when_the_questions_are_used_up_what_was_reached_is_still_enough() {
        for most in 0..12 {
            let found: Result<Minimal, Infallible> =
                ddmin(64, NonZero::<usize>::MIN, most, |subset| Ok(subset.contains(&40)));
            let Ok(found) = found;
            assert!(found.kept.contains(&40) && found.tests <= most, "{found:?}");
        }
    }

    /// Keeps halves and never looks at complements: the broken variant that the exhaustive way catches.
    #[test]
    fn a_search_by_halves_alone_is_caught_by_the_exhaustive_one() {
        let causes = vec![BTreeSet::from([0, 3])];
        let mut kept: Vec<usize> = (0..4).collect();
        while let Some(half) = split(&kept, 2).into_iter().find(|half| is_enough(&causes, half)) {
            kept = half;
        }
        assert!(!all_minimal(4, &causes).contains(&kept));
        assert!(all_minimal(4, &causes).contains(&minimal(4, 1, &causes).kept));
    }
}
