//! The laws of rollouts, checked on the hash itself, so that a broken hash can be put in its place.

use super::{flexible, one_flag, state_of, user};
use crate::feature_flags::definition::{FlagDefinition, VariantDefinition};
use crate::feature_flags::hash::Murmur3;
use proptest::prelude::*;

/// Who is in a rollout of so many percent: percent, group, id.
type Included = fn(u32, &str, &str) -> bool;

fn ours(percent: u32, group: &str, id: &str) -> bool {
    one_flag(vec![flexible(percent, group)]).is_enabled("f", &user(id))
}

fn hash(seed: u32, group: &str, id: &str) -> u32 {
    Murmur3::new(seed).with(group).with(":").with(id).finish()
}

/// `% 100` without `+ 1`.
fn counts_from_zero(percent: u32, group: &str, id: &str) -> bool {
    hash(0, group, id) % 100 <= percent
}

/// The same for every group.
fn forgets_the_group(percent: u32, _group: &str, id: &str) -> bool {
    hash(0, "", id) % 100 < percent
}

/// Drawn anew for each percentage.
fn hashes_the_percentage(percent: u32, group: &str, id: &str) -> bool {
    hash(percent, group, id) % 100 < percent
}

const IDS: u32 = 4_000;

fn ids() -> impl Iterator<Item = String> {
    (0..IDS).map(|id| id.to_string())
}

/// Nobody at 0, everybody at 100, and about the share in between: four standard deviations.
fn share_is_right(included: Included) -> bool {
    [0, 1, 20, 50, 100].into_iter().all(|percent| {
        let share = f64::from(percent) / 100.0;
        let count = ids().filter(|id| included(percent, "g", id)).count();
        let deviation = (share * (1.0 - share) * f64::from(IDS)).sqrt();
        (count as f64 - share * f64::from(IDS)).abs() <= 4.0 * deviation
    })
}

fn is_monotone(included: Included) -> bool {
    ids().take(500).all(|id| {
        let on: Vec<bool> = (0..=100).step_by(5).map(|percent| included(percent, "g", &id)).collect();
        on.is_sorted()
    })
}

fn groups_are_independent(included: Included) -> bool {
    let (p, q) = (0.5, 0.3);
    let joint = ids().filter(|id| included(50, "one", id) && included(30, "two", id)).count();
    let expected = p * q * f64::from(IDS);
    let deviation = (p * q * (1.0 - p * q) * f64::from(IDS)).sqrt();
    (joint as f64 - expected).abs() <= 4.0 * deviation
}

#[test]
fn shares_are_right_growth_is_monotone_and_groups_are_independent() {
    assert!(share_is_right(ours) && is_monotone(ours) && groups_are_independent(ours));
}

#[test]
fn each_law_catches_a_broken_bucket() {
    assert!(!share_is_right(counts_from_zero), "somebody is in at 0 %");
    assert!(!groups_are_independent(forgets_the_group), "the same people are in every rollout");
    assert!(!is_monotone(hashes_the_percentage), "people leave while it grows");
}

#[test]
fn buckets_of_sequential_ids_are_even() {
    let mut buckets = [0u32; 100];
    for id in 0..100_000 {
        buckets[(hash(0, "g", &id.to_string()) % 100) as usize] += 1;
    }
    let chi_square: f64 =
        buckets.iter().map(|count| libm::pow(f64::from(*count) - 1_000.0, 2.0) / 1_000.0).sum();
    assert!(chi_square < 148.2, "{chi_square}"); // 99.9 % at 99 degrees of freedom
}

fn weighted(weights: &[u32]) -> Vec<VariantDefinition> {
    let variant = |(index, weight): (usize, &u32)| VariantDefinition {
        name: index.to_string(),
        weight: *weight,
        ..VariantDefinition::default()
    };
    weights.iter().enumerate().map(variant).collect()
}

fn flag_with(weights: &[u32]) -> FlagDefinition {
    FlagDefinition {
        name: "f".into(),
        enabled: true,
        strategies: vec![flexible(50, "f")],
        variants: weighted(weights),
        ..FlagDefinition::default()
    }
}

/// With the same hash for both, those of a half rollout would all be in the first of two equal variants.
#[test]
fn who_is_in_the_rollout_is_in_every_variant_alike() {
    let rules = state_of(vec![flag_with(&[50, 50])]);
    let in_first = |variant_seed: Option<u32>| {
        let chosen = ids().filter(|id| rules.is_enabled("f", &user(id))).map(|id| match variant_seed {
            None => rules.evaluate("f", &user(&id)).variant_index == Some(0),
            Some(seed) => hash(seed, "f", &id) % 100 < 50,
        });
        let chosen: Vec<bool> = chosen.collect();
        chosen.iter().filter(|first| **first).count() as f64 / chosen.len() as f64
    };
    assert!((in_first(None) - 0.5).abs() < 0.05);
    assert!((in_first(Some(0)) - 0.5).abs() > 0.4, "the broken variant uses the rollout's seed");
}

proptest! {
    #[test]
    fn moving_one_boundary_moves_only_the_ids_between(
        weights in prop::collection::vec(0u32..50, 2..5),
        boundary in any::<prop::sample::Index>(),
        id in "[a-z0-9]{1,8}"
    ) {
        let boundary = boundary.index(weights.len() - 1);
        let mut moved = weights.clone();
        moved[boundary + 1] += moved[boundary];
        moved[boundary] = 0;
        let chosen = |weights: &[u32]| {
            let flag = FlagDefinition { strategies: vec![], ..flag_with(weights) };
            state_of(vec![flag]).evaluate("f", &user(&id)).variant_index
        };
        let (before, after) = (chosen(&weights), chosen(&moved));
        if before == Some(boundary as u32) {
            prop_assert_eq!(after, Some(boundary as u32 + 1));
        } else {
            prop_assert_eq!(after, before);
        }
        if let Some(index) = before {
            prop_assert!(weights[index as usize] > 0, "a variant without weight is never chosen");
        }
    }

    #[test]
    fn raising_a_rollout_keeps_everybody_who_was_on(id in "\\PC{0,12}", low in 0u32..=100, high in 0u32..=100) {
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(!ours(low, "g", &id) || ours(high, "g", &id));
    }
}
