//! What happens to a job, in words.

use super::*;

#[test]
fn a_job_is_enqueued_fetched_and_completed_once() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    assert_eq!(desk.state(job), JobState::Available);
    desk.wait(3);
    let given = desk.fetch(ANN).expect("it is available");
    assert_eq!((given.job, given.attempt, given.waited), (job, 1, Span::from_secs(3)));
    assert_eq!(desk.fetch(BOB), None);
    desk.complete(&given).expect("it is hers");
    assert_eq!((desk.state(job), desk.end(job)), (JobState::Completed, Some(EndReason::Succeeded)));
    assert_eq!(desk.scheduler.totals(), Totals { enqueued: 1, live: 0, ended: 1 });
}

#[test]
fn a_completion_said_twice_is_done_once() {
    let mut desk = Desk::open(config());
    desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    assert!(!desk.complete(&given).expect("it is hers").is_empty());
    assert_eq!(desk.complete(&given), Ok(vec![]));
    assert!(matches!(desk.fail(&given), Err(Rejected::Fenced { .. })));
}

#[test]
fn a_paused_worker_finds_its_commit_refused_and_the_effect_is_single() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    let mut fence = Fence::new();
    let slow = desk.fetch(ANN).expect("it is available");
    assert_eq!(fence.admit(job, slow.token), Ok(()));
    // Twice the lease.
    let said = desk.wait(20);
    assert!(said.contains(&Output::LeaseLost { worker: ANN, job, token: slow.token }));
    let quick = desk.fetch(BOB).expect("it was rescued");
    assert_eq!((quick.attempt, fence.admit(job, quick.token)), (2, Ok(())));
    assert_eq!(fence.admit(job, slow.token), Err(FencedOut { latest: quick.token }));
    let refused = desk.complete(&slow);
    assert_eq!(refused, Err(Rejected::Fenced { job, token: slow.token, current: quick.token }));
    desk.complete(&quick).expect("it is his");
    assert!(desk.complete(&slow).is_err() && desk.heartbeat(&slow).is_err());
    assert_eq!(desk.ledger.completed(), 1);
}

#[test]
fn heartbeats_keep_a_job_for_as_long_as_it_may_run() {
    let mut slow = config();
    slow.kinds[0].max_run = Span::from_secs(60);
    let mut desk = Desk::open(slow);
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    for _ in 0..6 {
        assert_eq!(desk.wait(9), vec![]);
        desk.heartbeat(&given).expect("it is hers");
    }
    // 54 s have passed; the last heartbeat gave 6 s more and not 10.
    assert_eq!(desk.wait(5), vec![]);
    assert!(desk.wait(1).contains(&Output::LeaseLost { worker: ANN, job, token: given.token }));
}

#[test]
fn without_heartbeats_a_job_of_length_p_runs_once_for_every_lease_begun() {
    // ceil(P / V) runs in all, with every run starting as soon as the lease before it has ended.
    for (length, runs) in [(9, 1), (10, 1), (11, 2), (25, 3), (30, 3), (31, 4)] {
        let mut patient = config();
        patient.kinds[0].max_lost_leases = 10;
        patient.kinds[0].max_attempts = 10;
        patient.kinds[0].backoff.base = Span::ZERO;
        let mut desk = Desk::open(patient);
        desk.enqueue(mail());
        let mut leases = 0;
        // A new worker takes it whenever it is free, and none is heard of before the first has worked for `length`.
        while desk.now < secs(length) {
            leases += u32::from(desk.fetch(WorkerId(leases)).is_some());
            let next = desk.now + Span::from_secs(1);
            desk.wait_until(next);
        }
        assert_eq!(leases, runs, "{length} s");
    }
}

#[test]
fn a_failing_job_is_tried_again_by_its_pace_and_then_becomes_a_dead_letter() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    for attempt in 1..=3 {
        let given = desk.fetch(ANN).expect("it is available again");
        assert_eq!(given.attempt, attempt);
        desk.fail(&given).expect("it is hers");
        assert_eq!(desk.fetch(ANN), None);
        desk.wait(1);
    }
    assert_eq!((desk.state(job), desk.end(job)), (JobState::Discarded, Some(EndReason::AttemptsExhausted)));
    assert_eq!(desk.scheduler.dead_letters().map(|job| job.id).collect::<Vec<_>>(), [job]);
    // Somebody looks at it and tries once more.
    desk.ask(Input::RetryNow { job }).expect("it is a dead letter");
    let given = desk.fetch(ANN).expect("it is available at once");
    assert_eq!(given.attempt, 4);
    desk.complete(&given).expect("it is hers");
    let state = JobState::Completed;
    assert_eq!(desk.ask(Input::RetryNow { job }), Err(Rejected::WrongState { job, state }));
}

#[test]
fn the_pace_of_river_is_the_fourth_power_and_is_clamped_from_attempt_310_on() {
    use crate::retry::{Backoff, Pauses};
    let exact = BackoffConfig { jitter: Jitter::None, ..river_backoff() };
    for (attempt, seconds) in [(1, 1), (2, 16), (3, 81), (4, 256)] {
        assert_eq!(exact.delay(&Pauses::after(attempt), 0), Span::from_secs(seconds));
    }
    let clamped = Span::from_nanos(i64::MAX as u64);
    assert!(exact.delay(&Pauses::after(309), 0) < clamped);
    for attempt in [310, 311, u32::MAX] {
        assert_eq!(exact.delay(&Pauses::after(attempt), 0), clamped);
    }
}

#[test]
fn a_failure_may_say_when_to_retry_or_that_it_is_hopeless() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    let failure = JobFailure::RetryAfter(Span::from_secs(100));
    desk.ask(Input::Fail { job, token: given.token, failure }).expect("it is hers");
    assert_eq!((desk.state(job), desk.scheduler.deadline()), (JobState::Retryable, Some(secs(100))));
    desk.wait(100);
    let given = desk.fetch(ANN).expect("its time has come");
    let failure = JobFailure::NotRetryable;
    desk.ask(Input::Fail { job, token: given.token, failure }).expect("it is hers");
    assert_eq!(desk.end(job), Some(EndReason::NotRetryable));
}

#[test]
fn a_snoozed_attempt_does_not_count() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    for _ in 0..20 {
        let given = desk.fetch(ANN).expect("it is available");
        let pause = Span::from_secs(5);
        desk.ask(Input::Snooze { job, token: given.token, pause }).expect("it is hers");
        assert_eq!(desk.state(job), JobState::Scheduled);
        desk.wait(5);
    }
    for _ in 0..3 {
        assert_eq!(desk.state(job), JobState::Available);
        let given = desk.fetch(ANN).expect("three attempts are left");
        desk.fail(&given).expect("it is hers");
        desk.wait(1);
    }
    assert_eq!(desk.state(job), JobState::Discarded);
}

#[test]
fn a_job_that_kills_its_workers_is_set_aside_while_others_move() {
    let mut desk = Desk::open(config());
    let poison = desk.enqueue(mail());
    let behind = desk.enqueue(mail());
    desk.fetch(ANN).expect("the poison");
    let healthy = desk.fetch(BOB).expect("the one behind it");
    assert_eq!(healthy.job, behind);
    desk.complete(&healthy).expect("it is his");
    desk.wait(11);
    assert_eq!(desk.fetch(ANN).map(|given| given.job), Some(poison));
    desk.wait(10);
    assert_eq!((desk.state(poison), desk.end(poison)), (JobState::Discarded, Some(EndReason::Poison)));
    assert_eq!(desk.fetch(BOB), None);
}

#[test]
fn a_kind_that_always_fails_at_once_leaves_the_others_their_share() {
    let mut two = config();
    two.queues[0].max_running = 4;
    two.kinds[0].backoff.base = Span::ZERO;
    two.kinds[0].max_attempts = u32::MAX;
    two.kinds[0].max_running = 1;
    two.kinds.push(KindConfig { name: "good".into(), ..two.kinds[0].clone() });
    two.kinds[1].max_running = 4;
    let mut desk = Desk::open(two);
    for _ in 0..10 {
        desk.enqueue(mail());
    }
    for _ in 0..30 {
        desk.enqueue(NewJob::of(KindId(1)));
    }
    let mut completed = 0;
    for _ in 0..10 {
        let round: Vec<Assignment> = (0..4).filter_map(|worker| desk.fetch(WorkerId(worker))).collect();
        assert_eq!((round.len(), round.iter().filter(|given| given.kind == MAIL).count()), (4, 1));
        for given in round {
            if given.kind == MAIL {
                desk.fail(&given).expect("it is theirs");
            } else {
                desk.complete(&given).expect("it is theirs");
                completed += 1;
            }
        }
    }
    assert_eq!(completed, 30);
}

#[test]
fn a_delayed_job_waits_for_its_time() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(NewJob { run_at: Some(secs(60)), ..mail() });
    assert_eq!((desk.state(job), desk.fetch(ANN)), (JobState::Scheduled, None));
    assert_eq!(desk.wait_until(secs(60)), [Output::Ready { queue: QueueId(0) }]);
    assert_eq!(desk.fetch(ANN).map(|given| given.job), Some(job));
}

#[test]
fn a_job_past_its_deadline_is_given_up_and_its_worker_told() {
    let mut desk = Desk::open(config());
    let deadline = Some(secs(5));
    let (running, waiting) = (
        desk.enqueue(NewJob { deadline, priority: Some(0), ..mail() }),
        desk.enqueue(NewJob { deadline, ..mail() }),
    );
    let given = desk.fetch(ANN).expect("it is available");
    let said = desk.wait(5);
    let why = StopReason::DeadlinePassed;
    assert!(said.contains(&Output::Stop { worker: ANN, job: running, token: given.token, why }));
    assert_eq!(desk.end(waiting), Some(EndReason::DeadlinePassed));
    desk.fail(&given).expect("it is still hers");
    assert_eq!(desk.end(running), Some(EndReason::DeadlinePassed));
    let late = NewJob { deadline: Some(secs(5)), ..mail() };
    assert_eq!(desk.ask(Input::Enqueue(late)), Err(Rejected::DeadlinePassed));
}

#[test]
fn cancelling_ends_a_waiting_job_and_stops_a_running_one() {
    let mut desk = Desk::open(config());
    let (first, second) = (desk.enqueue(mail()), desk.enqueue(mail()));
    let given = desk.fetch(ANN).expect("the first");
    desk.ask(Input::Cancel { job: second }).expect("it has not ended");
    assert_eq!((desk.state(second), desk.fetch(BOB)), (JobState::Cancelled, None));
    let why = StopReason::Cancelled;
    let said = desk.ask(Input::Cancel { job: first }).expect("it has not ended");
    assert_eq!(said, [Output::Stop { worker: ANN, job: first, token: given.token, why }]);
    assert!(matches!(desk.heartbeat(&given).as_deref(), Ok([Output::Extended { stop: Some(_), .. }])));
    // Her lease ends without a word: cancelled, and not tried again.
    desk.wait(11);
    assert_eq!((desk.state(first), desk.end(first)), (JobState::Cancelled, Some(EndReason::Cancelled)));
}

#[test]
fn what_was_done_before_the_cancellation_arrived_counts_as_done() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    desk.ask(Input::Cancel { job }).expect("it has not ended");
    desk.complete(&given).expect("it is hers");
    assert_eq!(desk.state(job), JobState::Completed);
}

#[test]
fn a_unique_job_is_enqueued_once_while_it_lives() {
    let mut desk = Desk::open(config());
    let by_args = UniqueBy { args: true, ..UniqueBy::default() };
    let to = |whom: &str| NewJob { args: whom.as_bytes().into(), unique: Some(by_args), ..mail() };
    let first = desk.enqueue(to("ann"));
    assert_eq!(desk.ask(Input::Enqueue(to("ann"))), Ok(vec![Output::Duplicate { job: first }]));
    assert_ne!(desk.enqueue(to("bob")), first);
    let given = desk.fetch(ANN).expect("the first");
    assert_eq!(desk.enqueue(to("ann")), first);
    desk.complete(&given).expect("it is hers");
    assert_ne!(desk.enqueue(to("ann")), first);
}

#[test]
fn a_unique_job_keeps_its_like_out_for_the_rest_of_its_period() {
    let mut desk = Desk::open(config());
    let also_in = TerminalStates { completed: true, ..TerminalStates::default() };
    let hourly = UniqueBy { period: Some(Span::from_secs(3_600)), also_in, ..UniqueBy::default() };
    let report = || NewJob { unique: Some(hourly), ..mail() };
    let first = desk.enqueue(report());
    let given = desk.fetch(ANN).expect("the first");
    desk.complete(&given).expect("it is hers");
    desk.wait_until(secs(3_599));
    assert_eq!(desk.enqueue(report()), first);
    desk.wait_until(secs(3_600));
    assert_ne!(desk.enqueue(report()), first);
}

#[test]
fn a_revived_job_does_not_take_a_key_that_another_one_has() {
    let mut desk = Desk::open(config());
    let unique = Some(UniqueBy::default());
    let first = desk.enqueue(NewJob { unique, ..mail() });
    desk.ask(Input::Cancel { job: first }).expect("it has not ended");
    let second = desk.enqueue(NewJob { unique, ..mail() });
    assert_eq!(desk.ask(Input::RetryNow { job: first }), Err(Rejected::HeldBy(second)));
}

#[test]
fn a_relayed_request_enqueues_once_even_after_the_job_is_done() {
    let mut desk = Desk::open(config());
    let order = || NewJob { request: Some(RequestId(42)), ..mail() };
    let first = desk.enqueue(order());
    let given = desk.fetch(ANN).expect("it is available");
    desk.complete(&given).expect("it is hers");
    assert_eq!(desk.ask(Input::Enqueue(order())), Ok(vec![Output::Duplicate { job: first }]));
}

#[test]
fn a_full_queue_refuses_until_something_has_ended() {
    let mut small = config();
    small.queues[0].max_live = 2;
    let mut desk = Desk::open(small);
    desk.enqueue(mail());
    desk.enqueue(mail());
    let full = Rejected::QueueFull { queue: QueueId(0), max_live: 2 };
    assert_eq!(desk.ask(Input::Enqueue(mail())), Err(full));
    let given = desk.fetch(ANN).expect("it is available");
    desk.complete(&given).expect("it is hers");
    desk.enqueue(mail());
}

#[test]
fn dead_owners_hold_their_slots_until_their_leases_end() {
    let mut narrow = config();
    narrow.queues[0].max_running = 2;
    let mut desk = Desk::open(narrow);
    for _ in 0..4 {
        desk.enqueue(mail());
    }
    assert!(desk.fetch(ANN).is_some() && desk.fetch(BOB).is_some());
    // Both workers die. A longer lease is what makes this worse.
    let mut longer = desk.scheduler.config().clone();
    longer.kinds[0].lease = Span::from_secs(900);
    desk.scheduler.reconfigure(longer, desk.now).expect("in range");
    desk.wait(9);
    assert_eq!(desk.fetch(WorkerId(3)), None);
    // The leases that were out keep their length.
    desk.wait(1);
    assert_eq!(desk.fetch(WorkerId(3)).map(|given| given.lease_until), Some(secs(910)));
}

#[test]
fn a_paused_queue_gives_nothing_until_it_is_resumed() {
    let mut desk = Desk::open(config());
    let job = desk.enqueue(mail());
    let queue = QueueId(0);
    desk.ask(Input::Pause { queue }).expect("it exists");
    assert_eq!(desk.fetch(ANN), None);
    assert_eq!(desk.ask(Input::Resume { queue }), Ok(vec![Output::Ready { queue }]));
    assert_eq!(desk.fetch(ANN).map(|given| given.job), Some(job));
}

#[test]
fn a_drain_ends_within_the_grace_and_the_longest_lease() {
    let mut desk = Desk::open(config());
    let (done, stubborn) = (desk.enqueue(mail()), desk.enqueue(mail()));
    desk.enqueue(mail());
    let (quick, hung) = (desk.fetch(ANN).expect("one"), desk.fetch(BOB).expect("two"));
    desk.ask(Input::Drain { grace: Span::from_secs(5) }).expect("always");
    assert_eq!(desk.fetch(WorkerId(3)), None);
    desk.wait(4);
    desk.complete(&quick).expect("it is hers");
    desk.heartbeat(&hung).expect("it is his");
    let said = desk.wait(1);
    let why = StopReason::Draining;
    assert_eq!(said, [Output::Stop { worker: BOB, job: stubborn, token: hung.token, why }]);
    // He goes on, and his heartbeats no longer help.
    desk.wait(8);
    desk.heartbeat(&hung).expect("it is his");
    let said = desk.wait(1);
    assert_eq!((desk.now, said.last()), (secs(14), Some(&Output::Drained)));
    assert_eq!((desk.state(done), desk.state(stubborn)), (JobState::Completed, JobState::Retryable));
    assert_eq!(desk.wait(100).len(), 1);
    assert_eq!(desk.fetch(ANN), None);
    desk.ask(Input::Reopen).expect("always");
    assert!(desk.fetch(ANN).is_some());
}

#[test]
fn the_rate_of_a_kind_holds_its_jobs_back_and_nobody_elses() {
    let mut limited = config();
    let rate = crate::rate_limiter::RateLimitConfig { rate_per_s_milli: 1_000, burst: 2 };
    limited.kinds.push(limited.kinds[0].clone());
    limited.kinds[0].rate = Some(rate);
    let mut desk = Desk::open(limited);
    for _ in 0..4 {
        desk.enqueue(mail());
    }
    let other = desk.enqueue(NewJob::of(KindId(1)));
    assert!(desk.fetch(ANN).is_some() && desk.fetch(ANN).is_some());
    assert_eq!(desk.fetch(ANN).map(|given| given.job), Some(other));
    let said = desk.ask(Input::Fetch { worker: ANN, pool: PoolId(0), max: 1, entropy: 0 });
    let retry_after = Some(Span::from_secs(1));
    assert_eq!(said, Ok(vec![Output::Idle { worker: ANN, retry_after }]));
    desk.wait(1);
    assert!(desk.fetch(ANN).is_some() && desk.fetch(ANN).is_none());
}

#[test]
fn what_has_ended_is_forgotten_after_its_time() {
    let mut config = config();
    config.keep.completed = Span::from_secs(60);
    let mut desk = Desk::open(config);
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    desk.complete(&given).expect("it is hers");
    assert_eq!(desk.wait(60), [Output::Pruned { job }]);
    assert_eq!(desk.scheduler.job(job), None);
    assert_eq!(desk.scheduler.totals(), Totals { enqueued: 1, live: 0, ended: 1 });
    assert_eq!(desk.complete(&given), Err(Rejected::UnknownJob(job)));
}

#[test]
fn a_clock_that_goes_back_loses_nothing_and_starts_nothing_twice() {
    let mut desk = Desk::open(config());
    desk.now = secs(1_000);
    let job = desk.enqueue(mail());
    let given = desk.fetch(ANN).expect("it is available");
    desk.now = secs(10);
    desk.heartbeat(&given).expect("it is hers");
    assert_eq!(desk.fetch(BOB), None);
    assert_eq!(desk.scheduler.deadline(), Some(secs(1_010)));
    desk.fail(&given).expect("it is hers");
    desk.wait(1);
    assert_eq!(desk.fetch(BOB).map(|given| given.job), Some(job));
}
