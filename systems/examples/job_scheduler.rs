//! Workers under the real clock: one dies over its job, one job always fails, a workflow fans in, and a schedule ticks
//! every second in New York's time. Prints what happens.
//! `cargo run --package foreshock-systems --features cron --example job_scheduler`

#![allow(clippy::print_stdout, reason = "an example talks to a person")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an example runs under the real clock"
)]

use foreshock_systems::job_scheduler::cron::{CronCalendar, CronFields, CronPolicy, CronSchedule};
use foreshock_systems::job_scheduler::periodic::{Enqueuer, EnqueuerConfig, Misfire, Periodic};
use foreshock_systems::job_scheduler::{
    Assignment, Input, JobFailure, KindConfig, KindId, NewJob, NodeId, Outbox, Output, Overlap, PoolId,
    ScheduleConfig, ScheduleId, Scheduler, SchedulerConfig, WorkerId, Workflow,
};
use foreshock_systems::retry::BackoffConfig;
use foreshock_systems::store::{SimDisk, WalConfig, WalStore};
use foreshock_systems::{Span, Time};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const RESIZE: KindId = KindId(0);
const BROKEN: KindId = KindId(1);
const RUN: Span = Span::from_secs(4);

fn config() -> SchedulerConfig {
    let kind = |name: &str| KindConfig {
        name: name.into(),
        max_attempts: 3,
        backoff: BackoffConfig::default(),
        lease: Span::from_millis(700),
        ..KindConfig::default()
    };
    let tick = ScheduleConfig {
        name: "every second".into(),
        job: NewJob::of(RESIZE),
        overlap: Overlap::Skip,
        jitter: Span::ZERO,
    };
    SchedulerConfig {
        kinds: vec![kind("resize"), kind("broken")],
        schedules: vec![tick],
        ..Default::default()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let now = || Time::from_nanos(start.elapsed().as_nanos() as u64);
    let (store, _) = WalStore::open(SimDisk::new(), WalConfig::default())?;
    let mut scheduler = Scheduler::open(config(), store, now())?;

    let policy = CronPolicy { fields: CronFields::Six, ..CronPolicy::default() };
    let calendar = CronCalendar {
        schedule: CronSchedule::parse("TZ=America/New_York * * * * * *", policy)?,
        origin_unix_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64,
    };
    let periodic = Periodic {
        schedule: ScheduleId(0),
        calendar: Box::new(calendar),
        misfire: Misfire::FireOnce,
        grace: Span::from_millis(500),
        look_back: Span::from_secs(60),
    };
    let node = EnqueuerConfig {
        node: NodeId(1),
        campaign_every: Span::from_secs(5),
        believe_for: config().leader_lease,
    };
    let mut enqueuer = Enqueuer::new(node, vec![periodic], now());

    let mut out = Outbox::new();
    let batch = Workflow::batch([NewJob::of(RESIZE), NewJob::of(RESIZE)], NewJob::of(RESIZE));
    scheduler.handle(now(), Input::EnqueueWorkflow(batch), &mut out)?;
    scheduler.handle(now(), Input::Enqueue(NewJob::of(BROKEN)), &mut out)?;

    let mut asks = Outbox::new();
    let mut deaths = 1;
    while now() < Time::ZERO + RUN {
        scheduler.expire(now(), &mut out);
        enqueuer.expire(now(), &mut asks);
        let fetch = Input::Fetch { worker: WorkerId(1), pool: PoolId(0), max: 1, entropy: 0 };
        scheduler.handle(now(), fetch, &mut out)?;
        for ask in asks.drain() {
            if let Err(why) = scheduler.handle(now(), ask.clone(), &mut out) {
                enqueuer.handle_refusal(&ask, &why);
            }
        }
        let said: Vec<Output> = out.drain().collect();
        for output in said {
            enqueuer.handle_output(now(), &output, &mut asks);
            match &output {
                Output::Ready { .. } | Output::Idle { .. } | Output::Leading { .. } => {}
                told => println!("{:>6} ms  {told:?}", now().as_micros() / 1_000),
            }
            if let Output::Started(given) = output {
                match answer(&given, &mut deaths) {
                    Some(input) => scheduler.handle(now(), input, &mut out)?,
                    None => println!(
                        "{:>6} ms  the worker dies over job {}",
                        now().as_micros() / 1_000,
                        given.job.0
                    ),
                }
            }
        }
        let due = scheduler.deadline().map_or(enqueuer.deadline(), |due| due.min(enqueuer.deadline()));
        let wait = due.since(now()).as_nanos().min(20_000_000);
        std::thread::sleep(Duration::from_nanos(wait));
    }
    println!("{:?}; every invariant holds: {}", scheduler.totals(), scheduler.audit().is_ok());
    for job in scheduler.dead_letters() {
        println!("dead letter: job {} after {} attempts, {:?}", job.id.0, job.attempt, job.end);
    }
    Ok(())
}

/// What a worker says about its job: nothing if it dies over it.
fn answer(given: &Assignment, deaths: &mut u32) -> Option<Input> {
    let (job, token) = (given.job, given.token);
    if given.kind == BROKEN {
        return Some(Input::Fail { job, token, failure: JobFailure::Retryable });
    }
    if *deaths > 0 {
        *deaths -= 1;
        return None;
    }
    Some(Input::Complete { job, token, result: None })
}
