//! Who goes first, against a dumber twin: a list that is searched from one end to the other at every fetch.

use super::*;
use proptest::prelude::*;

fn ordered(order: PriorityOrder, fairness: Fairness) -> SchedulerConfig {
    let mut config = config();
    config.queues[0].order = order;
    config.queues[0].fairness = fairness;
    config
}

fn of_priority(priority: u8) -> NewJob {
    NewJob { priority: Some(priority), ..mail() }
}

#[test]
fn strict_priorities_starve_the_lowest_for_as_long_as_the_flood_lasts() {
    let mut desk = Desk::open(ordered(PriorityOrder::Strict, Fairness::Fifo));
    let low = desk.enqueue(of_priority(4));
    for _ in 0..1_000 {
        let high = desk.enqueue(of_priority(1));
        desk.wait(1);
        let given = desk.fetch(ANN).expect("there are two");
        assert_eq!(given.job, high);
        desk.complete(&given).expect("it is hers");
    }
    assert_eq!(desk.fetch(ANN).map(|given| given.job), Some(low));
}

#[test]
fn ageing_bounds_the_wait_of_the_lowest_by_its_distance_in_steps() {
    let step = Span::from_secs(10);
    let mut desk = Desk::open(ordered(PriorityOrder::Aging { step }, Fairness::Fifo));
    let low = desk.enqueue(of_priority(4));
    let mut overtaken = 0;
    loop {
        desk.enqueue(of_priority(1));
        let given = desk.fetch(ANN).expect("there are two");
        desk.complete(&given).expect("it is hers");
        if given.job == low {
            break;
        }
        overtaken += 1;
        desk.wait(1);
    }
    // Three levels of ten seconds, one job a second; at the tie the higher priority goes first.
    assert_eq!(overtaken, 31);
}

#[test]
fn a_tenant_with_a_thousand_jobs_does_not_delay_one_with_a_single_job() {
    let mut desk = Desk::open(ordered(PriorityOrder::Strict, Fairness::Tenants));
    let of = |tenant| NewJob { tenant: TenantId(tenant), ..mail() };
    for _ in 0..1_000 {
        desk.enqueue(of(1));
    }
    let take = |desk: &mut Desk<_>| desk.fetch(ANN).map(|given| given.tenant.0);
    assert_eq!(take(&mut desk), Some(1));
    desk.enqueue(of(2));
    desk.enqueue(of(2));
    desk.enqueue(of(3));
    let next: Vec<u32> = (0..6).filter_map(|_| take(&mut desk)).collect();
    // Turns: 1, 2 and 3 have one each, then 1 and 2, then 1 alone.
    assert_eq!(next, [1, 2, 3, 1, 2, 1]);
}

#[test]
fn weighted_queues_are_chosen_in_proportion_and_ordered_ones_in_order() {
    let mut config = config();
    config.queues.push(QueueConfig { name: "bulk".into(), ..config.queues[0].clone() });
    config.queues[0].max_running = 10_000;
    config.queues[1].max_running = 10_000;
    config.pools[0] = PoolConfig {
        name: String::new(),
        queues: vec![(QueueId(0), 3), (QueueId(1), 1)],
        choice: QueueChoice::Weighted,
    };
    config.pools.push(PoolConfig { choice: QueueChoice::Ordered, ..config.pools[0].clone() });
    let mut desk = Desk::open(config);
    for _ in 0..3_000 {
        desk.enqueue(mail());
        desk.enqueue(NewJob { queue: Some(QueueId(1)), ..mail() });
    }
    let mut first = 0;
    for entropy in 0..2_000 {
        let said = desk.ask(Input::Fetch { worker: ANN, pool: PoolId(0), max: 1, entropy }).expect("a pool");
        first += u32::from(
            said.iter().any(|output| matches!(output, Output::Started(given) if given.queue == QueueId(0))),
        );
    }
    assert!((1_440..=1_560).contains(&first), "{first} of 2000 where 1500 are due");
    let said = desk.ask(Input::Fetch { worker: ANN, pool: PoolId(1), max: 100, entropy: 0 }).expect("a pool");
    assert!(said.iter().all(|output| matches!(output, Output::Started(given) if given.queue == QueueId(0))));
}

/// One job as the dumber twin sees it: when it became available, its priority, its tenant, its number.
type Waiting = (u64, u8, u32, u64);

/// The twin's choice, or `None` if it holds none.
fn twin(waiting: &[Waiting], order: PriorityOrder) -> Option<Waiting> {
    let score = |job: &Waiting| match order {
        PriorityOrder::Strict => (u128::from(job.1), job.1, job.0, job.3),
        PriorityOrder::Aging { step } => {
            (u128::from(job.0) + u128::from(step.as_nanos()) * u128::from(job.1), job.1, job.0, job.3)
        }
    };
    waiting.iter().copied().min_by_key(score)
}

proptest! {
    #[test]
    fn jobs_come_in_the_order_of_a_twin_that_searches_them_all(
        steps in prop::collection::vec((0u64..20, 0u8..4, prop::bool::weighted(0.6)), 1..120),
        aging in any::<bool>(),
    ) {
        let step = Span::from_secs(7);
        let order = if aging { PriorityOrder::Aging { step } } else { PriorityOrder::Strict };
        let mut desk = Desk::open(ordered(order, Fairness::Fifo));
        let mut waiting: Vec<Waiting> = Vec::new();
        for (pause, priority, enqueues) in steps {
            desk.wait(pause);
            if enqueues {
                let id = desk.enqueue(of_priority(priority));
                waiting.push((desk.now.as_nanos(), priority, 0, id.0));
            } else {
                let expected = twin(&waiting, order);
                let given = desk.fetch(ANN);
                prop_assert_eq!(given.as_ref().map(|given| given.job.0), expected.map(|job| job.3));
                waiting.retain(|job| Some(*job) != expected);
                if let Some(given) = given {
                    desk.complete(&given).expect("it is hers");
                }
            }
        }
    }

    /// Between two tenants that both always have jobs waiting, turns never differ by more than one.
    #[test]
    fn tenants_that_wait_get_equal_turns(floods in prop::collection::vec(10usize..40, 2..5)) {
        let mut desk = Desk::open(ordered(PriorityOrder::Strict, Fairness::Tenants));
        for (tenant, jobs) in floods.iter().enumerate() {
            for _ in 0..*jobs {
                desk.enqueue(NewJob { tenant: TenantId(tenant as u32), ..mail() });
            }
        }
        let mut served = vec![0u32; floods.len()];
        for _ in 0..floods.len() * 10 {
            let given = desk.fetch(ANN).expect("everybody has ten");
            served[given.tenant.0 as usize] += 1;
            desk.complete(&given).expect("it is hers");
            let (least, most) = (served.iter().min(), served.iter().max());
            prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{served:?}");
        }
    }
}
