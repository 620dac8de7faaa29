//! Missed ticks by every policy, and two nodes that both believe to lead.

use super::*;
use crate::job_scheduler::*;
use crate::store::MemoryStore;

const SECOND: Every = Every { period: Span::from_secs(1), offset: Span::ZERO };

fn secs(seconds: u64) -> Time {
    Time::ZERO + Span::from_secs(seconds)
}

fn due(misfire: Misfire, last: u64, now: u64) -> (Vec<u64>, Option<u64>) {
    let spans = (Span::from_secs(1), Span::from_secs(3_600));
    let due = due_ticks(&SECOND, misfire, spans, secs(last), secs(now));
    let whole = |tick: Time| tick.as_nanos() / 1_000_000_000;
    (due.fire.into_iter().map(whole).collect(), due.through.map(whole))
}

#[test]
fn missed_ticks_are_enqueued_once_not_at_all_or_up_to_a_bound() {
    // 11 to 18 are missed, 19 and 20 on time.
    assert_eq!(due(Misfire::FireOnce, 10, 20), (vec![18, 19, 20], Some(20)));
    assert_eq!(due(Misfire::Skip, 10, 20), (vec![19, 20], Some(20)));
    assert_eq!(due(Misfire::CatchUp { max: 3 }, 10, 20), (vec![16, 17, 18, 19, 20], Some(20)));
    assert_eq!(due(Misfire::CatchUp { max: 100 }, 10, 20), ((11..=20).collect(), Some(20)));
    for misfire in [Misfire::FireOnce, Misfire::Skip, Misfire::CatchUp { max: 3 }] {
        assert_eq!(due(misfire, 10, 11), (vec![11], Some(11)));
        assert_eq!(due(misfire, 10, 10), (vec![], None));
        assert_eq!(due(misfire, 20, 10), (vec![], None));
    }
}

#[test]
fn what_is_too_old_to_be_looked_at_costs_nothing() {
    let every_nanosecond = Every { period: Span::from_nanos(1), offset: Span::ZERO };
    let spans = (Span::ZERO, Span::from_nanos(10));
    let due = due_ticks(&every_nanosecond, Misfire::CatchUp { max: 4 }, spans, Time::ZERO, secs(1_000_000));
    assert_eq!((due.fire.len(), due.through), (5, Some(secs(1_000_000))));
}

#[test]
fn every_counts_from_its_offset_and_ends_with_time() {
    let every = Every { period: Span::from_secs(10), offset: Span::from_secs(3) };
    assert_eq!(every.next(Time::ZERO), Some(secs(3)));
    assert_eq!((every.next(secs(3)), every.next(secs(12))), (Some(secs(13)), Some(secs(13))));
    assert_eq!(every.next(Time::MAX), None);
    assert_eq!(Every { period: Span::ZERO, offset: Span::ZERO }.next(Time::ZERO), None);
}

/// Two nodes and their scheduler; each node has its own clock, ahead of the scheduler's by so much.
struct Cluster {
    scheduler: Scheduler<MemoryStore>,
    nodes: Vec<(Enqueuer, Span)>,
    ledger: Ledger,
    enqueued: Vec<Time>,
    refused: u32,
}

impl Cluster {
    fn new(misfire: Misfire) -> Cluster {
        let schedule = ScheduleConfig {
            name: "every ten seconds".into(),
            job: NewJob::of(KindId(0)),
            overlap: Overlap::Allow,
            jitter: Span::ZERO,
        };
        let config = SchedulerConfig { schedules: vec![schedule], ..SchedulerConfig::default() };
        let node = |node| {
            let periodic = Periodic {
                schedule: ScheduleId(0),
                calendar: Box::new(Every { period: Span::from_secs(10), offset: Span::ZERO }),
                misfire,
                grace: Span::from_secs(5),
                look_back: Span::from_secs(86_400),
            };
            let config = EnqueuerConfig {
                node: NodeId(node),
                campaign_every: Span::from_secs(5),
                believe_for: Span::from_secs(15),
            };
            (Enqueuer::new(config, vec![periodic], Time::ZERO), Span::ZERO)
        };
        Cluster {
            scheduler: Scheduler::open(config, MemoryStore::new(), Time::ZERO).expect("in range"),
            nodes: vec![node(1), node(2)],
            ledger: Ledger::new(),
            enqueued: Vec::new(),
            refused: 0,
        }
    }

    /// One node does what is due by its clock, and the scheduler answers by its own.
    fn turn(&mut self, node: usize, now: Time) {
        let (enqueuer, ahead) = &mut self.nodes[node];
        let its_now = now + *ahead;
        let mut asks = Outbox::new();
        enqueuer.expire(its_now, &mut asks);
        loop {
            let inputs: Vec<Input> = asks.drain().collect();
            if inputs.is_empty() {
                return;
            }
            for input in inputs {
                let mut out = Outbox::new();
                if let Err(why) = self.scheduler.handle(now, input.clone(), &mut out) {
                    enqueuer.handle_refusal(&input, &why);
                    self.refused += 1;
                }
                for output in out.drain() {
                    assert_eq!(self.ledger.observe(&output), Ok(()));
                    enqueuer.handle_output(its_now, &output, &mut asks);
                    if let Output::Ticked { at, outcome: TickOutcome::Enqueued(_), .. } = output {
                        self.enqueued.push(at);
                    }
                }
            }
        }
    }

    fn run(&mut self, nodes: &[usize], seconds: std::ops::RangeInclusive<u64>) {
        for second in seconds {
            nodes.iter().for_each(|node| self.turn(*node, secs(second)));
        }
    }
}

fn every_ten(seconds: std::ops::RangeInclusive<u64>) -> Vec<Time> {
    seconds.step_by(10).map(secs).collect()
}

#[test]
fn a_leader_enqueues_every_tick_and_another_takes_over_where_it_was() {
    let mut cluster = Cluster::new(Misfire::CatchUp { max: 100 });
    cluster.run(&[0, 1], 0..=100);
    assert_eq!(cluster.enqueued, every_ten(10..=100));
    // The leader dies; its lease of 15 s passes before the other one leads, and nothing is missed.
    cluster.run(&[1], 101..=200);
    assert_eq!(cluster.enqueued, every_ten(10..=200));
}

#[test]
fn ticks_missed_while_nobody_led_are_treated_as_the_policy_says() {
    for (misfire, expected) in [
        (Misfire::Skip, vec![110, 120]),
        (Misfire::FireOnce, vec![100, 110, 120]),
        (Misfire::CatchUp { max: 3 }, vec![80, 90, 100, 110, 120]),
    ] {
        let mut cluster = Cluster::new(misfire);
        cluster.run(&[0, 1], 0..=20);
        cluster.run(&[0, 1], 108..=120);
        assert_eq!(cluster.enqueued[..2], every_ten(10..=20));
        let after: Vec<Time> = expected.into_iter().map(secs).collect();
        assert_eq!(cluster.enqueued[2..], after, "{misfire:?}");
    }
}

#[test]
fn two_leaders_for_half_a_minute_enqueue_each_tick_once() {
    let mut cluster = Cluster::new(Misfire::CatchUp { max: 100 });
    cluster.run(&[0, 1], 0..=50);
    // The first node's clock stands still by half a minute: it believes to lead long after its lease has ended.
    let mut frozen = cluster.nodes.swap_remove(0).0;
    cluster.run(&[0], 51..=80);
    assert!(frozen.leads(secs(52)));
    for second in 51..=80 {
        let mut asks = Outbox::new();
        frozen.expire(secs(second.min(60)), &mut asks);
        for input in asks.drain().filter(|input| matches!(input, Input::Tick { .. })) {
            let verdict = cluster.scheduler.handle(secs(second), input, &mut Outbox::new());
            assert!(matches!(verdict, Err(Rejected::NotLeader(_))), "{verdict:?}");
        }
    }
    assert_eq!(cluster.enqueued, every_ten(10..=80));
}

#[test]
fn a_leader_whose_clock_steps_an_hour_ahead_and_back_enqueues_no_tick_twice() {
    let mut cluster = Cluster::new(Misfire::CatchUp { max: 10 });
    cluster.run(&[0], 0..=50);
    cluster.nodes[0].1 = Span::from_secs(3_600);
    cluster.run(&[0], 51..=60);
    cluster.nodes[0].1 = Span::ZERO;
    cluster.run(&[0, 1], 61..=4_000);
    // What the step made it miss is caught up with as far as the policy goes, and named ticks do not come again.
    let expected = [every_ten(10..=50), every_ten(3_550..=3_660), every_ten(3_670..=4_000)].concat();
    assert_eq!(cluster.enqueued, expected);
    // A job of a tick that is still to come waits for it.
    let early = cluster.scheduler.jobs().find(|job| job.enqueued_at < secs(61) && job.due_at > secs(3_000));
    assert!(early.is_some_and(|job| job.due_at.as_nanos().is_multiple_of(10_000_000_000)));
}
