//! Bounds on calls in flight, against a model of a bottleneck: so many calls at once take the shortest time, more than
//! that queue.

use super::*;
use crate::rate_limiter::concurrency::*;

const BOUNDS: ConcurrencyConfig = ConcurrencyConfig { min: 1, max: 1_000, initial: 10 };

fn limited(config: ConcurrencyConfig, algorithm: impl LimitAlgorithm + 'static) -> ConcurrencyLimit {
    ConcurrencyLimit::new(config, Box::new(algorithm)).expect("the bounds are in order")
}

/// A service that works on `parallel` calls at once for `service` each; a call that would take longer than `times_out`
/// is dropped.
#[derive(Clone, Copy)]
struct Bottleneck {
    parallel: u64,
    service: Span,
    times_out: Span,
}

impl Bottleneck {
    /// `rounds` times: as many calls as the limit allows go out together, and come back as the service is done with
    /// them. The limit after each round.
    fn saturate(self, limit: &mut ConcurrencyLimit, now: &mut Time, rounds: usize) -> Vec<u32> {
        let round = |_| {
            let mut places = Vec::new();
            while let Ok(place) = limit.try_acquire(*now) {
                places.push(place);
            }
            assert_eq!(places.len(), limit.limit() as usize, "as many as the limit are let in");
            let start = *now;
            for (position, place) in (0u64..).zip(places) {
                let took = self.service.saturating_mul(position / self.parallel + 1);
                let ended = start + took.min(self.times_out);
                let dropped = took > self.times_out;
                *now = (*now).max(ended);
                let outcome = if dropped { CallOutcome::Dropped } else { CallOutcome::Completed };
                limit.release(ended, place, outcome);
                assert!(limit.limit() >= 1);
            }
            limit.limit()
        };
        (0..rounds).map(round).collect()
    }
}

const FIFTY: Bottleneck = Bottleneck { parallel: 50, service: ms(10), times_out: ms(10) };

#[test]
fn who_finds_no_room_is_refused_and_a_place_given_back_is_free() {
    let mut limit = limited(ConcurrencyConfig::fixed(2), Fixed);
    let first = limit.try_acquire(at(0)).unwrap();
    let second = limit.try_acquire(at(0)).unwrap();
    assert_eq!(limit.try_acquire(at(0)), Err(LimitReached { limit: 2, in_flight: 2 }));
    limit.release(at(5), first, CallOutcome::Dropped);
    assert_eq!((limit.limit(), limit.in_flight()), (2, 1));
    let third = limit.try_acquire(at(5)).unwrap();
    for place in [second, third] {
        limit.release(at(9), place, CallOutcome::Ignored);
    }
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn aimd_swings_between_beta_times_the_capacity_and_the_capacity() {
    let mut limit = limited(BOUNDS, Aimd::new(AimdConfig::default()));
    let mut now = Time::ZERO;
    FIFTY.saturate(&mut limit, &mut now, 100);
    let limits = FIFTY.saturate(&mut limit, &mut now, 1_000);
    let mean_milli = limits.iter().map(|limit| u64::from(*limit) * 1_000).sum::<u64>() / 1_000;
    // 0.9 L to L, 0.95 L on average; one call of overshoot finds the capacity, limits are whole calls.
    assert!(limits.iter().all(|limit| (44..=51).contains(limit)), "{limits:?}");
    assert!((46_500..=49_500).contains(&mean_milli), "{mean_milli}");
}

#[test]
fn aimd_takes_congestion_of_one_round_trip_for_one_sign() {
    let mut limit = limited(ConcurrencyConfig { initial: 100, ..BOUNDS }, Aimd::new(AimdConfig::default()));
    let places: Vec<InFlight> = (0..100).map(|_| limit.try_acquire(at(0)).unwrap()).collect();
    for place in places {
        limit.release(at(10), place, CallOutcome::Dropped);
    }
    assert_eq!(limit.limit(), 90);
    let next = limit.try_acquire(at(11)).unwrap();
    limit.release(at(20), next, CallOutcome::Dropped);
    assert_eq!(limit.limit(), 81);
}

#[test]
fn a_slow_call_counts_as_congestion_if_aimd_is_told_so() {
    let config = AimdConfig { beta_ppm: 500_000, slow_call: ms(100) };
    let mut limit = limited(BOUNDS, Aimd::new(config));
    let place = limit.try_acquire(at(0)).unwrap();
    limit.release(at(100), place, CallOutcome::Completed);
    assert_eq!(limit.limit(), 10);
    let place = limit.try_acquire(at(100)).unwrap();
    limit.release(at(201), place, CallOutcome::Completed);
    assert_eq!(limit.limit(), 5);
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    for mut limit in [
        limited(BOUNDS, Aimd::new(AimdConfig::default())),
        limited(BOUNDS, Vegas::new(VegasConfig::default())),
        limited(BOUNDS, Gradient::new(GradientConfig::default())),
    ] {
        for call in 0..10_000 {
            let place = limit.try_acquire(at(call)).unwrap();
            limit.release(at(call + 1), place, CallOutcome::Completed);
        }
        assert_eq!(limit.limit(), 10, "{limit:?}");
    }
}

fn adaptive() -> [(&'static str, ConcurrencyLimit); 3] {
    let aimd = Aimd::new(AimdConfig { slow_call: ms(25), ..AimdConfig::default() });
    [
        ("aimd", limited(BOUNDS, aimd)),
        ("vegas", limited(BOUNDS, Vegas::new(VegasConfig::default()))),
        ("gradient", limited(BOUNDS, Gradient::new(GradientConfig::default()))),
    ]
}

/// Nothing times out: only the round-trip times speak.
const PATIENT: Bottleneck = Bottleneck { times_out: Span::from_secs(10), ..FIFTY };

fn mean(limits: &[u32]) -> u32 {
    limits.iter().sum::<u32>() / limits.len() as u32
}

#[test]
fn every_algorithm_finds_the_capacity_and_leaves_a_short_queue() {
    for (name, mut limit) in adaptive() {
        let mut now = Time::ZERO;
        PATIENT.saturate(&mut limit, &mut now, 500);
        let found = mean(&PATIENT.saturate(&mut limit, &mut now, 200));
        assert!((45..=150).contains(&found), "{name} finds {found} for a capacity of 50");
    }
}

#[test]
fn a_dependency_five_times_slower_lowers_the_limit_and_it_comes_back_when_that_ends() {
    let slow = Bottleneck { service: ms(50), ..PATIENT };
    for (name, mut limit) in adaptive() {
        let mut now = Time::ZERO;
        PATIENT.saturate(&mut limit, &mut now, 500);
        let before = mean(&PATIENT.saturate(&mut limit, &mut now, 200));
        let during = slow.saturate(&mut limit, &mut now, 30);
        let lowest = during.into_iter().min().unwrap();
        assert!(lowest < before, "{name}: {lowest} while slow, {before} before");
        PATIENT.saturate(&mut limit, &mut now, 1_000);
        let after = mean(&PATIENT.saturate(&mut limit, &mut now, 200));
        assert!(after.abs_diff(before) * 10 <= before, "{name}: {before} before, {after} after");
    }
}

#[test]
fn bounds_out_of_order_are_refused_with_what_to_write_instead() {
    for (min, initial, max) in [(0, 1, 1), (2, 1, 3), (1, 3, 2)] {
        let config = ConcurrencyConfig { min, initial, max };
        let error = ConcurrencyLimit::new(config, Box::new(Fixed)).unwrap_err();
        assert!(error.to_string().contains("use 1 <= min"), "{error}");
    }
    let mut limit = limited(ConcurrencyConfig { initial: 9, ..BOUNDS }, Fixed);
    let places: Vec<InFlight> = (0..9).map(|_| limit.try_acquire(at(0)).unwrap()).collect();
    assert!(limit.reconfigure(ConcurrencyConfig::fixed(0)).is_err());
    limit.reconfigure(ConcurrencyConfig::fixed(4)).unwrap();
    assert_eq!(limit.try_acquire(at(0)), Err(LimitReached { limit: 4, in_flight: 9 }));
    places.into_iter().for_each(|place| limit.release(at(1), place, CallOutcome::Completed));
    assert_eq!((limit.limit(), limit.in_flight()), (4, 0));
}

#[test]
fn a_share_is_there_whatever_the_others_do_and_the_rest_is_shared() {
    let limit = limited(ConcurrencyConfig::fixed(10), Fixed);
    let mut shares = PartitionedLimit::new(limit, vec![300_000, 200_000]).unwrap();
    let greedy: Vec<PartitionPermit> = std::iter::from_fn(|| shares.try_acquire(at(0), 0).ok()).collect();
    assert_eq!(greedy.len(), 8, "three of its own and five of nobody's");
    let modest: Vec<PartitionPermit> = std::iter::from_fn(|| shares.try_acquire(at(0), 1).ok()).collect();
    assert_eq!(modest.len(), 2);
    let unknown = PartitionRefusal::UnknownPartition { partition: 2, partitions: 2 };
    assert_eq!(shares.try_acquire(at(0), 2).unwrap_err(), unknown);
    greedy.into_iter().chain(modest).for_each(|permit| shares.release(at(1), permit, CallOutcome::Completed));
    assert_eq!((shares.in_flight(0), shares.in_flight(1), shares.limit().in_flight()), (0, 0, 0));
}

#[test]
fn shares_of_more_than_everything_are_refused() {
    let fixed = || limited(ConcurrencyConfig::fixed(10), Fixed);
    let cases = [
        (vec![], PartitionError::Empty),
        (vec![600_000, 400_001], PartitionError::AboveWhole { sum_ppm: 1_000_001 }),
    ];
    for (shares, error) in cases {
        assert_eq!(PartitionedLimit::new(fixed(), shares).unwrap_err(), error);
        assert!(error.to_string().contains("1"), "{error}");
    }
}

/// An algorithm that says whatever comes to its mind.
#[derive(Debug)]
struct Erratic(u64);

impl LimitAlgorithm for Erratic {
    fn next_limit_micro(&mut self, _: u64, _: &Sample) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0
    }
}

/// The first step at which a call is let in although as many as the limit are in flight, or the limit is below one.
fn broken_bound(
    algorithm: impl LimitAlgorithm + 'static,
    generous: u32,
    acts: &[(bool, u64, u8)],
) -> Option<usize> {
    let mut limit = limited(BOUNDS, algorithm);
    let mut places = std::collections::VecDeque::new();
    acts.iter().position(|(acquire, ns, outcome)| {
        let now = Time::from_nanos(*ns);
        if *acquire {
            let full = places.len() as u32 >= limit.limit() + generous;
            let place = limit.try_acquire(now).ok();
            let let_in = place.is_some();
            places.extend(place);
            return let_in == full;
        }
        if let Some(place) = places.pop_front() {
            let outcomes = [CallOutcome::Completed, CallOutcome::Dropped, CallOutcome::Ignored];
            limit.release(now, place, outcomes[usize::from(*outcome)]);
        }
        limit.limit() < 1 || limit.in_flight() as usize != places.len()
    })
}

proptest! {
    #[test]
    fn nobody_is_let_in_above_the_limit_and_the_limit_never_falls_below_one(
        acts in prop::collection::vec((any::<bool>(), any::<u64>(), 0u8..3), 0..400), which in 0u8..5, extreme in any::<u32>(),
    ) {
        let broken = match which {
            0 => broken_bound(Fixed, 0, &acts),
            1 => broken_bound(Aimd::new(AimdConfig { beta_ppm: extreme, slow_call: ms(1) }), 0, &acts),
            2 => broken_bound(Vegas::new(VegasConfig { probe_after_limits: extreme }), 0, &acts),
            3 => {
                let config = GradientConfig {
                    long_window: extreme,
                    tolerance_milli: extreme,
                    queue: extreme,
                    smoothing_ppm: extreme,
                };
                broken_bound(Gradient::new(config), 0, &acts)
            }
            _ => broken_bound(Erratic(u64::from(extreme)), 0, &acts),
        };
        prop_assert_eq!(broken, None);
    }

    #[test]
    fn shares_hold_and_together_never_exceed_the_limit(
        limit in 1u32..40, shares in prop::collection::vec(0u32..400_000, 1..4), seed in any::<u64>(),
        acts in prop::collection::vec((any::<bool>(), 0usize..3), 0..300),
    ) {
        let shares_ppm: Vec<u32> = shares.iter().map(|share| share / shares.len() as u32 * 2).collect();
        let whole: u32 = shares_ppm.iter().sum();
        prop_assume!(whole <= 1_000_000);
        let fixed = limited(ConcurrencyConfig::fixed(limit), Fixed);
        let mut partitions = PartitionedLimit::new(fixed, shares_ppm).unwrap();
        let mut permits = Vec::new();
        for (acquire, partition) in acts {
            let partition = partition % shares.len();
            if acquire {
                let own = partitions.in_flight(partition);
                let entitled = own < partitions.share(partition);
                match partitions.try_acquire(at(0), partition) {
                    Ok(permit) => permits.push(permit),
                    Err(refused) => prop_assert!(!entitled, "{:?}", refused),
                }
            } else if !permits.is_empty() {
                let permit = permits.swap_remove(seed as usize % permits.len());
                partitions.release(at(1), permit, CallOutcome::Completed);
            }
            prop_assert!(partitions.limit().in_flight() <= limit);
        }
    }
}

#[test]
fn a_bound_that_lets_one_too_many_in_is_caught() {
    let acts: Vec<(bool, u64, u8)> = (0..100).map(|step| (step % 5 != 4, step, 0)).collect();
    assert_eq!(broken_bound(Fixed, 0, &acts), None);
    assert!(
        broken_bound(Fixed, 1, &acts).is_some(),
        "told that one more is allowed, the law sees the difference"
    );
}
