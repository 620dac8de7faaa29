//! Random commands from workers that die, come late and lie; every invariant after each.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Enqueue { priority: u8, delay: u64, key: Option<u8>, deadline: Option<u64>, tenant: u32 },
    Chain(u8),
    Fetch(u32),
    Complete(usize),
    Fail(usize, u8),
    Heartbeat(usize),
    Snooze(usize, u64),
    Cancel(u64),
    Retry(u64),
    Pause(bool),
    Drain(u64),
    Reopen,
    Wait(u64),
    ClockBack(u64),
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (0u8..4, 0u64..3, prop::option::of(0u8..3), prop::option::of(1u64..40), 0u32..3).prop_map(
            |(priority, delay, key, deadline, tenant)| Move::Enqueue { priority, delay, key, deadline, tenant }
        ),
        1 => (2u8..4).prop_map(Move::Chain),
        8 => (0u32..4).prop_map(Move::Fetch),
        5 => (0usize..8).prop_map(Move::Complete),
        3 => (0usize..8, 0u8..4).prop_map(|(which, how)| Move::Fail(which, how)),
        3 => (0usize..8).prop_map(Move::Heartbeat),
        1 => (0usize..8, 0u64..5).prop_map(|(which, pause)| Move::Snooze(which, pause)),
        1 => (1u64..20).prop_map(Move::Cancel),
        1 => (1u64..20).prop_map(Move::Retry),
        1 => any::<bool>().prop_map(Move::Pause),
        1 => (0u64..5).prop_map(Move::Drain),
        2 => Just(Move::Reopen),
        5 => (0u64..15).prop_map(Move::Wait),
        1 => (0u64..30).prop_map(Move::ClockBack),
    ]
}

fn plan(order: PriorityOrder, fairness: Fairness) -> SchedulerConfig {
    let mut config = config();
    config.queues[0] = QueueConfig { max_running: 3, order, fairness, ..config.queues[0].clone() };
    config.keep.completed = Span::from_secs(60);
    config
}

/// All leases ever given, from the latest on: who holds an old one tries it all the same.
struct World {
    desk: Desk<MemoryStore>,
    given: Vec<Assignment>,
}

impl World {
    fn lease(&self, which: usize) -> Option<(JobId, Token)> {
        self.given.iter().rev().nth(which).map(|given| (given.job, given.token))
    }

    fn make(&mut self, step: &Move) {
        let now = self.desk.now;
        let input = match step {
            Move::Enqueue { priority, delay, key, deadline, tenant } => {
                let by_args = UniqueBy { args: true, ..UniqueBy::default() };
                Input::Enqueue(NewJob {
                    priority: Some(*priority),
                    run_at: Some(now + Span::from_secs(*delay)),
                    args: key.map_or_else(|| [].into(), |key| [key].into()),
                    unique: key.map(|_| by_args),
                    deadline: deadline.map(|after| now + Span::from_secs(after)),
                    tenant: TenantId(*tenant),
                    ..mail()
                })
            }
            Move::Chain(len) => Input::EnqueueWorkflow(Workflow::chain((0..*len).map(|_| mail()))),
            Move::Fetch(worker) => {
                let given = self.desk.fetch(WorkerId(*worker));
                self.given.extend(given);
                return;
            }
            Move::Complete(which) => {
                let Some((job, token)) = self.lease(*which) else { return };
                Input::Complete { job, token, result: None }
            }
            Move::Fail(which, how) => {
                let Some((job, token)) = self.lease(*which) else { return };
                let failure = match how {
                    0 | 1 => JobFailure::Retryable,
                    2 => JobFailure::RetryAfter(Span::ZERO),
                    _ => JobFailure::NotRetryable,
                };
                Input::Fail { job, token, failure }
            }
            Move::Heartbeat(which) => {
                let Some((job, token)) = self.lease(*which) else { return };
                Input::Heartbeat { job, token, progress_ppm: 500_000 }
            }
            Move::Snooze(which, pause) => {
                let Some((job, token)) = self.lease(*which) else { return };
                Input::Snooze { job, token, pause: Span::from_secs(*pause) }
            }
            Move::Cancel(job) => Input::Cancel { job: JobId(*job) },
            Move::Retry(job) => Input::RetryNow { job: JobId(*job) },
            Move::Pause(true) => Input::Pause { queue: QueueId(0) },
            Move::Pause(false) => Input::Resume { queue: QueueId(0) },
            Move::Drain(grace) => Input::Drain { grace: Span::from_secs(*grace) },
            Move::Reopen => Input::Reopen,
            Move::Wait(seconds) => {
                self.desk.wait(*seconds);
                return;
            }
            Move::ClockBack(seconds) => {
                self.desk.now = now - Span::from_secs(*seconds);
                return;
            }
        };
        // Refusals are part of the game.
        let _ = self.desk.ask(input);
    }
}

fn orders() -> impl Strategy<Value = (PriorityOrder, Fairness)> {
    let order =
        prop_oneof![Just(PriorityOrder::Strict), Just(PriorityOrder::Aging { step: Span::from_secs(5) }),];
    (order, prop_oneof![Just(Fairness::Fifo), Just(Fairness::Tenants)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// No job lost, none completed twice, no fenced-out commit, attempts and concurrency within bounds, indexes right,
    /// and a scheduler opened on the same store is the same.
    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(
        steps in prop::collection::vec(moves(), 1..80), (order, fairness) in orders(),
    ) {
        let config = plan(order, fairness);
        let mut world = World { desk: Desk::open(config.clone()), given: Vec::new() };
        for step in &steps {
            world.make(step);
            let broken = world.desk.broken.take();
            prop_assert_eq!(broken, None, "after {:?}", step);
        }
        let compared = world.desk.ledger.compare(world.desk.scheduler.jobs());
        prop_assert_eq!(compared, Ok(()));
        let again = Scheduler::open(config, world.desk.scheduler.store().clone(), world.desk.now);
        prop_assert_eq!(again.expect("readable").rows(), world.desk.scheduler.rows());
    }

    /// Whatever happened before: when all is well again, everything ends and every slot is free.
    #[test]
    fn everything_ends_once_workers_are_well(
        steps in prop::collection::vec(moves(), 1..60), (order, fairness) in orders(),
    ) {
        let mut world = World { desk: Desk::open(plan(order, fairness)), given: Vec::new() };
        steps.iter().for_each(|step| world.make(step));
        world.make(&Move::Reopen);
        world.make(&Move::Pause(false));
        // The clock may have been set back by half a minute forty times.
        for _ in 0..300 {
            let desk = &mut world.desk;
            while let Some(given) = desk.fetch(ANN) {
                desk.complete(&given).expect("it is hers");
            }
            desk.wait(11);
        }
        prop_assert_eq!(world.desk.scheduler.totals().live, 0);
        let stats = world.desk.scheduler.queue_stats(QueueId(0));
        prop_assert_eq!((stats.running, stats.available, stats.live), (0, 0, 0));
    }

    /// A drain ends within the grace and the longest lease, whatever the workers do meanwhile.
    #[test]
    fn a_drain_is_over_in_time(
        before in prop::collection::vec(moves(), 1..40),
        grace in 0u64..20,
        beats in prop::collection::vec((0usize..8, 0u64..4), 0..30),
    ) {
        let mut world = World { desk: Desk::open(plan(PriorityOrder::Strict, Fairness::Fifo)), given: Vec::new() };
        let no_clock = |step: &&Move| !matches!(step, Move::ClockBack(_));
        before.iter().filter(no_clock).for_each(|step| world.make(step));
        world.make(&Move::Reopen);
        let end = world.desk.now + Span::from_secs(grace + 10);
        world.make(&Move::Drain(grace));
        for (which, pause) in beats {
            world.make(&Move::Heartbeat(which));
            world.make(&Move::Fetch(0));
            world.make(&Move::Wait(pause));
            if world.desk.now >= end {
                break;
            }
        }
        world.desk.wait_until(end);
        prop_assert_eq!(world.desk.scheduler.queue_stats(QueueId(0)).running, 0);
        prop_assert!(world.desk.said.contains(&Output::Drained));
    }
}
