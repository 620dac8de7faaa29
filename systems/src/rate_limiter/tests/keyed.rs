//! One limiter for each key: independence, bounded memory, keys that are missing.

use super::*;

fn keyed(config: KeyedConfig) -> Keyed<u32, TokenBucket> {
    Keyed::new(config, TokenBucket::new(per_second(10, 2), at(0)), at(0)).expect("keys are allowed")
}

#[test]
fn a_hot_key_does_not_touch_another() {
    let mut limiter = keyed(KeyedConfig::default());
    for _ in 0..2 {
        limiter.check(at(0), Some(&1), 1).unwrap();
    }
    for _ in 0..1_000 {
        assert_eq!(limiter.check(at(0), Some(&1), 1), Err(KeyedRefusal::OverLimit(RetryAt(ms(100)))));
    }
    assert_eq!(limiter.check(at(0), Some(&2), 2), Ok(()));
}

#[test]
fn a_request_without_a_key_is_refused_counted_or_let_through_but_never_unnoticed() {
    let cases = [
        (EmptyKey::Reject, [Err(KeyedRefusal::EmptyKey); 3]),
        (EmptyKey::Count, [Ok(()), Ok(()), Err(KeyedRefusal::OverLimit(RetryAt(ms(100))))]),
        (EmptyKey::Skip, [Ok(()); 3]),
    ];
    for (empty_key, expected) in cases {
        let mut limiter = keyed(KeyedConfig { empty_key, ..KeyedConfig::default() });
        assert_eq!([(); 3].map(|()| limiter.check(at(0), None, 1)), expected, "{empty_key:?}");
        assert_eq!(limiter.stats().empty_keys, 3, "{empty_key:?}");
    }
}

#[test]
fn when_the_table_is_full_new_keys_are_refused_or_the_oldest_is_forgotten() {
    for on_full in [OnFull::Reject, OnFull::ForgetOldest] {
        let mut limiter = keyed(KeyedConfig { max_keys: 2, on_full, ..KeyedConfig::default() });
        for key in [1, 2, 1] {
            limiter.check(at(0), Some(&key), 1).unwrap();
        }
        let third = limiter.check(at(0), Some(&3), 1);
        match on_full {
            OnFull::Reject => assert_eq!(third, Err(KeyedRefusal::TooManyKeys)),
            OnFull::ForgetOldest => assert_eq!(third, Ok(())),
        }
        assert_eq!(limiter.len(), 2);
        let forgotten = u64::from(on_full == OnFull::ForgetOldest);
        assert_eq!((limiter.stats().keys_refused, limiter.stats().crowded_out), (1 - forgotten, forgotten));
        // Key 1 was used last: it is still empty. In a while all are as good as new and make room.
        assert!(limiter.check(at(1), Some(&1), 1).is_err());
        assert_eq!(limiter.check(at(1_000), Some(&4), 1), Ok(()));
    }
}

#[test]
fn keys_that_come_once_do_not_pile_up() {
    let mut limiter = keyed(KeyedConfig::default());
    let mut most = 0;
    for step in 0..100_000u32 {
        // One new key every millisecond; each is as good as new after 100 ms.
        limiter.check(at(u64::from(step)), Some(&step), 1).unwrap();
        most = most.max(limiter.len());
    }
    assert!(most <= 220, "{most} keys kept where 101 are active");
    assert!(limiter.stats().idle_dropped > 99_000);
    limiter.drop_idle(at(1_000_000));
    assert!(limiter.is_empty());
}

#[test]
fn a_new_limit_reaches_keys_there_and_keys_to_come() {
    let mut limiter = keyed(KeyedConfig::default());
    limiter.check(at(0), Some(&1), 2).unwrap();
    limiter.reconfigure(|bucket| bucket.reconfigure(per_second(1, 1), at(0)));
    assert_eq!(limiter.check(at(0), Some(&1), 1), Err(KeyedRefusal::OverLimit(RetryAt(ms(1_000)))));
    assert_eq!(limiter.check(at(0), Some(&2), 2), Err(KeyedRefusal::OverLimit(RetryAt(Span::MAX))));
    assert_eq!(limiter.limiter(at(0), &2).unwrap().available(at(0)), 1);
    assert_eq!(limiter.present(Some(&3)).map(|bucket| bucket.available(at(0))), None);
}

#[test]
fn no_keys_at_all_is_refused_with_what_to_write_instead() {
    let none = KeyedConfig { max_keys: 0, ..KeyedConfig::default() };
    let error = Keyed::<u32, _>::new(none, TokenBucket::new(per_second(1, 1), at(0)), at(0)).unwrap_err();
    assert!(error.to_string().contains("use 1"));
}

/// The first step at which a keyed limiter decides otherwise than limiters that are kept for ever.
fn differs<L: Limiter + Forgettable>(template: L, trace: &[(u64, u32, u64)]) -> Option<usize> {
    let mut limiter =
        Keyed::new(KeyedConfig::default(), template.renewed(at(0)), at(0)).expect("keys are allowed");
    let mut kept = std::collections::BTreeMap::new();
    let mut now = Time::ZERO;
    trace.iter().position(|(pause, key, cost)| {
        now += Span::from_nanos(*pause);
        let plain = kept.entry(*key).or_insert_with(|| template.renewed(now));
        let plain = plain.check(now, *cost).map_err(KeyedRefusal::OverLimit);
        limiter.check(now, Some(key), *cost) != plain
    })
}

fn any_keyed_trace() -> impl Strategy<Value = Vec<(u64, u32, u64)>> {
    let pause = prop_oneof![3 => 0u64..1_000, 3 => 0u64..150_000_000, 1 => 0u64..2_000_000_000];
    prop::collection::vec((pause, 0u32..12, 0u64..4), 0..300)
}

proptest! {
    #[test]
    fn dropping_idle_keys_changes_no_decision(trace in any_keyed_trace(), which in 0u8..4) {
        let window = |alignment| WindowConfig { limit: 3, window: ms(300), alignment };
        let difference = match which {
            0 => differs(TokenBucket::new(per_second(10, 3), at(0)), &trace),
            1 => differs(Gcra::new(per_second(10, 3), at(0)), &trace),
            2 => differs(FixedWindow::new(window(WindowAlignment::Clock), at(0)), &trace),
            _ => differs(SlidingWindowCounter::new(window(WindowAlignment::FirstRequest), at(0)), &trace),
        };
        prop_assert_eq!(difference, None);
    }
}

#[test]
fn forgetting_a_key_too_early_is_caught() {
    /// Claims to be as good as new a tenth of a second early.
    struct Hasty(TokenBucket);
    impl Limiter for Hasty {
        fn check(&mut self, now: Time, cost: u64) -> Result<(), RetryAt> {
            self.0.check(now, cost)
        }
    }
    impl Forgettable for Hasty {
        fn renewed(&self, now: Time) -> Hasty {
            Hasty(self.0.renewed(now))
        }
        fn settled_at(&self) -> Time {
            self.0.settled_at() - ms(100)
        }
    }
    let trace: Vec<(u64, u32, u64)> = (0..200).map(|step| (20_000_000, step % 3, 1)).collect();
    let template = TokenBucket::new(per_second(10, 3), at(0));
    assert_eq!(differs(template.clone(), &trace), None);
    assert!(differs(Hasty(template), &trace).is_some());
}
