//! Every broken variant, and the invariant that catches it. Each story holds for the scheduler as it is.

use super::*;

/// What breaks in a story, for the scheduler as it is and for a variant of it.
fn verdicts(
    config: &SchedulerConfig,
    sabotage: Sabotage,
    story: impl Fn(&mut Desk<MemoryStore>),
) -> (Option<Violation>, Option<Violation>) {
    let verdict = |sabotage| {
        let mut desk = Desk::sabotaged(config.clone(), sabotage);
        story(&mut desk);
        let compared = desk.ledger.compare(desk.scheduler.jobs()).err();
        desk.broken.take().or(compared)
    };
    (verdict(Sabotage::None), verdict(sabotage))
}

#[test]
fn a_token_that_is_not_compared_is_caught() {
    let story = |desk: &mut Desk<_>| {
        desk.enqueue(mail());
        let slow = desk.fetch(ANN).expect("it is available");
        desk.wait(11);
        let quick = desk.fetch(BOB).expect("it was rescued");
        desk.complete(&quick).expect("it is his");
        let _ = desk.complete(&slow);
    };
    let (sound, broken) = verdicts(&config(), Sabotage::NoFence, story);
    assert_eq!((sound, broken), (None, Some(Violation::EndedTwice(JobId(1)))));
}

#[test]
fn a_rescuer_that_takes_jobs_from_the_living_is_caught() {
    let runs = |sabotage| {
        let mut desk = Desk::sabotaged(config(), sabotage);
        desk.enqueue(mail());
        let given = desk.fetch(ANN).expect("it is available");
        let mut stolen = None;
        for _ in 0..5 {
            desk.wait(5);
            let promised = desk.heartbeat(&given).ok();
            stolen = stolen.or(desk.fetch(BOB).filter(|_| promised.is_none()));
        }
        desk.complete(&given).is_ok()
    };
    // A worker that is heard of every half lease completes what it began.
    assert_eq!((runs(Sabotage::None), runs(Sabotage::RescuesTheLiving)), (true, false));
}

#[test]
fn a_unique_key_that_is_not_looked_up_is_caught() {
    let story = |desk: &mut Desk<_>| {
        let unique = Some(UniqueBy::default());
        desk.enqueue(NewJob { unique, ..mail() });
        desk.enqueue(NewJob { unique, ..mail() });
    };
    let (sound, broken) = verdicts(&config(), Sabotage::NoUniqueKey, story);
    assert_eq!((sound, broken), (None, Some(Violation::Unique(JobId(1), JobId(2)))));
}

#[test]
fn one_job_more_than_the_concurrency_is_caught() {
    let mut narrow = config();
    narrow.queues[0].max_running = 1;
    let story = |desk: &mut Desk<_>| {
        desk.enqueue(mail());
        desk.enqueue(mail());
        desk.fetch(ANN);
        desk.fetch(BOB);
    };
    let (sound, broken) = verdicts(&narrow, Sabotage::OneTooMany, story);
    assert_eq!((sound, broken), (None, Some(Violation::Concurrency(QueueId(0)))));
}

#[test]
fn a_fetch_that_does_not_look_at_priorities_is_caught() {
    let first = |sabotage| {
        let mut desk = Desk::sabotaged(config(), sabotage);
        let high = desk.enqueue(NewJob { priority: Some(0), ..mail() });
        desk.enqueue(NewJob { priority: Some(3), ..mail() });
        desk.fetch(ANN).map(|given| given.job) == Some(high)
    };
    assert_eq!((first(Sabotage::None), first(Sabotage::NoPriorities)), (true, false));
}

#[test]
fn a_drain_that_lets_leases_be_extended_is_caught() {
    let ends = |sabotage| {
        let mut desk = Desk::sabotaged(config(), sabotage);
        desk.enqueue(mail());
        let given = desk.fetch(ANN).expect("it is available");
        desk.ask(Input::Drain { grace: Span::from_secs(5) }).expect("always");
        while desk.now < secs(15) {
            desk.wait(1);
            let _ = desk.heartbeat(&given);
        }
        desk.said.contains(&Output::Drained)
    };
    assert_eq!((ends(Sabotage::None), ends(Sabotage::EndlessDrain)), (true, false));
}

#[test]
fn a_tick_that_is_not_noted_is_caught() {
    let schedule =
        ScheduleConfig { name: String::new(), job: mail(), overlap: Overlap::Allow, jitter: Span::ZERO };
    let scheduled = SchedulerConfig { schedules: vec![schedule], ..config() };
    let story = |desk: &mut Desk<_>| {
        desk.ask(Input::Campaign { node: NodeId(1) }).expect("nobody leads");
        for _ in 0..2 {
            let tick = Input::Tick { term: Term(1), schedule: ScheduleId(0), at: secs(1), fire: true };
            let _ = desk.ask(tick);
        }
    };
    let (sound, broken) = verdicts(&scheduled, Sabotage::ForgetsTicks, story);
    assert_eq!((sound, broken), (None, Some(Violation::TickTwice(ScheduleId(0)))));
}

#[test]
fn a_rescuer_that_never_gives_a_job_up_is_caught() {
    let ends = |sabotage| {
        let mut desk = Desk::sabotaged(config(), sabotage);
        let poison = desk.enqueue(mail());
        for _ in 0..10 {
            desk.fetch(ANN);
            desk.wait(11);
        }
        desk.state(poison) == JobState::Discarded
    };
    assert_eq!((ends(Sabotage::None), ends(Sabotage::ForgivesPoison)), (true, false));
}
