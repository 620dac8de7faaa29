//! Shares of a damage among players that act together (Shapley 1953): each player's share is what it adds, averaged
//! over all orders in which the players could come. Exact for few players, by sampled orders with a stated error for
//! many (Castro, Gomez and Tejada 2009).

use std::collections::BTreeSet;

use crate::kernel::draw::{Key, Seed};

/// With so many players every set of them is looked at.
pub const MOST_EXACT: usize = 8;
/// Most orders that are drawn, and how many at least.
const ORDERS: std::ops::RangeInclusive<u64> = 8..=48;

/// The share of one player.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What it adds to the damage on average, in the unit of the damage. Negative: it prevents more than it does.
    pub damage: i64,
    /// Standard error of that; zero if exact.
    pub error: u64,
}

/// How much damage is done when only these players are there, for each of several sets.
pub type Damage<'o> = dyn FnMut(&[BTreeSet<usize>]) -> Vec<u64> + 'o;

/// Shares of all players.
pub fn shares(players: usize, damage: &mut Damage<'_>) -> Vec<Share> {
    if players <= MOST_EXACT { exact(players, damage) } else { sampled(players, damage) }
}

fn exact(players: usize, damage: &mut Damage<'_>) -> Vec<Share> {
    let sets: Vec<BTreeSet<usize>> = (0..1_u32 << players)
        .map(|bits| (0..players).filter(|player| bits & (1 << player) != 0).collect())
        .collect();
    let worth = damage(&sets);
    // Weights |S|! (n - |S| - 1)! over n!, on the common denominator n!.
    let factorial = |n: usize| (1..=n as i128).product::<i128>().max(1);
    (0..players)
        .map(|player| {
            let bit = 1_usize << player;
            let sum: i128 = (0..sets.len())
                .filter(|bits| bits & bit == 0)
                .map(|bits| {
                    let before = bits.count_ones() as usize;
                    let added = i128::from(worth[bits | bit]) - i128::from(worth[bits]);
                    factorial(before) * factorial(players - before - 1) * added
                })
                .sum();
            Share { damage: rounded(sum, factorial(players)), error: 0 }
        })
        .collect()
}

/// Division to the nearest.
fn rounded(sum: i128, by: i128) -> i64 {
    let half = if sum < 0 { -by / 2 } else { by / 2 };
    i64::try_from((sum + half) / by).unwrap_or(i64::MAX)
}

fn sampled(players: usize, damage: &mut Damage<'_>) -> Vec<Share> {
    let mut added: Vec<Vec<i64>> = vec![Vec::new(); players];
    for number in 0..*ORDERS.end() {
        let order = order(players, number);
        let mut there = BTreeSet::new();
        let mut sets = vec![there.clone()];
        for player in &order {
            there.insert(*player);
            sets.push(there.clone());
        }
        let worth = damage(&sets);
        for (position, player) in order.iter().enumerate() {
            added[*player].push(worth[position + 1] as i64 - worth[position] as i64);
        }
        if number + 1 >= *ORDERS.start() && is_settled(&added) {
            break;
        }
    }
    added.iter().map(|values| mean(values)).collect()
}

/// One of many orders. Each is followed by its reverse, which halves the error where effects add up or saturate.
fn order(players: usize, number: u64) -> Vec<usize> {
    let key = Key::derive(Seed(0), "why/shapley", "order");
    let mut order: Vec<usize> = (0..players).collect();
    order.sort_by_key(|player| (key.draw2(number / 2, *player as u64), *player));
    if number % 2 == 1 {
        order.reverse();
    }
    order
}

fn mean(values: &[i64]) -> Share {
    let count = values.len().max(1) as i128;
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let mean = rounded(sum, count);
    let squares: u128 = values.iter().map(|value| u128::from(value.abs_diff(mean)).pow(2)).sum();
    let variance_of_mean = squares / (count as u128) / (count as u128 - 1).max(1);
    Share { damage: mean, error: variance_of_mean.isqrt() as u64 }
}

/// Whether the order of the shares cannot change any more: neighbours are two standard errors apart, or both next to
/// nothing.
fn is_settled(added: &[Vec<i64>]) -> bool {
    let mut shares: Vec<Share> = added.iter().map(|values| mean(values)).collect();
    shares.sort_by_key(|share| share.damage);
    let biggest = shares.iter().map(|share| share.damage.unsigned_abs()).max().unwrap_or(0);
    shares.windows(2).all(|pair| {
        let apart = pair[1].damage.abs_diff(pair[0].damage);
        apart >= 2 * (pair[0].error + pair[1].error) && apart > 0
            || pair[1].damage.unsigned_abs() * 100 <= biggest
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares_of(players: usize, worth: impl Fn(&BTreeSet<usize>) -> u64) -> Vec<Share> {
        shares(players, &mut |sets| sets.iter().map(&worth).collect())
    }

    #[test]
    fn two_that_only_fail_together_share_the_damage() {
        let shares = shares_of(3, |there| if there.contains(&0) && there.contains(&2) { 1_000 } else { 0 });
        assert_eq!(shares.iter().map(|share| share.damage).collect::<Vec<_>>(), [500, 0, 500]);
    }

    #[test]
    fn the_glove_game_is_shared_as_in_the_textbook() {
        // One left glove, two right ones: 2/3 and 1/6 each.
        let shares = shares_of(3, |there| {
            if there.contains(&0) && (there.contains(&1) || there.contains(&2)) { 600 } else { 0 }
        });
        assert_eq!(shares.iter().map(|share| share.damage).collect::<Vec<_>>(), [400, 100, 100]);
    }

    #[test]
    fn many_players_are_sampled_and_the_error_says_so() {
        // Ten players that add up, each by its number.
        let shares = shares_of(10, |there| there.iter().map(|player| 100 * *player as u64).sum());
        for (player, share) in shares.iter().enumerate() {
            assert_eq!(
                (share.damage, share.error),
                (100 * player as i64, 0),
                "effects that add up have no spread"
            );
        }
        // All or nothing: the true share of each is a tenth.
        let shares = shares_of(10, |there| if there.len() == 10 { 1_000 } else { 0 });
        for share in shares {
            assert!(share.error > 0);
            assert!(share.damage.abs_diff(100) <= 4 * share.error, "{share:?}");
        }
    }

    /// The definition itself: the average over all orders.
    fn over_all_orders(players: usize, worth: &dyn Fn(&BTreeSet<usize>) -> u64) -> Vec<i64> {
        fn orders(left: Vec<usize>) -> Vec<Vec<usize>> {
            if left.is_empty() {
                return vec![Vec::new()];
            }
            let firsts = left.iter().map(|first| {
                let rest: Vec<usize> = left.iter().copied().filter(|player| player != first).collect();
                orders(rest).into_iter().map(|order| [vec![*first], order].concat()).collect::<Vec<_>>()
            });
            firsts.flatten().collect()
        }
        let all = orders((0..players).collect());
        let mut sums = vec![0_i128; players];
        for order in &all {
            let mut there = BTreeSet::new();
            for player in order {
                let before = i128::from(worth(&there));
                there.insert(*player);
                sums[*player] += i128::from(worth(&there)) - before;
            }
        }
        sums.into_iter().map(|sum| rounded(sum, all.len() as i128)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exact_shares_are_the_average_over_all_orders(worth in prop::collection::vec(0_u64..1_000_000, 16)) {
            let damage = |there: &BTreeSet<usize>| worth[there.iter().map(|player| 1 << player).sum::<usize>()];
            let shares: Vec<i64> = shares_of(4, damage).iter().map(|share| share.damage).collect();
            prop_assert_eq!(&shares, &over_all_orders(4, &damage));
            let whole = worth[15] as i64 - worth[0] as i64;
            prop_assert!((shares.iter().sum::<i64>() - whole).abs() <= 4, "they add up to the whole");
        }
    }
}
