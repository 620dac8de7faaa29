//! Calls as stories.

use super::AttemptKind::{First, Hedge, Retry, Transparent};
use super::*;

const fn failed(reason: GiveUpReason, class: FailureClass) -> CallEnd {
    CallEnd::Failed { reason, last: Some(class) }
}

fn at(ms: u64) -> Time {
    Time::ZERO + Span::from_millis(ms)
}

#[test]
fn a_call_is_repeated_at_its_pace_until_it_succeeds() {
    let fates = [Fate::transient(10), Fate::NEVER, Fate::success(30)];
    let client = client(config());
    let trace = drive(&client, &World::of(&fates));
    // Failed at 10, paused 100; timed out at 310, paused 200.
    assert_eq!(trace.sent(), [(0, First), (110, Retry), (510, Retry)]);
    assert_eq!(trace.end(), Some((at(540), CallEnd::Success { attempt: 3 })));
    let stats = client.stats();
    assert_eq!((stats.calls, stats.succeeded, stats.retries, stats.attempts()), (1, 1, 2, 3));
    assert_eq!(client.fastest(), Some(ms(30)));
}

#[test]
fn events_tell_the_whole_story_in_order() {
    let trace = drive(&client(config()), &World::of(&[Fate::transient(10), Fate::success(30)]));
    let expected = [
        (at(0), CallEvent::AttemptSent { attempt: 1, kind: First, doomed: false }),
        (at(10), CallEvent::AttemptEnded { attempt: 1, how: AttemptEnd::Failed(FailureClass::Transient) }),
        (at(10), CallEvent::RetryScheduled { pause: ms(100), cause: RetryCause::Failure }),
        (at(110), CallEvent::AttemptSent { attempt: 2, kind: Retry, doomed: false }),
        (at(140), CallEvent::AttemptEnded { attempt: 2, how: AttemptEnd::Success }),
        (at(140), CallEvent::Ended(CallEnd::Success { attempt: 2 })),
    ];
    assert_eq!(trace.events, expected);
}

#[test]
fn each_way_to_fail_has_a_name() {
    let told = |pushback, class| Failure { pushback, ..Failure::of(class) };
    let untouched = Failure { progress: Progress::NotSent, ..Failure::of(FailureClass::Transient) };
    let cases = [
        (
            vec![Fate::transient(10)],
            true,
            3,
            failed(GiveUpReason::AttemptsExhausted, FailureClass::Transient),
        ),
        (vec![Fate::NEVER], true, 3, failed(GiveUpReason::AttemptsExhausted, FailureClass::Timeout)),
        (
            vec![Fate::failure(10, Failure::of(FailureClass::Permanent))],
            true,
            1,
            failed(GiveUpReason::NotRetryable, FailureClass::Permanent),
        ),
        (vec![Fate::transient(10)], false, 1, failed(GiveUpReason::NotIdempotent, FailureClass::Transient)),
        (
            vec![Fate::failure(10, told(Pushback::Stop, FailureClass::Throttling))],
            true,
            1,
            failed(GiveUpReason::ToldToStop, FailureClass::Throttling),
        ),
        (
            vec![Fate::failure(10, told(Pushback::After(ms(5_000)), FailureClass::Throttling))],
            true,
            1,
            failed(GiveUpReason::DeadlineTooClose, FailureClass::Throttling),
        ),
        // Never sent: once more for free, then three attempts that count.
        (
            vec![Fate::failure(1, untouched)],
            false,
            4,
            failed(GiveUpReason::AttemptsExhausted, FailureClass::Transient),
        ),
    ];
    for (fates, idempotent, sent, end) in cases {
        let world = World { idempotent, ..World::of(&fates) };
        let trace = drive(&client(config()), &world);
        assert_eq!(trace.end().map(|(_, end)| end), Some(end), "{fates:?}");
        assert_eq!(trace.sent().len(), sent, "{fates:?}");
    }
}

#[test]
fn a_transparent_retry_keeps_its_number_and_is_not_charged() {
    let refused = Failure { progress: Progress::NotProcessed, ..Failure::of(FailureClass::Transient) };
    let fates = [Fate::transient(10), Fate::failure(10, refused), Fate::success(10)];
    let client = with_budget(config(), BudgetKind::AwsLegacy.usual());
    let trace = drive(&client, &World::of(&fates));
    assert_eq!(trace.sent(), [(0, First), (110, Retry), (120, Transparent)]);
    let numbers: Vec<u32> = trace
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Send { number, .. } => Some(*number),
            Action::Cancel { .. } | Action::Finish(_) => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 2]);
    let budget = client.budget().unwrap().snapshot();
    assert_eq!(budget.granted(), 1);
    assert_eq!(budget.tokens_milli(at(130)), 500_000, "the retry that succeeded got its cost back");
}

#[test]
fn the_deadline_ends_a_call_in_the_middle_of_an_attempt_or_of_a_pause() {
    let config = CallConfig { attempt_timeout: None, overall_timeout: Some(ms(150)), ..config() };
    let waiting = drive(&client(config), &World::of(&[Fate::success(150)]));
    assert_eq!(
        waiting.end(),
        Some((at(150), CallEnd::DeadlineExceeded)),
        "an answer at the deadline is late"
    );
    assert_eq!(waiting.results, [(at(150), 1, false)]);
    let pausing = drive(&client(config), &World::of(&[Fate::transient(60)]));
    assert_eq!(pausing.end().map(|(at, _)| at), Some(at(60)), "a pause that cannot end in time is not begun");
}

#[test]
fn attempts_that_cannot_be_over_in_time_are_refused_or_counted() {
    for (doomed, sent, counted, end) in [
        (DoomedRule::Refuse, 1, 0, failed(GiveUpReason::DeadlineTooClose, FailureClass::Transient)),
        (DoomedRule::Count, 2, 1, CallEnd::DeadlineExceeded),
    ] {
        let client = client(CallConfig { doomed, overall_timeout: Some(ms(300)), ..config() });
        drive(&client, &World::of(&[Fate::success(120)]));
        // 110 + 100 leaves 90 of the 300: less than the 120 of the fastest answer.
        let trace = drive(&client, &World::of(&[Fate::transient(110), Fate::success(120)]));
        assert_eq!((trace.sent().len(), client.stats().doomed), (sent, counted), "{doomed:?}");
        assert_eq!(trace.end().map(|(_, end)| end), Some(end), "{doomed:?}");
    }
}

#[test]
fn a_call_whose_callers_deadline_is_too_close_is_not_sent_at_all() {
    let client = with_budget(config(), BudgetKind::Percent.usual());
    drive(&client, &World::of(&[Fate::success(120)]));
    for (deadline_ms, sent, end) in [
        (0, 0, CallEnd::DeadlineExceeded),
        (120, 0, CallEnd::Failed { reason: GiveUpReason::DeadlineTooClose, last: None }),
        (121, 1, CallEnd::Success { attempt: 1 }),
    ] {
        let world = World { deadline: Some(at(deadline_ms)), ..World::of(&[Fate::success(120)]) };
        let trace = drive(&client, &world);
        assert_eq!((trace.sent().len(), trace.end().map(|(_, end)| end)), (sent, Some(end)));
    }
    assert_eq!(client.stats().refused_as_doomed, 1);
    assert_eq!(client.budget().unwrap().snapshot().attempts_in_flight(), 0);
}

#[test]
fn the_second_copy_wins_and_the_first_is_cancelled_once() {
    let fates = [Fate::success(150), Fate::success(20), Fate::NEVER];
    let trace = drive(&client(hedging(50, 2)), &World::of(&fates));
    assert_eq!(trace.sent(), [(0, First), (50, Hedge)]);
    assert_eq!(trace.end(), Some((at(70), CallEnd::Success { attempt: 2 })));
    let cancelled: Vec<_> =
        trace.actions.iter().filter(|(_, action)| matches!(action, Action::Cancel { .. })).collect();
    assert_eq!(cancelled, [&(at(70), Action::Cancel { attempt: 1 })]);
    assert_eq!(trace.results, [(at(70), 2, true), (at(150), 1, false)], "the loser's answer is dropped");
}

#[test]
fn a_copy_that_fails_brings_the_next_one_forward_unless_the_server_asks_to_wait() {
    let pushed = Failure { pushback: Pushback::After(ms(15)), ..Failure::of(FailureClass::Throttling) };
    for (second, third_at) in [(Fate::transient(10), 60), (Fate::failure(10, pushed), 75)] {
        let fates = [Fate::NEVER, second, Fate::success(5)];
        let trace = drive(&client(hedging(50, 2)), &World::of(&fates));
        assert_eq!(trace.sent(), [(0, First), (50, Hedge), (third_at, Hedge)]);
        assert_eq!(trace.end(), Some((at(third_at + 5), CallEnd::Success { attempt: 3 })));
    }
}

#[test]
fn one_permanent_failure_ends_all_copies() {
    let fates = [Fate::NEVER, Fate::failure(10, Failure::of(FailureClass::Permanent))];
    let trace = drive(&client(hedging(50, 1)), &World::of(&fates));
    let end = failed(GiveUpReason::NotRetryable, FailureClass::Permanent);
    assert_eq!(trace.end(), Some((at(60), end)));
    assert!(trace.actions.contains(&(at(60), Action::Cancel { attempt: 1 })));
}

#[test]
fn a_server_that_says_stop_ends_hedging_and_retries_but_not_what_is_under_way() {
    let stop = Failure { pushback: Pushback::Stop, ..Failure::of(FailureClass::Throttling) };
    let saved = drive(
        &client(hedging(50, 2)),
        &World::of(&[Fate::success(150), Fate::failure(10, stop), Fate::success(1)]),
    );
    assert_eq!(saved.sent(), [(0, First), (50, Hedge)]);
    assert_eq!(saved.end(), Some((at(150), CallEnd::Success { attempt: 1 })));
    let lost = drive(
        &client(hedging(50, 2)),
        &World::of(&[Fate::transient(150), Fate::failure(10, stop), Fate::success(1)]),
    );
    let end = failed(GiveUpReason::ToldToStop, FailureClass::Transient);
    assert_eq!(lost.end(), Some((at(150), end)));
}

#[test]
fn nothing_is_sent_again_once_a_part_of_an_answer_was_handed_on() {
    let committed = Fate { commits_after: Some(ms(60)), ..Fate::transient(90) };
    let trace = drive(&client(hedging(50, 2)), &World::of(&[committed, Fate::success(100)]));
    assert_eq!(trace.sent(), [(0, First), (50, Hedge)]);
    assert!(trace.actions.contains(&(at(60), Action::Cancel { attempt: 2 })));
    let end = failed(GiveUpReason::Committed, FailureClass::Transient);
    assert_eq!(trace.end(), Some((at(90), end)));
}

#[test]
fn copies_and_retries_spend_the_same_budget() {
    let two = BudgetConfig::TokenBucket {
        capacity: 10,
        retry_cost: 5,
        timeout_cost: 5,
        throttling_cost: 5,
        success_return: 0,
    };
    let mut policy = hedging(50, 3);
    policy.retry.max_attempts = 8;
    let client = with_budget(policy, two);
    let trace = drive(&client, &World::of(&[Fate::transient(150), Fate::transient(30), Fate::NEVER]));
    // One copy at 50 and, as it fails, one at 80; then the bucket is empty.
    assert_eq!(trace.sent(), [(0, First), (50, Hedge), (80, Hedge)]);
    let end = failed(GiveUpReason::BudgetExhausted, FailureClass::Timeout);
    assert_eq!(trace.end(), Some((at(280), end)));
    assert!(trace.events.contains(&(at(130), CallEvent::HedgeRefused(GiveUpReason::BudgetExhausted))));
    let budget = client.budget().unwrap().snapshot();
    assert_eq!((budget.granted(), budget.refused()), (2, 2));
    assert_eq!(client.stats().refused_by_budget, 2);
}

#[test]
fn calls_that_are_not_idempotent_are_not_hedged() {
    let world = World { idempotent: false, ..World::of(&[Fate::success(150)]) };
    assert_eq!(drive(&client(hedging(50, 2)), &world).sent(), [(0, First)]);
}

#[test]
fn a_call_that_is_cancelled_in_its_pause_leaves_nothing_in_flight() {
    let client = with_budget(config(), BudgetKind::Percent.usual());
    let world = World { cancel_at: Some(at(50)), ..World::of(&[Fate::transient(10)]) };
    let trace = drive(&client, &world);
    assert_eq!(trace.end(), Some((at(50), CallEnd::Cancelled)));
    assert_eq!(trace.sent(), [(0, First)]);
    let budget = client.budget().unwrap().snapshot();
    assert_eq!((budget.attempts_in_flight(), budget.retries_in_flight()), (0, 0));
}

#[test]
fn a_pause_of_grpcs_server_starts_the_own_pace_anew() {
    let mut policy = config();
    policy.retry = RetryConfig {
        max_attempts: 5,
        pushback: PushbackRule::Replace { longest: Span::MAX },
        ..policy.retry
    };
    let pushed = Failure { pushback: Pushback::After(ms(7)), ..Failure::of(FailureClass::Transient) };
    let fates = [Fate::transient(0), Fate::transient(0), Fate::failure(0, pushed), Fate::transient(0)];
    let trace = drive(&client(policy), &World::of(&fates));
    // 100, 200, 7 by the server, then 100 again.
    let sent: Vec<u64> = trace.sent().iter().map(|(at, _)| *at).collect();
    assert_eq!(sent, [0, 100, 300, 307, 407]);
}

#[test]
fn a_pace_of_the_users_own_drives_a_call() {
    struct Patience;
    impl Backoff for Patience {
        fn delay(&self, pauses: &Pauses, _entropy: u64) -> Span {
            ms(3) + pauses.previous + pauses.previous
        }
    }
    let client = client(config()).with_pace(Box::new(Patience));
    let trace = drive(&client, &World::of(&[Fate::transient(0)]));
    let sent: Vec<u64> = trace.sent().iter().map(|(at, _)| *at).collect();
    assert_eq!(sent, [0, 3, 12]);
}

#[test]
fn a_clock_that_goes_back_stands_still_for_the_call() {
    let client = client(config());
    let mut out = CallOutput::default();
    let mut call = Call::begin(&client, at(1_000), CallOptions::IDEMPOTENT, &mut out);
    let failure = AttemptResult::Failure(Failure::of(FailureClass::Transient));
    call.handle_result(&client, at(10), 1, failure, 0, &mut out).unwrap();
    assert_eq!(call.deadline(), Some(at(1_100)), "the pause counts from the latest time seen");
    call.expire(&client, Time::ZERO, 0, &mut out);
    assert_eq!(call.in_flight(), 0);
    call.expire(&client, at(5_000), 0, &mut out);
    assert!(call.has_ended());
    assert_eq!(call.deadline(), None);
    assert_eq!(out.actions.last(), Some(&Action::Finish(CallEnd::DeadlineExceeded)));
    let refused = call.handle_result(&client, at(5_001), 1, failure, 0, &mut out);
    assert_eq!(refused, Err(NotExpected { attempt: 1 }));
}

#[test]
fn policies_out_of_range_are_refused_with_what_to_write_instead() {
    let retry = RetryConfig { max_attempts: 0, ..RetryConfig::default() };
    let cases = [
        (CallConfig { retry, ..config() }, "use 1 for no retries"),
        (CallConfig { attempt_timeout: Some(Span::ZERO), ..config() }, "use None for no limit"),
        (CallConfig { overall_timeout: Some(Span::ZERO), ..config() }, "use None for no limit"),
        (hedging(1, 8), "use at most 7"),
        (hedging(1, 3), "raise max_attempts to 4"),
    ];
    for (config, advice) in cases {
        let error = Client::new(config).unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
    }
    assert!(Client::new(hedging(0, 2)).is_ok());
    assert!(format!("{:?}", client(config())).contains("has_own_pace: false"));
}
