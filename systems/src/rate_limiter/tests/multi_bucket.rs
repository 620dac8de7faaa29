//! Several bandwidths in one bucket, their three refill schedules, and what they inherit.

use super::*;

const fn bandwidth(capacity: u64, refill: u64, period_ms: u64, schedule: Refill) -> Bandwidth {
    Bandwidth { capacity, refill, period: ms(period_ms), schedule, initial: capacity }
}

fn bucket(bandwidths: &[Bandwidth]) -> MultiBucket {
    MultiBucket::new(bandwidths, at(0)).expect("the bandwidths are in range")
}

#[test]
fn permits_come_evenly_or_at_the_end_of_a_period_or_on_the_clock() {
    // Made at 30 ms, emptied at once; ten permits in 100 ms. Permits that could be taken:
    let cases = [
        // at, greedy, interval, aligned
        (30, 0, 0, 0),
        (80, 5, 0, 0),
        (99, 6, 0, 0),
        (100, 7, 0, 10),
        (129, 9, 0, 10),
        (130, 10, 10, 10),
        (10_000_000, 10, 10, 10),
    ];
    let made = |schedule| {
        let mut bucket = MultiBucket::new(&[bandwidth(10, 10, 100, schedule)], at(30)).unwrap();
        bucket.check(at(30), 10).unwrap();
        bucket
    };
    let mut all = [Refill::Greedy, Refill::Interval, Refill::IntervalAligned].map(made);
    for (now, greedy, interval, aligned) in cases {
        assert_eq!(
            all.each_mut().map(|bucket| bucket.available(at(now))),
            [greedy, interval, aligned],
            "{now}"
        );
    }
}

#[test]
fn every_bandwidth_has_to_have_room() {
    let mut both = bucket(&[bandwidth(3, 1, 10, Refill::Greedy), bandwidth(5, 5, 1_000, Refill::Greedy)]);
    assert_eq!(both.check(at(0), 3), Ok(()));
    assert_eq!(both.check(at(0), 1), Err(RetryAt(ms(10))));
    assert_eq!(both.check(at(30), 2), Ok(()));
    assert_eq!(both.check(at(30), 1), Err(RetryAt(ms(170))), "the second one is empty");
    assert_eq!(both.check(at(30), 4), Err(RetryAt(Span::MAX)), "the first one never holds so many");
    assert_eq!(both.available(at(10_000)), 3);
}

#[test]
fn a_refill_on_the_clock_is_given_once_however_often_the_clock_passes_it() {
    let mut aligned = bucket(&[bandwidth(5, 5, 100, Refill::IntervalAligned)]);
    aligned.check(at(90), 5).unwrap();
    aligned.check(at(100), 5).unwrap();
    for _ in 0..3 {
        assert_eq!(aligned.check(at(95), 1), Err(RetryAt(ms(105))));
        assert_eq!(aligned.check(at(101), 1), Err(RetryAt(ms(99))));
    }
    assert_eq!(aligned.check(at(200), 5), Ok(()));
    // An hour back: one refill is held back, not an hour of them.
    let mut far = MultiBucket::new(&[bandwidth(5, 5, 100, Refill::IntervalAligned)], at(3_600_000)).unwrap();
    far.check(at(3_600_000), 5).unwrap();
    assert_eq!(far.check(at(0), 1), Err(RetryAt(ms(200))));
    assert_eq!(far.check(at(200), 5), Ok(()));
}

#[test]
fn permits_at_the_start_may_be_fewer_than_fit() {
    let mut slow_start = bucket(&[Bandwidth { initial: 1, ..bandwidth(9, 1, 100, Refill::Greedy) }]);
    assert_eq!(slow_start.check(at(0), 1), Ok(()));
    assert_eq!(slow_start.check(at(0), 1), Err(RetryAt(ms(100))));
}

#[test]
fn each_way_to_inherit_leaves_what_it_says_in_every_bandwidth() {
    let former = [bandwidth(8, 8, 1_000, Refill::Greedy), bandwidth(80, 80, 60_000, Refill::Greedy)];
    let cases = [
        (Inherit::Keep, 6, 78),
        (Inherit::Proportional, 12, 156),
        (Inherit::Add, 14, 158),
        (Inherit::Reset, 16, 160),
    ];
    for (inherit, first, second) in cases {
        for (index, left) in [(0, first), (1, second)] {
            let mut one = bucket(&former[index..=index]);
            one.check(at(0), 2).unwrap();
            let Bandwidth { capacity, refill, .. } = former[index];
            one.reconfigure(&[bandwidth(2 * capacity, refill, 700, Refill::Greedy)], at(0), inherit).unwrap();
            assert_eq!(one.available(at(0)), left, "{inherit:?}, bandwidth {index}");
        }
    }
    let mut added = bucket(&former[..1]);
    added.check(at(0), 2).unwrap();
    let new = Bandwidth { initial: 3, ..former[1] };
    added.reconfigure(&[former[0], new], at(0), Inherit::Keep).unwrap();
    assert_eq!(
        added.available(at(0)),
        3,
        "a bandwidth without a predecessor starts with its initial permits"
    );
}

#[test]
fn a_bandwidth_out_of_range_is_refused_with_its_number_and_what_to_write_instead() {
    let good = bandwidth(1, 1, 1, Refill::Greedy);
    let cases = [
        (vec![], BandwidthError::Empty),
        (
            vec![Bandwidth { capacity: 0, initial: 0, ..good }],
            BandwidthError::Capacity { index: 0, capacity: 0 },
        ),
        (
            vec![good, Bandwidth { refill: u64::MAX, ..good }],
            BandwidthError::Refill { index: 1, refill: u64::MAX },
        ),
        (vec![Bandwidth { period: Span::ZERO, ..good }], BandwidthError::NoPeriod { index: 0 }),
        (
            vec![Bandwidth { initial: 2, ..good }],
            BandwidthError::Initial { index: 0, initial: 2, capacity: 1 },
        ),
    ];
    for (bandwidths, error) in cases {
        assert_eq!(MultiBucket::new(&bandwidths, at(0)).unwrap_err(), error);
        assert!(error.to_string().contains("use"), "{error}");
    }
}

fn any_bandwidth() -> impl Strategy<Value = Bandwidth> {
    let schedule = prop_oneof![Just(Refill::Greedy), Just(Refill::Interval), Just(Refill::IntervalAligned)];
    (1u64..12, 1u64..12, 1u64..2_000_000_000, schedule, any::<u64>()).prop_map(
        |(capacity, refill, period_ns, schedule, initial)| Bandwidth {
            capacity,
            refill,
            period: Span::from_nanos(period_ns),
            schedule,
            initial: initial % (capacity + 1),
        },
    )
}

/// A bandwidth told again, the slow way: every refill instant one by one, in fractions of a permit.
struct Plain {
    bandwidth: Bandwidth,
    /// Permits times the period in nanoseconds.
    level: u128,
    last_ns: u64,
    made_ns: u64,
}

impl Plain {
    fn available(&mut self, now_ns: u64) -> u64 {
        let Bandwidth { capacity, refill, period, schedule, .. } = self.bandwidth;
        let period_ns = period.as_nanos();
        let phase = if schedule == Refill::Interval { self.made_ns } else { 0 };
        match schedule {
            Refill::Greedy => {
                self.level += u128::from(now_ns - self.last_ns) * u128::from(refill);
                self.level = self.level.min(u128::from(capacity) * u128::from(period_ns));
            }
            Refill::Interval | Refill::IntervalAligned => {
                let mut due = phase + ((self.last_ns - phase) / period_ns + 1) * period_ns;
                while due <= now_ns {
                    self.level += u128::from(refill) * u128::from(period_ns);
                    self.level = self.level.min(u128::from(capacity) * u128::from(period_ns));
                    due += period_ns;
                    if self.level == u128::from(capacity) * u128::from(period_ns) {
                        break;
                    }
                }
            }
        }
        self.last_ns = now_ns;
        (self.level / u128::from(period_ns)) as u64
    }

    fn take(&mut self, cost: u64) {
        self.level -= u128::from(cost) * u128::from(self.bandwidth.period.as_nanos());
    }
}

/// The first step at which a bucket with these bandwidths decides otherwise than the slow telling.
fn differs(bandwidths: &[Bandwidth], told: &[Bandwidth], trace: &[(u64, u64)]) -> Option<usize> {
    let mut multi = bucket(bandwidths);
    let mut plain: Vec<Plain> = told
        .iter()
        .map(|bandwidth| Plain {
            bandwidth: *bandwidth,
            level: u128::from(bandwidth.initial) * u128::from(bandwidth.period.as_nanos()),
            last_ns: 0,
            made_ns: 0,
        })
        .collect();
    let mut now = 0;
    trace.iter().position(|(pause, cost)| {
        now += pause;
        let there = plain.iter_mut().map(|plain| plain.available(now)).min().unwrap_or(0);
        let passes = *cost <= there;
        if passes {
            plain.iter_mut().for_each(|plain| plain.take(*cost));
        }
        multi.check(Time::from_nanos(now), *cost).is_ok() != passes
    })
}

proptest! {
    #[test]
    fn it_decides_as_if_every_refill_were_done_one_by_one(
        bandwidths in prop::collection::vec(any_bandwidth(), 1..4), trace in any_trace(150),
    ) {
        prop_assert_eq!(differs(&bandwidths, &bandwidths, &trace), None);
    }

    #[test]
    fn the_wait_it_names_is_exact_and_a_reservation_needs_no_more(
        bandwidths in prop::collection::vec(any_bandwidth(), 1..4), trace in any_trace(60), early in any::<u64>(),
    ) {
        let mut multi = bucket(&bandwidths);
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            if let Err(RetryAt(wait)) = multi.check(now, cost) && wait != Span::MAX {
                let early = now + Span::from_nanos(early % wait.as_nanos());
                prop_assert_eq!(multi.clone().check(early, cost), Err(RetryAt((now + wait).since(early))));
                prop_assert_eq!(multi.clone().check(now + wait, cost), Ok(()));
                prop_assert_eq!(multi.clone().reserve(now, cost, wait), Ok(wait));
            }
        }
    }

    #[test]
    fn one_greedy_bandwidth_is_a_token_bucket(per_ms in 1u64..50, burst in 1u64..20, trace in any_trace(200)) {
        let mut multi = bucket(&[bandwidth(burst, per_ms, 1, Refill::Greedy)]);
        let mut plain = TokenBucket::new(per_second(per_ms * 1_000, burst), at(0));
        let mut now = Time::ZERO;
        for (pause, cost) in trace {
            now += Span::from_nanos(pause);
            prop_assert_eq!(multi.check(now, cost), plain.check(now, cost));
            prop_assert_eq!(multi.quota(now), plain.quota(now));
        }
    }

    #[test]
    fn nothing_makes_it_panic(
        extremes in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), 0u8..3), 1..3),
        acts in prop::collection::vec((0u8..6, any::<u64>(), any::<u64>()), 0..60),
    ) {
        let bandwidths: Vec<Bandwidth> = extremes
            .into_iter()
            .map(|(capacity, refill, period, schedule)| Bandwidth {
                capacity: capacity % MAX_BANDWIDTH_PERMITS + 1,
                refill: refill % MAX_BANDWIDTH_PERMITS + 1,
                period: Span::from_nanos(period.max(1)),
                schedule: [Refill::Greedy, Refill::Interval, Refill::IntervalAligned][usize::from(schedule)],
                initial: 0,
            })
            .collect();
        let mut multi = bucket(&bandwidths);
        for (act, ns, cost) in acts {
            let now = Time::from_nanos(ns);
            match act {
                0 => multi.give_back(now, cost),
                1 => multi.reconfigure(&bandwidths[..1], now, Inherit::Proportional).unwrap(),
                2 => multi.reconfigure(&bandwidths, now, Inherit::Add).unwrap(),
                3 => drop(multi.reserve(now, cost % MAX_BANDWIDTH_PERMITS, Span::from_nanos(cost))),
                _ => drop((multi.check(now, cost), multi.quota(now), multi.renewed(now))),
            }
        }
    }
}

#[test]
fn a_refill_one_short_or_a_nanosecond_late_is_caught() {
    let right = bandwidth(5, 5, 100, Refill::Interval);
    let every_period = (0..40).map(|_| (100_000_000, 5));
    let trace: Vec<(u64, u64)> =
        [(0, 5), (50_000_000, 1), (50_000_000, 5)].into_iter().chain(every_period).collect();
    assert_eq!(differs(&[right], &[right], &trace), None);
    let late = Bandwidth { period: Span::from_nanos(100_000_001), ..right };
    for wrong in [Bandwidth { refill: 4, ..right }, late, Bandwidth { schedule: Refill::Greedy, ..right }] {
        assert!(differs(&[wrong], &[right], &trace).is_some(), "{wrong:?}");
    }
}
