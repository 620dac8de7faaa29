//! Laws of keys, draws and lineages: they never change, they are uniform, they have nothing to do with
//! each other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::*;
use super::{MOST_DEVIATIONS, even_deviations, key};

#[test]
fn the_values_of_keys_draws_and_lineages_never_change() {
    let key = Key::derive(Seed(42), "service/checkout", "service time");
    assert_eq!((key.a, key.b), (10_094_134_194_269_421_229, 4_821_235_889_623_773_604));
    assert_eq!(
        [0, 1, u64::MAX].map(|identity| key.draw(identity)),
        [18_059_981_717_725_809_680, 7_002_294_781_039_028_086, 14_811_584_501_969_264_077]
    );
    assert_eq!(
        [(0, 0), (0, 1), (7, 0)].map(|(identity, index)| key.draw2(identity, index)),
        [11_362_758_137_119_621_695, 10_821_615_923_262_790_295, 10_891_149_864_242_683_497]
    );
    assert_eq!(
        [0, 1].map(|identity| key.child(3).draw(identity)),
        [15_567_232_785_058_637_081, 9_351_303_434_989_808_187]
    );
    assert_eq!(name_hash("buyers"), 16_021_858_522_622_652_204);
    let request = Lineage::root(name_hash("buyers"), 17);
    let call = request.call(name_hash("checkout -> orders-db"), 1);
    assert_eq!(
        [request, call, call.attempt(2)].map(Lineage::raw),
        [11_840_483_046_157_108_789, 3_232_682_451_775_467_332, 6_342_278_510_690_273_219]
    );
}

#[test]
fn a_word_of_a_stream_can_be_had_without_those_before_it() {
    let mut stream = key(1).stream(9);
    for index in 0..100 {
        assert_eq!(stream.next_u64(), key(1).draw2(9, index));
    }
}

#[test]
fn a_key_depends_on_the_seed_and_on_both_names_as_they_stand() {
    let keys = [
        Key::derive(Seed(1), "ab", "c"),
        Key::derive(Seed(2), "ab", "c"),
        Key::derive(Seed(1), "a", "bc"),
        Key::derive(Seed(1), "c", "ab"),
        Key::derive(Seed(1), "ab", ""),
        Key::derive(Seed(1), "", "ab"),
        Key::derive(Seed(0), "", ""),
    ];
    let distinct: BTreeSet<(u64, u64)> = keys.iter().map(|key| (key.a, key.b)).collect();
    assert_eq!(distinct.len(), keys.len());
}

/// Lets entities draw in turns, as a simulation would, and returns what each of them got.
fn draw_in_turns<'a>(entities: &[&'a str], draws: u64) -> BTreeMap<&'a str, Vec<u64>> {
    let mut drawn = BTreeMap::new();
    for identity in 0..draws {
        for entity in entities {
            let key = Key::derive(Seed(5), entity, "service time");
            drawn.entry(*entity).or_insert_with(Vec::new).push(key.draw(identity));
        }
    }
    drawn
}

#[test]
fn removing_or_adding_an_entity_changes_nothing_that_another_one_draws() {
    let all = draw_in_turns(&["gateway", "checkout", "orders-db"], 50);
    let without_checkout = draw_in_turns(&["orders-db", "gateway"], 50);
    let with_hop = draw_in_turns(&["hop", "gateway", "checkout", "orders-db"], 50);
    for (entity, drawn) in &without_checkout {
        assert_eq!(drawn, &all[entity], "{entity}");
    }
    for (entity, drawn) in &all {
        assert_eq!(drawn, &with_hop[entity], "{entity}");
    }
}

#[test]
fn a_lineage_depends_on_every_step_and_on_the_order_of_steps() {
    let (client, edge, other_edge) = (name_hash("buyers"), name_hash("a -> b"), name_hash("b -> c"));
    let root = Lineage::root(client, 0);
    let lineages = [
        Lineage(client),
        root,
        Lineage::root(client, 1),
        Lineage::root(name_hash("sellers"), 0),
        root.attempt(0),
        root.attempt(1),
        root.attempt(1).attempt(0),
        root.attempt(0).attempt(1),
        root.call(edge, 0),
        root.call(edge, 1),
        root.call(other_edge, 0),
        root.call(edge, 0).call(other_edge, 0),
        root.call(other_edge, 0).call(edge, 0),
        root.call(0, 0),
        root.call(1, 0),
    ];
    let distinct: BTreeSet<u64> = lineages.iter().map(|lineage| lineage.raw()).collect();
    assert_eq!(distinct.len(), lineages.len());
}

#[test]
fn half_a_million_requests_with_their_attempts_have_lineages_of_their_own() {
    let edge = name_hash("a -> b");
    let mut seen = Vec::new();
    for client in 0..10 {
        for number in 0..50_000 {
            let root = Lineage::root(name_hash(&format!("client {client}")), number);
            let call = root.call(edge, 0);
            seen.extend([root, call, call.attempt(1), call.attempt(2), root.call(edge, 1)]);
        }
    }
    let total = seen.len();
    let mut raw: Vec<u64> = seen.into_iter().map(Lineage::raw).collect();
    raw.sort_unstable();
    raw.dedup();
    assert_eq!(raw.len(), total);
}

/// How far the words of `draw` over `count` identities are from uniform, at worst: each byte by itself, the
/// upper bits of neighbours together, and the words modulo a prime.
fn worst_unevenness(count: u64, draw: impl Fn(u64) -> u64) -> f64 {
    let mut bytes = vec![[0_u64; 256]; 8];
    let mut pairs = [0_u64; 256];
    let mut remainders = [0_u64; 251];
    let mut previous = draw(count);
    for identity in 0..count {
        let word = draw(identity);
        for (place, byte) in bytes.iter_mut().zip(word.to_le_bytes()) {
            place[usize::from(byte)] += 1;
        }
        pairs[(previous >> 60 << 4 | word >> 60) as usize] += 1;
        remainders[(word % 251) as usize] += 1;
        previous = word;
    }
    let single = bytes.iter().map(|counts| even_deviations(counts));
    single.chain([even_deviations(&pairs), even_deviations(&remainders)]).fold(f64::MIN, f64::max)
}

/// How far flipping one of 64 bits that go into `word_of` is from flipping each bit that comes out half of the
/// time, at worst, in standard deviations.
fn worst_avalanche(word_of: impl Fn(u64, u64) -> u64) -> f64 {
    const TRIALS: u64 = 2048;
    let mut worst: f64 = 0.0;
    for flipped in 0..64 {
        let mut flips = [0_u64; 64];
        for trial in 0..TRIALS {
            let changed = word_of(trial, 0) ^ word_of(trial, 1 << flipped);
            for (bit, count) in flips.iter_mut().enumerate() {
                *count += changed >> bit & 1;
            }
        }
        for count in flips {
            let deviation = count as f64 - TRIALS as f64 / 2.0;
            worst = worst.max(deviation.abs() / (TRIALS as f64 / 4.0).sqrt());
        }
    }
    worst
}

/// Of 4096 normal numbers, the greatest lies beyond 5.5 in less than one case in 6000.
const MOST_AVALANCHE: f64 = 5.5;

#[test]
fn draws_of_neighbouring_identities_are_uniform_and_independent() {
    let key = key(7);
    let request = Lineage::root(name_hash("buyers"), 1);
    type Draw = (&'static str, Box<dyn Fn(u64) -> u64>);
    let draws: [Draw; 9] = [
        ("consecutive identities", Box::new(move |i| key.draw(i))),
        ("identities that differ in their upper half", Box::new(move |i| key.draw(i << 40))),
        ("descending identities", Box::new(move |i| key.draw(u64::MAX - i))),
        ("words of one stream", Box::new(move |i| key.draw2(3, i))),
        ("first words of many streams", Box::new(move |i| key.draw2(i, 0))),
        ("children of one key", Box::new(move |i| key.child(i).draw(0))),
        ("requests of a client", Box::new(move |i| key.draw(Lineage::root(9, i).raw()))),
        ("attempts of a call", Box::new(move |i| key.draw(request.attempt(i as u32).raw()))),
        ("lineages themselves", Box::new(move |i| request.call(77, i as u32).raw())),
    ];
    for (name, draw) in draws {
        let unevenness = worst_unevenness(1 << 17, draw);
        assert!(unevenness < MOST_DEVIATIONS, "{name}: {unevenness}");
    }
}

#[test]
fn keys_of_one_entity_under_many_seeds_are_uniform() {
    let unevenness = worst_unevenness(1 << 15, |seed| Key::derive(Seed(seed), "a", "b").draw(1));
    assert!(unevenness < MOST_DEVIATIONS, "{unevenness}");
}

#[test]
fn one_flipped_bit_anywhere_flips_every_bit_of_the_draw_half_of_the_time() {
    let Key { a, b } = key(3);
    let request = Lineage::root(5, 6);
    type WordOf<'a> = (&'a str, &'a dyn Fn(u64, u64) -> u64);
    let word_of: [WordOf<'_>; 9] = [
        ("identity", &|trial, flip| Key { a, b }.draw(trial ^ flip)),
        ("one half of the key", &|trial, flip| Key { a: a ^ flip, b }.draw(trial)),
        ("other half of the key", &|trial, flip| Key { a, b: b ^ flip }.draw(trial)),
        ("identity of a stream", &|trial, flip| Key { a, b }.draw2(trial ^ flip, 2)),
        ("index in a stream", &|trial, flip| Key { a, b }.draw2(2, trial ^ flip)),
        ("child", &|trial, flip| Key { a, b }.child(trial ^ flip).draw(2)),
        ("client", &|trial, flip| Lineage::root(a.wrapping_add(trial) ^ flip, trial).raw()),
        ("request number", &|trial, flip| Lineage::root(a, trial ^ flip).raw()),
        ("edge", &|trial, flip| request.call(b.wrapping_add(trial) ^ flip, 0).raw()),
    ];
    for (name, word_of) in word_of {
        let worst = worst_avalanche(word_of);
        assert!(worst < MOST_AVALANCHE, "{name}: {worst}");
    }
}

/// How far two sequences of draws are from independent: their upper, then their lower bits together.
fn dependence(count: u64, one: impl Fn(u64) -> u64, other: impl Fn(u64) -> u64) -> f64 {
    let (mut upper, mut lower) = ([0_u64; 256], [0_u64; 256]);
    for identity in 0..count {
        let (x, y) = (one(identity), other(identity));
        upper[(x >> 60 << 4 | y >> 60) as usize] += 1;
        lower[((x & 15) << 4 | y & 15) as usize] += 1;
    }
    even_deviations(&upper).max(even_deviations(&lower))
}

#[test]
fn keys_that_differ_in_one_bit_draw_independently() {
    let Key { a, b } = key(11);
    for bit in 0..64 {
        for other in [Key { a: a ^ 1 << bit, b }, Key { a, b: b ^ 1 << bit }] {
            let found = dependence(1 << 14, |i| Key { a, b }.draw(i), |i| other.draw(i));
            // The worst of 128 comparisons may lie a little further out than a single one.
            assert!(found < MOST_DEVIATIONS + 0.5, "bit {bit}: {found}");
        }
    }
}

#[test]
fn the_families_of_draws_under_one_key_are_independent() {
    let key = key(13);
    let families: [(&str, &dyn Fn(u64) -> u64); 4] = [
        ("draw", &|i| key.draw(i)),
        ("draw2", &|i| key.draw2(i, 0)),
        ("second word", &|i| key.draw2(i, 1)),
        ("child", &|i| key.child(i).draw(0)),
    ];
    for (index, (name, one)) in families.iter().enumerate() {
        for (other_name, other) in &families[index + 1..] {
            let found = dependence(1 << 17, one, other);
            assert!(found < MOST_DEVIATIONS, "{name} and {other_name}: {found}");
        }
    }
}

#[test]
fn weaker_mixers_are_caught() {
    let Key { a, b } = key(7);
    let one_round = move |i: u64, a: u64| fold(i ^ a, b);
    let counter_added = move |i: u64, a: u64| fold(a.wrapping_add(i), a.wrapping_add(i));
    let key_added_last = move |i: u64, a: u64| fold(i ^ PI[0], PI[1] ^ i).wrapping_add(a);
    assert!(worst_avalanche(|trial, flip| one_round(trial ^ flip, a)) > 2.0 * MOST_AVALANCHE);
    assert!(worst_avalanche(|trial, flip| counter_added(trial ^ flip, a)) > 2.0 * MOST_AVALANCHE);
    assert!(worst_unevenness(1 << 17, |i| i.wrapping_mul(a | 1)) > 2.0 * MOST_DEVIATIONS);
    assert!(worst_unevenness(1 << 17, |i| fold(i, 1 << 20)) > 2.0 * MOST_DEVIATIONS);
    let dependent = dependence(1 << 14, |i| key_added_last(i, a), |i| key_added_last(i, a ^ 1 << 63));
    assert!(dependent > 2.0 * MOST_DEVIATIONS);
}

#[test]
fn a_unit_number_never_reaches_zero_or_one() {
    let step = 1.0 / (1_u64 << 53) as f64;
    assert_eq!(unit(0), step);
    assert_eq!(unit(u64::MAX), 1.0 - step);
    assert_eq!(unit(1 << 63), 0.5 + step);
    assert!(unit_exponential(0) > 0.0);
    assert!((36.7..36.8).contains(&unit_exponential(u64::MAX)));
}

#[test]
fn nothing_is_below_nothing_and_only_zero_is_below_one() {
    for word in [0, 1, u64::MAX] {
        assert_eq!(below(word, 0), 0);
        assert_eq!(below(word, 1), 0);
    }
    assert_eq!(below(u64::MAX, u64::MAX), u64::MAX - 1);
}

#[test]
fn integers_below_a_bound_are_equally_likely() {
    let key = key(1);
    for bound in [2_usize, 3, 7, 100, 1000] {
        let mut counts = vec![0; bound];
        for identity in 0..100_000 {
            counts[below(key.draw(identity), bound as u64) as usize] += 1;
        }
        let found = even_deviations(&counts);
        assert!(found < MOST_DEVIATIONS, "below {bound}: {found}");
    }
}

/// The first word for which what has a chance of `ppm` does not happen, worked out in wide integers.
fn threshold(ppm: u32) -> u128 {
    (u128::from(ppm) << 64).div_ceil(1_000_000)
}

#[test]
fn a_chance_is_exact_to_the_last_word() {
    for ppm in [0, 1, 7, 500, 333_333, 500_000, 999_999, 1_000_000] {
        let first_without = threshold(ppm);
        for word in first_without.saturating_sub(2)..first_without + 2 {
            if let Ok(drawn) = u64::try_from(word) {
                assert_eq!(chance_ppm(drawn, ppm), word < first_without, "{ppm} ppm, word {word}");
            }
        }
    }
    assert!(chance_ppm(u64::MAX, 1_000_000));
    assert!(chance_ppm(u64::MAX, u32::MAX));
    assert!(!chance_ppm(0, 0));
}

proptest! {
    #[test]
    fn a_draw_is_a_function_of_its_key_and_identity_alone(
        seed: u64, identity: u64, others in prop::collection::vec(any::<u64>(), 0..20),
    ) {
        let key = Key::derive(Seed(seed), "a", "b");
        let alone = key.draw(identity);
        for other in others {
            let mut stream = key.stream(other);
            stream.next_u64();
            key.draw(other);
        }
        prop_assert_eq!(Key::derive(Seed(seed), "a", "b").draw(identity), alone);
    }

    #[test]
    fn a_unit_number_is_open_symmetric_and_ascending(word: u64, other: u64) {
        prop_assert!(unit(word) > 0.0 && unit(word) < 1.0);
        prop_assert_eq!(unit(!word), 1.0 - unit(word));
        prop_assert_eq!(unit(word.min(other)).min(unit(word.max(other))), unit(word.min(other)));
    }

    #[test]
    fn an_integer_below_a_bound_is_below_it_and_ascending(word: u64, other: u64, bound in 1_u64..) {
        prop_assert!(below(word, bound) < bound);
        prop_assert!(below(word.min(other), bound) <= below(word.max(other), bound));
    }

    #[test]
    fn a_chance_matches_the_wide_threshold(word: u64, ppm in 0_u32..=1_000_000) {
        prop_assert_eq!(chance_ppm(word, ppm), u128::from(word) < threshold(ppm));
    }

    #[test]
    fn what_happens_for_a_share_happens_for_every_greater_one(word: u64, ppm: u32, more: u32) {
        prop_assert!(!chance_ppm(word, ppm.min(more)) || chance_ppm(word, ppm.max(more)));
    }
}
