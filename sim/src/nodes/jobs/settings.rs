//! Settings of kind `job-scheduler`, read from the file or refused with the place and what to write instead.

use std::collections::BTreeMap;

use foreshock_systems::job_scheduler::periodic::Misfire;
use foreshock_systems::job_scheduler::{
    Fairness, KindConfig, KindId, NewJob, Overlap, PoolConfig, PriorityOrder, QueueChoice, QueueConfig,
    QueueId, Retention, ScheduleConfig, SchedulerConfig,
};
use foreshock_systems::rate_limiter::RateLimitConfig;
use foreshock_systems::retry::{BackoffConfig, BackoffKind, Jitter};
use serde_json::{Map, Value};

use super::calendar::{CALENDAR_KEYS, Ticks, Walls, begins, ticks};
use super::words::MOST_ATTEMPTS;
use super::workflow::{WorkflowSettings, workflow};
use crate::kernel::time::Span;
use crate::nodes::settings::{Reader, Wrong};
use crate::nodes::store::StoreKind;
use crate::scenario::quantity::{Count, Positive, Rate};

/// Settings of a job scheduler.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// Where jobs are kept.
    pub(super) store: StoreKind,
    /// Named, in the order of their ids; at least one.
    queues: Vec<QueueConfig>,
    /// By the name of the operation.
    jobs: BTreeMap<String, JobSettings>,
    /// Of operations that are not named.
    other: JobSettings,
    /// By name: queues with their weights.
    pub(super) pools: Vec<(String, Vec<(QueueId, u32)>)>,
    /// In the order of their ids.
    pub(super) schedules: Vec<ScheduleSettings>,
    /// By name.
    workflows: Vec<WorkflowSettings>,
    pub(super) leader_lease: Span,
    /// When the run begins, in seconds since 1970.
    pub(super) begins_unix_s: i64,
    keep: Span,
    keep_dead: Span,
}

/// How jobs of one operation are treated.
#[derive(Clone, Debug, PartialEq)]
struct JobSettings {
    config: KindConfig,
    /// Whether a key is the request's own number: the same one enqueues once.
    once_per_key: bool,
}

/// Something that is enqueued by the calendar.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScheduleSettings {
    pub(super) name: String,
    pub(super) operation: String,
    pub(super) ticks: Ticks,
    pub(super) misfire: Misfire,
    overlap: Overlap,
    jitter: Span,
}

const KEYS: [&str; 11] = [
    "store",
    "fsync",
    "queues",
    "jobs",
    "worker_pools",
    "schedules",
    "workflows",
    "begins_unix_s",
    "leader_lease",
    "keep",
    "keep_dead",
];
const QUEUE_KEYS: [&str; 4] = ["max_running", "max_live", "order", "aging"];
const JOB_KEYS: [&str; 13] = [
    "queue",
    "priority",
    "max_attempts",
    "retry_after",
    "retry_up_to",
    "lease",
    "max_run",
    "max_lost_leases",
    "max_running",
    "rate",
    "burst",
    "once_per_key",
    "jitter",
];
const SCHEDULE_KEYS: [&str; 4] = ["operation", "misfire", "overlap", "jitter"];

/// Most queues, pools and schedules each.
const MOST_NAMED: usize = 1_000;

/// The settings, or everything that is wrong with them.
pub(super) fn read(settings: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `job-scheduler`");
    for key in ["queues", "worker_pools", "schedules", "workflows"] {
        if settings.get(key).and_then(Value::as_object).is_some_and(|named| named.len() > MOST_NAMED) {
            reader.wrong_at(key, format!("has too many entries; the most is {MOST_NAMED}"));
        }
    }
    let mut queues = reader.mappings("queues", "write `queues: {mail: {max_running: 20}}`", queue);
    if queues.is_empty() {
        queues.push(QueueConfig { name: "default".to_string(), ..QueueConfig::default() });
    }
    let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
    let jobs = reader.mappings("jobs", "write `jobs: {mail: {max_attempts: 5}}`", |name, reader| {
        job(&names, reader).map(|job| (name.to_string(), job))
    });
    let read = Settings {
        store: reader.store(),
        pools: pools(&names, &mut reader),
        schedules: reader.mappings(
            "schedules",
            "write `schedules: {digest: {operation: mail, every: 1m}}`",
            schedule,
        ),
        workflows: workflows(&mut reader),
        begins_unix_s: begins(&mut reader),
        leader_lease: reader.positive_span("leader_lease").unwrap_or(Span::from_secs(15)),
        keep: reader.span("keep").unwrap_or(Span::from_secs(60)),
        keep_dead: reader.span("keep_dead").unwrap_or(Span::from_secs(86_400)),
        queues,
        jobs: jobs.into_iter().collect(),
        other: JobSettings { config: usual(), once_per_key: false },
    };
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// A kind of which the file says nothing: attempts within the length of a run.
fn usual() -> KindConfig {
    let backoff = BackoffConfig {
        kind: BackoffKind::Exponential { multiplier_milli: 2_000 },
        base: Span::from_secs(1),
        cap: Span::from_secs(60),
        jitter: Jitter::Proportional { ppm: 100_000 },
        first_exponent: 0,
    };
    KindConfig { max_attempts: 5, backoff, ..KindConfig::default() }
}

fn queue(name: &str, reader: &mut Reader<'_>) -> Option<QueueConfig> {
    reader.refuse_unknown(&QUEUE_KEYS, "a queue");
    let usual = QueueConfig::default();
    let is_strict = reader.choice("order", &[("strict", true), ("aging", false)]);
    let step = reader.positive_span("aging");
    let order = match (is_strict, step) {
        (Some(true), Some(_)) => {
            reader.wrong_at("aging", "has no effect on `order: strict`; keep one of the two");
            PriorityOrder::Strict
        }
        (Some(true) | None, None) => PriorityOrder::Strict,
        (Some(false) | None, Some(step)) => PriorityOrder::Aging { step },
        (Some(false), None) => PriorityOrder::Aging { step: Span::from_secs(10) },
    };
    Some(QueueConfig {
        name: name.to_string(),
        max_running: reader.value("max_running", Positive::read).map_or(usual.max_running, |most| most.0),
        max_live: reader.value("max_live", Positive::read).map_or(usual.max_live, |most| u64::from(most.0)),
        order,
        fairness: Fairness::Fifo,
    })
}

fn queue_named(queues: &[String], text: &str, key: &str, reader: &mut Reader<'_>) -> Option<QueueId> {
    let found = queues.iter().position(|queue| queue == text);
    if found.is_none() {
        reader.wrong_at(key, format!("names the queue `{text}`; there is {}", queues.join(", ")));
    }
    found.map(|at| QueueId(at as u16))
}

fn job(queues: &[String], reader: &mut Reader<'_>) -> Option<JobSettings> {
    reader.refuse_unknown(&JOB_KEYS, "a job");
    let usual = usual();
    let queue = match reader.map.get("queue").and_then(Value::as_str) {
        Some(name) => queue_named(queues, name, "queue", reader).unwrap_or(QueueId(0)),
        None => QueueId(0),
    };
    let positive = |reader: &mut Reader<'_>, key: &str, usual: u32| {
        reader.value(key, Positive::read).map_or(usual, |value| value.0)
    };
    let max_attempts = positive(reader, "max_attempts", usual.max_attempts);
    if max_attempts > MOST_ATTEMPTS {
        reader.wrong_at("max_attempts", format!("is too many; the most is {MOST_ATTEMPTS}"));
    }
    let lease = reader.positive_span("lease").unwrap_or(usual.lease);
    let config = KindConfig {
        name: String::new(),
        queue,
        priority: reader
            .value("priority", Count::read)
            .map_or(usual.priority, |priority| u8::try_from(priority.0).unwrap_or(u8::MAX)),
        max_attempts,
        backoff: backoff(reader, usual.backoff),
        lease,
        max_run: reader.positive_span("max_run").unwrap_or(Span::MAX),
        max_lost_leases: positive(reader, "max_lost_leases", usual.max_lost_leases),
        max_running: positive(reader, "max_running", u32::MAX),
        rate: rate(reader),
    };
    if config.max_run < lease {
        reader.wrong_at("max_run", format!("ends an attempt before its lease of {lease}; raise it"));
        return None;
    }
    Some(JobSettings { config, once_per_key: reader.switch("once_per_key").unwrap_or(false) })
}

fn backoff(reader: &mut Reader<'_>, usual: BackoffConfig) -> BackoffConfig {
    let base = reader.span("retry_after").unwrap_or(usual.base);
    let cap = reader.span("retry_up_to").unwrap_or(usual.cap.max(base));
    let config = BackoffConfig {
        base,
        cap,
        jitter: reader
            .choice("jitter", &[("none", Jitter::None), ("full", Jitter::Full), ("equal", Jitter::Equal)])
            .unwrap_or(usual.jitter),
        ..usual
    };
    match config.validate() {
        Ok(()) => config,
        Err(error) => {
            reader.wrong_at("retry_after", error.to_string());
            usual
        }
    }
}

fn rate(reader: &mut Reader<'_>) -> Option<RateLimitConfig> {
    let burst = reader.value("burst", Positive::read).map(|burst| u64::from(burst.0));
    let Some(rate) = reader.value("rate", Rate::read) else {
        if burst.is_some() && !reader.map.contains_key("rate") {
            reader.wrong_at("burst", "has no effect without a `rate`; add one");
        }
        return None;
    };
    let config = RateLimitConfig { rate_per_s_milli: rate.0, burst: burst.unwrap_or(1) };
    if let Err(error) = config.validate() {
        reader.wrong_at("rate", error.to_string());
        return None;
    }
    Some(config)
}

fn pools(queues: &[String], reader: &mut Reader<'_>) -> Vec<(String, Vec<(QueueId, u32)>)> {
    reader.mappings(
        "worker_pools",
        "write `worker_pools: {mailers: {urgent: 3, default: 1}}`",
        |name, reader| {
            let mut weighted = Vec::new();
            for queue in reader.map.keys() {
                let weight = reader.value(queue, Positive::read)?.0;
                weighted.push((queue_named(queues, queue, queue, reader)?, weight));
            }
            if weighted.is_empty() {
                reader.missing("has no queue: write `{default: 1}`");
                return None;
            }
            Some((name.to_string(), weighted))
        },
    )
}

fn schedule(name: &str, reader: &mut Reader<'_>) -> Option<ScheduleSettings> {
    reader.refuse_unknown(&[SCHEDULE_KEYS.as_slice(), &CALENDAR_KEYS].concat(), "a schedule");
    let operation = reader.map.get("operation").and_then(Value::as_str).map(str::to_string);
    if operation.is_none() {
        reader.missing("says nothing about what is enqueued; add `operation: mail`");
    }
    let ticks = ticks(reader);
    Some(ScheduleSettings {
        name: name.to_string(),
        operation: operation?,
        ticks: ticks?,
        misfire: misfire(reader),
        overlap: reader
            .choice(
                "overlap",
                &[
                    ("skip", Overlap::Skip),
                    ("queue_one", Overlap::QueueOne),
                    ("allow", Overlap::Allow),
                    ("cancel_previous", Overlap::CancelPrevious),
                ],
            )
            .unwrap_or_default(),
        jitter: reader.span("jitter").unwrap_or(Span::ZERO),
    })
}

fn workflows(reader: &mut Reader<'_>) -> Vec<WorkflowSettings> {
    let all =
        reader.mappings("workflows", "write `workflows: {order: {chain: [reserve, charge]}}`", workflow);
    let Some(jobs) = reader.map.get("jobs").and_then(Value::as_object) else { return all };
    for workflow in all.iter().filter(|workflow| jobs.contains_key(&workflow.name)) {
        let message = "is a workflow: write settings for the operations of its steps instead";
        reader.wrong_at(&format!("jobs.{}", workflow.name), message);
    }
    all
}

fn misfire(reader: &mut Reader<'_>) -> Misfire {
    let Some(Value::Object(map)) = reader.map.get("misfire") else {
        let choices = [("fire_once", Misfire::FireOnce), ("skip", Misfire::Skip)];
        return reader.choice("misfire", &choices).unwrap_or_default();
    };
    let at = format!("{}misfire.", reader.at);
    let mut inner = Reader { map, at, wrong: reader.wrong };
    inner.refuse_unknown(&["catch_up"], "`misfire`");
    match inner.value("catch_up", Positive::read) {
        Some(max) => Misfire::CatchUp { max: max.0 },
        None => {
            if map.is_empty() {
                inner.missing("says nothing; write `fire_once`, `skip` or `{catch_up: 5}`");
            }
            Misfire::FireOnce
        }
    }
}

impl Settings {
    /// The library's config, with one kind of job for each operation.
    pub(super) fn config(&self, operations: &[String], seed: u64) -> SchedulerConfig {
        let kinds =
            operations.iter().map(|name| KindConfig { name: name.clone(), ..self.job(name).config.clone() });
        let every_queue = (0u16..).map(QueueId).take(self.queues.len()).map(|queue| (queue, 1)).collect();
        let usual_pool =
            PoolConfig { name: String::new(), queues: every_queue, choice: QueueChoice::Ordered };
        let pools = self.pools.iter().map(|(name, queues)| PoolConfig {
            name: name.clone(),
            queues: queues.clone(),
            choice: QueueChoice::Weighted,
        });
        let kind_of = |name: &str| operations.iter().position(|operation| operation == name).unwrap_or(0);
        let schedules = self.schedules.iter().map(|schedule| ScheduleConfig {
            name: schedule.name.clone(),
            job: NewJob::of(KindId(kind_of(&schedule.operation) as u16)),
            overlap: schedule.overlap,
            jitter: schedule.jitter,
        });
        SchedulerConfig {
            queues: self.queues.clone(),
            kinds: kinds.collect(),
            pools: std::iter::once(usual_pool).chain(pools).collect(),
            schedules: schedules.collect(),
            leader_lease: self.leader_lease,
            keep: Retention { completed: self.keep, cancelled: self.keep, discarded: self.keep_dead },
            seed,
            store_retry: Span::from_secs(1),
        }
    }

    fn job(&self, operation: &str) -> &JobSettings {
        self.jobs.get(operation).unwrap_or(&self.other)
    }

    /// The workflow that an operation stands for.
    pub(super) fn workflow(&self, operation: &str) -> Option<&WorkflowSettings> {
        self.workflows.iter().find(|workflow| workflow.name == operation)
    }

    /// Whether any request enqueues more than one job.
    pub(super) fn has_workflows(&self) -> bool {
        !self.workflows.is_empty()
    }

    /// The clocks on the walls of the schedules.
    pub(super) fn walls(&self) -> Walls {
        Walls::new(self.schedules.iter().map(|schedule| &schedule.ticks), self.begins_unix_s)
    }

    /// Whether the same key of an operation enqueues once.
    pub(super) fn once_per_key(&self, operation: &str) -> bool {
        self.job(operation).once_per_key
    }

    /// The id of a pool; the first one, of all queues, bears no name.
    pub(super) fn pool(&self, name: &str) -> Option<u16> {
        self.pools.iter().position(|(pool, _)| pool == name).map(|at| at as u16 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foreshock_systems::store::FsyncPolicy;
    use serde_json::json;

    fn wrong(settings: Value) -> Vec<String> {
        let Value::Object(settings) = settings else { panic!("settings are a mapping") };
        let wrong = read(&settings).err().unwrap_or_default();
        wrong.into_iter().map(|(place, message)| format!("{place}: {message}")).collect()
    }

    #[test]
    fn without_settings_there_is_one_queue_behind_a_log_that_is_synced_in_each_commit() {
        let settings = read(&Map::new()).expect("nothing is wrong");
        assert_eq!(settings.store, StoreKind::Wal(FsyncPolicy::EveryCommit));
        let config = settings.config(&["default".to_string(), "mail".to_string()], 1);
        assert_eq!(config.validate(), Ok(()));
        assert_eq!((config.queues.len(), config.kinds.len(), config.pools.len()), (1, 2, 1));
    }

    #[test]
    fn what_is_named_is_found_under_its_id() {
        let settings = json!({
            "queues": {"urgent": {"max_running": 5}, "bulk": {"aging": "30s"}},
            "jobs": {"mail": {"queue": "bulk", "priority": 3, "lease": "5s", "rate": "10/s", "once_per_key": true}},
            "worker_pools": {"mailers": {"bulk": 3, "urgent": 1}},
            "schedules": {"digest": {"operation": "mail", "every": "1m", "misfire": {"catch_up": 3}}},
            "fsync": {"group": {"commits": 8, "wait": "2ms"}},
        });
        let settings = read(settings.as_object().expect("a mapping")).expect("nothing is wrong");
        let config = settings.config(&["default".to_string(), "mail".to_string()], 1);
        assert_eq!(config.validate(), Ok(()));
        assert_eq!((config.kinds[1].queue, config.kinds[1].priority), (QueueId(1), 3));
        assert_eq!(config.pools[1].queues, [(QueueId(1), 3), (QueueId(0), 1)]);
        assert_eq!(config.schedules[0].job.kind, KindId(1));
        assert_eq!((settings.pool("mailers"), settings.pool("others")), (Some(1), None));
        assert!(settings.once_per_key("mail") && !settings.once_per_key("default"));
    }

    #[test]
    fn everything_wrong_is_said_at_its_place_in_one_go() {
        let told = wrong(json!({
            "fsyncc": "never", "store": "disc", "leader_lease": "0s",
            "queues": {"a": {"max_running": 0, "order": "strict", "aging": "5s"}, "b": 5},
            "jobs": {"mail": {"queue": "c"}, "bill": {"lease": "10s", "max_run": "5s", "burst": 3}},
            "worker_pools": {"p": {}, "q": {"z": 1}},
            "schedules": {"s": {"every": "1ms"}, "t": {"operation": "mail", "every": "1m", "misfire": {}}},
        }));
        let expected = [
            "fsyncc: is no setting of kind `job-scheduler`; did you mean `fsync`?",
            "queues.a.aging: has no effect on `order: strict`",
            "queues.a.max_running: must be at least 1",
            "queues.b: is no mapping",
            "jobs.bill.burst: has no effect without a `rate`",
            "jobs.bill.max_run: ends an attempt before its lease of 10s",
            "jobs.mail.queue: names the queue `c`; there is a",
            "store: `disc` is not known here; use wal or memory",
            "worker_pools.p: has no queue",
            "worker_pools.q.z: names the queue `z`",
            "schedules.s: says nothing about what is enqueued",
            "schedules.s.every: is too often",
            "schedules.t.misfire: says nothing",
            "leader_lease: has to have a length",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for told in &told {
            assert!(expected.iter().any(|expected| told.starts_with(expected)), "{told}");
        }
    }
}
