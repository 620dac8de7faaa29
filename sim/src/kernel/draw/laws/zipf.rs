//! Laws of Zipf: exact against directly summed probabilities, for few items and for many.

use proptest::prelude::*;

use super::super::zipf::Acceptance;
use super::super::*;
use super::{MOST_DEVIATIONS, chi_square_deviations, key};

const EXPONENTS: [f64; 11] = [0.0, 0.3, 0.8, 0.99, 1.0 - 1e-9, 1.0, 1.0 + 1e-15, 1.0 + 1e-9, 1.05, 2.0, 4.0];

/// The probability of each rank, straight from the definition.
fn probabilities(items: u64, s: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=items).map(|item| libm::pow(item as f64, -s)).collect();
    let sum: f64 = weights.iter().rev().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

/// The cell of a rank: the first 32 ranks have one each, then every doubling has one.
fn cell(rank: u64) -> usize {
    if rank < 32 { rank as usize } else { 27 + rank.ilog2() as usize }
}

/// How far `draws` ranks of `sample` are from the probabilities they should have, cell by cell. Neighbouring
/// cells too rare for the statistic count as one.
fn unevenness(probabilities: &[f64], draws: u64, sample: impl Fn(u64) -> u64) -> f64 {
    let cells = cell(probabilities.len() as u64 - 1) + 1;
    let mut expected = vec![0.0; cells];
    for (rank, probability) in probabilities.iter().enumerate() {
        expected[cell(rank as u64)] += probability;
    }
    let mut counts = vec![0_u64; cells];
    for identity in 0..draws {
        counts[cell(sample(identity))] += 1;
    }
    let (mut common_counts, mut common_expected) = (vec![0], vec![0.0]);
    for (count, probability) in counts.iter().zip(expected).rev() {
        let last = common_counts.len() - 1;
        if common_expected[last] * draws as f64 > 20.0 {
            common_counts.push(*count);
            common_expected.push(probability);
        } else {
            common_counts[last] += count;
            common_expected[last] += probability;
        }
    }
    chi_square_deviations(&common_counts, &common_expected)
}

#[test]
fn few_items_have_their_exact_probabilities() {
    let key = key(2);
    for items in [2, 10, 1000] {
        for s in EXPONENTS {
            let zipf = Zipf::new(items, s).expect("possible");
            let found = unevenness(&probabilities(items, s), 200_000, |i| zipf.sample(key, i));
            assert!(found < MOST_DEVIATIONS, "{items} items, s {s}: {found}");
        }
    }
}

#[test]
fn ten_million_items_have_their_exact_probabilities() {
    let key = key(3);
    for s in [0.9, 1.0, 1.05] {
        let zipf = Zipf::new(10_000_000, s).expect("possible");
        let found = unevenness(&probabilities(10_000_000, s), 500_000, |i| zipf.sample(key, i));
        assert!(found < MOST_DEVIATIONS, "s {s}: {found}");
    }
}

#[test]
fn a_million_million_items_double_evenly() {
    // At s = 1 the weight of a doubling is nearly ln 2, so ranks far out are as likely, doubling by doubling.
    let zipf = Zipf::new(Zipf::MAX_ITEMS, 1.0).expect("possible");
    let key = key(4);
    let mut doublings = [0_u64; 30];
    for identity in 0..300_000 {
        let rank = zipf.sample(key, identity);
        assert!(rank < Zipf::MAX_ITEMS);
        if rank >= 1 << 10 {
            doublings[rank.ilog2() as usize - 10] += 1;
        }
    }
    let found = super::even_deviations(&doublings);
    assert!(found < MOST_DEVIATIONS, "{found}");
}

#[test]
fn a_slightly_different_law_is_caught() {
    let key = key(2);
    let steeper = Zipf::new(1000, 1.02).expect("possible");
    let fewer = Zipf::new(950, 0.0).expect("possible");
    let steep = Zipf::new(1000, 4.0).expect("possible");
    let never_rejecting = |identity| match steep.try_word(key.draw(identity)) {
        Acceptance::Under(rank) | Acceptance::Beside(rank) => rank,
    };
    let found = [
        unevenness(&probabilities(1000, 1.0), 200_000, |i| steeper.sample(key, i)),
        unevenness(&probabilities(1000, 0.0), 200_000, |i| fewer.sample(key, i)),
        unevenness(&probabilities(1000, 4.0), 200_000, never_rejecting),
    ];
    assert!(found.iter().all(|deviations| *deviations > 2.0 * MOST_DEVIATIONS), "{found:?}");
}

#[test]
fn few_words_are_rejected_whatever_the_parameters() {
    let key = key(5);
    for items in [1, 2, 3, 10, 1000, 10_000_000, Zipf::MAX_ITEMS] {
        for s in EXPONENTS.into_iter().chain([10.0, 100.0, 1e6, 1e300]) {
            let zipf = Zipf::new(items, s).expect("possible");
            let beside =
                (0..10_000).filter(|i| matches!(zipf.try_word(key.draw(*i)), Acceptance::Beside(_))).count();
            assert!(beside < 2500, "{items} items, s {s}: {beside} of 10000 rejected");
        }
    }
}

#[test]
fn the_values_of_ranks_never_change() {
    let cases = [
        (10, 1.0, [2, 5, 6, 0, 6, 4]),
        (20_000, 1.05, [181, 1_234, 2_871, 6, 3_469, 700]),
        (10_000_000, 0.9, [237_991, 1_445_340, 2_786_441, 1_824, 3_197_768, 891_878]),
        (
            1 << 40,
            0.0,
            [
                677_273_162_431,
                861_423_091_668,
                937_117_495_965,
                318_089_062_957,
                953_635_071_799,
                808_839_656_422,
            ],
        ),
    ];
    for (items, s, ranks) in cases {
        let zipf = Zipf::new(items, s).expect("possible");
        assert_eq!([0, 1, 2, 3, 4, 5].map(|i| zipf.sample(key(42), i)), ranks, "{items} items, s {s}");
    }
}

proptest! {
    #[test]
    fn a_rank_is_always_one_of_the_items(
        items in prop_oneof![1_u64..20, 1..=Zipf::MAX_ITEMS],
        s in prop_oneof![0.0..3.0_f64, 0.0..f64::MAX, 0.999_999..1.000_001_f64],
        seed: u64,
        words in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 1..50),
    ) {
        let zipf = Zipf::new(items, s).expect("possible");
        prop_assert!(zipf.sample(key(seed), seed) < items);
        for word in words {
            let (Acceptance::Under(rank) | Acceptance::Beside(rank)) = zipf.try_word(word);
            prop_assert!(rank < items);
        }
    }
}
