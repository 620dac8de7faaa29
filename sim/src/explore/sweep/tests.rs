//! Laws of sweeps: any cut gives the same, any number of jobs gives the same, and what is wrong with a piece is found.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::explore::coverage::Exercised;
use crate::explore::failure::FailureFingerprint;

fn header(seeds: Seeds) -> Header {
    Header {
        scenario: "sample".to_string(),
        scenario_digest: "d".repeat(32),
        program_digest: "p".repeat(32),
        seeds_from: seeds.from,
        seeds_to: seeds.to,
        command: "foreshock run sample.yaml --seed {seed}".to_string(),
        expected: "pass".to_string(),
        objectives: vec![ObjectiveHeader {
            id: "p99".to_string(),
            metric: "latency p99".to_string(),
            of: "buyers".to_string(),
            bound: "< 500ms".to_string(),
            window: "0s..10s".to_string(),
            unit: "us".to_string(),
            less_is_better: true,
        }],
        marks: vec![("opened".to_string(), "breaker_opened on a -> b".to_string())],
    }
}

/// A seed with everything made of one number.
fn seen(seed: u64, word: u64) -> SeedSeen {
    let failing: Vec<String> =
        ["p99", "errors", "liveness"].iter().take((word % 4) as usize).map(|id| id.to_string()).collect();
    let bit = |shift: u32| word >> shift & 1 == 1;
    SeedSeen {
        seed,
        events: word % 10_000,
        failed_at_us: word % 777,
        as_expected: failing.is_empty(),
        failure: FailureFingerprint { failing },
        objectives: vec![ObjectiveSeen {
            id: "p99".to_string(),
            judged: bit(7),
            held: bit(8),
            value: bit(9).then_some(word >> 20),
        }],
        marks: vec![("opened".to_string(), bit(10))],
        exercised: Exercised {
            faults: BTreeMap::from([("slow (latency) started".to_string(), bit(11))]),
            branches: BTreeMap::from([("a -> b retried".to_string(), bit(12))]),
            invariants: BTreeMap::from([("conservation_requests".to_string(), true)]),
        },
    }
}

fn aggregate<'s>(seeds: impl IntoIterator<Item = &'s SeedSeen>) -> Aggregate {
    let mut aggregate = Aggregate::default();
    seeds.into_iter().for_each(|seen| aggregate.add(seen));
    aggregate
}

fn merged<'a>(parts: impl IntoIterator<Item = &'a Aggregate>) -> Aggregate {
    let mut whole = Aggregate::default();
    parts.into_iter().for_each(|part| whole.merge(part));
    whole
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merging_commutes_and_associates_and_is_the_same_as_adding_seeds(
        words in prop::collection::vec(any::<u64>(), 0..40), cut in any::<prop::sample::Index>(), again in any::<prop::sample::Index>(),
    ) {
        let seeds: Vec<SeedSeen> = (0..).zip(&words).map(|(seed, word)| seen(seed, *word)).collect();
        let (left, rest) = seeds.split_at(cut.index(seeds.len() + 1));
        let (middle, right) = rest.split_at(again.index(rest.len() + 1));
        let parts = [left, middle, right].map(aggregate);
        let whole = aggregate(&seeds);
        prop_assert_eq!(&merged(&parts), &whole);
        prop_assert_eq!(&merged(parts.iter().rev()), &whole);
        let last_two = merged(&parts[1..]);
        prop_assert_eq!(&merged([&last_two, &parts[0]]), &whole);
        prop_assert_eq!(aggregate(seeds.iter().rev()), whole);
    }

    #[test]
    fn a_slice_survives_the_way_through_a_file_and_no_changed_byte_goes_unnoticed(
        words in prop::collection::vec(any::<u64>(), 1..20), place in any::<prop::sample::Index>(), other in any::<u8>(),
    ) {
        let slice = slice_of(Seeds { from: 5, to: 5 + words.len() as u64 }, Partition::WHOLE, &words);
        let text = slice.to_json();
        prop_assert_eq!(Slice::from_json(text.as_bytes()), Ok(slice));
        let mut bytes = text.into_bytes();
        let place = place.index(bytes.len());
        // A line feed or a blank between values changes nothing.
        prop_assume!(bytes[place] != other && !(bytes[place] == b'\n' && other.is_ascii_whitespace()));
        bytes[place] = other;
        prop_assert!(Slice::from_json(&bytes).is_err(), "byte {} of {}", place, bytes.len());
    }
}

/// A slice in which everything ran; seeds are given words in the order of the whole sweep.
fn slice_of(seeds: Seeds, part: Partition, words: &[u64]) -> Slice {
    let mut slice = Slice::begun(header(seeds), part, Aggregate::default());
    let own = slice.seeds();
    for seed in own.from..own.to {
        slice.seen.add(&seen(seed, words[(seed - seeds.from) as usize]));
    }
    (slice.done_to, slice.ended) = (own.to, Ended::Complete);
    slice
}

#[test]
fn one_slice_seven_slices_and_a_hundred_join_to_identical_bytes() {
    let seeds = Seeds { from: 1_000, to: 1_250 };
    let words: Vec<u64> = (0..250_u64).map(|index| index.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let joined = [1, 7, 100].map(|of| {
        let mut slices: Vec<(String, Slice)> = (1..=of)
            .map(|index| (format!("{index}.json"), slice_of(seeds, Partition { index, of }, &words)))
            .collect();
        slices.reverse();
        let whole = join(slices).expect("all slices are there");
        (
            whole.to_json(),
            SweepReport::new(&whole).to_json(),
            sweep_text(&SweepReport::new(&whole), crate::report::Style::Plain),
        )
    });
    assert_eq!(joined[0], joined[1]);
    assert_eq!(joined[0], joined[2]);
    assert!(joined[0].2.lines().count() <= 40, "{}", joined[0].2);
}

#[test]
fn with_more_slices_than_seeds_some_are_done_before_they_begin() {
    let seeds = Seeds { from: 0, to: 3 };
    let slices: Vec<(String, Slice)> = (1..=5)
        .map(|index| {
            (index.to_string(), Slice::begun(header(seeds), Partition { index, of: 5 }, Aggregate::default()))
        })
        .collect();
    assert_eq!(slices.iter().filter(|(_, slice)| slice.is_complete()).count(), 2);
    for (_, slice) in slices {
        assert_eq!(Slice::from_json(slice.to_json().as_bytes()), Ok(slice));
    }
}

#[test]
fn slices_that_are_missing_foreign_doubled_or_incomplete_are_named() {
    let seeds = Seeds { from: 0, to: 30 };
    let words = vec![3; 30];
    let slice = |index| slice_of(seeds, Partition { index, of: 3 }, &words);
    let named = |slices: Vec<(&str, Slice)>| {
        let slices = slices.into_iter().map(|(name, slice)| (name.to_string(), slice)).collect();
        join(slices).expect_err("something is wrong").join("\n")
    };
    assert_eq!(named(vec![("a", slice(1)), ("c", slice(3))]), "missing: slice 2/3");
    let mut foreign = slice(2);
    foreign.header.program_digest = "q".repeat(32);
    let told = named(vec![("a", slice(1)), ("b", foreign), ("c", slice(3))]);
    assert_eq!(told, "`b` is foreign: another build of the program than in `a`\nmissing: slice 2/3");
    let mut other = slice(2);
    other.header.scenario_digest = "e".repeat(32);
    assert!(named(vec![("a", slice(1)), ("b", other), ("c", slice(3))]).contains("another scenario"));
    let doubled = named(vec![("a", slice(1)), ("b", slice(2)), ("b2", slice(2)), ("c", slice(3))]);
    assert_eq!(doubled, "`b2` is slice 2/3 a second time, after `b`");
    let mut half = Slice::begun(header(seeds), Partition { index: 2, of: 3 }, Aggregate::default());
    half.seen.add(&seen(10, 1));
    half.done_to = 11;
    let told = named(vec![("a", slice(1)), ("b", half), ("c", slice(3))]);
    assert_eq!(told, "`b` is not complete: the seeds 11..20 did not run");
    let halves = slice_of(seeds, Partition { index: 2, of: 2 }, &words);
    let told = named(vec![("a", slice(1)), ("b", halves), ("b", slice(2)), ("c", slice(3))]);
    assert!(told.contains("it is one of 2 slices, `a` one of 3"), "{told}");
    assert_eq!(join(Vec::new()), Err(vec!["there is no slice to merge".to_string()]));
}

#[test]
fn what_is_no_slice_is_told_from_a_damaged_one() {
    let whole = slice_of(Seeds { from: 0, to: 3 }, Partition::WHOLE, &[1, 2, 3]).to_json();
    assert_eq!(Slice::from_json(b"hello"), Err(NotASlice::SomethingElse));
    assert_eq!(Slice::from_json(b"{\"schema\": \"foreshock.report/1\"}"), Err(NotASlice::SomethingElse));
    for damaged in [
        &whole[..whole.len() / 2],
        &whole.replace("sample", "simple"),
        &whole.replace("\"seeds\":3", "\"seeds\":4"),
    ] {
        let found = Slice::from_json(damaged.as_bytes());
        assert!(matches!(found, Err(NotASlice::Damaged(_))), "{found:?}");
    }
}

/// An aggregate that forgets to take the smaller of two first seeds: what the law of merging has to catch.
#[test]
fn a_merge_that_depends_on_the_order_breaks_the_law() {
    let broken = |into: &mut Aggregate, other: &Aggregate| {
        let before = into.first_unexpected;
        into.merge(other);
        into.first_unexpected = before.or(other.first_unexpected);
    };
    let (one, other) = (aggregate(&[seen(9, 1)]), aggregate(&[seen(2, 1)]));
    let (mut forth, mut back) = (one.clone(), other.clone());
    broken(&mut forth, &other);
    broken(&mut back, &one);
    assert_ne!(forth, back, "order shows");
    assert_eq!(merged([&one, &other]), merged([&other, &one]), "and does not with the true one");
}

#[test]
fn more_ways_to_fail_than_are_kept_are_counted_and_cut_the_same_way_in_every_order() {
    let fails = |seed: u64| {
        let mut seen = seen(seed, 1);
        seen.failure.failing = vec![format!("objective-{:04}", seed * 7 % 1_000)];
        seen
    };
    let seeds: Vec<SeedSeen> = (0..1_000).map(fails).collect();
    let forth = aggregate(&seeds);
    let parts: Vec<Aggregate> = seeds.chunks(33).map(aggregate).collect();
    assert_eq!(merged(parts.iter().rev()), forth);
    assert_eq!(forth.groups.len(), 256);
    assert_eq!(forth.failing_otherwise(), 744);
}

const SCENARIO: &str = "\
version: 1
name: tiny
run: {duration: 3s, drain: 1s}
services:
  shop: {workers: 1, queue: {capacity: 2}, service_time: {exponential: {mean: 30ms}}}
load:
  - {name: buyers, to: shop, rate: 20/s, timeout: 1s}
slo:
  - {id: errors, metric: error_rate, of: buyers, must_be: '< 15%'}
  - {id: p99, metric: latency, of: buyers, must_be: '< 120ms'}
";

struct NoFiles;

impl crate::scenario::Files for NoFiles {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("there are no files here".to_string())
    }
}

fn plan(text: &str) -> Plan {
    let source = crate::scenario::Source { name: "tiny.yaml", text: text.as_bytes() };
    crate::scenario::compile(source, &NoFiles, &Kinds::default())
        .unwrap_or_else(|error| panic!("{error}"))
        .plan
}

fn swept(plan: &Plan, jobs: usize, fail_fast: Option<u64>) -> Slice {
    swept_over(24, plan, jobs, fail_fast)
}

fn swept_over(seeds: u64, plan: &Plan, jobs: usize, fail_fast: Option<u64>) -> Slice {
    let kinds = Kinds::default();
    let subject = Subject { plan, edits: &[], kinds: &kinds };
    let seeds = Seeds { from: 0, to: seeds };
    let header = super::header(plan, &[], "program".into(), seeds, "run {seed}".into());
    let mut slice = Slice::begun(header, Partition::WHOLE, Aggregate::of_none(plan));
    let stop = AtomicBool::new(false);
    let limits = Limits { jobs: NonZero::new(jobs).expect("at least one"), fail_fast, stop: &stop };
    sweep::<Infallible>(subject, &mut slice, &limits, |_| Ok(())).expect("the scenario runs");
    slice
}

#[test]
fn a_sweep_gives_the_same_bytes_for_any_number_of_jobs() {
    let plan = plan(SCENARIO);
    let one = swept(&plan, 1, None);
    assert_eq!(one.to_json(), swept(&plan, 3, None).to_json());
    assert!(one.seen.failing > 0 && one.seen.failing < 24, "some fail and some do not: {}", one.seen.failing);
    let fast = swept(&plan, 1, Some(2));
    assert_eq!(fast, swept(&plan, 3, Some(2)));
    assert_eq!((fast.seen.failing, fast.ended), (2, Ended::FailFast));
}

#[test]
fn a_slice_does_not_grow_with_the_number_of_seeds() {
    let text_of = |count: u64| {
        let mut aggregate = Aggregate::default();
        for seed in 0..count {
            aggregate.add(&seen(seed, seed % 4_000));
        }
        serde_json::to_string(&aggregate).expect("plain values").len()
    };
    let (fewer, more) = (text_of(4_000), text_of(12_000));
    assert!(more <= fewer + 64, "{fewer} bytes grew to {more}: only numbers may become longer");
}

#[test]
fn coverage_says_what_was_exercised_and_what_never_was() {
    let text = SCENARIO.replace(
        "slo:",
        "timeline:\n  - {id: pause, at: 1s, for: 500ms, fault: {pause: {service: shop}}}\n  \
         - {id: late, when: {queue_at_least: {service: shop, waiting: 99}}, for: 1s, fault: {pause: {service: shop}}}\nslo:",
    );
    let slice = swept(&plan(&text), 2, None);
    let coverage = SweepReport::new(&slice).coverage;
    assert_eq!(coverage.faults["pause (pause) started"].seeds, 24);
    assert_eq!(coverage.faults["pause (pause) started"].first_seed, Some(0));
    assert!(coverage.branches["shop queue_full"].seeds > 0);
    assert!(!coverage.branches.contains_key("buyers -> shop retried"), "a call without retries cannot retry");
    assert!(coverage.invariants.values().all(|seen| seen.seeds == 24) && coverage.invariants.len() >= 5);
    assert!(coverage.never.contains(&"late (pause) started".to_string()), "{:?}", coverage.never);
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_stopped_and_ends_as_if_it_never_had() {
    let plan = plan(SCENARIO);
    let kinds = Kinds::default();
    let subject = Subject { plan: &plan, edits: &[], kinds: &kinds };
    // More than workers may be ahead of the one who says stop.
    let seeds = 64;
    let mut slice = swept_over(seeds, &plan, 2, Some(1));
    let stop = AtomicBool::new(false);
    let limits = Limits { jobs: NonZero::new(2).expect("two"), fail_fast: None, stop: &stop };
    let interrupted = sweep::<Infallible>(subject, &mut slice, &limits, |slice| {
        stop.store(slice.seen.seeds >= 9, Ordering::Relaxed);
        Ok(())
    });
    assert!(interrupted.is_ok());
    assert_eq!(slice.ended, Ended::Interrupted);
    assert!((9..seeds).contains(&slice.seen.seeds), "{}", slice.seen.seeds);
    let mut resumed = Slice::from_json(slice.to_json().as_bytes()).expect("a partial result is a slice");
    stop.store(false, Ordering::Relaxed);
    sweep::<Infallible>(subject, &mut resumed, &limits, |_| Ok(())).expect("the scenario runs");
    assert_eq!(resumed.to_json(), swept_over(seeds, &plan, 1, None).to_json());
}

#[test]
fn a_comparison_of_a_scenario_with_itself_finds_no_difference_and_one_with_a_better_one_does() {
    let plan_a = plan(SCENARIO);
    let plan_b = plan(&SCENARIO.replace("capacity: 2", "capacity: 20"));
    let kinds = Kinds::default();
    let seeds = Seeds { from: 0, to: 12 };
    let compared = |second: &Plan| {
        let subjects = [&plan_a, second].map(|plan| Subject { plan, edits: &[], kinds: &kinds });
        let headers = [&plan_a, second]
            .map(|plan| super::header(plan, &[], String::new(), seeds, "run {seed}".to_string()));
        let stop = AtomicBool::new(false);
        let jobs = NonZero::new(2).expect("two");
        let mut slice = PairedSlice::begun(headers, Partition::WHOLE);
        compare::<Infallible>(subjects, &mut slice, jobs, &stop, |_| Ok(())).expect("both run");
        assert!(slice.is_complete());
        slice.seen
    };
    let same = compared(&plan_a);
    for objective in same.objectives.values() {
        assert_eq!(
            (objective.better, objective.worse, objective.same),
            (Side::default(), Side::default(), 12)
        );
    }
    let better = compared(&plan_b);
    assert!(better.objectives["errors"].better.seeds >= 10, "a longer line refuses less");
    assert_eq!(better.objectives["errors"].worse.seeds, 0);
    assert!(better.objectives["p99"].worse.seeds >= 10, "and lets wait longer");
}

/// A pair of seeds with everything made of one number.
fn paired_slice(words: &[u64], part: Partition) -> PairedSlice {
    let seeds = Seeds { from: 3, to: 3 + words.len() as u64 };
    let mut slice = PairedSlice::begun([header(seeds), header(seeds)], part);
    let own = slice.seeds();
    for seed in own.from..own.to {
        let word = words[(seed - seeds.from) as usize];
        slice.seen.add(&seen(seed, word), &seen(seed, word.rotate_left(23)));
    }
    slice.done_to = own.to;
    slice
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_comparison_cut_anyhow_and_read_back_is_the_one_in_one_piece(
        words in prop::collection::vec(any::<u64>(), 1..40), of in 1_u64..12,
    ) {
        let whole = paired_slice(&words, Partition::WHOLE);
        let parts = (1..=of).rev().map(|index| {
            let text = paired_slice(&words, Partition { index, of }).to_json();
            let read = PairedSlice::from_json(text.as_bytes()).expect("it was written so");
            assert_eq!(read.to_json(), text);
            (format!("{index}.json"), read)
        });
        let joined = join_paired(parts.collect()).expect("all are there");
        prop_assert_eq!(paired_json(&joined), paired_json(&whole));
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn slices_of_comparisons_that_are_missing_foreign_or_damaged_are_named() {
    let words: Vec<u64> = (0..9).map(|seed: u64| seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
    let slice = |index: u64| paired_slice(&words, Partition { index, of: 3 });
    let mut foreign = slice(2);
    foreign.second.scenario_digest = "e".repeat(32);
    let named = |slices: Vec<(&str, PairedSlice)>| {
        let slices = slices.into_iter().map(|(name, slice)| (name.to_string(), slice)).collect();
        join_paired(slices).expect_err("something is wrong").join("; ")
    };
    let problems = named(vec![("a", slice(1)), ("b", foreign), ("c", slice(1))]);
    for said in
        ["`b` is foreign: another scenario", "`c` is slice 1/3 a second time", "missing: slice 2/3, 3/3"]
    {
        assert!(problems.contains(said), "{said}: {problems}");
    }
    let mut part = slice(3);
    (part.done_to, part.seen) = (part.seeds().from, Paired::of_none(part.headers()));
    assert!(named(vec![("a", slice(1)), ("b", slice(2)), ("c", part)]).contains("`c` is not complete"));
    let damaged = slice(1).to_json().replace("\"slice\":1", "\"slice\":2");
    assert!(matches!(PairedSlice::from_json(damaged.as_bytes()), Err(NotASlice::Damaged(_))));
    assert_eq!(PairedSlice::from_json(b"{}"), Err(NotASlice::SomethingElse));
    assert_eq!(Slice::from_json(slice(1).to_json().as_bytes()), Err(NotASlice::SomethingElse));
}
