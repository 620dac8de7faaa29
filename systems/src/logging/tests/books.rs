//! Levels, sinks and buffers: what comes in is accounted for.

use super::*;
use crate::logging::*;
use crate::rate_limiter::RateLimitConfig;
use proptest::prelude::*;

#[test]
fn a_logger_inherits_the_level_of_its_nearest_ancestor_and_a_change_counts_at_once() {
    let mut levels = Levels::new(Severity::Warning);
    assert!(!levels.is_enabled("shop.payment.webhook", Severity::Debug));
    levels.set("shop.payment", Some(Severity::Debug));
    assert!(levels.is_enabled("shop.payment.webhook", Severity::Debug));
    assert!(!levels.is_enabled("shop.payments", Severity::Debug), "a longer name is no child");
    levels.set("shop.payment.webhook", Some(Severity::Error));
    assert!(!levels.is_enabled("shop.payment.webhook", Severity::Warning));
    levels.set("shop.payment.webhook", None);
    levels.set("", Some(Severity::Emergency));
    assert_eq!(levels.level("shop.payment.webhook"), Severity::Debug);
    assert_eq!(levels.level("other"), Severity::Emergency);
}

fn sink(when_full: WhenFull, max_records: u32) -> Sink {
    let buffer = BufferConfig { max_records, when_full, ..BufferConfig::default() };
    Sink::new(SinkConfig { buffer, ..SinkConfig::default() }, Time::ZERO)
}

#[test]
fn a_full_buffer_does_what_its_policy_says() {
    let fill = |when_full| {
        let mut sink = sink(when_full, 2);
        let offered: Vec<Offered> =
            ["a", "b", "c", "d"].map(|text| sink.offer(Time::ZERO, info(text))).into_iter().collect();
        let kept: Vec<String> = sink.batch(9, u64::MAX).iter().map(|line| line.message.clone()).collect();
        sink.audit_whole(Time::ZERO).unwrap();
        (offered.last().cloned().unwrap(), kept.join(""))
    };
    assert_eq!(fill(WhenFull::Block), (Offered::Blocked(info("d")), "ab".into()));
    assert_eq!(fill(WhenFull::DropNewest), (Offered::Dropped(DropReason::Newest), "ab".into()));
    assert_eq!(fill(WhenFull::DropOldest), (Offered::Buffered, "cd".into()));
    let sampled = fill(WhenFull::Sample { one_in: 2 });
    assert_eq!(sampled, (Offered::Dropped(DropReason::FullSample), "bc".into()));
}

#[test]
fn lines_not_worth_a_warning_go_first_when_the_buffer_is_nearly_full() {
    let buffer = BufferConfig { max_records: 10, reserve_ppm: 200_000, ..BufferConfig::default() };
    let mut sink = Sink::new(SinkConfig { buffer, ..SinkConfig::default() }, Time::ZERO);
    for _ in 0..9 {
        assert_eq!(sink.offer(Time::ZERO, info("fine")), Offered::Buffered);
    }
    assert_eq!(sink.offer(Time::ZERO, info("fine")), Offered::Dropped(DropReason::Unimportant));
    assert_eq!(sink.offer(Time::ZERO, line(Severity::Error, "bad")), Offered::Buffered);
}

#[test]
fn a_line_for_the_auditors_is_never_dropped_whatever_the_policy() {
    for when_full in
        [WhenFull::Block, WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Sample { one_in: 1 }]
    {
        let mut sink = sink(when_full, 1);
        let audit = Record { is_audit: true, ..line(Severity::Debug, "who did it") };
        assert_eq!(sink.offer(Time::ZERO, audit.clone()), Offered::Buffered, "not even by its level");
        assert_eq!(sink.offer(Time::ZERO, audit.clone()), Offered::Blocked(audit.clone()));
        assert!(!matches!(sink.offer(Time::ZERO, info("displace it")), Offered::Buffered));
        assert_eq!(sink.batch(9, 9), [audit]);
        sink.written(Time::ZERO, 0, DropReason::Refused);
        sink.audit(Time::ZERO).unwrap();
    }
    let mut sink = sink(WhenFull::Block, 1);
    sink.offer(Time::ZERO, Record { is_audit: true, ..info("refused by the store") });
    sink.batch(1, 1);
    sink.written(Time::ZERO, 1, DropReason::Refused);
    assert_eq!(sink.audit(Time::ZERO), Err(Violation::AuditDropped));
}

#[test]
fn a_storm_of_one_class_passes_rate_times_time_plus_burst_and_leaves_the_others_alone() {
    let limit = RateLimitConfig { rate_per_s_milli: 10_000, burst: 5 };
    let config = SinkConfig { class_limit: Some(limit), ..SinkConfig::default() };
    let mut sink = Sink::new(config, Time::ZERO);
    let storm = (0..1_000).map(|ms| sink.offer(at(ms), line(Severity::Error, "timeout")));
    assert_eq!(storm.filter(|offered| *offered == Offered::Buffered).count(), 5 + 9);
    assert_eq!(sink.offer(at(1_000), info("calm")), Offered::Buffered);
}

#[test]
fn repeated_lines_are_told_once_with_their_number() {
    let config = SinkConfig { repeat_window: Span::from_secs(1), ..SinkConfig::default() };
    let mut sink = Sink::new(config, Time::ZERO);
    for ms in 0..5 {
        sink.offer(at(ms), info("again"));
    }
    assert_eq!(sink.deadline(), Some(at(1_000)));
    assert_eq!(sink.expire(at(1_000)), None);
    let messages: Vec<&str> = sink.batch(9, u64::MAX).iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["again", "repeated 4 times: again"]);
    assert_eq!(sink.drops().of(DropReason::Repeated), 4);
    sink.audit(at(1_000)).unwrap();
}

#[test]
fn sampling_keeps_or_drops_whole_traces_and_names_the_classes_it_hides() {
    let sampling = Sampling { share_ppm: 10_000, always: Severity::Critical, salt: 7 };
    let buffer = BufferConfig { max_records: 100_000, max_bytes: u64::MAX, ..BufferConfig::default() };
    let mut sink =
        Sink::new(SinkConfig { sampling: Some(sampling), buffer, ..SinkConfig::default() }, Time::ZERO);
    let mut kept = 0;
    for trace in 1..=10_000 {
        let fates = [0, 1].map(|_| sink.offer(Time::ZERO, Record { trace, ..info("step") }));
        assert_eq!(fates[0], fates[1]);
        kept += u64::from(fates[0] == Offered::Buffered);
    }
    assert!((70..=130).contains(&kept), "{kept} of 10,000 traces at 1 %");
    for trace in [3, 5, 8] {
        sink.offer(Time::ZERO, Record { trace, ..Record::new(at(0), Severity::Error, "rare", "oh") });
    }
    let hidden: Vec<ClassSeen> = sink.hidden_classes().collect();
    assert_eq!((hidden.len(), hidden[0].logger.as_str(), hidden[0].seen), (1, "rare", 3));
}

#[test]
fn drops_are_reported_within_the_interval_and_a_report_that_is_late_is_a_violation() {
    let mut sink = sink(WhenFull::DropNewest, 1);
    sink.offer(at(0), info("a"));
    sink.offer(at(5), info("b"));
    assert_eq!(sink.deadline(), Some(at(10_005)));
    assert_eq!(sink.audit(at(10_006)), Err(Violation::Unreported { drops: 1 }));
    let report = sink.expire(at(10_005)).expect("it is due");
    assert_eq!(report.drops.of(DropReason::Newest), 1);
    assert_eq!(sink.audit(at(99_999)), Ok(()));
}

#[derive(Clone, Debug)]
enum Step {
    Offer { severity: u8, text: usize, trace: u64, is_audit: bool },
    Batch(usize),
    Written(u64),
    Wait(u64),
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let offer = (0u8..8, 0usize..60, 0u64..9, prop::bool::weighted(0.1))
        .prop_map(|(severity, text, trace, is_audit)| Step::Offer { severity, text, trace, is_audit });
    let step = prop_oneof![
        6 => offer,
        2 => (0usize..5).prop_map(Step::Batch),
        2 => (0u64..3).prop_map(Step::Written),
        1 => (0u64..3_000).prop_map(Step::Wait),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 0..120)
}

fn configs() -> impl Strategy<Value = SinkConfig> {
    let when_full = prop_oneof![
        Just(WhenFull::Block),
        Just(WhenFull::DropNewest),
        Just(WhenFull::DropOldest),
        (0u32..4).prop_map(|one_in| WhenFull::Sample { one_in }),
    ];
    (when_full, 0u32..8, 0u64..400, 0u32..=1_000_000, 0u64..500, any::<bool>()).prop_map(
        |(when_full, max_records, max_bytes, reserve_ppm, repeat_ms, limits)| SinkConfig {
            buffer: BufferConfig { max_records, max_bytes, when_full, reserve_ppm },
            repeat_window: Span::from_millis(repeat_ms),
            sampling: limits.then_some(Sampling { share_ppm: 500_000, always: Severity::Error, salt: 3 }),
            class_limit: limits.then_some(RateLimitConfig { rate_per_s_milli: 5_000, burst: 2 }),
            max_classes: 2,
            ..SinkConfig::default()
        },
    )
}

proptest! {
    #[test]
    fn whatever_happens_every_line_is_delivered_dropped_and_counted_or_still_there(
        config in configs(), steps in steps(),
    ) {
        let mut sink = Sink::new(config, Time::ZERO);
        let mut now = Time::ZERO;
        for step in steps {
            match step {
                Step::Offer { severity, text, trace, is_audit } => {
                    let severity = Severity::ALL[usize::from(severity)];
                    let line = Record { trace, is_audit, ..line(severity, &"x".repeat(text)) };
                    sink.offer(now, line);
                }
                Step::Batch(lines) => { sink.batch(lines, 100); }
                Step::Written(refused) => {
                    let refused = if sink.in_flight().iter().any(|line| line.is_audit) { 0 } else { refused };
                    sink.written(now, refused, DropReason::Refused);
                }
                Step::Wait(ms) => now += Span::from_millis(ms),
                Step::Crash => sink.crash(now),
            }
            while sink.deadline().is_some_and(|due| due <= now) { sink.expire(now); }
            prop_assert_eq!(sink.audit_whole(now), Ok(()));
        }
    }
}

/// Forgets to count what it dropped: the books do not balance.
#[test]
fn a_drop_that_is_not_counted_is_noticed() {
    let mut sink = sink(WhenFull::DropNewest, 4);
    sink.offer(Time::ZERO, info("a"));
    assert_eq!(sink.audit(Time::ZERO), Ok(()));
    sink.lose_uncounted();
    assert_eq!(sink.audit(Time::ZERO), Err(Violation::Unaccounted { emitted: 1, accounted: 0 }));
}
